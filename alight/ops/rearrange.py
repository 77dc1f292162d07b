"""Rearrangements that copy: flip, roll, rotate, repeat, triangles, diagonals."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import normalize_dim
from alight.ops.operation import Strided, function, op
from alight.ops.strided import diagonal_of, iota
from alight.primitives.arithmetic import equal, where, zeros_like
from alight.record.meta import contiguous_strides

Shape = Any
Dims = Any


@op(methods="flip", varargs="dims")
def flip(input: Tensor, dims: Dims) -> Tensor:
    """The order of elements reversed along `dims`.

    Shapes: any, kept.
    Errors: RuntimeError for a dimension named twice, IndexError for one out of range.

    >>> import alight as torch
    >>> torch.arange(3).flip(0)
    tensor([2, 1, 0])
    """
    dims = (dims,) if isinstance(dims, int) else dims
    axes = tuple(normalize_dim(dim, input.ndim) for dim in dims)
    for axis in axes:
        if axes.count(axis) > 1:
            fail(RuntimeError, f"dim {axis} appears multiple times in the list of dims")
    return p.Flip(input, axes=tuple(sorted(axes))) if input.ndim else input


@function(methods="fliplr")
def fliplr(input: Any) -> Any:
    """The columns in reverse order.

    Shapes: two dimensions or more, kept.
    Errors: RuntimeError for fewer.

    >>> import alight as torch
    >>> torch.fliplr(torch.tensor([[1, 2], [3, 4]]))
    tensor([[2, 1],
            [4, 3]])
    """
    if input.ndim < 2:
        fail(RuntimeError, "Input must be >= 2-d.")
    return flip(input, (1,))


@function(methods="flipud")
def flipud(input: Any) -> Any:
    """The rows in reverse order.

    Shapes: one dimension or more, kept.
    Errors: RuntimeError for a 0-d tensor.

    >>> import alight as torch
    >>> torch.flipud(torch.tensor([[1, 2], [3, 4]]))
    tensor([[3, 4],
            [1, 2]])
    """
    if input.ndim < 1:
        fail(RuntimeError, "Input must be >= 1-d.")
    return flip(input, (0,))


@op(methods="rot90")
def rot90(input: Tensor, k: int = 1, dims: Dims = (0, 1)) -> Tensor:
    """Rotated by k quarter turns in the plane of two dimensions, from the first towards the second.

    Shapes: two dimensions or more; an odd k exchanges their extents.
    Errors: RuntimeError for fewer dimensions, and for dims that are not two different ones.

    >>> import alight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).rot90()
    tensor([[2, 4],
            [1, 3]])
    """
    if len(dims) != 2:
        fail(RuntimeError, f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        fail(RuntimeError, f"expected total dims >= 2, but got total dims = {input.ndim}")
    a, b = (normalize_dim(dim, input.ndim) for dim in dims)
    if a == b:
        fail(
            RuntimeError,
            f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}",
        )
    order = list(range(input.ndim))
    order[a], order[b] = b, a
    if k % 4 == 0:
        return input
    if k % 4 == 2:
        return p.Flip(input, axes=tuple(sorted((a, b))))
    turned = p.Permute(p.Flip(input, axes=(b if k % 4 == 1 else a,)), order=tuple(order))
    flipped = contiguous_strides(input.shape)  # PyTorch's result is a view of the flipped copy
    return Strided(turned, tuple(flipped[i] for i in order))  # type: ignore[return-value]


@op(methods="roll")
def roll(input: Tensor, shifts: Dims, dims: Dims = None) -> Tensor:
    """Elements shifted along `dims`, those that fall off come in again at the other end.

    Shapes: any, kept.
    Errors: RuntimeError where shifts and dims differ in number, IndexError for a dimension out of
    range.

    >>> import alight as torch
    >>> torch.arange(4).roll(1)
    tensor([3, 0, 1, 2])
    """
    shifts = (shifts,) if isinstance(shifts, int) else shifts
    if not shifts:
        fail(RuntimeError, "`shifts` required")
    if dims is None or dims == ():
        if len(shifts) != 1:
            fail(RuntimeError, f"shifts and dimensions must align. shifts: {len(shifts)}, dims:0")
        flat = p.Reshape(input, shape=(input.size,))
        return p.Reshape(rolled(flat, shifts[0], 0), shape=input.shape)
    dims = (dims,) if isinstance(dims, int) else dims
    if len(dims) != len(shifts):
        fail(
            RuntimeError,
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}",
        )
    for shift, dim in zip(shifts, dims, strict=True):
        input = rolled(input, shift, normalize_dim(dim, input.ndim, wrap_scalar=False))
    return input


def rolled(x: Tensor, shift: int, axis: int) -> Tensor:
    """x shifted cyclically along one axis."""
    size = x.shape[axis]
    cut = -shift % size if size else 0
    return p.Concat(piece(x, axis, cut, size), piece(x, axis, 0, cut), axis=axis) if cut else x


def piece(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """Elements start to stop of x along one axis."""
    starts, stops = [0] * x.ndim, list(x.shape)
    starts[axis], stops[axis] = start, stop
    return p.Slice(x, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.ndim)


@op(methods="repeat", functions="", varargs="repeats")
def repeat(input: Tensor, repeats: Shape) -> Tensor:
    """Copies of the whole tensor side by side, `repeats` times along each dimension.

    Shapes: any; as many numbers as dimensions or more, by which the extents are multiplied.
    Errors: RuntimeError for fewer numbers than dimensions.

    >>> import alight as torch
    >>> torch.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    repeats = (repeats,) if isinstance(repeats, int) else repeats
    if len(repeats) < input.ndim:
        fail(
            RuntimeError,
            "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor",
        )
    return repeated(input, repeats)


