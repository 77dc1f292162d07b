"""Memory: where kernels put what only other kernels read.

In: kernels in running order, and after which of them all threads meet. Out: an offset into one arena for every value
that is neither an input nor an output, and for every kernel's scratch. Two values share bytes only if a meeting of the
threads lies between the last use of one and the first of the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from alight.compiler.kernel import Kernel
from alight.compiler.nest import Load, Looked, Nest, Store

ALIGNMENT = 64
STATUS_BYTES = 64  # the arena begins with the step's status


class Memory(NamedTuple):
    """Offsets in the arena, in bytes."""

    values: dict[int, int]
    scratch: dict[int, int]  # of kernels, by their number
    size: int
    parts: Mapping[int, tuple[int, int]]  # values that lie in another one, bytes from its start


Parts = Mapping[int, tuple[int, int]]


def phases(
    kernels: Sequence[Kernel], is_serial: Callable[[Kernel], bool], parts: Parts
) -> list[int]:
    """The phase of each kernel: kernels of one phase may run at the same time, all threads meet between phases.

    Kernels that run on the first thread alone follow one another without a meeting. Whoever reads a value reads the
    parts that others wrote into it.
    """
    phase = 0
    inside: dict[int, list[int]] = {}
    for part, (whole, _) in parts.items():
        inside.setdefault(whole, []).append(part)
    found: list[int] = []
    written: dict[int, bool] = {}  # values written in this phase: whether by the first thread alone
    read: dict[int, bool] = {}
    for kernel in kernels:
        serial = is_serial(kernel)
        waits = kernel.kind == "interpreter"
        reads = [i for value in kernel.reads for i in (value, *inside.get(value, ()))]
        for value in reads:
            waits |= value in written and not (serial and written[value])
        for value in kernel.writes:
            waits |= value in written and not (serial and written[value])
            waits |= value in read and not (serial and read[value])
        if waits or (found and kernels[len(found) - 1].kind == "interpreter"):
            phase += 1
            written, read = {}, {}
        found.append(phase)
        for value in reads:
            read[value] = serial and read.get(value, True)
        for value in kernel.writes:
            written[value] = serial
    return found


def plan_memory(
    kernels: Sequence[Kernel],
    phase: Sequence[int],
    outside: Iterable[int],
    bytes_of: Callable[[int], int],
    parts: Parts,
) -> Memory:
    """Offsets by first fit, large values first within a phase."""
    outside = set(outside)
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for kernel, at in zip(kernels, phase, strict=True):
        for value in (parts[i][0] if i in parts else i for i in kernel.values):
            if value not in outside:
                first.setdefault(value, at)
                last[value] = at
    held = {whole for whole, _ in parts.values()}
    own = [v for v in first if v not in held]
    over = _written_over(kernels, phase, {v: (first[v], last[v], bytes_of(v)) for v in own})
    for value, place in over.items():
        last[place] = max(last[place], last[value])
    spans = [(first[v], last[v], bytes_of(v), ("value", v)) for v in first if v not in over]
    spans += [
        (at, at, k.scratch, ("scratch", n))
        for n, (k, at) in enumerate(zip(kernels, phase, strict=True))
        if k.scratch
    ]
    placed: list[tuple[int, int, int, int]] = []  # first phase, last phase, offset, end
    offsets: dict[tuple[str, int], int] = {}
    size = STATUS_BYTES
    for start, end, count, name in sorted(spans, key=lambda s: (s[0], -s[2])):
        at = STATUS_BYTES
        for _, _, low, high in sorted(
            (p for p in placed if p[0] <= end and start <= p[1]), key=lambda p: p[2]
        ):
            if at + count <= low:
                break
            at = max(at, -(-high // ALIGNMENT) * ALIGNMENT)
        placed.append((start, end, at, at + max(count, 1)))
        offsets[name] = at
        size = max(size, at + count)
    values = {n: at for (kind, n), at in offsets.items() if kind == "value"}
    values |= {value: values[place] for value, place in over.items()}
    values |= {i: values[whole] + at for i, (whole, at) in parts.items() if whole in values}
    scratch = {n: at for (kind, n), at in offsets.items() if kind == "scratch"}
    return Memory(values, scratch, -(-size // ALIGNMENT) * ALIGNMENT, parts)


def _written_over(
    kernels: Sequence[Kernel], phase: Sequence[int], spans: Mapping[int, tuple[int, int, int]]
) -> dict[int, int]:
    """Values that loops write where they read another one for the last time, with the first value of that place."""
    found: dict[int, int] = {}
    touched: dict[int, list[int]] = {}  # phase -> the values of all its kernels
    for kernel, at in zip(kernels, phase, strict=True):
        touched.setdefault(at, []).extend(kernel.values)
    ends = {value: end for value, (_, end, _) in spans.items()}  # of the places
    for kernel, at in zip(kernels, phase, strict=True):
        if kernel.kind != "loops" or kernel.nest is None or kernel.nest.sequential:
            continue
        for store in kernel.nest.stores:
            new = store.value
            if new not in spans or spans[new][0] != at or touched[at].count(new) > 1:
                continue
            for old in kernel.reads:
                if old not in spans or ends[found.get(old, old)] != at:
                    continue
                alike = spans[old][2] == spans[new][2] and touched[at].count(old) == 1
                if alike and _reads_before(kernel.nest, old, store):
                    place = found.get(old, old)
                    found[new], ends[place] = place, spans[new][1]
                    break
    return found


def _reads_before(nest: Nest, value: int, store: Store) -> bool:
    """Whether each element of a value is read only where the store writes, and not after it."""
    if (
        store.outer
        or store.add
        or not all(_has_axis(store, a) for a in range(len(nest.extents)) if nest.extents[a] > 1)
    ):
        return False
    loads = {
        n
        for n, one in enumerate(nest.expressions)
        if isinstance(one.what, Load) and one.what.value == value
    }
    if any(
        nest.expressions[n].what.index != store.index or nest.expressions[n].what.guard
        for n in loads
    ):
        return False
    reading = set(loads)
    for n, one in enumerate(nest.expressions):
        if reading.intersection(one.inputs):
            reading.add(n)
    if any(isinstance(a, Looked) and a.expression in reading for a in nest.atoms):
        return False
    stage = nest.expressions[store.expression].stage
    roots = [(r.expression, r.stage) for r in nest.reductions]
    roots += [(s.expression, nest.expressions[s.expression].stage) for s in nest.stores]
    return all(at <= stage for root, at in roots if root in reading)


def _has_axis(store: Store, axis: int) -> bool:
    return store.index.coefficient(axis) != 0
