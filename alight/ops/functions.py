"""Elementary and special functions, element by element: `torch.exp` to `torch.lgamma`.

Integers and bools become the default floating-point dtype first.
"""

from __future__ import annotations

import math
from typing import Any

from alight import primitives as p
from alight.dtypes import finfo
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import as_value, broadcast_all, promoted, to_float
from alight.ops.operation import function, op, with_vjp
from alight.primitives.arithmetic import constant, equal, where, zeros_like

Operand = Any
Scalar = Any

INF = math.inf


# -- exponentials, logarithms, roots -----------------------------------------------------------------------------------


@op(methods="exp", inplace="exp_", pointwise=True)
def exp(input: Tensor) -> Tensor:
    """Natural exponential.

    >>> import alight as torch
    >>> torch.exp(torch.tensor([0., 1.]))
    tensor([1.0000, 2.7183])
    """
    return p.Exp(to_float(input))


@op(methods="exp2", inplace="exp2_", pointwise=True)
def exp2(input: Tensor) -> Tensor:
    """2 to the power input.

    >>> import alight as torch
    >>> torch.exp2(torch.tensor([1., 3.]))
    tensor([2., 8.])
    """
    x = to_float(input)
    start = len(x.builder.nodes)
    if x.dtype.is_complex:
        return p.Exp(x * math.log(2))
    out = p.Pow(constant(x, 2, x.shape), x)
    return with_vjp(lambda ct, out, x: ct * out * math.log(2), out, start, x)


@op(methods="expm1", inplace="expm1_", pointwise=True)
def expm1(input: Tensor) -> Tensor:
    """exp(input) - 1, exact for small input.

    >>> import alight as torch
    >>> torch.expm1(torch.tensor([0., 1.]))
    tensor([0.0000, 1.7183])
    """
    return p.Expm1(to_float(input))


@op(methods="log", inplace="log_", pointwise=True)
def log(input: Tensor) -> Tensor:
    """Natural logarithm.

    >>> import alight as torch
    >>> torch.log(torch.tensor([1., 10.]))
    tensor([0.0000, 2.3026])
    """
    return p.Log(to_float(input))


def _log_to_base(x: Tensor, base: float, exact: Any) -> Tensor:
    """log(x) / log(base), exact at whole powers of the base."""
    start = len(x.builder.nodes)
    scale = math.log2(math.e) if base == 2 else math.log10(math.e)  # rounded once, unlike 1 / log
    out = p.Log(x) * scale
    if not x.dtype.is_complex:
        # A whole power of the base that lies within rounding of the quotient is the logarithm itself.
        whole = p.Round(out)
        hit = p.Equal(p.Pow(constant(x, exact, x.shape), whole), x)
        if base != 2:  # no power of 10 lies near a subnormal number as closely as near others
            hit = p.And(hit, finfo(x.dtype).tiny <= x)
        out = where(hit, whole, out)

    def rule(ct: Tensor, out: Tensor, x: Tensor) -> Tensor:
        partial = 1 / (x * math.log(base))
        return ct * (p.Conj(partial) if x.dtype.is_complex else partial)

    return with_vjp(rule, out, start, x)


@op(methods="log2", inplace="log2_", pointwise=True)
def log2(input: Tensor) -> Tensor:
    """Logarithm to base 2.

    >>> import alight as torch
    >>> torch.log2(torch.tensor([1., 8.]))
    tensor([0., 3.])
    """
    return _log_to_base(to_float(input), 2.0, 2)


@op(methods="log10", inplace="log10_", pointwise=True)
def log10(input: Tensor) -> Tensor:
    """Logarithm to base 10.

    >>> import alight as torch
    >>> torch.log10(torch.tensor([1., 100.]))
    tensor([0., 2.])
    """
    return _log_to_base(to_float(input), 10.0, 10)


@op(methods="log1p", inplace="log1p_", pointwise=True)
def log1p(input: Tensor) -> Tensor:
    """log(1 + input), exact for small input.

    >>> import alight as torch
    >>> torch.log1p(torch.tensor([0., 1.]))
    tensor([0.0000, 0.6931])
    """
    return p.Log1p(to_float(input))


