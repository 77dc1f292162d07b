"""Register tiles: the innermost loops of matrix products and convolutions.

In: pointers and strides. Out: vectors of finished sums. A *broadcast tile* holds rows x vectors of sums; each step of
the contraction loads the vectors of one operand once and multiplies them by scalars of the other one. A *dot tile*
holds rows x columns of sums whose lanes run along the contraction, and adds the lanes up at the end. Also here: moving
a panel of an operand into scratch so that its vectors are contiguous.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from alight.backends.cpu.code import Code, Value, element_type, lanes, vector
from alight.backends.cpu.squares import ITEMSIZES as ITEMSIZES  # others take it from here
from alight.backends.cpu.squares import exchange, shuffled, store_transposed
from alight.backends.cpu.target import Target

CACHE_LINE = 64  # bytes
Sums = list[list[Value]]  # [row][vector]


class Shape(NamedTuple):
    """A register tile: so many rows of so many vectors (or columns, in a dot tile)."""

    rows: int
    vectors: int


def has_fma(target: Target) -> bool:
    """Whether the machine multiplies and adds in one instruction."""
    return not target.triple.startswith("x86") or "+fma" in target.features.split(",")


def accumulators(target: Target, vectors: int) -> int:
    """How many rows a broadcast tile of `vectors` vectors may have: sums, loaded vectors and one scalar in registers.

    >>> from alight.backends.cpu.target import Target
    >>> wide = Target("x86_64", "x86-64", "", 64, 32, 48 << 10, 2 << 20)
    >>> [accumulators(wide, n) for n in (1, 2, 3, 4, 6)]
    [28, 14, 9, 6, 4]
    """
    spare = 1 if has_fma(target) else 2
    return max(0, min(28, target.registers - spare - vectors) // vectors)


def step_cycles(rows: int, vectors: int, together: bool = False) -> float:
    """Cycles of one step of a broadcast tile: two multiply-adds, two loads a cycle, the latency of a sum,
    and a little for loads that miss the first cache, fewer where the scalars of a step lie `together`."""
    misses = 0.25 * (1 + rows / 16) if together else 0.1 * rows
    return max(rows * vectors / 2, (rows + vectors) / 2, 4.0) + misses + 0.25 * vectors


def best_shape(
    rows: int, vectors: int, target: Target, only: int | None = None, together: bool = False
) -> tuple[int, float]:
    """The number of rows of the tiles that `rows` rows of `vectors` vectors are cut into (`only` fixes it), and the
    cycles a step."""
    limit = min(accumulators(target, vectors), rows)
    best, fewest = 1, float("inf")
    for size in (only,) if only else range(1, limit + 1):
        full, rest = divmod(rows, size)
        cycles = full * step_cycles(size, vectors, together)
        if rest:
            cycles += step_cycles(rest, vectors, together)
        cycles *= 1.0 + (0.03 if rest else 0.0)  # a second body is more code
        cycles += 0.1 * (full + (rest > 0))
        if cycles < fewest:
            best, fewest = size, cycles
    return best, fewest


def zero(type: str) -> Value:
    """Zero of any type."""
    return Value("zeroinitializer" if lanes(type) > 1 else "0.0", type)


def first_lanes(count: int, type: str) -> Value | None:
    """The mask of the first `count` lanes as a constant; None if that is all of them."""
    total = lanes(type)
    if count >= total:
        return None
    bits = ", ".join("i1 true" if lane < count else "i1 false" for lane in range(total))
    return Value(f"<{bits}>", vector("i1", total))


def multiply_add(code: Code, target: Target, x: Value, y: Value, z: Value) -> Value:
    """x * y + z: fused where the machine has that instruction, never a library call."""
    if has_fma(target):
        return code.fma(x, y, z)
    return code.op("fadd", code.op("fmul", x, y), z)


class Steps(NamedTuple):
    """How a broadcast tile walks: bytes from row to row and step to step of a, from step to step of b."""

    row: int
    a: int
    b: int
    vector: int | None = None  # from vector to vector of b, if they do not follow each other


LONG_ROW = 8192  # bytes


def ahead_bytes(rows: int, step: int, length: int) -> int:
    """How far ahead the rows of a tile's operand are asked for, which lie `step` bytes apart: all of the next tile's,
    or, where rows are so long that they would not stay in the caches until then, further on in the same ones."""
    return rows * step if length <= LONG_ROW else 512


class Ahead(NamedTuple):
    """Lines of memory that a tile asks for as it goes: `lines` of them from `at` on at every so many steps."""

    at: Value
    step: int  # bytes from step to step
    every: int
    lines: int

    def moved(self, code: Code, steps: Value) -> Ahead:
        """The lines from some steps on."""
        return self._replace(at=code.element(self.at, code.mul(steps, self.step), 1))


def broadcast_tile(
    code: Code,
    target: Target,
    type: str,
    shape: Shape,
    count: Value,
    unroll: int,
    a: Value,
    b: Value,
    steps: Steps,
    sums: Sequence[Value],
    mask: Value | None = None,
    ahead: int = 0,
    lines: Ahead | None = None,
) -> list[Value]:
    """sums[row, vector] += sum over `count` steps of a's scalar times b's vector.

    `sums` are the first values, row by row; `type` is the vector type, `mask` the valid lanes of the last vector of b;
    `count` is a multiple of `unroll`. With `ahead`, the part of each row of a so many bytes ahead is asked for once
    each time round; with `lines`, those lines.
    """
    step = partial(_step, code, target, type, shape, steps, mask)

    def body(index: Value, carried: list[Value]) -> list[Value]:
        at_a, at_b, *total = carried
        asked = lines and code.element(lines.at, code.mul(index, lines.step), 1)
        for n in range(unroll):
            step(n, at_a, at_b, total)
            if lines and asked and n % lines.every == 0:
                for line in range(lines.lines):
                    code.prefetch(code.element(asked, n * lines.step + line * CACHE_LINE, 1))
            if ahead:
                for i in range(n * shape.rows // unroll, (n + 1) * shape.rows // unroll):
                    code.prefetch(code.element(at_a, i * steps.row + ahead, 1))
        following = [
            code.element(at_a, unroll * steps.a, 1),
            code.element(at_b, unroll * steps.b, 1),
        ]
        return [*following, *total]

    return code.fold(code.integer(0), count, unroll, [a, b, *sums], body)[2:]


def _step(
    code: Code,
    target: Target,
    type: str,
    shape: Shape,
    steps: Steps,
    mask: Value | None,
    n: int,
    at_a: Value,
    at_b: Value,
    total: list[Value],
) -> None:
    """The n-th step from some places in a and b, added to `total`."""
    width = steps.vector or lanes(type) * ITEMSIZES[element_type(type)]
    row_b = [
        code.load(
            type,
            code.element(at_b, n * steps.b + j * width, 1),
            mask if j == shape.vectors - 1 else None,
        )
        for j in range(shape.vectors)
    ]
    for i in range(shape.rows):
        at = code.element(at_a, n * steps.a + i * steps.row, 1)
        scalar = code.splat(code.load(element_type(type), at), type)
        for j, values in enumerate(row_b):
            place = i * shape.vectors + j
            total[place] = multiply_add(code, target, scalar, values, total[place])


LINE_STEPS = 4  # of a line of memory that are written one after another


def line_tile(
    code: Code,
    target: Target,
    type: str,
    shape: Shape,
    count: Value,
    a: Value,
    b: Value,
    steps: Steps,
    sums: Sequence[Value],
    ahead: int,
) -> list[Value]:
    """A broadcast tile whose rows of a are contiguous, of whole lines, which are asked for `ahead` bytes earlier.

    A loop over lines and one over their steps: a fourth of the text of all steps of a line.
    """
    line = CACHE_LINE // ITEMSIZES[element_type(type)]
    rows = -(-shape.rows * LINE_STEPS // line)  # asked for each time round

    def some(_: Value, carried: list[Value]) -> list[Value]:
        at_a, at_b, asked, *total = carried
        for n in range(LINE_STEPS):
            _step(code, target, type, shape, steps, None, n, at_a, at_b, total)
        for i in range(rows):
            code.prefetch(code.element(asked, i * steps.row, 1))
        moves = (
            (at_a, LINE_STEPS * steps.a),
            (at_b, LINE_STEPS * steps.b),
            (asked, rows * steps.row),
        )
        return [*(code.element(at, by, 1) for at, by in moves), *total]

    def whole(_: Value, carried: list[Value]) -> list[Value]:
        at_a, at_b, *total = carried
        given = [at_a, at_b, code.element(at_a, ahead, 1), *total]
        at_a, at_b, _, *total = code.fold(
            code.integer(0), code.integer(line), LINE_STEPS, given, some
        )
        return [at_a, at_b, *total]

    return code.fold(code.integer(0), count, line, [a, b, *sums], whole)[2:]


def lane_sums(code: Code, vectors: Sequence[Value]) -> tuple[Value, int]:
    """The sums over the lanes of each vector, in one vector: vector i's sum is at lane i * (the second result)."""
    type = vectors[0].type
    block = lanes(type)
    level = list(vectors)
    while block > 1:
        half = block // 2
        if len(level) > 1:
            if len(level) % 2:
                level.append(zero(type))
            level = [
                _halves_added(code, x, y, half)
                for x, y in zip(level[::2], level[1::2], strict=True)
            ]
        else:
            level = [_folded(code, level[0], half)]
        block = half
    used = 1
    while used < len(vectors):
        used *= 2
    return level[0], lanes(type) // used


