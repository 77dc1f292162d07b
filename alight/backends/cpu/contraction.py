"""Matrix products: C[b, m, n] = sum over k of A[b, m, k] * B[b, k, n], for any strides.

In: a `Product` (extents and strides, all known when code is written) and pointers. Out: code that calls `finish` once
for every vector of finished sums. A plan picks the register tile:

- broadcast: B's rows are contiguous, or a panel of B is moved to scratch first (copied, or transposed in registers);
- dot: A and B are both contiguous along k and the product is too small for moving B to pay.

C contiguous along m is the product of the exchanged operands. Long sums over k are cut into parts of fixed lengths whose
partial sums are added in order, so that results do not depend on the number of threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import groupby
from math import prod
from typing import NamedTuple

from alight.backends.cpu.code import Code, Value, lanes, vector
from alight.backends.cpu.division import divided, moved, shared
from alight.backends.cpu.product_ahead import Ask, ask_for_rows, exchanged, next_panel, next_rows
from alight.backends.cpu.product_plan import (
    Plan,
    Product,
    Section,
    packed_bytes,
    panel_bytes,
    partial_bytes,
    partial_row,
    plan_of,
    vector_axis,
)
from alight.backends.cpu.squares import shuffled
from alight.backends.cpu.target import Target
from alight.backends.cpu.threads import barrier
from alight.backends.cpu.tiles import (
    CACHE_LINE,
    CHAIN_STEPS,
    Ahead,
    Panel,
    Shape,
    Steps,
    ahead_bytes,
    broadcast_tile,
    dot_tile,
    finish_rows,
    first_lanes,
    lane_sums,
    on_stack,
    pack,
    summed_in_blocks,
    zero,
)

__all__ = ["Finish", "Plan", "Product", "emit_product", "plan_of", "scratch_bytes", "vector_axis"]

TRUE = Value("true", "i1")

# finish(code, batch indices, row, column, values, mask): gets the finished sums of one vector of C exactly once for each
# element: at most `target.lanes(itemsize)` lanes along the vector axis, of which the mask (None: all) tells the valid
# ones.
Finish = Callable[[Code, list[Value], Value, Value, Value, "Value | None"], None]


def _is_empty(product: Product) -> bool:
    return 0 in (*product.batch, product.m, product.n)


def _along(product: Product, axis: str | None) -> Product:
    """The product whose finished vectors run along n."""
    return product.exchanged() if (axis or vector_axis(product)) == "m" else product


def scratch_bytes(
    product: Product, target: Target, threads: int, vector_axis: str | None = None
) -> int:
    """Bytes of scratch memory, aligned to 64, that `emit_product`'s code uses; often 0."""
    if _is_empty(product):
        return 0
    plan = plan_of(_along(product, vector_axis), target)
    return partial_bytes(plan) + threads * packed_bytes(plan, target)


def emit_product(
    code: Code,
    product: Product,
    target: Target,
    a: Value,
    b: Value,
    c: Value,
    scratch: Value | None,
    finish: Finish | None = None,
    vector_axis: str | None = None,
    ask: Ask | None = None,
) -> None:
    """Write the code of a product into a kernel that has `thread`, `threads` and `team`.

    `finish` gets the sums (see `Finish`; row and column are those of C, whichever axis vectors run along) and by default
    stores them to c. All threads of the team must run the code: products with a long k have a barrier inside.
    """
    if _is_empty(product):
        return
    oriented = _along(product, vector_axis)
    looped = finish is not None
    if finish is None:
        finish = _storing(oriented, c)
    elif oriented is not product:
        finish = _exchanged(finish)
    finish = _narrowed(finish, product.itemsize)
    plan = plan_of(oriented, target)
    if (oriented is not product) != plan.crossed:
        a, b = b, a
    ask = exchanged(ask) if ask and oriented is not product else ask
    _Emitter(code, plan, target, a, b, scratch, finish, looped, ask).run()


def _exchanged(finish: Finish) -> Finish:
    return lambda code, batch, row, column, values, mask: finish(
        code, batch, column, row, values, mask
    )


