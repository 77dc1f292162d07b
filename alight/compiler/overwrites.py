"""Overwrites: which results may lie where an input lies, as a parameter's new value may where its old one does.

In: a program's kernels in running order. Out: pairs of an output and an input that may be one and the same array, and
the phase from which on inputs are written over. Whether an input is still wanted afterwards is for the caller to know.

An input may be written over by a kernel if all others have read it by then, in an earlier phase or on the first thread,
and if that kernel reads each of its elements only where it writes, and before it does. Everything that may fail is over by then: a step that
fails leaves its inputs as they were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from alight.compiler.effort import LARGE
from alight.compiler.kernel import Kernel
from alight.compiler.memory import reads_before
from alight.compiler.nest import Load, Looked, Nest, Store
from alight.dtypes import dtype
from alight.ir.program import Program


class Overwrites(NamedTuple):
    """What of a program's results may lie where inputs lie."""

    pairs: tuple[tuple[int, int], ...] = ()  # (number of an output, number of an input)
    phase: int = 0  # the first one in which an input is written over


def overwrites(
    program: Program,
    kernels: Sequence[Kernel],
    phases: Sequence[int],
    serial: Sequence[bool],
    inside: frozenset[int],
    bytes_of: Callable[[dtype], int],
) -> Overwrites:
    """The pairs of a program; `inside` are values that hold others, or lie in others."""
    if any(kernel.kind == "interpreter" for kernel in kernels):
        return Overwrites()
    checked = max(
        (at for kernel, at in zip(kernels, phases, strict=True) if _may_fail(kernel)), default=-1
    )
    readers: dict[int, list[int]] = {}  # of a value, the kernels that read it
    writers: dict[int, list[int]] = {}
    for n, kernel in enumerate(kernels):
        for value in kernel.reads:
            readers.setdefault(value, []).append(n)
        for value in kernel.writes:
            writers.setdefault(value, []).append(n)
    inputs = {
        i: n for n, i in enumerate(program.inputs) if i not in program.outputs and i not in inside
    }
    pairs: list[tuple[int, int]] = []
    first, size = max(phases, default=0), 0

    def is_before(k: int, by: int) -> bool:
        return phases[k] < phases[by] or (k < by and serial[k] and serial[by])

    for n, new in enumerate(program.outputs):
        made = writers.get(new, ())
        if (
            len(made) != 1
            or program.outputs.count(new) > 1
            or new in inside
            or new in program.inputs
        ):
            continue
        (by,) = made
        if phases[by] <= checked:
            continue
        alike = [
            old
            for old in kernels[by].reads
            if old in inputs
            and program.types[old] == program.types[new]
            and all(is_before(k, by) for k in readers[old] if k != by)
            and _may_write_over(kernels[by], new, old)
        ]
        if alike:
            first = min(first, phases[by])
            size += program.types[new].size * bytes_of(program.types[new].dtype)
            pairs += [(n, inputs[old]) for old in alike]
    return Overwrites(tuple(pairs), first) if size >= LARGE else Overwrites()


def _may_write_over(kernel: Kernel, new: int, old: int) -> bool:
    """Whether a kernel reads each element of `old` only where it writes `new`, and before."""
    nest = kernel.nest
    if kernel.kind not in ("loops", "product") or nest is None or kernel.owned is not None:
        return False
    if nest.sequential or nest.reduced or nest.reductions or kernel.starts:
        return False
    if any(operand.value == old for operand in kernel.operands):
        return False
    stores = [store for store in nest.stores if store.value == new]
    return (
        len(stores) == 1
        and reads_before(nest, old, stores[0])
        and _is_read_by(nest, old, stores[0])
    )


def _is_read_by(nest: Nest, value: int, store: Store) -> bool:
    """Whether a value is loaded, once for all, at the latest for what this store writes."""
    (*loads,) = (
        n
        for n, one in enumerate(nest.expressions)
        if isinstance(one.what, Load) and one.what.value == value
    )
    needed: set[int] = set()
    todo = [one.expression for one in nest.stores[: nest.stores.index(store) + 1]]
    while todo:
        at = todo.pop()
        if at not in needed:
            needed.add(at)
            todo.extend(nest.expressions[at].inputs)
    return len(loads) == 1 and loads[0] in needed


def _may_fail(kernel: Kernel) -> bool:
    """Whether a kernel checks values: numbers that say where something lies."""
    if kernel.kind == "scan":
        return any(map(_may_fail, kernel.inner.plan.kernels))
    return kernel.nest is not None and any(isinstance(a, Looked) for a in kernel.nest.atoms)
