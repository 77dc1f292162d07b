"""Depthwise convolutions with channels innermost: every channel has a window of its own, vectors run along channels."""

from __future__ import annotations

from math import prod

from alight.backends.cpu.batch_lanes import Panels, batch_panels
from alight.backends.cpu.code import Value
from alight.backends.cpu.convolution_code import ConvolutionCode
from alight.backends.cpu.division import divided, moved, shared
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import Panel, first_lanes, multiply_add, pack, zero
from alight.backends.cpu.walk import Nest, Run, run_at


def is_depthwise(nest: Nest) -> bool:
    """Whether each channel is a group of its own, and channels lie next to each other (and images do not)."""
    images = nest.batch > 1 and nest.read[0] == nest.written[0] == 1
    own = nest.rows == nest.terms == 1 and nest.groups > 1
    return own and nest.read[1] == nest.written[1] == 1 and not images


def depthwise_scratch(nest: Nest, target: Target) -> int:
    """Bytes of scratch memory of one thread: the weights with channels innermost, where they do not lie so."""
    if nest.w_group == 1:
        return 0
    lanes = target.lanes(nest.itemsize)
    steps = prod(walk.taps for walk in nest.walks) + lanes  # packing writes whole vectors of steps
    return steps * _padded(nest, lanes) * nest.itemsize


def _padded(nest: Nest, lanes: int) -> int:
    return -(-nest.groups // lanes) * lanes


class Depthwise(ConvolutionCode):
    """Writes one convolution."""

    def prepare(self, scratch: Value | None) -> None:
        """Where packed weights lie, and how the window is walked over."""
        self.scratch = scratch
        self.taps = self.nest.w[2:]  # element strides of the window

    def run(self) -> None:
        """Panels of channels: equal ones, then a narrower one for what is left."""
        if self.nest.w_group != 1:
            self._pack()
        for panels in batch_panels(self.nest.groups, 1, self.lanes, self.target):
            self._section(panels)

    def _pack(self) -> None:
        code, nest = self.code, self.nest
        assert self.scratch is not None
        size, width = nest.itemsize, _padded(nest, self.lanes)
        own = code.mul(code["thread"], depthwise_scratch(nest, self.target))
        to = code.element(self.scratch, own, 1)
        high, wide = (walk.taps for walk in nest.walks)
        column = nest.w_group * size
        if nest.w[2:] == (wide, 1):  # one contiguous window
            panel = Panel(nest.type, code.integer(high * wide), nest.groups, size, column)
            pack(code, self.target, panel, self.w, to, width)
        else:
            panel = Panel(nest.type, code.integer(wide), nest.groups, nest.w[3] * size, column)
            with code.loop(code.integer(0), code.integer(high)) as y:
                source = moved(code, self.w, size, nest.w[2:3], [y])
                pack(
                    code,
                    self.target,
                    panel,
                    source,
                    moved(code, to, size, (wide * width,), [y]),
                    width,
                )
        self.w, self.taps = to, (wide * width, width)

    def _section(self, panels: Panels) -> None:
        """Units of work: (image, y) x (x, panel of channels)."""
        code, nest = self.code, self.nest
        wide = panels.shape.vectors
        height, width = (walk.written for walk in nest.walks)
        with shared(code, nest.batch * height, width * panels.panels) as (unit, start, stop):
            image, y = divided(code, unit, height)
            vertical = run_at(code, nest.walks[0], y)
            read = moved(code, self.read, nest.itemsize, nest.read[:1], [image])
            with code.loop(start, stop) as index:
                x, panel = divided(code, index, panels.panels)
                channel = code.add(code.mul(panel, wide * self.lanes), panels.first)
                horizontal = run_at(code, nest.walks[1], x)
                masks = [
                    first_lanes(panels.columns - j * self.lanes, self.type) for j in range(wide)
                ]
                here = code.element(read, channel, nest.itemsize)
                w = code.element(self.w, channel, nest.itemsize)
                sums = self._sums(here, w, vertical, horizontal, masks)
                for j, (values, mask) in enumerate(zip(sums, masks, strict=True)):
                    indices = [image, code.add(channel, j * self.lanes), y, x]
                    self.finish(code, indices, values, mask)

    def _sums(
        self,
        read: Value,
        w: Value,
        vertical: Run,
        horizontal: Run,
        masks: list[Value | None],
    ) -> list[Value]:
        code, nest, size = self.code, self.nest, self.nest.itemsize

        def at(run: Run, axis: int, j: Value, read: Value, w: Value) -> tuple[Value, Value]:
            walk = nest.walks[axis]
            tap = code.add(run.tap, code.mul(j, walk.tap_step))
            place = code.add(run.place, code.mul(j, walk.place_step))
            return (
                moved(code, read, size, nest.read[2 + axis : 3 + axis], [place]),
                moved(code, w, size, self.taps[axis : axis + 1], [tap]),
            )

        def line(j: Value, sums: list[Value]) -> list[Value]:
            row, row_w = at(vertical, 0, j, read, w)

            def tap(i: Value, sums: list[Value]) -> list[Value]:
                pixel, weight = at(horizontal, 1, i, row, row_w)
                made = []
                for n, (mask, total) in enumerate(zip(masks, sums, strict=True)):
                    offset = n * self.target.vector_bytes
                    x = code.load(self.type, code.element(pixel, offset, 1), mask)
                    y = code.load(self.type, code.element(weight, offset, 1), mask)
                    made.append(multiply_add(code, self.target, x, y, total))
                return made

            return code.fold(horizontal.first, horizontal.last, 1, sums, tap)

        start = [zero(self.type)] * len(masks)
        return code.fold(vertical.first, vertical.last, 1, start, line)
