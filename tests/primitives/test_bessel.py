"""Bessel, Airy, scaled error and incomplete gamma functions against mpmath, over their ranges and at their edges."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from alight.backends.interpreter import series as _  # noqa: F401  (its kernels)
from alight.backends.interpreter.kernels import KERNELS
from alight.dtypes import float32, float64
from alight.ir.types import Type
from alight.primitives import airy, bessel, series, special
from tests.primitives.scalars import evaluate

RANDOM = np.random.default_rng(0)
POSITIVE = np.concatenate([RANDOM.uniform(0.02, 12, 60), 10 ** RANDOM.uniform(-8, 2.5, 40)])
BOTH = np.concatenate([POSITIVE, -POSITIVE])
SHARE = np.concatenate([RANDOM.uniform(0, 1, 60), 10 ** RANDOM.uniform(-300, 0, 40)])


def _quantile(p: Any) -> Any:
    if p > 1e-6:
        return mp.sqrt(2) * mp.erfinv(2 * p - 1)
    return mp.findroot(
        lambda y: mp.log(mp.erfc(-y / mp.sqrt(2)) / 2) - mp.log(p), -mp.sqrt(-2 * mp.log(p))
    )


def _error(rule: Any, exact: Callable[[Any], Any], x: np.ndarray, absolute: bool) -> float:
    worst = 0.0
    for point, found in zip(x.tolist(), evaluate(rule, x, float64).tolist(), strict=True):
        with mp.workdps(40):
            truth = exact(mp.mpf(point))
            worst = max(worst, float(abs(found - truth) / (1 if absolute else abs(truth))))
    return worst


@pytest.mark.parametrize(
    ("rule", "exact", "x", "absolute"),
    [
        (bessel.i0, lambda x: mp.besseli(0, x), BOTH, False),
        (bessel.i1, lambda x: mp.besseli(1, x), BOTH, False),
        (bessel.i0e, lambda x: mp.exp(-abs(x)) * mp.besseli(0, x), BOTH, False),
        (bessel.i1e, lambda x: mp.exp(-abs(x)) * mp.besseli(1, x), BOTH, False),
        (bessel.k0, lambda x: mp.besselk(0, x), POSITIVE, False),
        (bessel.k1, lambda x: mp.besselk(1, x), POSITIVE, False),
        (bessel.k0e, lambda x: mp.exp(x) * mp.besselk(0, x), POSITIVE, False),
        (bessel.k1e, lambda x: mp.exp(x) * mp.besselk(1, x), POSITIVE, False),
        (bessel.j0, lambda x: mp.besselj(0, x), BOTH, True),
        (bessel.j1, lambda x: mp.besselj(1, x), BOTH, True),
        (bessel.y0, lambda x: mp.bessely(0, x), POSITIVE, True),
        (bessel.y1, lambda x: mp.bessely(1, x), POSITIVE[POSITIVE > 0.02], True),
        (special.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x), BOTH[np.abs(BOTH) < 26], False),
        (special.ndtri, _quantile, SHARE, False),
        (lambda b, x: airy.airy(b, x, False), mp.airyai, RANDOM.uniform(-30, 8, 100), True),
        (lambda b, x: airy.airy(b, x, False), mp.airyai, RANDOM.uniform(0, 20, 50), False),
        (lambda b, x: airy.airy(b, x, True), lambda x: mp.airyai(x, derivative=1),
         RANDOM.uniform(-30, 8, 100), True),
    ],
)  # fmt: skip
def test_error_in_float64(
    rule: Any, exact: Callable[[Any], Any], x: np.ndarray, absolute: bool
) -> None:
    assert _error(rule, exact, x, absolute) < 3e-14


@pytest.mark.parametrize(
    ("rule", "points", "expected"),
    [
        (bessel.i0, [0.0, inf, -inf, nan], [1, inf, inf, nan]),
        (bessel.i1, [0.0, -0.0, inf, -inf, nan], [0, 0, inf, -inf, nan]),
        (bessel.i0e, [0.0, inf, nan], [1, 0, nan]),
        (bessel.k0, [0.0, -1.0, inf, nan], [inf, nan, 0, nan]),
        (bessel.k1e, [0.0, -1.0, inf, nan], [inf, nan, 0, nan]),
        (bessel.j0, [0.0, inf, -inf, nan], [1, 0, 0, nan]),
        (bessel.j1, [0.0, inf, nan], [0, 0, nan]),
        (bessel.y0, [0.0, -1.0, inf, nan], [-inf, nan, 0, nan]),
        (bessel.y1, [0.0, -1.0, inf, nan], [-inf, nan, 0, nan]),
        (special.erfcx, [0.0, inf, -inf, -30.0, nan], [1, 0, inf, inf, nan]),
        (special.ndtri, [0.0, 1.0, 0.5, -0.1, 1.1, nan], [-inf, inf, 0, nan, nan, nan]),
    ],
)
@pytest.mark.parametrize("of", [float32, float64], ids=["float32", "float64"])
def test_edges(rule: Any, points: list[float], expected: list[float], of: Any) -> None:
    found = evaluate(rule, np.array(points, of.name), of)
    assert found.dtype == of.name
    np.testing.assert_allclose(found, np.array(expected, of.name), rtol=1e-15, atol=0)


def _kernel(primitive: Any, *arrays: np.ndarray, **statics: Any) -> np.ndarray:
    types = [Type(arrays[0].shape, float64)] * len(arrays)
    return KERNELS[primitive.name](types, types[:1], statics)(*arrays)


def test_incomplete_gamma() -> None:
    a = 10 ** RANDOM.uniform(-2, 4, 80)
    x = a * 10 ** RANDOM.uniform(-0.3, 0.3, 80)
    found = _kernel(series.Igamma, a, x, upper=False), _kernel(series.Igamma, a, x, upper=True)
    for one, upper in zip(found, (False, True), strict=True):
        for value, p, q in zip(one.tolist(), a.tolist(), x.tolist(), strict=True):
            with mp.workdps(30):
                ends = (q, mp.inf) if upper else (0, q)
                assert abs(value - mp.gammainc(p, *ends, regularized=True)) < 1e-13


def test_edges_of_incomplete_gamma() -> None:
    a = np.array([0.0, 0.0, 1.0, 1.0, -1.0, inf, inf, nan])
    x = np.array([0.0, 1.0, 0.0, inf, 1.0, 1.0, inf, 1.0])
    low, high = (_kernel(series.Igamma, a, x, upper=upper) for upper in (False, True))
    np.testing.assert_array_equal(low, [nan, 1, 0, 1, nan, 0, nan, nan])
    np.testing.assert_array_equal(high, [nan, 0, 1, 0, nan, 1, nan, nan])


def test_zeta() -> None:
    s, q = RANDOM.uniform(1.05, 12, 60), 10 ** RANDOM.uniform(-2, 3, 60)
    found = _kernel(series.HurwitzZeta, s, q)
    for value, p, x in zip(found.tolist(), s.tolist(), q.tolist(), strict=True):
        with mp.workdps(30):
            assert abs(value / mp.zeta(p, x) - 1) < 1e-13
    s, q = np.array([2.0, 3.0, 2.0, 5.0]), np.array([-1.5, -7.25, -123456.5, -0.1])
    exact = [
        float(mp.zeta(int(a), mp.mpf(b)))
        for a, b in zip(s.tolist(), q.tolist(), strict=True)
        if b > -1000
    ]
    found = _kernel(series.HurwitzZeta, s, q)
    np.testing.assert_allclose(found[[0, 1, 3]], exact, rtol=1e-12)
    np.testing.assert_allclose(
        found[2], np.pi**2 - 1 / 123457, rtol=1e-9
    )  # nearly all of a sum over all integers
    edges = _kernel(
        series.HurwitzZeta,
        np.array([1.0, 0.5, 2.0, 2.5, 2.0, 2.0]),
        np.array([2.0, 2.0, -3.0, -1.5, inf, nan]),
    )
    np.testing.assert_array_equal(edges, [inf, nan, inf, nan, 0, nan])


@pytest.mark.parametrize("family", ["chebyshev_t", "chebyshev_u", "chebyshev_v", "chebyshev_w"])
def test_chebyshev_polynomials_of_high_degree(family: str) -> None:
    x, statics = np.array([-0.9, 0.1, 0.5]), {"family": family, "order": 0}
    below, above, beyond = (
        _kernel(series.OrthogonalPolynomial, x, np.full(3, n), **statics)
        for n in (1000.0, 1001.0, 1002.0)
    )
    np.testing.assert_allclose(
        beyond, 2 * x * above - below, atol=1e-10
    )  # the recurrence, across the limit
    far = _kernel(series.OrthogonalPolynomial, x, np.full(3, 1e9), **statics)
    assert np.isfinite(far).all()
