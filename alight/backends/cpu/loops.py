"""Loops as code: a scheduled nest, level by level.

In: a `Schedule` and pointers to the values it reads and writes. Out: instructions. Every expression is evaluated at
the outermost loop at which it can be, and once there; what depends on the vector axis is evaluated for several vectors
at a time (`block`), so that reductions have several accumulators. A ragged end is done under a mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from math import prod
from typing import Any

from alight.backends.cpu.code import Code, Value, lanes, vector
from alight.backends.cpu.gathers import gather, scatter
from alight.backends.cpu.kept import Kept
from alight.backends.cpu.quotients import divisor, quotient
from alight.backends.cpu.random_bits import random_start, random_words
from alight.backends.cpu.reductions import SMALL_BODY, Parts, Pass, extreme
from alight.backends.cpu.scalars import Scalars, Symbol, load_type
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import has_fma, shuffled
from alight.compiler.affine import Affine
from alight.compiler.nest import (
    Apply,
    Inside,
    Load,
    Looked,
    Nest,
    Number,
    Place,
    Quotient,
    Random,
    Reduced,
    Store,
)
from alight.compiler.schedule import Schedule
from alight.dtypes import dtype, float32, float64, int64
from alight.primitives import Div


def lanes_of(nest: Nest, target: Target) -> int:
    """How many elements are computed at a time: a full register of the smallest float, or of 4 bytes."""
    sizes = [e.dtype.itemsize for e in nest.expressions if e.dtype.kind == "f"] or [
        e.dtype.itemsize for e in nest.expressions
    ]
    return max(1, target.vector_bytes // max(4, min(sizes, default=4)))


class LoopCode:
    """Writes the loops of one nest."""

    def __init__(
        self,
        code: Code,
        plan: Schedule,
        target: Target,
        pointers: Mapping[int, Value],
        status: Value | None = None,
        width: int | None = None,
    ) -> None:
        self.code, self.nest, self.target = code, plan.nest, target
        self.pointers, self.status = pointers, status
        self.scalars = Scalars(code, target)
        self.vector = plan.vector
        self.lanes = width or lanes_of(plan.nest, target)
        vector_reduced = plan.vector is not None and plan.vector in plan.nest.reduced
        self.outer = [*plan.outer] + (
            [plan.vector] if plan.vector is not None and not vector_reduced else []
        )
        self.inner = [*plan.inner] + (
            [plan.vector] if plan.vector is not None and vector_reduced else []
        )
        self.level_of = {axis: n for n, axis in enumerate([*self.outer, *self.inner], 1)}
        self.index: dict[
            int, Value
        ] = {}  # axis -> its loop index; of the vector axis, its first lane
        self.found: dict[Any, Any] = {}  # (expression, number in the block) -> symbol, and so on
        self.block = 1
        self.mask: Value | None = None
        self.rooms: dict[int, Value] = {}  # buffers for expressions that later walks read
        self.reading: frozenset[int] = frozenset()  # those that this walk reads
        self.parts: Parts | None = None  # how this walk is cut

    # -- levels --------------------------------------------------------------------------------------------------------

    def level(self, axes: Iterable[int]) -> int:
        """The loop at which something that depends on `axes` is known."""
        return max((self.level_of[a] for a in axes), default=0)

    def on_vector(self, axes: Iterable[int]) -> bool:
        """Whether something differs from lane to lane."""
        return self.vector is not None and self.vector in axes

    @contextmanager
    def scope(self) -> Any:
        """What is found inside is forgotten at the end: it is not known behind the loop."""
        before = self.found
        self.found = dict(before)
        try:
            yield
        finally:
            self.found = before

    def needed(self, roots: Iterable[int], known: Iterable[int] = ()) -> list[int]:
        """Expressions that the roots are made of, each after its inputs; reductions and what is known end the search."""
        seen: set[int] = set()
        todo = list(roots)
        while todo:
            i = todo.pop()
            if i in seen:
                continue
            seen.add(i)
            if i not in known:
                todo.extend(self._parts(i))
        return sorted(seen)

    def _parts(self, i: int) -> list[int]:
        one = self.nest.expressions[i]
        parts = list(one.inputs)
        numbers = []
        if isinstance(one.what, (Load, Place, Random)):
            numbers.append(one.what.index)
        for n, _, _ in getattr(one.what, "guard", ()) or getattr(one.what, "ranges", ()):
            numbers.append(n)
        todo = [a for n in numbers for a, _ in n.terms if a >= len(self.nest.extents)]
        while todo:
            what = self.nest.atoms[todo.pop()]
            if isinstance(what, Looked):
                parts.append(what.expression)
            else:
                todo.extend(a for a, _ in what.number.terms if a >= len(self.nest.extents))
        return parts

    def prepare(self, level: int, needed: Sequence[int], stage: int) -> None:
        """Evaluate what is known at this level and used further in."""
        for i in needed:
            one = self.nest.expressions[i]
            if (
                one.stage <= stage
                and self.level(one.axes) == level
                and not isinstance(one.what, (Number, Reduced))
            ):
                self.every(i)
        self._prepare_divisors(level, needed, stage)
        for i in needed:  # places in memory, as far as they are known here
            one = self.nest.expressions[i]
            if isinstance(one.what, (Load, Place, Random)):
                self.base(one.what.index, level)
            for n, _, _ in getattr(one.what, "guard", ()) or getattr(one.what, "ranges", ()):
                self.base(n, level)

    def _prepare_divisors(self, level: int, needed: Sequence[int], stage: int) -> None:
        """Of what is divided by often: what makes the divisions cheap."""
        for i in needed:
            one = self.nest.expressions[i]
            if not isinstance(one.what, Apply) or one.what.primitive is not Div:
                continue
            by = self.nest.expressions[one.inputs[1]]
            often = one.dtype in (float32, float64) and self._trips(one.axes, level) > 2
            if not often or by.stage > stage or self.level(by.axes) != level:
                continue
            for u in range(self.block if self.on_vector(by.axes) else 1):
                key = "divisor", one.inputs[1], u
                if key not in self.found and has_fma(self.target):
                    self.found[key] = divisor(self.code, self.symbol(one.inputs[1], u).value)

    def _trips(self, axes: Iterable[int], level: int) -> int:
        """How often loops inside of a level run, those of `axes`."""
        return prod(self._pieces(a) for a in axes if self.level_of[a] > level)

    # -- numbers made of indices ---------------------------------------------------------------------------------------

    def atom(self, a: int, u: int) -> Value:
        """The value of an atom: i64, a vector of them where it differs from lane to lane."""
        if a < len(self.nest.extents):
            index = self.index[a]
            if a == self.vector:
                type = vector("i64", self.lanes)
                start = self.code.add(index, u * self.lanes)
                return self.code.op(
                    "add", self.code.splat(start, type), self.code.lane_numbers(type)
                )
            return index
        key = "atom", a, u if self.on_vector(self.nest.atom_axes[a]) else 0
        if key not in self.found:
            what = self.nest.atoms[a]
            self.found[key] = (
                self._quotient(what, u) if isinstance(what, Quotient) else self._looked(what, u)
            )
        return self.found[key]

    def _quotient(self, what: Quotient, u: int) -> Value:
        value = self.whole(what.number, u)
        low, _ = self.nest.bounds(what.number)
        up = -(low // what.divisor) if low < 0 else 0  # unsigned division wants numbers from 0
        if up:
            value = self.code.op("add", value, self.code.constant(up * what.divisor, value.type))
        value = self.code.op("udiv", value, self.code.constant(what.divisor, value.type))
        return self.code.op("sub", value, self.code.constant(up, value.type)) if up else value

    def _looked(self, what: Looked, u: int) -> Value:
        value = self.symbol(what.expression, u).value
        code = self.code
        wrong = code.compare("icmp uge", value, code.constant(what.extent, value.type))
        if self.mask is not None and lanes(wrong.type) > 1:
            wrong = code.op("and", wrong, self.mask)
        any_wrong = wrong
        if lanes(wrong.type) > 1:
            any_wrong = code.call("i1", f"llvm.vector.reduce.or.v{lanes(wrong.type)}i1", wrong)
        assert self.status is not None
        with code.when(any_wrong):
            code.line(f"store i32 1, {self.status.typed}")
        return code.select(wrong, code.constant(0, value.type), value)

    def whole(self, number: Affine, u: int = 0) -> Value:
        """The value of a number: i64, or a vector of them."""
        axes = self.nest.affine_axes(number)
        if not self.on_vector(axes):
            return self.base(number, self.level(axes))
        key = "whole", number, u
        if key not in self.found:
            total = self.code.splat(self.base(number, self._far), vector("i64", self.lanes))
            for a, c in number.terms:
                if self.on_vector(self.nest.atom_axes[a]):
                    step = self.atom(a, u)
                    if c != 1:
                        step = self.code.op("mul", step, self.code.constant(c, step.type))
                    total = self.code.op("add", total, step)
            self.found[key] = total
        return self.found[key]

    _far = 1 << 30

    def base(self, number: Affine, level: int) -> Value:
        """The part of a number that is known at this level, without what differs from lane to lane."""
        parts = [
            (self.level(self.nest.atom_axes[a]), a, c)
            for a, c in number.terms
            if not self.on_vector(self.nest.atom_axes[a])
        ]
        parts = sorted(part for part in parts if part[0] <= level)
        total, so_far = self.code.integer(number.constant), Affine(number.constant)
        for _, a, c in parts:
            if self.nest.atom_stage[a] > self.stage and a >= len(self.nest.extents):
                return total
            so_far = so_far + Affine(0, ((a, c),))
            key = "base", so_far, tuple(a for _, a, _ in parts[: len(so_far.terms)])
            if key not in self.found:
                self.found[key] = self.code.add(total, self.code.mul(self.atom(a, 0), c))
            total = self.found[key]
        return total

    stage = 0

    # -- expressions ---------------------------------------------------------------------------------------------------

    def every(self, i: int) -> list[Symbol]:
        """An expression for each vector of the block; one scalar where it does not differ."""
        if not self.on_vector(self.nest.expressions[i].axes):
            return [self.symbol(i, 0)]
        return [self.symbol(i, u) for u in range(self.block)]

    def symbol(self, i: int, u: int) -> Symbol:
        """An expression: a scalar, or a vector if it differs from lane to lane."""
        one = self.nest.expressions[i]
        key = i, u if self.on_vector(one.axes) else 0
        if key not in self.found:
            kept = i in self.reading
            self.found[key] = self.kept.load(i, u) if kept else self._evaluate(one, u)
        return self.found[key]

    def wide(self, i: int, u: int, count: int) -> Symbol:
        """An expression in `count` lanes."""
        found = self.symbol(i, u)
        if lanes(found.value.type) == count:
            return found
        key = "wide", i, count
        if key not in self.found:
            self.found[key] = Symbol(
                self.code.splat(found.value, vector(found.value.type, count)), found.dtype
            )
        return self.found[key]

    def _evaluate(self, one: Any, u: int) -> Symbol:
        what = one.what
        if isinstance(what, Apply):
            count = self.lanes if self.on_vector(one.axes) else 1
            arguments = [self.wide(i, u, count) for i in one.inputs]
            if what.primitive is Div:
                divided_by = one.inputs[1]
                wide = self.on_vector(self.nest.expressions[divided_by].axes)
                by = self.found.get(("divisor", divided_by, u if wide else 0))
                if by is not None:
                    return Symbol(quotient(self.code, arguments[0].value, by), one.dtype)
            return what.primitive.scalar(self.scalars, *arguments, **dict(what.statics))
        if isinstance(what, Number):
            value = what.value
            if isinstance(value, str):
                value = extreme(value, one.dtype)
            return self.scalars.const(value, one.dtype)
        if isinstance(what, Load):
            return self._load(what, one.dtype, u, self.on_vector(one.axes))
        if isinstance(what, Inside):
            condition = self._condition(what.ranges, u)
            count = self.lanes if self.on_vector(one.axes) else 1
            x, y = (self.wide(i, u, count).value for i in one.inputs)
            if lanes(condition.type) == 1 and count > 1:
                condition = self.code.splat(condition, vector("i1", count))
            return Symbol(self.code.select(condition, x, y), one.dtype)
        if isinstance(what, Place):
            return Symbol(self.whole(what.index, u), int64)
        if isinstance(what, Random):
            return self._random(what, one, u)
        raise AssertionError(what)

    def _random(self, what: Random, one: Any, u: int) -> Symbol:
        code, key = self.code, ("seed", one.inputs)
        if key not in self.found:
            seed = self.symbol(one.inputs[0], 0).value
            high = code.op("lshr", seed, code.integer(32))
            start = random_start(
                code, code.cast("trunc", seed, "i32"), code.cast("trunc", high, "i32")
            )
            for i in one.inputs[1:]:  # the number of the first element
                first = code.cast("trunc", self.symbol(i, 0).value, "i32")
                start = code.op("add", start, first)
            self.found[key] = start
        place = code.cast("trunc", self.whole(what.index, u), "i32")
        return Symbol(random_words(code, place, self.found[key]), one.dtype)

    def _condition(self, ranges: Sequence[tuple[Affine, int, int]], u: int) -> Value:
        """Whether all numbers lie in their ranges; a vector if one differs from lane to lane."""
        found: Value | None = None
        for number, low, high in ranges:
            key = "range", number, low, high, u
            if key not in self.found:
                value = self.whole(number, u)
                if low:
                    value = self.code.op("sub", value, self.code.constant(low, value.type))
                limit = self.code.constant(high - low, value.type)
                self.found[key] = self.code.compare("icmp ult", value, limit)
            one = self.found[key]
            if found is None:
                found = one
            else:
                count = max(lanes(found.type), lanes(one.type))
                type = vector("i1", count)
                found = self.code.op(
                    "and", self.code.splat(found, type), self.code.splat(one, type)
                )
        assert found is not None
        return found

    # -- memory --------------------------------------------------------------------------------------------------------

    def _load(self, what: Load, of: dtype, u: int, wide: bool) -> Symbol:
        code, pointer, size = self.code, self.pointers[what.value], of.itemsize
        size = 4 if of.name == "bfloat16" else size
        type = load_type(of)
        if not wide:
            index = self.base(what.index, self._far)
            if what.guard:
                index = code.select(self._condition(what.guard, u), index, code.integer(0))
            return self.scalars.from_memory(code.load(type, code.element(pointer, index, size)), of)
        many = vector(type, self.lanes)
        guard = self._condition(what.guard, u) if what.guard else None
        mask = self.mask
        if guard is not None:
            guard = code.splat(guard, vector("i1", self.lanes))
            mask = guard if mask is None else code.op("and", mask, guard)
        if self._side_by_side(what.index):
            start = code.add(
                self.base(what.index, self._far), code.add(self.index[self._axis()], u * self.lanes)
            )
            return self.scalars.from_memory(
                code.load(many, code.element(pointer, start, size), mask), of
            )
        if what.index.coefficient(self._axis()) == -1 and self._is_alone(what.index):
            return self.scalars.from_memory(self._backwards(what, u, many, size, mask), of)
        spots = code.splat(self.whole(what.index, u), vector("i64", self.lanes))
        if mask is not None:
            spots = code.select(mask, spots, code.constant(0, spots.type))
        return self.scalars.from_memory(gather(code, pointer, spots, type, mask), of)

    def _axis(self) -> int:
        assert self.vector is not None
        return self.vector

    def _backwards(self, what: Load, u: int, type: str, size: int, mask: Value | None) -> Value:
        """Elements that lie one before the other: a vector in memory, turned around."""
        code, order = self.code, range(self.lanes)[::-1]
        first = code.add(self.index[self._axis()], (u + 1) * self.lanes - 1)
        start = code.op("sub", self.base(what.index, self._far), first)
        if mask is not None:
            mask = shuffled(code, mask, mask, order)
        found = code.load(type, code.element(self.pointers[what.value], start, size), mask)
        return shuffled(code, found, found, order)

    def _is_alone(self, index: Affine) -> bool:
        """Whether nothing but the vector axis's own index differs from lane to lane."""
        return not any(
            self.on_vector(self.nest.atom_axes[a]) for a, _ in index.terms if a != self.vector
        )

    def _side_by_side(self, index: Affine) -> bool:
        return index.coefficient(self._axis()) == 1 and self._is_alone(index)

    def store(self, store: Store) -> None:
        """Write one expression, for each vector of the block."""
        expression = self.nest.expressions[store.expression]
        of, code = expression.dtype, self.code
        size = 4 if of.name == "bfloat16" else of.itemsize
        pointer = self.pointers[store.value]
        if not self.on_vector(self.nest.affine_axes(store.index)):
            place = code.element(pointer, self.base(store.index, self._far), size)
            only = self.scalars.to_memory(
                self._added(store, self.symbol(store.expression, 0), place)
            )
            code.store(only, place)
            return
        for u in range(self.block):
            value: Any = self.wide(store.expression, u, self.lanes)
            if self._side_by_side(store.index):
                first = code.add(self.index[self._axis()], u * self.lanes)
                start = code.add(self.base(store.index, self._far), first)
                place = code.element(pointer, start, size)
                value = self._added(store, value, place)
                code.store(self.scalars.to_memory(value), place, self.mask)
            else:
                assert not store.into
                spots = code.splat(self.whole(store.index, u), vector("i64", self.lanes))
                scatter(code, pointer, spots, self.scalars.to_memory(value), self.mask)

    def _added(self, store: Store, value: Symbol, place: Value) -> Symbol:
        """The value, or what it makes with what lies at the place."""
        if not store.into:
            return value
        type = vector(load_type(value.dtype), lanes(value.value.type))
        old = self.code.load(type, place, self.mask if lanes(type) > 1 else None)
        found = self.scalars.from_memory(old, value.dtype)
        combined: Symbol = store.into.combine(self.scalars, found, value)
        return combined

    # -- the whole nest ------------------------------------------------------------------------------------------------

    def run(self, share: Callable[[Value], tuple[Value, Value]] | None = None) -> None:
        """All loops. `share` gives a thread's part of the pieces of the outermost loop worth dividing."""
        if 0 in self.nest.extents and not self.nest.reduced:
            return
        roots = [s.expression for s in self.nest.stores] + [
            r.expression for r in self.nest.reductions
        ]
        self._outer(0, self.needed(roots), share, self._divided(share))

    def _divided(self, share: Any) -> int:
        """The outer loop that threads divide: the first with enough pieces, else the one with most."""
        if share is None or not self.outer:
            return -1
        pieces = [0 if axis in self.nest.sequential else self._pieces(axis) for axis in self.outer]
        for n, count in enumerate(pieces):
            if count >= 8:
                return n
        return max(range(len(pieces)), key=lambda n: pieces[n])

    def _pieces(self, axis: int) -> int:
        extent = self.nest.extents[axis]
        return -(-extent // self.lanes) if axis == self.vector else extent

    def _outer(self, depth: int, needed: list[int], share: Any, divided: int) -> None:
        self.prepare(depth, needed, 0)
        if depth == len(self.outer):
            self._stages(needed)
            return
        axis = self.outer[depth]
        part = share if depth == divided else None
        if axis == self.vector:
            roots = [s.expression for s in self.nest.stores] + [
                r.expression for r in self.nest.reductions
            ]
            self.vectors(
                axis,
                part,
                lambda: self._outer(depth + 1, needed, share, divided),
                self.needed(roots),
            )
            return
        first, last = self.code.integer(0), self.code.integer(self.nest.extents[axis])
        if part is not None:
            first, last = part(last)
        with self.scope(), self.code.loop(first, last) as i:
            self.index[axis] = i
            self._outer(depth + 1, needed, share, divided)

    def vectors(
        self, axis: int, part: Any, body: Callable[[], None], needed: Sequence[int]
    ) -> None:
        """The loop over the vector axis: blocks of several vectors, single vectors, the ragged end."""
        code, extent = self.code, self.nest.extents[axis]
        whole = extent // self.lanes
        size = sum(self.on_vector(self.nest.expressions[i].axes) for i in needed)
        block = 4 if self.nest.reduced and size <= SMALL_BODY and whole >= 4 else 1
        if axis not in self.nest.reduced and block > 1 and whole >= 12 and self._only_adds(needed):
            block = (
                12  # sums of columns: long pieces of each row, all of their loads under way at once
            )
        first, last = code.integer(0), code.integer(whole)
        ragged = extent % self.lanes
        if part is not None:
            first, last = part(code.integer(whole + (ragged > 0)))
        full = code.minimum(last, code.integer(whole))
        at = first
        if block > 1:
            blocks = code.op("sdiv", code.op("sub", full, first), code.integer(block))
            at = code.add(first, code.mul(blocks, block))
            self._walk(axis, first, at, block, body)
        if block == 1 or part is not None or whole % block:
            self._walk(axis, at, full, 1, body)
        if ragged:
            with ExitStack() as stack:
                if part is not None:
                    stack.enter_context(
                        code.when(code.compare("icmp sgt", last, code.integer(whole)))
                    )
                stack.enter_context(self.scope())
                self.index[axis] = code.integer(whole * self.lanes)
                self.mask = code.tail_mask(code.integer(ragged), vector("i32", self.lanes))
                body()
                self.mask = None

    def _only_adds(self, needed: Sequence[int]) -> bool:
        """Whether what is done at every index is next to nothing."""
        innermost = len(self.outer) + len(self.inner)
        expressions = [self.nest.expressions[i] for i in needed]
        return sum(self.level(one.axes) == innermost for one in expressions) <= 2

    def steps(self, axis: int, first: Value, last: Value, step: int = 1) -> Any:
        """The loop over an axis, in parts where its sums are cut."""
        if self.parts is None or self.parts.place != (axis, step):
            return self.code.loop(first, last, step)
        return self.parts.loop(self.code, first, last)

    def _walk(
        self, axis: int, first: Value, last: Value, block: int, body: Callable[[], None]
    ) -> None:
        if first.text == last.text:
            return
        self.block = block
        with self.scope(), self.steps(axis, first, last, block) as i:
            self.index[axis] = self.code.mul(i, self.lanes)
            body()
        self.block = 1

    # -- stages --------------------------------------------------------------------------------------------------------

    def _stages(self, needed: list[int]) -> None:
        """Inside all outer loops: reductions stage by stage, stores as soon as their expressions are known."""
        nest = self.nest
        if not nest.reduced and not nest.reductions:
            for store in nest.stores:
                self.store(store)
            return
        last = max((r.stage + 1 for r in nest.reductions), default=0)
        self.kept = Kept(self, [self._roots(stage) for stage in range(last + 1)])
        for stage in range(last + 1):
            self.stage = stage
            self.prepare(len(self.outer), needed, stage)
            for store in nest.stores:
                if store.outer and nest.expressions[store.expression].stage == stage:
                    self.store(store)
            reductions, stores = self._walk_for(stage)
            if reductions or stores:
                self.reading = self.kept.loads[stage]
                Pass(self, reductions, stores, self.kept.saves[stage]).run()
                self.reading = frozenset()
        self.stage = 0

    def _walk_for(self, stage: int) -> tuple[list[int], list[Store]]:
        """The reductions and the stores of full shape that are known at a stage."""
        nest = self.nest
        full = [s for s in nest.stores if not s.outer]
        return (
            [n for n, r in enumerate(nest.reductions) if r.stage == stage],
            [s for s in full if nest.expressions[s.expression].stage == stage],
        )

    def _roots(self, stage: int) -> list[int]:
        reductions, stores = self._walk_for(stage)
        return [self.nest.reductions[n].expression for n in reductions] + [
            s.expression for s in stores
        ]
