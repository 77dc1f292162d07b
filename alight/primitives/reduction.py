"""Reductions: the elements along `axes` become one; those axes disappear.

`combine` is associative and `identity` is its neutral element ("lowest" and "highest" are the dtype's limits).
"""

from __future__ import annotations

from typing import Any

from alight.dtypes import ANY, NUMERIC, ORDERED, dtype, int64
from alight.ir.primitive import NONE, REDUCTION, Primitive
from alight.ir.program import Value
from alight.ir.types import Shape, Type

Axes = tuple[int, ...]


def _without(shape: Shape, axes: Axes) -> Shape:
    return tuple(size for i, size in enumerate(shape) if i not in axes)


class Sum(Primitive):
    """Sum over `axes`."""

    kind, statics, accepts = REDUCTION, ("axes",), NUMERIC
    identity: Any = 0

    def infer(x: Type, *, axes: Axes) -> tuple[Shape, dtype]:
        return _without(x.shape, axes), x.dtype

    def simplify(x: Value, *, axes: Axes) -> Value | None:
        return x if not axes else None

    def combine(b: Any, acc: Any, x: Any) -> Any:
        return b.add(acc, x)

    def transpose(ct: Value, x: Value, *, axes: Axes) -> tuple[Value]:
        return (_put_back(ct, x.shape, axes),)


class Prod(Primitive):
    """Product over `axes`."""

    kind, statics, accepts = REDUCTION, ("axes",), NUMERIC
    identity: Any = 1
    infer = Sum.infer
    simplify = Sum.simplify

    def combine(b: Any, acc: Any, x: Any) -> Any:
        return b.mul(acc, x)

    def vjp(ct: Value, out: Value, x: Value, *, axes: Axes) -> tuple[Value]:
        # The product of the other elements along the axes, from running products on both sides: right at zeros.
        from alight.primitives.movement import Flip, Pad, Permute, Reshape, Slice
        from alight.primitives.scan import CumProd

        others = tuple(i for i in range(x.ndim) if i not in axes)
        order = others + axes
        moved = Permute(x, order=order)
        flat = Reshape(moved, shape=_flat(x.shape, others, axes))
        last = flat.ndim - 1
        if flat.shape[last] == 0:
            return (x,)
        from alight.primitives.arithmetic import constant

        def before(v: Value) -> Value:  # product of the elements left of each place
            running = CumProd(v, axis=last)
            head = Slice(
                running,
                starts=(0,) * v.ndim,
                stops=(*v.shape[:last], v.shape[last] - 1),
                steps=(1,) * v.ndim,
            )
            low = (0,) * last + (1,)
            return Pad(head, constant(v, 1), low=low, high=(0,) * v.ndim)

        others_product = before(flat) * Flip(before(Flip(flat, axes=(last,))), axes=(last,))
        shaped = Reshape(others_product, shape=moved.shape)
        inverse = tuple(order.index(i) for i in range(x.ndim))
        back = Permute(shaped, order=inverse)
        if x.dtype.is_complex:
            from alight.primitives.elementwise import Conj

            back = Conj(back)
        return (_put_back(ct, x.shape, axes) * back,)


def _flat(shape: Shape, others: Axes, axes: Axes) -> Shape:
    total = 1
    for i in axes:
        total *= shape[i]
    return (*(shape[i] for i in others), total)


class Max(Primitive):
    """Largest element over `axes`, NaN if one is; equal elements share the gradient, as in PyTorch's amax."""

    kind, statics, accepts = REDUCTION, ("axes",), ORDERED
    identity: Any = "lowest"
    infer = Sum.infer
    simplify = Sum.simplify

    def combine(b: Any, acc: Any, x: Any) -> Any:
        return b.max(acc, x)

    def vjp(ct: Value, out: Value, x: Value, *, axes: Axes) -> tuple[Value]:
        return (_share(ct, out, x, axes),)


class Min(Primitive):
    """Smallest element over `axes`, NaN if one is; equal elements share the gradient."""

    kind, statics, accepts = REDUCTION, ("axes",), ORDERED
    identity: Any = "highest"
    infer = Sum.infer
    simplify = Sum.simplify

    def combine(b: Any, acc: Any, x: Any) -> Any:
        return b.min(acc, x)

    def vjp(ct: Value, out: Value, x: Value, *, axes: Axes) -> tuple[Value]:
        return (_share(ct, out, x, axes),)


class ArgMax(Primitive):
    """Place of the first largest element along one axis, as int64; the first NaN where there is one."""

    kind, statics, accepts = REDUCTION, ("axes",), ANY

    def infer(x: Type, *, axes: Axes) -> tuple[Shape, dtype]:
        return _without(x.shape, axes), int64

    def combine(b: Any, acc: Any, x: Any) -> Any:
        return b.argmax(acc, x)

    gradient = NONE


class ArgMin(Primitive):
    """Place of the first smallest element along one axis, as int64; the first NaN where there is one."""

    kind, statics, accepts = REDUCTION, ("axes",), ANY
    infer = ArgMax.infer

    def combine(b: Any, acc: Any, x: Any) -> Any:
        return b.argmin(acc, x)

    gradient = NONE


def _put_back(x: Value, shape: Shape, axes: Axes) -> Value:
    from alight.primitives.arithmetic import put_back

    return put_back(x, shape, axes)


def _share(ct: Value, out: Value, x: Value, axes: Axes) -> Value:
    from alight.primitives.elementwise import Convert, Equal

    hit = Convert(Equal(x, _put_back(out, x.shape, axes)), dtype=ct.dtype)
    share = ct / Sum(hit, axes=axes)
    return hit * _put_back(share, x.shape, axes)


__all__ = ["ArgMax", "ArgMin", "Max", "Min", "Prod", "Sum"]
