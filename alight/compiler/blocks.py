"""Blocks: values cut along batches and rows for a scan to walk over, and results joined again.

In: values whose axes have labels. Out: the same as stacks with one axis in front for the steps, and back.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, NamedTuple

from alight.compiler.labels import Labels
from alight.compiler.scores import COLUMNS, ROWS
from alight.dtypes import int64
from alight.ir.program import Program, Value
from alight.ir.types import Type
from alight.primitives import Concat, Expand, Iota, Pad, Permute, Reshape, Scan, Slice


class Chunk(NamedTuple):
    """Blocks of rows that see equally many columns."""

    at: int  # the first row
    blocks: int
    rows: int  # of each
    columns: int
    body: Program


def scan_of(
    body: Program, carries: list[Any], constants: list[Value], stacks: list[Value], length: int
) -> tuple[Value, ...]:
    """A loop of so many steps, the last carries and the stacks that it makes."""
    return Scan(  # type: ignore[return-value]
        *carries, *constants, *stacks, body=body, length=length, carry_count=len(carries), constant_count=len(constants),
        reverse=False,
    )  # type: ignore[call-arg]  # fmt: skip


def step_type(x: Value) -> Type:
    """The type of one element along axis 0."""
    return Type(x.shape[1:], x.dtype, x.type.device)


def indices_along(extents: dict[str, int], group: list[str], label: str, device: Any) -> Value:
    """The index along one axis of every batch of a group."""
    shape = tuple(extents[one] for one in group)
    line: Any = Iota(shape=shape, axis=group.index(label), dtype=int64, device=device)  # type: ignore[call-arg]
    return Reshape(line, shape=(prod(shape),))  # type: ignore[call-arg,return-value]


def split(x: Value, labels: Labels, group: list[str], extents: dict[str, int]) -> Value:
    """The batches of a group in front as one axis, those axes of extent 1 where they were."""
    have = [label for label in group if label in labels]
    front = [labels.index(label) for label in have]
    order = (*front, *(i for i in range(x.ndim) if i not in front))
    item = tuple(1 if label in group else size for label, size in zip(labels, x.shape, strict=True))
    moved: Any = Permute(x, order=order)  # type: ignore[call-arg]
    if len(have) < len(group):
        some = tuple(extents[label] if label in have else 1 for label in group)
        rest = tuple(x.shape[i] for i in order[len(front) :])
        moved = Reshape(moved, shape=(*some, *rest))  # type: ignore[call-arg]
        moved = Expand(moved, shape=(*(extents[label] for label in group), *rest))  # type: ignore[call-arg]
    return Reshape(moved, shape=(prod(extents[label] for label in group), *item))  # type: ignore[call-arg,return-value]


def joined(x: Value, labels: Labels, group: list[str], extents: dict[str, int]) -> Value:
    """The reverse of `split` for what has all labels of the group."""
    rest = tuple(
        size for label, size in zip(labels, x.shape[1:], strict=True) if label not in group
    )
    apart: Any = Reshape(x, shape=(*(extents[label] for label in group), *rest))  # type: ignore[call-arg]
    later = iter(range(len(group), len(group) + len(rest)))
    order = tuple(group.index(label) if label in group else next(later) for label in labels)  # type: ignore[arg-type]
    return Permute(apart, order=order)  # type: ignore[call-arg,return-value]


def part(x: Value, labels: Labels, label: str, at: int, count: int) -> Value:
    """Some rows or columns of a value that has them; any other value itself."""
    if label not in labels or x.shape[labels.index(label)] == count:
        return x
    axis = labels.index(label)
    starts = tuple(at if i == axis else 0 for i in range(x.ndim))
    stops = tuple(at + count if i == axis else size for i, size in enumerate(x.shape))
    return Slice(x, starts=starts, stops=stops, steps=(1,) * x.ndim)  # type: ignore[call-arg,return-value]


def row_blocks(x: Value, labels: Labels, chunk: Chunk) -> Value:
    """Blocks of rows along an axis in front."""
    return blocks_along(x, labels, ROWS, chunk.at, chunk.blocks, chunk.rows)


def blocks_along(x: Value, labels: Labels, label: str, at: int, count: int, size: int) -> Value:
    """Blocks of rows or columns, so many from one place on, along an axis in front."""
    axis = labels.index(label)
    some = part(x, labels, label, at, count * size)
    apart: Any = Reshape(some, shape=(*x.shape[:axis], count, size, *x.shape[axis + 1 :]))  # type: ignore[call-arg]
    order = (axis, *(i for i in range(x.ndim + 1) if i != axis))
    return Permute(apart, order=order)  # type: ignore[call-arg,return-value]


def row_whole(x: Value, labels: Labels) -> Value:
    """The reverse of `row_blocks`."""
    return whole_along(x, labels, ROWS)


def whole_along(x: Value, labels: Labels, label: str) -> Value:
    """The reverse of `blocks_along`."""
    axis = labels.index(label)
    order = (*range(1, axis + 1), 0, *range(axis + 1, x.ndim))
    apart: Any = Permute(x, order=order)  # type: ignore[call-arg]
    shape = (
        *apart.shape[:axis],
        apart.shape[axis] * apart.shape[axis + 1],
        *apart.shape[axis + 2 :],
    )
    return Reshape(apart, shape=shape)  # type: ignore[call-arg,return-value]


def combined(pieces: Sequence[Value], labels: Labels, columns: int) -> Value:
    """The parts of an exit: rows one after the other, or the sum of what there is of columns."""
    if ROWS in labels:
        return pieces[0] if len(pieces) == 1 else Concat(*pieces, axis=labels.index(ROWS))  # type: ignore[call-arg,return-value]
    total: Any = None
    for x in pieces:
        high = [0] * x.ndim
        if COLUMNS in labels:
            axis = labels.index(COLUMNS)
            high[axis] = columns - x.shape[axis]
        one: Any = Pad(x, low=(0,) * x.ndim, high=tuple(high))  # type: ignore[call-arg]
        total = one if total is None else total + one
    return total  # type: ignore[no-any-return]