def _halves_added(code: Code, x: Value, y: Value, half: int) -> Value:
    """Blocks of x, then blocks of y, each with its upper half added to its lower one."""
    total = lanes(x.type)
    starts = range(0, total, 2 * half)
    low = [
        start + lane
        for side in (0, total)
        for start in (side + s for s in starts)
        for lane in range(half)
    ]
    return code.op("fadd", shuffled(code, x, y, low), shuffled(code, x, y, [i + half for i in low]))


def _folded(code: Code, x: Value, half: int) -> Value:
    """Each block's upper half added to its lower one, in place."""
    moved = [min(lane + half, lanes(x.type) - 1) for lane in range(lanes(x.type))]
    return code.op("fadd", x, shuffled(code, x, x, moved))


def folded_sum(code: Code, x: Value) -> Value:
    """The sum of the lanes of one vector, as a scalar."""
    half = lanes(x.type) // 2
    while half:
        x = _folded(code, x, half)
        half //= 2
    return x if lanes(x.type) == 1 else shuffled(code, x, x, [0])


def on_stack(code: Code, values: Sequence[Value], buffer: Value | None = None) -> Value:
    """Vectors one after another on the stack: for loops over them, which registers do not have."""
    type = values[0].type
    size = lanes(type) * ITEMSIZES[element_type(type)]
    buffer = buffer or code.array(element_type(type), len(values) * lanes(type))
    for i, value in enumerate(values):
        code.store(value, code.element(buffer, i * size, 1))
    return buffer


