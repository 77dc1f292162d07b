"""Whole numbers that are linear in loop indices: places in memory, coordinates of elements.

An `Affine` is a constant and a sum of coefficients times *atoms*. An atom is the index of a loop axis, or a number that
a `Nest` knows how to compute from others (a quotient, an index that was read from memory).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple


class Affine(NamedTuple):
    """constant + sum of coefficient * atom; terms are sorted by atom and have no zero coefficients."""

    constant: int = 0
    terms: tuple[tuple[int, int], ...] = ()

    def __add__(self, other: object) -> Affine:  # type: ignore[override]
        if isinstance(other, int):
            return Affine(self.constant + other, self.terms)
        assert isinstance(other, Affine)
        if not other.terms:
            return Affine(self.constant + other.constant, self.terms)
        if not self.terms:
            return Affine(self.constant + other.constant, other.terms)
        found = dict(self.terms)
        for atom, coefficient in other.terms:
            found[atom] = found.get(atom, 0) + coefficient
        terms = tuple(sorted((a, c) for a, c in found.items() if c))
        return Affine(self.constant + other.constant, terms)

    def __mul__(self, factor: object) -> Affine:  # type: ignore[override]
        assert isinstance(factor, int)
        if factor == 0:
            return ZERO
        return Affine(self.constant * factor, tuple((a, c * factor) for a, c in self.terms))

    def coefficient(self, atom: int) -> int:
        """How much one step of `atom` adds."""
        for a, c in self.terms:
            if a == atom:
                return c
        return 0

    def __repr__(self) -> str:
        parts = [f"{c}*a{a}" if c != 1 else f"a{a}" for a, c in self.terms]
        if self.constant or not parts:
            parts.append(str(self.constant))
        return "+".join(parts)


ZERO = Affine()


def atom(number: int) -> Affine:
    """The affine number that is one atom."""
    return Affine(0, ((number, 1),))


def linear(coordinates: Iterable[Affine], strides: Iterable[int]) -> Affine:
    """Sum of coordinate * stride."""
    total = ZERO
    for coordinate, stride in zip(coordinates, strides, strict=True):
        total = total + coordinate * stride
    return total


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """Strides of elements in row-major order.

    >>> row_major((2, 3, 4))
    (12, 4, 1)
    """
    strides, step = [], 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))


def ordered(shape: Sequence[int], order: Sequence[int]) -> tuple[int, ...]:
    """Strides of elements when the axes lie in memory in `order`, outermost first.

    >>> ordered((2, 3, 4), (1, 2, 0))
    (1, 8, 2)
    """
    strides, step = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = step
        step *= shape[axis]
    return tuple(strides)
