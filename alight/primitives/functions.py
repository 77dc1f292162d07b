"""Element-wise mathematical functions: exponentials, logarithms, trigonometric, hyperbolic and special functions.

The form is that of `elementwise`: meaning in the neutral scalar language, partial derivatives in primitives.
"""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

from alight.dtypes import COMPLEX, FLOAT, dtype
from alight.errors import internal
from alight.ir.program import Value
from alight.ir.types import Shape, Type
from alight.primitives import special
from alight.primitives.elementwise import B, Elementwise, S


class Exp(Elementwise):
    """Natural exponential."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.exp(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (out,)


class Expm1(Elementwise):
    """exp(x) - 1, exact for small x."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return b.expm1(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (out + 1,)


class Log(Elementwise):
    """Natural logarithm."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.log(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (1 / x,)


class Log1p(Elementwise):
    """log(1 + x), exact for small x."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return b.log1p(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (1 / (x + 1),)


class Sqrt(Elementwise):
    """Square root."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.sqrt(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (0.5 / out,)


class Sin(Elementwise):
    """Sine of x in radians."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.sin(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (Cos(x),)


class Cos(Elementwise):
    """Cosine of x in radians."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.cos(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (-Sin(x),)


class Tan(Elementwise):
    """Tangent of x in radians."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.tan(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (out * out + 1,)


class Asin(Elementwise):
    """Inverse sine, in radians."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.asin(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (1 / Sqrt(1 - x * x),)


class Acos(Elementwise):
    """Inverse cosine, in radians."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.acos(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (-1 / Sqrt(1 - x * x),)


class Atan(Elementwise):
    """Inverse tangent, in radians."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.atan(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (1 / (x * x + 1),)


class Sinh(Elementwise):
    """Hyperbolic sine."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.sinh(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (Cosh(x),)


class Cosh(Elementwise):
    """Hyperbolic cosine."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.cosh(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (Sinh(x),)


class Tanh(Elementwise):
    """Hyperbolic tangent."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.tanh(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (1 - out * out,)


class Sigmoid(Elementwise):
    """The logistic function 1 / (1 + exp(-x))."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.sigmoid(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (out * (1 - out),)


class Asinh(Elementwise):
    """Inverse hyperbolic sine."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.asinh(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (1 / Sqrt(x * x + 1),)


class Acosh(Elementwise):
    """Inverse hyperbolic cosine."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.acosh(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (1 / (Sqrt(x - 1) * Sqrt(x + 1)),)


class Atanh(Elementwise):
    """Inverse hyperbolic tangent."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.atanh(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (1 / (1 - x * x),)


class Erf(Elementwise):
    """Error function: 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return special.erf(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (Exp(-(x * x)) * (2 / sqrt(pi)),)


class Erfc(Elementwise):
    """1 - erf(x), exact where that is small."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return special.erfc(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (Exp(-(x * x)) * (-2 / sqrt(pi)),)


class Erfinv(Elementwise):
    """Inverse of the error function."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return special.erfinv(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (Exp(out * out) * (sqrt(pi) / 2),)


class Erfcx(Elementwise):
    """exp(x^2) erfc(x), which decays slowly."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return special.erfcx(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (x * out * 2 - 2 / sqrt(pi),)


class Ndtri(Elementwise):
    """The y below which the standard normal distribution has the probability x."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return special.ndtri(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (Exp(out * out * 0.5) * sqrt(2 * pi),)


class Lgamma(Elementwise):
    """Logarithm of the absolute value of the gamma function."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return special.lgamma(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (Digamma(x),)


class Digamma(Elementwise):
    """Derivative of lgamma."""

    accepts = FLOAT

    def scalar(b: B, x: S) -> S:
        return special.digamma(b, x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (Polygamma(x, order=1),)


class Polygamma(Elementwise):
    """Derivative number `order`, 1 or more, of digamma."""

    statics, accepts = ("order",), FLOAT

    def infer(x: Type, *, order: int) -> tuple[Shape, dtype]:
        if order < 1:
            internal(f"derivative number {order} of digamma")
        return x.shape, x.dtype

    def scalar(b: B, x: S, *, order: int) -> S:
        return special.polygamma(b, x, order)

    def partials(out: Value, x: Value, *, order: int) -> tuple[Any]:
        return (Polygamma(x, order=order + 1),)
