"""Movement: output elements are input elements, or zero, at another place.

Meanings are index maps: element `i` of the output of Reshape is element `i` of the input in row-major order; of
Permute, input axis `order[k]` is output axis k; of Expand, an axis of extent 1 repeats; of Slice, output index i
reads start + i * step; Pad surrounds with zeros (or with a 0-d second input); Flip reverses; Concat joins.
All are linear, so each has a transpose.
"""

from __future__ import annotations

from math import prod
from typing import Any

from alight.dtypes import dtype
from alight.errors import internal
from alight.ir.primitive import MOVEMENT, NONE, Primitive
from alight.ir.program import Value
from alight.ir.types import Shape, Type

Pair = tuple[Shape, dtype]


class Reshape(Primitive):
    """The same elements in row-major order under another shape."""

    kind, statics = MOVEMENT, ("shape",)

    def infer(x: Type, *, shape: Shape) -> Pair:
        if prod(shape) != x.size:
            internal(f"cannot reshape {x} to {shape}")
        return shape, x.dtype

    def simplify(x: Value, *, shape: Shape) -> Value | None:
        return x if x.shape == shape else None

    def transpose(ct: Value, x: Value, *, shape: Shape) -> tuple[Value]:
        return (Reshape(ct, shape=x.shape),)


class Detach(Primitive):
    """x itself, through which no gradient flows."""

    kind = MOVEMENT

    def infer(x: Type) -> Pair:
        return x.shape, x.dtype

    gradient = NONE


class Permute(Primitive):
    """Axis k of the result is axis order[k] of x."""

    kind, statics = MOVEMENT, ("order",)

    def infer(x: Type, *, order: tuple[int, ...]) -> Pair:
        if sorted(order) != list(range(x.ndim)):
            internal(f"{order} does not order the axes of {x}")
        return tuple(x.shape[i] for i in order), x.dtype

    def simplify(x: Value, *, order: tuple[int, ...]) -> Value | None:
        return x if order == tuple(range(x.ndim)) else None

    def transpose(ct: Value, x: Value, *, order: tuple[int, ...]) -> tuple[Value]:
        return (Permute(ct, order=tuple(order.index(i) for i in range(len(order)))),)


class Expand(Primitive):
    """Axes of extent 1 repeated to the extents of `shape`; the rank stays."""

    kind, statics = MOVEMENT, ("shape",)

    def infer(x: Type, *, shape: Shape) -> Pair:
        fits = len(shape) == x.ndim and all(
            a in (1, b) for a, b in zip(x.shape, shape, strict=True)
        )
        if not fits:
            internal(f"cannot expand {x} to {shape}")
        return shape, x.dtype

    def simplify(x: Value, *, shape: Shape) -> Value | None:
        return x if x.shape == shape else None

    def transpose(ct: Value, x: Value, *, shape: Shape) -> tuple[Value]:
        from alight.primitives.reduction import Sum

        axes = tuple(i for i, (a, b) in enumerate(zip(x.shape, shape, strict=True)) if a != b)
        return (Reshape(Sum(ct, axes=axes), shape=x.shape),)


