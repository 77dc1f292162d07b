"""One walk over the reduced axes of a nest: accumulators, what is added to them, and their results.

In: the loops of a nest at their outer indices. Out: the results of some reductions, in one scalar or in one vector of
outer indices each. There are several accumulators for each reduction where vectors are done by the block. Long sums are
cut into parts of PART additions, whose sums are added up with what each addition rounds away: the rounding of a sum
does not grow with its length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from alight.backends.cpu.code import Code, Value, Variable, lanes, vector
from alight.backends.cpu.scalars import Symbol, register_type
from alight.compiler.nest import Reduced, Store
from alight.dtypes import dtype

if TYPE_CHECKING:
    from alight.backends.cpu.loops import LoopCode

IDENTITY = {"sum": 0, "prod": 1, "max": "lowest", "min": "highest"}
PART = 64  # additions to one accumulator until it is emptied into the total
LONGEST = 96  # additions that are not worth a cut
SMALL_BODY = (
    40  # expressions on the vector axis up to which a block of several vectors is written out
)


def extreme(which: str, of: dtype) -> float | int:
    """The lowest or highest number of a dtype; infinite for floats."""
    if of.kind == "f":
        return float("-inf") if which == "lowest" else float("inf")
    if of.kind == "b":
        return which == "highest"
    bits = of.itemsize * 8
    if of.kind == "u":
        return 0 if which == "lowest" else (1 << bits) - 1
    return -(1 << bits - 1) if which == "lowest" else (1 << bits - 1) - 1


class Parts(NamedTuple):
    """Where the loops of a walk are cut: along one axis, whose steps are of a known size."""

    place: tuple[int, int]  # the axis, and the step of the loop
    size: int  # steps of one part
    end: Callable[[], None]  # what is done after each

    @contextmanager
    def loop(self, code: Code, first: Value, last: Value) -> Iterator[Value]:
        """The loop from first to last, part by part."""
        step = self.place[1]
        with code.loop(first, last, step * self.size) as start:
            stop = code.minimum(code.add(start, step * self.size), last)
            with code.loop(start, stop, step) as i:
                yield i
            self.end()


class Total(NamedTuple):
    """The sum of an accumulator's parts, and the sum of what its additions rounded away."""

    sum: Variable
    lost: Variable


