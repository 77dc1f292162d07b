"""Convolutions of few positions: a small image or two, many channels.

There the weights are most of what is read, and bringing them into another order would cost more than the sums. So they
are the scalars, read once where they lie; what each position reads of the image, its patch, is brought into scratch as
one column of a matrix (term and tap, position), and vectors run along the positions of one output channel. Finished
sums are turned by way of the stack, since the written channels lie next to each other.
"""

from __future__ import annotations

from math import prod

from alight.backends.cpu.channel_lanes import pixel_at, positions_of, zeros_bytes
from alight.backends.cpu.code import Value
from alight.backends.cpu.convolution_code import ConvolutionCode
from alight.backends.cpu.division import divided, moved, shared
from alight.backends.cpu.squares import exchange
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import (
    CACHE_LINE,
    CHAIN_STEPS,
    Shape,
    Steps,
    ahead_bytes,
    best_shape,
    broadcast_tile,
    first_lanes,
    line_tile,
    on_stack,
    summed_in_blocks,
    zero,
)
from alight.backends.cpu.walk import Nest

AHEAD_BYTES = (
    512  # how far ahead long rows of weights are asked for; those of short rows, in the next tile
)


def by_patches(nest: Nest, target: Target) -> bool:
    """Whether there are few positions, and weights in the order of patches."""
    high, wide = (walk.taps for walk in nest.walks)
    in_order = nest.w[1:] == (high * wide, wide, 1) and nest.read[1] == 1
    lanes = target.lanes(nest.itemsize)
    count = positions_of(nest)
    vectors = -(-count // lanes)
    if not in_order or vectors > 4 or count * 4 < lanes or nest.rows < 4 * lanes:
        return False
    # Cycles of a weight: here with its share of the patches, and with vectors along channels.
    here = 0.55 * vectors + 0.6 * count / nest.rows
    return here < 0.55 * count / lanes + 1.0 and _column_bytes(nest, target) <= target.l2_bytes // 2


def _width(nest: Nest, target: Target) -> int:
    """Positions of a row of the matrix, whole vectors."""
    lanes = target.lanes(nest.itemsize)
    return -(-positions_of(nest) // lanes) * lanes


def _column_bytes(nest: Nest, target: Target) -> int:
    taps, lanes = prod(walk.taps for walk in nest.walks), target.lanes(nest.itemsize)
    terms = -(-nest.terms // lanes) * lanes  # transposing writes whole vectors
    return terms * taps * _width(nest, target) * nest.itemsize


def patch_scratch(nest: Nest, target: Target) -> int:
    """Bytes of scratch memory of one thread: a row of zeros, and the patches."""
    return zeros_bytes(nest) + target.vector_bytes + _column_bytes(nest, target)


class PatchNest(ConvolutionCode):
    """Writes one convolution."""

    def prepare(self, scratch: Value | None) -> None:
        """A row of zeros and the patches, in this thread's scratch memory."""
        assert scratch is not None
        code, nest, target = self.code, self.nest, self.target
        self.taps = prod(walk.taps for walk in nest.walks)
        self.width = _width(nest, target)
        own = code.mul(code["thread"], patch_scratch(nest, target))
        self.zeros = code.element(scratch, own, 1)
        self.columns = code.element(self.zeros, zeros_bytes(nest) + target.vector_bytes, 1)

    def run(self) -> None:
        """Units of work: group x tile of output channels."""
        code, nest = self.code, self.nest
        with code.loop(
            code.integer(0),
            code.integer(zeros_bytes(nest) + self.target.vector_bytes),
            self.target.vector_bytes,
        ) as i:
            code.store(zero(self.type), code.element(self.zeros, i, 1))
        vectors = self.width // self.lanes
        rows = min(self.lanes, best_shape(nest.rows, vectors, self.target)[0])
        full, rest = divmod(nest.rows, rows)
        with shared(code, nest.groups, full + (rest > 0)) as (group, start, stop):
            first = code.mul(group, nest.terms)
            self._patches(moved(code, self.read, nest.itemsize, nest.read[1:2], [first]))
            w = moved(code, self.w, nest.itemsize, (nest.w_group,), [group])
            channel = code.mul(group, nest.rows)
            whole = code.minimum(stop, code.integer(full))
            with code.loop(start, whole) as tile:
                self._tile(Shape(rows, vectors), w, code.mul(tile, rows), channel)
            if rest:
                with code.when(code.compare("icmp sgt", stop, code.integer(full))):
                    self._tile(Shape(rest, vectors), w, code.integer(full * rows), channel)

    def _patches(self, read: Value) -> None:
        """Write the matrix: a vector of positions at a time, a vector of terms each, exchanged in registers."""
        code, nest, size = self.code, self.nest, self.nest.itemsize
        step = self.taps * self.width * size
        total = code.integer(positions_of(nest))
        count = code.integer(nest.terms)
        pixels = code.array("ptr", self.lanes)
        with (
            code.loop(code.integer(0), code.integer(self.width), self.lanes) as position,
            code.loop(code.integer(0), code.integer(self.taps)) as tap,
        ):
            taps = divided(code, tap, nest.walks[1].taps)
            with code.loop(code.integer(0), code.integer(self.lanes)) as i:
                at = code.add(position, i)
                pixel, inside = pixel_at(code, nest, read, at, taps)
                inside = code.op("and", inside, code.compare("icmp slt", at, total))
                code.store(code.select(inside, pixel, self.zeros), code.element(pixels, i, 8))
            to = moved(code, self.columns, size, (self.width, 1), [tap, position])
            with code.loop(code.integer(0), count, self.lanes) as term:
                left = code.op("sub", count, term) if nest.terms % self.lanes else None
                here = code.element(to, code.mul(term, step), 1)

                def pixel_of(i: int, term: Value = term) -> Value:
                    return code.element(code.load("ptr", code.element(pixels, i, 8)), term, size)

                def put(i: Value, values: Value, here: Value = here) -> None:
                    code.store(values, code.element(here, code.mul(i, step), 1))

                exchange(code, self.type, pixel_of, put, left)

    def _tile(self, shape: Shape, w: Value, row: Value, channel: Value) -> None:
        """Some output channels at all positions."""
        code, nest, size = self.code, self.nest, self.nest.itemsize
        here = moved(code, w, size, nest.w[:1], [row])
        steps = Steps(nest.w[0] * size, size, self.width * size)
        count = nest.terms * self.taps
        by_lines = count % (CACHE_LINE // size) == 0
        ahead = ahead_bytes(shape.rows, steps.row, count * size)

        def some(first: Value, last: Value, sums: list[Value]) -> list[Value]:
            at = code.element(here, first, size)
            columns = moved(code, self.columns, size, (self.width,), [first])
            left = code.op("sub", last, first)
            own = (code, self.target, self.type, shape, left)
            if by_lines:
                return line_tile(*own, at, columns, steps, sums, ahead)
            return broadcast_tile(*own, 2 - count % 2, at, columns, steps, sums)

        start = [zero(self.type)] * (shape.rows * shape.vectors)
        sums = summed_in_blocks(code, start, count, CHAIN_STEPS, some)
        rest = [zero(self.type)] * (self.lanes - shape.rows)
        squares = code.array(nest.type, shape.vectors * self.lanes * self.lanes)
        turned = code.array(nest.type, self.width * self.lanes)  # for each position, the channels
        rows = [one for j in range(shape.vectors) for one in (*sums[j :: shape.vectors], *rest)]
        on_stack(code, rows, squares)
        with code.loop(code.integer(0), code.integer(shape.vectors)) as j:
            number = code.mul(j, self.lanes * self.lanes)
            source, to = (code.element(one, number, size) for one in (squares, turned))

            def write(i: Value, values: Value) -> None:
                code.store(values, code.element(to, code.mul(i, self.lanes), size))

            exchange(code, self.type, lambda i: code.element(source, i * self.lanes, size), write)
        mask = first_lanes(shape.rows, self.type)
        channel = code.add(channel, row)
        with code.loop(code.integer(0), code.integer(positions_of(nest))) as position:
            outer, x = divided(code, position, nest.walks[1].written)
            image, y = divided(code, outer, nest.walks[0].written)
            at = code.element(turned, code.mul(position, self.lanes), size)
            values = code.load(self.type, at)
            self.finish(code, [image, channel, y, x], values, mask)
