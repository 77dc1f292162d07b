"""Making tensors: from data, filled with a number, ranges, and with the shape of another."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.backends.base import backend_of
from alight.device import CPU, device as Device
from alight.dtypes import BY_NAME, bool_, dtype as Dtype, float32, int64
from alight.errors import fail
from alight.ir.program import Value
from alight.ir.types import Type
from alight.ops.operation import function, op, writing_op
from alight.record.meta import Meta
from alight.record.recorder import thread
from alight.tensor import Tensor, from_buffer, from_numpy, wrap

Shape = Any


def resolve_device(device: Any) -> Device:
    """The device that an argument names; the CPU where none is given."""
    return CPU if device is None else device if isinstance(device, Device) else Device(device)


@function()
def tensor(data: Any, *, dtype: Dtype | None = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A tensor with a copy of `data`: a number, nested sequences, or an array.

    Whole numbers give int64, floating point the default dtype, an array keeps its own.
    Errors: ValueError for ragged sequences, TypeError for what is not a number.

    >>> import alight as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    if isinstance(data, Tensor):
        made = data.detach().clone()
        made = made.to(dtype=dtype or data.dtype, device=resolve_device(device or data.device))
        return made.requires_grad_() if requires_grad else made
    where = resolve_device(device)
    buffer, of = backend_of(where).from_data(data, dtype, thread.recorder.default_dtype)
    return from_buffer(buffer, of, where).requires_grad_(requires_grad)


@function()
def as_tensor(data: Any, dtype: Dtype | None = None, device: Any = None) -> Tensor:
    """`data` as a tensor, without a copy where it is one already or a NumPy array of the right dtype."""
    if isinstance(data, Tensor):
        return data.to(dtype=dtype or data.dtype, device=resolve_device(device or data.device))
    if hasattr(data, "__array_interface__") and getattr(data, "ndim", 0) > 0:
        made = from_numpy(data)
        return made if dtype in (None, made.dtype) else made.to(dtype)
    return tensor(data, dtype=dtype, device=device)


function("from_numpy")(from_numpy)


def _filled(shape: Any, value: Any, dtype: Dtype, device: Any, requires_grad: bool) -> Tensor:
    """A recorded constant; at hand at once where it will be a leaf."""
    made = TORCH_FULL(tuple(shape), value, dtype, resolve_device(device))
    return made.requires_grad_() if requires_grad else made


@op(functions="")
def _full(shape: Shape, value: Any, dtype: Any, device: Any) -> Value:
    """A tensor of one number."""
    return p.Full(shape=shape, value=value, dtype=dtype, device=device)


TORCH_FULL = _full


def _shape_of(size: tuple[Any, ...]) -> tuple[int, ...]:
    if len(size) == 1 and not isinstance(size[0], int) and hasattr(size[0], "__iter__"):
        size = tuple(size[0])
    shape = tuple(int(extent.__index__()) for extent in size)
    for extent in shape:
        if extent < 0:
            fail(RuntimeError, f"Trying to create tensor with negative dimension {extent}: {list(shape)}")
    return shape


@function()
def zeros(*size: Any, dtype: Dtype | None = None, device: Any = None, requires_grad: bool = False, out: Any = None, layout: Any = None, pin_memory: bool = False) -> Tensor:
    """A tensor of zeros.

    >>> import alight as torch
    >>> torch.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """
    return _filled(_shape_of(size), 0, dtype or thread.recorder.default_dtype, device, requires_grad)


@function()
def ones(*size: Any, dtype: Dtype | None = None, device: Any = None, requires_grad: bool = False, out: Any = None, layout: Any = None, pin_memory: bool = False) -> Tensor:
    """A tensor of ones."""
    return _filled(_shape_of(size), 1, dtype or thread.recorder.default_dtype, device, requires_grad)


@writing_op(methods="copy_")
def copy_(input: Value, src: Value, non_blocking: bool = False) -> Value:
    """Write the elements of `src`, broadcast and converted, into this tensor."""
    from alight.primitives.arithmetic import broadcast

    return broadcast(p.Convert(src, dtype=input.dtype), input.shape)


def legacy_tensor(*args: Any, **kwargs: Any) -> Tensor:
    """`torch.Tensor(2, 3)`, `torch.Tensor([1, 2])`: the constructor that people still use."""
    if not args:
        return zeros(0)
    if len(args) == 1 and not isinstance(args[0], int):
        data = args[0]
        if isinstance(data, Tensor):
            return data.detach()
        return tensor(data, dtype=thread.recorder.default_dtype)
    return zeros(*args)


__all__ = ["BY_NAME", "Meta", "Type", "bool_", "float32", "int64", "wrap"]
