"""What changes shape or memory under the same tensor object: `t_`, `squeeze_`, `resize_`, `set_`, `detach_`.

What the object was moves to a hidden handle, and the object becomes a view of that: views taken before still share
memory with it, and gradients flow on. These calls are rare; each ends the pending segment first.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import alight.ops.axes
import alight.ops.shape
import alight.ops.strided  # noqa: F401  (these declare what gets a form in place)
from alight.errors import fail
from alight.ops.arguments import shape_of
from alight.ops.creation import empty, zeros
from alight.ops.docstrings import derived_docstring
from alight.ops.operation import METHODS, function
from alight.ops.parts import part, whole
from alight.primitives import Detach
from alight.record.meta import contiguous_strides
from alight.record.owners import attach, attach_made, root_of
from alight.record.recorder import thread
from alight.tensor import Tensor, wrap

_HELD = ("_buffer", "_base", "_link", "_numbers", "_views", "_shared", "_writes", "_history")
_SHAPE_CHANGES = (
    "squeeze", "unsqueeze", "t", "transpose", "swapaxes", "swapdims", "as_strided",
)  # fmt: skip


def _settled(tensor: Tensor) -> None:
    """Make sure that a tensor is not part of a pending segment, and knows its views."""
    attach_made(thread.recorder)
    if tensor._slot >= 0:
        tensor.flush("the tensor's shape or memory changes")
    if thread.recorder.grad_enabled and tensor.requires_grad and tensor.is_leaf:
        fail(
            RuntimeError,
            "a leaf Variable that requires grad is being used in an in-place operation.",
            try_="with torch.no_grad(): around it",
        )


def become(tensor: Tensor, make: Callable[[Tensor], Tensor]) -> Tensor:
    """Turn `tensor` into the view that `make` gives of what it was."""
    _settled(tensor)
    before = _moved_out(tensor)
    _look_through(tensor, make(before))
    root_of(before)._writes += 1
    return tensor


def _moved_out(tensor: Tensor) -> Tensor:
    """A handle that takes what `tensor` holds, and the views of it."""
    attach_made(thread.recorder)
    before = wrap(None, tensor._meta)
    for name in _HELD:
        if name in tensor.__dict__:
            setattr(before, name, tensor.__dict__.pop(name))
    for ref in before._views or root_of(before)._views or ():
        view = ref()
        if view is not None and view._base is tensor:
            view._base = before
    if before._base is not None:
        attach(before, before._base, before._link, before._numbers)
    return before


def _look_through(tensor: Tensor, view: Tensor) -> None:
    """Make `tensor` the view that `view` is; it stays the leaf that it may be."""
    meta, old = view._meta, tensor._meta
    if old.requires_grad and old.leaf:
        meta = meta.replace(requires_grad=True, leaf=True, origin=None)
    tensor._meta, tensor._slot = meta, -1
    attach(tensor, view._base, view._link, view._numbers)


def _in_place(name: str) -> None:
    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        return become(self, lambda before: getattr(before, name)(*args, **kwargs))

    method.__name__ = f"{name}_"
    method.__doc__ = derived_docstring(
        f"`{name}` of this tensor, under the same object.", METHODS[name].__doc__
    )
    function(f"{name}_", methods=f"{name}_")(method)


for _name in _SHAPE_CHANGES:
    _in_place(_name)


def set_data(tensor: Tensor, value: Tensor) -> None:
    """`tensor.data = value`: other memory under the same tensor, which stays the leaf or parameter that it is.

    Both share the memory from then on. Differs: not if `value` was computed from tensors with gradients.
    """
    if not isinstance(value, Tensor):
        fail(TypeError, f"Variable data has to be a tensor, but got {type(value).__name__}")
    if value._base is tensor and all(node.primitive is Detach for node in value._link.nodes):
        return  # tensor.data -= step
    if tensor.requires_grad and not value.dtype.is_differentiable:
        fail(
            RuntimeError,
            "data set to a tensor that requires gradients must be floating point or complex dtype",
            try_=".float()",
        )
    if _was_computed_with_gradients(value):
        value = value.detach().clone()  # else each later write would be a step of their history
    if value._base is not None and not value.requires_grad:
        _share_view(tensor, value)
        return
    buffer = value.flush("data")
    if tensor._slot >= 0:
        tensor.flush("data")
    writes = tensor._writes
    _moved_out(tensor)
    tensor._buffer, tensor._shared, tensor._views = buffer, value._shared, value._views
    tensor._meta = tensor._meta.replace(type=value._meta.type, strides=value._meta.strides)
    tensor._writes = writes
    value._buffer, value._shared, value._views = None, False, None
    attach(value, tensor, part(tensor, tuple(map(whole, value.shape)), (), "alias")._link, ())


def _was_computed_with_gradients(tensor: Tensor | None) -> bool:
    while tensor is not None:
        if tensor.requires_grad and not tensor.is_leaf:
            return True
        tensor = tensor._base
    return False


def _share_view(tensor: Tensor, view: Tensor) -> None:
    """Make a tensor show what a view shows."""
    for one in (tensor, view):
        if one._slot >= 0:
            one.flush("data")
    writes = tensor._writes
    _moved_out(tensor)
    tensor._meta = tensor._meta.replace(type=view._meta.type, strides=view._meta.strides)
    attach(tensor, view._base, view._link, view._numbers)
    tensor._writes, tensor._slot = writes, -1


@function("detach_", methods="detach_")
def detach_(self: Tensor) -> Tensor:
    """Cut this tensor off from what made it: it becomes a leaf without gradients.

    Shapes: any, kept.
    Errors: RuntimeError for a view that requires gradients.

    >>> import alight as torch
    >>> x = torch.ones(1, requires_grad=True) * 2
    >>> x.detach_()
    tensor([2.])
    """
    if self._base is not None and self._meta.requires_grad:
        fail(
            RuntimeError,
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
            "training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence detach_() "
            "cannot be called on these gradients. To fix this error, please refer to the Optimizer.zero_grad() function in "
            "torch/optim/optimizer.py as the solution.",
        )
    if self._slot >= 0 and self._meta.requires_grad:
        self.flush("detach_")
    self._meta = self._meta.replace(requires_grad=False, leaf=True, origin=None)
    self._history = None
    return self


@function("", methods="resize_")
def resize_(self: Tensor, *size: Any, memory_format: Any = None) -> Tensor:
    """Another shape: the first elements stay, new ones mean nothing yet.

    Errors: RuntimeError for a tensor that requires gradients.
    Differs: memory that grows is not shared with views taken before, and new elements are zeros.

    >>> import alight as torch
    >>> torch.arange(4).resize_(2, 2)
    tensor([[0, 1],
            [2, 3]])
    """
    shape = shape_of(size)
    if self.requires_grad:
        fail(RuntimeError, "cannot resize variables that require grad")
    if shape == self._meta.shape:
        return self
    _settled(self)
    offset = self.storage_offset()
    if (
        offset + prod(shape) <= root_of(self).numel() and shape
    ):  # the memory is there: another view of it
        return become(
            self, lambda before: before.as_strided(shape, contiguous_strides(shape), offset)
        )
    made = zeros(prod(shape), dtype=self.dtype, device=self.device)
    kept = min(prod(shape), self.numel())
    made[:kept] = self.detach().reshape(-1)[:kept]
    _take_over(self, made.reshape(shape))
    return self


def _take_over(tensor: Tensor, made: Tensor) -> None:
    buffer = made.flush("new memory under a tensor")
    version = tensor._writes
    for name in _HELD:
        tensor.__dict__.pop(name, None)
    tensor._buffer, tensor._writes, tensor._slot = buffer.copy(), version + 1, -1
    tensor._meta = tensor._meta.replace(type=made._meta.type, strides=None)


@function("resize_as_", methods="resize_as_")
def resize_as_(self: Tensor, the_template: Tensor, *, memory_format: Any = None) -> Tensor:
    """The shape of another tensor.

    >>> import alight as torch
    >>> torch.arange(4).resize_as_(torch.ones(2, 2))
    tensor([[0, 1],
            [2, 3]])
    """
    return resize_(self, the_template.shape)


@function("", methods="set_")
def set_(self: Tensor, source: Tensor | None = None, *place: Any) -> Tensor:
    """The elements of another tensor, whose memory is shared from now on.

    Shapes: that of the other tensor.
    Errors: RuntimeError for a tensor of another dtype.

    >>> import alight as torch
    >>> x, y = torch.zeros(1), torch.tensor([1., 2.])
    >>> x.set_(y)
    tensor([1., 2.])
    """
    _settled(self)
    source = empty(0, dtype=self.dtype) if source is None else source
    if source.dtype is not self.dtype:
        fail(
            RuntimeError,
            "Could not set tensor of type "
            f"{source.dtype.name} to a tensor of type {self.dtype.name}",
        )
    view = source.detach()
    if place:
        offset, size, stride = (*place, None, None)[:3]
        view = view.as_strided(size, stride or contiguous_strides(tuple(size)), offset)
    if self._slot >= 0:
        self.flush("set_")
    version = self._writes
    for name in _HELD:
        self.__dict__.pop(name, None)
    _look_through(self, view if place else part(view, tuple(map(whole, view.shape)), (), "alias"))
    self._writes = version + 1
    return self


@function("", methods="fill_diagonal_")
def fill_diagonal_(self: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write one number on the main diagonal; with wrap, of a tall matrix again and again.

    Shapes: two dimensions or more, of equal extents if there are more than two.
    Errors: RuntimeError for fewer than two dimensions, and for extents that differ.

    >>> import alight as torch
    >>> torch.zeros(2, 2).fill_diagonal_(3)
    tensor([[3., 0.],
            [0., 3.]])
    """
    if self.ndim < 2:
        fail(RuntimeError, "dimensions must larger than 1")
    if self.ndim > 2 and len(set(self.shape)) > 1:
        fail(RuntimeError, "all dimensions of input must be of equal length")
    step, count = sum(self.stride()), min(self.shape)
    if wrap and self.ndim == 2 and self.shape[0] > self.shape[1] + 1:
        count = -(-self.numel() // (self.shape[1] + 1))
    self.as_strided((count,), (step,), self.storage_offset()).fill_(fill_value)
    return self


@function("", methods="is_set_to")
def is_set_to(self: Tensor, tensor: Tensor) -> bool:
    """Whether both show the same memory in the same shape.

    >>> import alight as torch
    >>> x = torch.ones(2)
    >>> x.is_set_to(x), x.is_set_to(torch.ones(2))
    (True, False)
    """
    return (
        root_of(self) is root_of(tensor) and self.shape == tensor.shape and self.stride() == tensor.stride()
        and self.storage_offset() == tensor.storage_offset()
    )  # fmt: skip
