"""Views at places in memory: diagonals, windows, and any extents and strides.

In: a tensor. Out: a view of some of its elements, with the strides that PyTorch reports (`Strided`).
"""

from __future__ import annotations

from math import prod
from typing import Any

from alight import primitives as p
from alight.dtypes import int64
from alight.errors import fail, not_implemented
from alight.ir.program import Value as Tensor
from alight.ops.arguments import normalize_dim
from alight.ops.operation import Strided, function, op
from alight.primitives.arithmetic import constant
from alight.record.owners import root_of

Shape = Any


@op(methods="diagonal", view="always")
def diagonal(input: Tensor, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Tensor:
    """The diagonal of each matrix in dimensions dim1 and dim2, as a view; it becomes the last dimension.

    Shapes: (*, n, m) gives (*, k), k the length of the diagonal.
    Errors: RuntimeError where dim1 and dim2 are one, IndexError for one out of range.

    >>> import alight as torch
    >>> torch.arange(6).reshape(2, 3).diagonal(1)
    tensor([1, 5])
    """
    a, b = normalize_dim(dim1, input.ndim), normalize_dim(dim2, input.ndim)
    if a == b:
        fail(RuntimeError, f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    rest = tuple(i for i in range(input.ndim) if i not in (a, b))
    full = input.meta.full_strides()
    strides = (*(full[i] for i in rest), full[a] + full[b])
    x = p.Permute(input, order=(*rest, a, b))
    return Strided(diagonal_of(x, offset), strides)  # type: ignore[return-value]


def diagonal_of(x: Tensor, offset: int) -> Tensor:
    """The diagonal of the last two axes: every (n + 1)st element of the square that it spans."""
    rows, columns = x.shape[-2:]
    top, left = max(-offset, 0), max(offset, 0)
    n = max(min(rows - top, columns - left), 0)
    if n == 0:
        top = left = 0
    lead = x.shape[:-2]
    zeros, ones = (0,) * len(lead), (1,) * len(lead)
    square = p.Slice(
        x, starts=(*zeros, top, left), stops=(*lead, top + n, left + n), steps=(*ones, 1, 1)
    )
    line = p.Reshape(square, shape=(*lead, n * n))
    return p.Slice(line, starts=(*zeros, 0), stops=(*lead, n * n), steps=(*ones, n + 1))


@op(methods="unfold", functions="", view="always")
def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """All slices of length `size`, `step` apart, along a dimension; they become the last dimension.

    Shapes: any; dimension `dimension`, n long, becomes (n - size) // step + 1 long, and (size,)
    comes behind.
    Errors: RuntimeError for a size above the extent, and for a step below 1.

    >>> import alight as torch
    >>> torch.arange(5).unfold(0, 3, 2)
    tensor([[0, 1, 2],
            [2, 3, 4]])
    """
    axis = normalize_dim(dimension, input.ndim)
    if input.ndim == 0 and size <= 1:
        only = p.Slice(p.Reshape(input, shape=(1,)), starts=(0,), stops=(size,), steps=(1,))
        return Strided(only, (1,))  # type: ignore[return-value]
    shape = input.shape or (1,)
    if size > shape[axis]:
        fail(
            RuntimeError,
            f"maximum size for tensor at dimension {axis} is {shape[axis]} but size is {size}",
        )
    if step <= 0:
        fail(RuntimeError, f"step is {step} but must be > 0")
    count = (shape[axis] - size) // step + 1
    full = input.meta.full_strides() or (1,)
    strides = (*full[:axis], step * full[axis], *full[axis + 1 :], full[axis])
    x = p.Reshape(input, shape=shape)
    ids = iota(x, (count, size), 0) * step + iota(x, (count, size), 1)
    found = p.Index(x, ids, axes=(axis,))  # (count, size, others)
    others = list(range(2, found.ndim))
    return Strided(p.Permute(found, order=(*others[:axis], 0, *others[axis:], 1)), strides)  # type: ignore[return-value]


def iota(like: Tensor, shape: tuple[int, ...], axis: int) -> Tensor:
    """0, 1, 2, ... along an axis, as int64, in the program and on the device of `like`."""
    with like.builder.active():
        return p.Iota(shape=shape, axis=axis, dtype=int64, device=like.type.device)


@op(functions="", view="always")
def _strided(input: Tensor, size: Shape, stride: Shape, offset: int) -> Tensor:
    """Elements of a contiguous tensor at offset + sum of index * stride: as_strided."""
    reach = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True)) + 1
    if prod(size) and reach > input.size:
        fail(
            RuntimeError,
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize "
            f"{input.dtype.itemsize} requiring a storage size of {reach * input.dtype.itemsize} are out of bounds for "
            f"storage of size {input.size * input.dtype.itemsize}",
        )
    flat = p.Reshape(input, shape=(input.size,))
    ids = constant(flat, offset, size, int64)
    for axis, step in enumerate(stride):
        ids = ids + iota(flat, size, axis) * step
    return Strided(p.Index(flat, ids, axes=(0,)), stride)  # type: ignore[return-value]


@function(methods="as_strided")
def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """A view of the tensor's memory with these extents and strides, in elements.

    Shapes: `size`.
    Errors: RuntimeError for sizes and strides of other lengths, and for places outside the memory.

    >>> import alight as torch
    >>> torch.arange(5).as_strided((2, 2), (1, 2))
    tensor([[0, 2],
            [1, 3]])
    """
    if len(size) != len(stride):
        fail(RuntimeError, "mismatch in length of strides and shape")
    offset = input.storage_offset() if storage_offset is None else storage_offset
    base, size_of_memory = input, root_of(input)._meta.type.size
    while base._meta.strides is not None or base._meta.type.size != size_of_memory:
        if base._base is None and base._meta.strides is not None:
            strides = (
                base._meta.strides
            )  # dense, in another order of axes: seen in the order of memory
            base = base.permute(*sorted(range(len(strides)), key=lambda i: -strides[i]))
            if base._meta.strides is None:
                break
        if base._base is None or base._base.requires_grad != input.requires_grad:
            not_implemented("as_strided of memory that is not in row-major order", ".contiguous()")
        base = base._base
    return _strided(base, tuple(size), tuple(stride), offset)
