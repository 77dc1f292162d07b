"""Library calls without a neutral meaning: sorting and Fourier transforms (LAPACK's are in linalg.py).

A backend finds them by name in its own table. `norm` of a transform is "backward" (the inverse one divides by the
number of elements), "forward" (the other one does) or "ortho" (both divide by its square root).
"""

from __future__ import annotations

from typing import Any

from alight.dtypes import ORDERED, complex64, complex128, dtype, float32, float64, int64
from alight.errors import internal
from alight.ir.primitive import NONE, OPAQUE, Primitive
from alight.ir.program import Value
from alight.ir.types import Shape, Type
from alight.primitives.arithmetic import broadcast, where
from alight.primitives.create import Iota
from alight.primitives.elementwise import And, Real
from alight.primitives.gather import put_along
from alight.primitives.movement import Pad, Reshape

Pair = tuple[Shape, dtype]
Axes = tuple[int, ...]

_REAL = frozenset({float32, float64})
_COMPLEX = frozenset({complex64, complex128})
_ADJOINT_NORM = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


class Sort(Primitive):
    """x in order along `axis`, and the int64 place each element came from; stable, NaN counts as the largest."""

    kind, statics, accepts, outputs = OPAQUE, ("axis", "descending"), ORDERED, 2

    def infer(x: Type, *, axis: int, descending: bool) -> tuple[Pair, Pair]:
        return (x.shape, x.dtype), (x.shape, int64)

    def vjp(ct: Any, out: Any, x: Value, *, axis: int, descending: bool) -> tuple[Value]:
        return (put_along(ct[0], out[1], axis, x.shape),)


class Within(Primitive):
    """x itself; a RuntimeError when the program runs if an element lies outside [low, high], or is NaN."""

    kind, statics, accepts = OPAQUE, ("low", "high"), ORDERED

    def infer(x: Type, *, low: float, high: float) -> Pair:
        return x.shape, x.dtype

    def transpose(ct: Value, x: Value, *, low: float, high: float) -> tuple[Value]:
        return (ct,)


class Reinterpret(Primitive):
    """The bytes of x read as another dtype: along the last axis where the elements' sizes differ."""

    kind, statics = OPAQUE, ("dtype",)

    def infer(x: Type, *, dtype: dtype) -> Pair:
        if x.dtype.itemsize == dtype.itemsize:
            return x.shape, dtype
        return (*x.shape[:-1], x.shape[-1] * x.dtype.itemsize // dtype.itemsize), dtype

    gradient = NONE


class Fft(Primitive):
    """The discrete Fourier transform of complex x over `axes`, or its inverse."""

    kind, statics, accepts = OPAQUE, ("axes", "inverse", "norm"), _COMPLEX

    def infer(x: Type, *, axes: Axes, inverse: bool, norm: str) -> Pair:
        return x.shape, x.dtype

    def transpose(ct: Value, x: Value, *, axes: Axes, inverse: bool, norm: str) -> tuple[Value]:
        return (Fft(ct, axes=axes, inverse=not inverse, norm=_ADJOINT_NORM[norm]),)


class Rfft(Primitive):
    """The transform of real x over `axes`, without the half of the last of them that symmetry gives."""

    kind, statics, accepts = OPAQUE, ("axes", "norm"), _REAL

    def infer(x: Type, *, axes: Axes, norm: str) -> Pair:
        return _with_extent(x.shape, axes[-1], x.shape[axes[-1]] // 2 + 1), x.dtype.to_complex()

    def transpose(ct: Value, x: Value, *, axes: Axes, norm: str) -> tuple[Value]:
        missing = x.shape[axes[-1]] - ct.shape[axes[-1]]
        whole = Pad(ct, low=(0,) * x.ndim, high=_with_extent((0,) * x.ndim, axes[-1], missing))
        return (Real(Fft(whole, axes=axes, inverse=True, norm=_ADJOINT_NORM[norm])),)


class Irfft(Primitive):
    """The real inverse transform of the half that Rfft keeps; `size` is the result's extent on the last of `axes`."""

    kind, statics, accepts = OPAQUE, ("axes", "size", "norm"), _COMPLEX

    def infer(x: Type, *, axes: Axes, size: int, norm: str) -> Pair:
        if x.shape[axes[-1]] != size // 2 + 1:
            internal(f"{x} is not half of a transform of {size} along axis {axes[-1]}")
        return _with_extent(x.shape, axes[-1], size), x.dtype.to_real()

    def transpose(ct: Value, x: Value, *, axes: Axes, size: int, norm: str) -> tuple[Value]:
        # Each element but the first, and the middle one of an even size, stands for its mirror image too.
        half = Rfft(ct, axes=axes, norm=_ADJOINT_NORM[norm])
        with ct.builder.active():
            place = Iota(shape=(size // 2 + 1,), axis=0, dtype=int64, device=ct.type.device)
        twice = And(place > 0, place * 2 < size)
        shape = tuple(x.shape[i] if i == axes[-1] else 1 for i in range(x.ndim))
        return (where(broadcast(Reshape(twice, shape=shape), x.shape), half * 2, half),)


def _with_extent(shape: Shape, axis: int, extent: int) -> Shape:
    return (*shape[:axis], extent, *shape[axis + 1 :])
