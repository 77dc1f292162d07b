"""A kernel as a nest of loops: axes, expressions over them, reductions, stores.

In: values of a program, asked for at coordinates. Out: a `Nest`, in which movement (reshape, expand, slice, pad, ...)
has become arithmetic on coordinates. Asking for a value asks for what it is made of, down to values that lie in memory:

    %2 = permute(%0) order=(1, 0)        ask(%3, (a0, a1)) = add(load %0[a1*4 + a0], load %1[a1])
    %3 = add(%2, expand(%1))             with %0 of shape (4, 4) and a0, a1 the loop axes

The rules of each primitive stand in `trace`; this file is the data that they make.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from alight.compiler.affine import Affine, atom
from alight.dtypes import dtype, int64


class Load(NamedTuple):
    """An element of a value in memory."""

    value: int
    index: Affine  # type: ignore[assignment]  # a tuple has a method of this name
    guard: tuple[
        tuple[Affine, int, int], ...
    ] = ()  # where one of these is out of range, nothing is read


class Number(NamedTuple):
    """A constant."""

    value: Any


class Place(NamedTuple):
    """A whole number made of loop indices, as int64."""

    index: Affine  # type: ignore[assignment]  # a tuple has a method of this name


class Apply(NamedTuple):
    """An element-wise primitive on expressions."""

    primitive: Any
    statics: tuple[tuple[str, Any], ...]


class Inside(NamedTuple):
    """The first input where every (number, low, high) has low <= number < high, else the second one."""

    ranges: tuple[tuple[Affine, int, int], ...]


class Random(NamedTuple):
    """Random bits: of the seed (an input), of the element's number in row-major order, and of the first one's number."""

    index: Affine  # type: ignore[assignment]  # a tuple has a method of this name


class Reduced(NamedTuple):
    """The result of reduction `number` of the nest, at these indices of its outer axes."""

    number: int


class Expression(NamedTuple):
    """One node of the expressions of a nest."""

    what: Any  # Load, Number, ...
    inputs: tuple[int, ...]
    dtype: dtype
    axes: frozenset[int]  # loop axes that it depends on
    stage: int  # 0, or one more than the latest reduction that it needs


class Quotient(NamedTuple):
    """An atom: floor(number / divisor)."""

    number: Affine
    divisor: int


class Looked(NamedTuple):
    """An atom: the value of an int64 expression, checked to lie in [0, extent)."""

    expression: int
    extent: int


class Reduction(NamedTuple):
    """`combine` over the reduced axes of one expression."""

    primitive: Any
    expression: int
    stage: int


class Store(NamedTuple):
    """An expression written to memory: once for each index of all axes, or of the outer ones if it is `outer`."""

    value: int
    index: Affine  # type: ignore[assignment]  # a tuple has a method of this name
    expression: int
    outer: bool
    into: Any = None  # a reduction by which it is combined with what is there already


class Nest:
    """Loop axes 0..n-1 (some reduced) and what is computed over them.

    The loops over the outer axes run each stage in turn: the loops over the reduced axes for the reductions of that
    stage, and, in the last one, for the stores of full shape.
    """

    def __init__(
        self, extents: Sequence[int], reduced: Sequence[int] = (), sequential: Sequence[int] = ()
    ) -> None:
        self.extents = tuple(extents)
        self.reduced = frozenset(reduced)
        self.sequential = frozenset(
            sequential
        )  # outermost, in order, by one thread: their stores may meet
        self.expressions: list[Expression] = []
        self.atoms: list[Any] = [None] * len(self.extents)  # axes first; then Quotient and Looked
        self.atom_axes: list[frozenset[int]] = [frozenset({i}) for i in range(len(self.extents))]
        self.atom_stage: list[int] = [0] * len(self.extents)
        self.reductions: list[Reduction] = []
        self.stores: list[Store] = []
        self._looked_at: list[frozenset[int]] = []  # by expression
        self._known: dict[Any, int] = {}
        self._atoms: dict[Any, int] = {}

    # -- atoms ---------------------------------------------------------------------------------------------------------

    def axis(self, number: int) -> Affine:
        """The index of a loop axis; 0 for one of extent 1."""
        return Affine() if self.extents[number] == 1 else atom(number)

    def quotient(self, number: Affine, divisor: int) -> Affine:
        """floor(number / divisor), without a division where the terms allow it."""
        if divisor == 1:
            return number
        low, high = self.bounds(number)
        if low // divisor == high // divisor:
            return Affine(low // divisor)
        whole = tuple((a, c) for a, c in number.terms if c % divisor == 0)
        rest = Affine(
            number.constant % divisor, tuple((a, c) for a, c in number.terms if c % divisor)
        )
        low, high = self.bounds(rest)
        base = Affine(number.constant // divisor, tuple((a, c // divisor) for a, c in whole))
        if low >= 0 and high < divisor:
            return base
        return base + self._atom(
            Quotient(rest, divisor), self.affine_axes(rest), self.affine_stage(rest)
        )

    def looked(self, expression: int, extent: int) -> Affine:
        """The value of an int64 expression as a coordinate."""
        made = self.expressions[expression]
        if isinstance(made.what, Place):
            low, high = self.bounds(made.what.index)
            if low >= 0 and high < extent:
                return made.what.index
        if isinstance(made.what, Number) and 0 <= made.what.value < extent:
            return Affine(int(made.what.value))
        return self._atom(Looked(expression, extent), made.axes, made.stage)

    def _atom(self, what: Any, axes: frozenset[int], stage: int) -> Affine:
        if what not in self._atoms:
            self._atoms[what] = len(self.atoms)
            self.atoms.append(what)
            self.atom_axes.append(axes)
            self.atom_stage.append(stage)
        return atom(self._atoms[what])

    def bounds(self, number: Affine) -> tuple[int, int]:
        """The lowest and the highest value that a number takes."""
        low = high = number.constant
        for a, c in number.terms:
            if a < len(self.extents):
                span = 0, self.extents[a] - 1
            elif isinstance(self.atoms[a], Quotient):
                inner = self.bounds(self.atoms[a].number)
                span = inner[0] // self.atoms[a].divisor, inner[1] // self.atoms[a].divisor
            else:
                span = 0, self.atoms[a].extent - 1
            ends = span[0] * c, span[1] * c
            low, high = low + min(ends), high + max(ends)
        return low, high

    def affine_axes(self, number: Affine) -> frozenset[int]:
        """Loop axes that a number depends on."""
        axes: frozenset[int] = frozenset()
        for a, _ in number.terms:
            axes |= self.atom_axes[a]
        return axes

    def affine_stage(self, number: Affine) -> int:
        """The stage from which a number can be computed."""
        return max((self.atom_stage[a] for a, _ in number.terms), default=0)

    # -- expressions ---------------------------------------------------------------------------------------------------

    def make(self, what: Any, inputs: Sequence[int], of: dtype, exact: Any = None) -> int:
        """An expression, or the equal one that is there already; `exact` tells apart what compares equal."""
        key = (type(what), what, tuple(inputs), of, exact)
        number = self._known.get(key)
        if number is None:
            axes: frozenset[int] = frozenset()
            stage = 0
            for i in inputs:
                axes |= self.expressions[i].axes
                stage = max(stage, self.expressions[i].stage)
            for part in affines(what):
                axes |= self.affine_axes(part)
                stage = max(stage, self.affine_stage(part))
            if isinstance(what, Reduced):
                reduction = self.reductions[what.number]
                stage = reduction.stage + 1
                axes = frozenset(range(len(self.extents))) - self.reduced
            number = self._known[key] = len(self.expressions)
            self.expressions.append(Expression(what, tuple(inputs), of, axes, stage))
        return number

    def looked_at(self, expression: int) -> frozenset[int]:
        """The atoms of looked-up coordinates that an expression reads, and so checks."""
        for made in self.expressions[len(self._looked_at) : expression + 1]:
            found = frozenset[int]().union(*(self._looked_at[i] for i in made.inputs))
            todo = [a for part in affines(made.what) for a, _ in part.terms]
            while todo:
                a = todo.pop()
                what = self.atoms[a]
                if isinstance(what, Quotient):
                    todo.extend(b for b, _ in what.number.terms)
                elif isinstance(what, Looked):
                    found |= {a} | self._looked_at[what.expression]
            self._looked_at.append(found)
        return self._looked_at[expression]

    def number(self, value: Any, of: dtype) -> int:
        """A constant."""
        return self.make(Number(value), (), of, (type(value), repr(value)))

    def place(self, index: Affine) -> int:
        """A coordinate as an int64 element."""
        return self.make(Place(index), (), int64)

    def reduce(self, primitive: Any, expression: int, of: dtype) -> int:
        """The result of a reduction over the reduced axes."""
        self.reductions.append(Reduction(primitive, expression, self.expressions[expression].stage))
        return self.make(Reduced(len(self.reductions) - 1), (), of)

    def store(
        self, value: int, index: Affine, expression: int, outer: bool = False, into: Any = None
    ) -> None:
        """Write an expression to a value's memory, or combine it with what is there by a reduction."""
        self.stores.append(Store(value, index, expression, outer, into))

    @property
    def divisible(self) -> bool:
        """Whether threads can share an axis: one that is neither summed over nor walked in order."""
        kept = self.reduced | self.sequential
        return any(extent > 1 for axis, extent in enumerate(self.extents) if axis not in kept)

    @property
    def stages(self) -> int:
        """How often the reduced axes are walked: once for each level of reductions, once more for full stores."""
        last = max((r.stage + 1 for r in self.reductions), default=0)
        return last + any(not s.outer for s in self.stores)


def affines(what: Any) -> Sequence[Affine]:
    """The numbers that an expression is made of: of a load, its index first."""
    if isinstance(what, Load):
        return (what.index, *(number for number, _, _ in what.guard))
    if isinstance(what, (Place, Random)):
        return (what.index,)
    if isinstance(what, Inside):
        return tuple(number for number, _, _ in what.ranges)
    return ()
