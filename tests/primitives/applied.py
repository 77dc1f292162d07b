"""One primitive as a program: run it, or its gradient, on arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from alight.backends.base import executable
from alight.dtypes import BY_NAME
from alight.ir.program import Builder, Program
from alight.ir.types import Type
from alight.transforms.reverse import vjp_program


def program_of(function: Any, arrays: list[Any], **statics: Any) -> Program:
    """The program of a primitive, or of a formula over values, for inputs like `arrays`."""
    builder = Builder()
    inputs = [builder.input(Type(a.shape, BY_NAME[str(a.dtype)])) for a in map(np.asarray, arrays)]
    with builder.active():
        outputs = function(*inputs, **statics)
    return builder.finish(list(outputs) if isinstance(outputs, tuple) else [outputs])


def applied(function: Any, *arrays: Any, **statics: Any) -> list[Any]:
    """The outputs as arrays."""
    return executable(program_of(function, list(arrays), **statics))(list(arrays))


def gradients(function: Any, arrays: list[Any], cts: list[Any], **statics: Any) -> list[Any]:
    """The cotangents of all differentiable inputs for those of all differentiable outputs."""
    program = program_of(function, arrays, **statics)
    outputs = [i for i in program.outputs if program.types[i].dtype.is_differentiable]
    wrt = [i for i in program.inputs if program.types[i].dtype.is_differentiable]
    backward = vjp_program(program, outputs, wrt)
    forward = Program(program.types, program.inputs, program.nodes, backward.residuals)
    residuals = executable(forward)(list(arrays)) if backward.residuals else []
    found = dict(
        zip(backward.reached, executable(backward.program)([*cts, *residuals]), strict=True)
    )
    return [found.get(i) for i in wrt]
