"""Mathematical functions of vectors: errors in units in the last place, and what happens at the edges."""

from __future__ import annotations

from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest

from alight import dtypes as d
from alight.backends.cpu import jit, vector_math
from alight.backends.cpu.scalars import Symbol
from alight.primitives import special
from bench.vector_math import FUNCTIONS, Worst, measured
from tests.cpu.elements import AARCH64, LEVELS, text_of
from tests.cpu.elements import compiled as applied
from tests.primitives.scalars import evaluate

SPARSE = 65521  # one float of so many
EDGES = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    np.inf,
    -np.inf,
    np.nan,
    0.5,
    -0.5,
    2.0,
    1e-300,
    -1e-300,
    5e-324,
    1e300,
    -1e300,
]
EDGES += [
    1e-40,
    -1e-40,
    1e-45,
    -1e-45,
    3.4e38,
    -3.4e38,
    1e5,
    1e6,
    1e10,
    -1e22,
    88.72,
    88.73,
    89.5,
    -87.4,
    -103.9,
]
EDGES += [
    -104.1,
    709.7,
    709.8,
    -745.1,
    -745.2,
    -37.5,
    25.0,
    1e-8,
    0.9999999,
    -0.9999999,
    1.0000001,
    -1.0000001,
]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_floats_are_right_to_2_units(name: str, level: str) -> None:
    worst = measured(name, d.float32, SPARSE, LEVELS[level]())
    assert worst.wrong == 0 and worst.error < 2.0, (worst.error, worst.at)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_doubles_are_right_to_2_units(name: str) -> None:
    worst = measured(name, d.float64, share=16)
    assert worst.wrong == 0 and worst.error < 2.0, (worst.error, worst.at)


@pytest.mark.parametrize("low, high", [(-6, 0.5), (0.45, 2), (2, 26.6), (26.5, 27.3)])
def test_erfc_of_doubles_is_right_where_it_is_small_too(low: float, high: float) -> None:
    x = np.random.default_rng(7).uniform(low, high, 1 << 16)
    exact = FUNCTIONS["erfc"].exact(x.astype(np.longdouble))
    for level in (*LEVELS, "interpreter"):
        if level == "interpreter":
            found = evaluate(special.erfc, x, d.float64)
        else:
            found = applied(special.erfc, [d.float64], d.float64, LEVELS[level]())(x)
        worst = Worst()
        worst.add(x, found, exact)
        assert worst.wrong == 0 and worst.error < 2.0, (level, worst.error, worst.at)


def test_the_exact_error_functions_agree_with_mpmath() -> None:
    x = np.random.default_rng(8).uniform(-5, 27, 300)
    for name in ("erf", "erfc"):
        found = FUNCTIONS[name].exact(x.astype(np.longdouble))
        with mpmath.workdps(40):
            for point, high, low in zip(
                x, found.astype(float), found - found.astype(float), strict=True
            ):
                exact = getattr(mpmath, name)(mpmath.mpf(float(point)))
                wrong = abs((mpmath.mpf(float(high)) + mpmath.mpf(float(low))) / exact - 1)
                assert wrong < 2.0**-60 or exact < 1e-300, (name, point)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("of", [d.float32, d.float64], ids=lambda of: of.name)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_edges(name: str, of: d.dtype, level: str) -> None:
    kind, near, tiny = (np.float32, 1e-6, 3e-45) if of is d.float32 else (np.float64, 1e-14, 1e-323)
    with np.errstate(all="ignore"):
        x = np.array(EDGES, kind)
        expected = FUNCTIONS[name].exact(x.astype(np.longdouble)).astype(kind)
        found = applied(FUNCTIONS[name].rule, [of], of, LEVELS[level]())(x)
    np.testing.assert_allclose(found, expected, rtol=near, atol=tiny)
    zeros = expected == 0
    np.testing.assert_array_equal(np.signbit(found[zeros]), np.signbit(expected[zeros]))


def pairs(of: d.dtype) -> tuple[np.ndarray, np.ndarray]:
    """Arguments of functions of two numbers: every pair of edges, and random ones."""
    kind = np.float32 if of is d.float32 else np.float64
    rng = np.random.default_rng(3)
    edges = [*EDGES, 3.0, -3.0, 4.0, 7.5, -2.5, 16777215.0, -16777217.0]
    x, y = (grid.ravel() for grid in np.meshgrid(edges, edges))
    u, v = rng.standard_normal((2, 4000)) * 10.0 ** rng.integers(-3, 3, (2, 4000))
    with np.errstate(all="ignore"):
        return np.concatenate([x, np.abs(u), u]).astype(kind), np.concatenate([y, v, v]).astype(
            kind
        )


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("of", [d.float32, d.float64], ids=lambda of: of.name)
@pytest.mark.parametrize("name, exact", [("pow", np.power), ("atan2", np.arctan2)])
def test_functions_of_two_numbers(name: str, exact: Any, of: d.dtype, level: str) -> None:
    x, y = pairs(of)
    wide = np.float64 if of is d.float32 else np.longdouble
    run = applied(
        lambda b, x, y: Symbol(getattr(vector_math, name)(b.code, b.target, x.value, y.value), of),
        [of, of], of, LEVELS[level](),
    )  # fmt: skip
    with np.errstate(all="ignore"):
        expected = exact(x.astype(wide), y.astype(wide))
        found = run(x, y)
        worst = Worst()
        worst.add(x, found, expected)
    assert worst.wrong == 0 and worst.error < 2.0, (worst.error, x[worst.where], y[worst.where])
    zeros = expected == 0
    np.testing.assert_array_equal(np.signbit(found[zeros]), np.signbit(expected[zeros]))


def test_no_library_is_called_where_arguments_are_usual() -> None:
    for name in (
        "exp",
        "expm1",
        "log",
        "log1p",
        "tanh",
        "sigmoid",
        "erf",
        "asin",
        "atan",
        "sinh",
        "cosh",
    ):
        for target, of in product(
            (LEVELS["host"](), LEVELS["avx2"](), AARCH64), (d.float32, d.float64)
        ):
            text = text_of(FUNCTIONS[name].rule, [of], of, target, target.lanes(of.itemsize))
            assembly = jit.assembly(text, target)
            assert "\tcall" not in assembly and "\tbl\t" not in assembly, name


@pytest.mark.parametrize("power", [0, 1, 2, 3, -1, 0.5, 2.5, -0.5])
def test_known_powers(power: float) -> None:
    with np.errstate(all="ignore"):
        x = np.array([*EDGES, 3.0, 7.0], np.float32)
        found = applied(lambda b, x: b.pow(x, power), [d.float32], d.float32)(x)
        exact = np.power(x.astype(np.float64), np.full(x.shape, float(power))).astype(np.float32)
    np.testing.assert_allclose(found, exact, rtol=3e-7, atol=3e-45)