def repeated(x: Tensor, repeats: tuple[int, ...]) -> Tensor:
    """x `repeats` times along each axis; new axes in front where there are more repeats than axes."""
    if any(count < 0 for count in repeats):
        fail(
            RuntimeError,
            f"Trying to create tensor with negative dimension {min(repeats)}: {list(repeats)}",
        )
    shape = (1,) * (len(repeats) - x.ndim) + x.shape
    split = tuple(extent for size in shape for extent in (1, size))
    grown = tuple(
        extent for count, size in zip(repeats, shape, strict=True) for extent in (count, size)
    )
    x = p.Expand(p.Reshape(x, shape=split), shape=grown)
    return p.Reshape(
        x, shape=tuple(count * size for count, size in zip(repeats, shape, strict=True))
    )


@op(methods="tile", varargs="dims")
def tile(input: Tensor, dims: Shape) -> Tensor:
    """As `repeat`; missing dimensions count as 1.

    Shapes: any; the extents are multiplied.

    >>> import alight as torch
    >>> torch.tile(torch.tensor([1, 2]), (2,))
    tensor([1, 2, 1, 2])
    """
    dims = (dims,) if isinstance(dims, int) else dims
    return repeated(input, (1,) * (input.ndim - len(dims)) + dims)


# -- triangles and diagonals ---------------------------------------------------------------------------------------------


def _triangle(input: Tensor, name: str, diagonal: int, lower: bool) -> Tensor:
    if input.ndim < 2:
        fail(RuntimeError, f"{name}: input tensor must have at least 2 dimensions")
    shape = (1,) * (input.ndim - 2) + input.shape[-2:]
    row, column = iota(input, shape, input.ndim - 2), iota(input, shape, input.ndim - 1)
    inside = column - row <= diagonal if lower else column - row >= diagonal
    return where(inside, input, zeros_like(input))


@op(methods="tril", inplace="tril_")
def tril(input: Tensor, diagonal: int = 0) -> Tensor:
    """The lower triangle of each matrix, zero above the diagonal that is `diagonal` to the right of the main one.

    Shapes: (*, n, m), kept.
    Errors: RuntimeError for fewer than two dimensions.

    >>> import alight as torch
    >>> torch.ones(2, 2).tril()
    tensor([[1., 0.],
            [1., 1.]])
    """
    return _triangle(input, "tril", diagonal, lower=True)


@op(methods="triu", inplace="triu_")
def triu(input: Tensor, diagonal: int = 0) -> Tensor:
    """The upper triangle of each matrix, zero below the diagonal.

    Shapes: (*, n, m), kept.
    Errors: RuntimeError for fewer than two dimensions.

    >>> import alight as torch
    >>> torch.triu(torch.ones(2, 2))
    tensor([[1., 1.],
            [0., 1.]])
    """
    return _triangle(input, "triu", diagonal, lower=False)


@op(methods="diag_embed")
def diag_embed(input: Tensor, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Tensor:
    """Matrices with the last dimension on their diagonals.

    Shapes: (*, n) gives (*, k, k), with k = n + |offset|.
    Errors: RuntimeError where dim1 and dim2 are one.

    >>> import alight as torch
    >>> torch.diag_embed(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    a, b = normalize_dim(dim1, input.ndim + 1), normalize_dim(dim2, input.ndim + 1)
    if a == b:
        fail(RuntimeError, f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    made = with_diagonal(input, offset)
    if a > b and offset:
        made = with_diagonal(input, -offset)
    low, high = min(a, b), max(a, b)
    rest = iter(range(made.ndim - 2))
    order = tuple(
        made.ndim - 2 if i == low else made.ndim - 1 if i == high else next(rest)
        for i in range(made.ndim)
    )
    return p.Permute(made, order=order)


def with_diagonal(x: Tensor, offset: int) -> Tensor:
    """Square matrices in two last axes with the last axis of x on a diagonal, and zeros around it."""
    n = x.shape[-1] + abs(offset)
    none = (0,) * (x.ndim - 1)
    x = p.Pad(x, low=(*none, 0), high=(*none, abs(offset)))
    lead = x.shape[:-1]
    # Above the main diagonal element k stands in row k, below it in column k.
    line = p.Reshape(x, shape=(*lead, n, 1) if offset >= 0 else (*lead, 1, n))
    square = p.Expand(line, shape=(*lead, n, n))
    row, column = iota(x, (n, n), 0), iota(x, (n, n), 1)
    return where(equal(column - row, offset), square, zeros_like(square))


@op(methods="diag")
def diag(input: Tensor, diagonal: int = 0) -> Tensor:
    """The matrix with a vector on its diagonal, or the diagonal of a matrix.

    Shapes: (n,) gives (k, k), with k = n + |diagonal|; (n, m) gives a vector.
    Errors: RuntimeError for other ranks.

    >>> import alight as torch
    >>> torch.diag(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    if input.ndim == 1:
        return with_diagonal(input, diagonal)
    if input.ndim != 2:
        fail(RuntimeError, f"diag(): Supports 1D or 2D tensors. Got {input.ndim}D")
    return diagonal_of(input, diagonal)
