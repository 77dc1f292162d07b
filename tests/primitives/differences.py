"""Gradients against differences: the gradient of a program as a program, and slopes measured by running it.

For complex numbers the gradient of a real loss L is dL/dRe + i dL/dIm, PyTorch's convention; so the slope of L along
v is the real part of sum(conj(gradient) * v).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alight.backends.base import executable
from alight.ir.program import Builder, Program, prune
from alight.transforms.reverse import vjp_program

Arrays = list[Any]
STEP = 1e-5  # a central difference is off by STEP**2, and by rounding, 1e-16 / STEP


def gradient_program(program: Program) -> Program | None:
    """From the inputs of `program` and cotangents of its differentiable outputs to gradients; None if there are none.

    Every differentiable input has its gradient among the outputs, in order; those that nothing reaches have none.
    """
    outputs = _differentiable(program, dict.fromkeys(program.outputs))
    wrt = _differentiable(program, program.inputs)
    backward = vjp_program(program, outputs, wrt)
    if not backward.reached:
        return None
    builder = Builder()
    inputs = [builder.input(program.types[i]) for i in program.inputs]
    cts = [builder.input(program.types[i]) for i in outputs]
    forward = prune(Program(program.types, program.inputs, program.nodes, backward.residuals))
    residuals = builder.inline(forward, inputs)
    return builder.finish(builder.inline(backward.program, [*cts, *residuals]))


def reached_inputs(program: Program) -> list[int]:
    """Numbers of the inputs whose gradients `gradient_program` gives."""
    outputs = _differentiable(program, dict.fromkeys(program.outputs))
    wrt = _differentiable(program, program.inputs)
    reached = vjp_program(program, outputs, wrt).reached
    return [n for n, i in enumerate(program.inputs) if i in reached]


def _differentiable(program: Program, values: Any) -> list[int]:
    return [i for i in values if program.types[i].dtype.is_differentiable]


def check_gradient(program: Program, arrays: Arrays, tolerance: float = 1e-6) -> None:
    """Assert that the gradient's product with random directions is the measured slope."""
    random = np.random.default_rng(1)
    outputs = _differentiable(program, dict.fromkeys(program.outputs))
    at = [program.outputs.index(i) for i in outputs]
    cts = [_random_like(random, program.types[i]) for i in outputs]
    run = executable(program)

    def loss(inputs: Arrays) -> float:
        results = run(inputs)
        return sum(
            float(np.sum((np.conj(ct) * results[n]).real)) for ct, n in zip(cts, at, strict=True)
        )

    gradient = gradient_program(program)
    grads = executable(gradient)([*arrays, *cts]) if gradient else []
    found = dict(zip(reached_inputs(program), grads, strict=True))
    for n, i in enumerate(program.inputs):
        if not program.types[i].dtype.is_differentiable:
            continue
        for _ in range(2):
            direction = _random_like(random, program.types[i])
            slope = (
                loss(_moved(arrays, n, direction, STEP)) - loss(_moved(arrays, n, direction, -STEP))
            ) / (2 * STEP)
            expected = float(np.sum((np.conj(found[n]) * direction).real)) if n in found else 0.0
            scale = 1 + abs(expected) + float(np.sum(np.abs(found.get(n, 0))))
            assert abs(slope - expected) < tolerance * scale, (
                f"the slope along a direction of input {n} is {slope}, the gradient says {expected}\n{program}\n{gradient}"
            )  # fmt: skip


def _moved(arrays: Sequence[Any], n: int, direction: Any, step: float) -> Arrays:
    return [x + step * direction if k == n else x for k, x in enumerate(arrays)]


def _random_like(random: np.random.Generator, type: Any) -> Any:
    x = random.standard_normal(type.shape)
    return x + 1j * random.standard_normal(type.shape) if type.dtype.is_complex else x
