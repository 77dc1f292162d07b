"""Every primitive by its rows: results have the inferred types in every accepted dtype, gradients are slopes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alight.backends.base import executable
from alight.backends.interpreter.arrays import numpy_dtype, round_bfloat16
from alight.dtypes import bfloat16, complex64, complex128, dtype, float16, float32, float64
from alight.ir.primitive import NONE, REGISTRY
from alight.ir.program import Builder, Program
from alight.ir.text import parse, show
from alight.ir.types import Type
from alight.ir.verify import verify
from tests.primitives.differences import check_gradient, gradient_program
from tests.primitives.rows import ROWS, Row

REFUSED = {"gamma_draw_slope", "beta_draw_slope"}  # gradients that say that they are not there
NEVER_EMITTED = {"elementwise", "_extremum"}  # common parts of other primitives
TOLERANCE = {bfloat16: 3e-2, float16: 4e-3, float32: 1e-5, complex64: 1e-5}

every_row = pytest.mark.parametrize(
    "row", ROWS, ids=[f"{row.primitive.name}-{n}" for n, row in enumerate(ROWS)]
)


def program_of(row: Row, of: dtype) -> Program:
    """The row as a program of its own."""
    builder = Builder()
    shapes = [np.asarray(x).shape for x in row.inputs]
    types = [Type(shape, t) for shape, t in zip(shapes, row.types(of), strict=True)]
    values = [builder.input(type) for type in types]
    with builder.active():
        outputs = row.apply(*values)
    return builder.finish(outputs if isinstance(outputs, (list, tuple)) else [outputs])


def test_every_primitive_has_a_row() -> None:
    missing = set(REGISTRY) - {row.primitive.name for row in ROWS} - NEVER_EMITTED
    assert not missing, f"add rows to tests/primitives/rows.py for {sorted(missing)}"


@every_row
def test_results_have_the_inferred_types(row: Row) -> None:
    assert row.tried(), "the row runs with no dtype"
    for of in row.tried():
        program = program_of(row, of)
        verify(program)
        assert parse(show(program)) == program
        arrays = row.arrays(of)
        before = [np.array(x) for x in arrays]
        results = executable(program)(arrays)
        for result, i in zip(results, program.outputs, strict=True):
            type = program.types[i]
            assert isinstance(result, np.ndarray), of
            assert result.shape == type.shape, of
            assert result.dtype == numpy_dtype(type.dtype), of
            if type.dtype is bfloat16:
                np.testing.assert_array_equal(result, round_bfloat16(result))
            assert not any(
                np.shares_memory(result, x) for x in arrays if isinstance(x, np.ndarray)
            ), of
        for array, copy in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(array, copy)


@every_row
def test_lower_precision_is_near_the_higher(row: Row) -> None:
    for of in row.tried():
        if of not in TOLERANCE:
            continue
        wide = complex128 if of.is_complex else float64
        arrays = row.arrays(of)
        exact = [
            np.asarray(x).astype(numpy_dtype(t))
            for x, t in zip(arrays, row.types(wide), strict=True)
        ]
        wide_program = program_of(row, wide)
        if not any(wide_program.types[i].dtype.is_differentiable for i in wide_program.outputs):
            continue  # a bitcast of wider numbers is other integers
        results = executable(program_of(row, of))(arrays)
        for result, truth, i in zip(
            results, executable(wide_program)(exact), wide_program.outputs, strict=True
        ):
            if wide_program.types[i].dtype.is_differentiable:
                bound = TOLERANCE[of] * (1 + np.max(np.abs(truth), initial=0))
                np.testing.assert_allclose(result, truth, rtol=0, atol=bound, err_msg=str(of))


@every_row
def test_gradient_is_the_slope(row: Row) -> None:
    for of in differentiated(row):
        check_gradient(program_of(row, of), row.arrays(of))


@every_row
def test_second_gradient_is_the_slope_of_the_first(row: Row) -> None:
    random = np.random.default_rng(2)
    for of in differentiated(row):
        program = program_of(row, of)
        gradient = gradient_program(program)
        if gradient is None:
            continue
        verify(gradient)
        types = [gradient.types[i] for i in gradient.inputs[len(program.inputs) :]]
        check_gradient(
            gradient, [*row.arrays(of), *(_random(random, type) for type in types)], 1e-5
        )


def differentiated(row: Row) -> list[Any]:
    """float64 and complex128, as far as the row has gradients there."""
    if row.primitive.gradient == NONE or row.primitive.name in REFUSED:
        return []
    wide = [of for of in row.tried() if of in (float64, complex128)]
    return [of for of in wide if _is_smooth(program_of(row, of))]


def _is_smooth(program: Program) -> bool:
    """No result is so coarse that its slope cannot be measured."""
    results = [program.types[i].dtype for i in program.outputs]
    return all(of in (float64, complex128) or not of.is_differentiable for of in results)


def _random(random: np.random.Generator, type: Type) -> Any:
    x = random.standard_normal(type.shape)
    return x + 1j * random.standard_normal(type.shape) if type.dtype.is_complex else x
