"""Gather and scatter: elements found by indices that are themselves values.

`ids` are int64 values of one shape S, one for each of `axes`; together they name places along those axes. What is read
or written has shape S followed by the other axes of x in order. Indices count from 0: callers add the extent to
negative ones. An index outside raises IndexError when the program runs.
"""

from __future__ import annotations

from alight.dtypes import NUMERIC, dtype, int64
from alight.errors import internal
from alight.ir.primitive import GATHER, Primitive
from alight.ir.program import Value
from alight.ir.types import Shape, Type
from alight.primitives.arithmetic import constant, equal, where, zeros_like
from alight.primitives.create import Iota
from alight.primitives.elementwise import Conj, Convert

Pair = tuple[Shape, dtype]
Axes = tuple[int, ...]


def _selected(x: Type, ids: tuple[Type, ...], axes: Axes) -> Shape:
    """The shape of what `ids` select, checked."""
    if len(ids) != len(axes) or len(set(axes)) != len(axes) or not axes:
        internal(f"{len(ids)} indices for axes {axes} of {x}")
    if any(i.shape != ids[0].shape or i.dtype is not int64 for i in ids):
        internal(f"indices {ids} are not int64 of one shape")
    return ids[0].shape + tuple(size for a, size in enumerate(x.shape) if a not in axes)


def _check_updates(base: Type, updates: Type, ids: tuple[Type, ...], axes: Axes) -> Pair:
    if updates.shape != _selected(base, ids, axes) or updates.dtype is not base.dtype:
        internal(f"updates {updates} do not fit {base} at {ids} along {axes}")
    return base.shape, base.dtype


def grid(ids: Value, axis: int) -> tuple[Value, ...]:
    """Indices for every axis that take `ids` along `axis` and their own place elsewhere: NumPy's take_along_axis.

    Index(x, *grid(ids, axis), axes=all axes) reads x[i][ids[i][j]] for x of rank 2 and axis 1.
    """
    with ids.builder.active():
        return tuple(
            ids if a == axis else Iota(shape=ids.shape, axis=a, dtype=int64, device=ids.type.device)
            for a in range(ids.ndim)
        )


def take_along(x: Value, ids: Value, axis: int) -> Value:
    """The elements of x at `ids` along `axis`; the other axes keep their places."""
    return Index(x, *grid(ids, axis), axes=tuple(range(x.ndim)))


def put_along(ct: Value, ids: Value, axis: int, shape: Shape) -> Value:
    """The transpose of `take_along`: zeros of `shape` with ct added at `ids` along `axis`."""
    return IndexAdd(constant(ct, 0, shape), ct, *grid(ids, axis), axes=tuple(range(len(shape))))


class Index(Primitive):
    """Elements of x at ids: embedding look-ups, x[ids], take, gather."""

    kind, statics = GATHER, ("axes",)

    def infer(x: Type, *ids: Type, axes: Axes) -> Pair:
        return _selected(x, ids, axes), x.dtype

    def transpose(ct: Value, x: Value, *ids: Value, axes: Axes) -> tuple[Value | None, ...]:
        return IndexAdd(zeros_like(x), ct, *ids, axes=axes), *[None] * len(ids)


class IndexAdd(Primitive):
    """`base` with `updates` added at ids; updates that meet at one place all count."""

    kind, statics, accepts = GATHER, ("axes",), NUMERIC

    def infer(base: Type, updates: Type, *ids: Type, axes: Axes) -> Pair:
        return _check_updates(base, updates, ids, axes)

    def transpose(
        ct: Value, base: Value, updates: Value, *ids: Value, axes: Axes
    ) -> tuple[Value | None, ...]:
        return ct, Index(ct, *ids, axes=axes), *[None] * len(ids)


class IndexPut(Primitive):
    """`base` with its elements at ids replaced by `updates`; of updates that meet, the last one stays.

    As in PyTorch, the gradient takes indices to be distinct: every update gets the cotangent of its place.
    """

    kind, statics = GATHER, ("axes",)

    def infer(base: Type, updates: Type, *ids: Type, axes: Axes) -> Pair:
        return _check_updates(base, updates, ids, axes)

    def transpose(
        ct: Value, base: Value, updates: Value, *ids: Value, axes: Axes
    ) -> tuple[Value | None, ...]:
        kept = IndexPut(ct, zeros_like(updates), *ids, axes=axes)
        return kept, Index(ct, *ids, axes=axes), *[None] * len(ids)


