"""Views and rearrangements: reshape, transpose, squeeze, expand, cat, stack, split."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import normalize_dim
from alight.ops.operation import op
from alight.record.meta import Meta
from alight.record.views import reshape_strides

Shape = Any
Tensors = Any


def filled_shape(shape: tuple[int, ...], size: int) -> tuple[int, ...]:
    """`shape` with -1 replaced by what makes `size` elements; PyTorch's errors where nothing does."""
    known = 1
    for extent in shape:
        if extent != -1:
            if extent < -1:
                fail(RuntimeError, f"invalid shape dimension {extent} at index {shape.index(extent)} of shape {list(shape)}")
            known *= extent
    if shape.count(-1) > 1:
        fail(RuntimeError, "only one dimension can be inferred")
    if -1 in shape:
        if known == 0:
            fail(
                RuntimeError,
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 "
                "can be any value and is ambiguous",
            )
        if size % known == 0:
            return tuple(size // known if extent == -1 else extent for extent in shape)
    elif known == size:
        return shape
    fail(
        RuntimeError,
        f"shape '{list(shape)}' is invalid for input of size {size}",
        try_="-1 for one extent, which is then worked out",
    )


@op(methods="reshape", view="maybe", varargs="shape")
def reshape(input: Tensor, shape: Shape) -> Tensor:
    """The same elements in another shape; one extent may be -1. A view where strides allow it.

    >>> import alight as torch
    >>> torch.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    return p.Reshape(input, shape=filled_shape(shape, input.size))


@op(methods="view", functions="", view="always", varargs="shape")
def view(input: Tensor, shape: Shape) -> Tensor:
    """A view in another shape; an error where it would have to copy."""
    if not isinstance(shape, tuple):
        p_dtype = shape
        return p.Bitcast(input, dtype=p_dtype)
    shape = filled_shape(shape, input.size)
    if reshape_strides(input.shape, input.meta.full_strides(), shape) is None:
        fail(
            RuntimeError,
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead.",
        )
    return p.Reshape(input, shape=shape)


@op(methods="transpose swapaxes swapdims", functions="transpose swapaxes swapdims", view="always")
def transpose(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two dimensions exchanged; a view.

    >>> import alight as torch
    >>> torch.zeros(2, 3).transpose(0, 1).shape
    torch.Size([3, 2])
    """
    a, b = normalize_dim(dim0, input.ndim), normalize_dim(dim1, input.ndim)
    order = list(range(input.ndim))
    if order:
        order[a], order[b] = order[b], order[a]
    return p.Permute(input, order=tuple(order))


@op(methods="detach", view="always", gradient=False)
def detach(input: Tensor) -> Tensor:
    """The same elements, outside the gradient record; a view."""
    return p.Detach(input)


def is_channels_last(meta: Meta) -> bool:
    """Whether a 4-d tensor lies in memory as (n, h, w, c)."""
    if len(meta.shape) != 4:
        return False
    n, c, h, w = meta.shape
    return meta.full_strides() == (h * w * c, 1, w * c, c)
