"""Views and rearrangements of one tensor: reshape, permute, squeeze, expand, diagonal, clone.

A view's strides are those that PyTorch reports: from the movement primitives by `record.views.link_strides`, or given
with the value as `Strided`.
"""

from __future__ import annotations

from math import prod
from typing import Any

from alight import primitives as p
from alight.dtypes import int64
from alight.errors import fail, not_implemented, warn
from alight.ir.program import Value as Tensor
from alight.ops.arguments import broadcast_error, normalize_dim, scalar_type_name
from alight.ops.operation import METHODS, Strided, function, op
from alight.primitives.arithmetic import broadcast_shape, constant
from alight.record.views import reshape_strides, root_of

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


# -- axes in another order ---------------------------------------------------------------------------------------------


@op(
    methods="transpose swapaxes swapdims", functions="transpose swapaxes swapdims", view="always",
    aliases="axis0=dim0 axis1=dim1",
)  # fmt: skip
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged; a view.

    Shapes: any; two extents change places.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.zeros(2, 3).transpose(0, 1).shape
    torch.Size([3, 2])
    """
    a, b = normalize_dim(dim0, input.ndim), normalize_dim(dim1, input.ndim)
    order = list(range(input.ndim))
    if order:
        order[a], order[b] = order[b], order[a]
    return p.Permute(input, order=tuple(order))


@op(methods="permute", view="always", varargs="dims")
def permute(input: Tensor, dims: Dims) -> Tensor:
    """Dimension k of the result is dimension dims[k] of the input; a view.

    Shapes: any; the extents in the order of `dims`.
    Errors: RuntimeError for another number of dimensions or one named twice, IndexError for one out
    of range.

    >>> import alight as torch
    >>> torch.zeros(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    if len(dims) != input.ndim:
        fail(
            RuntimeError,
            "permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {input.ndim} is not equal to len(dims) = {len(dims)}",
            facts=[f"the tensor is {list(input.shape)}"],
            try_=".transpose(i, j) to exchange two of them",
        )
    order = tuple(normalize_dim(dim, input.ndim) for dim in dims)
    if len(set(order)) != len(order):
        fail(RuntimeError, "permute(): duplicate dims are not allowed.")
    return p.Permute(input, order=order)


@op(methods="movedim moveaxis", functions="movedim moveaxis", view="always")
def movedim(input: Tensor, source: Dims, destination: Dims) -> Tensor:
    """Dimensions `source` moved to the places `destination`; the others keep their order.

    Shapes: any; the extents in their new order.
    Errors: RuntimeError where source and destination differ in number or name a dimension twice,
    IndexError for one out of range.

    >>> import alight as torch
    >>> torch.zeros(2, 3, 4).movedim(0, -1).shape
    torch.Size([3, 4, 2])
    """
    sources = (source,) if isinstance(source, int) else source
    targets = (destination,) if isinstance(destination, int) else destination
    if len(sources) != len(targets):
        fail(
            RuntimeError,
            f"movedim: Invalid source or destination dims: source ({list(sources)} dims) should contain the same number "
            f"of dims as destination ({list(targets)} dims)",
        )
    from_axes = [normalize_dim(dim, input.ndim) for dim in sources]
    to_axes = [normalize_dim(dim, input.ndim) for dim in targets]
    for name, given, axes in (("source", sources, from_axes), ("destination", targets, to_axes)):
        if len(set(axes)) != len(axes):
            fail(RuntimeError, f"movedim: repeated dim in `{name}` ({list(given)})")
    moved = dict(zip(to_axes, from_axes, strict=True))
    rest = iter(axis for axis in range(input.ndim) if axis not in moved.values())
    return p.Permute(
        input, order=tuple(moved[i] if i in moved else next(rest) for i in range(input.ndim))
    )


@op(methods="t", view="always")
def t(input: Tensor) -> Tensor:
    """A matrix transposed; a vector or number as it is.

    Shapes: (n, m) gives (m, n); (n,) and () stay.
    Errors: RuntimeError for more than two dimensions.

    >>> import alight as torch
    >>> torch.t(torch.tensor([[1, 2], [3, 4]]))
    tensor([[1, 3],
            [2, 4]])
    """
    if input.ndim > 2:
        fail(RuntimeError, f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return p.Permute(input, order=tuple(reversed(range(input.ndim))))


@op(functions="", view="always")
def _reversed_axes(input: Tensor) -> Tensor:
    """All dimensions in reverse order: x.T."""
    return p.Permute(input, order=tuple(reversed(range(input.ndim))))


@op(methods="adjoint", view="always")
def adjoint(input: Tensor) -> Tensor:
    """The last two dimensions exchanged, and complex numbers conjugated.

    Shapes: (*, n, m) gives (*, m, n).
    Errors: RuntimeError for one dimension.

    >>> import alight as torch
    >>> torch.adjoint(torch.tensor([[1, 2j]]))
    tensor([[1.-0.j],
            [0.-2.j]])
    """
    if input.ndim < 2:
        fail(RuntimeError, "tensor.adjoint() is only supported on matrices or batches of matrices. "
             f"Got {input.ndim}-D tensor.")  # fmt: skip
    return _conjugated(p.Permute(input, order=_last_two_exchanged(input.ndim)))


def _last_two_exchanged(ndim: int) -> tuple[int, ...]:
    return (*range(ndim - 2), ndim - 1, ndim - 2)


def _conjugated(x: Tensor) -> Tensor:
    return p.Conj(x) if x.dtype.is_complex else x


def _matrix_transposed(self: Any) -> Any:
    """The last two dimensions exchanged."""
    if self.ndim < 2:
        fail(
            RuntimeError,
            f"tensor.mT is only supported on matrices or batches of matrices. Got {self.ndim}-D tensor.",
        )
    return self.transpose(-2, -1)


def _hermitian(self: Any) -> Any:
    """A matrix transposed and conjugated."""
    if self.ndim not in (0, 2):
        fail(
            RuntimeError,
            f"tensor.H is only supported on matrices (2-D tensors). Got {self.ndim}-D tensor.",
        )
    return self.adjoint() if self.ndim else self


def _reversed(self: Any) -> Any:
    """All dimensions in reverse order."""
    if len(self._meta.shape) != 2:
        _warn_of_reversal(len(self._meta.shape))
    return _reversed_axes(self)


def _warn_of_reversal(ndim: int) -> None:
    if ndim:
        warn(
            f"x.T of a tensor of {ndim} dimensions puts them all in reverse order, which PyTorch is going to refuse; "
            "x.mT transposes each matrix of a batch, x.permute(...) names an order"
        )
    else:
        warn("x.T of a number is the number itself; PyTorch is going to refuse it")


METHODS["T"] = property(_reversed)
METHODS["mT"] = property(_matrix_transposed)
METHODS["H"] = property(_hermitian)
METHODS["mH"] = property(
    lambda self: self.adjoint(), doc="The last two dimensions exchanged, conjugated."
)


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


# -- parts -------------------------------------------------------------------------------------------------------------


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
