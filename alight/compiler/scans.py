"""Loops over time: the body of a `Scan` as a plan of its own, run once for each step with other pointers.

Equal steps are one piece of code. Steps of a loop that carries nothing are divided among the threads, each of which
runs whole steps by itself. Where no row of the carries needs another one, each thread walks through time with rows of
its own (`portions.py`); otherwise all threads do each step together. Carries alternate between two buffers, or lie
where the step's result is stacked when a carry is also a result; constants (the recurrent weights) stay where they are,
in cache.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from alight.compiler.affine import row_major
from alight.compiler.joins import MOST_PARTS, is_dense
from alight.compiler.kernel import Kernel, Operand
from alight.compiler.memory import ALIGNMENT
from alight.compiler.portions import Portion, portion_count, portion_of
from alight.compiler.trace import NotHereError
from alight.ir.program import Node, Program
from alight.primitives import Concat

if TYPE_CHECKING:
    from alight.compiler.lower import Lowering


class Piece(NamedTuple):
    """Where an input lies, or its steps from one on do: one after the other in a value outside."""

    value: int
    offset: int  # in bytes
    step: int = 0


class Loop(NamedTuple):
    """A scan whose body is planned."""

    plan: Any  # of the body: a pipeline.Plan
    inputs: tuple[tuple[Piece, ...], ...]  # in the body's order
    outputs: tuple[int, ...]
    length: int
    carry_count: int
    constant_count: int
    reverse: bool
    buffers: tuple[tuple[int, int], ...]  # two places in scratch for each carry
    apart: int  # bytes from thread to thread of scratch, if threads do not meet; else 0
    portions: int = (
        0  # of the rows, if threads have their own ones; 0: they have their own steps, or meet
    )
    cut: tuple[bool, ...] = ()  # of each input: whether a portion takes its own rows of it


def lower_scan(low: Lowering, node: Node) -> None:
    """Append the kernel of a scan."""
    s = node.statics
    machine, count = low.machine, s["carry_count"]
    apart = count == 0 and machine.alone is not None and s["length"] >= machine.threads
    portion = None if apart else _portion(low, node)
    alone = apart or portion is not None
    body = _planned(
        low, portion.body if portion else s["body"], machine.alone() if alone else machine
    )
    if s["length"] == 0 or not _is_whole(body, count):
        raise NotHereError(node.outputs[0])
    held = count + s["constant_count"]
    given = tuple(
        _pieces(low, value) if n >= held else (_contiguous(low, value),)
        for n, value in enumerate(node.inputs)
    )
    if any(low.strides[i] != row_major(low.types[i].shape) for i in node.outputs):
        raise NotHereError(node.outputs[0])
    size, buffers = body.memory.size, []
    for value in body.program.outputs[:count]:
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
        size if alone else 0,
        machine.threads if portion else 0,
        portion.cut if portion else (),
    )
    low.kernels.append(_kernel(node, loop, size * machine.threads if alone else size))


def _planned(low: Lowering, body: Program, machine: Any) -> Any:
    """The plan of a body: that of an equal one for as many threads, where this program has had it."""
    key = body, machine.threads
    if key not in low.planned:
        low.planned[key] = low.plan(body, machine)
    return low.planned[key]


def _is_whole(body: Any, carry_count: int) -> bool:
    """Whether all of a planned body is code, and each of its results has a place of its own."""
    outputs = body.program.outputs
    carries, results = outputs[:carry_count], outputs[carry_count:]
    written = {value for kernel in body.kernels for value in kernel.writes}
    written |= {whole for whole, _ in body.memory.parts.values()}
    return (
        all(kernel.kind != "interpreter" for kernel in body.kernels)
        and set(outputs) <= written
        and len(set(results)) == len(results)
        and len(set(carries)) == len(carries)
    )


def _kernel(node: Node, loop: Loop, scratch: int) -> Kernel:
    """The kernel of a loop; its detail says all that its code depends on."""
    s = node.statics
    pieces = [piece for one in loop.inputs for piece in one]
    reads = tuple(dict.fromkeys(piece.value for piece in pieces))
    named = (*(piece.value for piece in pieces), *node.outputs)
    order = tuple(map((*reads, *node.outputs).index, named))
    detail = (
        ("body", s["body"]),
        ("order", order),
        ("pieces", tuple(tuple(piece[1:] for piece in one) for one in loop.inputs)),
        ("apart", bool(loop.apart)),
        ("portions", loop.portions),
        *((k, s[k]) for k in ("length", "carry_count", "constant_count", "reverse")),
    )
    steps = s["length"] * max(1, loop.portions)
    work = steps * sum(kernel.work for kernel in loop.plan.kernels)
    return Kernel("scan", reads, node.outputs, (node,), None, detail, (), scratch, work, loop)


def _portion(low: Lowering, node: Node) -> Portion | None:
    """The body for a thread's own rows, where it has such, and they are worth it."""
    s, machine = node.statics, low.machine
    count = s["carry_count"]
    if machine.alone is None or machine.threads < 2 or count == 0:
        return None
    held = node.inputs[count : count + s["constant_count"]]
    size = sum(low.bytes_of(low.types[i]) for i in held)
    portions = portion_count(s["body"], machine.threads, size, machine.cache_bytes)
    return portion_of(s["body"], count, portions) if portions > 1 else None


def _pieces(low: Lowering, value: int) -> tuple[Piece, ...]:
    """Where the steps of a stack lie: what was put together from two along time is read where its parts are."""
    node = low.fusion.maker.get(value)
    if value in low.strides or node is None or node.primitive is not Concat:
        return (_contiguous(low, value),)
    if node.statics["axis"] or len(node.inputs) > MOST_PARTS:
        return (_contiguous(low, value),)
    found, step = [], 0
    for part in node.inputs:
        found.append(_contiguous(low, part)._replace(step=step))
        step += low.types[part].shape[0]
    return tuple(found)


def _contiguous(low: Lowering, value: int) -> Piece:
    """What holds a value in row-major order, and from which byte on: it is copied unless it lies so already."""
    found = low.view(value)
    if found is None or not is_dense(low.types[value], found.strides):
        low.in_memory(value)
        found = Operand(value, low.strides[value])
    if not is_dense(low.types[value], found.strides):
        raise NotHereError(value)
    return Piece(found.value, found.offset * low.stored_bytes(low.types[value].dtype))
