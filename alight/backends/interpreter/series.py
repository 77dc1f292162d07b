"""Kernels of alight.primitives.series: sums taken until no element needs another term, in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alight.backends.interpreter.arrays import Array, numpy_dtype, round_bfloat16
from alight.backends.interpreter.builder import scalar_function
from alight.backends.interpreter.kernels import Kernel, kernel
from alight.dtypes import bfloat16, float64
from alight.ir.types import Type

Types = Sequence[Type]
Statics = dict[str, Any]


def _in_double(types_out: Types, function: Callable[..., Array]) -> Kernel:
    """`function` of float64 arrays, its result in the dtype of the output."""
    of = types_out[0].dtype
    target = numpy_dtype(of)

    def run(*arrays: Array) -> Array:
        with np.errstate(all="ignore"):
            result = function(*(a.astype(np.float64) for a in arrays)).astype(target, copy=False)
        return round_bfloat16(result) if of is bfloat16 else result

    return run


# -- polynomials -------------------------------------------------------------------------------------------------------

# Number 1 as (factor of x, constant), and from k and k - 1 to k + 1: factor of x, constant, factor of number k - 1.
# NIST Handbook 18.9.
_CHEBYSHEV: Callable[[int], tuple[float, float, float]] = lambda k: (2.0, 0.0, 1.0)  # noqa: E731
_FAMILIES: dict[str, tuple[tuple[float, float], Callable[[int], tuple[float, float, float]]]] = {
    "chebyshev_t": ((1, 0), _CHEBYSHEV),
    "chebyshev_u": ((2, 0), _CHEBYSHEV),
    "chebyshev_v": ((2, -1), _CHEBYSHEV),
    "chebyshev_w": ((2, 1), _CHEBYSHEV),
    "hermite_h": ((2, 0), lambda k: (2.0, 0.0, 2.0 * k)),
    "hermite_he": ((1, 0), lambda k: (1.0, 0.0, float(k))),
    "laguerre_l": ((-1, 1), lambda k: (-1 / (k + 1), (2 * k + 1) / (k + 1), k / (k + 1))),
    "legendre_p": ((1, 0), lambda k: ((2 * k + 1) / (k + 1), 0.0, k / (k + 1))),
}


# Chebyshev polynomials at cos(t): the recurrence is not walked for long.
_LONG = 1000
_WAVES: dict[str, Callable[[Array, Array], Array]] = {
    "chebyshev_t": lambda n, t: np.cos(n * t),
    "chebyshev_u": lambda n, t: np.sin((n + 1) * t) / np.sin(t),
    "chebyshev_v": lambda n, t: np.cos((n + 0.5) * t) / np.cos(t / 2),
    "chebyshev_w": lambda n, t: np.sin((n + 0.5) * t) / np.sin(t / 2),
}


@kernel("orthogonal_polynomial")
def orthogonal_polynomial(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """The recurrence of three terms, differentiated `order` times."""
    family, order = statics["family"], statics["order"]
    shifted = family.startswith("shifted_")
    kind = family.removeprefix("shifted_")
    (slope, start), step = _FAMILIES[kind]

    def function(x: Array, n: Array) -> Array:
        place = 2 * x - 1 if shifted else x
        count = np.trunc(n)
        one, nothing = np.ones_like(x), np.zeros_like(x)
        before = [one, *[nothing] * order]  # the derivatives 0 to `order` of number k - 1
        last = [slope * place + start, slope * one, *[nothing] * order][: order + 1]
        result = np.where(count == 0, before[order], np.where(count == 1, last[order], 0.0))
        result = np.where(np.isfinite(n), result, np.nan)
        long = np.zeros(x.shape, bool)
        if order == 0 and kind in _WAVES:
            long = (count > _LONG) & (np.abs(place) < 1)
            result = np.where(
                long, _WAVES[kind](count, np.arccos(np.where(long, place, 0))), result
            )
        largest = np.max(count, initial=0, where=np.isfinite(n) & ~long)
        for k in range(1, int(largest)):
            a, c, back = step(k)
            lower = [nothing, *last]
            made = [
                (a * place + c) * last[d] + d * a * lower[d] - back * before[d]
                for d in range(order + 1)
            ]
            before, last = last, made
            result = np.where((count == k + 1) & ~long, made[order], result)
        return result * 2.0**order if shifted else result

    return _in_double(types_out, function)


# -- zeta --------------------------------------------------------------------------------------------------------------

# B(2k) / (2k)!, with Bernoulli's numbers B.
_EULER_MACLAURIN = (
    1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160, -691 / 1307674368000, 1 / 74724249600,
    -3617 / 10670622842880000,
)  # fmt: skip


@kernel("hurwitz_zeta")
def hurwitz_zeta(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """From its values at positive q: below 0, where s must be whole, terms on both sides of 0 are two such sums."""

    def function(s: Array, q: Array) -> Array:
        s, q = np.broadcast_arrays(s, q)
        above = np.where(q > 0, q, q - np.floor(q))  # the first term above 0
        total = _zeta_of_positive(s, above)
        below = q < 0
        if below.any():
            first, last = np.where(below, 1 - above, 1.0), np.where(below, 1 - q, 1.0)
            mirrored = _zeta_of_positive(s, first) - _zeta_of_positive(s, last)
            sign = np.where(s % 2 == 0, 1.0, -1.0)
            total = np.where(below, total + sign * mirrored, total)
        whole = q == np.floor(q)
        total = np.where((q <= 0) & whole, np.inf, total)
        total = np.where((q <= 0) & ~whole & (s != np.floor(s)), np.nan, total)
        return np.where(s == 1, np.inf, np.where(s < 1, np.nan, total))

    return _in_double(types_out, function)


def _zeta_of_positive(s: Array, q: Array) -> Array:
    """Terms up to q + k = 2 s (12 at least), and the Euler-Maclaurin formula for the others: NIST Handbook 25.11.5."""
    total, end = np.zeros_like(q), q.copy()
    enough = np.clip(2 * np.nan_to_num(s), 12, 400)
    while (early := end < enough).any():
        total = np.where(early, total + end**-s, total)
        end = np.where(early, end + 1, end)
    power = end**-s
    total = total + power * end / (s - 1) + power / 2
    rising, power = s, power / end
    for k, number in enumerate(_EULER_MACLAURIN):
        total = total + number * rising * power
        rising = rising * (s + 2 * k + 1) * (s + 2 * k + 2)
        power = power / (end * end)
    return np.where(q == np.inf, 0.0, total)


# -- incomplete gamma --------------------------------------------------------------------------------------------------

_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360)
_MOST_TERMS = 100_000


@kernel("igamma")
def igamma(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """The power series of P below a + 1, the continued fraction of Q above: NIST Handbook 8.7.1 and 8.9.2."""
    upper = statics["upper"]

    def function(a: Array, x: Array) -> Array:
        a, x = np.broadcast_arrays(a, x)
        good = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
        safe_a, safe_x = np.where(good, a, 1.0), np.where(good, x, 1.0)
        low = safe_x < safe_a + 1
        factor = _power_over_gamma(safe_a, safe_x)
        part = factor * np.where(low, _series(safe_a, safe_x, low), _fraction(safe_a, safe_x, ~low))
        result = np.where(low != upper, part, 1 - part)
        none, all_ = (1.0, 0.0) if upper else (0.0, 1.0)  # at x = 0, and at infinity
        result = np.where(x == 0, none, np.where(np.isinf(x) | (a == 0), all_, result))
        result = np.where(np.isinf(a), np.where(np.isinf(x), np.nan, none), result)
        wrong = (a < 0) | (x < 0) | ((a == 0) & (x == 0)) | np.isnan(a) | np.isnan(x)
        return np.where(wrong, np.nan, result)

    return _in_double(types_out, function)


def _power_over_gamma(a: Array, x: Array) -> Array:
    """x^a exp(-x) / gamma(a + 1); for large a through the distance of x from a, which keeps the digits."""
    from alight.primitives.functions import Lgamma

    plain = np.exp(a * np.log(x) - x - scalar_function(Lgamma, (float64,), {})(a + 1))
    large = np.maximum(a, 10.0)
    distance = (x - large) / large
    rest = sum(c / large ** (2 * k + 1) for k, c in enumerate(_STIRLING))
    scaled = np.exp(large * (np.log1p(distance) - distance) - rest) / np.sqrt(2 * np.pi * large)
    return np.where(a < 10, plain, scaled)


def _series(a: Array, x: Array, needed: Array) -> Array:
    """1 + x / (a + 1) + x^2 / ((a + 1) (a + 2)) + ..."""
    term, total = np.ones_like(a), np.ones_like(a)
    for k in range(1, _MOST_TERMS):
        term = np.where(needed, term * (x / (a + k)), 0.0)
        total = total + term
        if not (term > total * 1e-17).any():
            break
    return total


def _fraction(a: Array, x: Array, needed: Array) -> Array:
    """a times 1 / (x + 1 - a - 1 (1 - a) / (x + 3 - a - ...)), by Lentz's method."""
    tiny = 1e-300
    x = np.where(needed, x, a + 2)
    b = x + 1 - a
    c, d = np.full_like(a, 1 / tiny), 1 / b
    total, pending = d, needed
    for k in range(1, _MOST_TERMS):
        numerator = -k * (k - a)
        b = b + 2
        d = numerator * d + b
        d = 1 / np.where(np.abs(d) < tiny, tiny, d)
        c = b + numerator / c
        c = np.where(np.abs(c) < tiny, tiny, c)
        total = np.where(pending, total * (d * c), total)
        pending = pending & (np.abs(d * c - 1) > 4e-16)
        if not pending.any():
            break
    return a * total


@kernel("gcd")
def gcd(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """NumPy's."""
    return np.gcd
