"""Running sums, products and recurrences. Along the axis that lies innermost, a vector's prefixes are made in its register, in as many
steps as its lanes are halved; along another axis, lanes are other columns and a loop carries their values.

Of float32, values are carried in float64, as every result shall be as exact as the first ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from typing import Any

from alight.backends.cpu.code import Code, Value, vector
from alight.backends.cpu.division import divided, shared
from alight.backends.cpu.loops import LoopCode, lanes_of
from alight.backends.cpu.scalars import Symbol
from alight.backends.cpu.target import Target
from alight.backends.cpu.tiles import shuffled
from alight.compiler.kernel import Kernel
from alight.compiler.running import RUNNING
from alight.compiler.schedule import Schedule
from alight.dtypes import float32, float64


class Running:
    """Writes one kernel."""

    def __init__(
        self,
        code: Code,
        kernel: Kernel,
        target: Target,
        pointers: Mapping[int, Value],
        status: Value,
    ) -> None:
        assert kernel.nest is not None
        self.code, self.nest, self.detail = code, kernel.nest, dict(kernel.detail)
        self.axis, self.how = self.detail["axis"], RUNNING[self.detail["name"]]
        self.vector = max(i for i, extent in enumerate(self.nest.extents) if extent > 1)
        others = tuple(i for i in range(len(self.nest.extents)) if i != self.vector)
        self.lanes = lanes_of(self.nest, target)
        plan = Schedule(self.nest, others, (), self.vector)
        self.loops = LoopCode(code, plan, target, pointers, status, self.lanes)
        self.wide = float64 if self.detail["type"] is float32 else self.detail["type"]
        self.identity = [self._number(one) for one in self.how.identity]

    def _number(self, one: Any) -> Value:
        """A number in all lanes of what is carried."""
        found = self.loops.scalars.const(one, self.wide).value
        return self.code.splat(found, vector(found.type, self.lanes))

    def run(self) -> None:
        """Units of work: rows along the axis, or (place outside of it, vector of columns)."""
        code, extents = self.code, self.nest.extents
        along = self.vector == self.axis
        fixed = [i for i in range(len(extents)) if i not in (self.vector, self.axis)]
        panels = 1 if along else -(-extents[self.vector] // self.lanes)
        with shared(code, prod(extents[i] for i in fixed), panels) as (unit, first, last):
            self.loops.index[self.axis] = code.integer(0)
            for i in reversed(fixed):
                unit, self.loops.index[i] = divided(code, unit, extents[i])
            if along:
                with code.when(code.compare("icmp slt", first, last)):
                    self._row()
                return
            with code.loop(first, last) as panel:
                self._column(panel)

    def _row(self) -> None:
        """A row, vector by vector; every lane of what is carried is the row's value so far."""
        code, extent = self.code, self.nest.extents[self.axis]
        whole = extent // self.lanes

        def step(i: Value, carried: list[Value]) -> list[Value]:
            self.loops.index[self.axis] = code.mul(i, self.lanes)
            found = self._prefixes(self._numbers())
            last = [shuffled(code, x, x, [self.lanes - 1] * self.lanes) for x in found]
            self._finish(self._running(carried[0], found))
            return [self._running(carried[0], last)]

        first = [self._number(self.how.start)]
        (total,) = code.fold(code.integer(0), code.integer(whole), 1, first, step)
        if extent % self.lanes:
            self.loops.index[self.axis] = code.integer(whole * self.lanes)
            self.loops.mask = code.tail_mask(
                code.integer(extent % self.lanes), vector("i32", self.lanes)
            )
            self._finish(self._running(total, self._prefixes(self._numbers())))
            self.loops.mask = None

    def _column(self, panel: Value) -> None:
        """A vector of columns, place by place."""
        code, loops, width = self.code, self.loops, self.nest.extents[self.vector]
        loops.index[self.vector] = column = code.mul(panel, self.lanes)
        if width % self.lanes:
            left = code.op("sub", code.integer(width), column)
            loops.mask = code.tail_mask(left, vector("i32", self.lanes))

        def step(i: Value, carried: list[Value]) -> list[Value]:
            loops.index[self.axis] = i
            total = self._running(carried[0], self._numbers())
            self._finish(total)
            return [total]

        end = code.integer(self.nest.extents[self.axis])
        code.fold(code.integer(0), end, 1, [self._number(self.how.start)], step)
        loops.mask = None

    def _numbers(self) -> list[Value]:
        """The numbers of the next elements, in the type that is carried."""
        loops = self.loops
        loops.found = {}
        found = [loops.wide(source, 0, self.lanes) for source in self.detail["sources"]]
        return [loops.scalars.convert(one, self.wide).value for one in found]

    def _running(self, before: Value, numbers: list[Value]) -> Value:
        symbols = [Symbol(x, self.wide) for x in numbers]
        made: Symbol = self.how.running(self.loops.scalars, Symbol(before, self.wide), symbols)
        return made.value

    def _prefixes(self, numbers: list[Value]) -> list[Value]:
        """Lane i: what lanes 0 to i make together."""
        count, by = self.lanes, 1
        while by < count:
            order = [lane - by if lane >= by else count + lane for lane in range(count)]
            pairs = zip(numbers, self.identity, strict=True)
            before = [Symbol(shuffled(self.code, x, one, order), self.wide) for x, one in pairs]
            here = [Symbol(x, self.wide) for x in numbers]
            numbers = [x.value for x in self.how.together(self.loops.scalars, before, here)]
            by *= 2
        return numbers

    def _finish(self, total: Value) -> None:
        """The nest's stores, with these results."""
        loops, of = self.loops, self.detail["type"]
        given = loops.scalars.convert(Symbol(total, self.wide), of)
        loops.found[(self.detail["given"], 0)] = given
        for store in self.nest.stores:
            loops.store(store)
