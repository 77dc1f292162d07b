"""Compiled programs give what the interpreter gives, within rounding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from alight.backends.base import backend_of
from alight.backends.cpu.native import Native
from alight.device import CPU
from alight.dtypes import float32
from alight.ir.program import Builder
from alight.ir.text import parse, show
from alight.ir.types import Type
from alight.primitives import Sum
from tests.compiler.random_programs import programs

TOLERANCE = {
    "float32": 2e-4,
    "float64": 1e-10,
}  # of the largest element: sums of a few thousand terms, exp and tanh


def both(program, arguments):
    """Results of the interpreter and of the compiled program."""
    return backend_of(CPU).interpret(program)(list(arguments)), Native(program)(list(arguments))


def agree(program, arguments):
    """Assert that both tiers give the same values, shapes and dtypes."""
    expected, got = both(program, arguments)
    for a, b in zip(expected, got, strict=True):
        a = np.asarray(a)
        assert a.shape == b.shape and a.dtype == b.dtype, show(program)
        if a.dtype.kind == "f":
            finite = np.abs(a[np.isfinite(a)])
            bound = TOLERANCE[a.dtype.name]
            np.testing.assert_allclose(
                b,
                a,
                rtol=bound,
                atol=bound * max(1.0, finite.max(initial=0)),
                err_msg=show(program),
            )
        else:
            np.testing.assert_array_equal(a, b, err_msg=show(program))


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
@pytest.mark.filterwarnings("ignore")
def test_random_programs(made):
    agree(*made)


@pytest.mark.slow
@settings(max_examples=2000, deadline=None, suppress_health_check=list(HealthCheck))
@given(programs())
@pytest.mark.filterwarnings("ignore")
def test_many_random_programs(made):
    agree(*made)


SCAN = """
program(%0: f32[3,5], %1: f32[5,5], %2: f32[4,3,5]) {
  %3: f32[3,5], %4: f32[4,3,5] = scan(%0, %1, %2) body=program(%0: f32[3,5], %1: f32[5,5], %2: f32[3,5]) {
    %3: f32[3,5] = dot_general(%0, %1) batch=((), ()) contract=((1,), (1,))
    %4: f32[3,5] = add(%2, %3)
    %5: f32[3,5] = tanh(%4)
    return %5, %5
  } length=4 carry_count=1 constant_count=1 reverse=REVERSE
  return %3, %4
}
"""


@pytest.mark.parametrize("reverse", ["False", "True"])
def test_scan(reverse):
    program = parse(SCAN.replace("REVERSE", reverse).strip())
    random = np.random.default_rng(0)
    arguments = [
        random.standard_normal(program.types[i].shape).astype(np.float32) for i in program.inputs
    ]
    agree(program, arguments)
    assert [kernel.kind for kernel in Native(program).plan.kernels] == ["scan"]


GRAM = """
program(%0: f64[1,8,70]) {
  %1: f64[1,16,70] = concat(%0, %0) axis=1
  %2: f64[1,70,16] = permute(%1) order=(0, 2, 1)
  %3: f64[1,16,16] = dot_general(%1, %2) batch=((0,), (0,)) contract=((2,), (1,))
  %4: f64[1,16,16] = permute(%3) order=(0, 2, 1)
  return %4
}"""


def test_an_operand_stored_for_an_ending_that_failed_is_stored_again():
    agree(parse(GRAM), [np.random.default_rng(0).standard_normal((1, 8, 70))])


@pytest.mark.parametrize(
    ("shape", "axes"), [((200_000, 20), (0,)), ((3, 700_000), (1,)), ((1_000_000,), (0,))]
)
def test_long_sums_are_about_as_exact_as_the_interpreters(shape, axes):
    b = Builder()
    program = b.finish([Sum(b.input(Type(shape, float32)), axes=axes)])
    x = np.random.default_rng(0).random(shape, np.float32)
    exact = x.sum(axes, dtype=np.float64)
    (expected,), (got,) = both(program, [x])
    assert np.abs(got - exact).max() <= 4 * max(np.abs(expected - exact).max(), 1e-7 * exact.max())


REVERSED = """
program(%0: f32[2,3]) {
  %1: f32[2,3] = flip(%0) axes=(0,)
  %2: f32[3,2] = permute(%1) order=(1, 0)
  %3: f32[2,2] = dot_general(%1, %2) batch=((), ()) contract=((1,), (0,))
  return %3
}
"""


def test_products_of_reversed_operands():
    agree(parse(REVERSED.strip()), [np.arange(6, dtype=np.float32).reshape(2, 3)])


LOOKED_UP = """
program(%0: i64[1], %1: f32[1,2]) {{
  %2: f32[3,2] = {source}
  %3: f32[1,2] = index(%2, %0) axes=(0,)
  return %3
}}
"""


@pytest.mark.parametrize(
    "source", ["full() shape=(3, 2) value=1 dtype=float32 device=cpu", "expand(%1) shape=(3, 2)"]
)
def test_an_index_is_checked_where_its_element_does_not_depend_on_it(source):
    """A constant is the same at every place, but only at those that are there."""
    program, x = parse(LOOKED_UP.format(source=source).strip()), np.ones((1, 2), np.float32)
    agree(program, [np.array([2]), x])
    with pytest.raises(IndexError, match="out of"):
        Native(program)([np.array([3]), x])
