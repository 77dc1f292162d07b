"""The gradient of a convolution in its weights where channels lie innermost: vectors run along the output channels.

For each tap of the window this is a product: input channels times output channels, summed over the positions at which
the tap lies inside the image. Pixels are the scalars of the broadcast tile, positions of one row its steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alight.backends.cpu.code import Code, Value, vector
from alight.backends.cpu.division import divided, moved, shared
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import (
    ITEMSIZES,
    Shape,
    Steps,
    accumulators,
    best_shape,
    broadcast_tile,
    first_lanes,
    zero,
)

if TYPE_CHECKING:
    from alight.backends.cpu.convolution import Convolution


def by_channels(conv: Convolution) -> bool:
    """Whether vectors run along channels: these are contiguous, and images are not."""
    images = conv.x[0] == 1 and conv.out[0] == 1 and conv.batch > 1
    return not images and conv.out[1] == 1 and conv.outputs > conv.groups


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
    ) -> None:
        self.code, self.conv, self.target = code, conv, target
        self.x, self.out_ct, self.w_ct = x, out_ct, w_ct
        self.itemsize = ITEMSIZES[conv.type]
        self.lanes = target.lanes(self.itemsize)
        self.type = vector(conv.type, self.lanes)

    def run(self) -> None:
        """Panels of output channels: equal ones, then a narrower one for what is left."""
        outputs = self.conv.outputs // self.conv.groups
        vectors = min(4 if self.target.registers >= 32 else 2, -(-outputs // self.lanes))
        assert accumulators(self.target, vectors)
        panels, rest = divmod(outputs, vectors * self.lanes)
        if panels:
            self._section(0, panels, vectors * self.lanes)
        if rest:
            self._section(outputs - rest, 1, rest)

    def _section(self, first: int, panels: int, columns: int) -> None:
        """Units of work: (group, tap) x (panel of outputs, tile of inputs)."""
        code, conv = self.code, self.conv
        inputs, outputs = conv.inputs // conv.groups, conv.outputs // conv.groups
        vectors = -(-columns // self.lanes)
        rows, _ = best_shape(inputs, vectors, self.target)
        full, rest = divmod(inputs, rows)
        tiles = full + (rest > 0)
        high, wide = conv.window
        with shared(code, conv.groups * high * wide, panels * tiles) as (unit, start, stop):
            group, tap = divided(code, unit, high * wide)
            taps = divided(code, tap, wide)
            with code.loop(start, stop) as index:
                panel, tile = divided(code, index, tiles)
                output = code.add(code.mul(panel, vectors * self.lanes), first)
                row = code.mul(tile, rows)
                inside = code.compare("icmp slt", tile, code.integer(full))
                for size, here in (
                    (rows, inside),
                    (rest, code.op("xor", inside, Value("true", "i1"))),
                ):
                    if size:
                        with code.when(here):
                            x = moved(
                                code, self.x, self.itemsize, conv.x[1:2],
                                [code.add(row, code.mul(group, inputs))],
                            )  # fmt: skip
                            channel = code.add(output, code.mul(group, outputs))
                            out = moved(code, self.out_ct, self.itemsize, conv.out[1:2], [channel])
                            sums = self._sums(Shape(size, vectors), columns, x, out, taps)
                            self._store(sums, size, columns, (channel, row, *taps))

    def _sums(
        self, shape: Shape, columns: int, x: Value, out: Value, taps: tuple[Value, Value]
    ) -> Value:
        """The sums over all images and positions, on the stack; each image's are added up before."""
        code, conv = self.code, self.conv
        size = shape.rows * shape.vectors
        mask = first_lanes(columns - (shape.vectors - 1) * self.lanes, self.type)
        ranges = [self._range(axis, tap) for axis, tap in enumerate(taps)]
        buffer = code.array(conv.type, size * self.lanes)
        places = [code.element(buffer, i * self.target.vector_bytes, 1) for i in range(size)]
        for place in places:
            code.store(zero(self.type), place)
        x_step = conv.x[3] * conv.stride[1] * self.itemsize
        steps = Steps(conv.x[1] * self.itemsize, x_step, conv.out[3] * self.itemsize)
        (top, bottom), (left, right) = ranges
        with code.loop(code.integer(0), code.integer(conv.batch)) as image:

            def line(y: Value, sums: list[Value]) -> list[Value]:
                at_y, at_x = (
                    code.add(
                        code.add(code.mul(position, conv.stride[axis]), -conv.padding[axis][0]),
                        code.mul(taps[axis], conv.dilation[axis]),
                    )
                    for axis, position in enumerate((y, left))
                )
                here = conv.x[:1] + conv.x[2:], [image, at_y, at_x]
                there = conv.out[:1] + conv.out[2:], [image, y, left]
                return broadcast_tile(
                    code, self.target, self.type, shape, code.op("sub", right, left), 1,
                    moved(code, x, self.itemsize, *here),
                    moved(code, out, self.itemsize, *there),
                    steps, sums, mask,
                )  # fmt: skip

            sums = code.fold(top, bottom, 1, [zero(self.type)] * size, line)
            for place, value in zip(places, sums, strict=True):
                code.store(code.op("fadd", code.load(self.type, place), value), place)
        return buffer

    def _range(self, axis: int, tap: Value) -> tuple[Value, Value]:
        """The positions at which a tap lies inside the image."""
        code, conv = self.code, self.conv
        stride, low, size = conv.stride[axis], conv.padding[axis][0], conv.size[axis]
        shift = code.op("sub", code.integer(low), code.mul(tap, conv.dilation[axis]))
        before = code.maximum(code.add(shift, stride - 1), code.integer(0))
        room = code.maximum(code.add(shift, size - 1 + stride), code.integer(0))
        first = code.op("udiv", before, code.integer(stride))
        last = code.op("udiv", room, code.integer(stride))
        return first, code.minimum(last, code.integer(conv.out_size[axis]))

    def _store(self, sums: Value, rows: int, columns: int, indices: tuple[Value, ...]) -> None:
        """Rows of the tile are input channels, lanes are output channels."""
        code, conv = self.code, self.conv
        start = moved(code, self.w_ct, self.itemsize, conv.w, list(indices))
        width = -(-columns // self.lanes) * self.lanes
        with code.loop(code.integer(0), code.integer(rows)) as i:
            source = code.element(sums, code.mul(i, width), self.itemsize)
            to = code.element(start, code.mul(i, conv.w[1]), self.itemsize)
            if conv.w[0] == 1:
                for first in range(0, width, self.lanes):
                    values = code.load(self.type, code.element(source, first, self.itemsize))
                    mask = first_lanes(columns - first, self.type)
                    code.store(values, code.element(to, first, self.itemsize), mask)
                return
            with code.loop(code.integer(0), code.integer(columns)) as j:
                value = code.load(conv.type, code.element(source, j, self.itemsize))
                code.store(value, code.element(to, code.mul(j, conv.w[0]), self.itemsize))
