"""Matrix products in code for many shapes: one text for all extents, where `contraction` writes the best for each.

In: a `Product` and pointers, as for `contraction.emit_product`. Out: code in which extents are bounds of loops and
nothing else. Rows are cut into high tiles, then tiles of four rows, then single ones; columns into panels of two
vectors, and panels of one whose mask is made as the code runs. So texts differ only in numbers, which `generic` makes
parameters, and a new length of a sentence or a batch finds its functions compiled. What a last tile of another height
would gain is little: a program that runs often gets code of its own anyway.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from alight.backends.cpu.code import Code, Value, vector
from alight.backends.cpu.contraction import Finish
from alight.backends.cpu.division import moved
from alight.backends.cpu.product_plan import Product, vector_axis
from alight.backends.cpu.squares import exchange
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import (
    CHAIN_STEPS,
    Shape,
    Steps,
    accumulators,
    broadcast_tile,
    finish_rows,
    summed_in_blocks,
    zero,
)

MOST_STEPS = (
    2048  # of k: beyond, sums are cut into parts that threads may share, which depends on extents
)
FOUR = 4  # rows of the lower tiles


def covers(product: Product, target: Target) -> bool:
    """Whether a product is written here."""
    return (
        target.varied
        and 0 < product.k <= MOST_STEPS
        and 0 not in (*product.batch, product.m, product.n)
    )


def _along(product: Product) -> Product:
    return product.exchanged() if vector_axis(product) == "m" else product


def scratch_bytes(product: Product, target: Target, threads: int) -> int:
    """Bytes of scratch memory that the code uses."""
    return threads * _panel_bytes(_along(product), target)


def _is_packed(product: Product) -> bool:
    """Whether a panel's columns are brought next to each other first."""
    return product.b[-1] != 1 and product.n > 1


