"""Several tensors into one, and grids: cat, stack and their kin, meshgrid, cartesian_prod, block_diag, atleast_*d."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alight import primitives as p
from alight.dtypes import int64
from alight.errors import fail, warn
from alight.ir.program import Value as Tensor
from alight.ops.arguments import as_value, check_devices, normalize_dim, result_type
from alight.ops.operation import function, op

Tensors = Any


def _together(tensors: Sequence[Tensor]) -> list[Tensor]:
    """All in their common dtype."""
    check_devices(tensors)
    of = result_type(*tensors)
    return [as_value(one, one, of) for one in tensors]


@op(functions="cat concat concatenate", aliases="axis=dim", out="cast apart")
def cat(tensors: Tensors, dim: int = 0) -> Tensor:
    """Tensors joined along a dimension; they agree on all others.

    Shapes: the same but along `dim`, where the extents add up; an empty vector counts for nothing.
    Errors: ValueError for an empty list, RuntimeError for 0-d tensors and for shapes that do not
    fit.

    >>> import alight as torch
    >>> torch.cat([torch.tensor([1, 2]), torch.tensor([3])])
    tensor([1, 2, 3])
    """
    if not tensors:
        fail(ValueError, "torch.cat(): expected a non-empty list of Tensors")
    for i, one in enumerate(tensors):
        if one.ndim == 0:
            fail(
                RuntimeError,
                f"zero-dimensional tensor (at position {i}) cannot be concatenated",
                try_="stack()",
            )
    parts = [
        one for one in _together(tensors) if one.shape != (0,)
    ]  # PyTorch skips these whatever the rest is
    if not parts:
        return as_value(tensors[0], tensors[0], result_type(*tensors))
    first = parts[0]
    axis = normalize_dim(dim, first.ndim)
    for i, one in enumerate(parts):
        _check_joinable(first, one, i, axis)
    return p.Concat(*parts, axis=axis)


cat.operation.joins = True


def _check_joinable(first: Tensor, one: Tensor, i: int, axis: int) -> None:
    if one.ndim != first.ndim:
        fail(
            RuntimeError,
            f"Tensors must have same number of dimensions: got {first.ndim} and {one.ndim}",
            facts=[f"tensor 0 is {list(first.shape)}, tensor {i} is {list(one.shape)}"],
        )
    for a, (expected, size) in enumerate(zip(first.shape, one.shape, strict=True)):
        if a != axis and size != expected:
            fail(
                RuntimeError,
                f"Sizes of tensors must match except in dimension {axis}. Expected size {expected} but got size {size} "
                f"for tensor number {i} in the list.",
                facts=[f"tensor 0 is {list(first.shape)}, tensor {i} is {list(one.shape)}"],
                try_=_other_dim(first, one),
            )


def _other_dim(first: Tensor, one: Tensor) -> str:
    differing = [i for i, (a, b) in enumerate(zip(first.shape, one.shape, strict=True)) if a != b]
    return f"dim={differing[0]}" if len(differing) == 1 else "tensors that differ in one dimension"


@op(aliases="axis=dim")
def stack(tensors: Tensors, dim: int = 0) -> Tensor:
    """Tensors of one shape joined along a new dimension.

    Shapes: all the same, s; the result has one dimension more, as long as the list.
    Errors: RuntimeError for an empty list, and for shapes that differ.

    >>> import alight as torch
    >>> torch.stack([torch.tensor([1, 2]), torch.tensor([3, 4])], 1)
    tensor([[1, 3],
            [2, 4]])
    """
    if not tensors:
        fail(RuntimeError, "stack expects a non-empty TensorList")
    first = tensors[0].shape
    for i, one in enumerate(tensors):
        if one.shape != first:
            fail(
                RuntimeError,
                f"stack expects each tensor to be equal size, but got {list(first)} at entry 0 and {list(one.shape)} at "
                f"entry {i}",
                try_="cat() for tensors that differ along one dimension",
            )
    axis = normalize_dim(dim, len(first) + 1)
    shape = (*first[:axis], 1, *first[axis:])
    return p.Concat(*(p.Reshape(one, shape=shape) for one in _together(tensors)), axis=axis)


stack.operation.joins = True


def _at_least(x: Tensor, ndim: int) -> Tensor:
    if x.ndim >= ndim:
        return x
    if ndim == 3 and x.ndim:  # vectors lie along the second dimension, matrices in the first two
        return p.Reshape(x, shape=(1, *x.shape, 1) if x.ndim == 1 else (*x.shape, 1))
    return p.Reshape(x, shape=(1,) * (ndim - x.ndim) + x.shape)


def _joined(tensors: Sequence[Tensor], ndim: int, axis: int, name: str) -> Tensor:
    if not tensors:
        fail(RuntimeError, f"{name} expects a non-empty TensorList")
    return cat.lowering(tuple(_at_least(one, ndim) for one in tensors), axis)


@op()
def hstack(tensors: Tensors) -> Tensor:
    """Tensors joined along the columns; vectors one behind the other.

    Shapes: the same but along the columns.
    Errors: RuntimeError for an empty list, and for shapes that do not fit.

    >>> import alight as torch
    >>> torch.hstack([torch.tensor([1, 2]), torch.tensor([3])])
    tensor([1, 2, 3])
    """
    return _joined(tensors, 1, 0 if tensors and tensors[0].ndim < 2 else 1, "hstack")


@op(functions="vstack row_stack")
def vstack(tensors: Tensors) -> Tensor:
    """Tensors joined along the rows; a vector is a row.

    Shapes: the same but along the rows; (n,) counts as (1, n).
    Errors: RuntimeError for an empty list, and for shapes that do not fit.

    >>> import alight as torch
    >>> torch.vstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    return _joined(tensors, 2, 0, "vstack")


