"""Splits: axes of a nest cut in two where places in memory are quotients of their indices.

In: a nest. Out: for each axis the sizes that it is the product of, such that a reshape in between is no division any
more: the quotient of the whole index is the index of an outer part.

    load %0[a0 // 4 * 9600 + ...], a0 of 64   ->   load %0[a1 * 9600 + ...], a1 of 16 around a2 of 4
"""

from __future__ import annotations

from alight.compiler.affine import Affine
from alight.compiler.nest import Nest, Quotient
from alight.ir.types import Shape

MOST_CUTS = 4  # of one axis


def splits(nest: Nest) -> tuple[Shape, ...] | None:
    """The sizes of each axis, outermost first; None if no cut makes a quotient easier."""
    places: list[set[int]] = [set() for _ in nest.extents]
    for what in nest.atoms[len(nest.extents) :]:
        if isinstance(what, Quotient):
            for axis, step in _cuts(nest, what.number, what.divisor):
                places[axis].add(step)
    if not any(places):
        return None
    return tuple(
        _sizes(extent, sorted(steps)) for extent, steps in zip(nest.extents, places, strict=True)
    )


def has_quotients(nest: Nest) -> bool:
    """Whether some place is a quotient still."""
    return any(isinstance(what, Quotient) for what in nest.atoms[len(nest.extents) :])


def _cuts(nest: Nest, number: Affine, divisor: int) -> list[tuple[int, int]]:
    """Axes, and after how many of their steps the quotient grows by a whole one."""
    found = []
    for axis, step in number.terms:
        if axis < len(nest.extents) and step > 0 and divisor % step == 0:
            size, extent = divisor // step, nest.extents[axis]
            if 1 < size < extent and extent % size == 0:
                found.append((axis, size))
    return found


def _sizes(extent: int, steps: list[int]) -> Shape:
    """The factors of an extent that is cut after so many steps; one factor if the cuts do not fit into one another.

    >>> _sizes(2400, [20, 400]), _sizes(12, [4, 6])
    ((6, 20, 20), (12,))
    """
    sizes, before = [], 1
    for step in (*steps, extent):
        if step % before:
            return (extent,)
        sizes.append(step // before)
        before = step
    return tuple(reversed(sizes)) if len(steps) <= MOST_CUTS else (extent,)


__all__ = ["has_quotients", "splits"]
