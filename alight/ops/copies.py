"""Views as copies (`torch.view_copy` and its kin), splits without a check of writes, and scatters into strided places."""

from __future__ import annotations

from typing import Any

from alight.autograd.names import grad_name
from alight.dtypes import int64
from alight.errors import fail
from alight.ops.arguments import normalize_dim
from alight.ops.conversion import made_by
from alight.ops.docstrings import derived_docstring
from alight.ops.operation import METHODS, TORCH, function
from alight.ops.out import write_out
from alight.ops.parts import cut
from alight.tensor import Tensor

_VIEWS = (
    "as_strided", "diagonal", "expand", "permute", "select", "squeeze", "t", "transpose", "unfold",
    "unsqueeze", "view", "view_as_complex", "view_as_real",
)  # fmt: skip
_PARTS = ("split", "split_with_sizes", "unbind")


def _own(tensor: Any) -> Any:
    if not tensor.requires_grad:
        return tensor.contiguous().clone()
    return made_by(f"{grad_name(tensor) or 'AliasBackward0'}_copy", tensor)


def _copying(name: str) -> None:
    view = METHODS[name] if name in METHODS else TORCH[name]

    def copied(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        made = _own(view(input, *args, **kwargs))
        return made if out is None else write_out(out, made)

    copied.__name__ = copied.__qualname__ = f"{name}_copy"
    copied.__doc__ = derived_docstring(
        f"What `{name}` shows, as a tensor of its own.", view.__doc__
    )
    function(f"{name}_copy")(copied)


def _copying_parts(name: str) -> None:
    parts = METHODS[name]

    def copied(input: Tensor, *args: Any, out: Any = None, **kwargs: Any) -> Any:
        made = tuple(map(_own, parts(input, *args, **kwargs)))
        return made if out is None else write_out(tuple(out), made)

    copied.__name__ = copied.__qualname__ = f"{name}_copy"
    copied.__doc__ = derived_docstring(
        f"What `{name}` shows, as tensors of their own.", parts.__doc__
    )
    function(f"{name}_copy")(copied)


for _name in _VIEWS:
    _copying(_name)
for _name in _PARTS:
    _copying_parts(_name)


@function("alias_copy detach_copy")
def alias_copy(input: Tensor, *, out: Any = None) -> Any:
    """The same elements as a tensor of their own.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.alias_copy(torch.tensor([1, 2]))
    tensor([1, 2])
    """
    return made_by("AliasBackward0_copy", input.clone()) if out is None else write_out(out, input)


@function(methods="narrow_copy")
def narrow_copy(input: Tensor, dim: int, start: int, length: int, *, out: Any = None) -> Any:
    """What `narrow` shows, as a tensor of its own.

    Shapes: any but (); dimension `dim` becomes `length` long.
    Errors: RuntimeError for a range that does not fit, and for `out` of another dtype.

    >>> import alight as torch
    >>> torch.narrow_copy(torch.arange(5), 0, 1, 3)
    tensor([1, 2, 3])
    """
    if input.ndim:
        if dim >= input.ndim:
            fail(
                RuntimeError,
                "Expected dim < static_cast<int64_t>(self_sizes.size()) to be true, but got false.",
                facts=[f"dim is {dim}, the tensor has {input.ndim} dimensions"],
            )
        if length < 0 and -input.ndim <= dim:
            size = input.shape[dim]
            fail(
                RuntimeError,
                f"start ({start}) + length ({length}) exceeds dimension size ({size}).",
            )
    made = made_by("NarrowCopyBackward0", input.narrow(dim, start, length).contiguous().clone())
    if out is not None and out.dtype is not input.dtype:
        fail(
            RuntimeError,
            "Expected self.dtype() == output.dtype() to be true, but got false.  (Could this error message be improved?  "
            "If so, please report an enhancement request to PyTorch.)",
            facts=[f"input is {input.dtype!r}, out is {out.dtype!r}"],
        )
    return made if out is None else write_out(out, made)


@function()
def slice_copy(
    input: Tensor,
    dim: int = 0,
    start: int | None = None,
    end: int | None = None,
    step: int = 1,
    *,
    out: Any = None,
) -> Any:
    """Elements start to end along `dim`, as a tensor of their own.

    Shapes: any but (); dimension `dim` keeps the elements that are asked for.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.slice_copy(torch.arange(6), 0, 1, 5, 2)
    tensor([1, 3])
    """
    axis = normalize_dim(dim, input.ndim)
    index = (*(slice(None),) * axis, slice(start, end, step))
    made = _own(input[index])
    return made if out is None else write_out(out, made)


@function(methods="unsafe_chunk")
def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> Any:
    """`chunk`; PyTorch does not watch writes into what this gives.

    Shapes: any but (); as `chunk`.
    Errors: RuntimeError as `chunk`.

    >>> import alight as torch
    >>> torch.unsafe_chunk(torch.arange(4), 2)
    (tensor([0, 1]), tensor([2, 3]))
    """
    parts = input.chunk(chunks, dim)
    return cut(input, dim, [part.shape[dim] for part in parts], "unsafe_split")


@function(methods="unsafe_split")
def unsafe_split(tensor: Tensor, split_size: Any, dim: int = 0) -> Any:
    """`split`; PyTorch does not watch writes into what this gives.

    Shapes: any but (); as `split`.
    Errors: RuntimeError as `split`.

    >>> import alight as torch
    >>> torch.unsafe_split(torch.arange(5), 3)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    parts = tensor.split(split_size, dim)
    return cut(tensor, dim, [part.shape[dim] for part in parts], "unsafe_split")


@function(methods="unsafe_split_with_sizes")
def unsafe_split_with_sizes(input: Tensor, split_sizes: Any, dim: int = 0) -> Any:
    """`split_with_sizes`; PyTorch does not watch writes into what this gives.

    Shapes: any but (); as `split_with_sizes`.
    Errors: RuntimeError as `split_with_sizes`.

    >>> import alight as torch
    >>> torch.unsafe_split_with_sizes(torch.arange(5), [1, 4])
    (tensor([0]), tensor([1, 2, 3, 4]))
    """
    parts = input.split_with_sizes(split_sizes, dim)
    return cut(input, dim, [part.shape[dim] for part in parts], "unsafe_split_with_sizes")


@function(methods="as_strided_scatter")
def as_strided_scatter(
    input: Tensor, src: Tensor, size: Any, stride: Any, storage_offset: int | None = None
) -> Any:
    """A copy of input in which the places that `as_strided` shows hold src.

    Shapes: `src` has the shape `size`; the result has the input's.
    Errors: RuntimeError for another shape of `src`, and for places outside the input.

    >>> import alight as torch
    >>> torch.as_strided_scatter(torch.zeros(4), torch.ones(2), (2,), (2,))
    tensor([1., 0., 1., 0.])
    """
    size, stride = tuple(size), tuple(stride)
    if tuple(src.shape) != size:
        fail(
            RuntimeError,
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(size)}",
        )
    offset = input.storage_offset() if storage_offset is None else storage_offset
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if 0 not in size and last >= input.numel():
        needed = (last + 1) * input.element_size()
        fail(
            RuntimeError,
            f"setStorage: sizes {list(size)}, strides {list(stride)}, storage offset {offset}, and itemsize "
            f"{input.element_size()} requiring a storage size of {needed} are out of bounds for storage of size "
            f"{input.numel() * input.element_size()}",
        )
    arange = TORCH["arange"]
    places: Any = offset
    for axis, (n, step) in enumerate(zip(size, stride, strict=True)):
        steps = arange(n, dtype=int64, device=input.device) * step
        places = places + steps.reshape(-1, *(1,) * (len(size) - axis - 1))
    if isinstance(places, int):
        places = TORCH["full"]((), places, dtype=int64, device=input.device)
    flat = input.contiguous().reshape(-1)
    put = flat.scatter(0, places.expand(size).reshape(-1), src.to(input.dtype).reshape(-1))
    return made_by("AsStridedScatterBackward0", put.reshape(input.shape))


@function(methods="sum_to_size", functions="")
def sum_to_size(self: Tensor, *size: Any) -> Any:
    """The sum over the dimensions that broadcasting to this shape would have added or grown.

    Errors: RuntimeError for a shape that does not broadcast to the tensor's.

    >>> import alight as torch
    >>> torch.ones(2, 3).sum_to_size(1, 3)
    tensor([[2., 2., 2.]])
    """
    from alight.ops.arguments import shape_of

    shape, own = shape_of(size), tuple(self.shape)
    lead = len(own) - len(shape)
    fits = lead >= 0 and all(b in (1, a) for a, b in zip(own[max(lead, 0) :], shape, strict=True))
    if not fits:
        fail(RuntimeError, f"size {{{list(shape)}}} is not expandable to size {{{list(own)}}}.")
    if not shape:
        return self.sum()
    grown = [lead + i for i, b in enumerate(shape) if b == 1 and own[lead + i] != 1]
    dims = [*range(lead), *grown]
    made = self.sum(dims, keepdim=True) if dims else self
    return made.view(shape) if lead else made