def _narrowed(finish: Finish, itemsize: int) -> Finish:
    """Half-empty vectors are cut: a store to one row and a load of the next one would wait for each other."""

    def cut(
        code: Code, batch: list[Value], row: Value, column: Value, values: Value, mask: Value | None
    ) -> None:
        if mask is not None:
            valid = mask.text.count("true")
            few = max(16 // itemsize, 1 << (valid - 1).bit_length())
            if few < lanes(values.type):
                values = shuffled(code, values, values, range(few))
                mask = first_lanes(valid, values.type)
        finish(code, batch, row, column, values, mask)

    return cut


def _storing(product: Product, c: Value) -> Finish:
    """The default finish: store to c."""

    def store(
        code: Code, batch: list[Value], row: Value, column: Value, values: Value, mask: Value | None
    ) -> None:
        at = moved(code, c, product.itemsize, product.c, [*batch, row, column])
        if product.c[-1] == 1 or product.n == 1:
            code.store(values, at, mask)
            return
        valid = lanes(values.type) if mask is None else mask.text.count("true")
        for lane in range(valid):
            one = code.op(f"extractelement {values.typed}, i64 {lane}", type=product.type)
            code.store(one, code.element(at, lane * product.c[-1], product.itemsize))

    return store


class _Place(NamedTuple):
    """Where a panel is: its batch, its first column, and the operands there."""

    batch: list[Value]
    flat: Value  # the batch as one number
    column: Value
    a: Value  # A at row 0 and the first step of k
    a_step: int  # bytes from step to step of A
    b: Value  # the panel of B
    b_step: int  # bytes from step to step of the panel
    steps: Value  # of k
    partial: Value | None  # partial sums of this batch and part
    fresh: Value | None  # whether these are the first of them
    last: Value | None = None  # whether they are finished after these
    ahead: Ahead | None = None  # what is asked for meanwhile


class _Emitter:
    """Writes one product."""

    def __init__(
        self,
        code: Code,
        plan: Plan,
        target: Target,
        a: Value,
        b: Value,
        scratch: Value | None,
        finish: Finish,
        looped: bool,
        ask: Ask | None = None,
    ) -> None:
        self.ask = None if plan.crossed or plan.parts > 1 else ask
        self.code, self.plan, self.product, self.target = code, plan, plan.product, target
        self.a, self.b, self.scratch, self.finish = a, b, scratch, finish
        self.count = target.lanes(self.product.itemsize)
        self.type = vector(self.product.type, self.count)
        self.looped = looped
        self.buffers: dict[int, Value] = {}

    def run(self) -> None:
        """Write all of it."""
        if self.plan.turned is not None:
            self._turn(*self.plan.turned)
        if self.plan.rows_first:
            for _, sections in groupby(self.plan.sections, lambda section: section.shape.rows):
                self._rows_first(list(sections))
        else:
            for section in self.plan.sections:
                self._section(section)
        if self.plan.parts > 1:
            barrier(self.code)
            for section in self.plan.sections:
                groups = prod(self.product.batch) * section.panels
                with shared(self.code, groups, self.product.m) as (group, first, last):
                    flat, panel = divided(self.code, group, section.panels)
                    self._add_parts(section, flat, panel, first, last)

    def _turn(self, step: int, column: int) -> None:
        """Bring B into columns, in scratch."""
        code, product = self.code, self.product
        assert self.scratch is not None
        own = code.mul(code["thread"], packed_bytes(self.plan, self.target))
        to = code.element(self.scratch, code.add(own, partial_bytes(self.plan)), 1)
        size = product.itemsize
        panel = Panel(product.type, code.integer(product.n), product.k, column * size, step * size)
        pack(code, self.target, panel, self.b, to, product.b[-1])
        self.b = to

    def _batch(self, flat: Value) -> list[Value]:
        indices: list[Value] = []
        for extent in reversed(self.product.batch[1:]):
            flat, index = divided(self.code, flat, extent)
            indices.insert(0, index)
        return [flat, *indices] if self.product.batch else []

    def _at(self, pointer: Value, strides: tuple[int, ...], indices: list[Value]) -> Value:
        return moved(self.code, pointer, self.product.itemsize, strides, indices)

    def _section(self, section: Section) -> None:
        product, plan, code = self.product, self.plan, self.code
        tiles = -(-product.m // section.shape.rows)
        groups = prod(product.batch) * plan.parts * section.panels
        with shared(self.code, groups, tiles) as (group, first, last):
            outer, panel = divided(self.code, group, section.panels)
            flat, part = divided(self.code, outer, plan.parts)
            batch = self._batch(flat)
            column = code.add(code.mul(panel, section.width), section.first)
            a = self._at(self.a, product.a[:-2], batch)
            b = self._at(self.b, product.b[:-2] + product.b[-1:], [*batch, column])
            step = product.b[-2] * product.itemsize
            k = code.integer(product.k)
            a_step = product.a[-1] * product.itemsize
            place = _Place(batch, flat, column, a, a_step, b, step, k, None, None)
            if not plan.partial:
                self._rows(section, place, first, last)
                return
            self._blocks(section, place, part, first, last)
            if plan.parts == 1:
                rows = section.shape.rows
                stop = code.minimum(code.mul(last, rows), code.integer(product.m))
                self._add_parts(section, flat, panel, code.mul(first, rows), stop)

    def _blocks(
        self, section: Section, place: _Place, part: Value, first: Value, last: Value
    ) -> None:
        """The blocks of one part of k, one after another; sums pass through scratch."""
        product, plan, code = self.product, self.plan, self.code
        start = code.mul(part, plan.part)
        stop = code.minimum(code.add(start, plan.part), code.integer(product.k))
        partial = self._partial(part, place.flat)
        with code.loop(start, stop, plan.block) as at:
            here = place._replace(
                a=self._at(place.a, product.a[-1:], [at]),
                b=self._at(place.b, product.b[-2:-1], [at]),
                steps=code.minimum(code.op("sub", stop, at), code.integer(plan.block)),
                partial=partial,
                fresh=code.compare("icmp eq", at, start),
            )
            self._rows(section, here, first, last)

    def _rows(self, section: Section, place: _Place, first: Value, last: Value) -> None:
        """Tiles [first, last) of a panel."""
        product, code = self.product, self.code
        if self.plan.packed:
            place = self._packed(section, place, code.integer(0))
        full, rest = divmod(product.m, section.shape.rows)
        with code.loop(first, code.minimum(last, code.integer(full))) as tile:
            self._tile(section, section.shape.rows, code.mul(tile, section.shape.rows), place)
        if rest:
            with code.when(code.compare("icmp sgt", last, code.integer(full))):
                self._tile(section, rest, code.integer(full * section.shape.rows), place)

    def _rows_first(self, sections: list[Section]) -> None:
        """Tile by tile of rows, of one height, over some panels, then the next panels."""
        code, all_panels = self.code, sum(section.panels for section in sections)
        wide, panels = self.plan.wide or all_panels, code.integer(all_panels)
        if all_panels <= wide:
            self._panels(sections, code.integer(0), panels)
            return
        with code.loop(code.integer(0), panels, wide) as first:
            last = code.minimum(code.add(first, wide), panels)
            self._panels(sections, first, last)

    def _panels(self, sections: list[Section], start: Value, stop: Value) -> None:
        """All rows of panels [start, stop), blocks of k one after another."""
        product, plan, code = self.product, self.plan, self.code
        a_step, b_step = product.a[-1] * product.itemsize, product.b[-2] * product.itemsize
        k, zero = code.integer(product.k), code.integer(0)
        place = _Place([], zero, zero, self.a, a_step, self.b, b_step, k, None, None)
        if not plan.partial:
            self._all_rows(sections, place, start, stop)
            return
        with code.loop(zero, k, plan.block) as at:
            steps = code.minimum(code.op("sub", k, at), code.integer(plan.block))
            here = place._replace(
                a=self._at(place.a, product.a[-1:], [at]),
                b=self._at(place.b, product.b[-2:-1], [at]),
                steps=steps,
                partial=self._partial(zero, zero),
                fresh=code.compare("icmp eq", at, zero),
                last=code.compare("icmp eq", code.add(at, steps), k),
            )
            self._all_rows(sections, here, start, stop)

    def _all_rows(self, sections: list[Section], place: _Place, start: Value, stop: Value) -> None:
        """A thread's part of the tiles of panels [start, stop)."""
        product, plan, code = self.product, self.plan, self.code
        if plan.packed:
            for section, panel, here in self._each_panel(sections, place, start, stop):
                self._packed(section, here, code.op("sub", panel, start))
        height = sections[0].shape.rows
        full, rest = divmod(product.m, height)
        with shared(code, full + (rest > 0), code.op("sub", stop, start)) as (tile, first, last):
            row = code.mul(tile, height)
            inside = code.compare("icmp slt", tile, code.integer(full))
            first, last = code.add(start, first), code.add(start, last)
            for rows, chosen in ((height, inside), (rest, code.op("xor", inside, TRUE))):
                if not rows:
                    continue
                begin = code.select(chosen, first, last)
                for section, panel, here in self._each_panel(sections, place, begin, last):
                    number = code.op("sub", panel, start)
                    if plan.packed:
                        here = self._in_scratch(section, here, number)
                    if plan.far:
                        rows_after = self._at(place.a, product.a[-2:-1], [code.add(row, height)])
                        ahead = next_rows(code, plan, sections, rows_after, number)
                        here = here._replace(ahead=ahead)
                    self._tile(section, rows, row, here)

    def _each_panel(
        self, sections: list[Section], place: _Place, start: Value, stop: Value
    ) -> Iterator[tuple[Section, Value, _Place]]:
        """Loops over the panels [start, stop) of neighbouring sections: the section, the panel, its place."""
        code, before = self.code, 0
        for section in sections:
            first, last = start, stop
            if len(sections) > 1:
                first = code.maximum(start, code.integer(before))
                last = code.minimum(stop, code.integer(before + section.panels))
            with code.loop(first, last) as panel:
                number = code.add(panel, -before)
                column = code.add(code.mul(number, section.width), section.first)
                b = self._at(place.b, self.product.b[-1:], [column])
                yield section, panel, place._replace(column=column, b=b)
            before += section.panels

    def _packed(self, section: Section, place: _Place, panel: Value) -> _Place:
        """Move a panel of B to scratch."""
        product, code = self.product, self.code
        step, column = (stride * product.itemsize for stride in product.b[-2:])
        whole = product.k % self.count == 0
        moving = Panel(product.type, place.steps, section.columns, step, column, whole)
        here = self._in_scratch(section, place, panel)
        pack(code, self.target, moving, place.b, here.b, section.width)
        return here

    def _in_scratch(self, section: Section, place: _Place, panel: Value) -> _Place:
        """The place whose panel of B is the one in scratch."""
        code, plan, target = self.code, self.plan, self.target
        assert self.scratch is not None
        own = code.mul(code["thread"], packed_bytes(plan, target))
        offset = code.add(own, code.mul(panel, panel_bytes(plan, target)))
        to = code.element(self.scratch, code.add(offset, partial_bytes(plan)), 1)
        return place._replace(b=to, b_step=section.width * self.product.itemsize)

    # -- tiles ---------------------------------------------------------------------------------------------------------

    def _tile(self, section: Section, rows: int, row: Value, place: _Place) -> None:
        code, a = self.code, self._at(place.a, self.product.a[-2:-1], [row])
        if place.last is not None and place.partial is not None:
            self._ask_for(rows, row, section, place.partial, place.column)
        if self.ask:
            with code.when(place.last) if place.last else nullcontext():
                ask_for_rows(code, self.ask, rows, row, place.batch, place.column, section)
        if self.plan.weights:
            place = place._replace(
                ahead=next_panel(code, self.plan, section, self.b, row, place.column)
            )
        if self.plan.tile == "dot":
            sums = self._dot(section, rows, a, place)
        else:
            sums = self._broadcast(section, rows, a, place)
        if self.plan.crossed:
            self._finish_crossed(section, rows, row, place, sums)
            return

        def kept(i: Value, vectors: list[Value]) -> None:
            self._keep_row(place, code.add(row, i), vectors)

        def finished(i: Value, vectors: list[Value]) -> None:
            self._finish_row(section, code.add(row, i), place, vectors)

        # Stores alone, to scratch or to C, are short: no way over the stack.
        steps = self.product.k if self.looped else 0
        if place.partial is None:
            finish_rows(code, sums, rows, steps, finished)
        elif place.last is None:
            finish_rows(code, sums, rows, 0, kept)
        else:
            with code.when(code.op("xor", place.last, TRUE)):
                finish_rows(code, sums, rows, 0, kept)
            with code.when(place.last):
                finish_rows(code, sums, rows, steps, finished)

    def _ask_for(
        self, rows: int, row: Value, section: Section, partial: Value, column: Value
    ) -> None:
        """The partial sums of a tile are added up once it is done."""
        at = self._partial_element(partial, row, column)
        line = partial_row(self.plan) * self.product.itemsize
        for i in range(rows):
            for j in range(0, section.width * self.product.itemsize, CACHE_LINE):
                self.code.prefetch(self.code.element(at, i * line + j, 1))

    def _finish_row(self, section: Section, row: Value, place: _Place, sums: list[Value]) -> None:
        for j, values in enumerate(sums):
            column = self.code.add(place.column, j * self.count)
            if place.partial is not None:
                at = self._partial_element(place.partial, row, column)
                values = self.code.op("fadd", self.code.load(self.type, at), values)
            mask = first_lanes(section.columns - j * self.count, self.type)
            self.finish(self.code, place.batch, row, column, values, mask)

    def _keep_row(self, place: _Place, row: Value, sums: list[Value]) -> None:
        for j, values in enumerate(sums):
            self._add_partial(place, row, self.code.add(place.column, j * self.count), values)

    def _finish_crossed(
        self, section: Section, rows: int, row: Value, place: _Place, sums: list[Value]
    ) -> None:
        """Rows are the finished columns: transpose by way of the stack, so that vectors run along them."""
        code, vectors = self.code, section.width // self.count
        itemsize, width = self.product.itemsize, self.target.vector_bytes
        padded = -(-rows // (16 // itemsize)) * (16 // itemsize)
        square = self._buffer(padded + self.count)
        turned = code.element(square, padded * width, 1)
        panel = Panel(self.product.type, code.integer(self.count), rows, itemsize, width, True)
        for j in range(vectors):
            on_stack(code, sums[j::vectors], square)
            pack(code, self.target, panel, square, turned, self.count)
            valid = min(self.count, section.columns - j * self.count)
            with code.loop(code.integer(0), code.integer(valid)) as i:
                values = code.load(self.type, code.element(turned, code.mul(i, width), 1))
                at = code.add(code.add(place.column, j * self.count), i)
                self.finish(code, place.batch, at, row, values, first_lanes(rows, self.type))

    def _buffer(self, vectors: int) -> Value:
        """Room for so many vectors on the stack."""
        if vectors not in self.buffers:
            self.buffers[vectors] = self.code.array(self.product.type, vectors * self.count)
        return self.buffers[vectors]

    def _staged(self, buffer: Value, vectors: int) -> list[Value]:
        width = self.target.vector_bytes
        return [
            self.code.load(self.type, self.code.element(buffer, j * width, 1))
            for j in range(vectors)
        ]

    def _broadcast(self, section: Section, rows: int, a: Value, place: _Place) -> list[Value]:
        product, vectors = self.product, section.width // self.count
        steps = Steps(product.a[-2] * product.itemsize, place.a_step, place.b_step)
        last = section.columns - (vectors - 1) * self.count
        mask = None if self.plan.packed else first_lanes(last, self.type)
        shape, unroll, ahead = Shape(rows, vectors), 2, 0
        line = CACHE_LINE // product.itemsize
        large = product.m * product.k * product.itemsize > self.target.l1_bytes
        if self.plan.crossed and large and product.a[-1] == 1 and product.k % line == 0:
            # The weights of a layer, which were last read a step ago: they come from beyond the caches.
            unroll, ahead = line, ahead_bytes(rows, steps.row, product.k * product.itemsize)
        if place.ahead is not None:
            unroll = max(unroll, place.ahead.every)

        def some(first: Value, last: Value, sums: list[Value], unroll: int = unroll) -> list[Value]:
            code, count = self.code, self.code.op("sub", last, first)
            at_a = code.element(a, code.mul(first, place.a_step), 1)
            at_b = code.element(place.b, code.mul(first, place.b_step), 1)
            lines = place.ahead and place.ahead.moved(code, first)
            return broadcast_tile(
                code, self.target, self.type, shape, count, unroll, at_a, at_b, steps, sums, mask,
                ahead, lines,
            )  # fmt: skip

        def all_of_them(first: Value, last: Value, sums: list[Value]) -> list[Value]:
            if product.k % unroll == 0:
                return some(first, last, sums)
            steps = self.code.op("sub", last, first)
            whole = self.code.op("and", steps, self.code.integer(-unroll))
            middle = self.code.add(first, whole)
            return some(middle, last, some(first, middle, sums), 1)

        zeros, most = [zero(self.type)] * (rows * vectors), self.plan.block
        size = CHAIN_STEPS if most > CHAIN_STEPS * 3 // 2 else most
        return summed_in_blocks(self.code, zeros, most, size, all_of_them, place.steps)

    def _dot(self, section: Section, rows: int, a: Value, place: _Place) -> list[Value]:
        """A vector of sums for each row, gathered on the stack from tiles of a few columns."""
        code, product = self.code, self.product
        wide = section.shape.vectors
        row_bytes = product.a[-2] * product.itemsize
        a_rows = [code.element(a, i * row_bytes, 1) for i in range(rows)]
        buffer = self._buffer(2 * rows)
        tail = None
        if product.k % self.count:
            left = code.op("and", place.steps, code.integer(self.count - 1))
            tail = code.tail_mask(left, self.type)
        if self.plan.partial is False and product.k % self.count:
            tail = first_lanes(product.k % self.count, self.type)
        with code.loop(code.integer(0), code.integer(section.columns), wide) as column:
            b_rows = [self._column(section, place, column, j) for j in range(wide)]
            sums = dot_tile(code, self.target, self.type, a_rows, b_rows, place.steps, tail)
            for i, row in enumerate(sums):
                values, stride = lane_sums(code, row)
                few = shuffled(code, values, values, range(0, self.count, stride))
                at = code.element(buffer, 2 * i * self.count, product.itemsize)
                code.store(few, code.element(at, column, product.itemsize))
        return self._staged(buffer, 2 * rows)[::2]

    def _column(self, section: Section, place: _Place, column: Value, j: int) -> Value:
        """Column `column + j` of the panel; past the end, the last one again."""
        code, stride = self.code, self.product.b[-1] * self.product.itemsize
        if section.columns % section.shape.vectors == 0:
            base = code.element(place.b, code.mul(column, stride), 1)
            return code.element(base, j * stride, 1)
        index = code.minimum(code.add(column, j), code.integer(section.columns - 1))
        return code.element(place.b, code.mul(index, stride), 1)

    # -- partial sums --------------------------------------------------------------------------------------------------

    def _partial(self, part: Value, flat: Value) -> Value:
        """The partial sums of a part and a batch."""
        code = self.code
        assert self.scratch is not None
        size = self.product.m * partial_row(self.plan) * self.product.itemsize
        index = code.add(code.mul(part, prod(self.product.batch)), flat)
        return code.element(self.scratch, code.mul(index, size), 1)

    def _partial_element(self, base: Value, row: Value, column: Value) -> Value:
        index = self.code.add(self.code.mul(row, partial_row(self.plan)), column)
        return self.code.element(base, index, self.product.itemsize)

    def _add_partial(self, place: _Place, row: Value, column: Value, values: Value) -> None:
        code = self.code
        assert place.partial is not None and place.fresh is not None
        at = self._partial_element(place.partial, row, column)
        if self.plan.block < self.plan.part:
            before = code.select(place.fresh, zero(self.type), code.load(self.type, at))
            values = code.op("fadd", before, values)
        code.store(values, at)

    def _add_parts(
        self, section: Section, flat: Value, panel: Value, first: Value, last: Value
    ) -> None:
        """Rows [first, last) of a panel: add the parts up and finish."""
        code, plan = self.code, self.plan
        batch = self._batch(flat)
        start = code.add(code.mul(panel, section.width), section.first)
        base = self._partial(code.integer(0), flat)
        size = prod(self.product.batch) * self.product.m * partial_row(plan)
        with code.loop(first, last) as row:
            for j in range(section.width // self.count):
                column = code.add(start, j * self.count)
                at = self._partial_element(base, row, column)
                values = code.load(self.type, at)

                def add(part: Value, total: list[Value], at: Value = at) -> list[Value]:
                    here = code.element(at, code.mul(part, size), self.product.itemsize)
                    return [code.op("fadd", total[0], code.load(self.type, here))]

                if plan.parts > 1:
                    stop = code.integer(plan.parts)
                    values = code.fold(code.integer(1), stop, 1, [values], add)[0]
                mask = first_lanes(section.columns - j * self.count, self.type)
                self.finish(code, batch, row, column, values, mask)
