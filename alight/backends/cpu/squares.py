"""Lanes in another order: shuffles of vectors, and squares of lanes whose rows and columns are exchanged.

In: vectors, or the way to each. Out: vectors, or what is done with each. Interleaving within 16 bytes and moves of 16
bytes are what every machine does in one instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alight.backends.cpu.code import Code, Value, element_type, lanes, vector

ITEMSIZES = {"float": 4, "double": 8}


def shuffled(code: Code, x: Value, y: Value, order: Sequence[int]) -> Value:
    """Lanes of x (0, 1, ...) and y (after those) in another order; one lane is a scalar."""
    if len(order) == 1 and order[0] < lanes(x.type):
        return code.op(f"extractelement {x.typed}, i64 {order[0]}", type=element_type(x.type))
    picks = ", ".join(f"i32 {lane}" for lane in order)
    return code.op(
        f"shufflevector {x.typed}, {y.typed}, <{len(order)} x i32> <{picks}>",
        type=vector(x.type, len(order)),
    )


def _interleaved(code: Code, x: Value, y: Value, upper: bool, group: int, block: int) -> Value:
    """In each block of lanes (16 bytes): groups of lanes of x's and y's lower or upper halves, alternately."""
    total = lanes(x.type)
    order = []
    for start in range(block // 2 if upper else 0, total, block):
        for lane in range(start, start + block // 2, group):
            order += [side + lane + i for side in (0, total) for i in range(group)]
    return shuffled(code, x, y, order)


def store_transposed(code: Code, rows: Sequence[Value], pointer: Value, step: int) -> None:
    """Store 16 bytes' worth of rows so that lane i of all of them lies at pointer + i * step bytes.

    Only interleaving within 16 bytes, which every machine does in one instruction, and stores of 16 bytes.
    """
    block = len(rows)
    for i, value in enumerate(_exchanged_within(code, rows)):
        for part in range(lanes(value.type) // block):
            piece = shuffled(code, value, value, range(part * block, (part + 1) * block))
            code.store(piece, code.element(pointer, (part * block + i) * step, 1))


def _exchanged_within(code: Code, rows: Sequence[Value]) -> list[Value]:
    """16 bytes' worth of rows: vector i has in its n-th 16 bytes their lanes n * len(rows) + i."""
    values = list(rows)
    if len(values) == 2:
        return [_interleaved(code, values[0], values[1], up, 1, 2) for up in (False, True)]
    pairs = [
        _interleaved(code, values[i], values[i + 1], up, 1, 4)
        for i in (0, 2)
        for up in (False, True)
    ]
    return [
        _interleaved(code, pairs[i], pairs[i + 2], up, 2, 4) for i in (0, 1) for up in (False, True)
    ]


def exchange(
    code: Code,
    type: str,
    at: Callable[[int], Value],
    put: Callable[[Value, Value], None],
    left: Value | None = None,
    zeros: bool = False,
) -> None:
    """Exchange rows and columns of a square: as many vectors as they have lanes, row i at address `at(i)`.

    `put` gets each column's number and the column. Of the rows' elements only the first `left` exist; columns behind
    those are not put, or, with `zeros`, are zeros. A loop over 16 bytes of all rows: their 16 bytes are put together on the
    way in, which leaves half of the shuffles, and LLVM takes 14 ms to find out that all shuffles of a square in a run
    cannot be combined.
    """
    total, itemsize = lanes(type), ITEMSIZES[element_type(type)]
    block = 16 // itemsize
    small = vector(type, block)
    stop = code.integer(total)
    if left is not None and not zeros:
        stop = code.minimum(left, stop)
    with code.loop(code.integer(0), stop, block) as first:
        mask = None if left is None else code.tail_mask(code.op("sub", left, first), small)
        pieces = [
            code.load(small, code.element(at(i), first, itemsize), mask) for i in range(total)
        ]
        rows = [_joined(code, pieces[i::block]) for i in range(block)]
        for i, value in enumerate(_exchanged_within(code, rows)):
            put(code.add(first, i), value)


def _joined(code: Code, pieces: Sequence[Value]) -> Value:
    """One vector of some shorter ones, whose number is a power of two."""
    if len(pieces) == 1:
        return pieces[0]
    half = len(pieces) // 2
    x, y = _joined(code, pieces[:half]), _joined(code, pieces[half:])
    return shuffled(code, x, y, range(2 * lanes(x.type)))
