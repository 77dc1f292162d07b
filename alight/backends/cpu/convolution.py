"""Two-dimensional convolutions and their gradients, direct: nothing is unfolded or padded in memory.

In: a `Convolution` (extents and element strides, all known when code is written) and pointers. Out: code that calls
`finish` once for every vector of finished sums. Axes may lie in memory in any order; two orders are fast:

- batch innermost (channels, height, width, batch): vectors run along the batch; a tile holds several output channels of
  one position, and the weights are read as scalars where they lie. For batches of at least a vector.
- channels innermost (batch, height, width, channels; weights height, width, inputs, outputs): vectors run along the
  output channels, scalars are pixels. For small batches.

Both are one loop nest, sums over (channel, row of the window, column of the window) around the broadcast tile of
matrix products. The gradient in the input is the same nest with the channels exchanged and the window walked backwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import NamedTuple

from alight.backends.cpu.code import Code, Value, vector
from alight.backends.cpu.division import divided, moved, shared
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import (
    ITEMSIZES,
    Panel,
    Shape,
    Steps,
    accumulators,
    best_shape,
    broadcast_tile,
    first_lanes,
    pack,
    zero,
)
from alight.backends.cpu.walk import Run, Walk, run_at

# finish(code, [n, channel, row, column], values, mask): gets the finished sums of one vector exactly once for each
# element. The indices are those of its first lane; lanes run along n ("batch") or the channel ("channels"), as
# `vector_axis` says, and the mask (None: all) tells the valid ones.
Finish = Callable[[Code, list[Value], Value, "Value | None"], None]


class Convolution(NamedTuple):
    """A convolution of x with w: extents, and element strides in the order (n, channel, *spatial)."""

    type: str  # "float" or "double"
    batch: int
    groups: int
    inputs: int  # channels of x, all groups together
    outputs: int
    size: tuple[int, ...]  # spatial extents of x
    window: tuple[int, ...]
    out_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    x: tuple[int, ...]  # (n, c, *spatial)
    w: tuple[int, ...]  # (o, c of a group, *window)
    out: tuple[int, ...]  # (n, o, *spatial)

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return ITEMSIZES[self.type]


def supports(conv: Convolution) -> bool:
    """Whether there is code for it: two spatial axes (a one-dimensional convolution has height 1), real floats."""
    return len(conv.size) == 2 and conv.type in ITEMSIZES


def preferred_order(batch: int, type: str, target: Target) -> str:
    """The order of axes to give x and out: "batch" innermost, (c, h, w, n), or "channels" innermost, (n, h, w, c).

    Weights lie as (o, c, h, w) with "batch", where no copy of them is made, and best as (h, w, c, o) with "channels";
    otherwise a copy in that order is made in scratch at each call.
    """
    return "batch" if batch >= target.lanes(ITEMSIZES[type]) else "channels"


class _Nest(NamedTuple):
    """What forward and the gradient in x have in common: written[n, row, y, x] = sum over terms and taps."""

    type: str
    batch: int
    groups: int
    rows: int  # channels written, of one group
    terms: int  # channels read, of one group
    walks: tuple[Walk, Walk]
    read: tuple[int, ...]  # element strides (n, channel, y, x)
    written: tuple[int, ...]
    w: tuple[int, ...]  # (row, term, tap y, tap x)
    w_group: int

    @property
    def itemsize(self) -> int:
        return ITEMSIZES[self.type]


def _walks(conv: Convolution, backward: bool) -> tuple[Walk, Walk]:
    made = []
    for axis in range(2):
        extents = conv.size[axis], conv.out_size[axis]
        read, written = reversed(extents) if backward else extents
        made.append(
            Walk(
                conv.window[axis], read, written, conv.stride[axis], conv.padding[axis][0],
                conv.dilation[axis], backward,
            )
        )  # fmt: skip
    return made[0], made[1]


def _forward_nest(conv: Convolution) -> _Nest:
    rows = conv.outputs // conv.groups
    return _Nest(
        conv.type, conv.batch, conv.groups, rows, conv.inputs // conv.groups,
        _walks(conv, False), conv.x, conv.out, conv.w, rows * conv.w[0],
    )  # fmt: skip


def _backward_nest(conv: Convolution) -> _Nest:
    terms = conv.outputs // conv.groups
    w = (conv.w[1], conv.w[0], *conv.w[2:])
    return _Nest(
        conv.type, conv.batch, conv.groups, conv.inputs // conv.groups, terms,
        _walks(conv, True), conv.out, conv.x, w, terms * conv.w[0],
    )  # fmt: skip


def vector_axis(conv: Convolution, which: str) -> str:
    """The axis that vectors given to `finish` run along, "batch" or "channels", by how the written operand lies.

    `which` is "forward" or "data".
    """
    return _lanes_along(_forward_nest(conv) if which == "forward" else _backward_nest(conv))


def _lanes_along(nest: _Nest) -> str:
    if nest.written[1] == 1 and nest.rows > 1 and (nest.written[0] != 1 or nest.batch == 1):
        return "channels"
    return "batch"


def scratch_bytes(conv: Convolution, which: str, target: Target, threads: int) -> int:
    """Bytes of scratch memory, aligned to 64, that the code uses; `which` is "forward", "data" or "filter"."""
    if which == "filter":
        from alight.backends.cpu.filter_gradient import filter_scratch_bytes

        return filter_scratch_bytes(conv, target, threads)
    nest = _forward_nest(conv) if which == "forward" else _backward_nest(conv)
    if _lanes_along(nest) == "batch":
        return _batch_scratch(nest, target) * threads
    return 0


def emit_forward(
    code: Code,
    conv: Convolution,
    target: Target,
    x: Value,
    w: Value,
    out: Value,
    scratch: Value | None,
    finish: Finish | None = None,
) -> None:
    """Write the code of out = conv(x, w) into a kernel that has `thread` and `threads`."""
    _emit(code, _forward_nest(conv), target, x, w, out, scratch, finish)


def emit_data_gradient(
    code: Code,
    conv: Convolution,
    target: Target,
    out_ct: Value,
    w: Value,
    x_ct: Value,
    scratch: Value | None,
    finish: Finish | None = None,
) -> None:
    """Write the code of the gradient in x, which is also a transposed convolution of out_ct."""
    _emit(code, _backward_nest(conv), target, out_ct, w, x_ct, scratch, finish)


def _emit(
    code: Code,
    nest: _Nest,
    target: Target,
    read: Value,
    w: Value,
    written: Value,
    scratch: Value | None,
    finish: Finish | None,
) -> None:
    extents = (nest.batch, nest.groups, nest.rows, *(walk.written for walk in nest.walks))
    if 0 in extents:
        return
    if _lanes_along(nest) == "batch":
        _BatchNest(code, nest, target, read, w, written, scratch, finish).run()
    else:
        raise NotImplementedError


def _batch_scratch(nest: _Nest, target: Target) -> int:
    return 0


class _BatchNest:
    """Vectors run along the batch."""

    def __init__(
        self,
        code: Code,
        nest: _Nest,
        target: Target,
        read: Value,
        w: Value,
        written: Value,
        scratch: Value | None,
        finish: Finish | None,
    ) -> None:
        self.code, self.nest, self.target = code, nest, target
        self.read, self.w, self.written = read, w, written
        self.looped = finish is not None
        self.finish = finish or self._store
        self.count = target.lanes(nest.itemsize)
        self.type = vector(nest.type, self.count)
        self.buffers: dict[int, Value] = {}

    def run(self) -> None:
        """Panels of the batch: equal ones, then a narrower one for what is left."""
        nest = self.nest
        best: list[tuple[int, int, int, Shape]] = []
        fewest = float("inf")
        for vectors in (4, 2, 3, 1):
            if accumulators(self.target, vectors) == 0:
                continue
            panels, rest = divmod(nest.batch, vectors * self.count)
            sections, cycles = [], 0.0
            for first, repeat, columns in (
                (0, panels, vectors * self.count),
                (nest.batch - rest, 1, rest),
            ):
                if repeat and columns:
                    wide = -(-columns // self.count)
                    rows, steps = best_shape(nest.rows, wide, self.target)
                    sections.append((first, repeat, columns, Shape(rows, wide)))
                    cycles += repeat * steps
            if cycles < fewest * 0.97:
                best, fewest = sections, cycles
        for section in best:
            self._section(*section)

    def _section(self, first: int, panels: int, columns: int, shape: Shape) -> None:
        """Units of work: (group, y, panel) x (x, tile of rows)."""
        code, nest = self.code, self.nest
        tiles = -(-nest.rows // shape.rows)
        height, width = (walk.written for walk in nest.walks)
        with shared(code, nest.groups * height * panels, width * tiles) as (unit, start, stop):
            outer, panel = divided(code, unit, panels)
            group, y = divided(code, outer, height)
            n = code.add(code.mul(panel, shape.vectors * self.count), first)
            vertical = run_at(code, nest.walks[0], y)
            read = moved(
                code, self.read, nest.itemsize, nest.read[:2],
                [n, code.mul(group, nest.terms)],
            )  # fmt: skip
            w = moved(code, self.w, nest.itemsize, (nest.w_group,), [group])
            with code.loop(start, stop) as unit:
                x, tile = divided(code, unit, tiles)
                horizontal = run_at(code, nest.walks[1], x)
                self._position(
                    shape, columns, tile, tiles, read, w, vertical, horizontal, [n, group, y, x]
                )

    def _position(
        self,
        shape: Shape,
        columns: int,
        tile: Value,
        tiles: int,
        read: Value,
        w: Value,
        vertical: Run,
        horizontal: Run,
        place: list[Value],
    ) -> None:
        code, nest = self.code, self.nest
        full, rest = divmod(nest.rows, shape.rows)
        for rows, count in ((shape.rows, full), (rest, 1 if rest else 0)):
            if not count:
                continue
            row = (
                code.mul(tile, shape.rows)
                if rows == shape.rows
                else code.integer(full * shape.rows)
            )
            with self._maybe(tile, full, rows == shape.rows, rest):
                here = moved(code, w, nest.itemsize, nest.w[:1], [row])
                size = Shape(rows, shape.vectors)
                last = columns - (shape.vectors - 1) * self.count
                mask = first_lanes(last, self.type)
                sums = self._sums(size, here, read, vertical, horizontal, mask)
                self._finish_tile(size, mask, row, place, sums)

    @contextmanager
    def _maybe(self, tile: Value, full: int, is_full: bool, rest: int) -> Iterator[None]:
        if not rest or not full:
            yield
            return
        with self.code.when(
            self.code.compare("icmp slt" if is_full else "icmp sge", tile, self.code.integer(full))
        ):
            yield

    def _sums(
        self,
        shape: Shape,
        w: Value,
        read: Value,
        vertical: Run,
        horizontal: Run,
        mask: Value | None,
    ) -> list[Value]:
        """The sums over terms and taps of one tile."""
        code, nest = self.code, self.nest
        size = nest.itemsize
        walks = nest.walks
        for axis, (walk, run) in enumerate(zip(walks, (vertical, horizontal), strict=True)):
            tap = code.add(run.tap, code.mul(run.first, walk.tap_step))
            place = code.add(run.place, code.mul(run.first, walk.place_step))
            w = moved(code, w, size, nest.w[2 + axis : 3 + axis], [tap])
            read = moved(code, read, size, nest.read[2 + axis : 3 + axis], [place])
        w_steps = [walk.tap_step * nest.w[2 + i] * size for i, walk in enumerate(walks)]
        read_steps = [walk.place_step * nest.read[2 + i] * size for i, walk in enumerate(walks)]
        across = code.op("sub", horizontal.last, horizontal.first)
        steps = Steps(nest.w[0] * size, w_steps[1], read_steps[1])

        def line(w: Value, read: Value, sums: list[Value]) -> list[Value]:
            return broadcast_tile(
                code, self.target, self.type, shape, across, 1, w, read, steps, sums, mask
            )

        def window(w: Value, read: Value, sums: list[Value]) -> list[Value]:
            def body(_: Value, carried: list[Value]) -> list[Value]:
                at_w, at_read, *total = carried
                total = line(at_w, at_read, total)
                return [
                    code.element(at_w, w_steps[0], 1),
                    code.element(at_read, read_steps[0], 1),
                    *total,
                ]

            return code.fold(vertical.first, vertical.last, 1, [w, read, *sums], body)[2:]

        def term(_: Value, carried: list[Value]) -> list[Value]:
            at_w, at_read, *total = carried
            total = window(at_w, at_read, total)
            return [
                code.element(at_w, nest.w[1] * size, 1),
                code.element(at_read, nest.read[1] * size, 1),
                *total,
            ]

        start = [zero(self.type)] * (shape.rows * shape.vectors)
        return code.fold(code.integer(0), code.integer(nest.terms), 1, [w, read, *start], term)[2:]

    def _finish_tile(
        self, shape: Shape, mask: Value | None, row: Value, place: list[Value], sums: list[Value]
    ) -> None:
        code = self.code
        n, group, y, x = place
        channel = code.add(code.mul(group, self.nest.rows), row)
        for i in range(shape.rows):
            for j in range(shape.vectors):
                last = j == shape.vectors - 1
                indices = [code.add(n, j * self.count), code.add(channel, i), y, x]
                self.finish(code, indices, sums[i * shape.vectors + j], mask if last else None)

    def _store(self, code: Code, indices: list[Value], values: Value, mask: Value | None) -> None:
        nest = self.nest
        at = moved(code, self.written, nest.itemsize, nest.written, indices)
        code.store(values, at, mask)