@op()
def dstack(tensors: Tensors) -> Tensor:
    """Tensors joined along a third dimension.

    Shapes: the same but along the third dimension; (n,) counts as (1, n, 1), (n, m) as (n, m, 1).
    Errors: RuntimeError for an empty list, and for shapes that do not fit.

    >>> import alight as torch
    >>> torch.dstack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[[1, 3],
             [2, 4]]])
    """
    return _joined(tensors, 3, 2, "dstack")


@op()
def column_stack(tensors: Tensors) -> Tensor:
    """Tensors joined along the columns; a vector is a column.

    Shapes: the same but along the columns; (n,) counts as (n, 1).
    Errors: RuntimeError for an empty list, and for shapes that do not fit.

    >>> import alight as torch
    >>> torch.column_stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 3],
            [2, 4]])
    """
    if not tensors:
        fail(RuntimeError, "column_stack expects a non-empty TensorList")
    columns = (p.Reshape(x, shape=(x.size, 1)) if x.ndim < 2 else x for x in tensors)
    return cat.lowering(tuple(columns), 1)


@op()
def block_diag(tensors: Tensors) -> Tensor:
    """A matrix with the given matrices on its diagonal, and zeros around them.

    Shapes: (n, m) each; (n,) counts as (1, n). The extents add up.
    Errors: RuntimeError for more than two dimensions.

    >>> import alight as torch
    >>> torch.block_diag(torch.tensor([[1, 2]]), torch.tensor([3]))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    blocks = [_at_least(one, 2) for one in _together(tensors)]
    for one in blocks:
        if one.ndim != 2:
            fail(
                RuntimeError,
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input 0 has {one.ndim} dimensions",
            )
    width, left, rows = sum(one.shape[1] for one in blocks), 0, []
    for one in blocks:
        rows.append(p.Pad(one, low=(0, left), high=(0, width - left - one.shape[1])))
        left += one.shape[1]
    return p.Concat(*rows, axis=0)


# -- calls of other operations ---------------------------------------------------------------------------------------------


def _listed(tensors: tuple[Any, ...]) -> tuple[Any, ...]:
    return (
        tuple(tensors[0])
        if len(tensors) == 1 and isinstance(tensors[0], (list, tuple))
        else tensors
    )


def _spread(declared: Any) -> Any:
    def called(*tensors: Any) -> Any:
        return declared(_listed(tensors))

    called.__name__, called.__doc__ = declared.__name__, declared.__doc__
    return function(declared.__name__)(called)


block_diag = _spread(block_diag)


def _raised(x: Any, ndim: int) -> Any:
    if x.ndim >= ndim:
        return x
    if x.ndim == 0:
        return x.reshape((1,) * ndim)
    if x.ndim == 1:
        x = x.unsqueeze(0)
    return x.unsqueeze(-1) if ndim == 3 else x


def _each(tensors: tuple[Any, ...], ndim: int) -> Any:
    raised = tuple(_raised(one, ndim) for one in _listed(tensors))
    single = len(tensors) == 1 and not isinstance(tensors[0], (list, tuple))
    return raised[0] if single else raised


@function()
def atleast_1d(*tensors: Any) -> Any:
    """Each tensor with at least one dimension.

    Shapes: any; () becomes (1,).

    >>> import alight as torch
    >>> torch.atleast_1d(torch.tensor(3))
    tensor([3])
    """
    return _each(tensors, 1)


@function()
def atleast_2d(*tensors: Any) -> Any:
    """Each tensor with at least two dimensions; a vector becomes a row.

    Shapes: any; (n,) becomes (1, n).

    >>> import alight as torch
    >>> torch.atleast_2d(torch.tensor([1, 2]))
    tensor([[1, 2]])
    """
    return _each(tensors, 2)


@function()
def atleast_3d(*tensors: Any) -> Any:
    """Each tensor with at least three dimensions.

    Shapes: any; (n,) becomes (1, n, 1), (n, m) becomes (n, m, 1).

    >>> import alight as torch
    >>> torch.atleast_3d(torch.tensor([1, 2])).shape
    torch.Size([1, 2, 1])
    """
    return _each(tensors, 3)


@function()
def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Any, ...]:
    """A grid for each vector: element [i, j, ...] of grid k is element number i, j, ... of vector k. Views.

    indexing="xy" exchanges the first two dimensions; "ij", which it is if left out, with a warning, does not.

    Shapes: vectors (n,), (m,), ... give grids (n, m, ...).
    Errors: RuntimeError for no tensors, other ranks, dtypes that differ, and another `indexing`.

    >>> import alight as torch
    >>> torch.meshgrid(torch.arange(2), torch.arange(3), indexing="ij")[1]
    tensor([[0, 1, 2],
            [0, 1, 2]])
    """
    vectors = _listed(tensors)
    if not vectors:
        fail(RuntimeError, "meshgrid expects a non-empty TensorList")
    if indexing is None:
        warn(
            'meshgrid without indexing is indexing="ij"; PyTorch is going to ask for one of "ij" and "xy"'
        )
    elif indexing not in ("ij", "xy"):
        fail(
            RuntimeError,
            f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}',
        )
    for one in vectors:
        if one.ndim > 1:
            fail(
                RuntimeError,
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: {one}",
            )
        if one.dtype is not vectors[0].dtype:
            fail(RuntimeError, "torch.meshgrid expects all tensors to have the same dtype")
    exchanged = indexing == "xy" and len(vectors) > 1
    if exchanged:
        vectors = (vectors[1], vectors[0], *vectors[2:])
    shape = tuple(one.numel() for one in vectors)
    grids = [
        one.reshape((1,) * i + (-1,) + (1,) * (len(shape) - i - 1)).expand(shape)
        for i, one in enumerate(vectors)
    ]
    return (grids[1], grids[0], *grids[2:]) if exchanged else tuple(grids)


@function()
def cartesian_prod(*tensors: Any) -> Any:
    """All combinations of one element from each vector, one a row.

    Shapes: vectors (n,), (m,), ... k of them, give (n * m * ..., k).
    Errors: RuntimeError for other ranks.

    >>> import alight as torch
    >>> torch.cartesian_prod(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor([[1, 3],
            [1, 4],
            [2, 3],
            [2, 4]])
    """
    vectors = _listed(tensors)
    for vector in vectors:
        if vector.ndim != 1:
            fail(RuntimeError, f"Expect a 1D vector, but got shape {list(vector.shape)}")
    if len(vectors) == 1:
        return vectors[0]
    return stack([grid.flatten() for grid in meshgrid(*vectors, indexing="ij")], -1)


@function()
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """All choices of r elements of a vector, one a row, in order.

    Shapes: (n,) gives (choices, r).
    Errors: RuntimeError for other ranks.

    >>> import alight as torch
    >>> torch.combinations(torch.tensor([1, 2, 3]))
    tensor([[1, 2],
            [1, 3],
            [2, 3]])
    """
    import itertools

    from alight.ops.conversion import made_by
    from alight.ops.creation import tensor

    if input.ndim != 1:
        fail(RuntimeError, f"Expect a 1D vector, but got shape {list(input.shape)}")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    chosen = list(choose(range(input.numel()), r))
    if not r:
        return input.new_empty(0)
    rows = input[tensor(chosen, dtype=int64).reshape(len(chosen), r)]
    return made_by("StackBackward0", rows)
