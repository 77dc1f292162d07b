"""Elements by index along a dimension: gather, scatter, index_select, take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category, int32, int64
from alight.dtypes import dtype as Dtype
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import as_value, broadcast_all, normalize_dim, scalar_type_name
from alight.ops.operation import op, writing_op
from alight.ops.rearrange import piece
from alight.primitives.arithmetic import broadcast, broadcast_shape, constant, where
from alight.primitives.gather import grid, take_along

Operand = Any
Scalar = Any
Tensors = Any
Axes = Any


def counted_from_front(ids: Tensor, size: int) -> Tensor:
    """Indices as int64, negative ones with the extent added."""
    ids = p.Convert(ids, dtype=int64)
    return where(ids < 0, ids + size, ids)


def _check_ids(name: str, ids: Tensor) -> None:
    if ids.dtype not in (int64, int32) and ids.size:
        fail(
            RuntimeError,
            f"{name}(): Expected dtype int32/int64 for index"
            if name in ("gather", "scatter", "scatter_add", "scatter_reduce")
            else f"{name}(): Expected dtype int32 or int64 for index",
            facts=[f"index is {ids.dtype!r}"],
            try_="index.long()",
        )


def _lifted(*values: Tensor) -> list[Tensor]:
    """0-d values as vectors of one."""
    return [p.Reshape(x, shape=(1,)) if x.ndim == 0 else x for x in values]


# -- along a dimension, an index for each element --------------------------------------------------------------------------


@op(methods="gather", out="same apart")
def gather(input: Tensor, dim: int, index: Tensor, *, sparse_grad: bool = False) -> Tensor:
    """out[i][j] = input[index[i][j]][j] for dim 0, and likewise for other dimensions.

    Shapes: index has the input's rank, and is no longer than it in dimensions but `dim`; the result
    has the index's.
    Errors: RuntimeError where index does not fit or is not int64 (int32), or holds a place that is
    not there.

    >>> import alight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).gather(1, torch.tensor([[1], [0]]))
    tensor([[2],
            [3]])
    """
    _check_ids("gather", index)
    axis = normalize_dim(dim, input.ndim)
    if index.size == 0:  # whatever its shape and dtype
        return constant(input, 0, index.shape)
    x, ids = _lifted(input, p.Convert(index, dtype=int64))
    _check_extents("gather", "input", x, ids, axis)
    return p.Reshape(take_along(x, ids, axis), shape=index.shape)


def _check_extents(name: str, what: str, x: Tensor, ids: Tensor, axis: int) -> None:
    if x.ndim != ids.ndim:
        fail(
            RuntimeError,
            f"Index tensor must have the same number of dimensions as {what} tensor",
            facts=[f"{name}: index is {list(ids.shape)}, {what} is {list(x.shape)}"],
        )
    if any(
        a != axis and i > size for a, (i, size) in enumerate(zip(ids.shape, x.shape, strict=True))
    ):
        fail(
            RuntimeError,
            f"Size does not match at dimension {next(a for a in range(x.ndim) if a != axis and ids.shape[a] > x.shape[a])} "
            f"expected index {list(ids.shape)} to be no larger than self {list(x.shape)} apart from dimension {axis}",
        )


def _scattering(name: str, input: Tensor, dim: int, index: Tensor, src: Any) -> tuple[Any, ...]:
    """(x, updates, ids): updates of the shape of the index, ids for every axis."""
    _check_ids(name, index)
    axis = normalize_dim(dim, input.ndim)
    x, ids = _lifted(input, p.Convert(index, dtype=int64))
    _check_extents(name, "self", x, ids, axis)
    if isinstance(src, Tensor) and getattr(src, "number", None) is None:
        if src.dtype is not input.dtype:
            fail(
                RuntimeError,
                f"{name}(): Expected self.dtype to be equal to src.dtype",
                facts=[f"self is {input.dtype!r}, src is {src.dtype!r}"],
            )
        (updates,) = _lifted(src)
        if updates.ndim != ids.ndim:
            fail(RuntimeError, "Index tensor must have the same number of dimensions as src tensor")
        if any(i > size for i, size in zip(ids.shape, updates.shape, strict=True)):
            fail(
                RuntimeError,
                f"Expected index {list(ids.shape)} to be no larger than self {list(x.shape)} apart from dimension {axis} and "
                f"to be no larger size than src {list(updates.shape)}",
            )
        for a, size in enumerate(ids.shape):
            updates = piece(updates, a, 0, size)
    else:
        updates = broadcast(as_value(src, input, input.dtype), ids.shape)
    return x, updates, grid(ids, axis)


def _put(x: Tensor, updates: Tensor, ids: tuple[Tensor, ...], reduce: str | None = None) -> Tensor:
    axes = tuple(range(x.ndim))
    if reduce is None:
        return p.IndexPut(x, updates, *ids, axes=axes)
    if reduce == "sum":
        return _added(x, updates, ids, axes)
    return p.ScatterReduce(x, updates, *ids, axes=axes, reduce=reduce)


def _added(x: Tensor, updates: Tensor, ids: tuple[Tensor, ...], axes: tuple[int, ...]) -> Tensor:
    if x.dtype is bool_:
        total = p.IndexAdd(
            p.Convert(x, dtype=int64), p.Convert(updates, dtype=int64), *ids, axes=axes
        )
        return p.Convert(total, dtype=bool_)
    return p.IndexAdd(x, updates, *ids, axes=axes)


@op(methods="scatter", inplace="scatter_")
def scatter(
    input: Tensor,
    dim: int,
    index: Tensor,
    src: Operand = None,
    *,
    value: Operand = None,
    reduce: Any = None,
) -> Tensor:
    """input with src[i][j] (or a number) written at [index[i][j]][j] for dim 0, and likewise for other dimensions.

    reduce="add" or "multiply" combines with what is there.

    Shapes: index and src have the input's rank, and index is no longer than either where it counts;
    the result has the input's.
    Errors: RuntimeError for another `reduce`, an index that does not fit, or a place that is not
    there.

    >>> import alight as torch
    >>> torch.zeros(2, 3).scatter(1, torch.tensor([[0], [2]]), 1.0)
    tensor([[1., 0., 0.],
            [0., 0., 1.]])
    """
    x, updates, ids = _scattering("scatter", input, dim, index, value if src is None else src)
    if reduce not in (None, "add", "multiply"):
        fail(RuntimeError, "reduce argument must be either add or multiply.")
    names = {None: None, "add": "sum", "multiply": "prod"}
    return p.Reshape(_put(x, updates, ids, names[reduce]), shape=input.shape)


@op(methods="scatter_add", inplace="scatter_add_")
def scatter_add(input: Tensor, dim: int, index: Tensor, src: Tensor) -> Tensor:
    """input with src[i][j] added at [index[i][j]][j] for dim 0, and likewise for other dimensions.

    Shapes: index and src have the input's rank, and index is no longer than either where it counts;
    the result has the input's.
    Errors: RuntimeError for an index that does not fit, or a place that is not there.

    >>> import alight as torch
    >>> torch.zeros(3).scatter_add(0, torch.tensor([0, 0, 2]), torch.ones(3))
    tensor([2., 0., 1.])
    """
    x, updates, ids = _scattering("scatter_add", input, dim, index, src)
    return p.Reshape(_put(x, updates, ids, "sum"), shape=input.shape)


@op(methods="scatter_reduce", inplace="scatter_reduce_")
def scatter_reduce(
    input: Tensor, dim: int, index: Tensor, src: Tensor, reduce: str, *, include_self: bool = True
) -> Tensor:
    """input combined with src at the places of index by reduce: "sum", "prod", "mean", "amax" or "amin".

    include_self=False leaves out what stood at a place that is written.

    Shapes: index and src have the input's rank, and index is no longer than either where it counts;
    the result has the input's.
    Errors: RuntimeError for another `reduce`, an index that does not fit, or a place that is not
    there.

    >>> import alight as torch
    >>> torch.zeros(2).scatter_reduce(0, torch.tensor([0, 0]), torch.tensor([1., 3.]), "mean", include_self=False)
    tensor([2., 0.])
    """
    x, updates, ids = _scattering("scatter_reduce", input, dim, index, src)
    axes = tuple(range(x.ndim))
    return p.Reshape(reduced_into(x, updates, ids, axes, reduce, include_self), shape=input.shape)


def reduced_into(
    x: Tensor,
    updates: Tensor,
    ids: tuple[Tensor, ...],
    axes: tuple[int, ...],
    reduce: str,
    include_self: bool,
) -> Tensor:
    """x with updates combined into it at ids along axes."""
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        fail(
            RuntimeError,
            f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}",
        )
    neutral = {"sum": 0, "mean": 0, "prod": 1, "amax": _lowest(x.dtype), "amin": _highest(x.dtype)}
    base = x
    if not include_self:
        base = p.IndexPut(x, constant(x, neutral[reduce], updates.shape), *ids, axes=axes)
    if reduce in ("prod", "amax", "amin"):
        return p.ScatterReduce(base, updates, *ids, axes=axes, reduce=reduce)
    total = _added(base, updates, ids, axes)
    if reduce == "sum":
        return total
    one = constant(x, 1, updates.shape, int64)
    count = p.IndexAdd(constant(x, int(include_self), x.shape, int64), one, *ids, axes=axes)
    count = p.Convert(p.Maximum(count, constant(x, 1, x.shape, int64)), dtype=x.dtype)
    return p.FloorDiv(total, count) if category(x.dtype) < 2 else total / count


def _highest(of: Dtype) -> Any:
    if of.is_differentiable:
        return float("inf")
    return of is bool_ or 2 ** (8 * of.itemsize - (of.kind == "i")) - 1


def _lowest(of: Dtype) -> Any:
    if of.is_differentiable:
        return -float("inf")
    return -(2 ** (8 * of.itemsize - 1)) if of.kind == "i" else 0


# -- along a dimension, an index for each slice ------------------------------------------------------------------------------


def _slices(name: str, input: Tensor, dim: int, index: Tensor) -> tuple[Tensor, Tensor, int]:
    """(x, ids, axis) with x of one dimension at least and ids a vector."""
    if index.ndim > 1:
        fail(
            IndexError,
            f"{name}(): Index is supposed to be a vector",
            facts=[f"index is {list(index.shape)}"],
        )
    _check_ids(name, index)
    axis = normalize_dim(dim, input.ndim)
    x, ids = _lifted(input, p.Convert(index, dtype=int64))
    return x, ids, axis


def _to_axis(found: Tensor, axis: int) -> Tensor:
    order = list(range(1, found.ndim))
    return p.Permute(found, order=(*order[:axis], 0, *order[axis:]))


def _to_front(x: Tensor, axis: int) -> Tensor:
    return p.Permute(x, order=(axis, *(i for i in range(x.ndim) if i != axis)))


@op(methods="index_select", out="same apart")
def index_select(input: Tensor, dim: int, index: Tensor) -> Tensor:
    """The slices of a dimension that a vector of indices names.

    Shapes: index (k,) or (); dimension `dim` becomes k long.
    Errors: IndexError for a dimension, RuntimeError for an index that is out of range.

    >>> import alight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).index_select(1, torch.tensor([1]))
    tensor([[2],
            [4]])
    """
    x, ids, axis = _slices("index_select", input, dim, index)
    found = _to_axis(p.Index(x, ids, axes=(axis,)), axis)
    return p.Reshape(found, shape=()) if input.ndim == 0 else found


def _updates(name: str, x: Tensor, ids: Tensor, axis: int, source: Tensor) -> Tensor:
    if source.dtype is not x.dtype:
        fail(
            RuntimeError,
            f"{name}_(): self ({scalar_type_name(x.dtype)}) and source ({scalar_type_name(source.dtype)}) must have the "
            "same scalar type",
        )
    expected = (*x.shape[:axis], ids.shape[0], *x.shape[axis + 1 :])
    if name == "index_add" and source.ndim and len(source.shape) != x.ndim:
        fail(
            RuntimeError,
            "source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(x.shape)} source.shape = {list(source.shape)}",
        )
    if source.shape != expected and not (source.ndim == 0 and ids.shape == (1,)):
        length = source.shape[axis] if source.ndim > axis else 1
        copies = name == "index_copy" and source.ndim == x.ndim and length != ids.shape[0]
        ending = f" ({length})" if name == "index_copy" else f": ({length}), for dim: {axis}"
        fail(
            IndexError if copies else RuntimeError,
            f"{name}_(): Number of indices ({ids.shape[0]}) should be equal to source.size(dim)"
            + ending,
            facts=[f"source is {list(source.shape)}, expected {list(expected)}"],
        )
    return _to_front(p.Reshape(source, shape=expected), axis)


@op(methods="index_add", inplace="index_add_")
def index_add(
    input: Tensor, dim: int, index: Tensor, source: Tensor, *, alpha: Scalar = 1
) -> Tensor:
    """input with the slices of alpha * source added at the places of index along a dimension.

    Shapes: index (k,), source as input but k long along `dim`; the result has the input's.
    Errors: RuntimeError or IndexError for an index or a source that does not fit.

    >>> import alight as torch
    >>> torch.zeros(3).index_add(0, torch.tensor([0, 0]), torch.ones(2))
    tensor([2., 0., 0.])
    """
    x, ids, axis = _slices("index_add", input, dim, index)
    updates = _updates("index_add", x, ids, axis, source)
    if isinstance(alpha, Tensor):
        updates = updates * p.Convert(alpha, dtype=x.dtype)
    return p.Reshape(_added(x, updates, (ids,), (axis,)), shape=input.shape)


@op(methods="index_copy", inplace="index_copy_")
def index_copy(input: Tensor, dim: int, index: Tensor, source: Tensor) -> Tensor:
    """input with its slices at the places of index along a dimension replaced by those of source.

    Shapes: index (k,), source as input but k long along `dim`; the result has the input's.
    Errors: RuntimeError or IndexError for an index or a source that does not fit.

    >>> import alight as torch
    >>> torch.index_copy(torch.zeros(3), 0, torch.tensor([2, 0]), torch.tensor([5., 6.]))
    tensor([6., 0., 5.])
    """
    x, ids, axis = _slices("index_copy", input, dim, index)
    updates = _updates("index_copy", x, ids, axis, source)
    return p.Reshape(p.IndexPut(x, updates, ids, axes=(axis,)), shape=input.shape)


@op(methods="index_reduce", inplace="index_reduce_")
def index_reduce(
    input: Tensor,
    dim: int,
    index: Tensor,
    source: Tensor,
    reduce: str,
    *,
    include_self: bool = True,
) -> Tensor:
    """input combined with the slices of source at the places of index by reduce: "prod", "mean", "amax" or "amin".

    Shapes: index (k,), source as input but k long along `dim`; the result has the input's.
    Errors: RuntimeError or IndexError for an index, a source or a `reduce` that does not fit.

    >>> import alight as torch
    >>> torch.index_reduce(torch.ones(3), 0, torch.tensor([2, 2]), torch.tensor([5., 6.]), 'prod')
    tensor([ 1.,  1., 30.])
    """
    if reduce not in ("prod", "mean", "amax", "amin"):
        fail(
            RuntimeError,
            f"index_reduce(): Expected reduce to be one of prod, mean, amax or amin but got {reduce}.",
        )
    x, ids, axis = _slices("index_reduce", input, dim, index)
    updates = _updates("index_reduce", x, ids, axis, source)
    return p.Reshape(
        reduced_into(x, updates, (ids,), (axis,), reduce, include_self), shape=input.shape
    )


@op(methods="index_fill", inplace="index_fill_")
def index_fill(input: Tensor, dim: int, index: Tensor, value: Operand) -> Tensor:
    """input with one number in its slices at the places of index along a dimension.

    Shapes: index (k,), value (); the result has the input's.
    Errors: RuntimeError for a `value` of one dimension or more, IndexError for an index out of
    range.

    >>> import alight as torch
    >>> torch.index_fill(torch.zeros(3), 0, torch.tensor([0, 2]), 7)
    tensor([7., 0., 7.])
    """
    x, ids, axis = _slices("index_fill", input, dim, index)
    number = as_value(value, input, input.dtype)
    if number.ndim:
        fail(
            RuntimeError,
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {number.ndim} dimension(s).",
        )
    ids = counted_from_front(ids, x.shape[axis])
    nothing, mark = constant(x, False, (x.shape[axis],), bool_), constant(x, True, ids.shape, bool_)
    chosen = p.IndexPut(nothing, mark, ids, axes=(0,))
    chosen = p.Reshape(chosen, shape=tuple(n if a == axis else 1 for a, n in enumerate(x.shape)))
    return p.Reshape(where(broadcast(chosen, x.shape), number, x), shape=input.shape)


# -- in row-major order --------------------------------------------------------------------------------------------------------


@op(methods="take", out="same apart")
def take(input: Tensor, index: Tensor) -> Tensor:
    """Elements by their place in row-major order, in the shape of index.

    Errors: RuntimeError for an index that is not int64, IndexError for a place that is not there.

    >>> import alight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).take(torch.tensor([0, 3]))
    tensor([1, 4])
    """
    if index.dtype is not int64:
        fail(
            RuntimeError,
            f"take(): Expected a long tensor for index, but got {scalar_type_name(index.dtype)}",
        )
    flat = p.Reshape(input, shape=(input.size,))
    return p.Index(flat, counted_from_front(index, input.size), axes=(0,))


@op(methods="put", inplace="put_")
def put(input: Tensor, index: Tensor, source: Tensor, accumulate: bool = False) -> Tensor:
    """input with source written (or added, with accumulate) at places in row-major order.

    Shapes: any input; index and source have as many elements as one another.
    Errors: IndexError where index and source differ in their number of elements, or for a place
    that is not there.

    >>> import alight as torch
    >>> torch.put(torch.zeros(3), torch.tensor([2, 0]), torch.tensor([5., 6.]))
    tensor([6., 0., 5.])
    """
    if index.size != source.size:
        fail(
            IndexError,
            f"put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.size}, index.numel() = {index.size}",
        )
    flat = p.Reshape(input, shape=(input.size,))
    ids = counted_from_front(p.Reshape(index, shape=(index.size,)), input.size)
    updates = p.Reshape(source, shape=(index.size,))
    made = (
        _added(flat, updates, (ids,), (0,))
        if accumulate
        else p.IndexPut(flat, updates, ids, axes=(0,))
    )
    return p.Reshape(made, shape=input.shape)


@op(methods="take_along_dim")
def take_along_dim(input: Tensor, indices: Tensor, dim: Any = None) -> Tensor:
    """As `gather`, with input and indices broadcast against one another outside `dim`.

    Shapes: input and indices of one rank, broadcast outside `dim`; without `dim` both are taken
    flat.
    Errors: RuntimeError for indices that are not int64 or of another rank.

    >>> import alight as torch
    >>> x = torch.tensor([[3, 1, 2]])
    >>> x.take_along_dim(torch.tensor([[1, 2, 0]]), 1)
    tensor([[1, 2, 3]])
    """
    if indices.dtype is not int64:
        fail(
            RuntimeError,
            f"torch.take_along_dim(): dtype of indices should be Long but got {scalar_type_name(indices.dtype)}",
        )
    if dim is None:
        flat = p.Reshape(input, shape=(input.size,))
        return take_along(flat, p.Reshape(indices, shape=(indices.size,)), 0)
    if input.ndim != indices.ndim:
        fail(
            RuntimeError,
            "torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.ndim} dimensions for input, and {indices.ndim} dimensions for indices",
        )
    axis = normalize_dim(dim, input.ndim)
    outer = broadcast_shape(_without(input, axis), _without(indices, axis))
    if outer is None:
        broadcast_all(input, indices)
    assert outer is not None
    x = broadcast(input, (*outer[:axis], input.shape[axis], *outer[axis + 1 :]))
    ids = broadcast(indices, (*outer[:axis], indices.shape[axis], *outer[axis + 1 :]))
    size = input.shape[axis]
    ids = (
        p.Remainder(ids, constant(ids, size, ids.shape)) if size else ids
    )  # PyTorch wraps them round
    return take_along(x, ids, axis)


def _without(x: Tensor, axis: int) -> tuple[int, ...]:
    return (*x.shape[:axis], 1, *x.shape[axis + 1 :])


# -- at index tensors along several dimensions: x[ids] ---------------------------------------------------------------------


@op(functions="")
def index_at(input: Tensor, ids: Tensors, axes: Axes) -> Tensor:
    """The elements of input at index tensors along `axes`; negative indices count from the end."""
    ids, common = _checked_ids(input, ids, axes)
    order = sorted(range(len(axes)), key=lambda i: axes[i])
    found = p.Index(input, *(ids[i] for i in order), axes=tuple(axes[i] for i in order))
    return p.Permute(found, order=_order(len(common), input.ndim, axes))


def _checked_ids(
    x: Tensor, ids: Sequence[Tensor], axes: Sequence[int]
) -> tuple[list[Tensor], tuple[int, ...]]:
    common = broadcast_shape(*(one.shape for one in ids))
    if common is None:
        fail(
            IndexError,
            "shape mismatch: indexing tensors could not be broadcast together with shapes "
            + ", ".join(str(list(one.shape)) for one in ids),
        )
    if 0 not in common and any(x.shape[axis] == 0 for axis in axes):
        fail(
            IndexError,
            "index is out of bounds for dimension with size 0",
            facts=[f"the tensor is {list(x.shape)}, the indices are {list(common)}"],
        )
    return [
        broadcast(counted_from_front(one, x.shape[axis]), common)
        for one, axis in zip(ids, axes, strict=True)
    ], common


def _order(common: int, ndim: int, axes: Sequence[int]) -> tuple[int, ...]:
    """How to move the common dimensions of the indices from the front to where the indices stood."""
    first = min(axes)
    if max(axes) - first + 1 != len(axes):  # not neighbours: they stay in front
        first = 0
    total = common + ndim - len(axes)
    return (*range(common, common + first), *range(common), *range(common + first, total))


@writing_op()
def put_at(input: Tensor, values: Tensor, ids: Tensors, axes: Axes, accumulate: bool) -> Tensor:
    """input with values written, or added, at index tensors along `axes`."""
    if values.dtype is not input.dtype:
        fail(
            RuntimeError,
            f"Index put requires the source and destination dtypes match, got {scalar_type_name(input.dtype)} for the "
            f"destination and {scalar_type_name(values.dtype)} for the source.",
            try_=f".to({input.dtype!r})",
        )
    ids, common = _checked_ids(input, ids, axes)
    order = _order(len(common), input.ndim, axes)
    rest = tuple(size for a, size in enumerate(input.shape) if a not in axes)
    selected = tuple((*common, *rest)[i] for i in order)
    lead = 0
    while values.ndim - lead > len(selected) and values.shape[lead] == 1:
        lead += 1
    values = p.Reshape(values, shape=values.shape[lead:])
    if broadcast_shape(values.shape, selected) != selected:
        fail(
            RuntimeError,
            f"shape mismatch: value tensor of shape {list(values.shape)} cannot be broadcast to indexing result of shape "
            f"{list(selected)}",
        )
    updates = p.Permute(
        broadcast(values, selected), order=tuple(order.index(i) for i in range(len(order)))
    )
    sorted_ = sorted(range(len(axes)), key=lambda i: axes[i])
    rule = p.IndexAdd if accumulate else p.IndexPut
    return rule(input, updates, *(ids[i] for i in sorted_), axes=tuple(sorted(axes)))