class Pass:
    """One walk for the reductions, and stores of full shape, that are known at one stage."""

    def __init__(
        self,
        loops: LoopCode,
        reductions: Sequence[int],
        stores: Sequence[Store],
        saves: Sequence[int] = (),
    ) -> None:
        self.loops, self.nest, self.code = loops, loops.nest, loops.code
        self.reductions, self.stores = reductions, stores
        self.saves = saves  # expressions that later walks read
        axis = loops.vector
        self.across = (
            axis is not None and axis in self.nest.reduced
        )  # lanes are added up at the end
        roots = [self.nest.reductions[n].expression for n in reductions]
        self.needed = loops.needed(roots + [store.expression for store in stores], loops.reading)
        self.block = self._reduced_block() if self.across else loops.block
        self.sums = {n: [self._accumulator(n) for _ in range(self.block)] for n in reductions}
        self.totals: dict[int, list[Total]] = {}
        self.parts = self._cut([n for n in reductions if self._is_sum(n)])

    def _reduced_block(self) -> int:
        """How many vectors along a reduced vector axis are done at a time."""
        loops = self.loops
        size = sum(loops.on_vector(self.nest.expressions[i].axes) for i in self.needed)
        return 4 if size <= SMALL_BODY and self._vectors() >= 4 else 1

    def _vectors(self) -> int:
        assert self.loops.vector is not None
        return self.nest.extents[self.loops.vector] // self.loops.lanes

    def _is_sum(self, n: int) -> bool:
        reduction = self.nest.reductions[n]
        of = self.nest.expressions[reduction.expression].dtype
        return reduction.primitive.name == "sum" and of.is_floating_point

    def _cut(self, sums: Sequence[int]) -> Parts | None:
        """The innermost loop around as many additions as are worth a cut."""
        steps = 1
        for axis in reversed(self.loops.inner):
            vectors = axis == self.loops.vector
            count = self._vectors() // self.block if vectors else self.nest.extents[axis]
            if sums and steps * count > LONGEST:
                for n in sums:
                    pairs = [[self._accumulator(n) for _ in "ab"] for _ in range(self.block)]
                    self.totals[n] = [Total(*pair) for pair in pairs]
                place = axis, self.block if vectors else 1
                return Parts(place, max(1, PART // steps), self._empty)
            steps *= count
        return None

    def run(self) -> None:
        """The loops, then the results."""
        self.loops.parts = self.parts
        self._walk(0)
        self.loops.parts = None
        if self.totals:
            self._empty()
        for n in self.reductions:
            self._close(n)

    def _walk(self, depth: int) -> None:
        loops = self.loops
        if depth:
            loops.prepare(len(loops.outer) + depth, self.needed, loops.stage)
        if depth == len(loops.inner):
            self._collect()
            return
        axis = loops.inner[depth]
        if axis == loops.vector:
            loops.vectors(axis, None, lambda: self._walk(depth + 1), self.needed)
            return
        first, last = loops.code.integer(0), loops.code.integer(self.nest.extents[axis])
        with loops.scope(), loops.steps(axis, first, last) as i:
            loops.index[axis] = i
            self._walk(depth + 1)

    def _identity(self, n: int) -> Any:
        reduction = self.nest.reductions[n]
        of = self.nest.expressions[reduction.expression].dtype
        identity: Any = IDENTITY[reduction.primitive.name]
        if isinstance(identity, str):
            identity = extreme(identity, of)
        type = register_type(of)
        if self.loops.vector is not None:
            type = vector(type, self.loops.lanes)
        return self.code.constant(identity, type)

    def _accumulator(self, n: int) -> Variable:
        return self.code.variable(self._identity(n))

    def _collect(self) -> None:
        """Innermost: add to the accumulators and store."""
        loops = self.loops
        for n in self.reductions:
            reduction = self.nest.reductions[n]
            for u in range(loops.block):
                value = loops.wide(
                    reduction.expression, u, loops.lanes if loops.vector is not None else 1
                )
                total = self.sums[n][u]
                old = total.get()
                added = reduction.primitive.combine(
                    loops.scalars, Symbol(old, value.dtype), value
                ).value
                # Lanes beyond the end leave the accumulator as it is.
                total.set(added if loops.mask is None else self.code.select(loops.mask, added, old))
        for store in self.stores:
            loops.store(store)
        for i in self.saves:
            for u in range(loops.block):
                loops.kept.save(i, u)

    def _empty(self) -> None:
        """Add the accumulators to the totals, and begin anew."""
        op = self.code.op
        for n, totals in self.totals.items():
            for total, accumulator in zip(totals, self.sums[n], strict=True):
                # The sum of two numbers, and exactly what it rounds away (Knuth).
                old, part = total.sum.get(), accumulator.get()
                both = op("fadd", old, part)
                taken = op("fsub", both, old)
                lost = op("fsub", old, op("fsub", both, taken))
                lost = op("fadd", lost, op("fsub", part, taken))
                total.sum.set(both)
                total.lost.set(op("fadd", total.lost.get(), lost))
                accumulator.set(self._identity(n))

    def _value(self, total: Total) -> Value:
        """A total with what was lost; without it where that is no number, as beside an infinity."""
        code, sum, lost = self.code, total.sum.get(), total.lost.get()
        known = code.compare("fcmp ord", lost, lost)
        return code.select(known, code.op("fadd", sum, lost), sum)

    def _close(self, n: int) -> None:
        """The result of a reduction, from its accumulators."""
        loops, reduction = self.loops, self.nest.reductions[n]
        of = self.nest.expressions[reduction.expression].dtype
        result = next(
            i
            for i, e in enumerate(self.nest.expressions)
            if isinstance(e.what, Reduced) and e.what.number == n
        )
        if n in self.totals:
            values = [Symbol(self._value(total), of) for total in self.totals[n]]
        else:
            values = [Symbol(one.get(), of) for one in self.sums[n]]
        if not self.across:
            wide = loops.on_vector(self.nest.expressions[result].axes)
            for u, value in enumerate(values):
                loops.found[(result, u if wide else 0)] = value
            return
        while len(values) > 1:
            half = len(values) // 2
            values = [
                reduction.primitive.combine(loops.scalars, values[k], values[k + half])
                for k in range(half)
            ]
        loops.found[(result, 0)] = self._across(reduction.primitive, values[0])

    def _across(self, primitive: Any, value: Symbol) -> Symbol:
        """All lanes combined, by halves."""
        code, count, type = self.code, lanes(value.value.type), register_type(value.dtype)
        while count > 2:
            half = count // 2
            parts = []
            for begin in (0, half):
                numbers = ", ".join(f"i32 {begin + k}" for k in range(half))
                text = f"shufflevector {value.value.typed}, {value.value.type} poison, <{half} x i32> <{numbers}>"
                parts.append(Symbol(code.op(text, type=vector(type, half)), value.dtype))
            value = primitive.combine(self.loops.scalars, *parts)
            count = half
        if count == 1:
            return value
        parts = [
            Symbol(code.op(f"extractelement {value.value.typed}, i64 {k}", type=type), value.dtype)
            for k in (0, 1)
        ]
        return primitive.combine(self.loops.scalars, *parts)