class ScatterReduce(Primitive):
    """`base` reduced with `updates` at ids by `reduce`: "prod", "amax" or "amin" (IndexAdd is the sum)."""

    kind, statics, accepts = GATHER, ("axes", "reduce"), NUMERIC

    def infer(base: Type, updates: Type, *ids: Type, axes: Axes, reduce: str) -> Pair:
        if reduce not in ("prod", "amax", "amin"):
            internal(f"no scatter by {reduce}")
        return _check_updates(base, updates, ids, axes)

    def vjp(
        ct: Value, out: Value, base: Value, updates: Value, *ids: Value, axes: Axes, reduce: str
    ) -> tuple[Value | None, ...]:
        rule = _scattered_product if reduce == "prod" else _scattered_extremum
        return *rule(ct, out, base, updates, ids, axes), *[None] * len(ids)


def _scattered_extremum(
    ct: Value, out: Value, base: Value, updates: Value, ids: tuple[Value, ...], axes: Axes
) -> tuple[Value, Value]:
    """Elements equal to the extremum of their place share its cotangent."""
    hit_base = Convert(equal(base, out), dtype=ct.dtype)
    hit_updates = Convert(equal(updates, Index(out, *ids, axes=axes)), dtype=ct.dtype)
    share = ct / IndexAdd(hit_base, hit_updates, *ids, axes=axes)
    return hit_base * share, hit_updates * Index(share, *ids, axes=axes)


def _scattered_product(
    ct: Value, out: Value, base: Value, updates: Value, ids: tuple[Value, ...], axes: Axes
) -> tuple[Value, Value]:
    """The product of the others at each place: out / x, except at zeros, which are left out of a second product."""
    rest = {"axes": axes, "reduce": "prod"}
    if ct.dtype.is_complex:
        base, updates = Conj(base), Conj(updates)
    base_zero, zero = equal(base, 0), equal(updates, 0)
    counts = Convert(base_zero, dtype=ct.dtype)
    counts = IndexAdd(counts, Convert(zero, dtype=ct.dtype), *ids, axes=axes)
    nonzero = ScatterReduce(where(base_zero, 1, base), where(zero, 1, updates), *ids, **rest)

    def others(x: Value, x_zero: Value, product: Value, count: Value) -> Value:
        lone = where(equal(count, 1), product, 0)  # a zero that is alone at its place
        return where(x_zero, lone, where(equal(count, 0), product, 0) / where(x_zero, 1, x))

    def at(x: Value) -> Value:
        return Index(x, *ids, axes=axes)

    in_base = ct * others(base, base_zero, nonzero, counts)
    return in_base, at(ct) * others(updates, zero, at(nonzero), at(counts))


class DynamicSlice(Primitive):
    """The part of x of extents `sizes` that begins at `starts`, a 0-d int64 value for each axis."""

    kind, statics = GATHER, ("sizes",)

    def infer(x: Type, *starts: Type, sizes: Shape) -> Pair:
        _check_starts(x, starts, sizes)
        return sizes, x.dtype

    def transpose(ct: Value, x: Value, *starts: Value, sizes: Shape) -> tuple[Value | None, ...]:
        return DynamicUpdate(zeros_like(x), ct, *starts), *[None] * len(starts)


class DynamicUpdate(Primitive):
    """x with the part that begins at `starts` replaced by `updates`."""

    kind = GATHER

    def infer(x: Type, updates: Type, *starts: Type) -> Pair:
        _check_starts(x, starts, updates.shape)
        return x.shape, x.dtype

    def transpose(ct: Value, x: Value, updates: Value, *starts: Value) -> tuple[Value | None, ...]:
        outside = DynamicUpdate(ct, zeros_like(updates), *starts)
        inside = DynamicSlice(ct, *starts, sizes=updates.shape)
        return outside, inside, *[None] * len(starts)


def _check_starts(x: Type, starts: tuple[Type, ...], sizes: Shape) -> None:
    if len(starts) != x.ndim or any(start.shape or start.dtype is not int64 for start in starts):
        internal(f"starts {starts} do not name a place in {x}")
    if len(sizes) != x.ndim or any(a > b for a, b in zip(sizes, x.shape, strict=True)):
        internal(f"a part of extents {sizes} does not fit {x}")
