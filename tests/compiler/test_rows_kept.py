"""Walks over rows: what is kept from one to the next, division by what stays, and results written over what they read."""

from __future__ import annotations

import numpy as np
import pytest

import alight as torch
from alight.backends.cpu.kernels import machine
from alight.backends.cpu.target import host
from alight.compiler.hot import background
from alight.compiler.pipeline import plan
from docs.listings import flushes


def compiled(function, *arrays):
    """The result once the program is machine code."""
    for _ in range(5):
        result = function(*map(torch.tensor, arrays)).numpy()
        background.wait()
    return result


SPECIAL = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, 3.0, 1e-40, -1e38]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_division_by_a_number_of_the_row_is_rounded_as_division(dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 70)).astype(dtype)
    by = rng.standard_normal((200, 1)).astype(dtype)
    x[:9, :9], by[:9, 0] = SPECIAL, SPECIAL
    with np.errstate(all="ignore"):
        expected = x / by
    np.testing.assert_array_equal(compiled(lambda a, b: a / b, x, by), expected)


@pytest.mark.parametrize("columns", [1, 3, 16, 64, 1000, 9000])
@pytest.mark.parametrize("dim", [0, 1])
def test_softmax_of_any_length(columns, dim):
    x = np.random.default_rng(1).standard_normal((37, columns)).astype(np.float32) * 4
    x = x if dim else np.ascontiguousarray(x.T)
    e = np.exp(x.astype(np.float64) - x.max(dim, keepdims=True))
    found = compiled(lambda a: torch.softmax(a, dim), x)
    np.testing.assert_allclose(found, e / e.sum(dim, keepdims=True), rtol=1e-5, atol=1e-9)


def test_exponentials_far_below_are_zero_and_near_the_limit_subnormal():
    x = np.array([-np.inf, -1e30, -200.0, -104.5, -103.0, -100.0, -88.0, np.nan], np.float32)
    x = np.repeat(x, 32)
    found = compiled(torch.exp, x)
    expected = np.exp(x.astype(np.float64)).astype(np.float32)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1.5e-45, equal_nan=True)
    assert not found[: 4 * 32].any()


def test_a_softmax_is_written_over_its_scores():
    x = torch.randn(64, 512)
    w = torch.randn(512, 512)
    x.numpy(), w.numpy()
    with flushes() as log:
        (torch.softmax(x @ w, 1) @ w).sum().item()
    made = plan(log[-1], machine(host(), 1))
    (softmax,) = [k for k in made.kernels if any(n.primitive.name == "exp" for n in k.nodes)]
    places = [made.memory.values[v] for v in softmax.values if v in made.memory.values]
    assert len(places) == 2
    assert len(set(places)) == 1