@op(methods="sqrt", inplace="sqrt_", pointwise=True)
def sqrt(input: Tensor) -> Tensor:
    """Square root.

    >>> import alight as torch
    >>> torch.sqrt(torch.tensor([4., 9.]))
    tensor([2., 3.])
    """
    return p.Sqrt(to_float(input))


@op(methods="rsqrt", inplace="rsqrt_", pointwise=True)
def rsqrt(input: Tensor) -> Tensor:
    """1 / sqrt(input).

    >>> import alight as torch
    >>> torch.rsqrt(torch.tensor([1., 4.]))
    tensor([1.0000, 0.5000])
    """
    return 1 / p.Sqrt(to_float(input))


@rsqrt.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    partial = -0.5 * out * out * out
    return ct * (p.Conj(partial) if out.dtype.is_complex else partial)


@op(methods="logaddexp", pointwise=True)
def logaddexp(input: Tensor, other: Tensor) -> Tensor:
    """log(exp(input) + exp(other)), without overflow.

    >>> import alight as torch
    >>> torch.logaddexp(torch.tensor([1000.]), torch.tensor([1000.]))
    tensor([1000.6932])
    """
    return _log_add(*promoted(input, other), base=math.e)  # type: ignore[arg-type, misc]


@op(methods="logaddexp2", pointwise=True)
def logaddexp2(input: Tensor, other: Tensor) -> Tensor:
    """log2(2**input + 2**other), without overflow.

    >>> import alight as torch
    >>> torch.logaddexp2(torch.tensor([1000.]), torch.tensor([1000.]))
    tensor([1001.])
    """
    return _log_add(*promoted(input, other), base=2.0)  # type: ignore[arg-type, misc]


