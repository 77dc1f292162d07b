"""Kernels: what a step is made of, as data.

In: groups of nodes. Out: for each a `Kernel`: which values it reads and writes, and the loops, the product or the
convolution that it is. Two kernels that differ only in the numbers of their values have one key and share their code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from math import prod
from typing import Any, NamedTuple

from alight.compiler.nest import Expression, Load, Nest
from alight.dtypes import dtype
from alight.ir.program import Node
from alight.ir.types import Type


class Operand(NamedTuple):
    """A value as an operand of a product or a convolution: where it lies, and its axes as strides in elements."""

    value: int
    strides: tuple[int, ...]
    offset: int = 0


class Owned(NamedTuple):
    """How threads share a kernel of a chain (`chains.py`): each has portions of the rows, and runs it whole for those."""

    chain: int  # the kernels of one chain do not wait for one another
    portions: int
    steps: tuple[tuple[int, int], ...]  # value -> bytes from portion to portion
    scratch: int  # bytes for each thread


class Kernel(NamedTuple):
    """One function of compiled code, or one call of the interpreter."""

    kind: str  # "loops", "product", "convolution", "running", "scan" or "interpreter"
    reads: tuple[int, ...]
    writes: tuple[int, ...]
    nodes: tuple[Node, ...]  # what it computes, for people and for the interpreter
    nest: Nest | None = None  # the loops, or what is done with each result of a product
    detail: Any = None  # the product or convolution, without its operands' values
    operands: tuple[Operand, ...] = ()
    scratch: int = 0  # bytes of memory for itself
    work: int = 0  # about how many elementary steps
    inner: Any = None  # of a scan: its planned body
    starts: tuple[
        tuple[int, int], ...
    ] = ()  # values that it is given from another byte on than their first
    owned: Owned | None = None  # if it is for one portion of the rows

    @property
    def values(self) -> tuple[int, ...]:
        """Values in the order of the function's pointers."""
        return tuple(dict.fromkeys((*self.reads, *self.writes)))

    @property
    def effort(self) -> int:
        """About how long it takes, in elementary steps: with few rows, reading a product's matrix is most of it."""
        if self.kind != "product":
            return self.work
        found = dict(self.detail)
        read = prod(found["batch"]) * found["k"] * max(found["m"], found["n"])
        return max(self.work, int(read // 2))

    def based(self, types: Sequence[Type], bytes_of: Callable[[dtype], int]) -> Kernel:
        """The same code for every place in a value: indices count from the first element that it touches."""
        if self.nest is None or self.kind not in ("loops", "product"):
            return self
        first: dict[int, int] = {}
        places = [(o.value, o.offset) for o in self.operands]
        places += [(w.value, w.index.constant) for w in map(_what, self.nest.expressions) if w]
        places += [(store.value, store.index.constant) for store in self.nest.stores]
        for value, constant in places:
            first[value] = max(0, min(first.get(value, constant), constant))
        moved = {value: start for value, start in first.items() if start and value in self.values}
        if not moved:
            return self
        nest = copy(self.nest)
        nest.expressions = [
            one._replace(what=_from(one.what, moved)) if _what(one) else one
            for one in nest.expressions
        ]
        nest.stores = [_from(store, moved) for store in nest.stores]
        operands = tuple(o._replace(offset=o.offset - moved.get(o.value, 0)) for o in self.operands)
        starts = tuple((i, start * bytes_of(types[i].dtype)) for i, start in sorted(moved.items()))
        return self._replace(nest=nest, operands=operands, starts=starts)

    def key(self) -> Any:
        """Equal for kernels that are the same code."""
        number = {value: n for n, value in enumerate(self.values)}
        operands = tuple((number[o.value], o.strides, o.offset) for o in self.operands)
        return (
            self.kind,
            self.detail,
            operands,
            self.scratch,
            None if self.nest is None else nest_key(self.nest, number),
        )


def _what(one: Expression) -> Load | None:
    return one.what if isinstance(one.what, Load) else None


def _from(place: Any, moved: Mapping[int, int]) -> Any:
    """A load or a store whose value begins at another element."""
    return place._replace(index=place.index + -moved.get(place.value, 0))


def nest_key(nest: Nest, number: dict[int, int]) -> Any:
    """A nest with its values renamed."""
    expressions = []
    for one in nest.expressions:
        what = one.what
        if isinstance(what, Load):
            what = (number.get(what.value, -1), what.index, what.guard)  # -1: a product's own sums
        else:
            what = (
                type(what),
                # As text, which tells -0.0 from 0.0 and True from 1.
                repr(what)
                if not hasattr(what, "primitive")
                else (what.primitive, repr(what.statics)),
            )
        expressions.append((what, one.inputs, one.dtype))
    return (
        nest.extents, nest.reduced, nest.sequential, tuple(expressions), tuple(map(str, nest.atoms)), tuple(nest.reductions),
        tuple((number[s.value], *s[1:]) for s in nest.stores),
    )  # fmt: skip
