"""The passes from a program to kernels in memory, in order.

    program -> simplify -> narrow -> merge -> stream -> fuse -> layouts -> lower -> chains -> phases -> memory -> overwrites
    -> (a backend writes the code)

Each is a pure function in a file of its own. `plan` runs them; `explain` shows what came out after each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from alight.compiler.chains import chained
from alight.compiler.fuse import Fusion, Supports, fuse
from alight.compiler.kernel import Kernel
from alight.compiler.layout import extent, layouts
from alight.compiler.lower import Lowering
from alight.compiler.memory import Memory, phases, plan_memory
from alight.compiler.merge import merge
from alight.compiler.narrow import narrow
from alight.compiler.overwrites import Overwrites, overwrites
from alight.compiler.simplify import simplify
from alight.compiler.stream import stream
from alight.compiler.trace import NotHereError
from alight.dtypes import dtype
from alight.ir.program import Node, Program
from alight.ir.types import Type


class Machine(NamedTuple):
    """What passes ask of a backend."""

    vector_bytes: int
    supports: Supports  # whether a node can be part of a loop
    products: frozenset[dtype]  # dtypes of which matrix products are compiled
    finished: Callable[[Kernel, tuple[Type, ...]], Kernel]  # fills in a heavy kernel's scratch
    stored_bytes: Callable[[dtype], int]  # of an element in memory
    parallel_work: int  # steps of work from which a kernel is worth dividing
    threads: int  # the most that a program may run on
    cache_bytes: int  # of the cache that each core has to itself, or nearly so
    score_bytes: int  # scores of an attention that are larger than this are never whole
    alone: Callable[[], Machine] | None  # the same for one thread; None if it is that already


class Plan(NamedTuple):
    """A compiled program before code is written."""

    program: Program  # simplified
    fusion: Fusion | None  # while it is being made
    types: tuple[Type, ...]  # of its values, and of copies that lowering made
    strides: dict[int, tuple[int, ...]]
    kernels: tuple[Kernel, ...]
    phases: tuple[int, ...]
    memory: Memory
    serial: tuple[bool, ...]  # kernels that the first thread runs alone
    over: Overwrites = Overwrites()  # what of the results may lie where inputs lie


def plan(program: Program, machine: Machine) -> Plan:
    """Run all passes."""
    if any(0 in type.shape for type in program.types):
        raise NotHereError("values without elements")
    simple = stream(merge(narrow(simplify(program))), machine.cache_bytes, machine.score_bytes)
    fusion, lowering, kernels = _lowered(simple, machine)
    types = tuple(lowering.types)
    kernels = chained(kernels, types, lowering.parts, machine)
    serial = tuple(_is_serial(kernel, machine) for kernel in kernels)
    alone = dict(zip(map(id, kernels), serial, strict=True))
    parts = lowering.parts
    order = phases(kernels, lambda kernel: alone[id(kernel)], parts)
    outside = {*simple.inputs, *simple.outputs}

    def bytes_of(value: int) -> int:
        elements = extent(types[value].shape, lowering.strides[value])
        return elements * machine.stored_bytes(types[value].dtype)

    memory = plan_memory(kernels, order, outside, bytes_of, parts)
    inside = frozenset((*parts, *(whole for whole, _ in parts.values())))
    over = overwrites(simple, kernels, order, serial, inside, machine.stored_bytes)
    strides = lowering.strides
    return Plan(simple, fusion, types, strides, kernels, tuple(order), memory, serial, over)


def _is_serial(kernel: Kernel, machine: Machine) -> bool:
    """Whether the first thread runs a kernel alone: it takes no time, or there is nothing to divide.

    Threads that each ran the whole of a loop would read what another one has written over already.
    """
    if kernel.owned is not None:
        return False
    nest = kernel.nest
    whole = kernel.kind == "loops" and nest is not None and not nest.divisible
    return whole or kernel.effort < machine.parallel_work


def _lowered(simple: Program, machine: Machine) -> tuple[Fusion, Lowering, tuple[Kernel, ...]]:
    """Fuse and lower; a value that cannot be had where it was fused is set apart, then left to the interpreter."""
    apart: set[int] = set()
    refused: set[int] = set()

    def supports(node: Node, program: Program) -> bool:
        return node.outputs[0] not in refused and machine.supports(node, program)

    while True:
        fusion = fuse(simple, supports, apart - refused)
        strides = layouts(fusion, machine.vector_bytes // 4)
        lowering = Lowering(fusion, strides, machine, plan)
        try:
            kernels = lowering.run()
            types = tuple(lowering.types)
            return fusion, lowering, tuple(machine.finished(kernel, types) for kernel in kernels)
        except NotHereError as error:
            value = error.args[0]
            if value in refused or value not in fusion.maker:
                raise
            (refused if value in apart else apart).add(value)
