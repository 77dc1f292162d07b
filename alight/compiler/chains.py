"""Chains: kernels one after the other that need one another row by row, so that threads need not meet between them.

In: kernels in running order. Out: the same, of which those of a chain are for a portion of the rows; each thread runs
all of them on portions of its own. A loop over time that is written out in Python is such a chain forward and another
one backward: what a step reads of the state are the rows that the same thread wrote.

    %4 = tanh(dot_general(%0, %1)); %5 = tanh(dot_general(%4, %1)); ...     rows of %5 come from the same rows of %4
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from typing import Any, NamedTuple

from alight.compiler.affine import Affine
from alight.compiler.kernel import Kernel, Owned
from alight.compiler.nest import Load, Nest, affines
from alight.compiler.portions import LEAST_ROWS, MANY_ROWS
from alight.ir.types import Type

FEWEST = 3  # kernels that are worth a chain
MOST_ROWS = 128  # of a kernel: larger ones take long enough for a meeting not to matter


class Access(NamedTuple):
    """Which bytes belong to a row, of a value or of what it is a part of: the first row is row `origin` of that."""

    step: int  # bytes from row to row
    origin: int
    apart: bool  # whether rows lie one behind the other, none in another one's bytes

    def meets(self, other: Access, count: int) -> bool:
        """Whether a row of one may share bytes with another row of the other one."""
        if self.step != other.step or not (self.apart and other.apart):
            return True
        return 0 < abs(self.origin - other.origin) < count


class Rows(NamedTuple):
    """A kernel as rows that can be computed one without the others."""

    extent: int
    read: dict[int, set[Access]]  # by value, or what it is a part of
    written: dict[int, set[Access]]


def chained(
    kernels: Sequence[Kernel], types: Sequence[Type], parts: Mapping[int, tuple[int, int]], machine: Any
) -> tuple[Kernel, ...]:  # fmt: skip
    """The kernels, those of chains for one portion of their rows."""
    if machine.alone is None or machine.threads < 2:
        return tuple(kernels)
    made, run = list(kernels), _Run()
    alone = machine.alone()
    number = 0
    for n, kernel in enumerate((*kernels, None)):
        rows = None if kernel is None else _rows_of(kernel, types, parts, machine)
        if rows is not None and run.takes(rows):
            run.add(n, rows)
            continue
        if _is_worth_it(run, kernels, machine):
            number += 1
            _own(made, run, number, types, alone, machine.threads)
        run = _Run()
        if rows is not None:
            run.add(n, rows)
    return tuple(made)


class _Run:
    """Kernels that follow one another, so far without need to meet."""

    def __init__(self) -> None:
        self.members: list[int] = []
        self.count = 0
        self.links = 0  # members that read what another one wrote
        self.read: dict[int, set[Access]] = {}
        self.written: dict[int, set[Access]] = {}

    def takes(self, rows: Rows) -> bool:
        """Whether a kernel reads and writes nothing of another portion's rows."""
        pairs = (rows.read, self.written), (rows.written, self.written), (rows.written, self.read)
        return self.count in (0, rows.extent) and not any(
            one.meets(other, rows.extent)
            for mine, before in pairs
            for value, found in mine.items()
            for one in found
            for other in before.get(value, ())
        )

    def add(self, n: int, rows: Rows) -> None:
        """One more kernel."""
        self.members.append(n)
        self.count = rows.extent
        self.links += any(value in self.written for value in rows.read)
        for mine, all_of in ((rows.read, self.read), (rows.written, self.written)):
            for value, found in mine.items():
                all_of.setdefault(value, set()).update(found)


def _is_worth_it(run: _Run, kernels: Sequence[Kernel], machine: Any) -> bool:
    """Whether there are meetings to be saved: kernels that all threads would share follow from one another."""
    shared = [n for n in run.members if kernels[n].work >= machine.parallel_work]
    return min(len(shared), run.links + 1) >= FEWEST