class Slice(Primitive):
    """Elements start, start + step, ... below stop along each axis; steps are positive."""

    kind, statics = MOVEMENT, ("starts", "stops", "steps")

    def infer(x: Type, *, starts: Shape, stops: Shape, steps: Shape) -> Pair:
        shape = []
        for size, start, stop, step in zip(x.shape, starts, stops, steps, strict=True):
            if not (0 <= start <= stop <= size and step > 0):
                internal(f"slice {start}:{stop}:{step} does not fit an axis of {size}")
            shape.append(-(-(stop - start) // step))
        return tuple(shape), x.dtype

    def simplify(x: Value, *, starts: Shape, stops: Shape, steps: Shape) -> Value | None:
        whole = stops == x.shape and not any(starts) and all(step == 1 for step in steps)
        return x if whole else None

    def transpose(
        ct: Value, x: Value, *, starts: Shape, stops: Shape, steps: Shape
    ) -> tuple[Value]:
        ct = _dilate(ct, steps)
        high = tuple(
            size - start - extent
            for size, start, extent in zip(x.shape, starts, ct.shape, strict=True)
        )
        return (Pad(ct, low=starts, high=high),)


def _dilate(x: Value, steps: Shape) -> Value:
    """Put step - 1 zeros between neighbours: pad behind each element on an axis of its own, merge, cut the tail."""
    if all(step == 1 for step in steps) or 0 in x.shape:
        return x
    split = tuple(extent for size in x.shape for extent in (size, 1))
    high = tuple(extra for step in steps for extra in (0, step - 1))
    apart = Pad(Reshape(x, shape=split), low=(0,) * len(split), high=high)
    merged = Reshape(
        apart, shape=tuple(size * step for size, step in zip(x.shape, steps, strict=True))
    )
    stops = tuple((size - 1) * step + 1 for size, step in zip(x.shape, steps, strict=True))
    return Slice(merged, starts=(0,) * x.ndim, stops=stops, steps=(1,) * x.ndim)


class Pad(Primitive):
    """x with `low` elements before and `high` after it on each axis: zeros, or the 0-d second input."""

    kind, statics = MOVEMENT, ("low", "high")

    def infer(x: Type, fill: Type | None = None, *, low: Shape, high: Shape) -> Pair:
        if min((0, *low, *high)) < 0 or len(low) != x.ndim or len(high) != x.ndim:
            internal(f"cannot pad {x} by {low} and {high}")
        return tuple(a + size + b for a, size, b in zip(low, x.shape, high, strict=True)), x.dtype

    def simplify(x: Value, fill: Value | None = None, *, low: Shape, high: Shape) -> Value | None:
        return x if not any(low) and not any(high) else None

    def transpose(
        ct: Value, x: Value, fill: Value | None = None, *, low: Shape, high: Shape
    ) -> Any:
        from alight.primitives.reduction import Sum

        stops = tuple(a + size for a, size in zip(low, x.shape, strict=True))
        inner = Slice(ct, starts=low, stops=stops, steps=(1,) * x.ndim)
        if fill is None:
            return (inner,)
        axes = tuple(range(x.ndim))
        return inner, Sum(ct, axes=axes) - Sum(inner, axes=axes)


class Flip(Primitive):
    """x with the order of elements reversed along `axes`."""

    kind, statics = MOVEMENT, ("axes",)

    def infer(x: Type, *, axes: tuple[int, ...]) -> Pair:
        return x.shape, x.dtype

    def simplify(x: Value, *, axes: tuple[int, ...]) -> Value | None:
        return x if all(x.shape[i] == 1 for i in axes) else None

    def transpose(ct: Value, x: Value, *, axes: tuple[int, ...]) -> tuple[Value]:
        return (Flip(ct, axes=axes),)


class Concat(Primitive):
    """Inputs joined along `axis`; they agree on every other axis."""

    kind, statics = MOVEMENT, ("axis",)

    def infer(*xs: Type, axis: int) -> Pair:
        first = xs[0]
        for x in xs:
            same = (
                x.shape[:axis] + x.shape[axis + 1 :] == first.shape[:axis] + first.shape[axis + 1 :]
            )
            if not same or x.dtype is not first.dtype:
                internal(f"cannot join {first} and {x} along axis {axis}")
        total = sum(x.shape[axis] for x in xs)
        return (*first.shape[:axis], total, *first.shape[axis + 1 :]), first.dtype

    def simplify(*xs: Value, axis: int) -> Value | None:
        return xs[0] if len(xs) == 1 else None

    def transpose(ct: Value, *xs: Value, axis: int) -> tuple[Value, ...]:
        parts, at = [], 0
        for x in xs:
            starts, stops = [0] * ct.ndim, list(ct.shape)
            starts[axis], stops[axis] = at, at + x.shape[axis]
            parts.append(Slice(ct, starts=tuple(starts), stops=tuple(stops), steps=(1,) * ct.ndim))
            at = stops[axis]
        return tuple(parts)
