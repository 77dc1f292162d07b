"""Kernels of alight.primitives.draws, in float64.

With F = integral of the density p from its start to x, and s(t) = d log p(t) / da, both
    dx/da = -integral from the start to x of s(t) p(t) / p(x) dt = integral from x to the end of the same.
Where an argument is small the series of F is differentiated term by term. Elsewhere the nearer integral is taken in
u = |log t - log x| (gamma) or |logit t - logit x| (beta): p falls there from its value at x as exp of a concave function.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alight.backends.interpreter.arrays import Array
from alight.backends.interpreter.builder import scalar_function
from alight.backends.interpreter.kernels import Kernel, kernel
from alight.backends.interpreter.series import Statics, Types, _in_double
from alight.dtypes import float64

_SMALL = 8.0  # concentrations up to here are done by series where these are short
_DEPTH = 42.0  # integrals end where the density has fallen by exp(-42)
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(72)
_MOST_TERMS = 2000

Curve = Callable[[Array], tuple[Array, Array]]  # u to the logarithm of the fall, and its derivative


def _digamma(x: Array) -> Array:
    from alight.primitives.functions import Digamma

    result: Array = scalar_function(Digamma, (float64,), {})(x)
    return result


def _sum(
    first: Array, ratio: Callable[[int], Array], factor: Array, step: Callable[[int], Array]
) -> Array:
    """The sum of term k times factor k, where terms grow by `ratio(k)` and factors by `step(k)`, from k on to k + 1."""
    term, total = first, first * factor
    for k in range(_MOST_TERMS):
        factor = factor + step(k)
        term = term * ratio(k)
        part = term * factor
        total = total + part
        if k > 8 and not (np.abs(part) > 1e-17 * np.abs(total)).any():
            break
    return total


def _integral(fall: Curve, start: Array, factor: Callable[[Array], Array]) -> Array:
    """The integral of exp(fall(u)) factor(u) over u from 0 on; at `start` the fall is deeper than _DEPTH."""
    end = start
    for _ in range(
        40
    ):  # Newton's method from the right of a concave function: no step goes too far
        value, slope = fall(end)
        step = (value + _DEPTH) / np.where(slope < 0, slope, -1.0)
        end = np.where(slope < 0, end - step, end)
        if not (np.abs(step) > 1e-3 * end).any():
            break
    total = np.zeros_like(start)
    for node, weight in zip(_NODES.tolist(), _WEIGHTS.tolist(), strict=True):
        u = end * ((node + 1) / 2)
        total = total + weight * np.exp(fall(u)[0]) * factor(u)
    return total * end / 2


def _by_parts(masks: list[Array], rules: list[Callable[..., Array]], *arguments: Array) -> Array:
    """Each rule where its mask is true; NaN where none is."""
    result = np.full(arguments[0].shape, np.nan)
    for mask, rule in zip(masks, rules, strict=True):
        if mask.any():
            result[mask] = rule(*(argument[mask] for argument in arguments))
    return result


# -- gamma -------------------------------------------------------------------------------------------------------------


@kernel("gamma_draw_slope")
def gamma_draw_slope(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """s(t) = log t - digamma(a)."""

    def function(a: Array, x: Array) -> Array:
        good = (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
        series = good & (a <= _SMALL) & (x <= a + 4)
        below = good & (a > _SMALL) & (x < a)
        masks = [series, below, good & ~series & ~below, x == 0]
        return _by_parts(
            masks,
            [_gamma_series, _gamma_below, _gamma_above, lambda a, x: x],
            *map(np.asarray, (a, x)),
        )

    return _in_double(types_out, function)


def _gamma_series(a: Array, x: Array) -> Array:
    """x sum x^k / (a ... (a + k)) (digamma(a + k + 1) - log x): NIST Handbook 8.7.1, differentiated."""
    return x * _sum(
        1 / a, lambda k: x / (a + k + 1), _digamma(a + 1) - np.log(x), lambda k: 1 / (a + k + 1)
    )


def _gamma_below(a: Array, x: Array) -> Array:
    base = _digamma(a) - np.log(x)
    fall: Curve = lambda u: (-a * u - x * np.expm1(-u), -a + x * np.exp(-u))  # noqa: E731
    return x * _integral(fall, (_DEPTH + x) / a, lambda u: base + u)


def _gamma_above(a: Array, x: Array) -> Array:
    base = np.log(x) - _digamma(a)
    fall: Curve = lambda u: (a * u - x * np.expm1(u), a - x * np.exp(u))  # noqa: E731
    gap = x - a  # as exp(u) - 1 >= u + u^2 / 2, gap u + x u^2 / 2 = _DEPTH is far enough
    start = 2 * _DEPTH / (np.sqrt(gap * gap + 2 * _DEPTH * x) + gap)
    return x * _integral(fall, start, lambda u: base + u)


# -- beta --------------------------------------------------------------------------------------------------------------


@kernel("beta_draw_slope")
def beta_draw_slope(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """s(t) = log t - digamma(a) + digamma(a + b)."""

    def function(x: Array, a: Array, total: Array) -> Array:
        b = total - a
        good = (a > 0) & (b > 0) & (x > 0) & (x < 1) & np.isfinite(total)
        small = (a <= _SMALL) & (b <= _SMALL)
        low = np.where(small, x <= 0.5, (a <= _SMALL) & (total * x <= a + 4))
        high = np.where(small, x > 0.5, (b <= _SMALL) & (total * (1 - x) <= b + 4))
        low, high = good & low, good & high & ~low
        rest = good & ~low & ~high
        below = rest & ((b <= _SMALL) | ((a > _SMALL) & (total * x < a)))
        masks = [low, high, below, rest & ~below]
        rules = [_beta_low, _beta_high, _beta_below, _beta_above]
        return _by_parts(masks, rules, *map(np.asarray, (x, a, b)))

    return _in_double(types_out, function)


def _beta_low(x: Array, a: Array, b: Array) -> Array:
    """From F = sum of x^(a+k) (1-x)^b gamma(a+b+k) / (gamma(a+1+k) gamma(b)): NIST Handbook 8.17.7 and 15.8.1."""
    factor = _digamma(a + 1) - _digamma(a + b) - np.log(x)
    return _sum(
        x / a,
        lambda k: x * ((a + b + k) / (a + 1 + k)),
        factor,
        lambda k: 1 / (a + 1 + k) - 1 / (a + b + k),
    )


def _beta_high(x: Array, a: Array, b: Array) -> Array:
    """The same of 1 - F, in powers of 1 - x."""
    y = 1 - x
    factor = np.log(x) + _digamma(a + b) - _digamma(a)
    return _sum(x / b, lambda k: y * ((a + b + k) / (b + 1 + k)), factor, lambda k: 1 / (a + b + k))


def _falling(x: Array, y: Array, a: Array, b: Array) -> tuple[Curve, Callable[[Array], Array]]:
    """a log(t / x) + b log((1 - t) / y) where logit t = logit x - u and y = 1 - x; and log(y / (1 - t))."""

    def log_rest(u: Array) -> Array:
        return np.where(u < 1, np.log1p(x * np.expm1(-u)), np.log(y + x * np.exp(-u)))

    def curve(u: Array) -> tuple[Array, Array]:
        decayed = x * np.exp(-u)
        return -a * u - (a + b) * log_rest(u), -a + (a + b) * (decayed / (y + decayed))

    return curve, log_rest


def _beta_below(x: Array, a: Array, b: Array) -> Array:
    base, y = _digamma(a) - _digamma(a + b) - np.log(x), 1 - x
    curve, log_rest = _falling(x, y, a, b)
    start = (_DEPTH - (a + b) * np.log(y)) / a
    return x * _integral(curve, start, lambda u: base + u + log_rest(u))


def _beta_above(x: Array, a: Array, b: Array) -> Array:
    base, y = np.log(x) + _digamma(a + b) - _digamma(a), 1 - x
    curve, log_rest = _falling(y, x, b, a)
    start = (_DEPTH - (a + b) * np.log(x)) / b
    return x * _integral(curve, start, lambda u: base - log_rest(u))
