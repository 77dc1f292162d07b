"""Every row of the window, gather, scan and opaque primitives: types as inferred, gradients as differences say.

The gradient program is itself differentiated and checked, so second derivatives are covered too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from alight.backends.base import executable
from alight.ir.program import Builder, Program
from alight.transforms.reverse import vjp_program
from tests.primitives import rows_gather, rows_opaque, rows_scan, rows_window
from tests.primitives.applied import program_of

ROWS = [*rows_window.ROWS, *rows_gather.ROWS, *rows_scan.ROWS, *rows_opaque.ROWS]
STEP = 1e-6


def differentiable(program: Program, ids: tuple[int, ...]) -> list[int]:
    """Numbers of those of `ids` that may have a gradient."""
    return [n for n, i in enumerate(ids) if program.types[i].dtype.is_differentiable]


def gradient_program(program: Program) -> Program:
    """From inputs and cotangents of the outputs to cotangents of the inputs."""
    outputs = [program.outputs[n] for n in differentiable(program, program.outputs)]
    wrt = [program.inputs[n] for n in differentiable(program, program.inputs)]
    backward = vjp_program(program, outputs, wrt)
    forward = Program(program.types, program.inputs, program.nodes, backward.residuals)
    builder = Builder()
    inputs = [builder.input(program.types[i]) for i in program.inputs]
    cts = [builder.input(program.types[i]) for i in outputs]
    with builder.active():
        grads = builder.inline(backward.program, [*cts, *builder.inline(forward, inputs)])
    found = dict(zip(backward.reached, grads, strict=True))
    assert list(found) == [i for i in wrt if i in found]
    return builder.finish(grads)


def sample(random: Any, like: Any) -> Any:
    shape = np.shape(like)
    x = random.standard_normal(shape)
    if np.asarray(like).dtype.kind == "c":
        x = x + 1j * random.standard_normal(shape)
    return np.asarray(x)


def inner(x: Any, y: Any) -> float:
    return float((np.conj(x) * y).real.sum())


def check(program: Program, gradient: Program, arrays: list[Any], reached: list[int]) -> list[Any]:
    """Compare <gradient, direction> with a central difference along a random direction; the cotangents used."""
    random = np.random.default_rng(1)
    run: Callable[[list[Any]], list[Any]] = executable(program)
    outputs = differentiable(program, program.outputs)
    results = run(arrays)
    cts = [sample(random, results[n]) for n in outputs]
    grads = dict(zip(reached, executable(gradient)([*arrays, *cts]), strict=True))
    ways = {n: sample(random, arrays[n]) for n in reached}

    def loss(step: float) -> float:
        moved = [x + step * ways[n] if n in ways else x for n, x in enumerate(arrays)]
        return sum(
            inner(ct, y) for ct, y in zip(cts, (run(moved)[n] for n in outputs), strict=True)
        )

    difference = (loss(STEP) - loss(-STEP)) / (2 * STEP)
    predicted = sum(inner(grads[n], ways[n]) for n in reached)
    np.testing.assert_allclose(predicted, difference, rtol=1e-4, atol=1e-4)
    return cts


def reached_inputs(program: Program) -> list[int]:
    """Which inputs the gradient program gives cotangents of."""
    outputs = [program.outputs[n] for n in differentiable(program, program.outputs)]
    wrt = [program.inputs[n] for n in differentiable(program, program.inputs)]
    return [program.inputs.index(i) for i in vjp_program(program, outputs, wrt).reached]


@pytest.mark.parametrize(
    "row", ROWS, ids=[f"{number}-{row[0].name}" for number, row in enumerate(ROWS)]
)
def test_row(row: tuple[Any, list[Any], dict[str, Any]]) -> None:
    primitive, arrays, statics = row
    program = program_of(primitive, arrays, **statics)
    for result, i in zip(executable(program)(arrays), program.outputs, strict=True):
        assert (result.shape, str(result.dtype)) == (
            program.types[i].shape,
            program.types[i].dtype.name,
        )
    reached = reached_inputs(program)
    if not reached:
        return
    first = gradient_program(program)
    cts = check(program, first, arrays, reached)
    again = reached_inputs(first)
    if again:
        check(first, gradient_program(first), [*arrays, *cts], again)
