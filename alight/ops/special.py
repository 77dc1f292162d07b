"""torch.special: what it has beside the functions that `torch` has under other names (see alight/special.py).

Integers and bools become the default floating-point dtype first.
"""

from __future__ import annotations

import math
from typing import Any

from alight import primitives as p
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import promoted, to_float
from alight.ops.docstrings import derived_docstring, with_example
from alight.ops.functions import _x_times, polygamma
from alight.ops.operation import Declared, function, op, with_vjp
from alight.primitives import bessel_functions, series
from alight.primitives.arithmetic import equal, where, zeros_like

Operand = Any
_SQRT_HALF = math.sqrt(0.5)


# -- entropy and the normal distribution -------------------------------------------------------------------------------


@op(special="entr", pointwise=True)
def special_entr(input: Tensor) -> Tensor:
    """-input * log(input): 0 at 0, -infinity below.

    >>> import alight as torch
    >>> torch.special.entr(torch.tensor([0., 1., -1.]))
    tensor([0., -0., -inf])
    """
    x = to_float(input)
    start = len(x.builder.nodes)
    zero = zeros_like(x)
    out = where(zero < x, -x * p.Log(x), where(equal(x, 0), zero, -math.inf))
    out = p.Select(p.IsNan(x), x, out)
    return with_vjp(lambda ct, out, x: ct * (-1 - p.Log(x)), out, start, x)


@op(special="erfcx", pointwise=True)
def special_erfcx(input: Tensor) -> Tensor:
    """exp(input^2) * erfc(input), which decays slowly.

    >>> import alight as torch
    >>> torch.special.erfcx(torch.tensor([0.5, 2.]))
    tensor([0.6157, 0.2554])
    """
    return p.Erfcx(to_float(input))


@op(special="ndtr", pointwise=True)
def special_ndtr(input: Tensor) -> Tensor:
    """The probability that a standard normal number is below input.

    >>> import alight as torch
    >>> torch.special.ndtr(torch.tensor([-1., 0., 1.]))
    tensor([0.1587, 0.5000, 0.8413])
    """
    return p.Erfc(to_float(input) * -_SQRT_HALF) * 0.5


@op(special="ndtri", pointwise=True)
def special_ndtri(input: Tensor) -> Tensor:
    """The inverse of `ndtr`.

    >>> import alight as torch
    >>> torch.special.ndtri(torch.tensor([0.5, 0.9]))
    tensor([0.0000, 1.2816])
    """
    return p.Ndtri(to_float(input))


@op(special="log_ndtr", pointwise=True)
def special_log_ndtr(input: Tensor) -> Tensor:
    """log(ndtr(input)), exact far below 0.

    >>> import alight as torch
    >>> torch.special.log_ndtr(torch.tensor([0., -20.]))
    tensor([  -0.6931, -203.9172])
    """
    x = to_float(input)
    start = len(x.builder.nodes)
    z = x * _SQRT_HALF
    low = z < -1.0
    left = p.Log(p.Erfcx(where(low, -z, 1)) * 0.5) - z * z
    right = p.Log1p(p.Erfc(where(low, 1, z)) * -0.5)
    out = where(low, left, right)

    def rule(ct: Tensor, out: Tensor, x: Tensor) -> Tensor:
        return ct / p.Erfcx(x * -_SQRT_HALF) * math.sqrt(2 / math.pi)

    return with_vjp(rule, out, start, x)


@op(special="xlog1py", pointwise=True)
def special_xlog1py(input: Operand, other: Operand) -> Tensor:
    """input * log1p(other), 0 where input is 0 (NaN where other is).

    >>> import alight as torch
    >>> torch.special.xlog1py(torch.tensor([0., 2.]), torch.tensor([3., 1.]))
    tensor([0.0000, 1.3863])
    """
    x, y = promoted(input, other, to_float=True)
    return _x_times(x, p.Log1p(y), y, lambda y: y + 1)


# -- gamma and zeta ----------------------------------------------------------------------------------------------------


@op(special="zeta", pointwise=True)
def special_zeta(input: Operand, other: Operand) -> Tensor:
    """Hurwitz's zeta function: the sum of (k + other) ** -input over k from 0 on.

    >>> import alight as torch
    >>> torch.special.zeta(torch.tensor([2.]), torch.tensor([1.]))
    tensor([1.6449])
    """
    s, q = promoted(input, other, to_float=True)
    start = len(s.builder.nodes)
    out = series.HurwitzZeta(s, q)
    return _without_gradient_in(input, "zeta", out, start, s, q)


