"""Convolutions whose vectors run along a row of the image: several output channels of neighbouring positions at a time.

For row-major images and few channels, where neither the batch nor the channels fill a vector. The weights are read as
scalars where they lie; lanes whose tap falls into the padding are masked out of the load.
"""

from __future__ import annotations

from alight.backends.cpu.batch_lanes import Panels, batch_panels
from alight.backends.cpu.code import Code, Value, lanes, vector
from alight.backends.cpu.convolution_code import ConvolutionCode
from alight.backends.cpu.division import divided, moved, shared
from alight.backends.cpu.tiles import Shape, finish_rows, first_lanes, multiply_add, shuffled, zero
from alight.backends.cpu.walk import Nest, Run, run_at


def by_rows(nest: Nest) -> bool:
    """Whether vectors can run along rows: these are contiguous in both operands, and a tap's places follow one another
    in steps of one or two."""
    across = nest.walks[1]
    near = across.stride == 1 or (across.stride == 2 and not across.backward)
    along = nest.read[3] == nest.written[3] == 1 and near and across.written > 1
    images = nest.batch > 1 and nest.read[0] == nest.written[0] == 1
    return along and not images


class RowNest(ConvolutionCode):
    """Writes one convolution."""

    def run(self) -> None:
        """Panels of a row: equal ones, then a narrower one for what is left."""
        width = self.nest.walks[1].written
        for panels in batch_panels(width, self.nest.rows, self.lanes, self.target):
            self._section(panels)

    def _section(self, panels: Panels) -> None:
        """Units of work: (image, group, y) x (panel of the row, tile of channels)."""
        code, nest = self.code, self.nest
        rows, wide = panels.shape
        tiles = -(-nest.rows // rows)
        height = nest.walks[0].written
        units = nest.batch * nest.groups * height
        with shared(code, units, panels.panels * tiles) as (unit, start, stop):
            outer, y = divided(code, unit, height)
            image, group = divided(code, outer, nest.groups)
            vertical = run_at(code, nest.walks[0], y)
            read = moved(
                code, self.read, nest.itemsize, nest.read[:2],
                [image, code.mul(group, nest.terms)],
            )  # fmt: skip
            w = moved(code, self.w, nest.itemsize, (nest.w_group,), [group])
            with code.loop(start, stop) as index:
                panel, tile = divided(code, index, tiles)
                x = code.add(code.mul(panel, wide * self.lanes), panels.first)
                full, rest = divmod(nest.rows, rows)
                inside = code.compare("icmp slt", tile, code.integer(full))
                outside = code.op("xor", inside, Value("true", "i1"))
                for size, chosen in ((rows, inside), (rest, outside)):
                    if not size:
                        continue
                    with code.when(chosen):
                        row = code.mul(tile, rows)
                        here = moved(code, w, nest.itemsize, nest.w[:1], [row])
                        shape = Shape(size, wide)
                        sums = self._sums(shape, panels.columns, x, here, read, vertical)
                        channel = code.add(row, code.mul(group, nest.rows))
                        self._finish_tile(shape, panels.columns, [image, channel, y, x], sums)

    def _sums(
        self, shape: Shape, columns: int, x: Value, w: Value, read: Value, vertical: Run
    ) -> list[Value]:
        """The sums over taps and terms; the loads' masks depend on the tap alone."""
        code, nest, size = self.code, self.nest, self.nest.itemsize
        down, across = nest.walks
        far = (across.taps - 1) * across.place_step
        padding = across.padding - far if across.backward else -across.padding
        base = code.add(code.mul(x, across.stride), padding)

        def line(j: Value, sums: list[Value]) -> list[Value]:
            tap = code.add(vertical.tap, code.mul(j, down.tap_step))
            place = code.add(vertical.place, code.mul(j, down.place_step))
            at_w = moved(code, w, size, nest.w[2:3], [tap])
            at_read = moved(code, read, size, nest.read[2:3], [place])

            def column(s: Value, sums: list[Value]) -> list[Value]:
                first = code.add(base, code.mul(s, across.place_step))
                masks = self._masks(shape.vectors, columns, first)
                tap = code.op("sub", code.integer(across.taps - 1), s) if across.backward else s
                tap_w = moved(code, at_w, size, nest.w[3:4], [tap])
                return self._terms(
                    shape, tap_w, moved(code, at_read, size, (1,), [first]), masks, sums
                )

            return code.fold(code.integer(0), code.integer(across.taps), 1, sums, column)

        start = [zero(self.type)] * (shape.rows * shape.vectors)
        return code.fold(vertical.first, vertical.last, 1, start, line)

    def _masks(self, vectors: int, columns: int, first: Value) -> list[Value | None]:
        """For each vector that is loaded, the lanes whose places exist, of the positions that exist; None: all."""
        code, across = self.code, self.nest.walks[1]
        narrow = vector("i32", self.lanes)
        masks: list[Value | None] = []
        if across.stride == 2:  # the last position needs no place after its own
            vectors, columns = 2 * vectors, 2 * columns - 1
        for j in range(vectors):
            exists = first_lanes(columns - j * self.lanes, self.type)
            if across.plain:
                masks.append(exists)
                continue
            start = code.op(f"trunc i64 {code.add(first, j * self.lanes).text} to i32", type="i32")
            places = code.op("add", code.splat(start, narrow), code.lane_numbers(narrow))
            mask = code.compare("icmp ult", places, code.constant(across.read, narrow))
            masks.append(mask if exists is None else code.op("and", mask, exists))
        return masks

    def _terms(
        self, shape: Shape, w: Value, read: Value, masks: list[Value | None], sums: list[Value]
    ) -> list[Value]:
        code, nest, size = self.code, self.nest, self.nest.itemsize

        def term(_: Value, carried: list[Value]) -> list[Value]:
            at_w, at_read, *total = carried
            values = [
                code.load(self.type, code.element(at_read, j * self.target.vector_bytes, 1), mask)
                for j, mask in enumerate(masks)
            ]
            if nest.walks[1].stride == 2:
                values = every_second(code, values)
            for i in range(shape.rows):
                weight = code.load(nest.type, code.element(at_w, i * nest.w[0] * size, 1))
                scalar = code.splat(weight, self.type)
                for j, value in enumerate(values):
                    at = i * shape.vectors + j
                    total[at] = multiply_add(code, self.target, scalar, value, total[at])
            following = [
                code.element(at_w, nest.w[1] * size, 1),
                code.element(at_read, nest.read[1] * size, 1),
            ]
            return [*following, *total]

        return code.fold(code.integer(0), code.integer(nest.terms), 1, [w, read, *sums], term)[2:]

    def _finish_tile(
        self, shape: Shape, columns: int, place: list[Value], sums: list[Value]
    ) -> None:
        code, nest = self.code, self.nest
        image, channel, y, x = place

        def finish_row(row: Value, vectors: list[Value]) -> None:
            for j, values in enumerate(vectors):
                indices = [image, code.add(channel, row), y, code.add(x, j * self.lanes)]
                mask = first_lanes(columns - j * self.lanes, self.type)
                self.finish(code, indices, values, mask)

        steps = nest.walks[0].taps * nest.walks[1].taps * nest.terms
        finish_rows(code, sums, shape.rows, steps, finish_row)


def every_second(code: Code, values: list[Value]) -> list[Value]:
    """The even lanes of each two vectors, in one."""
    even = range(0, 2 * lanes(values[0].type), 2)
    return [shuffled(code, x, y, even) for x, y in zip(values[::2], values[1::2], strict=True)]