def _log_add(x: Tensor, y: Tensor, base: float) -> Tensor:
    """The larger one plus log(1 + base ** -|x - y|); equal infinities stay (their difference is NaN)."""
    factor = math.log(base)
    start = len(x.builder.nodes)
    tail = p.Log1p(p.Exp(-p.Abs(x - y) * factor)) * (1 / factor)
    infinite = p.And(p.Equal(x, y), equal(p.Abs(x), INF))
    out = where(infinite, x, p.Maximum(x, y) + tail)

    def rule(ct: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return ct / (1 + p.Exp((y - x) * factor)), ct / (1 + p.Exp((x - y) * factor))

    return with_vjp(rule, out, start, x, y)


@op(methods="xlogy", inplace="xlogy_", pointwise=True)
def xlogy(input: Operand, other: Operand) -> Tensor:
    """input * log(other), 0 where input is 0 (NaN where other is).

    >>> import alight as torch
    >>> torch.xlogy(torch.tensor([0., 2.]), torch.tensor([0., 1.]))
    tensor([0., 0.])
    """
    x, y = promoted(input, other, to_float=True)
    return _x_times(x, p.Log(y), y, lambda y: y)


def _x_times(x: Tensor, factor: Tensor, y: Tensor, denominator: Any) -> Tensor:
    """x * factor(y) that is 0 where x is 0 and y a number; the factor is log(y) or log1p(y)."""
    start = len(x.builder.nodes)
    zero = p.And(equal(x, 0), p.Not(p.IsNan(y)))
    out = where(zero, 0, x * factor)

    def rule(ct: Tensor, out: Tensor, x: Tensor, y: Tensor, factor: Tensor) -> tuple[Any, ...]:
        zero = p.And(equal(x, 0), p.LessEqual(denominator(y), zeros_like(y)))
        return where(zero, 0, ct * factor), ct * x / denominator(y), None

    return with_vjp(rule, out, start, x, y, factor)


# -- trigonometric and hyperbolic functions ----------------------------------------------------------------------------


@op(methods="sin", inplace="sin_", pointwise=True)
def sin(input: Tensor) -> Tensor:
    """Sine of input in radians.

    >>> import alight as torch
    >>> torch.sin(torch.tensor([0., 1.5707964]))
    tensor([0., 1.])
    """
    return p.Sin(to_float(input))


@op(methods="cos", inplace="cos_", pointwise=True)
def cos(input: Tensor) -> Tensor:
    """Cosine of input in radians.

    >>> import alight as torch
    >>> torch.cos(torch.tensor([0., 1.]))
    tensor([1.0000, 0.5403])
    """
    return p.Cos(to_float(input))


@op(methods="tan", inplace="tan_", pointwise=True)
def tan(input: Tensor) -> Tensor:
    """Tangent of input in radians.

    >>> import alight as torch
    >>> torch.tan(torch.tensor([0., 1.]))
    tensor([0.0000, 1.5574])
    """
    return p.Tan(to_float(input))


@op(methods="asin arcsin", inplace="asin_ arcsin_", functions="asin arcsin", pointwise=True)
def asin(input: Tensor) -> Tensor:
    """Inverse sine, in radians.

    >>> import alight as torch
    >>> torch.asin(torch.tensor([0., 1.]))
    tensor([0.0000, 1.5708])
    """
    return p.Asin(to_float(input))


@op(methods="acos arccos", inplace="acos_ arccos_", functions="acos arccos", pointwise=True)
def acos(input: Tensor) -> Tensor:
    """Inverse cosine, in radians.

    >>> import alight as torch
    >>> torch.acos(torch.tensor([0., 1.]))
    tensor([1.5708, 0.0000])
    """
    return p.Acos(to_float(input))


@op(methods="atan arctan", inplace="atan_ arctan_", functions="atan arctan", pointwise=True)
def atan(input: Tensor) -> Tensor:
    """Inverse tangent, in radians.

    >>> import alight as torch
    >>> torch.atan(torch.tensor([0., 1.]))
    tensor([0.0000, 0.7854])
    """
    return p.Atan(to_float(input))


@op(methods="atan2 arctan2", inplace="atan2_ arctan2_", functions="atan2 arctan2", pointwise=True)
def atan2(input: Tensor, other: Tensor) -> Tensor:
    """The angle of the point (other, input), in radians from -pi to pi.

    >>> import alight as torch
    >>> torch.atan2(torch.tensor([1.]), torch.tensor([-1.]))
    tensor([2.3562])
    """
    y, x = promoted(input, other, to_float=True)
    return p.Atan2(y, x)


@op(methods="hypot", inplace="hypot_", pointwise=True)
def hypot(input: Tensor, other: Tensor) -> Tensor:
    """sqrt(input² + other²), without overflow on the way.

    >>> import alight as torch
    >>> torch.hypot(torch.tensor([3.]), torch.tensor([4.]))
    tensor([5.])
    """
    x, y = promoted(input, other)
    start = len(x.builder.nodes)
    a, b = p.Abs(x), p.Abs(y)
    large, small = p.Maximum(a, b), p.Minimum(a, b)
    ratio = where(p.Or(equal(large, 0), equal(large, INF)), 0, small / large)
    out = large * p.Sqrt(ratio * ratio + 1)

    def rule(ct: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        return ct * (x / out), ct * (y / out)

    return with_vjp(rule, out, start, x, y)


@op(methods="sinh", inplace="sinh_", pointwise=True)
def sinh(input: Tensor) -> Tensor:
    """Hyperbolic sine.

    >>> import alight as torch
    >>> torch.sinh(torch.tensor([0., 1.]))
    tensor([0.0000, 1.1752])
    """
    return p.Sinh(to_float(input))


@op(methods="cosh", inplace="cosh_", pointwise=True)
def cosh(input: Tensor) -> Tensor:
    """Hyperbolic cosine.

    >>> import alight as torch
    >>> torch.cosh(torch.tensor([0., 1.]))
    tensor([1.0000, 1.5431])
    """
    return p.Cosh(to_float(input))


@op(methods="tanh", inplace="tanh_", F="tanh", functions="tanh", pointwise=True)
def tanh(input: Tensor) -> Tensor:
    """Hyperbolic tangent.

    >>> import alight as torch
    >>> torch.tanh(torch.tensor([0., 1.]))
    tensor([0.0000, 0.7616])
    """
    return p.Tanh(to_float(input))


@op(methods="asinh arcsinh", inplace="asinh_ arcsinh_", functions="asinh arcsinh", pointwise=True)
def asinh(input: Tensor) -> Tensor:
    """Inverse hyperbolic sine.

    >>> import alight as torch
    >>> torch.asinh(torch.tensor([0., 1.]))
    tensor([0.0000, 0.8814])
    """
    return p.Asinh(to_float(input))


@op(methods="acosh arccosh", inplace="acosh_ arccosh_", functions="acosh arccosh", pointwise=True)
def acosh(input: Tensor) -> Tensor:
    """Inverse hyperbolic cosine.

    >>> import alight as torch
    >>> torch.acosh(torch.tensor([1., 2.]))
    tensor([0.0000, 1.3170])
    """
    return p.Acosh(to_float(input))


@op(methods="atanh arctanh", inplace="atanh_ arctanh_", functions="atanh arctanh", pointwise=True)
def atanh(input: Tensor) -> Tensor:
    """Inverse hyperbolic tangent.

    >>> import alight as torch
    >>> torch.atanh(torch.tensor([0., 0.5]))
    tensor([0.0000, 0.5493])
    """
    return p.Atanh(to_float(input))


@op(methods="sinc", inplace="sinc_", pointwise=True)
def sinc(input: Tensor) -> Tensor:
    """sin(pi x) / (pi x), 1 at 0.

    >>> import alight as torch
    >>> torch.sinc(torch.tensor([0., 0.5]))
    tensor([1.0000, 0.6366])
    """
    x = to_float(input) * math.pi
    start = len(x.builder.nodes)
    zero = equal(x, 0)
    out = where(zero, 1, p.Sin(x) / where(zero, 1, x))

    def rule(ct: Tensor, out: Tensor, x: Tensor) -> Tensor:
        zero = equal(x, 0)
        partial = where(zero, 0, (p.Cos(x) - out) / where(zero, 1, x))
        return ct * (p.Conj(partial) if x.dtype.is_complex else partial)

    return with_vjp(rule, out, start, x)


@op(methods="deg2rad", inplace="deg2rad_", pointwise=True)
def deg2rad(input: Tensor) -> Tensor:
    """Degrees to radians.

    >>> import alight as torch
    >>> torch.deg2rad(torch.tensor([180., 90.]))
    tensor([3.1416, 1.5708])
    """
    return _angle(input, math.pi / 180)


@op(methods="rad2deg", inplace="rad2deg_", pointwise=True)
def rad2deg(input: Tensor) -> Tensor:
    """Radians to degrees.

    >>> import alight as torch
    >>> torch.rad2deg(torch.tensor([3.14159265]))
    tensor([180.])
    """
    return _angle(input, 180 / math.pi)


def _angle(x: Tensor, factor: float) -> Tensor:
    if x.dtype.is_complex:
        fail(
            RuntimeError,
            "deg2rad is not supported for complex tensors."
            if factor < 1
            else "rad2deg is not supported for complex tensors.",
        )
    return to_float(x) * factor


# -- the error function, the logistic function, the gamma function -------------------------------------------------------


@op(methods="erf", inplace="erf_", pointwise=True)
def erf(input: Tensor) -> Tensor:
    """Error function: 2 / sqrt(pi) times the integral of exp(-t²) from 0 to input.

    >>> import alight as torch
    >>> torch.erf(torch.tensor([0., 1.]))
    tensor([0.0000, 0.8427])
    """
    return p.Erf(to_float(input))


@op(methods="erfc", inplace="erfc_", pointwise=True)
def erfc(input: Tensor) -> Tensor:
    """1 - erf(input), exact where that is small.

    >>> import alight as torch
    >>> torch.erfc(torch.tensor([0., 1.]))
    tensor([1.0000, 0.1573])
    """
    return p.Erfc(to_float(input))


@op(methods="erfinv", inplace="erfinv_", pointwise=True)
def erfinv(input: Tensor) -> Tensor:
    """Inverse of the error function.

    >>> import alight as torch
    >>> torch.erfinv(torch.tensor([0., 0.5]))
    tensor([0.0000, 0.4769])
    """
    return p.Erfinv(to_float(input))


@op(methods="sigmoid", inplace="sigmoid_", F="sigmoid", functions="sigmoid", pointwise=True)
def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-input)).

    >>> import alight as torch
    >>> torch.sigmoid(torch.tensor([0., 2.]))
    tensor([0.5000, 0.8808])
    """
    return p.Sigmoid(to_float(input))


@sigmoid.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    partial = out * (1 - out)
    return ct * (p.Conj(partial) if out.dtype.is_complex else partial)


@op(methods="logit", inplace="logit_", pointwise=True)
def logit(input: Tensor, eps: Scalar | None = None) -> Tensor:
    """log(input / (1 - input)), with input first brought between eps and 1 - eps if eps is given.

    >>> import alight as torch
    >>> torch.logit(torch.tensor([0.5, 0.9]))
    tensor([0.0000, 2.1972])
    """
    x = to_float(input)
    if eps is None:
        return _logit(x)
    low = as_value(eps, x, x.dtype)
    x, low, high = broadcast_all(x, low, 1 - low)
    start = len(x.builder.nodes)
    out = _logit(p.Minimum(p.Maximum(x, low), high))

    def rule(ct: Tensor, out: Tensor, x: Tensor, low: Tensor, high: Tensor) -> tuple[Any, ...]:
        inside = p.And(p.LessEqual(low, x), p.LessEqual(x, high))
        return where(inside, ct / (x * (1 - x)), 0), None, None

    return with_vjp(rule, out, start, x, low, high)


def _logit(x: Tensor) -> Tensor:
    start = len(x.builder.nodes)
    return with_vjp(lambda ct, out, x: ct / (x * (1 - x)), p.Log(x / (1 - x)), start, x)


@op(methods="relu", inplace="relu_", F="relu", functions="relu", pointwise=True)
def relu(input: Tensor) -> Tensor:
    """The larger of input and 0.

    >>> import alight as torch
    >>> torch.relu(torch.tensor([-1., 2.]))
    tensor([0., 2.])
    """
    return p.Maximum(input, zeros_like(input))


@relu.vjp
def _(ct: Tensor, out: Tensor, input: Tensor) -> Tensor:
    return where(zeros_like(out) < out, ct, 0)  # PyTorch's choice at 0 is 0; out is what it keeps


@op(methods="lgamma", inplace="lgamma_", pointwise=True)
def lgamma(input: Tensor) -> Tensor:
    """Logarithm of the absolute value of the gamma function.

    >>> import alight as torch
    >>> torch.lgamma(torch.tensor([1., 4.]))
    tensor([0.0000, 1.7918])
    """
    return p.Lgamma(to_float(input))


@op(methods="digamma", inplace="digamma_", pointwise=True)
def digamma(input: Tensor) -> Tensor:
    """Derivative of lgamma.

    >>> import alight as torch
    >>> torch.digamma(torch.tensor([1., 4.]))
    tensor([-0.5772,  1.2561])
    """
    return p.Digamma(to_float(input))


@op()
def polygamma(n: int, input: Tensor) -> Tensor:
    """Derivative number n of digamma.

    Shapes: any, kept.
    Errors: RuntimeError for negative n.

    >>> import alight as torch
    >>> torch.polygamma(1, torch.tensor([1., 2.]))
    tensor([1.6449, 0.6449])
    """
    if n < 0:
        fail(RuntimeError, "polygamma(n, x) does not support negative n.")
    x = to_float(input)
    return p.Digamma(x) if n == 0 else p.Polygamma(x, order=n)


@function("", methods="polygamma")
def _polygamma_method(input: Any, n: int) -> Any:
    """Derivative number n of digamma.

    Shapes: any, kept.
    Errors: RuntimeError for negative n.

    >>> import alight as torch
    >>> torch.tensor([1., 2.]).polygamma(1)
    tensor([1.6449, 0.6449])
    """
    return polygamma(n, input)


@op(methods="mvlgamma", inplace="mvlgamma_", pointwise=True)
def mvlgamma(input: Tensor, p: int) -> Tensor:
    """Logarithm of the multivariate gamma function of dimension p.

    Errors: RuntimeError for p below 1.

    >>> import alight as torch
    >>> torch.mvlgamma(torch.tensor([3., 4.]), 2)
    tensor([1.5502, 3.5651])
    """
    if p < 1:
        fail(RuntimeError, "p has to be greater than or equal to 1")
    return _mvlgamma(to_float(input), p)


def _mvlgamma(x: Tensor, dimension: int) -> Tensor:
    total = constant(x, dimension * (dimension - 1) / 4 * math.log(math.pi), x.shape)
    for i in range(dimension):
        total = total + p.Lgamma(x - i / 2)
    return total


__all__ = [name for name in dir() if name[0] != "_"]
