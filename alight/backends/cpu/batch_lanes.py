"""Convolutions whose vectors run along the batch: several output channels of one position at a time.

The weights are read as scalars where they lie. Where images do not lie next to each other, the same code works on one
image at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from typing import NamedTuple

from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.convolution_code import ConvolutionCode
from alight.backends.cpu.division import divided, moved, shared
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import (
    CHAIN_STEPS,
    Shape,
    Steps,
    accumulators,
    best_shape,
    broadcast_tile,
    finish_rows,
    first_lanes,
    summed_in_blocks,
    zero,
)
from alight.backends.cpu.walk import Nest, Run, run_at


def batch_lanes(nest: Nest, target: Target) -> int:
    """Lanes of the vectors: 1 where images do not lie next to each other."""
    contiguous = nest.batch == 1 or (nest.read[0] == 1 and nest.written[0] == 1)
    return target.lanes(nest.itemsize) if contiguous else 1


LINE_BYTES = 64  # of the caches


class Panels(NamedTuple):
    """Neighbouring panels of the axis that vectors run along, which have the same tile."""

    first: int
    panels: int
    columns: int  # elements of a panel that exist
    shape: Shape


def batch_panels(
    extent: int, rows: int, count: int, target: Target, only: int | None = None
) -> list[Panels]:
    """The cheapest panels of vectors of `count` lanes along an axis, for tiles of some of `rows` channels."""
    best: list[Panels] = []
    fewest = float("inf")
    widths = [
        vectors
        for vectors in ((2, 1) if target.varied else (4, 2, 3, 1, 6, 8))
        if accumulators(target, vectors) >= (only or 1) and vectors <= max(1, -(-extent // count))
    ]
    for vectors in widths[:1] if target.varied else widths:  # few texts serve all extents
        panels, rest = divmod(extent, vectors * count)
        found, cycles = [], 0.0
        for first, repeat, columns in ((0, panels, vectors * count), (extent - rest, 1, rest)):
            if repeat and columns:
                wide = -(-columns // count)
                size, steps = best_shape(rows, wide, target, only)
                found.append(Panels(first, repeat, columns, Shape(size, wide)))
                cycles += repeat * steps
        if cycles < fewest * 0.97:
            best, fewest = found, cycles
    return best


Order = tuple[tuple[str, ...], tuple[str, ...]]  # axes of groups of tiles, and of tiles in them

TILES_INSIDE: Order = (("group", "y"), ("x", "panel", "tile"))
TILES_OF_A_ROW: Order = (("group", "y"), ("tile", "x", "panel"))
TILES_OUTSIDE: Order = (("group", "tile"), ("y", "x", "panel"))


def walking_order(nest: Nest, shape: Shape, target: Target) -> Order:
    """The order of tiles that keeps in the second cache what is read again.

    That is the weights while all of them fit; else a tile's weights, together with the rows of the image that a row of
    positions reads, or with whole images if these are small.
    """
    weights = nest.rows * nest.terms * prod(walk.taps for walk in nest.walks) * nest.itemsize
    if weights <= target.l2_bytes // 2:
        return TILES_INSIDE
    images = nest.batch * nest.terms * prod(walk.read for walk in nest.walks) * nest.itemsize
    return TILES_OUTSIDE if images <= target.l2_bytes // 2 else TILES_OF_A_ROW


def _indices(
    code: Code, index: Value, axes: tuple[str, ...], extents: dict[str, int]
) -> dict[str, Value]:
    """The index along each of some axes, the last one innermost."""
    found = {}
    for axis in reversed(axes[1:]):
        index, found[axis] = divided(code, index, extents[axis])
    return {**found, axes[0]: index}


_TERMS_AHEAD = 3


def _lines_ahead(nest: Nest, shape: Shape) -> range:
    """Offsets of the lines with a tile's weights of a later term, where each term's lie together and far from the next."""
    size = nest.itemsize
    step, row = nest.w[1] * size, nest.w[0] * size
    strided = any(walk.stride > 1 for walk in nest.walks)  # few taps count: too little time to ask
    if strided or step < 1024 or row > 64 or nest.terms < 64:
        return range(0)
    start = _TERMS_AHEAD * step
    return range(start, start + shape.rows * row + LINE_BYTES, LINE_BYTES)


class BatchNest(ConvolutionCode):
    """Vectors run along the batch."""

    def lanes_of(self) -> int:
        """One where images do not lie next to each other."""
        return batch_lanes(self.nest, self.target)

    def run(self) -> None:
        """Panels of the batch: equal ones, then a narrower one for what is left."""
        for panels in batch_panels(self.nest.batch, self.nest.rows, self.lanes, self.target):
            self._section(*panels)

    def _section(self, first: int, panels: int, columns: int, shape: Shape) -> None:
        """Units of work, walked in the order that moves least through memory."""
        code, nest, size = self.code, self.nest, self.nest.itemsize
        tiles = -(-nest.rows // shape.rows)
        height, width = (walk.written for walk in nest.walks)
        extents = {"group": nest.groups, "y": height, "x": width, "panel": panels, "tile": tiles}
        order = walking_order(nest, shape, self.target)
        units, inner = (prod(extents[axis] for axis in axes) for axes in order)
        with shared(code, units, inner) as (unit, start, stop):
            place = _indices(code, unit, order[0], extents)
            group = place["group"]
            read = moved(code, self.read, size, nest.read[1:2], [code.mul(group, nest.terms)])
            w = moved(code, self.w, size, (nest.w_group,), [group])
            vertical = run_at(code, nest.walks[0], place["y"]) if "y" in place else None
            with code.loop(start, stop) as index:
                place |= _indices(code, index, order[1], extents)
                y, x, tile = place["y"], place["x"], place["tile"]
                n = code.add(code.mul(place["panel"], shape.vectors * self.lanes), first)
                here = moved(code, read, size, nest.read[:1], [n])
                down = vertical or run_at(code, nest.walks[0], y)
                across = run_at(code, nest.walks[1], x)
                self._position(shape, columns, tile, tiles, here, w, down, across, [n, group, y, x])

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
                last = columns - (shape.vectors - 1) * self.lanes
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

    def _at_first_tap(
        self, w: Value, read: Value, vertical: Run, horizontal: Run
    ) -> tuple[Value, Value]:
        """Where the sums of a tile begin to read."""
        code, nest = self.code, self.nest
        size = nest.itemsize
        for axis, (walk, run) in enumerate(zip(nest.walks, (vertical, horizontal), strict=True)):
            tap = code.add(run.tap, code.mul(run.first, walk.tap_step))
            place = code.add(run.place, code.mul(run.first, walk.place_step))
            w = moved(code, w, size, nest.w[2 + axis : 3 + axis], [tap])
            read = moved(code, read, size, nest.read[2 + axis : 3 + axis], [place])
        return w, read

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
        w, read = self._at_first_tap(w, read, vertical, horizontal)
        w_steps = [walk.tap_step * nest.w[2 + i] * size for i, walk in enumerate(walks)]
        read_steps = [walk.place_step * nest.read[2 + i] * size for i, walk in enumerate(walks)]
        across = code.op("sub", horizontal.last, horizontal.first)
        apart = nest.read[0] * size if self.lanes == 1 else None
        steps = Steps(nest.w[0] * size, w_steps[1], read_steps[1], apart)
        down = w_steps[0], read_steps[0]
        term = self._term(shape, vertical, across, steps, down, mask)
        start = [zero(self.type)] * (shape.rows * shape.vectors)
        taps = prod(walk.taps for walk in walks)
        single = taps == 1
        count = self._terms_at(vertical, across) if single else None
        whole = Steps(nest.w[0] * size, nest.w[1] * size, nest.read[1] * size, apart)
        unroll = 1 if nest.terms % 2 else 2

        def some(first: Value, last: Value, sums: list[Value]) -> list[Value]:
            at_w = moved(code, w, size, nest.w[1:2], [first])
            at_read = moved(code, read, size, nest.read[1:2], [first])
            if single:  # a matrix product at each position
                return broadcast_tile(
                    code, self.target, self.type, shape, code.op("sub", last, first),
                    unroll, at_w, at_read, whole, sums, mask,
                )  # fmt: skip
            return code.fold(first, last, 1, [at_w, at_read, *sums], term)[2:]

        block = max(2, CHAIN_STEPS // taps // 2 * 2)
        return summed_in_blocks(code, start, nest.terms, block, some, count)

    def _term(
        self,
        shape: Shape,
        vertical: Run,
        across: Value,
        steps: Steps,
        down: tuple[int, int],
        mask: Value | None,
    ) -> Callable[[Value, list[Value]], list[Value]]:
        """A loop's body: one term over all taps; `down` has the bytes of weights and of pixels from line to line."""
        code, nest = self.code, self.nest
        ahead = _lines_ahead(nest, shape)

        def line(_: Value, carried: list[Value]) -> list[Value]:
            at_w, at_read, *total = carried
            total = broadcast_tile(
                code, self.target, self.type, shape, across, 1, at_w, at_read, steps, total, mask
            )
            return [code.element(at_w, down[0], 1), code.element(at_read, down[1], 1), *total]

        def term(_: Value, carried: list[Value]) -> list[Value]:
            at_w, at_read, *total = carried
            for line_of_w in ahead:
                code.prefetch(code.element(at_w, line_of_w, 1))
            total = code.fold(vertical.first, vertical.last, 1, [at_w, at_read, *total], line)[2:]
            return [
                code.element(at_w, nest.w[1] * nest.itemsize, 1),
                code.element(at_read, nest.read[1] * nest.itemsize, 1),
                *total,
            ]

        return term

    def _terms_at(self, vertical: Run, across: Value) -> Value | None:
        """How many terms a single tap has at a position: none where it does not count; None if it always does."""
        code = self.code
        if all(walk.plain for walk in self.nest.walks):
            return None
        taps = code.minimum(code.op("sub", vertical.last, vertical.first), across)
        return code.mul(code.maximum(taps, code.integer(0)), self.nest.terms)

    def _finish_tile(
        self, shape: Shape, mask: Value | None, row: Value, place: list[Value], sums: list[Value]
    ) -> None:
        code = self.code
        n, group, y, x = place
        channel = code.add(code.mul(group, self.nest.rows), row)

        def finish_row(row: Value, vectors: list[Value]) -> None:
            for j, values in enumerate(vectors):
                indices = [code.add(n, j * self.lanes), code.add(channel, row), y, x]
                self.finish(code, indices, values, mask if j == len(vectors) - 1 else None)

        taps = self.nest.walks[0].taps * self.nest.walks[1].taps
        steps = taps * self.nest.terms if self.has_ending else 0
        finish_rows(code, sums, shape.rows, steps, finish_row)
