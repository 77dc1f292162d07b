"""The gradient of a 3 x 3 convolution in its weights with fewer multiplications: `winograd.py` transposed.

    w_ct = G' [ sum over tiles and images (A y A') * (B' d B) ] G,   y: 2 x 2 numbers of out_ct, d: 4 x 4 pixels

Images lie next to each other, and the sums run over them, so vectors of 16 images of 16 channels are exchanged in
registers on the way into the planes: there a step is an image of a tile, with its channels side by side. Blocks of
tiles add to one of several partial sums, which threads share; then the threads meet, and add these up on the way back.
"""

from __future__ import annotations

from functools import reduce
from math import prod
from typing import TYPE_CHECKING, NamedTuple

from alight.backends.cpu.batch_lanes import batch_panels
from alight.backends.cpu.code import Code, Value, vector
from alight.backends.cpu.division import divided, moved
from alight.backends.cpu.squares import exchange
from alight.backends.cpu.target import Target
from alight.backends.cpu.threads import barrier
from alight.backends.cpu.tiles import Shape, Steps, broadcast_tile, on_stack, zero
from alight.backends.cpu.winograd_plan import PLANES, TAPS, spread
from alight.backends.cpu.winograd_transforms import (
    Strip,
    both_ways,
    combine_columns,
    combine_rows,
    results_across,
    taps_across,
)

if TYPE_CHECKING:
    from alight.backends.cpu.convolution import Convolution

PARTS = 4  # partial sums: what is added up does not depend on the number of threads
MOST_TILES = 4

# Cycles, as in `winograd_plan.py`.
_PIXELS, _RESULTS = 220, 150  # of a vector of tiles and a channel
_DIRECT, _PRODUCT = 0.9, 0.94
_SUMS = 2.0  # to add a block to a vector of partial sums, in the second cache
_SUMS_FAR = 16.0  # and beyond it
_WORTH = 0.85


class FilterBlocks(NamedTuple):
    """How tiles are taken together: strips of a row of tiles and a vector of images, blocks of strips."""

    lanes: int
    high: int  # rows of tiles
    tiles: int  # of a strip
    across: int  # strips of a row of tiles
    images: int  # vectors of them
    strips: int  # of a block
    blocks: int

    @property
    def steps(self) -> int:
        """Steps of the products of a block."""
        return self.strips * self.tiles * self.lanes


