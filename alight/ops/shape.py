"""One tensor in other shapes: reshape, view, flatten, squeeze, expand, broadcast; and outside the record: detach.

A view's strides are those that PyTorch reports: from the movement primitives by `record.views.link_strides`, or given
with the value as `Strided`. Axes in another order are in axes.py, views at places in memory in strided.py.
"""

from __future__ import annotations

from math import prod
from typing import Any

from alight import primitives as p
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import broadcast_error, normalize_dim, scalar_type_name, type_name
from alight.ops.operation import Strided, function, op
from alight.primitives.arithmetic import broadcast_shape
from alight.record.views import reshape_strides

Shape = Any
Dims = Any


def filled_shape(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """`shape` with -1 replaced by what makes `size` elements; PyTorch's errors where nothing does."""
    known = 1
    for extent in shape:
        if extent != -1:
            if extent < -1:
                fail(
                    RuntimeError,
                    f"invalid shape dimension {extent} at index {shape.index(extent)} of shape {list(shape)}",
                )
            known *= extent
    if shape.count(-1) > 1:
        fail(RuntimeError, "only one dimension can be inferred", try_="-1 in one place")
    if -1 in shape:
        if known == 0 and size == 0:
            fail(
                RuntimeError,
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 "
                "can be any value and is ambiguous",
            )
        if known and size % known == 0:
            return tuple(size // known if extent == -1 else extent for extent in shape)
    elif known == size:
        return shape
    fail(
        RuntimeError,
        f"shape '{list(shape)}' is invalid for input of size {size}",
        try_="-1 for one extent, which is then worked out",
    )


# -- other shapes ----------------------------------------------------------------------------------------------------


@op(methods="reshape", view="maybe", varargs="shape")
def reshape(input: Tensor, shape: Shape) -> Tensor:
    """The same elements in another shape; one extent may be -1. A view where strides allow it.

    Shapes: any; `shape` with as many elements.
    Errors: RuntimeError for another number of elements.

    >>> import alight as torch
    >>> torch.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    if not isinstance(shape, tuple):
        fail(
            TypeError,
            f"reshape(): argument 'shape' (position 1) must be tuple of ints, not {type_name(shape)}",
            try_="whole numbers: n // 2 rather than n / 2",
        )
    return p.Reshape(input, shape=filled_shape(shape, input.size))


@op(methods="view", functions="", view="always", varargs="shape", aliases="size=shape dtype=shape")
def view(input: Tensor, shape: Shape) -> Tensor:
    """A view in another shape, or of the same bytes in another dtype; an error where it would have to copy.

    Shapes: any; `shape` with as many elements.
    Errors: RuntimeError for another number of elements, and where strides do not allow a view.

    >>> import alight as torch
    >>> torch.arange(6).view(3, 2).shape
    torch.Size([3, 2])
    >>> torch.ones(2).view(torch.uint8)
    tensor([  0,   0, 128,  63,   0,   0, 128,  63], dtype=torch.uint8)
    """
    if not isinstance(shape, tuple):
        from alight.ops.reinterpret import reinterpreted

        return reinterpreted(input, shape)
    shape = filled_shape(shape, input.size)
    if reshape_strides(input.shape, input.meta.full_strides(), shape) is None:
        fail(
            RuntimeError,
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead.",
            try_=".reshape(...)",
        )
    return p.Reshape(input, shape=shape)


def _with_place(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """view(dtype) of a view: which dtypes it may become depends on where it begins."""
    input, shape = arguments
    if isinstance(shape, tuple) or input._base is None:
        return arguments
    from alight.ops.reinterpret import placed

    return input, placed(input, shape)


view.operation.placed = _with_place


@function(functions="", methods="view_as")
def view_as(self: Any, other: Any) -> Any:
    """A view in the shape of `other`.

    Errors: RuntimeError for another number of elements.

    >>> import alight as torch
    >>> torch.arange(4).view_as(torch.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return self.view(other.shape)


@function(functions="", methods="reshape_as")
def reshape_as(self: Any, other: Any) -> Any:
    """The same elements in the shape of `other`.

    Errors: RuntimeError for another number of elements.

    >>> import alight as torch
    >>> torch.arange(4).reshape_as(torch.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return self.reshape(other.shape)


@op(functions="", view="maybe")
def _flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    first, last = normalize_dim(start_dim, input.ndim), normalize_dim(end_dim, input.ndim)
    if first > last:
        fail(RuntimeError, "flatten() has invalid args: start_dim cannot come after end_dim")
    if input.ndim == 0:
        return p.Reshape(input, shape=(1,))
    middle = (prod(input.shape[first : last + 1]),)
    return p.Reshape(input, shape=input.shape[:first] + middle + input.shape[last + 1 :])


@function("flatten", methods="flatten")
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Dimensions from start_dim to end_dim merged into one; the tensor itself where that changes nothing.

    Shapes: any; () becomes (1,).
    Errors: RuntimeError where start_dim comes behind end_dim, IndexError for a dimension out of
    range.

    >>> import alight as torch
    >>> torch.zeros(2, 3, 4).flatten(1).shape
    torch.Size([2, 12])
    """
    ndim = len(input._meta.shape)
    first = start_dim if start_dim >= 0 else start_dim + ndim
    last = end_dim if end_dim >= 0 else end_dim + ndim
    if first == last and 0 <= first < ndim:
        return input
    return _flatten.function(input, start_dim, end_dim)


@op(methods="ravel", view="maybe")
def ravel(input: Tensor) -> Tensor:
    """All elements along one dimension.

    Shapes: any of n elements; (n,).

    >>> import alight as torch
    >>> torch.ravel(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 2, 3, 4])
    """
    return p.Reshape(input, shape=(input.size,))


@op(methods="unflatten", view="always")
def unflatten(input: Tensor, dim: int, sizes: Shape) -> Tensor:
    """Dimension `dim` split into dimensions of extents `sizes`, one of which may be -1.

    Shapes: any but ().
    Errors: RuntimeError for sizes that do not multiply to the extent, or for none.

    >>> import alight as torch
    >>> torch.zeros(2, 12).unflatten(1, (3, -1)).shape
    torch.Size([2, 3, 4])
    """
    if input.ndim == 0:
        fail(
            RuntimeError,
            "unflatten got an unexpected error:",
            facts=[f"Dimension specified as {dim} but tensor has no dimensions"],
        )
    axis = normalize_dim(dim, input.ndim)
    size, known = input.shape[axis], -prod(sizes)
    if not sizes:
        fail(RuntimeError, "unflatten: sizes must be non-empty")
    if (sizes.count(-1) == 1 and (known == 0 or size % known)) or (
        -1 not in sizes and -known != size
    ):
        fail(
            RuntimeError,
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {axis} ({size}) in the input "
            "tensor",
        )
    inner = filled_shape(sizes, size)
    return p.Reshape(input, shape=input.shape[:axis] + inner + input.shape[axis + 1 :])


# -- extents of 1 ------------------------------------------------------------------------------------------------------


@op(methods="squeeze", view="always")
def squeeze(input: Tensor, dim: Dims = None) -> Tensor:
    """Without the dimensions of extent 1: all of them, or those of `dim` that have it.

    Shapes: any; extents of 1 go.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.zeros(1, 2, 1).squeeze(0).shape
    torch.Size([2, 1])
    """
    dims = range(input.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    axes = {normalize_dim(one, input.ndim) for one in dims}
    kept = [i for i, size in enumerate(input.shape) if size != 1 or i not in axes]
    strides = input.meta.full_strides()
    return Strided(  # type: ignore[return-value]
        p.Reshape(input, shape=tuple(input.shape[i] for i in kept)), tuple(strides[i] for i in kept)
    )


@op(methods="unsqueeze", view="always")
def unsqueeze(input: Tensor, dim: int) -> Tensor:
    """With a new dimension of extent 1 at `dim`.

    Shapes: any; one more extent of 1.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.zeros(2, 3).unsqueeze(-1).shape
    torch.Size([2, 3, 1])
    """
    at = normalize_dim(dim, input.ndim + 1)
    shape, strides = input.shape, input.meta.full_strides()
    new = shape[at] * strides[at] if at < input.ndim else 1
    return Strided(  # type: ignore[return-value]
        p.Reshape(input, shape=(*shape[:at], 1, *shape[at:])), (*strides[:at], new, *strides[at:])
    )


@op(methods="expand", functions="", view="always", varargs="size")
def expand(input: Tensor, size: Shape, *, implicit: bool = False) -> Tensor:
    """Dimensions of extent 1 repeated, and new ones in front, without a copy; -1 keeps an extent.

    Shapes: any that broadcasts to `size`.
    Errors: RuntimeError where it does not.

    >>> import alight as torch
    >>> torch.tensor([[1], [2]]).expand(-1, 3)
    tensor([[1, 1, 1],
            [2, 2, 2]])
    """
    size = (size,) if isinstance(size, int) else size
    lead = len(size) - input.ndim
    if lead < 0:
        fail(
            RuntimeError,
            f"expand(torch.{scalar_type_name(input.dtype)}Tensor{{{list(input.shape)}}}, size={list(size)}): the number "
            f"of sizes provided ({len(size)}) must be greater or equal to the number of dimensions in the tensor "
            f"({input.ndim})",
        )
    return _expanded(input, size)


def _expanded(input: Tensor, size: tuple[int, ...]) -> Any:
    lead = len(size) - input.ndim
    wide, full = (1,) * lead + input.shape, input.meta.full_strides()
    shape: list[int] = []
    strides: list[int] = []
    for i in range(len(size) - 1, -1, -1):
        extent = wide[i] if size[i] == -1 and i >= lead else size[i]
        if (extent != wide[i] and wide[i] != 1) or extent < 0:
            _expand_error(input, size, i, extent)
        stride = full[i - lead] if i >= lead else (shape[-1] * strides[-1] if shape else 1)
        shape.append(extent)
        strides.append(0 if extent != wide[i] else stride)
    target = tuple(reversed(shape))
    return Strided(p.Expand(p.Reshape(input, shape=wide), shape=target), tuple(reversed(strides)))


def _expand_error(input: Tensor, size: tuple[int, ...], i: int, extent: int) -> None:
    lead = len(size) - input.ndim
    if extent < 0:
        fail(
            RuntimeError,
            f"The expanded size of the tensor ({extent}) isn't allowed in a leading, non-existing dimension {i}",
        )
    fail(
        RuntimeError,
        f"The expanded size of the tensor ({extent}) must match the existing size ({input.shape[i - lead]}) at "
        f"non-singleton dimension {i}.  Target sizes: {list(size)}.  Tensor sizes: {list(input.shape)}",
        facts=["only extents of 1 can be expanded"],
        try_="sizes that are equal or 1, counted from the last; .repeat(...) for copies",
    )


@function(functions="", methods="expand_as")
def expand_as(self: Any, other: Any) -> Any:
    """Expanded to the shape of `other`.

    Errors: RuntimeError where it does not broadcast to it.

    >>> import alight as torch
    >>> torch.tensor([1, 2]).expand_as(torch.ones(2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return self.expand(other.shape)


@function(functions="broadcast_to", methods="broadcast_to")
def broadcast_to(input: Any, size: Any) -> Any:
    """Expanded to the shape `size`.

    Errors: RuntimeError where it does not broadcast to it.

    >>> import alight as torch
    >>> torch.broadcast_to(torch.tensor([1, 2]), (2, 2))
    tensor([[1, 2],
            [1, 2]])
    """
    return input.expand(tuple(size))


@function()
def broadcast_tensors(*tensors: Any) -> tuple[Any, ...]:
    """All tensors expanded to their common shape.

    Errors: RuntimeError where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.broadcast_tensors(torch.tensor([1, 2]), torch.tensor(3))
    (tensor([1, 2]), tensor([3, 3]))
    """
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tuple(tensors[0])
    shape = broadcast_shape(*(one._meta.shape for one in tensors))
    if shape is None:
        broadcast_error([one._meta.shape for one in tensors])
    return tuple(one if one._meta.shape == shape else one.expand(shape) for one in tensors)


@function()
def broadcast_shapes(*shapes: Any) -> Any:
    """The common shape under broadcasting.

    Errors: RuntimeError where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.broadcast_shapes((3, 1), (4,))
    torch.Size([3, 4])
    """
    from alight.record.meta import Size

    wide = [(one,) if isinstance(one, int) else tuple(one) for one in shapes]
    shape = broadcast_shape(*wide) if wide else ()
    if shape is None:
        fail(RuntimeError, _not_together(wide))
    return Size(shape)


def _not_together(shapes: list[tuple[int, ...]]) -> str:
    """PyTorch's sentence for the first extent that does not fit those before it."""
    common = [1] * max(map(len, shapes))
    for number, shape in enumerate(shapes):
        for i in range(-1, -1 - len(shape), -1):
            if shape[i] not in (1, common[i]) and common[i] != 1:
                return (
                    f"Attempting to broadcast a dimension of length {shape[i]} at {i}! Mismatching argument at index "
                    f"{number} had {shape}; but expected shape should be broadcastable to {common}"
                )
            common[i] = shape[i] if common[i] == 1 else common[i]
    raise AssertionError("the shapes broadcast")


# -- outside the record --------------------------------------------------------------------------------------------------------------


@op(functions="", view="always", gradient=False)
def data(input: Tensor) -> Tensor:
    """x.data: the same elements outside the gradient record, written without anybody's notice."""
    return p.Detach(input)


@op(methods="detach", view="always", gradient=False)
def detach(input: Tensor) -> Tensor:
    """The same elements, outside the gradient record; a view.

    Shapes: any, kept.

    >>> import alight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> x.detach()
    tensor([1., 1.])
    """
    return p.Detach(input)
