"""Schedule: the order of a nest's loops, the axis along which vectors lie, axes that are walked as one.

In: a nest. Out: a `Schedule`, whose nest has adjacent axes merged where every index allows it. Loops over far-apart
memory come outermost; the vector axis is the one along which most of what is read and written lies side by side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any, NamedTuple

from alight.compiler.affine import Affine
from alight.compiler.nest import Expression, Inside, Load, Nest, Place, Quotient, Random

FAR = 8  # vectors that could be read in the time of one whose elements lie apart


class Schedule(NamedTuple):
    """A nest and the order in which its axes are walked."""

    nest: Nest
    outer: tuple[int, ...]  # outermost first, without the vector axis
    inner: tuple[int, ...]  # the reduced axes, without the vector axis
    vector: int | None  # the innermost axis of its kind; None for a nest without axes


def schedule(nest: Nest, lanes: int) -> Schedule:
    """Choose order and vector axis, and merge what can be merged."""
    nest = _without_ones(nest)
    vector = _vector_axis(nest, lanes)
    kept = [i for i in range(len(nest.extents)) if i not in nest.reduced | nest.sequential]
    outer = [*sorted(nest.sequential), *_by_distance(nest, kept, vector)]
    inner = _by_distance(nest, sorted(nest.reduced), vector)
    order = [*outer, *inner]
    numbers = _numbers(nest)
    groups: list[list[int]] = []
    for axis in order:
        last = groups[-1][-1] if groups else None
        if last is not None and (last in nest.reduced) == (axis in nest.reduced) and vector != last:
            extent = nest.extents[axis]
            if all(n.coefficient(last) == n.coefficient(axis) * extent for n in numbers):
                groups[-1].append(axis)
                continue
        groups.append([axis])
    merged = _merged(nest, groups)
    place = {axis: n for n, group in enumerate(groups) for axis in group}
    chosen = None if vector is None else place[vector]
    kinds = [group[0] in nest.reduced for group in groups]
    made = Schedule(
        merged,
        tuple(n for n, reduced in enumerate(kinds) if not reduced and n != chosen),
        tuple(n for n, reduced in enumerate(kinds) if reduced and n != chosen),
        chosen,
    )
    near = _sharing_axis(merged, chosen)
    return made if near is None else _turning(made, near, lanes)


def _turning(made: Schedule, near: int, lanes: int) -> Schedule:
    """The axis `near` next to the vector, and the vector's axis in runs of one vector around it."""
    nest, vector = made.nest, made.vector
    outer = [axis for axis in made.outer if axis != near]
    assert vector is not None
    if nest.extents[vector] % lanes == 0:
        outer.append(vector)
        nest, vector = _split(nest, vector, lanes)
    return Schedule(nest, (*outer, near), made.inner, vector)


