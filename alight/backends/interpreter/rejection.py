"""Random numbers that take a varying count of draws: gamma, Poisson and binomial, one element after the other.

In: a generator and the parameters of each element. Out: float64 numbers; the stream is used as PyTorch's CPU
kernels use it. Not vectorised: how far the stream has moved is known only when an element is accepted.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from alight.backends.interpreter.arrays import Array
from alight.backends.interpreter.distributions import fill
from alight.backends.interpreter.generator import Mt19937

DOUBLE_BITS = (1 << 53) - 1
# PyTorch computes with float64 numbers and these float32 constants.
_THIRD, _SQUEEZE = float(np.float32(1) / np.float32(3)), float(np.float32(0.0331))


class _Draws:
    """Single draws of a generator: even ones over [0, 1), and normal ones by Box and Muller."""

    def __init__(self, generator: Mt19937) -> None:
        self.generator = generator

    def unit(self) -> float:
        return (int(self.generator.double_words(1)[0]) & DOUBLE_BITS) * 2.0**-53

    def normal(self) -> float:
        kept = self.generator.cached_normal
        if kept is not None:
            self.generator.cached_normal = None
            return kept
        angle, radius = 2 * math.pi * self.unit(), math.sqrt(-2 * math.log1p(-self.unit()))
        self.generator.cached_normal = radius * math.sin(angle)
        return radius * math.cos(angle)


@fill
def standard_gamma(generator: Mt19937, alphas: Array) -> Array:
    """Gamma draws of rate one."""
    draws = _Draws(generator)
    rounded = _rounded_to(alphas.dtype)
    return np.array([_gamma(draws, a, rounded) for a in alphas.ravel().tolist()], np.float64)


@fill
def dirichlet(generator: Mt19937, alphas: Array) -> Array:
    """Gamma draws over their sum along the last axis."""
    draws = _Draws(generator)
    gammas = np.array([_gamma(draws, a, float) for a in alphas.ravel().tolist()], np.float64)
    gammas = gammas.reshape(alphas.shape)
    parts: Array = gammas / gammas.sum(-1, keepdims=True)
    return parts


def _rounded_to(of: np.dtype[Any]) -> Callable[[float], float]:
    """The concentration and what is made of it alone stay in the dtype of the tensor."""
    return float if of == np.float64 else lambda x: float(np.float32(x))


def _gamma(draws: _Draws, alpha: float, rounded: Callable[[float], float]) -> float:
    """Marsaglia and Tsang (2000); below 1 their boost by a power of a uniform draw."""
    if alpha == 0:
        return 0.0
    scale = 1.0
    if alpha < 1:
        scale = (1 - draws.unit()) ** rounded(1 / alpha)
        alpha = rounded(alpha + 1)
    d = rounded(alpha - _THIRD)
    c = 1 / math.sqrt(9 * d)
    while True:
        y = 0.0
        while y <= 0:
            x = draws.normal()
            y = 1 + c * x
        v, u = y * y * y, 1 - draws.unit()
        if u < 1 - _SQUEEZE * (x * x) * (x * x) or math.log(u) < 0.5 * x * x + d * (
            1 - v + math.log(v)
        ):
            return scale * d * v


@fill
def poisson(generator: Mt19937, rates: Array) -> Array:
    """Counts of events."""
    draws = _Draws(generator)
    return np.array([_poisson(draws, rate) for rate in rates.ravel().tolist()], np.float64)


def _poisson(draws: _Draws, rate: float) -> float:
    if rate >= 10:
        return _poisson_by_rejection(draws, rate)
    count, product, limit = 0, 1.0, math.exp(-rate)
    while rate:
        product *= draws.unit()
        if product <= limit:
            break
        count += 1
    return count


def _poisson_by_rejection(draws: _Draws, rate: float) -> float:
    """Hörmann's transformed rejection PTRS (1993)."""
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    while True:
        u, v = draws.unit() - 0.5, draws.unit()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43) if us else -1
        if us >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2):
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        bound = -rate + k * math.log(rate) - math.lgamma(k + 1)
        if _log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b) <= bound:
            return k


def _log(x: float) -> float:
    return math.log(x) if x else -math.inf


@fill
def binomial(generator: Mt19937, counts: Array, probabilities: Array) -> Array:
    """Successes among `counts` trials."""
    draws = _Draws(generator)
    pairs = zip(counts.ravel().tolist(), probabilities.ravel().tolist(), strict=True)
    return np.array([_binomial(draws, n, p) for n, p in pairs], np.float64)


def _binomial(draws: _Draws, n: float, p: float) -> float:
    if n <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return n
    if p > 0.5:
        return n - _binomial(draws, n, 1 - p)
    if math.isnan(n) or math.isnan(p):
        return math.nan
    if n * p >= 10:
        return _binomial_by_rejection(draws, n, p)
    total, count, log_failure = 0.0, 0, math.log1p(-p)
    while True:
        total += math.ceil(_log(draws.unit()) / log_failure)
        if total > n:
            return count
        count += 1


def _binomial_by_rejection(draws: _Draws, n: float, p: float) -> float:
    """Hörmann's transformed rejection BTRS (1993)."""
    spread = math.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    odds, alpha, mode = p / (1 - p), (2.83 + 5.1 / b) * spread, math.floor((n + 1) * p)
    while True:
        u, v = draws.unit() - 0.5, draws.unit()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + n * p + 0.5) if us else -1
        if us >= 0.07 and v <= 0.92 - 4.2 / b:
            return k
        if not 0 <= k <= n:
            continue
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (n - mode + 1)))
            + (n + 1) * math.log((n - mode + 1) / (n - k + 1))
            + (k + 0.5) * math.log(odds * (n - k + 1) / (k + 1))
            + _stirling_rest(mode) + _stirling_rest(n - mode) - _stirling_rest(k) - _stirling_rest(n - k)
        )  # fmt: skip
        if _log(v * alpha / (a / (us * us) + b)) <= bound:
            return k


def _stirling_rest(k: float) -> float:
    """log(k!) less Stirling's formula for it."""
    if k <= 9:
        exact = math.lgamma(k + 1)
        return exact - (0.5 * math.log(2 * math.pi) + (k + 0.5) * math.log(k + 1) - (k + 1))
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)