def _without_gradient_in(
    given: Any, what: str, out: Tensor, start: int, first: Tensor, second: Tensor
) -> Tensor:
    """As PyTorch: an error in the backward pass if the first argument takes gradients."""
    meta = getattr(given, "meta", None)
    if meta is None or not meta.requires_grad:
        return out

    def rule(ct: Tensor, out: Tensor, first: Tensor, second: Tensor) -> Tensor:
        fail(
            NotImplementedError,
            f"the derivative for '{what}' is not implemented.",
            facts=["its gradient is known in the second argument only"],
            try_="input.detach()",
        )

    return with_vjp(rule, out, start, first, second)


def _incomplete_gamma(name: str, input: Tensor, other: Tensor, upper: bool) -> Tensor:
    a, x = promoted(input, other)
    if not a.dtype.is_floating_point:
        from alight.ops.pointwise import unsupported

        unsupported(f"{name}_cpu", a)
    start = len(a.builder.nodes)
    out = series.Igamma(a, x, upper=upper)
    return _without_gradient_in(input, f"{name}: input", out, start, a, x)


@op("igamma", special="gammainc", methods="igamma", inplace="igamma_", pointwise=True)
def igamma(input: Tensor, other: Tensor) -> Tensor:
    """The regularized lower incomplete gamma function P(input, other).

    >>> import alight as torch
    >>> torch.special.gammainc(torch.tensor([4.]), torch.tensor([3.]))
    tensor([0.3528])
    """
    return _incomplete_gamma("igamma", input, other, False)


@op("igammac", special="gammaincc", methods="igammac", inplace="igammac_", pointwise=True)
def igammac(input: Tensor, other: Tensor) -> Tensor:
    """The regularized upper incomplete gamma function, 1 - igamma(input, other).

    >>> import alight as torch
    >>> torch.igammac(torch.tensor([4.]), torch.tensor([3.]))
    tensor([0.6472])
    """
    return _incomplete_gamma("igammac", input, other, True)


@function("", methods="polygamma_")
def polygamma_(self: Any, n: int) -> Any:
    return self.copy_(polygamma(n, self))


polygamma_.__doc__ = derived_docstring("`polygamma` written into the tensor.", polygamma.__doc__)


# -- Bessel and Airy functions -----------------------------------------------------------------------------------------


@op("i0", special="i0", methods="i0", inplace="i0_", pointwise=True)
def i0(input: Tensor) -> Tensor:
    """The modified Bessel function of the first kind, of order 0.

    >>> import alight as torch
    >>> torch.i0(torch.tensor([0., 1.]))
    tensor([1.0000, 1.2661])
    """
    return bessel_functions.BesselI0(to_float(input))


def _bessel_or_airy(name: str, primitive: Any, doc: str, shown: str, **statics: Any) -> Declared:
    """`shown` is what the function prints at 0.5 and 2."""

    def body(input: Tensor) -> Tensor:
        return primitive(to_float(input), **statics)

    if name not in ("i0e", "i1", "i1e"):
        doc += "\n\nDiffers: it has a gradient, which PyTorch does not give."
    call = f"torch.special.{name}(torch.tensor([0.5, 2.]))"
    body.__name__, body.__doc__ = f"special_{name}", with_example(doc, call, f"tensor([{shown}])")
    return op(special=name, pointwise=True)(body)


_FIRST, _SECOND = "Bessel function of the first kind", "Bessel function of the second kind"
special_i0e = _bessel_or_airy(
    "i0e", bessel_functions.ScaledBesselI0, "exp(-|input|) * i0(input).", "0.6450, 0.3085"
)
special_i1 = _bessel_or_airy(
    "i1", bessel_functions.BesselI1, f"The modified {_FIRST}, of order 1.", "0.2579, 1.5906"
)
special_i1e = _bessel_or_airy(
    "i1e", bessel_functions.ScaledBesselI1, "exp(-|input|) * i1(input).", "0.1564, 0.2153"
)
bessel_j0 = _bessel_or_airy(
    "bessel_j0", bessel_functions.BesselJ0, f"The {_FIRST}, of order 0.", "0.9385, 0.2239"
)
bessel_j1 = _bessel_or_airy(
    "bessel_j1", bessel_functions.BesselJ1, f"The {_FIRST}, of order 1.", "0.2423, 0.5767"
)
bessel_y0 = _bessel_or_airy(
    "bessel_y0", bessel_functions.BesselY0, f"The {_SECOND}, of order 0.", "-0.4445,  0.5104"
)
bessel_y1 = _bessel_or_airy(
    "bessel_y1", bessel_functions.BesselY1, f"The {_SECOND}, of order 1.", "-1.4715, -0.1070"
)
modified_bessel_i0 = _bessel_or_airy(
    "modified_bessel_i0",
    bessel_functions.BesselI0,
    f"The modified {_FIRST}, of order 0.",
    "1.0635, 2.2796",
)
modified_bessel_i1 = _bessel_or_airy(
    "modified_bessel_i1",
    bessel_functions.BesselI1,
    f"The modified {_FIRST}, of order 1.",
    "0.2579, 1.5906",
)
modified_bessel_k0 = _bessel_or_airy(
    "modified_bessel_k0",
    bessel_functions.BesselK0,
    f"The modified {_SECOND}, of order 0.",
    "0.9244, 0.1139",
)
modified_bessel_k1 = _bessel_or_airy(
    "modified_bessel_k1",
    bessel_functions.BesselK1,
    f"The modified {_SECOND}, of order 1.",
    "1.6564, 0.1399",
)
scaled_modified_bessel_k0 = _bessel_or_airy(
    "scaled_modified_bessel_k0",
    bessel_functions.ScaledBesselK0,
    "exp(input) * modified_bessel_k0(input).",
    "1.5241, 0.8416",
)
scaled_modified_bessel_k1 = _bessel_or_airy(
    "scaled_modified_bessel_k1",
    bessel_functions.ScaledBesselK1,
    "exp(input) * modified_bessel_k1(input).",
    "2.7310, 1.0335",
)
airy_ai = _bessel_or_airy(
    "airy_ai", bessel_functions.AiryAi, "The Airy function Ai.", "0.2317, 0.0349", order=0
)


