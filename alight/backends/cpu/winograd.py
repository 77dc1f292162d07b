"""Convolutions of 3 x 3 taps with fewer multiplications: Winograd's F(2 x 2, 3 x 3).

Four neighbouring results of one channel, 2 x 2 of them, take 36 multiplications for each channel read; transformed,
they take 16 (Lavin and Gray, *Fast Algorithms for Convolutional Neural Networks*, CVPR 2016):

    Y = A' [ sum over channels (G g G') * (B' d B) ] A,   d: 4 x 4 pixels, g: 3 x 3 weights, Y: 2 x 2 results

First the threads transform the weights, each a part, and meet. Then each takes blocks of tiles that fit into its second
cache: it transforms their pixels into 16 planes, multiplies each plane with that of the weights as matrices, a part of
the written channels at a time, and transforms the sums back on the way to `finish`. The transforms are additions; no
number that they use is larger than 1, so errors stay near those of the direct sum (F(4 x 4) has 8 and 1/24 in it).

Vectors run along the batch or along channels, as the images lie. The gradient in the input is the same with the
channels exchanged and the window turned around.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from alight.backends.cpu.batch_lanes import Panels, batch_panels
from alight.backends.cpu.code import Value
from alight.backends.cpu.convolution_code import ConvolutionCode
from alight.backends.cpu.division import divided, moved
from alight.backends.cpu.threads import barrier
from alight.backends.cpu.tiles import (
    CACHE_LINE,
    Panel,
    Shape,
    Steps,
    broadcast_tile,
    finish_rows,
    pack,
    summed_in_blocks,
    zero,
)
from alight.backends.cpu.winograd_plan import PLANES, TAPS, blocks_of, memory_of, spread
from alight.backends.cpu.winograd_transforms import (
    both_ways,
    clear_outside,
    combine_columns,
    combine_rows,
    strip_at,
    sums_across,
    weights_across,
)

CHAIN = 128  # additions in a row: what they round away counts several times in a result


class Winograd(ConvolutionCode):
    """Writes one convolution; vectors run along the batch or along channels."""

    def lanes_of(self) -> int:
        """Those of its blocks."""
        self.blocks = blocks_of(self.nest, self.target, self.along)
        return self.blocks.lanes

    def prepare(self, scratch: Value | None) -> None:
        """The planes, in scratch memory, and how they are walked over."""
        assert scratch is not None
        code, nest = self.code, self.nest
        self.batch = self.along == "batch"
        self.turned = nest.walks[0].backward
        self.width = self.target.vector_bytes
        self.memory = memory = memory_of(nest, self.blocks)
        self.weights = scratch
        own = code.mul(code["thread"], memory.own)
        self.pixels = code.element(code.element(scratch, memory.shared, 1), own, 1)
        self.sums = code.element(self.pixels, PLANES * memory.pixels, 1)
        self.packed = code.element(self.sums, PLANES * memory.sums, 1)
        self.strip = code.element(self.packed, memory.packed, 1)
        self.zeros = code.element(self.strip, memory.strip, 1)
        self.output_step = nest.w[1] if self.turned else nest.w[0]  # elements of w
        # Bytes between rows and terms of the weights' planes. Turned, they lie row by row; else in groups of a vector
        # of rows, term by term.
        self.group = nest.terms * self.width
        self.row, self.term = nest.itemsize, self.width
        if self.turned:
            self.row, self.term = spread(nest.terms, self.lanes) * nest.itemsize, nest.itemsize
        # Bytes between tiles and channels of the pixels' planes.
        self.tile, self.channel = self.width, spread(self.blocks.places, self.lanes) * nest.itemsize
        if not self.batch:
            self.tile, self.channel = spread(nest.terms, self.lanes) * nest.itemsize, nest.itemsize

    def run(self) -> None:
        """The weights, then block by block."""
        code, blocks = self.code, self.blocks
        self._transform_weights()
        barrier(code)
        code.store(zero(self.type), self.zeros)
        total = code.integer(blocks.images * blocks.high * blocks.parts)
        first, last = code.share(code.integer(blocks.blocks), code["thread"], code["threads"])
        with code.loop(first, last) as block:
            start = code.mul(block, blocks.strips)
            left = code.op("sub", total, start)
            count = code.minimum(left, code.integer(blocks.strips))
            with code.loop(code.integer(0), count) as strip:
                self._transform_pixels(code.add(start, strip), strip)
            whole, rest = divmod(self.nest.rows, blocks.channels)
            with code.loop(code.integer(0), code.integer(whole)) as part:
                self._channels(start, count, code.mul(part, blocks.channels), blocks.channels)
            if rest:
                self._channels(start, count, code.integer(whole * blocks.channels), rest)

    def _place(self, strip: Value) -> tuple[Value, Value, Value]:
        """A strip's image or first of a vector of images, its row of tiles and its first tile there."""
        outer, image = divided(self.code, strip, self.blocks.images)
        y, part = divided(self.code, outer, self.blocks.parts)
        if self.batch:
            image = self.code.mul(image, self.lanes)
        return image, y, self.code.mul(part, self.blocks.tiles)

    def _images_mask(self, image: Value) -> Value | None:
        """The images of a vector that exist."""
        if not self.batch or self.nest.batch % self.lanes == 0:
            return None
        left = self.code.op("sub", self.code.integer(self.nest.batch), image)
        return self.code.tail_mask(left, self.type)

    # -- weights -------------------------------------------------------------------------------------------------------

    def _transform_weights(self) -> None:
        """Units of work: so many outputs as a vector has lanes x as many inputs."""
        code, nest, lanes = self.code, self.nest, self.lanes
        outputs, inputs = (nest.terms, nest.rows) if self.turned else (nest.rows, nest.terms)
        pieces, (whole, rest) = -(-inputs // lanes), divmod(outputs, lanes)
        units = code.integer((whole + (rest > 0)) * pieces)
        first, last = code.share(units, code["thread"], code["threads"])
        with code.loop(first, last) as unit:
            group, piece = divided(code, unit, pieces)
            start = code.mul(piece, lanes)
            left = code.op("sub", code.integer(inputs), start)
            count = code.minimum(left, code.integer(lanes))
            source = self._given(group, start)
            group_ahead, piece_ahead = divided(code, code.add(unit, 1), pieces)
            ahead = self._given(group_ahead, code.mul(piece_ahead, lanes))
            steps = (self.width, self.row) if self.turned else (self.group, self.term)
            to = moved(code, self.weights, 1, steps, [group, start])
            for some, outputs_there in (("icmp slt", lanes), ("icmp sge", rest)):
                if whole if some == "icmp slt" else rest:
                    with code.when(code.compare(some, group, code.integer(whole))):
                        self._weights(source, ahead, to, count, outputs_there)

    def _given(self, group: Value, first: Value) -> Value:
        """The weights of a group of outputs from an input on."""
        step = self.output_step * self.lanes
        return moved(self.code, self.w, self.nest.itemsize, (step, TAPS), [group, first])

    def _weights(self, source: Value, ahead: Value, to: Value, count: Value, outputs: int) -> None:
        """`count` inputs of a vector of outputs: outputs and (input, tap) exchanged, then G g G'; the next ones, `ahead`,
        are asked for meanwhile, since those of a whole network come from beyond the second cache."""
        code, nest, size = self.code, self.nest, self.nest.itemsize
        step = self.output_step
        panel = Panel(nest.type, code.mul(count, TAPS), outputs, size, step * size)
        pack(code, self.target, panel, source, self.packed, self.lanes)
        with code.loop(code.integer(0), count) as i:
            at = code.element(self.packed, code.mul(i, TAPS * self.width), 1)
            taps = [code.load(self.type, code.element(at, n * self.width, 1)) for n in range(TAPS)]
            line = moved(code, ahead, size, (step,), [i])
            for place in range(0, TAPS * self.width, CACHE_LINE):
                code.prefetch(code.element(line, place, 1))
            if self.turned:
                taps.reverse()
            here = code.element(to, code.mul(i, self.row if self.turned else self.term), 1)
            rows = both_ways(code, [taps[n : n + 3] for n in (0, 3, 6)], weights_across)
            for plane, value in enumerate(value for row in rows for value in row):
                code.store(value, code.element(here, plane * self.memory.weights, 1))

    def _weights_at(self, plane: Value, row: Value) -> Value:
        """Where a written channel's weights begin."""
        if self.turned:
            return moved(self.code, plane, 1, (self.row,), [row])
        group, inside = divided(self.code, row, self.lanes)
        return moved(self.code, plane, 1, (self.group, self.row), [group, inside])

    # -- pixels --------------------------------------------------------------------------------------------------------

    def _transform_pixels(self, strip: Value, local: Value) -> None:
        """The pixels of a strip's tiles, channel by channel: rows of each column, then the columns of each tile."""
        code, nest, size = self.code, self.nest, self.nest.itemsize
        image, y, first = self._place(strip)
        before = [2 - walk.padding if walk.backward else walk.padding for walk in nest.walks]
        corner = code.add(code.mul(y, 2), -before[0]), code.add(code.mul(first, 2), -before[1])
        base = moved(code, self.read, size, nest.read[:1], [image])
        steps = (nest.read[2] * size, nest.read[3] * size)
        columns, step = 2 * self.blocks.tiles + 2, nest.read[1] * size
        mask = self._images_mask(image)
        found = strip_at(code, nest.walks, base, self.zeros, steps, corner, columns, mask)
        clear_outside(code, found, self.strip, self.type, columns)
        to = code.element(self.pixels, code.mul(local, self.blocks.tiles * self.tile), 1)
        each, ahead = (1, step) if self.batch else (self.lanes, 0)
        with code.loop(code.integer(0), code.integer(nest.terms), each) as channel:
            combine_rows(code, found, code.mul(channel, step), self.strip, self.type, ahead)
            here = code.element(to, code.mul(channel, self.channel), 1)
            combine_columns(
                code, self.blocks.tiles, self.strip, here, self.tile, self.memory.pixels, self.type
            )

    # -- sums ----------------------------------------------------------------------------------------------------------

    def _channels(self, start: Value, count: Value, channel: Value, channels: int) -> None:
        """Some written channels of a block: 16 products, and the way back."""
        code, blocks = self.code, self.blocks
        rows, columns = (channels, blocks.places) if self.batch else (blocks.places, channels)
        line = spread(columns, self.lanes) * self.nest.itemsize
        # A tile of rows must not cross a group of them.
        only = min(8, self.lanes, rows) if self.batch and not self.turned else None
        with code.loop(code.integer(0), code.integer(PLANES)) as plane:
            w = code.element(self.weights, code.mul(plane, self.memory.weights), 1)
            pixels = code.element(self.pixels, code.mul(plane, self.memory.pixels), 1)
            to = code.element(self.sums, code.mul(plane, self.memory.sums), 1)
            for panels in batch_panels(columns, rows, self.lanes, self.target, only):
                self._product(panels, rows, w, pixels, channel, to, line)
        if self.batch:
            with (
                code.loop(code.integer(0), code.integer(channels)) as row,
                self._tiles(start, count) as (place, tile),
            ):
                at = moved(code, self.sums, 1, (line, self.width), [row, tile])
                self._transform_sums(at, place, code.add(channel, row), None)
            return
        with (
            self._tiles(start, count) as (place, tile),
            code.loop(code.integer(0), code.integer(channels), self.lanes) as row,
        ):
            mask = None
            if channels % self.lanes:
                mask = code.tail_mask(code.op("sub", code.integer(channels), row), self.type)
            at = moved(code, self.sums, 1, (self.nest.itemsize, line), [row, tile])
            self._transform_sums(at, place, code.add(channel, row), mask)

    def _product(
        self,
        panels: Panels,
        rows: int,
        w: Value,
        pixels: Value,
        channel: Value,
        to: Value,
        line: int,
    ) -> None:
        """Some columns of one plane's sums, `line` bytes from row to row."""
        code, size = self.code, self.nest.itemsize
        full, rest = divmod(rows, panels.shape.rows)
        with code.loop(code.integer(0), code.integer(panels.panels)) as panel:
            column = code.add(code.mul(panel, panels.columns), panels.first)
            here = code.element(to, column, size)

            def tile(row: Value, count: int, column: Value = column, here: Value = here) -> None:
                if self.batch:
                    a = self._weights_at(w, code.add(channel, row))
                    b = code.element(pixels, column, size)
                else:
                    a = moved(code, pixels, 1, (self.tile,), [row])
                    b = self._weights_at(w, code.add(channel, column))
                sums = self._sums(Shape(count, panels.shape.vectors), a, b)
                at = code.element(here, code.mul(row, line), 1)
                for n, value in enumerate(sums):
                    i, j = divmod(n, panels.shape.vectors)
                    code.store(value, code.element(at, i * line + j * self.width, 1))

            with code.loop(code.integer(0), code.integer(full)) as index:
                tile(code.mul(index, panels.shape.rows), panels.shape.rows)
            if rest:
                tile(code.integer(full * panels.shape.rows), rest)

    def _sums(self, shape: Shape, a: Value, b: Value) -> list[Value]:
        """One register tile over all terms."""
        code, terms = self.code, self.nest.terms
        if self.batch:
            steps = Steps(self.row, self.term, self.channel)
        else:
            steps = Steps(self.tile, self.channel, self.term, self.group)

        def some(first: Value, last: Value, sums: list[Value]) -> list[Value]:
            at_a = code.element(a, code.mul(first, steps.a), 1)
            at_b = code.element(b, code.mul(first, steps.b), 1)
            count = code.op("sub", last, first)
            return broadcast_tile(
                code, self.target, self.type, shape, count, 2 - terms % 2, at_a, at_b, steps, sums
            )

        start = [zero(self.type)] * (shape.rows * shape.vectors)
        return summed_in_blocks(code, start, terms, CHAIN, some)

    @contextmanager
    def _tiles(
        self, start: Value, count: Value
    ) -> Iterator[tuple[tuple[Value, Value, Value], Value]]:
        """Each tile of a block: its image, row and column of tiles; its number in the block."""
        code = self.code
        with code.loop(code.integer(0), count) as strip:
            image, y, first = self._place(code.add(start, strip))
            number = code.mul(strip, self.blocks.tiles)
            with code.loop(code.integer(0), code.integer(self.blocks.tiles)) as tile:
                yield (image, y, code.add(first, tile)), code.add(number, tile)

    def _transform_sums(
        self, at: Value, place: tuple[Value, Value, Value], channel: Value, mask: Value | None
    ) -> None:
        """A' m A of one vector, and its four results to `finish`."""
        code = self.code
        image, y, x = place
        sums = [
            code.load(self.type, code.element(at, n * self.memory.sums, 1)) for n in range(PLANES)
        ]
        rows = both_ways(code, [sums[n : n + 4] for n in (0, 4, 8, 12)], sums_across)
        found = [value for row in rows for value in row]
        mask = self._images_mask(image) if self.batch else mask
        top, left = code.mul(y, 2), code.mul(x, 2)

        def finish(index: Value, values: list[Value]) -> None:
            down, right = divided(code, index, 2)
            at_y, at_x = code.add(top, down), code.add(left, right)
            with self._inside(at_y, at_x):
                self.finish(code, [image, channel, at_y, at_x], values[0], mask)

        finish_rows(code, found, 4, 0, finish)

    @contextmanager
    def _inside(self, y: Value, x: Value) -> Iterator[None]:
        """Run the block where the image reaches that far."""
        code, blocks = self.code, self.blocks
        high, wide = (walk.written for walk in self.nest.walks)
        if high == 2 * blocks.high and wide == 2 * blocks.tiles * blocks.parts:
            yield
            return
        inside = code.compare("icmp slt", y, code.integer(high))
        inside = code.op("and", inside, code.compare("icmp slt", x, code.integer(wide)))
        with code.when(inside):
            yield
