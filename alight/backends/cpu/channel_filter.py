"""The gradient of a convolution in its weights with vectors along the output channels.

For each tap of the window this is a product: input channels times output channels, summed over the images and positions
at which the tap lies inside. Numbers of x are the scalars of the broadcast tile; its steps are the positions of a row
(where channels lie innermost), or the images of a position and of its neighbours (where the batch does). All tiles go
over a block of positions that stays in the second cache before the next one; out_ct is brought into the order of the
tiles' vectors for that, where it does not lie so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from alight.backends.cpu.code import Code, Value, vector
from alight.backends.cpu.division import divided, moved, shared
from alight.backends.cpu.squares import store_transposed
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import (
    ITEMSIZES,
    Panel,
    Shape,
    Steps,
    accumulators,
    broadcast_tile,
    first_lanes,
    pack,
    step_cycles,
    zero,
)

if TYPE_CHECKING:
    from alight.backends.cpu.convolution import Convolution


class FilterPlan(NamedTuple):
    """The tile, and the block of positions that stays in the second cache."""

    vectors: int  # of output channels in a tile
    rows: int  # input channels in a tile
    packed: bool  # out_ct is brought into order
    images: int  # images of a block
    high: int  # rows of positions
    wide: int  # columns

    @property
    def steps(self) -> int:
        """Steps of a tile in one block."""
        return self.images * self.high * self.wide


@lru_cache(256)
def filter_plan(conv: Convolution, target: Target) -> tuple[FilterPlan, float]:
    """The cheapest tile, equal blocks, and about how many cycles a position of an image takes.

    A panel's part of out_ct takes up a sixteenth of the second cache, which leaves room for x.
    """
    lanes = target.lanes(conv.itemsize)
    inputs, outputs = conv.inputs // conv.groups, conv.outputs // conv.groups
    best, fewest = (1, 1), float("inf")
    for vectors in range(1, min(4, -(-outputs // lanes)) + 1):
        most = accumulators(target, vectors)
        if most:
            rows = _equal(inputs, most)
            tiles = -(-inputs // rows) * -(-outputs // (lanes * vectors))
            if tiles * step_cycles(rows, vectors) < fewest:
                best, fewest = (vectors, rows), tiles * step_cycles(rows, vectors)
    vectors, rows = best
    far = abs(conv.out[3]) * conv.itemsize >= 1024 and inputs * prod(conv.window) >= 16 * rows
    steps = target.l2_bytes // 16 // (vectors * target.vector_bytes)
    images = _equal(conv.batch, steps) if images_innermost(conv) else 1
    across = max(1, steps // images)
    height, width = conv.out_size
    high = _equal(height, across // width) if across >= width else 1
    packed = conv.out[1] != 1 or far
    plan = FilterPlan(vectors, rows, packed, images, high, min(width, _equal(width, across)))
    cycles = fewest * prod(conv.window) * conv.groups
    return plan, cycles + (0.45 * conv.outputs if packed else 0.0)


def _equal(extent: int, most: int) -> int:
    """The size of equal parts of at most `most`."""
    return -(-extent // -(-extent // max(1, most)))


def images_innermost(conv: Convolution) -> bool:
    """Whether images lie next to each other."""
    return conv.batch > 1 and conv.x[0] == 1 and conv.out[0] == 1


def _panel_bytes(conv: Convolution, target: Target) -> int:
    """Bytes of out_ct's block in order."""
    plan, _ = filter_plan(conv, target)
    lanes = target.lanes(conv.itemsize)
    steps = plan.steps + lanes  # transposing writes whole vectors of steps
    return steps * plan.vectors * target.vector_bytes if plan.packed else 0


def _tile_bytes(conv: Convolution, target: Target) -> int:
    """Bytes of the sums of a tile at all taps."""
    plan, _ = filter_plan(conv, target)
    return plan.rows * plan.vectors * target.vector_bytes * prod(conv.window)