CHAIN_STEPS = 512  # additions in a row: sums of sums lose less than one long chain


def summed_in_blocks(
    code: Code,
    start: Sequence[Value],
    extent: int,
    size: int,
    body: Callable[[Value, Value, list[Value]], list[Value]],
    count: Value | None = None,
) -> list[Value]:
    """The sums that body(first, last, zeros) gives for [0, extent), in blocks of `size` that are added up on the stack.

    `count` is the number of steps where that may be less than `extent`.
    """
    end = code.integer(extent) if count is None else count
    if extent <= size:
        return body(code.integer(0), end, list(start))
    type = start[0].type
    width = lanes(type) * ITEMSIZES[element_type(type)]
    buffer = on_stack(code, start)
    places = [code.element(buffer, i * width, 1) for i in range(len(start))]
    with code.loop(code.integer(0), end, size) as first:
        last = code.minimum(code.add(first, size), end)
        for place, value in zip(places, body(first, last, list(start)), strict=True):
            code.store(code.op("fadd", code.load(type, place), value), place)
    return [code.load(type, place) for place in places]


_LOOPED_STEPS = 256  # from so many steps of a tile on, a way over the stack costs nothing
_UNROLLED_LINES = 300  # of a finish, all rows together


def finish_rows(
    code: Code,
    sums: Sequence[Value],
    rows: int,
    steps: int,
    finish_row: Callable[[Value, list[Value]], None],
) -> None:
    """Call finish_row(row of the tile, its vectors) for each row of a tile's sums.

    A loop over the rows on the stack, so that a long finish is written once; one row after another where the finish
    turns out short and the tile has too few steps to hide the loop.
    """
    wide, first = len(sums) // rows, 0
    if steps < _LOOPED_STEPS or rows == 1:
        before = len(code.lines)
        finish_row(code.integer(0), list(sums[:wide]))
        first = rows if (len(code.lines) - before) * rows <= _UNROLLED_LINES else 1
        for i in range(1, first):
            finish_row(code.integer(i), list(sums[i * wide : (i + 1) * wide]))
    if first == rows:
        return
    buffer = on_stack(code, sums[first * wide :])
    type = sums[0].type
    size = lanes(type) * ITEMSIZES[element_type(type)]
    with code.loop(code.integer(first), code.integer(rows)) as row:
        at = code.element(buffer, code.mul(code.add(row, -first), wide * size), 1)
        vectors = [code.load(type, code.element(at, j * size, 1)) for j in range(wide)]
        finish_row(row, vectors)


class Panel(NamedTuple):
    """`steps` rows of `columns` elements of an operand, as its bytes lie: strides from step to step, column to column."""

    type: str
    steps: Value
    columns: int
    step: int
    column: int
    whole: bool = False  # whether the steps are known to be whole vectors


