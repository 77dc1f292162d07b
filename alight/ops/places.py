"""Memory layouts asked for by name, and elements put in places or named by them: `empty_strided` to `unravel_index`."""

from __future__ import annotations

import warnings
from math import prod
from typing import Any

from alight.dtypes import INTEGER, int64
from alight.errors import fail
from alight.ops.creation import default_dtype, full, zeros
from alight.ops.docstrings import with_example
from alight.ops.operation import TORCH, function
from alight.ops.ranges import arange
from alight.ops.sizes import is_sequence_of_ints, shape_from
from alight.tensor import Tensor

# -- memory layouts ----------------------------------------------------------------------------------------------------


@function()
def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Any:  # fmt: skip
    """A tensor with these strides, in elements; its elements mean nothing yet.

    Shapes: `size`.
    Errors: RuntimeError where size and stride differ in length, or where the memory would be too
    large to count.

    >>> import alight as torch
    >>> torch.empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    size = shape_from("empty_strided", size)
    if not is_sequence_of_ints(stride):
        shape_from("empty_strided", stride, 2, "stride")
    stride = tuple(stride)
    if len(size) != len(stride):
        fail(
            RuntimeError,
            f"dimensionality of sizes ({len(size)}) must match dimensionality of strides ({len(stride)})",
        )
    if any(step < 0 for step in stride):
        fail(
            RuntimeError,
            f"Storage size calculation overflowed with sizes={list(size)} and strides={list(stride)}",
        )
    last = sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    memory = zeros(0 if 0 in size else last + 1, dtype=dtype, device=device)
    made = memory.as_strided(size, stride)
    if last + 1 == prod(size):
        made = made.clone()  # without gaps, so that it needs no other tensor's memory
    return made.requires_grad_() if requires_grad else made


@function()
def empty_permuted(
    size: Any, physical_layout: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Any:  # fmt: skip
    """A tensor without gaps whose dimensions lie in memory in the order of `physical_layout`, slowest first.

    Shapes: `size`.
    Errors: RuntimeError for a physical_layout that is no order of the dimensions.

    >>> import alight as torch
    >>> torch.empty_permuted((2, 3), (1, 0)).stride()
    (1, 2)
    """
    size = shape_from("empty_permuted", size)
    if not is_sequence_of_ints(physical_layout):
        shape_from("empty_permuted", physical_layout, 2, "physical_layout")
    order = tuple(physical_layout)
    if len(size) != len(order):
        fail(
            RuntimeError,
            f"Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{len(size)} is not equal to len(physical_layout) = {len(order)}",
        )
    seen: set[int] = set()
    for axis in order:
        if not 0 <= axis < len(size):
            fail(
                RuntimeError,
                f"Dimension out of range (expected to be between 0 and {len(size) - 1}, but got {axis}).",
            )
        if axis in seen:
            fail(RuntimeError, "Duplicate dim not allowed", facts=[f"it is {list(order)}"])
        seen.add(axis)
    stride, step = [0] * len(size), 1
    for axis in reversed(order):
        stride[axis] = step
        step *= max(size[axis], 1)
    return empty_strided(size, stride, dtype=dtype, device=device, requires_grad=requires_grad)


@function("", methods="new_empty_strided")
def new_empty_strided(
    self: Tensor, size: Any, stride: Any, dtype: Any = None, device: Any = None,
    requires_grad: bool = False, **other: Any,
) -> Any:  # fmt: skip
    """`empty_strided` of the dtype and on the device of this tensor.

    Shapes: `size`.

    >>> import alight as torch
    >>> torch.ones(1).new_empty_strided((2, 3), (1, 2)).stride()
    (1, 2)
    """
    return empty_strided(
        size,
        stride,
        dtype=dtype or self.dtype,
        device=device or self.device,
        requires_grad=requires_grad,
    )


@function("range")
def range_(
    start: float, end: float, step: float = 1, *, out: Any = None,
    dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Any:  # fmt: skip
    """Numbers from start to end, end among them; `arange` is the form to use.

    Shapes: (n,), with n = floor((end - start) / step) + 1.
    Errors: RuntimeError for step 0, and for an end on the other side.

    >>> import warnings, alight as torch
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     torch.range(1, 3)
    tensor([1., 2., 3.])
    """
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        stacklevel=2,
    )
    if step == 0:
        fail(RuntimeError, "step must be nonzero")
    if (end - start) * step < 0:
        fail(RuntimeError, "upper bound and lower bound inconsistent with step sign")
    count = int((end - start) / step) + 1
    of = dtype or default_dtype()
    made = (arange(count, dtype=of, device=device) * step + start).to(of)
    if out is not None:
        return out.resize_(made.shape).copy_(made) if out.shape != made.shape else out.copy_(made)
    return made.requires_grad_() if requires_grad else made


# -- elements in places ------------------------------------------------------------------------------------------------


@function(methods="diagflat")
def diagflat(input: Tensor, offset: int = 0) -> Any:
    """A square matrix with all elements of input on a diagonal.

    Shapes: any of n elements; (n + |offset|, n + |offset|).

    >>> import alight as torch
    >>> torch.diagflat(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    return input.reshape(-1).diag(offset)


@function()
def fill(input: Tensor, value: Any) -> Any:
    """A tensor like input with `value` everywhere: a number or a 0-d tensor.

    Shapes: any, kept; `value` is ().
    Errors: RuntimeError for a `value` of one dimension or more.

    >>> import alight as torch
    >>> torch.fill(torch.ones(2), 7)
    tensor([7., 7.])
    """
    if isinstance(value, Tensor) and value.ndim:
        fail(
            RuntimeError,
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.",
        )
    return input.clone().fill_(value)


@function()
def constant_pad_nd(input: Tensor, pad: Any, value: Any = 0) -> Any:
    """`torch.nn.functional.pad` with a constant.

    Shapes: any; two numbers of `pad` for each dimension that grows, the last one first.
    Errors: RuntimeError for an odd number of them, or too many.

    >>> import alight as torch
    >>> torch.constant_pad_nd(torch.ones(2), (1, 0))
    tensor([0., 1., 1.])
    """
    from alight.ops.nn.resampling import pad as padded

    if len(pad) % 2:
        fail(RuntimeError, f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * input.ndim:
        fail(
            RuntimeError,
            "Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(pad)}while the input has {input.ndim}dimensions.",
        )
    made = padded(input, tuple(pad), value=value)
    return made.clone() if made is input else made


# -- places as results -------------------------------------------------------------------------------------------------


@function(methods="nonzero_static")
def nonzero_static(input: Tensor, *, size: int, fill_value: int = -1, out: Any = None) -> Any:
    """The first `size` rows of `nonzero`, with rows of fill_value where there are fewer.

    Shapes: any input of rank r; (size, r).
    Errors: RuntimeError for a negative size.

    >>> import alight as torch
    >>> torch.nonzero_static(torch.tensor([1, 0, 3]), size=3)
    tensor([[ 0],
            [ 2],
            [-1]])
    """
    if size < 0:
        fail(RuntimeError, "nonzero_static: 'size' must be an non-negative integer")
    found = input.nonzero()[:size]
    rest = full((size - found.shape[0], input.ndim), fill_value, dtype=int64, device=input.device)
    made = TORCH["cat"]([found, rest])
    return made if out is None else out.copy_(made)


@function()
def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """The coordinates, in a tensor of this shape, of the elements that flat indices name.

    Errors: TypeError for indices that are not whole numbers, ValueError for negative extents or an
    index that is not there.

    >>> import alight as torch
    >>> torch.unravel_index(torch.tensor([3, 5]), (2, 3))
    (tensor([1, 1]), tensor([0, 2]))
    """
    if not isinstance(indices, Tensor) or indices.dtype not in INTEGER:
        of = indices.dtype if isinstance(indices, Tensor) else type(indices).__name__
        fail(TypeError, f"expected 'indices' to be integer dtype, but got {of}")
    sizes = (shape,) if isinstance(shape, int) else tuple(int(one) for one in shape)
    if any(size < 0 for size in sizes):
        fail(ValueError, f"'shape' cannot have negative values, but got {sizes}")
    result: list[Any] = []
    rest: Any = indices.to(int64)
    for size in reversed(sizes):
        result.append(rest % size)
        rest = rest // size
    return tuple(reversed(result))


# -- questions ---------------------------------------------------------------------------------------------------------


def _constant(name: str, value: bool, doc: str) -> None:
    def answer(input: Tensor) -> bool:
        return value

    answer.__name__ = name
    answer.__doc__ = with_example(
        f"{doc}\n\nShapes: any.", f"torch.{name}(torch.ones(2))", str(value)
    )
    function(name, methods=name)(answer)


_constant("is_conj", False, "False: conjugates are computed, there is no bit for them.")
_constant("is_neg", False, "False: there is no bit for a sign.")
_constant("is_distributed", False, "False: a tensor lives in one process.")


@function()
def is_inference(input: Tensor) -> bool:
    """Whether the tensor was made in inference mode.

    Shapes: any.

    >>> import alight as torch
    >>> torch.is_inference(torch.ones(2))
    False
    """
    return bool(input.is_inference())


@function(methods="is_same_size")
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape.

    >>> import alight as torch
    >>> torch.is_same_size(torch.ones(2), torch.zeros(2))
    True
    """
    return bool(input.shape == other.shape)


@function()
def is_signed(input: Tensor) -> bool:
    """Whether the dtype has negative numbers.

    Shapes: any.

    >>> import alight as torch
    >>> torch.is_signed(torch.tensor([1], dtype=torch.uint8))
    False
    """
    return bool(input.dtype.is_signed)


@function(methods="resolve_neg")
def resolve_neg(input: Tensor) -> Any:
    """The tensor itself: there is no bit for a sign.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.resolve_neg(torch.tensor([1.]))
    tensor([1.])
    """
    return input


@function("conj_physical_", methods="conj_physical_")
def conj_physical_(self: Tensor) -> Any:
    """The complex conjugate, written into the tensor.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.tensor([1 + 2j]).conj_physical_()
    tensor([1.-2.j])
    """
    return self.copy_(self.conj()) if self.is_complex() else self


@function("", methods="resize")
def resize(self: Tensor, *sizes: Any) -> Any:
    """The elements in another shape: an old form of `reshape`, with a warning.

    Errors: RuntimeError for another number of elements.

    >>> import alight as torch
    >>> torch.arange(4).resize(2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    from alight.ops.arguments import shape_of

    warnings.warn("non-inplace resize is deprecated", stacklevel=2)
    shape = shape_of(sizes)
    if prod(shape) != self.numel():
        shown, own = ("x".join(map(str, one)) for one in (shape, self.shape))
        fail(
            RuntimeError,
            f"requested resize to {shown} ({prod(shape)} elements in total), but the given tensor has a size of {own} "
            f"({self.numel()} elements). autograd's resize can only change the shape of a given tensor, while preserving "
            "the number of elements. ",
            try_="resize_(), which may change the number of elements",
        )
    return self.contiguous().view(shape)


@function("", methods="resize_as")
def resize_as(self: Tensor, tensor: Tensor) -> Any:
    """The elements in the shape of another tensor: an old form of `view_as`, with a warning.

    >>> import alight as torch
    >>> torch.arange(4).resize_as(torch.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return self.resize(tensor.shape)