def _panel_bytes(product: Product, target: Target) -> int:
    """Bytes of a panel of B in scratch: whole vectors of steps."""
    steps = -(-product.k // target.lanes(product.itemsize)) * target.lanes(product.itemsize)
    return steps * 2 * target.vector_bytes if _is_packed(product) else 0


class _Section(NamedTuple):
    """Neighbouring panels of columns: the first column, how many panels of how many vectors, and the rows of tiles."""

    first: int
    panels: int
    vectors: int
    heights: tuple[int, ...]


def _sections(product: Product, target: Target) -> list[_Section]:
    """Panels of two vectors; the columns that are left in panels of one, the last of them under a mask."""
    count = target.lanes(product.itemsize)
    wide, rest = divmod(product.n, 2 * count)
    found = []
    if wide:
        found.append(_Section(0, wide, 2, (accumulators(target, 2), FOUR, 1)))
    if rest:
        high = min(2 * FOUR, accumulators(target, 1))
        found.append(_Section(2 * count * wide, -(-rest // count), 1, (high, FOUR, 1)))
    return found


def emit_product(
    code: Code,
    product: Product,
    target: Target,
    a: Value,
    b: Value,
    scratch: Value | None,
    finish: Finish,
) -> None:
    """Write the code of a product that is covered; see `contraction.emit_product`."""
    oriented, given = _along(product), finish
    if oriented is not product:
        a, b = b, a

        def finish(
            code: Code,
            batch: list[Value],
            row: Value,
            column: Value,
            values: Value,
            mask: Value | None,
        ) -> None:
            given(code, batch, column, row, values, mask)

    written = _Written(code, oriented, target, a, b, scratch, finish)
    for section in _sections(oriented, target):
        written.section(section)


class _Panel(NamedTuple):
    """A panel of columns of one batch."""

    batch: list[Value]
    column: Value
    a: Value
    b: Value
    b_step: int  # bytes from step to step of b
    mask: Value | None  # columns that exist


class _Written:
    """One product."""

    def __init__(
        self,
        code: Code,
        product: Product,
        target: Target,
        a: Value,
        b: Value,
        scratch: Value | None,
        finish: Finish,
    ) -> None:
        self.code, self.product, self.target = code, product, target
        self.a, self.b, self.scratch, self.finish = a, b, scratch, finish
        self.count = target.lanes(product.itemsize)
        self.type = vector(product.type, self.count)

    def section(self, section: _Section) -> None:
        """All panels of a section, shared among the threads by tiles."""
        code, product = self.code, self.product
        high = section.heights[0]
        full, rest = divmod(product.m, high)
        groups = section.panels
        for extent in product.batch:
            groups *= extent
        with self._shared(groups, full + (rest > 0)) as (group, first, last):
            flat, panel = self._divided(group, section.panels)
            here = self._panel(section, flat, panel)
            with code.loop(first, code.minimum(last, code.integer(full))) as tile:
                self._tile(section, high, code.mul(tile, high), here)
            with code.when(code.compare("icmp sgt", last, code.integer(full))):
                start = full * high
                for rows, many in ((FOUR, rest // FOUR), (1, rest % FOUR)):
                    with code.loop(code.integer(0), code.integer(many)) as i:
                        row = code.op("add", code.mul(i, rows), code.integer(start))
                        self._tile(section, rows, row, here)
                    start += rows * many

    # What `division` does, without a word of its own for ones: a text has the same form whatever its numbers are.

    @contextmanager
    def _shared(self, groups: int, tiles: int) -> Iterator[tuple[Value, Value, Value]]:
        """A thread's share of groups x tiles: for each group it has a part in, the group and its first and last tile."""
        code, each = self.code, self.code.integer(tiles)
        first, last = code.share(code.integer(groups * tiles), code["thread"], code["threads"])
        start = code.op("udiv", first, each)
        stop = code.op("udiv", code.op("add", last, code.integer(tiles - 1)), each)
        with code.loop(start, stop) as group:
            base = code.op("mul", group, each)
            begin = code.maximum(code.op("sub", first, base), code.integer(0))
            yield group, begin, code.minimum(code.op("sub", last, base), each)

    def _divided(self, index: Value, inner: int) -> tuple[Value, Value]:
        """index // inner and index % inner."""
        code = self.code
        outer = code.op("udiv", index, code.integer(inner))
        return outer, code.op("sub", index, code.op("mul", outer, code.integer(inner)))

    def _panel(self, section: _Section, flat: Value, panel: Value) -> _Panel:
        code, product, size = self.code, self.product, self.product.itemsize
        batch: list[Value] = []
        for extent in reversed(product.batch[1:]):
            flat, index = self._divided(flat, extent)
            batch.insert(0, index)
        batch = [flat, *batch] if product.batch else []
        column = code.op(
            "add", code.mul(panel, section.vectors * self.count), code.integer(section.first)
        )
        a = moved(code, self.a, size, product.a[:-2], batch)
        b = moved(code, self.b, size, product.b[:-2], batch)
        mask = None
        if section.vectors == 1:
            left = code.op("sub", code.integer(product.n), column)
            mask = code.tail_mask(left, vector("i32", self.count))
        if _is_packed(product):
            to = self._packed(section, b, column)
            return _Panel(batch, column, a, to, section.vectors * self.target.vector_bytes, mask)
        b = moved(code, b, size, product.b[-1:], [column])
        return _Panel(batch, column, a, b, product.b[-2] * size, mask)

    def _packed(self, section: _Section, b: Value, column: Value) -> Value:
        """A panel in scratch, the columns of a step next to each other; those past the end repeat the last one."""
        code, product, size, count = self.code, self.product, self.product.itemsize, self.count
        assert self.scratch is not None
        to = code.element(
            self.scratch, code.mul(code["thread"], _panel_bytes(product, self.target)), 1
        )
        step, apart = (stride * size for stride in product.b[-2:])
        width, end = section.vectors * count, code.integer(product.n - 1)
        if step != size:
            with (
                code.loop(code.integer(0), code.integer(product.k)) as at,
                code.loop(code.integer(0), code.integer(width)) as i,
            ):
                place = code.mul(code.minimum(code.add(column, i), end), apart)
                one = code.load(
                    product.type, code.element(code.element(b, code.mul(at, step), 1), place, 1)
                )
                code.store(one, code.element(to, code.add(code.mul(at, width), i), size))
            return to
        with (
            code.loop(code.integer(0), code.integer(product.k), count) as at,
            code.loop(code.integer(0), code.integer(width), count) as first,
        ):
            left = code.op("sub", code.integer(product.k), at)
            source = code.element(b, at, size)
            begin = code.element(to, code.add(code.mul(at, width), first), size)
            columns = []
            for lane in range(count):
                place = code.minimum(code.add(code.add(column, first), lane), end)
                columns.append(code.element(source, code.mul(place, apart), 1))

            def put(i: Value, values: Value, begin: Value = begin) -> None:
                code.store(values, code.element(begin, code.mul(i, width), size))

            exchange(code, self.type, columns.__getitem__, put, left)
        return to

    def _tile(self, section: _Section, rows: int, row: Value, panel: _Panel) -> None:
        code, product, vectors = self.code, self.product, section.vectors
        a = moved(code, panel.a, product.itemsize, product.a[-2:-1], [row])
        a_row, a_step = (stride * product.itemsize for stride in product.a[-2:])
        steps = Steps(a_row, a_step, panel.b_step)
        mask = None if _is_packed(product) else panel.mask

        def some(first: Value, last: Value, sums: list[Value]) -> list[Value]:
            at_a = code.element(a, code.mul(first, a_step), 1)
            at_b = code.element(panel.b, code.mul(first, panel.b_step), 1)
            count = code.op("sub", last, first)
            shape = Shape(rows, vectors)
            return broadcast_tile(
                code, self.target, self.type, shape, count, 1, at_a, at_b, steps, sums, mask=mask
            )

        zeros = [zero(self.type)] * (rows * vectors)
        size = CHAIN_STEPS if product.k > CHAIN_STEPS * 3 // 2 else product.k
        sums = summed_in_blocks(code, zeros, product.k, size, some)

        def finished(i: Value, values: list[Value]) -> None:
            for j, one in enumerate(values):
                column = code.add(panel.column, j * self.count)
                self.finish(code, panel.batch, code.add(row, i), column, one, panel.mask)

        finish_rows(code, sums, rows, MOST_STEPS, finished)


__all__ = ["covers", "emit_product", "scratch_bytes"]