def pack(
    code: Code, target: Target, panel: Panel, source: Value, scratch: Value, width: int
) -> None:
    """Copy a panel to scratch with `width` contiguous elements a step; columns past the end hold anything finite or not.

    The scratch has room for the steps rounded up to whole vectors.
    """
    itemsize = ITEMSIZES[panel.type]
    if panel.column == itemsize:
        _pack_rows(code, target, panel, source, scratch, width)
    elif panel.step == itemsize:
        _pack_columns(code, target, panel, source, scratch, width)
    else:
        with code.loop(code.integer(0), panel.steps) as step:
            source_row = code.element(source, code.mul(step, panel.step), 1)
            row = code.element(scratch, code.mul(step, width), itemsize)
            with code.loop(code.integer(0), code.integer(panel.columns)) as column:
                at = code.element(source_row, code.mul(column, panel.column), 1)
                code.store(code.load(panel.type, at), code.element(row, column, itemsize))


def _pack_rows(
    code: Code, target: Target, panel: Panel, source: Value, scratch: Value, width: int
) -> None:
    itemsize = ITEMSIZES[panel.type]
    count = target.lanes(itemsize)
    type = vector(panel.type, count)
    with code.loop(code.integer(0), panel.steps) as step:
        source_row = code.element(source, code.mul(step, panel.step), 1)
        row = code.element(scratch, code.mul(step, width), itemsize)
        for start in range(0, panel.columns, count):
            mask = first_lanes(panel.columns - start, type)
            values = code.load(type, code.element(source_row, start, itemsize), mask)
            code.store(values, code.element(row, start, itemsize))


def _pack_columns(
    code: Code, target: Target, panel: Panel, source: Value, scratch: Value, width: int
) -> None:
    """Steps are contiguous: some columns at a time, a vector of steps each, are exchanged in registers.

    As many columns as a vector has lanes where the scratch has room for whole vectors, else 16 bytes of them.
    """
    itemsize = ITEMSIZES[panel.type]
    count = target.lanes(itemsize)
    block = count if width % count == 0 else 16 // itemsize
    type = vector(panel.type, count)
    last_column = code.integer((panel.columns - 1) * panel.column)
    ragged = panel.columns % block
    with (
        code.loop(code.integer(0), panel.steps, count) as first_step,
        code.loop(code.integer(0), code.integer(panel.columns), block) as first_column,
    ):
        left = None if panel.whole else code.op("sub", panel.steps, first_step)
        at = code.element(source, first_step, itemsize)
        offset = code.mul(first_column, panel.column)
        to = code.element(scratch, code.add(code.mul(first_step, width), first_column), itemsize)
        columns = []
        for i in range(block):
            here = code.add(offset, i * panel.column)
            if ragged:  # columns past the end repeat the last one: memory after it is not ours
                here = code.minimum(here, last_column)
            columns.append(code.element(at, here, 1))

        def put(i: Value, values: Value) -> None:
            code.store(values, code.element(to, code.mul(i, width), itemsize))

        if block == count:
            exchange(code, type, columns.__getitem__, put, left)
        else:
            mask = None if left is None else code.tail_mask(left, type)
            rows = [code.load(type, column, mask) for column in columns]
            store_transposed(code, rows, to, width * itemsize)


def dot_tile(
    code: Code,
    target: Target,
    type: str,
    a: Sequence[Value],
    b: Sequence[Value],
    count: Value,
    tail: Value | None,
    sums: Sequence[Value] | None = None,
    strides: tuple[int, int] = (1, 1),
    ahead: Sequence[Value] = (),
) -> list[list[Value]]:
    """The lane-wise sums over `count` elements (whole vectors, and a masked rest) of each pair of rows of a and b.

    `sums` are the first values, row of a by row of a; `strides` tell how far apart the elements of a and of b are, and
    may differ from 1 where vectors have one lane; rows of memory in `ahead` are asked for meanwhile.
    """
    size = lanes(type)
    itemsize = ITEMSIZES[element_type(type)]

    fewer, more = (a, b) if len(a) <= len(b) else (b, a)  # the fewer are held in registers

    def step(at: Value, total: Sequence[Value], mask: Value | None) -> list[Value]:
        at_a, at_b = (code.mul(at, stride) for stride in strides)
        at_fewer, at_more = (at_a, at_b) if fewer is a else (at_b, at_a)
        for row in ahead:
            code.prefetch(code.element(row, at, itemsize))
        held = [code.load(type, code.element(row, at_fewer, itemsize), mask) for row in fewer]
        total = list(total)
        for j, row in enumerate(more):
            passing = code.load(type, code.element(row, at_more, itemsize), mask)
            for i, values in enumerate(held):
                place = i * len(b) + j if fewer is a else j * len(b) + i
                total[place] = multiply_add(code, target, values, passing, total[place])
        return total

    whole = code.op("and", count, code.integer(-size)) if tail is not None else count
    total = code.fold(
        code.integer(0),
        whole,
        size,
        sums or [zero(type)] * (len(a) * len(b)),
        lambda at, total: step(at, total, None),
    )
    if tail is not None:
        total = step(whole, total, tail)
    return [total[i * len(b) : (i + 1) * len(b)] for i in range(len(a))]