@op(special="spherical_bessel_j0", pointwise=True)
def spherical_bessel_j0(input: Tensor) -> Tensor:
    """The spherical Bessel function of order 0, sin(input) / input.

    >>> import alight as torch
    >>> torch.special.spherical_bessel_j0(torch.tensor([0., 2.]))
    tensor([1.0000, 0.4546])
    """
    x = to_float(input)
    zero = equal(x, 0)
    infinite = equal(p.Abs(x), math.inf)
    return where(infinite, 0, where(zero, 1, p.Sin(x) / where(zero, 1, x)))


# -- orthogonal polynomials --------------------------------------------------------------------------------------------


def _polynomial(family: str, doc: str, shown: str) -> Declared:
    """`shown` is what the polynomial of degree 3 prints at 0.25 and 2."""

    def body(input: Operand, n: Operand) -> Tensor:
        x, number = promoted(input, n, to_float=True)
        return series.OrthogonalPolynomial(x, number, family=family, order=0)

    first, second = family.rsplit("_", 1)
    name = f"{first}_polynomial_{second}"
    body.__name__ = name
    doc += "\n\nDiffers: it has a gradient in input, which PyTorch does not give."
    call = f"torch.special.{name}(torch.tensor([0.25, 2.]), 3)"
    body.__doc__ = with_example(doc, call, f"tensor([{shown}])")
    return op(special=name, pointwise=True)(body)


chebyshev_polynomial_t = _polynomial(
    "chebyshev_t", "Chebyshev polynomial T of degree n.", "-0.6875, 26.0000"
)
chebyshev_polynomial_u = _polynomial(
    "chebyshev_u", "Chebyshev polynomial U of degree n.", "-0.8750, 56.0000"
)
chebyshev_polynomial_v = _polynomial(
    "chebyshev_v", "Chebyshev polynomial V of degree n.", "-0.1250, 41.0000"
)
chebyshev_polynomial_w = _polynomial(
    "chebyshev_w", "Chebyshev polynomial W of degree n.", "-1.6250, 71.0000"
)
shifted_chebyshev_polynomial_t = _polynomial(
    "shifted_chebyshev_t", "T of 2 * input - 1.", " 1., 99."
)
shifted_chebyshev_polynomial_u = _polynomial(
    "shifted_chebyshev_u", "U of 2 * input - 1.", "  1., 204."
)
shifted_chebyshev_polynomial_v = _polynomial(
    "shifted_chebyshev_v", "V of 2 * input - 1.", "  1., 169."
)
shifted_chebyshev_polynomial_w = _polynomial(
    "shifted_chebyshev_w", "W of 2 * input - 1.", "  1., 239."
)
hermite_polynomial_h = _polynomial(
    "hermite_h", "Physicists' Hermite polynomial of degree n.", "-2.8750, 40.0000"
)
hermite_polynomial_he = _polynomial(
    "hermite_he", "Probabilists' Hermite polynomial of degree n.", "-0.7344,  2.0000"
)
laguerre_polynomial_l = _polynomial(
    "laguerre_l", "Laguerre polynomial of degree n.", " 0.3411, -0.3333"
)
legendre_polynomial_p = _polynomial(
    "legendre_p", "Legendre polynomial of degree n.", "-0.3359, 17.0000"
)

__all__ = [name for name in dir() if name[0] != "_"]
