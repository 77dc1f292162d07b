"""Depthwise convolutions of row-major images: every channel has a window of its own, vectors run along rows.

A tile is some rows of one channel's result. For each column of the window, each row of the image that the tile reads is
loaded once, and multiplied by every tap of the column that meets it. What lies in the padding is masked out of the load,
rows as well as places, so that edges need no code of their own.
"""

from __future__ import annotations

from alight.backends.cpu.code import Value, vector
from alight.backends.cpu.convolution_code import ConvolutionCode
from alight.backends.cpu.division import divided, moved, shared
from alight.backends.cpu.row_lanes import every_second
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import Shape, multiply_add, zero
from alight.backends.cpu.walk import Nest, Regular, is_regular

_MOST_ROWS = 7


def is_depthwise_rows(nest: Nest) -> bool:
    """Whether each channel is a group of its own, rows are contiguous, and their places regular."""
    down, across = nest.walks
    own = nest.rows == nest.terms == 1 and nest.groups > 1
    along = nest.read[3] == nest.written[3] == 1 and across.written > 1 and across.stride <= 2
    regular = is_regular(down) and is_regular(across)
    images = nest.batch > 1 and nest.read[0] == nest.written[0] == 1
    return own and along and regular and not images


def tile_shape(nest: Nest, target: Target) -> Shape:
    """The tile that takes the fewest cycles for all of a channel: loads of rows and scalars, multiply-adds, masks."""
    down, across = nest.walks
    count, taps = target.lanes(nest.itemsize), down.taps
    places = Regular.of(down)
    vectors = -(-across.written // count)
    best, fewest = Shape(1, 1), float("inf")
    for rows in range(1, min(_MOST_ROWS, down.written) + 1):
        lines = len(_meetings(places, rows, taps))
        for wide in range(1, min(3, vectors) + 1):
            if rows * wide + wide + 2 > target.registers * 3 // 4:
                continue
            loads = lines * wide * (2 * across.stride - 1) * 1.5 + taps
            step = max(rows * taps * wide, loads) / 2 + 2 * wide + 3
            cycles = -(-down.written // rows) * -(-vectors // wide) * (across.taps * step + 12)
            if cycles < fewest:
                best, fewest = Shape(rows, wide), cycles
    return best


def _meetings(down: Regular, rows: int, taps: int) -> dict[int, list[tuple[int, int]]]:
    """For each row of the image that a tile reads, counted from its first position's place: (row of the tile, tap)."""
    found: dict[int, list[tuple[int, int]]] = {}
    for row in range(rows):
        for tap in range(taps):
            found.setdefault(row * down.stride + tap * down.step, []).append((row, tap))
    return dict(sorted(found.items()))


class DepthwiseRows(ConvolutionCode):
    """Writes one convolution."""

    def prepare(self, scratch: Value | None) -> None:
        """How a tile walks over the image."""
        self.places = vector("i32", self.lanes)
        self.down, self.across = (Regular.of(walk) for walk in self.nest.walks)
        self.shape = tile_shape(self.nest, self.target)
        self.numbers = self.code.lane_numbers(self.places)

    def run(self) -> None:
        """Units of work: (image, channel) x (tile of rows, panel of a row)."""
        code, nest, (rows, wide) = self.code, self.nest, self.shape
        height, width = (walk.written for walk in nest.walks)
        panels = -(-width // (wide * self.lanes))
        with shared(code, nest.batch * nest.groups, -(-height // rows) * panels) as unit:
            plane, start, stop = unit
            image, channel = divided(code, plane, nest.groups)
            read = moved(code, self.read, nest.itemsize, nest.read[:2], [image, channel])
            w = moved(code, self.w, nest.itemsize, (nest.w_group,), [channel])
            with code.loop(start, stop) as index:
                tile, panel = divided(code, index, panels)
                y, x = code.mul(tile, rows), code.mul(panel, wide * self.lanes)
                sums = self._sums(read, w, y, x)
                for row in range(rows):
                    here = sums[row * wide : (row + 1) * wide]
                    if height % rows == 0:
                        self._finish_row([image, channel, code.add(y, row), x], here)
                        continue
                    with code.when(
                        code.compare("icmp slt", code.add(y, row), code.integer(height))
                    ):
                        self._finish_row([image, channel, code.add(y, row), x], here)

    def _sums(self, read: Value, w: Value, y: Value, x: Value) -> list[Value]:
        """The sums of a tile, column by column of the window."""
        code, nest, size, (rows, wide) = self.code, self.nest, self.nest.itemsize, self.shape
        taps = nest.walks[0].taps
        top = code.add(code.mul(y, self.down.stride), self.down.start)
        lines = _meetings(self.down, rows, taps)
        exists = {line: self._row_exists(code.add(top, line)) for line in lines}
        at = moved(code, read, size, nest.read[2:3], [top])
        left = code.add(code.mul(x, self.across.stride), self.across.start)

        def column(tap: Value, sums: list[Value]) -> list[Value]:
            place = code.add(left, code.mul(tap, self.across.step))
            masks = self._masks(place)
            at_w = moved(code, w, size, nest.w[3:4], [tap])
            here = code.element(at, place, size)
            made = list(sums)
            weights = [
                code.splat(code.load(nest.type, code.element(at_w, j * nest.w[2], size)), self.type)
                for j in range(taps)
            ]
            for line, meetings in lines.items():
                row = code.element(here, line * nest.read[2], size)
                for v, value in enumerate(self._loaded(row, masks, exists[line])):
                    for r, j in meetings:
                        total = made[r * wide + v]
                        made[r * wide + v] = multiply_add(
                            code, self.target, weights[j], value, total
                        )
            return made

        start = [zero(self.type)] * (rows * wide)
        return code.fold(code.integer(0), code.integer(nest.walks[1].taps), 1, start, column)

    def _row_exists(self, place: Value) -> Value | None:
        """All lanes, if the image has a row at a place, else none; None: it always has."""
        down = self.nest.walks[0]
        if down.plain and down.written % self.shape.rows == 0:
            return None
        inside = self.code.compare("icmp ult", place, self.code.integer(down.read))
        return self.code.splat(inside, vector("i1", self.lanes))

    def _masks(self, place: Value) -> list[Value | None]:
        """For each vector to be loaded from a place of a row on, the lanes that the row has; None: all."""
        code, across, wide = self.code, self.nest.walks[1], self.shape.vectors
        loads = wide * self.across.stride
        if across.plain and across.written % (wide * self.lanes) == 0 and self.across.stride == 1:
            return [None] * loads
        first = code.op(f"trunc i64 {place.text} to i32", type="i32")
        numbers = code.op("add", code.splat(first, self.places), self.numbers)
        end = code.constant(across.read, self.places)
        masks: list[Value | None] = []
        for n in range(loads):
            shifted = (
                code.op("add", numbers, code.constant(n * self.lanes, self.places))
                if n
                else numbers
            )
            masks.append(code.compare("icmp ult", shifted, end))
        return masks

    def _loaded(self, row: Value, masks: list[Value | None], exists: Value | None) -> list[Value]:
        """The vectors of a row's places, every one or every second."""
        code, width = self.code, self.target.vector_bytes
        found = []
        for n, mask in enumerate(masks):
            if exists is not None:
                mask = exists if mask is None else code.op("and", mask, exists)
            found.append(code.load(self.type, code.element(row, n * width, 1), mask))
        if self.across.stride == 1:
            return found
        return every_second(code, found)

    def _finish_row(self, place: list[Value], values: list[Value]) -> None:
        code, width = self.code, self.nest.walks[1].written
        image, channel, y, x = place
        for v, value in enumerate(values):
            column = code.add(x, v * self.lanes)
            mask = None
            if width % (self.shape.vectors * self.lanes):
                first = code.op(f"trunc i64 {column.text} to i32", type="i32")
                numbers = code.op("add", code.splat(first, self.places), self.numbers)
                mask = code.compare("icmp ult", numbers, code.constant(width, self.places))
            self.finish(code, [image, channel, y, column], value, mask)
