"""The three small matrices of Winograd's F(2 x 2, 3 x 3), on vectors, and the pixels of a strip of tiles.

B' = 1  0 -1  0     G = 1    0    0     A' = 1  1  1  0
     0  1  1  0         1/2  1/2  1/2        0  1 -1 -1
     0 -1  1  0         1/2 -1/2  1/2
     0  1  0 -1         0    0    1
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from alight.backends.cpu.code import Code, Value, lanes
from alight.backends.cpu.division import moved
from alight.backends.cpu.tiles import ITEMSIZES, zero
from alight.backends.cpu.walk import Walk

Line = Callable[[Code, list[Value]], list[Value]]


def pixels_across(code: Code, d: list[Value]) -> list[Value]:
    """B' d."""
    return [
        code.op("fsub", d[0], d[2]), code.op("fadd", d[1], d[2]),
        code.op("fsub", d[2], d[1]), code.op("fsub", d[1], d[3]),
    ]  # fmt: skip


def weights_across(code: Code, g: list[Value]) -> list[Value]:
    """G g."""
    half = code.constant(0.5, g[0].type)
    both = code.op("fmul", code.op("fadd", g[0], g[2]), half)
    middle = code.op("fmul", g[1], half)
    return [g[0], code.op("fadd", both, middle), code.op("fsub", both, middle), g[2]]


def sums_across(code: Code, m: list[Value]) -> list[Value]:
    """A' m."""
    plus, minus = code.op("fadd", m[1], m[2]), code.op("fsub", m[1], m[2])
    return [code.op("fadd", m[0], plus), code.op("fsub", minus, m[3])]


def results_across(code: Code, y: list[Value]) -> list[Value]:
    """A y."""
    minus = code.op("fneg", y[1])
    return [y[0], code.op("fadd", y[0], y[1]), code.op("fsub", y[0], y[1]), minus]


def taps_across(code: Code, u: list[Value]) -> list[Value]:
    """G' u."""
    half = code.constant(0.5, u[0].type)
    plus = code.op("fmul", code.op("fadd", u[1], u[2]), half)
    minus = code.op("fmul", code.op("fsub", u[1], u[2]), half)
    return [code.op("fadd", u[0], plus), minus, code.op("fadd", plus, u[3])]


def both_ways(code: Code, rows: list[list[Value]], across: Line) -> list[list[Value]]:
    """M rows M', where `across` is M."""
    columns = [across(code, list(column)) for column in zip(*rows, strict=True)]
    return [across(code, list(row)) for row in zip(*columns, strict=True)]


class Strip(NamedTuple):
    """Where the pixels of some tiles of one row lie: four lines, those outside the image being one vector of zeros.

    Of all columns that the tiles need, [start, stop) lie inside the image.
    """

    lines: list[Value]  # pointers to column `start`
    across: list[Value]  # bytes from column to column: 0 for zeros
    start: Value
    stop: Value
    mask: Value | None


def strip_at(
    code: Code,
    walks: tuple[Walk, Walk],
    read: Value,
    zeros: Value,
    steps: tuple[int, int],
    first: tuple[Value, Value],
    columns: int,
    mask: Value | None,
) -> Strip:
    """The strip whose first pixel is `first`, (row, column), maybe outside; `steps` are bytes between rows and columns."""
    top, left = first
    nothing = code.integer(0)
    start = code.maximum(code.op("sub", nothing, left), nothing)
    stop = code.op("sub", code.integer(walks[1].read), left)
    stop = code.maximum(code.minimum(stop, code.integer(columns)), start)
    base = moved(code, read, 1, steps[1:], [code.add(left, start)])
    lines, across = [], []
    for i in range(4):
        row = code.add(top, i)
        inside = code.compare("icmp ult", row, code.integer(walks[0].read))
        lines.append(code.select(inside, moved(code, base, 1, steps[:1], [row]), zeros))
        across.append(code.select(inside, code.integer(steps[1]), nothing))
    return Strip(lines, across, start, stop, mask)


def clear_outside(code: Code, strip: Strip, buffer: Value, type: str, columns: int) -> None:
    """Zeros for the columns that lie outside the image."""
    width = _bytes(type)
    for low, high in ((code.integer(0), strip.start), (strip.stop, code.integer(columns))):
        with code.loop(low, high) as column:
            at = code.element(buffer, code.mul(column, 4 * width), 1)
            for i in range(4):
                code.store(zero(type), code.element(at, i * width, 1))


def combine_rows(
    code: Code, strip: Strip, offset: Value, buffer: Value, type: str, ahead: int
) -> None:
    """Write B' d of each column of a strip, d at `offset` bytes; `ahead` bytes further on, pixels are asked for."""
    width = _bytes(type)
    inside = [code.compare("icmp ne", step, code.integer(0)) for step in strip.across]
    lines = [
        code.element(line, code.select(here, offset, code.integer(0)), 1)
        for line, here in zip(strip.lines, inside, strict=True)
    ]

    def column(_: Value, carried: list[Value]) -> list[Value]:
        to, *at = carried
        pixels = [code.load(type, pointer, strip.mask) for pointer in at]
        for pointer in at if ahead else ():
            code.prefetch(code.element(pointer, ahead, 1))
        for i, value in enumerate(pixels_across(code, pixels)):
            code.store(value, code.element(to, i * width, 1))
        following = [code.element(p, step, 1) for p, step in zip(at, strip.across, strict=True)]
        return [code.element(to, 4 * width, 1), *following]

    to = code.element(buffer, code.mul(strip.start, 4 * width), 1)
    code.fold(strip.start, strip.stop, 1, [to, *lines], column)


def combine_columns(
    code: Code, tiles: int, buffer: Value, to: Value, step: int, plane: int, type: str
) -> None:
    """Write the 16 planes of each tile of a strip, `step` bytes from tile to tile, `plane` from plane to plane."""
    width = _bytes(type)

    def tile(_: Value, carried: list[Value]) -> list[Value]:
        at, to = carried
        for y in range(4):
            row = [code.load(type, code.element(at, (4 * x + y) * width, 1)) for x in range(4)]
            for x, value in enumerate(pixels_across(code, row)):
                code.store(value, code.element(to, (4 * y + x) * plane, 1))
        return [code.element(at, 8 * width, 1), code.element(to, step, 1)]

    code.fold(code.integer(0), code.integer(tiles), 1, [buffer, to], tile)


def _bytes(type: str) -> int:
    return lanes(type) * ITEMSIZES["float"]