def vector_cost(nest: Nest, lanes: int) -> float:
    """What reading and writing cost an element, in vectors of neighbours: to compare nests that do the same."""
    nest = _without_ones(nest)
    axis = _vector_axis(nest, lanes)
    if axis is None:
        return 0.0
    extent, total = nest.extents[axis], 0.0
    for index, weight in _touches(nest):
        if axis in nest.affine_axes(index):
            total += weight * (1 if _is_beside(nest, index, axis) else FAR)
    return total * -(-extent // lanes) * lanes / extent


def _is_beside(nest: Nest, index: Affine, axis: int) -> bool:
    """Whether neighbours along an axis are neighbours in memory."""
    others = any(a != axis and axis in nest.atom_axes[a] for a, _ in index.terms)
    return index.coefficient(axis) == 1 and not others


def _kind(nest: Nest, axis: int) -> str:
    if axis in nest.reduced:
        return "reduced"
    return "sequential" if axis in nest.sequential else "outer"


def _numbers(nest: Nest) -> list[Affine]:
    """Every number that is made of loop indices."""
    found: list[Affine] = []
    for one in nest.expressions:
        what = one.what
        if isinstance(what, (Load, Place, Random)):
            found.append(what.index)
        if isinstance(what, Load):
            found.extend(number for number, _, _ in what.guard)
        elif isinstance(what, Inside):
            found.extend(number for number, _, _ in what.ranges)
    found.extend(store.index for store in nest.stores)
    found.extend(a.number for a in nest.atoms if isinstance(a, Quotient))
    return found


def _touches(nest: Nest) -> list[tuple[Affine, float]]:
    """Places in memory that are read or written, with how often that is: 1 for once at every index."""
    total = prod(nest.extents)

    def often(index: Affine) -> float:
        return prod(nest.extents[axis] for axis in nest.affine_axes(index)) / total

    touches = [(one.what.index, 1.0) for one in nest.expressions if isinstance(one.what, Load)]
    touches += [(store.index, 1.0 if store.outer else 2.0) for store in nest.stores]
    return [(index, weight * often(index)) for index, weight in touches]


def _vector_axis(nest: Nest, lanes: int) -> int | None:
    best, best_score = None, 0.0
    adds = any(store.into for store in nest.stores)
    for axis, extent in enumerate(nest.extents):
        if axis in nest.sequential or (adds and not _all_beside(nest, axis)):
            continue
        score = 0.0
        for index, weight in _touches(nest):
            step = index.coefficient(axis)
            derived = any(
                a >= len(nest.extents) and axis in nest.atom_axes[a] for a, _ in index.terms
            )
            others = any(c for _, c in index.terms)
            if derived:
                score -= weight
            elif step == 1:
                score += weight
            elif step == 0:
                score += 0.1 * weight if others else 0.0
            else:
                score -= weight
        score += min(extent, lanes) / lanes  # a full vector is worth as much as one access
        if extent < lanes // 2:
            score -= 1
        if axis in nest.reduced and extent < 2 * lanes:
            score -= 3  # adding lanes up costs more than it saves: better a row in each lane
        if best is None or score > best_score:
            best, best_score = axis, score
    return best


def _sharing_axis(nest: Nest, vector: int | None) -> int | None:
    """An axis along which numbers lie side by side that a vector gathers from as many lines of memory: walked next to the
    vector, it reads those lines again while they are near. What a turned copy needs; None if there is no such axis."""
    if vector is None or nest.reduced or nest.sequential:
        return None
    if not all(_is_beside(nest, store.index, vector) for store in nest.stores):
        return None
    for one in nest.expressions:
        if isinstance(one.what, Load) and abs(one.what.index.coefficient(vector)) > 1:
            for axis in range(len(nest.extents)):
                if axis != vector and _is_beside(nest, one.what.index, axis):
                    return axis
    return None


def _split(nest: Nest, axis: int, size: int) -> tuple[Nest, int]:
    """The nest with an axis cut into runs of `size`, and the number of the axis along a run, which is the last one."""
    count, extents = len(nest.extents), list(nest.extents)
    extents[axis] //= size
    made = Nest([*extents, size], sorted(nest.reduced), sorted(nest.sequential))

    def move(number: Affine) -> Affine:
        terms = []
        for a, c in number.terms:
            terms.append((a + (a >= count), c * size if a == axis else c))
            if a == axis:
                terms.append((count, c))
        return Affine(number.constant, tuple(sorted(terms)))

    def axes(old: frozenset[int]) -> frozenset[int]:
        return old | {count} if axis in old else old

    _copy_into(made, nest, move, axes)
    return made, count


def _all_beside(nest: Nest, axis: int) -> bool:
    """Whether stores along an axis lie side by side: lanes never write one place."""
    return all(store.index.coefficient(axis) == 1 for store in nest.stores)


def _by_distance(nest: Nest, axes: Sequence[int], vector: int | None) -> list[int]:
    """Far steps first; the vector axis last."""

    def distance(axis: int) -> tuple[bool, int, int]:
        steps = [abs(index.coefficient(axis)) for index, _ in _touches(nest)]
        written = [abs(store.index.coefficient(axis)) for store in nest.stores]
        return axis != vector, max(written, default=0), max(steps, default=0)

    return sorted(axes, key=distance, reverse=True)


def _without_ones(nest: Nest) -> Nest:
    groups = [[i] for i, extent in enumerate(nest.extents) if extent != 1]
    return nest if len(groups) == len(nest.extents) else _merged(nest, groups)


def _merged(nest: Nest, groups: Sequence[Sequence[int]]) -> Nest:
    """The nest over new axes, each a group of old ones of which the last is innermost."""
    extents, new = [], {}
    for number, group in enumerate(groups):
        size = 1
        for axis in group:
            size *= nest.extents[axis]
        extents.append(size)
        new[group[-1]] = number
    reduced = [n for n, group in enumerate(groups) if group[0] in nest.reduced]
    made = Nest(
        extents, reduced, [n for n, group in enumerate(groups) if group[0] in nest.sequential]
    )
    shift = len(groups) - len(nest.extents)
    count = len(nest.extents)

    def move(number: Affine) -> Affine:
        terms = []
        for a, c in number.terms:
            if a >= count:
                terms.append((a + shift, c))
            elif a in new:
                terms.append((new[a], c))
        return Affine(number.constant, tuple(sorted(terms)))

    belongs = {axis: n for n, group in enumerate(groups) for axis in group}

    def axes(old: frozenset[int]) -> frozenset[int]:
        return frozenset(belongs[a] for a in old if a in belongs)

    _copy_into(made, nest, move, axes)
    return made


def _copy_into(
    made: Nest,
    old: Nest,
    move: Callable[[Affine], Affine],
    axes: Callable[[frozenset[int]], frozenset[int]],
) -> None:
    """What an old nest computes, with its numbers and its sets of axes in those of a new one."""
    count = len(old.extents)
    for a, stage in zip(old.atoms[count:], old.atom_stage[count:], strict=True):
        made.atoms.append(Quotient(move(a.number), a.divisor) if isinstance(a, Quotient) else a)
        made.atom_stage.append(stage)
    made.atom_axes.extend(axes(found) for found in old.atom_axes[count:])
    made.expressions = [_moved(one, move, axes) for one in old.expressions]
    made.reductions = list(old.reductions)
    made.stores = [s._replace(index=move(s.index)) for s in old.stores]


def _moved(
    one: Expression,
    move: Callable[[Affine], Affine],
    axes: Callable[[frozenset[int]], frozenset[int]],
) -> Expression:
    what: Any = one.what

    def ranges(old: Any) -> Any:
        return tuple((move(number), low, high) for number, low, high in old)

    if isinstance(what, Load):
        what = Load(what.value, move(what.index), ranges(what.guard))
    elif isinstance(what, (Place, Random)):
        what = type(what)(move(what.index))
    elif isinstance(what, Inside):
        what = Inside(ranges(what.ranges))
    return one._replace(what=what, axes=axes(one.axes))