def _rows_of(
    kernel: Kernel, types: Sequence[Type], parts: Mapping[int, tuple[int, int]], machine: Any
) -> Rows | None:
    """A kernel's rows, if there are enough for all threads and none needs another one."""
    nest = kernel.nest
    if nest is None or kernel.kind not in ("loops", "product"):
        return None
    detail = dict(kernel.detail) if kernel.kind == "product" else {}
    axis = row_axis(nest)
    count = nest.extents[axis] if nest.extents else 0
    own = count // machine.threads
    if count % machine.threads or count > MOST_ROWS or own < LEAST_ROWS or not _is_by_rows(nest):
        return None
    if detail and (detail["batch"] or axis):
        return None
    starts = dict(kernel.starts)
    rows = Rows(count, {}, {})
    steps: dict[int, int] = {}
    for written, value, step, low, high in _places(kernel, nest, detail):
        size = machine.stored_bytes(types[value].dtype)
        if steps.setdefault(value, step) != step:
            return None
        base, at = value, starts.get(value, 0)
        while base in parts:
            base, more = parts[base]
            at += more
        row = step * size
        origin, at = divmod(at, row) if row else (0, at)
        apart = low >= 0 and at + high * size < row
        if written and not apart:
            return None
        (rows.written if written else rows.read).setdefault(base, set()).add(
            Access(row, origin, apart)
        )
    weights = sum(types[value].bytes for value, step in steps.items() if step == 0)
    if own < MANY_ROWS and weights > machine.cache_bytes:
        return None
    return rows if set(steps) == set(kernel.values) else None


def row_axis(nest: Nest) -> int:
    """The first axis that there is more than one index of."""
    return next((i for i, extent in enumerate(nest.extents) if extent > 1), 0)


def _is_by_rows(nest: Nest) -> bool:
    """Whether the axis of rows only says where elements lie."""
    axis = row_axis(nest)
    if axis in nest.reduced or nest.sequential or any(store.into for store in nest.stores):
        return False
    if any(axis in axes for axes in nest.atom_axes[len(nest.extents) :]):
        return False
    for one in nest.expressions:
        places = affines(one.what)
        if isinstance(one.what, Load):
            places = places[1:]  # the index itself may
        if any(axis in nest.affine_axes(place) for place in places):
            return False
    return True


def _places(
    kernel: Kernel, nest: Nest, detail: dict[str, Any]
) -> list[tuple[bool, int, int, int, int]]:
    """What a kernel touches: whether it writes, a value, the elements from row to row, a row's first and last one."""
    axis = row_axis(nest)

    def place(written: bool, value: int, index: Affine) -> tuple[bool, int, int, int, int]:
        step = index.coefficient(axis)
        return written, value, step, *nest.bounds(index + Affine(0, ((axis, -step),) * (step != 0)))

    found = [place(True, store.value, store.index) for store in nest.stores]
    for n, one in enumerate(nest.expressions):
        if isinstance(one.what, Load) and n != detail.get("given"):
            found.append(place(False, one.what.value, one.what.index))
    if detail:
        x, y = kernel.operands
        step, length = detail["a"][-2], (detail["k"] - 1) * detail["a"][-1]
        found.append((False, x.value, step, x.offset, x.offset + length))
        found.append((False, y.value, 0, 0, 0))
    return found


def _own(
    made: list[Kernel], run: _Run, number: int, types: Sequence[Type], alone: Any, threads: int
) -> None:
    """Make a run a chain: its kernels are for a portion of the rows, and have scratch for each thread."""
    own = run.count // threads
    found = {n: alone.finished(_shortened(made[n], own), tuple(types)) for n in run.members}
    scratch = -(-max(kernel.scratch for kernel in found.values()) // 64) * 64
    for n, kernel in found.items():
        steps = _steps_of(made[n], types, alone, own)
        made[n] = kernel._replace(
            scratch=scratch * threads if kernel.scratch else 0,
            work=kernel.work // threads,
            owned=Owned(number, threads, steps, scratch),
        )


def _steps_of(
    kernel: Kernel, types: Sequence[Type], machine: Any, rows: int
) -> tuple[tuple[int, int], ...]:
    """Bytes from portion to portion of each value."""
    assert kernel.nest is not None
    detail = dict(kernel.detail) if kernel.kind == "product" else {}
    places = _places(kernel, kernel.nest, detail)
    steps = {i: step * rows * machine.stored_bytes(types[i].dtype) for _, i, step, *_ in places}
    return tuple(sorted(steps.items()))


def _shortened(kernel: Kernel, rows: int) -> Kernel:
    """The kernel for fewer rows."""
    assert kernel.nest is not None
    nest, axis = copy(kernel.nest), row_axis(kernel.nest)
    nest.extents = (*nest.extents[:axis], rows, *nest.extents[axis + 1 :])
    if kernel.kind == "loops":
        return kernel._replace(nest=nest)
    detail = tuple((name, rows if name == "m" else what) for name, what in kernel.detail)
    return kernel._replace(nest=nest, detail=detail, scratch=0)


__all__ = ["chained"]
