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
    written: dict[
        int, tuple[bool, int]
    ] = {}  # in this phase: by the first thread alone? by which chain?
    read: dict[int, tuple[bool, int]] = {}
    for kernel in kernels:
        how = is_serial(kernel), kernel.owned.chain if kernel.owned else 0
        waits = kernel.kind == "interpreter"
        reads = [i for value in kernel.reads for i in (value, *inside.get(value, ()))]
        for value in reads:
            waits |= value in written and not _follows(how, written[value])
        for value in kernel.writes:
            waits |= value in written and not _follows(how, written[value])
            waits |= value in read and not _follows(how, read[value])
        if waits or (found and kernels[len(found) - 1].kind == "interpreter"):
            phase += 1
            written, read = {}, {}
        found.append(phase)
        for value in reads:
            serial, chain = read.get(value, how)
            read[value] = serial and how[0], chain if chain == how[1] else 0
        for value in kernel.writes:
            written[value] = how
    return found


def _follows(how: tuple[bool, int], before: tuple[bool, int]) -> bool:
    """Whether a kernel comes after another one without a meeting: on the first thread, or in the same chain."""
    return (how[0] and before[0]) or (how[1] > 0 and how[1] == before[1])


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
    over |= _handed_on(kernels, {v: bytes_of(v) for v in own if v not in {*over, *over.values()}})
    for value, place in over.items():
        last[place] = max(last[place], last[value])
    spans = [(first[v], last[v], bytes_of(v), ("value", v)) for v in first if v not in over]
    shared = _shared_scratch(kernels)
    until = {one: phase[n] for n, one in shared.items()}  # the last one that uses it
    spans += [
        (phase[n], until[n], kernels[n].scratch, ("scratch", n))
        for n in sorted(set(shared.values()))
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
    scratch |= {n: scratch[one] for n, one in shared.items()}
    return Memory(values, scratch, -(-size // ALIGNMENT) * ALIGNMENT, parts)


def _shared_scratch(kernels: Sequence[Kernel]) -> dict[int, int]:
    """For each kernel with scratch, whose it uses: its own, or that of the first one of its chain."""
    found: dict[int, int] = {}
    first: dict[int, int] = {}
    for n, kernel in enumerate(kernels):
        if kernel.scratch:
            found[n] = first.setdefault(kernel.owned.chain, n) if kernel.owned else n
    return found


def _handed_on(kernels: Sequence[Kernel], sizes: Mapping[int, int]) -> dict[int, int]:
    """Values inside of a chain that take the place of others which the chain has read for the last time before.

    The rows of both are the same bytes, and one thread's alone.
    """
    users: dict[int, list[int]] = {}
    for n, kernel in enumerate(kernels):
        for value in kernel.values:
            if value in sizes:
                users.setdefault(value, []).append(n)
    inside = {}  # value -> chain, bytes, bytes from portion to portion
    for value, numbers in users.items():
        owned = [kernels[n].owned for n in numbers]
        chains = {one.chain if one else 0 for one in owned}
        starts = {dict(kernels[n].starts).get(value, 0) for n in numbers}
        if len(chains) == 1 and owned[0] and starts == {0}:
            inside[value] = owned[0].chain, sizes[value], dict(owned[0].steps)[value]
    found: dict[int, int] = {}
    free: dict[tuple[int, int, int], list[int]] = {}
    for n, kernel in enumerate(kernels):
        mine = [value for value in kernel.values if value in inside]
        for value in mine:
            left = free.get(inside[value])
            if users[value][0] == n and left:
                found[value] = left.pop()
        for value in mine:
            if users[value][-1] == n:
                free.setdefault(inside[value], []).append(found.get(value, value))
    return found


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
                if alike and reads_before(kernel.nest, old, store):
                    place = found.get(old, old)
                    found[new], ends[place] = place, spans[new][1]
                    break
    return found


def reads_before(nest: Nest, value: int, store: Store) -> bool:
    """Whether each element of a value is read only where the store writes, and not after it."""
    if (
        store.outer
        or store.into
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
