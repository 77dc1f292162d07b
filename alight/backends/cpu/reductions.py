"""One walk over the reduced axes of a nest: accumulators, what is added to them, and their results.

In: the loops of a nest at their outer indices. Out: the results of some reductions, in one scalar or in one vector of
outer indices each. There are several accumulators for each reduction where vectors are done by the block. Long sums are
cut into parts, whose sums are added up: the rounding of a sum of n numbers grows with n / PART + PART, not with n.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from alight.backends.cpu.code import Variable, lanes, vector
from alight.backends.cpu.scalars import Symbol, register_type
from alight.compiler.nest import Reduced, Store
from alight.dtypes import dtype

if TYPE_CHECKING:
    from alight.backends.cpu.loops import LoopCode

IDENTITY = {"sum": 0, "prod": 1, "max": "lowest", "min": "highest"}
PART = 512  # additions to one accumulator until it is emptied into the total; a power of two


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
        self.block = loops.reduced_block(self.needed) if self.across else loops.block
        steps = prod(self.nest.extents[a] for a in self.nest.reduced)
        if self.across:
            steps //= loops.lanes * self.block
        self.cut = steps > 2 * PART
        self.sums = {n: [self._accumulator(n) for _ in range(self.block)] for n in reductions}
        self.totals = {
            n: [self._accumulator(n) for _ in range(self.block)]
            for n in reductions
            if self._is_cut(n)
        }

    def _is_cut(self, n: int) -> bool:
        reduction = self.nest.reductions[n]
        of = self.nest.expressions[reduction.expression].dtype
        return self.cut and reduction.primitive.name == "sum" and of.is_floating_point

    def run(self) -> None:
        """The loops, then the results."""
        self.count = self.code.variable(self.code.integer(0)) if self.totals else None
        self.loops.walk_reduced(0, self.needed, self._collect)
        for n in self.reductions:
            if n in self.totals:
                self._empty(n)
            self._close(n, self.totals.get(n, self.sums[n]))

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
        if self.count is not None:
            count = self.code.add(self.count.get(), 1)
            self.count.set(count)
            rest = self.code.op("and", count, self.code.integer(PART - 1))
            with self.code.when(self.code.compare("icmp eq", rest, self.code.integer(0))):
                for n in self.totals:
                    self._empty(n)

    def _empty(self, n: int) -> None:
        """Add the accumulators to the totals and begin anew."""
        of = self.nest.expressions[self.nest.reductions[n].expression].dtype
        for total, part in zip(self.totals[n], self.sums[n], strict=True):
            both = self.loops.scalars.add(Symbol(total.get(), of), Symbol(part.get(), of))
            total.set(both.value)
            part.set(self._identity(n))

    def _close(self, n: int, sums: list[Variable]) -> None:
        """The result of a reduction, from its accumulators."""
        loops, reduction = self.loops, self.nest.reductions[n]
        of = self.nest.expressions[reduction.expression].dtype
        result = next(
            i
            for i, e in enumerate(self.nest.expressions)
            if isinstance(e.what, Reduced) and e.what.number == n
        )
        values = [Symbol(total.get(), of) for total in sums]
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