def filter_blocks(conv: Convolution, target: Target) -> FilterBlocks:
    """Blocks whose planes take a quarter of the second cache, or enough steps for the products."""
    lanes = target.lanes(conv.itemsize)
    high, wide = (-(-extent // 2) for extent in conv.out_size)
    across = -(-wide // MOST_TILES)
    tiles = -(-wide // across)
    images = -(-conv.batch // lanes)
    each = PLANES * (conv.inputs + conv.outputs) * tiles * lanes * conv.itemsize
    total = images * high * across
    most = max(target.l2_bytes // 4 // each, 64 // (tiles * lanes), 1)
    blocks = -(-total // most)
    strips = -(-total // blocks)
    return FilterBlocks(lanes, high, tiles, across, images, strips, -(-total // strips))


def filter_by_winograd(conv: Convolution, target: Target) -> bool:
    """Whether it pays, by a count of cycles."""
    if not fits_filter(conv, target):
        return False
    blocks = filter_blocks(conv, target)
    pairs = conv.inputs * conv.outputs / blocks.lanes
    taps = prod(
        sum(0 <= p - pad[0] + t < size for p in range(out) for t in range(3))
        for size, out, pad in zip(conv.size, conv.out_size, conv.padding, strict=True)
    )
    direct = conv.batch * taps * pairs / 2 / _DIRECT
    tiles = blocks.images * blocks.high * blocks.tiles * blocks.across
    far = PLANES * conv.inputs * conv.outputs * conv.itemsize > target.l2_bytes // 4
    here = tiles * blocks.lanes * PLANES * pairs / 2 / _PRODUCT
    here += tiles * (_PIXELS * conv.inputs + _RESULTS * conv.outputs)
    here += PLANES * pairs * (blocks.blocks + 2 * PARTS) * (_SUMS_FAR if far else _SUMS)
    return here < _WORTH * direct


def fits_filter(conv: Convolution, target: Target) -> bool:
    """Whether there is code for it."""
    lanes = target.lanes(conv.itemsize)
    small = (conv.window, conv.stride, conv.dilation) == ((3, 3), (1, 1), (1, 1))
    if conv.type != "float" or conv.groups != 1 or not small:
        return False
    if conv.x[0] != 1 or conv.out[0] != 1:
        return False
    return min(conv.batch, conv.inputs, conv.outputs) >= lanes


class FilterMemory(NamedTuple):
    """Bytes in scratch memory: partial sums are shared, the rest is each thread's own."""

    sums: int  # from plane to plane
    pixels: int
    results: int
    turned: int  # a strip of a vector of channels, image by image
    strip: int

    @property
    def shared(self) -> int:
        """Of all threads."""
        return PARTS * PLANES * self.sums

    @property
    def own(self) -> int:
        """Of one thread."""
        return PLANES * (self.pixels + self.results) + self.turned + self.strip


def filter_memory(conv: Convolution, blocks: FilterBlocks) -> FilterMemory:
    """Rows and planes begin in different sets of the first cache."""
    lanes, size = blocks.lanes, conv.itemsize
    inputs, outputs = spread(conv.inputs, lanes), spread(conv.outputs, lanes)
    column = 4 * lanes * size
    strip = (2 * blocks.tiles + 2) * column
    planes = (conv.outputs * inputs, blocks.steps * inputs, blocks.steps * outputs)
    sums, pixels, results = (spread(elements, 64 // size) * size for elements in planes)
    return FilterMemory(sums, pixels, results, strip * lanes, strip)


def winograd_filter_scratch(conv: Convolution, target: Target, threads: int) -> int:
    """Bytes of scratch memory."""
    memory = filter_memory(conv, filter_blocks(conv, target))
    return memory.shared + threads * memory.own


class WinogradFilter:
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
        self.blocks = filter_blocks(conv, target)
        self.lanes, self.width = self.blocks.lanes, target.vector_bytes
        self.type = vector(conv.type, self.lanes)
        self.memory = memory = filter_memory(conv, self.blocks)
        self.partial = scratch
        own = code.mul(code["thread"], memory.own)
        self.pixels = code.element(code.element(scratch, memory.shared, 1), own, 1)
        self.results = code.element(self.pixels, PLANES * memory.pixels, 1)
        self.turned = code.element(self.results, PLANES * memory.results, 1)
        self.strip = code.element(self.turned, memory.turned, 1)
        # Bytes from step to step, and from output channel to output channel of the sums.
        self.x_step = spread(conv.inputs, self.lanes) * conv.itemsize
        self.out_step = spread(conv.outputs, self.lanes) * conv.itemsize

    def run(self) -> None:
        """Partial sums, each over blocks of its own; then the way back."""
        code, blocks = self.code, self.blocks
        total = code.integer(blocks.images * blocks.high * blocks.across)
        first, last = code.share(code.integer(PARTS), code["thread"], code["threads"])
        with code.loop(first, last) as part:
            sums = code.element(self.partial, code.mul(part, PLANES * self.memory.sums), 1)
            with code.loop(code.integer(0), code.integer(PLANES * self.memory.sums), 64) as i:
                code.store(zero(vector("float", 16)), code.element(sums, i, 1))
            begin, end = code.share(code.integer(blocks.blocks), part, code.integer(PARTS))
            with code.loop(begin, end) as block:
                start = code.mul(block, blocks.strips)
                left = code.op("sub", total, start)
                count = code.minimum(left, code.integer(blocks.strips))
                with code.loop(code.integer(0), count) as strip:
                    self._transform(code.add(start, strip), strip)
                self._products(sums, code.mul(count, blocks.tiles * blocks.lanes))
        barrier(code)
        self._transform_back()

    # -- planes --------------------------------------------------------------------------------------------------------

    def _transform(self, strip: Value, local: Value) -> None:
        """The planes of a strip's pixels, and of its numbers of out_ct."""
        code, conv, blocks, size = self.code, self.conv, self.blocks, self.conv.itemsize
        outer, image = divided(code, strip, blocks.images)
        y, part = divided(code, outer, blocks.across)
        image = code.mul(image, self.lanes)
        left = None
        if conv.batch % self.lanes:
            left = code.op("sub", code.integer(conv.batch), image)
        corner = (code.mul(y, 2), code.mul(part, 2 * blocks.tiles))
        before = [code.add(at, -pad[0]) for at, pad in zip(corner, conv.padding, strict=True)]
        first = code.mul(local, blocks.tiles * self.lanes)
        for pointer, strides, extents, channels, place, rows, to, step in (
            (self.x, conv.x, conv.size, conv.inputs, before, 4, self.pixels, self.x_step),
            (self.out_ct, conv.out, conv.out_size, conv.outputs, corner, 2, self.results, self.out_step),
        ):  # fmt: skip
            steps = tuple(stride * size for stride in strides[1:])
            source = code.element(pointer, image, size)
            to = code.element(to, code.mul(first, step), 1)
            columns = 2 * blocks.tiles + rows - 2
            with code.loop(code.integer(0), code.integer(channels), self.lanes) as channel:
                channel = code.minimum(channel, code.integer(channels - self.lanes))
                here = moved(code, source, 1, steps[:1], [channel])
                self._turn(here, steps, extents, tuple(place), rows, columns, left)
                there = code.element(to, channel, size)
                with code.loop(code.integer(0), code.integer(self.lanes)) as n:
                    at = code.element(self.turned, code.mul(n, columns * rows * self.width), 1)
                    row = code.element(there, code.mul(n, blocks.tiles * step), 1)
                    (self._pixels if rows == 4 else self._results)(at, row)

    def _turn(
        self,
        source: Value,
        steps: tuple[int, ...],
        extents: tuple[int, ...],
        place: tuple[Value, ...],
        rows: int,
        columns: int,
        left: Value | None,
    ) -> None:
        """A vector of channels of some rows and columns, image by image with channels side by side; zeros outside. Of the
        images, `left` are there."""
        code, width = self.code, self.width
        nothing = code.integer(0)
        with code.loop(nothing, code.integer(rows)) as row:
            y = code.add(place[0], row)
            inside = code.compare("icmp ult", y, code.integer(extents[0]))
            line = moved(code, source, 1, steps[1:2], [y])
            start = code.maximum(code.op("sub", nothing, place[1]), nothing)
            stop = code.op("sub", code.integer(extents[1]), place[1])
            stop = code.maximum(code.minimum(stop, code.integer(columns)), start)
            start = code.select(inside, start, nothing)
            stop = code.select(inside, stop, nothing)
            to = code.element(self.turned, code.mul(row, width), 1)

            def channel(column: Value, n: Value, values: Value, to: Value = to) -> None:
                at = code.element(to, code.mul(column, rows * width), 1)
                code.store(values, code.element(at, code.mul(n, columns * rows * width), 1))

            for low, high in ((nothing, start), (stop, code.integer(columns))):
                with (
                    code.loop(low, high) as column,
                    code.loop(nothing, code.integer(self.lanes)) as n,
                ):
                    channel(column, n, zero(self.type))
            with code.loop(start, stop) as column:
                here = moved(code, line, 1, steps[2:], [code.add(place[1], column)])

                def image(n: int, here: Value = here) -> Value:
                    return code.element(here, n * steps[0], 1)

                def put(n: Value, values: Value, column: Value = column) -> None:
                    channel(column, n, values)

                exchange(code, self.type, image, put, left, zeros=True)

    def _pixels(self, at: Value, to: Value) -> None:
        """B' d B of the tiles of one image."""
        code, columns = self.code, 2 * self.blocks.tiles + 2
        lines = [code.element(at, i * self.width, 1) for i in range(4)]
        across = [code.integer(4 * self.width)] * 4
        strip = Strip(lines, across, code.integer(0), code.integer(columns), None)
        combine_rows(code, strip, code.integer(0), self.strip, self.type, 0)
        combine_columns(
            code, self.blocks.tiles, self.strip, to, self.x_step, self.memory.pixels, self.type
        )

    def _results(self, at: Value, to: Value) -> None:
        """A y A' of the tiles of one image."""
        code, width = self.code, self.width
        with code.loop(code.integer(0), code.integer(self.blocks.tiles)) as tile:
            here = code.element(at, code.mul(tile, 4 * width), 1)
            there = code.element(to, code.mul(tile, self.out_step), 1)
            rows = [
                [code.load(self.type, code.element(here, (2 * x + y) * width, 1)) for x in range(2)]
                for y in range(2)
            ]
            planes = both_ways(code, rows, results_across)
            for plane, value in enumerate(value for row in planes for value in row):
                code.store(value, code.element(there, plane * self.memory.results, 1))

    # -- sums ----------------------------------------------------------------------------------------------------------

    def _products(self, sums: Value, steps: Value) -> None:
        """Add a block's 16 products to partial sums."""
        code, conv, size = self.code, self.conv, self.conv.itemsize
        with code.loop(code.integer(0), code.integer(PLANES)) as plane:
            a = code.element(self.results, code.mul(plane, self.memory.results), 1)
            b = code.element(self.pixels, code.mul(plane, self.memory.pixels), 1)
            to = code.element(sums, code.mul(plane, self.memory.sums), 1)
            for panels in batch_panels(conv.inputs, conv.outputs, self.lanes, self.target):
                shape = panels.shape
                full, rest = divmod(conv.outputs, shape.rows)
                with code.loop(code.integer(0), code.integer(panels.panels)) as panel:
                    column = code.add(code.mul(panel, panels.columns), panels.first)
                    there, here = (code.element(p, column, size) for p in (b, to))
                    with code.loop(code.integer(0), code.integer(full)) as tile:
                        row = code.mul(tile, shape.rows)
                        self._tile(shape, code.element(a, row, size), there, here, row, steps)
                    if rest:
                        row = code.integer(full * shape.rows)
                        left = Shape(rest, shape.vectors)
                        self._tile(left, code.element(a, row, size), there, here, row, steps)

    def _tile(self, shape: Shape, a: Value, b: Value, to: Value, row: Value, steps: Value) -> None:
        code, size = self.code, self.conv.itemsize
        start = [zero(self.type)] * (shape.rows * shape.vectors)
        found = broadcast_tile(
            code, self.target, self.type, shape, steps, 2, a, b,
            Steps(size, self.out_step, self.x_step), start,
        )  # fmt: skip
        at = code.element(to, code.mul(row, self.x_step), 1)
        for n, value in enumerate(found):
            i, j = divmod(n, shape.vectors)
            place = code.element(at, i * self.x_step + j * self.width, 1)
            code.store(code.op("fadd", code.load(self.type, place), value), place)

    def _transform_back(self) -> None:
        """G' m G of each output channel and vector of input channels."""
        code, conv, size = self.code, self.conv, self.conv.itemsize
        first, last = code.share(code.integer(conv.outputs), code["thread"], code["threads"])
        with (
            code.loop(first, last) as output,
            code.loop(code.integer(0), code.integer(conv.inputs), self.lanes) as channel,
        ):
            channel = code.minimum(channel, code.integer(conv.inputs - self.lanes))
            at = moved(code, self.partial, 1, (self.x_step, size), [output, channel])
            sums = [self._total(at, plane) for plane in range(PLANES)]
            rows = both_ways(code, [sums[n : n + 4] for n in (0, 4, 8, 12)], taps_across)
            taps = on_stack(code, [value for row in rows for value in row])
            to = moved(code, self.w_ct, size, conv.w[:2], [output, channel])
            with code.loop(code.integer(0), code.integer(self.lanes)) as n:
                one = code.element(taps, n, size)
                there = moved(code, to, size, conv.w[1:2], [n])
                for tap in range(TAPS):
                    value = code.load(conv.type, code.element(one, tap * self.width, 1))
                    y, x = divmod(tap, 3)
                    offset = (y * conv.w[2] + x * conv.w[3]) * size
                    code.store(value, code.element(there, offset, 1))

    def _total(self, at: Value, plane: int) -> Value:
        """A vector of all partial sums together."""
        code = self.code
        places = [(part * PLANES + plane) * self.memory.sums for part in range(PARTS)]
        found = [code.load(self.type, code.element(at, place, 1)) for place in places]
        return reduce(lambda total, value: code.op("fadd", total, value), found)
