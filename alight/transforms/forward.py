"""Forward mode: the program that takes tangents forward, made by taking the backward program backward.

The backward program is linear in its cotangents; its own transpose takes tangents of the inputs to tangents of the
outputs. So every primitive's one gradient rule serves both modes, and what only the cotangents needed falls away.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alight.ir.program import Program
from alight.transforms.reverse import Backward, reverse
from alight.transforms.traced import Traced


class Forward(NamedTuple):
    """A program from tangents of `given` inputs and `residuals` to tangents of the `reached` outputs."""

    program: Program
    given: tuple[int, ...]  # inputs of the traced function whose tangents it takes, in this order
    residuals: tuple[int, ...]  # values of the traced function
    reached: tuple[int, ...]  # outputs whose tangents it gives; those of the others are zero


def forward(traced: Traced, outputs: Sequence[int], wrt: Sequence[int]) -> Forward:
    """The tangent program of `outputs` in `wrt`, both values of the traced function."""
    back: Backward = reverse(
        traced.types, traced.nodes, outputs, wrt, traced.blocked, traced.regions
    )
    program = back.program
    cotangents = program.inputs[: len(outputs)]
    found = reverse(program.types, program.nodes, program.outputs, cotangents)
    # Its residuals are inputs of the backward program, which stand for values of the traced function; whatever else a
    # rule computes on the way is computed again.
    value_of = dict(zip(program.inputs[len(outputs) :], back.residuals, strict=True))
    output_of = dict(zip(cotangents, outputs, strict=True))
    if all(id in value_of for id in found.residuals):
        residuals = tuple(value_of[id] for id in found.residuals)
        made = found.program
    else:
        made, residuals = _with_values(program, found, value_of, len(program.outputs))
    return Forward(made, back.reached, residuals, tuple(output_of[id] for id in found.reached))


def _with_values(
    program: Program, found: Backward, value_of: dict[int, int], tangents: int
) -> tuple[Program, tuple[int, ...]]:
    """The transposed program with the values that it reads of the backward program computed inside."""
    from alight.ir.program import Builder, prune

    builder = Builder()
    given = [builder.input(found.program.types[i]) for i in found.program.inputs[:tangents]]
    needed = prune(Program(program.types, program.inputs, program.nodes, found.residuals))
    stand_ins = {id: builder.input(program.types[id]) for id in value_of}
    zeros = {}
    with builder.active():
        from alight.primitives.create import Full

        for id in needed.inputs:
            if (
                id not in stand_ins
            ):  # a cotangent: what is linear in it does not depend on its value
                of = program.types[id]
                zeros[id] = Full(shape=of.shape, value=0, dtype=of.dtype, device=of.device)
    inputs = [stand_ins.get(id, zeros.get(id)) for id in needed.inputs]
    computed = builder.inline(needed, inputs)  # type: ignore[arg-type]
    outs = builder.inline(found.program, [*given, *computed])
    whole = Program(builder.types, builder.inputs, builder.nodes, [out.id for out in outs])
    return whole, tuple(value_of.values())
