"""Loops over time: the body of a `Scan` as a plan of its own, run once for each step with other pointers.

Equal steps are one piece of code. Carries alternate between two buffers, or lie where the step's result is stacked when
a carry is also a result; constants (the recurrent weights) stay where they are, in cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from alight.compiler.affine import row_major
from alight.compiler.kernel import Kernel
from alight.compiler.memory import ALIGNMENT
from alight.compiler.trace import NotHereError
from alight.ir.program import Node

if TYPE_CHECKING:
    from alight.compiler.lower import Lowering


class Loop(NamedTuple):
    """A scan whose body is planned."""

    plan: Any  # of the body: a pipeline.Plan
    inputs: tuple[int, ...]  # values outside, in the body's order
    outputs: tuple[int, ...]
    length: int
    carry_count: int
    constant_count: int
    reverse: bool
    buffers: tuple[tuple[int, int], ...]  # two places in scratch for each carry


def lower_scan(low: Lowering, node: Node) -> None:
    """Append the kernel of a scan."""
    s = node.statics
    body = low.plan_body(s["body"])
    program, count = body.program, s["carry_count"]
    if s["length"] == 0 or any(kernel.kind == "interpreter" for kernel in body.kernels):
        raise NotHereError(node.outputs[0])
    written = {value for kernel in body.kernels for value in kernel.writes}
    results = program.outputs[count:]
    if (
        not set(program.outputs) <= written
        or len(set(results)) != len(results)
        or len(set(program.outputs[:count])) != count
    ):
        raise NotHereError(node.outputs[0])
    for value in node.inputs:
        low.in_memory(value)
    if any(low.strides[i] != row_major(low.types[i].shape) for i in (*node.inputs, *node.outputs)):
        raise NotHereError(node.outputs[0])
    size, buffers = body.memory.size, []
    for value in program.outputs[:count]:
        step = -(-low.bytes_of(body.types[value]) // ALIGNMENT) * ALIGNMENT
        buffers.append((size, size + step))
        size += 2 * step
    loop = Loop(
        body,
        node.inputs,
        node.outputs,
        s["length"],
        count,
        s["constant_count"],
        s["reverse"],
        tuple(buffers),
    )
    reads = tuple(dict.fromkeys(node.inputs))
    order = tuple(map((*reads, *node.outputs).index, (*node.inputs, *node.outputs)))
    detail = (
        ("body", s["body"]),
        ("order", order),
        *((k, s[k]) for k in ("length", "carry_count", "constant_count", "reverse")),
    )
    work = s["length"] * sum(kernel.work for kernel in body.kernels)
    low.kernels.append(
        Kernel("scan", reads, node.outputs, (node,), None, detail, (), size, work, loop)
    )
