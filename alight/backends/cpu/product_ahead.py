"""What the tiles of a product ask for while they multiply, so that it is in the second cache when its turn comes.

The rows of the next tile, where each step of A lies far from the last one (a weight's gradient), the next panel of B
where B is most of what is read (the weights of a recurrent layer at each step), and what a finish reads and writes (a
parameter, its gradient and its new value, which together are larger than that cache).
"""

from __future__ import annotations

from collections.abc import Callable

from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.division import divided, moved
from alight.backends.cpu.product_plan import Plan, Section
from alight.backends.cpu.tiles import CACHE_LINE, Ahead

# ask(code, batch indices, row, column, columns): asks for what a finish will read and write there.
Ask = Callable[[Code, list[Value], Value, Value, int], None]


def exchanged(ask: Ask) -> Ask:
    """The same for a product whose rows and columns are exchanged."""
    return lambda code, batch, row, column, columns: ask(code, batch, column, row, columns)


def ask_for_rows(
    code: Code, ask: Ask, rows: int, row: Value, batch: list[Value], column: Value, section: Section
) -> None:
    """Ask for what the finish of a tile needs, before its sums are made."""
    with code.loop(code.integer(0), code.integer(rows)) as i:
        ask(code, batch, code.add(row, i), column, section.columns)


def rows_ahead(plan: Plan, sections: list[Section]) -> tuple[int, int]:
    """How the panels of a far product ask for the next tile's rows: each in its turn at every so many steps for some
    lines, which makes all of the lines of all steps."""
    panels = sum(section.panels for section in sections)
    panels = min(panels, plan.wide or panels)
    lines = -(-sections[0].shape.rows * plan.product.itemsize // CACHE_LINE) + 1
    every = 1 << min(3, max(1, panels // lines).bit_length() - 1)
    return every, -(-lines * every // panels)


def next_rows(code: Code, plan: Plan, sections: list[Section], at: Value, panel: Value) -> Ahead:
    """A panel's share of the next tile's rows, which begin at `at`; each step of those is a line or two."""
    every, lines = rows_ahead(plan, sections)
    step = plan.product.a[-1] * plan.product.itemsize
    line, turn = divided(code, panel, every)
    offset = code.add(code.mul(line, lines * CACHE_LINE), code.mul(turn, step))
    return Ahead(code.element(at, offset, 1), step, every, lines)


def next_panel(
    code: Code, plan: Plan, section: Section, b: Value, row: Value, column: Value
) -> Ahead:
    """The share of the tile at a row in the panel after the one at a column; after the last one comes the first, since
    a loop over time takes the same matrix again."""
    product = plan.product
    following = code.add(column, section.width)
    inside = code.compare("icmp slt", following, code.integer(product.n))
    at = moved(
        code, b, product.itemsize, product.b[-1:], [code.select(inside, following, code.integer(0))]
    )
    tiles = -(-product.m // section.shape.rows)
    lines = -(-section.width * product.itemsize // CACHE_LINE // tiles)
    tile = code.op("udiv", row, code.integer(section.shape.rows))
    at = code.element(at, code.mul(tile, lines * CACHE_LINE), 1)
    return Ahead(at, product.b[-2] * product.itemsize, 1, lines)
