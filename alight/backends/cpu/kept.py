"""What one walk over the reduced axes keeps for the next: values that would be dear to compute again.

A softmax walks its row three times: for the maximum, for the sum of exponentials, for the quotients. The exponentials of
the second walk lie in a buffer on the stack when the third wants them.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from alight.backends.cpu.code import Value, vector
from alight.backends.cpu.scalars import Symbol, register_type
from alight.compiler.nest import Apply
from alight.dtypes import float32, float64

if TYPE_CHECKING:
    from alight.backends.cpu.loops import LoopCode

DEAR = 8  # elementary steps from which a value is kept
LONG = {
    "exp", "log", "tanh", "erf", "sin", "cos", "tan", "pow", "expm1", "log1p", "sqrt", "sigmoid",
}  # fmt: skip
MOST_BYTES = 32 << 10  # of one buffer
MOST_BLOCK = 12  # vectors that are done at a time


class Kept:
    """Buffers for the expressions of a nest, and which walk fills or reads them."""

    def __init__(self, loops: LoopCode, walks: Sequence[Sequence[int]]) -> None:
        self.loops, self.nest = loops, loops.nest
        needed = [frozenset(loops.needed(roots)) for roots in walks]
        chosen = self._chosen(needed)
        self.loads: list[frozenset[int]] = []
        for n, roots in enumerate(walks):
            before = frozenset(i for i, first in chosen.items() if first < n)
            self.loads.append(before & frozenset(loops.needed(roots, before)))
        wanted = frozenset[int]().union(*self.loads)
        self.saves = [
            sorted(i for i in wanted if chosen[i] == n and i not in self.loads[n])
            for n in range(len(walks))
        ]

    def _chosen(self, needed: Sequence[frozenset[int]]) -> dict[int, int]:
        """Expressions to keep, each with the walk that meets it first."""
        cost: dict[int, int] = {}
        chosen: dict[int, int] = {}
        if not self._fits():
            return chosen
        for i in sorted(frozenset[int]().union(*needed)):
            one = self.nest.expressions[i]
            walks = [n for n, these in enumerate(needed) if i in these]
            own = 0
            if isinstance(one.what, Apply):
                name = one.what.primitive.name
                own = 12 if name in LONG else 4 if name == "div" else 1
            cost[i] = own + sum(cost.get(k, 0) for k in one.inputs)
            if len(walks) > 1 and cost[i] >= DEAR and self._can_keep(i):
                chosen[i], cost[i] = walks[0], 0
        return chosen

    def _can_keep(self, i: int) -> bool:
        one, loops = self.nest.expressions[i], self.loops
        innermost = loops.level(one.axes) == len(loops.outer) + len(loops.inner)
        return innermost and loops.on_vector(one.axes) and one.dtype in (float32, float64)

    def _fits(self) -> bool:
        return bool(self.loops.inner) and self._elements() * 8 <= 2 * MOST_BYTES

    # -- places --------------------------------------------------------------------------------------------------------

    def _width(self) -> int:
        """Elements of one place of the inner axes other than the vector axis."""
        loops = self.loops
        if loops.vector in self.nest.reduced:
            return -(-self.nest.extents[loops.vector] // loops.lanes) * loops.lanes  # type: ignore[index]
        return MOST_BLOCK * loops.lanes

    def _elements(self) -> int:
        others = [a for a in self.loops.inner if a != self.loops.vector]
        return self._width() * prod(self.nest.extents[a] for a in others)

    def _place(self, i: int, u: int) -> Value:
        loops, code = self.loops, self.loops.code
        of = self.nest.expressions[i].dtype
        if i not in loops.rooms:
            room = self._elements()
            if loops.target.varied:  # the same for many extents
                room = 1 << (room - 1).bit_length()
            loops.rooms[i] = code.array(register_type(of), room)
        at, step = code.integer(u * loops.lanes), self._width()
        for axis in reversed(loops.inner):
            if axis == loops.vector:
                at = code.add(at, loops.index[axis])
            else:
                at = code.add(at, code.mul(loops.index[axis], step))
                step *= self.nest.extents[axis]
        return code.element(loops.rooms[i], at, of.itemsize)

    def save(self, i: int, u: int) -> None:
        """Keep an expression of this place."""
        value = self.loops.wide(i, u, self.loops.lanes)
        self.loops.code.store(value.value, self._place(i, u))

    def load(self, i: int, u: int) -> Symbol:
        """The expression as it was kept."""
        of = self.nest.expressions[i].dtype
        type = vector(register_type(of), self.loops.lanes)
        return Symbol(self.loops.code.load(type, self._place(i, u)), of)


__all__ = ["Kept"]
