"""Special functions against mpmath and SciPy: accuracy over their ranges, and the values at infinities, NaN, zeros and poles."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import mpmath
import numpy as np
import pytest
import torch
from scipy import special as oracle

from alight.backends.interpreter.builder import Trace
from alight.dtypes import bfloat16, dtype, float16, float32, float64
from alight.primitives import special
from tests.primitives.scalars import evaluate


def ulps(found: np.ndarray, exact: np.ndarray) -> float:
    """The largest error in units of the last place of the exact result."""
    finite = np.isfinite(exact)
    assert np.array_equal(found[~finite], exact.astype(found.dtype)[~finite], equal_nan=True)
    unit = np.spacing(np.abs(exact[finite].astype(found.dtype))).astype(np.float64)
    return float(np.max(np.abs(found[finite].astype(np.float64) - exact[finite]) / unit, initial=0))


def error(name: str, x: np.ndarray, floor: float = 0.0) -> float:
    """The largest relative error in float64; results below `floor` are held against `floor`."""
    found = evaluate(getattr(special, name), x, float64)
    exact = getattr(mpmath, {"lgamma": "loggamma"}.get(name, name))
    worst = 0.0
    for point, result in zip(x.tolist(), found.tolist(), strict=True):
        with mpmath.workdps(40):
            truth = exact(mpmath.mpf(point)).real
        if truth != result:
            worst = max(worst, float(abs(result - truth) / max(abs(truth), floor)))
    return worst


RANDOM = np.random.default_rng(0)
NEAR = RANDOM.uniform(-1, 1, 200) * 10 ** RANDOM.uniform(-12, -1, 200)
SPREAD = np.concatenate([RANDOM.uniform(-8, 8, 1000), 10 ** RANDOM.uniform(-300, 1, 200)])
UNIT = np.concatenate([RANDOM.uniform(-1, 1, 500), 10 ** RANDOM.uniform(-300, 0, 200)])
POSITIVE = np.concatenate([RANDOM.uniform(0, 20, 1000), 10 ** RANDOM.uniform(-300, 300, 200)])
NEGATIVE = -RANDOM.uniform(0, 50, 500)


@pytest.mark.parametrize(
    ("name", "x", "bound"),
    [
        ("erf", SPREAD, 5e-16),
        ("erfc", RANDOM.uniform(-8, 26, 1000), 2e-15),
        ("erfinv", UNIT, 1e-15),
        ("erfinv", 1 - 10 ** RANDOM.uniform(-15.9, -1, 300), 1e-15),
        ("lgamma", POSITIVE, 1e-14),
        ("lgamma", 1 + NEAR, 1e-15),
        ("lgamma", 2 + NEAR, 1e-15),
    ],
)
def test_relative_error_in_float64(name: str, x: np.ndarray, bound: float) -> None:
    assert error(name, x) < bound


@pytest.mark.parametrize(("name", "x"), [("lgamma", NEGATIVE), ("digamma", NEGATIVE), ("digamma", POSITIVE)])  # fmt: skip
def test_error_in_float64_where_the_function_has_zeros(name: str, x: np.ndarray) -> None:
    assert error(name, x[np.abs(x - np.round(x)) > 0.01], floor=1.0) < 3e-14


@pytest.mark.parametrize("order", [1, 2, 3, 8])
def test_polygamma(order: int) -> None:
    x = np.concatenate([POSITIVE[:500], NEGATIVE[:200], [1e-3, 1e3]])
    x = x[np.abs(x - np.round(x)) > 0.01]
    found = evaluate(lambda b, x: special.polygamma(b, x, order), x, float64)
    with mpmath.workdps(40):
        exact = [mpmath.polygamma(order, mpmath.mpf(point)) for point in x.tolist()]
        errors = [
            abs(a - c) / max(abs(c), 1) if point < 0 else abs(a / c - 1)
            for a, c, point in zip(found.tolist(), exact, x.tolist(), strict=True)
        ]
        assert max(errors) < 3e-14
    points = np.array([0.0, -1.0, inf, nan])
    found = evaluate(lambda b, x: special.polygamma(b, x, order), points, float64)
    pole = inf if order % 2 else -inf
    assert np.array_equal(found, [pole, pole, 0, nan], equal_nan=True)


@pytest.mark.parametrize("name", ["erf", "erfc", "erfinv", "lgamma", "digamma"])
def test_float32_within_two_units(name: str) -> None:
    x = {"erfinv": RANDOM.uniform(-1, 1, 50000), "lgamma": RANDOM.uniform(0, 30, 50000)}
    points = np.concatenate(
        [
            x.get(name, RANDOM.uniform(0 if name == "digamma" else -5, 9, 50000)),
            [inf, nan, 0.0, 1.0, 2.0],
        ]
    )
    points = points.astype(np.float32)
    exact = {"lgamma": oracle.gammaln}.get(name) or getattr(oracle, name)
    assert ulps(evaluate(getattr(special, name), points, float32), exact(points.astype(float))) < 2


@pytest.mark.parametrize("of", [float16, bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("name", ["erf", "erfc", "erfinv", "lgamma", "digamma"])
def test_half_precision_is_rounded_once(name: str, of: dtype) -> None:
    x = torch.linspace(0.05, 0.95, 500, dtype=getattr(torch, of.name))
    exact = getattr(torch.special, {"lgamma": "gammaln"}.get(name, name))(x.double()).to(x.dtype)
    array = x.float().numpy() if of is bfloat16 else x.numpy()
    found = evaluate(getattr(special, name), array, of)
    differ = found.astype(np.float32) != exact.float().numpy()
    assert (
        differ.mean() < 0.01
    )  # float64 rounded to float32 first may fall on the other side of a tie


@pytest.mark.parametrize(
    ("function", "points", "expected"),
    [
        (special.erf, [0.0, -0.0, inf, -inf, nan, 30.0], [0.0, -0.0, 1.0, -1.0, nan, 1.0]),
        (special.erfc, [0.0, inf, -inf, nan, 30.0, -30.0], [1.0, 0.0, 2.0, nan, 0.0, 2.0]),
        (special.erfinv, [0.0, -0.0, 1.0, -1.0, 1.5, -2.0, nan, inf], [0.0, -0.0, inf, -inf, nan, nan, nan, nan]),
        (special.lgamma, [0.0, -0.0, -1.0, -7.0, 1.0, 2.0, inf, -inf, nan], [inf, inf, inf, inf, 0.0, 0.0, inf, inf, nan]),
        (special.lgamma, [1e308, -1e308], [inf, inf]),
        (special.digamma, [0.0, -0.0, -1.0, -3.0, inf, -inf, nan], [-inf, inf, nan, nan, inf, nan, nan]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("of", [float32, float64], ids=["float32", "float64"])
def test_special_points(
    function: Callable[..., Any], points: list[float], expected: list[float], of: dtype
) -> None:
    array = np.float32 if of is float32 else np.float64
    with np.errstate(over="ignore"):
        found = evaluate(function, np.array(points, array), of)
    assert found.dtype == array
    assert np.array_equal(found, np.array(expected, array), equal_nan=True)
    zeros = found == 0
    assert np.array_equal(np.signbit(found[zeros]), np.signbit(np.array(expected)[zeros]))


def test_rules_keep_the_dtype() -> None:
    for of in (float16, bfloat16, float32, float64):
        trace = Trace([of])
        for function in (
            special.erf,
            special.erfc,
            special.erfinv,
            special.lgamma,
            special.digamma,
        ):
            assert function(trace, trace.symbols[0]).dtype is of
