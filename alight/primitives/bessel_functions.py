"""Bessel and Airy functions as element-wise primitives; formulas in bessel.py and airy.py.

The form is that of `elementwise`. Derivatives: NIST Handbook 10.6, 10.29 and 9.2.
"""

from __future__ import annotations

from typing import Any

from alight.dtypes import FLOAT, dtype
from alight.ir.program import Value
from alight.ir.types import Shape, Type
from alight.primitives import airy, bessel
from alight.primitives.arithmetic import equal, where
from alight.primitives.elementwise import B, Elementwise, S, Sign


def _over(y: Value, x: Value) -> Value:
    """y / x for odd y with slope 1/2 at 0."""
    at_0 = equal(x, 0)
    return where(at_0, 0.5, y / where(at_0, 1, x))


class BesselI0(Elementwise):
    """The modified Bessel function of the first kind, of order 0."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return bessel.i0(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (BesselI1(x),)


class BesselI1(Elementwise):
    """The modified Bessel function of the first kind, of order 1."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return bessel.i1(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (BesselI0(x) - _over(out, x),)


class ScaledBesselI0(Elementwise):
    """exp(-|x|) times the modified Bessel function of the first kind, of order 0."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return bessel.i0e(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (ScaledBesselI1(x) - Sign(x) * out,)


class ScaledBesselI1(Elementwise):
    """exp(-|x|) times the modified Bessel function of the first kind, of order 1."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return bessel.i1e(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (ScaledBesselI0(x) - _over(out, x) - Sign(x) * out,)


class BesselK0(Elementwise):
    """The modified Bessel function of the second kind, of order 0; infinite at 0, NaN below."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return bessel.k0(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (-BesselK1(x),)


class BesselK1(Elementwise):
    """The modified Bessel function of the second kind, of order 1; infinite at 0, NaN below."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return bessel.k1(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (-BesselK0(x) - out / x,)


class ScaledBesselK0(Elementwise):
    """exp(x) times the modified Bessel function of the second kind, of order 0."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return bessel.k0e(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (out - ScaledBesselK1(x),)


class ScaledBesselK1(Elementwise):
    """exp(x) times the modified Bessel function of the second kind, of order 1."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return bessel.k1e(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (out - ScaledBesselK0(x) - out / x,)


class BesselJ0(Elementwise):
    """The Bessel function of the first kind, of order 0."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return bessel.j0(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (-BesselJ1(x),)


class BesselJ1(Elementwise):
    """The Bessel function of the first kind, of order 1."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return bessel.j1(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (BesselJ0(x) - _over(out, x),)


class BesselY0(Elementwise):
    """The Bessel function of the second kind, of order 0; -infinity at 0, NaN below."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return bessel.y0(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (-BesselY1(x),)


class BesselY1(Elementwise):
    """The Bessel function of the second kind, of order 1; -infinity at 0, NaN below."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return bessel.y1(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (BesselY0(x) - out / x,)


class AiryAi(Elementwise):
    """The Airy function Ai (`order` 0) or its derivative (1)."""

    statics, accepts = ("order",), FLOAT

    def infer(x: Type, *, order: int) -> tuple[Shape, dtype]:
        return x.shape, x.dtype

    def scalar(b: B, x: S, *, order: int) -> S:
        return airy.airy(b, x, bool(order))

    def partials(out: Value, x: Value, *, order: int) -> tuple[Any]:
        return (AiryAi(x, order=1) if order == 0 else x * AiryAi(x, order=0),)
