"""Convolutions whose vectors run along the written channels: several positions at a time.

Weights are vectors, pixels are scalars. A tile's positions are any neighbours in the order (image, row, column), so
small images fill tiles too; each position has a pointer of its own, which is that of a row of zeros where its tap falls
into the padding. Weights whose written channels are not contiguous are brought into that order first, in scratch.
"""

from __future__ import annotations

from math import prod

from alight.backends.cpu.code import Code, Value, vector
from alight.backends.cpu.convolution_code import ConvolutionCode
from alight.backends.cpu.division import divided, moved, shared
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import (
    CHAIN_STEPS,
    Panel,
    first_lanes,
    has_fma,
    multiply_add,
    on_stack,
    pack,
    summed_in_blocks,
    zero,
)
from alight.backends.cpu.walk import Nest, Walk


def panel_vectors(nest: Nest, target: Target) -> int:
    """Vectors of channels that a tile has at most."""
    most = 4 if target.registers >= 32 else 2
    needed = -(-nest.rows // target.lanes(nest.itemsize))
    return -(-needed // -(-needed // most))


def tile_positions(nest: Nest, vectors: int, target: Target) -> int:
    """Positions of a tile: their sums and their pointers fit into registers."""
    spare = vectors + (2 if has_fma(target) else 3)
    pointers = 10 if target.registers >= 32 else 6
    return max(1, min(pointers, (target.registers - spare) // vectors, positions_of(nest)))


def positions_of(nest: Nest) -> int:
    """Positions of all images."""
    return nest.batch * prod(walk.written for walk in nest.walks)


def packs_weights(nest: Nest) -> bool:
    """Whether weights are copied to scratch: their channels are not contiguous, or far from one term to the next."""
    if nest.rows == 1:
        return False
    far = nest.w[1] * nest.itemsize >= 1024 and nest.terms >= 64
    return nest.w[0] != 1 or (far and positions_of(nest) >= 32)


def zeros_bytes(nest: Nest) -> int:
    """Bytes of the row of zeros: it is as long as the way from the first to the last channel of a pixel."""
    return -(-((nest.terms - 1) * abs(nest.read[1]) + 1) * nest.itemsize // 64) * 64


def channel_scratch(nest: Nest, target: Target) -> int:
    """Bytes of scratch memory of one thread: a row of zeros, and a panel of weights."""
    size = zeros_bytes(nest)
    if packs_weights(nest):
        lanes = target.lanes(nest.itemsize)
        taps = prod(walk.taps for walk in nest.walks)
        steps = -(-nest.terms * taps // lanes) * lanes + lanes
        size += steps * panel_vectors(nest, target) * target.vector_bytes
    return size


class ChannelNest(ConvolutionCode):
    """Writes one convolution."""

    def prepare(self, scratch: Value | None) -> None:
        """A row of zeros and the packed weights, in this thread's scratch memory."""
        assert scratch is not None
        code, nest = self.code, self.nest
        own = code.mul(code["thread"], channel_scratch(nest, self.target))
        self.zeros = code.element(scratch, own, 1)
        self.packed = code.element(self.zeros, zeros_bytes(nest), 1)
        self.taps = [walk.taps for walk in nest.walks]

    def run(self) -> None:
        """Panels of channels: equal ones, then a narrower one for what is left."""
        code, nest = self.code, self.nest
        with code.loop(code.integer(0), code.integer(zeros_bytes(nest)), 16) as i:
            code.store(zero(vector(nest.type, 16 // nest.itemsize)), code.element(self.zeros, i, 1))
        vectors = panel_vectors(nest, self.target)
        panels, rest = divmod(nest.rows, vectors * self.lanes)
        if panels:
            self._section(0, panels, vectors * self.lanes, vectors)
        if rest:
            self._section(nest.rows - rest, 1, rest, -(-rest // self.lanes))

    def _section(self, first: int, panels: int, columns: int, vectors: int) -> None:
        """Units of work: (group, panel of channels) x tile of positions."""
        code, nest = self.code, self.nest
        size = tile_positions(nest, vectors, self.target)
        tiles = -(-positions_of(nest) // size)
        with shared(code, nest.groups * panels, tiles) as (unit, start, stop):
            group, panel = divided(code, unit, panels)
            channel = code.add(code.mul(panel, vectors * self.lanes), first)
            w = moved(code, self.w, nest.itemsize, (nest.w_group, nest.w[0]), [group, channel])
            strides = nest.w[1:]
            if packs_weights(nest):
                strides = self._pack(w, columns, vectors)
                w = self.packed
            read = moved(
                code, self.read, nest.itemsize, nest.read[1:2], [code.mul(group, nest.terms)]
            )
            channel = code.add(channel, code.mul(group, nest.rows))
            with code.loop(start, stop) as tile:
                position = code.mul(tile, size)
                self._tile(size, vectors, columns, position, channel, read, w, strides)

    def _pack(self, w: Value, columns: int, vectors: int) -> tuple[int, int, int]:
        """Bring a panel of weights into order; its element strides (term, tap y, tap x)."""
        code, nest = self.code, self.nest
        width = vectors * self.lanes
        high, wide = self.taps
        column = nest.w[0] * nest.itemsize
        if (
            nest.w[1:] == (high * wide, wide, 1) and nest.w[0] != 1
        ):  # terms and taps are one contiguous run
            steps = code.integer(nest.terms * high * wide)
            panel = Panel(nest.type, steps, columns, nest.itemsize, column)
            pack(code, self.target, panel, w, self.packed, width)
            return high * wide * width, wide * width, width
        step = nest.w[1] * nest.itemsize
        with code.loop(code.integer(0), code.integer(high * wide)) as tap:
            y, x = divided(code, tap, wide)
            source = moved(code, w, nest.itemsize, nest.w[2:], [y, x])
            to = code.element(self.packed, code.mul(tap, nest.terms * width), nest.itemsize)
            panel = Panel(nest.type, code.integer(nest.terms), columns, step, column)
            pack(code, self.target, panel, source, to, width)
        return width, wide * nest.terms * width, nest.terms * width

    def _tile(
        self,
        size: int,
        vectors: int,
        columns: int,
        position: Value,
        channel: Value,
        read: Value,
        w: Value,
        strides: tuple[int, ...],
    ) -> None:
        code, nest = self.code, self.nest
        total = positions_of(nest)
        last = code.integer(total - 1)
        tile = [
            _indices(code, nest, code.minimum(code.add(position, i), last)) for i in range(size)
        ]
        reads = [moved(code, read, nest.itemsize, nest.read[:1], [image]) for image, _, _ in tile]
        mask = first_lanes(columns - (vectors - 1) * self.lanes, self.type)

        def tap(index: Value, sums: list[Value]) -> list[Value]:
            y, x = divided(code, index, self.taps[1])
            pixels, some = self._pixels(tile, reads, y, x)
            at = moved(code, w, nest.itemsize, strides[1:], [y, x])
            first = code.select(some, code.integer(0), code.integer(nest.terms))
            load_mask = None if packs_weights(nest) else mask
            return self._terms(vectors, first, pixels, at, strides[0], sums, load_mask)

        def some(first: Value, last: Value, sums: list[Value]) -> list[Value]:
            return code.fold(first, last, 1, sums, tap)

        start = [zero(self.type)] * (size * vectors)
        block = max(1, CHAIN_STEPS // nest.terms)
        sums = summed_in_blocks(code, start, prod(self.taps), block, some)
        self._finish_tile(size, vectors, position, channel, sums, mask)

    def _pixels(
        self, tile: list[tuple[Value, Value, Value]], reads: list[Value], y: Value, x: Value
    ) -> tuple[list[Value], Value]:
        """For each position, the pointer to what a tap reads; whether any of them is inside the image."""
        code, nest = self.code, self.nest
        some = Value("false", "i1")
        pixels = []
        for (_, at_y, at_x), image in zip(tile, reads, strict=True):
            pixel, inside = _pixel(code, nest, image, (at_y, at_x), (y, x))
            pixels.append(code.select(inside, pixel, self.zeros))
            some = code.op("or", some, inside)
        return pixels, some

    def _terms(
        self,
        vectors: int,
        first: Value,
        pixels: list[Value],
        w: Value,
        stride: int,
        sums: list[Value],
        mask: Value | None,
    ) -> list[Value]:
        """Add the products of the terms from `first` on at one tap."""
        code, nest = self.code, self.nest
        step = nest.read[1] * nest.itemsize

        def term(index: Value, carried: list[Value]) -> list[Value]:
            at, *total = carried
            weights = [
                code.load(
                    self.type,
                    code.element(at, j * self.target.vector_bytes, 1),
                    mask if j == vectors - 1 else None,
                )
                for j in range(vectors)
            ]
            offset = code.mul(index, step)
            for i, pixel in enumerate(pixels):
                value = code.load(nest.type, code.element(pixel, offset, 1))
                scalar = code.splat(value, self.type)
                for j, weight in enumerate(weights):
                    place = i * vectors + j
                    total[place] = multiply_add(code, self.target, scalar, weight, total[place])
            return [code.element(at, stride * nest.itemsize, 1), *total]

        return code.fold(first, code.integer(nest.terms), 1, [w, *sums], term)[1:]

    def _finish_tile(
        self,
        size: int,
        vectors: int,
        position: Value,
        channel: Value,
        sums: list[Value],
        mask: Value | None,
    ) -> None:
        """By way of the stack: a loop over the positions that exist."""
        code, width = self.code, self.target.vector_bytes
        buffer = on_stack(code, sums)
        left = code.op("sub", code.integer(positions_of(self.nest)), position)
        with code.loop(code.integer(0), code.minimum(left, code.integer(size))) as i:
            image, y, x = _indices(code, self.nest, code.add(position, i))
            row = code.element(buffer, code.mul(i, vectors * width), 1)
            for j in range(vectors):
                values = code.load(self.type, code.element(row, j * width, 1))
                indices = [image, code.add(channel, j * self.lanes), y, x]
                self.finish(code, indices, values, mask if j == vectors - 1 else None)


def _indices(code: Code, nest: Nest, position: Value) -> tuple[Value, Value, Value]:
    """(image, y, x) of a position."""
    height, width = (walk.written for walk in nest.walks)
    outer, x = divided(code, position, width)
    image, y = divided(code, outer, height)
    return image, y, x


def pixel_at(
    code: Code, nest: Nest, read: Value, position: Value, taps: tuple[Value, Value]
) -> tuple[Value, Value]:
    """The pixel that a tap reads at a position, and whether it lies inside the image."""
    image, y, x = _indices(code, nest, position)
    here = moved(code, read, nest.itemsize, nest.read[:1], [image])
    return _pixel(code, nest, here, (y, x), taps)


def _pixel(
    code: Code, nest: Nest, image: Value, at: tuple[Value, Value], taps: tuple[Value, Value]
) -> tuple[Value, Value]:
    row, row_inside = _place(code, nest.walks[0], at[0], taps[0])
    column, column_inside = _place(code, nest.walks[1], at[1], taps[1])
    pixel = moved(code, image, nest.itemsize, nest.read[2:], [row, column])
    return pixel, code.op("and", row_inside, column_inside)


def _place(code: Code, walk: Walk, position: Value, tap: Value) -> tuple[Value, Value]:
    """The place that a tap reads at a position, and whether it lies inside."""
    size = code.integer(walk.read)
    if not walk.backward:
        place = code.add(code.mul(position, walk.stride), -walk.padding)
        place = code.add(place, code.mul(tap, walk.dilation))
        return place, code.compare("icmp ult", place, size)
    distance = code.op("sub", code.add(position, walk.padding), code.mul(tap, walk.dilation))
    if walk.stride == 1:
        return distance, code.compare("icmp ult", distance, size)
    stride = code.integer(walk.stride)
    place = code.op("sdiv", distance, stride)
    exact = code.compare("icmp eq", code.mul(place, walk.stride), distance)
    return place, code.op("and", exact, code.compare("icmp ult", place, size))
