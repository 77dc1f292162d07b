"""Gather and scatter with NumPy: indices along several axes become one index into flattened rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alight.backends.interpreter.arrays import Array
from alight.backends.interpreter.halves import in_single
from alight.backends.interpreter.kernels import Kernel, kernel
from alight.errors import fail, message
from alight.ir.types import Shape, Type

Types = Sequence[Type]
Statics = dict[str, Any]
Axes = tuple[int, ...]


def _check(ids: Array, size: int, axis: int) -> None:
    """PyTorch's error for an index that is not in [0, size); operations may word it anew from its `place`."""
    if not ids.size or (ids.min() >= 0 and ids.max() < size):
        return
    at = np.unravel_index(int(np.argmax((ids < 0) | (ids >= size))), ids.shape)
    position = [int(i) for i in at]
    where = f"index {int(ids[at])} at position {position}" if position else f"index {int(ids[at])}"
    rows = f"rows 0 to {size - 1}" if size else "no rows"
    top = int(ids.max())
    hint = (
        f"a table of {top + 1} rows, or smaller indices"
        if top >= size
        else "indices that count from 0"
    )
    facts = [f"{where}, but the table has {rows}"]
    error: Any = IndexError(message("index out of range in self", facts, hint))
    error.place = {"axis": axis, "size": size}
    raise error


class _Rows:
    """How `ids` along `axes` name rows of x: with `axes` moved to the front, the product of their extents is rows."""

    def __init__(self, x: Shape, axes: Axes) -> None:
        rest = tuple(a for a in range(len(x)) if a not in axes)
        self.extents = tuple(x[a] for a in axes)
        self.order = axes + rest
        self.inverse = tuple(self.order.index(a) for a in range(len(x)))
        self.in_front = self.order == tuple(range(len(x)))
        self.moved = tuple(x[a] for a in self.order)
        self.count, self.width = _product(self.extents), _product(self.moved[len(axes) :])

    def numbers(self, ids: Sequence[Any]) -> Array:
        """The row number of each index, checked."""
        numbers: Any = 0
        for i, size, axis in zip(ids, self.extents, self.order, strict=False):
            i = np.asarray(i)
            _check(i, size, axis)
            numbers = i if len(ids) == 1 else numbers * size + i
        return np.asarray(numbers)

    def table(self, x: Array) -> Array:
        """A copy of x as rows."""
        return np.array(x.transpose(self.order), order="C").reshape(self.count, self.width)

    def back(self, table: Array) -> Array:
        """The inverse of `table`."""
        x = table.reshape(self.moved)
        return x if self.in_front else np.ascontiguousarray(x.transpose(self.inverse))


def _product(extents: Shape) -> int:
    total = 1
    for size in extents:
        total *= size
    return total


@kernel("index")
def index(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Rows taken by number; by NumPy's own indexing where moving the axes would copy x."""
    axes, shape = statics["axes"], types_out[0].shape
    rows = _Rows(types_in[0].shape, axes)

    def run(x: Array, *ids: Any) -> Array:
        numbers = rows.numbers(ids)
        if rows.in_front:
            table = x.reshape(rows.count, *rows.moved[len(axes) :])
            return table.take(numbers, 0, mode="clip")  # checked above: "clip" skips a second check
        moved = x.transpose(rows.order)
        return np.ascontiguousarray(moved[tuple(np.asarray(i) for i in ids)]).reshape(shape)

    return run


def _scatter(ufunc: Any) -> Any:
    def make(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
        rows = _Rows(types_in[0].shape, statics["axes"])
        columns = np.arange(rows.width)
        if statics.get("reduce") is not None:
            ufunc_at = {"prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[
                statics["reduce"]
            ].at
        else:
            ufunc_at = ufunc.at

        def run(base: Array, updates: Array, *ids: Any) -> Array:
            numbers = rows.numbers(ids).reshape(-1)
            table = rows.table(base)
            if (
                rows.width != 1
            ):  # flat indices: `at` is 2 to 5 times as fast on one axis as row by row
                numbers = (numbers[:, None] * rows.width + columns).reshape(-1)
            ufunc_at(table.reshape(-1), numbers, updates.reshape(-1))
            return rows.back(table)

        return in_single(types_in, types_out, run)

    return make


kernel("index_add")(_scatter(np.add))
kernel("scatter_reduce")(_scatter(None))


@kernel("index_put")
def index_put(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Rows written by number, in order."""
    rows = _Rows(types_in[0].shape, statics["axes"])

    def run(base: Array, updates: Array, *ids: Any) -> Array:
        numbers = rows.numbers(ids).reshape(-1)
        table = rows.table(base)
        table[numbers] = updates.reshape(numbers.size, rows.width)
        return rows.back(table)

    return run


def _part(starts: Sequence[Any], sizes: Shape, shape: Shape) -> tuple[slice, ...]:
    part = []
    for axis, (start, size, extent) in enumerate(zip(map(int, starts), sizes, shape, strict=True)):
        if start < 0 or start + size > extent:
            fail(
                IndexError,
                f"start out of range (expected to be in range of [0, {extent - size}], but got {start})",
                [f"{size} elements from {start} along axis {axis} of extent {extent}"],
                "a smaller start",
            )
        part.append(slice(start, start + size))
    return tuple(part)


@kernel("dynamic_slice")
def dynamic_slice(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """The part, over the memory of x."""
    sizes, shape = statics["sizes"], types_in[0].shape
    return lambda x, *starts: x[_part(starts, sizes, shape)]


@kernel("dynamic_update")
def dynamic_update(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """A copy of x with the part written."""
    sizes, shape = types_in[1].shape, types_in[0].shape

    def run(x: Array, updates: Array, *starts: Any) -> Array:
        result = np.array(x, order="C")
        result[_part(starts, sizes, shape)] = updates
        return result

    return run