def channel_filter_bytes(conv: Convolution, target: Target) -> int:
    """Bytes of scratch memory of one thread: a block of out_ct, and the sums of a panel of output channels."""
    tiles = -(-conv.inputs // conv.groups // filter_plan(conv, target)[0].rows)
    return _panel_bytes(conv, target) + tiles * _tile_bytes(conv, target)


class _Block(NamedTuple):
    """Images from `image` on, and a rectangle of positions."""

    image: Value
    images: Value
    top: Value
    bottom: Value
    left: Value
    right: Value


class ChannelFilter:
    """Writes one gradient."""

    def __init__(
        self,
        code: Code,
        conv: Convolution,
        target: Target,
        x: Value,
        out_ct: Value,
        w_ct: Value,
        scratch: Value,
    ) -> None:
        self.code, self.conv, self.target = code, conv, target
        self.x, self.out_ct, self.w_ct = x, out_ct, w_ct
        self.itemsize = ITEMSIZES[conv.type]
        self.lanes = target.lanes(self.itemsize)
        self.type = vector(conv.type, self.lanes)
        self.plan, _ = filter_plan(conv, target)
        own = code.mul(code["thread"], channel_filter_bytes(conv, target))
        self.packed = code.element(scratch, own, 1)
        self.sums = code.element(self.packed, _panel_bytes(conv, target), 1)
        # Whether a row of a block is one run of steps, and how far its numbers are apart.
        single = self.plan.images == 1
        whole = self.plan.images == conv.batch and conv.x[3] == conv.out[3] == conv.batch
        self.is_run = single or (whole and conv.stride[1] == 1)
        self.x_step = conv.x[3] * conv.stride[1] if single else 1
        self.out_step = conv.out[3] if single else conv.out[0]

    def run(self) -> None:
        """Panels of output channels: equal ones, then a narrower one for what is left."""
        outputs = self.conv.outputs // self.conv.groups
        width = self.plan.vectors * self.lanes
        panels, rest = divmod(outputs, width)
        if panels:
            self._section(0, panels, width)
        if rest:
            self._section(outputs - rest, 1, rest)

    def _section(self, first: int, panels: int, columns: int) -> None:
        """Units of work: (group, panel of outputs) x tile of inputs."""
        code, conv, size = self.code, self.conv, self.itemsize
        inputs, outputs = conv.inputs // conv.groups, conv.outputs // conv.groups
        rows = self.plan.rows
        width = min(self.plan.vectors, -(-columns // self.lanes))
        shape = Shape(rows, width)
        with shared(code, conv.groups * panels, -(-inputs // rows)) as (unit, start, stop):
            group, panel = divided(code, unit, panels)
            output = code.add(code.mul(panel, self.plan.vectors * self.lanes), first)
            output = code.add(output, code.mul(group, outputs))
            out = moved(code, self.out_ct, size, conv.out[1:2], [output])
            self._clear(code.op("sub", stop, start))
            group_x = moved(code, self.x, size, conv.x[1:2], [code.mul(group, inputs)])
            last = code.integer(inputs - rows)

            def inputs_of(tile: Value) -> Value:
                """Where a tile begins: the last one overlaps with the one before."""
                return code.minimum(code.mul(tile, rows), last)

            with self._blocks() as block:
                here = self._pack(out, block, columns) if self.plan.packed else out
                with code.loop(start, stop) as tile:
                    x = moved(code, group_x, size, conv.x[1:2], [inputs_of(tile)])
                    sums = self._sums_of(code.op("sub", tile, start))
                    self._add_block(shape, columns, x, here, block, sums)
            with code.loop(start, stop) as tile:
                sums = self._sums_of(code.op("sub", tile, start))
                w = moved(code, self.w_ct, size, conv.w[:2], [output, inputs_of(tile)])
                self._store(sums, columns, w)

    def _sums_of(self, tile: Value) -> Value:
        """Sums lie as (tile, input channel, tap, output channel)."""
        return self.code.element(
            self.sums, self.code.mul(tile, _tile_bytes(self.conv, self.target)), 1
        )

    def _clear(self, tiles: Value) -> None:
        code, width = self.code, self.target.vector_bytes
        with code.loop(
            code.integer(0), code.mul(tiles, _tile_bytes(self.conv, self.target)), width
        ) as i:
            code.store(zero(self.type), code.element(self.sums, i, 1))

    @contextmanager
    def _blocks(self) -> Iterator[_Block]:
        code, conv, plan = self.code, self.conv, self.plan
        high, wide = conv.out_size
        start = code.integer(0)

        def end(first: Value, size: int, extent: int) -> Value:
            return code.minimum(code.add(first, size), code.integer(extent))

        with (
            code.loop(start, code.integer(conv.batch), plan.images) as image,
            code.loop(start, code.integer(high), plan.high) as top,
            code.loop(start, code.integer(wide), plan.wide) as left,
        ):
            last = end(image, plan.images, conv.batch)
            if conv.batch % plan.images == 0:
                images = code.integer(plan.images)
            else:
                images = code.op("sub", last, image)
            yield _Block(
                image, images, top, end(top, plan.high, high), left, end(left, plan.wide, wide)
            )

    def _pack(self, out: Value, block: _Block, columns: int) -> Value:
        """Bring a block of out_ct into order: positions as they come, channels side by side."""
        code, conv, size = self.code, self.conv, self.itemsize
        width = self.plan.vectors * self.lanes
        out = moved(code, out, size, conv.out[:1], [block.image])
        steps = (self.out_step * size, conv.out[1] * size)
        across = code.op("sub", block.right, block.left)

        def run(y: Value, x: Value, count: Value) -> None:
            panel = Panel(conv.type, count, columns, *steps)
            to = self._packed_at(block, y, x)
            pack(code, self.target, panel, moved(code, out, size, conv.out[2:], [y, x]), to, width)

        with code.loop(block.top, block.bottom) as y:
            if self.is_run:
                run(y, block.left, code.mul(across, block.images))
            else:
                with code.loop(block.left, block.right) as x:
                    run(y, x, block.images)
        return self.packed

    def _packed_at(self, block: _Block, y: Value, x: Value) -> Value:
        code, plan = self.code, self.plan
        width = plan.vectors * self.lanes
        place = [code.op("sub", y, block.top), code.op("sub", x, block.left)]
        steps = (plan.wide * plan.images * width, plan.images * width)
        return moved(code, self.packed, self.itemsize, steps, place)

    def _add_block(
        self, shape: Shape, columns: int, x: Value, out: Value, block: _Block, sums: Value
    ) -> None:
        """Add a block of positions to the sums of one tile, tap by tap."""
        code, conv, width = self.code, self.conv, self.target.vector_bytes
        taps = prod(conv.window)
        x = moved(code, x, self.itemsize, conv.x[:1], [block.image])
        if not self.plan.packed:
            out = moved(code, out, self.itemsize, conv.out[:1], [block.image])
        with code.loop(code.integer(0), code.integer(taps)) as tap:
            found = self._products(
                shape, columns, x, out, block, divided(code, tap, conv.window[1])
            )
            at = code.element(sums, code.mul(tap, self.plan.vectors * width), 1)
            for n, value in enumerate(found):
                row, j = divmod(n, shape.vectors)
                place = code.element(at, (row * taps * self.plan.vectors + j) * width, 1)
                code.store(code.op("fadd", code.load(self.type, place), value), place)

    def _products(
        self,
        shape: Shape,
        columns: int,
        x: Value,
        out: Value,
        block: _Block,
        taps: tuple[Value, Value],
    ) -> list[Value]:
        """The sums over the positions of a block at which a tap lies inside the image."""
        code, conv, size = self.code, self.conv, self.itemsize
        top, bottom = self._within(0, taps[0], block.top, block.bottom)
        left, right = self._within(1, taps[1], block.left, block.right)
        mask = first_lanes(columns - (shape.vectors - 1) * self.lanes, self.type)
        width = self.plan.vectors * self.lanes if self.plan.packed else self.out_step
        steps = Steps(conv.x[1] * size, self.x_step * size, width * size)
        load_mask = None if self.plan.packed else mask

        def run(y: Value, p: Value, count: Value, sums: list[Value]) -> list[Value]:
            place = [
                code.add(
                    code.add(code.mul(position, conv.stride[axis]), -conv.padding[axis][0]),
                    code.mul(taps[axis], conv.dilation[axis]),
                )
                for axis, position in enumerate((y, p))
            ]
            if self.plan.packed:
                there = self._packed_at(block, y, p)
            else:
                there = moved(code, out, size, conv.out[2:], [y, p])
            return broadcast_tile(
                code, self.target, self.type, shape, count, 1,
                moved(code, x, size, conv.x[2:], place), there, steps, sums, load_mask,
            )  # fmt: skip

        def line(y: Value, sums: list[Value]) -> list[Value]:
            if self.is_run:
                across = code.maximum(code.op("sub", right, left), code.integer(0))
                return run(y, left, code.mul(across, block.images), sums)
            return code.fold(left, right, 1, sums, lambda p, sums: run(y, p, block.images, sums))

        start = [zero(self.type)] * (shape.rows * shape.vectors)
        return code.fold(top, bottom, 1, start, line)

    def _within(self, axis: int, tap: Value, first: Value, last: Value) -> tuple[Value, Value]:
        """The positions of [first, last) at which a tap lies inside the image."""
        code, conv = self.code, self.conv
        stride, low, size = conv.stride[axis], conv.padding[axis][0], conv.size[axis]
        shift = code.op("sub", code.integer(low), code.mul(tap, conv.dilation[axis]))
        before = code.maximum(code.add(shift, stride - 1), code.integer(0))
        room = code.maximum(code.add(shift, size - 1 + stride), code.integer(0))
        begin = code.op("udiv", before, code.integer(stride)) if stride > 1 else before
        end = code.op("udiv", room, code.integer(stride)) if stride > 1 else room
        return code.maximum(first, begin), code.minimum(last, end)

    def _store(self, sums: Value, columns: int, w: Value) -> None:
        """Where w's input channels and taps follow each other, sums are transposed in registers."""
        code, conv, size = self.code, self.conv, self.itemsize
        taps, block = prod(conv.window), 16 // size
        count = self.plan.rows * taps
        width = self.plan.vectors * self.lanes
        whole = 0
        if conv.w[1:] == (taps, conv.window[1], 1) and count >= block:
            whole = columns // self.lanes
            last = code.integer(count - block)
            with code.loop(code.integer(0), code.integer(count), block) as group:
                first = code.minimum(group, last)
                for j in range(whole):
                    at = moved(code, sums, size, (width,), [first])
                    rows = [
                        code.load(self.type, code.element(at, i * width + j * self.lanes, size))
                        for i in range(block)
                    ]
                    here = moved(code, w, size, (1,), [first])
                    to = code.element(here, j * self.lanes * conv.w[0], size)
                    store_transposed(code, rows, to, conv.w[0] * size)
        if whole * self.lanes == columns:
            return
        with code.loop(code.integer(0), code.integer(count)) as n:
            row, tap = divided(code, n, taps)
            y, x = divided(code, tap, conv.window[1])
            at = moved(code, sums, size, (width,), [n])
            to = moved(code, w, size, conv.w[1:], [row, y, x])
            if conv.w[0] == 1:
                for offset in range(0, columns, self.lanes):
                    mask = first_lanes(columns - offset, self.type)
                    values = code.load(self.type, code.element(at, offset, size))
                    code.store(values, code.element(to, offset, size), mask)
            else:
                with code.loop(code.integer(whole * self.lanes), code.integer(columns)) as o:
                    value = code.load(conv.type, code.element(at, o, size))
                    code.store(value, moved(code, to, size, conv.w[:1], [o]))
