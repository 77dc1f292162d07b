"""Loops over time: the body of a `Scan` as a plan of its own, run once for each step with other pointers.

Equal steps are one piece of code. Steps of a loop that carries nothing are divided among the threads, each of which
runs whole steps by itself; otherwise all threads do each step together. Carries alternate between two buffers, or lie
where the step's result is stacked when a carry is also a result; constants (the recurrent weights) stay where they are,
in cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from alight.compiler.affine import row_major
from alight.compiler.kernel import Kernel, Operand
from alight.compiler.memory import ALIGNMENT
from alight.compiler.trace import NotHereError
from alight.ir.program import Node

if TYPE_CHECKING:
    from alight.compiler.lower import Lowering


class Loop(NamedTuple):
    """A scan whose body is planned."""

    plan: Any  # of the body: a pipeline.Plan
    inputs: tuple[tuple[int, int], ...]  # values outside and the byte in them, in the body's order
    outputs: tuple[int, ...]
    length: int
    carry_count: int
    constant_count: int
    reverse: bool
    buffers: tuple[tuple[int, int], ...]  # two places in scratch for each carry
    apart: int = (
        0  # bytes from thread to thread of scratch, if each thread does some of the steps by itself
    )


def lower_scan(low: Lowering, node: Node) -> None:
    """Append the kernel of a scan."""
    s = node.statics
    machine, count = low.machine, s["carry_count"]
    apart = count == 0 and machine.alone is not None and s["length"] >= machine.threads
    body = low.plan(s["body"], machine.alone() if apart else machine)
    program = body.program
    if s["length"] == 0 or any(kernel.kind == "interpreter" for kernel in body.kernels):
        raise NotHereError(node.outputs[0])
    written = {value for kernel in body.kernels for value in kernel.writes}
    written |= {whole for whole, _ in body.memory.parts.values()}
    results = program.outputs[count:]
    if (
        not set(program.outputs) <= written
        or len(set(results)) != len(results)
        or len(set(program.outputs[:count])) != count
    ):
        raise NotHereError(node.outputs[0])
    given = tuple(_contiguous(low, value) for value in node.inputs)
    if any(low.strides[i] != row_major(low.types[i].shape) for i in node.outputs):
        raise NotHereError(node.outputs[0])
    size, buffers = body.memory.size, []
    for value in program.outputs[:count]:
        step = -(-low.bytes_of(body.types[value]) // ALIGNMENT) * ALIGNMENT
        buffers.append((size, size + step))
        size += 2 * step
    size = -(-size // ALIGNMENT) * ALIGNMENT
    loop = Loop(
        body,
        given,
        node.outputs,
        s["length"],
        count,
        s["constant_count"],
        s["reverse"],
        tuple(buffers),
        size if apart else 0,
    )
    reads = tuple(dict.fromkeys(value for value, _ in given))
    named = (*(value for value, _ in given), *node.outputs)
    order = tuple(map((*reads, *node.outputs).index, named))
    detail = (
        ("body", s["body"]),
        ("order", order),
        ("offsets", tuple(offset for _, offset in given)),
        ("apart", apart),
        *((k, s[k]) for k in ("length", "carry_count", "constant_count", "reverse")),
    )
    work = s["length"] * sum(kernel.work for kernel in body.kernels)
    if apart:
        size *= machine.threads
    low.kernels.append(
        Kernel("scan", reads, node.outputs, (node,), None, detail, (), size, work, loop)
    )


def _contiguous(low: Lowering, value: int) -> tuple[int, int]:
    """What holds a value in row-major order, and from which byte on: it is copied unless it lies so already."""
    found = low.view(value)
    if found is None or found.strides != row_major(low.types[value].shape):
        low.in_memory(value)
        found = Operand(value, low.strides[value])
    if found.strides != row_major(low.types[value].shape):
        raise NotHereError(value)
    return found.value, found.offset * low.stored_bytes(low.types[value].dtype)
