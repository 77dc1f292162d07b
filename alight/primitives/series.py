"""Functions that are sums of as many terms as their arguments ask for: no neutral meaning, a backend finds them by name.

Orthogonal polynomials, Hurwitz's zeta function, the incomplete gamma functions, the greatest common divisor.
"""

from __future__ import annotations

from typing import Any

from alight.dtypes import FLOAT, INTEGER, dtype
from alight.ir.primitive import NONE, OPAQUE, Primitive, same_type
from alight.ir.program import Value
from alight.ir.types import Shape, Type
from alight.primitives.functions import Exp, Lgamma, Log

Pair = tuple[Shape, dtype]

FAMILIES = (
    "chebyshev_t", "chebyshev_u", "chebyshev_v", "chebyshev_w", "shifted_chebyshev_t", "shifted_chebyshev_u",
    "shifted_chebyshev_v", "shifted_chebyshev_w", "hermite_h", "hermite_he", "laguerre_l", "legendre_p",
)  # fmt: skip


class OrthogonalPolynomial(Primitive):
    """Derivative number `order` of polynomial number n (whole, not below 0; else 0) of a family of FAMILIES, at x."""

    kind, statics, accepts = OPAQUE, ("family", "order"), FLOAT

    def infer(x: Type, n: Type, *, family: str, order: int) -> Pair:
        return same_type(x, n)

    def vjp(
        ct: Value, out: Value, x: Value, n: Value, *, family: str, order: int
    ) -> tuple[Value, None]:
        return ct * OrthogonalPolynomial(x, n, family=family, order=order + 1), None


class HurwitzZeta(Primitive):
    """The sum of (q + k)^-s over k from 0 on, for s above 1; its gradient is that in q."""

    kind, accepts = OPAQUE, FLOAT
    infer: Any = same_type

    def vjp(ct: Value, out: Value, s: Value, q: Value) -> tuple[None, Value]:
        return None, -ct * s * HurwitzZeta(s + 1, q)


class Igamma(Primitive):
    """The regularized incomplete gamma function P(a, x), 1 - Q(a, x) if `upper`; its gradient is that in x."""

    kind, statics, accepts = OPAQUE, ("upper",), FLOAT

    def infer(a: Type, x: Type, *, upper: bool) -> Pair:
        return same_type(a, x)

    def vjp(ct: Value, out: Value, a: Value, x: Value, *, upper: bool) -> tuple[None, Value]:
        slope = Exp((a - 1) * Log(x) - x - Lgamma(a))
        return None, -ct * slope if upper else ct * slope


class Gcd(Primitive):
    """The greatest common divisor, never negative."""

    kind, accepts = OPAQUE, INTEGER
    infer: Any = same_type

    gradient = NONE
