"""What a tensor shows of itself: its printed text, its pickle, and the `data` that is put under it."""

from __future__ import annotations

from typing import Any

from alight.backends.base import backend_of
from alight.dtypes import BY_NAME
from alight.errors import fail


def tensor_text(tensor: Any) -> str:
    """The text of `print(tensor)`, as PyTorch writes it."""
    from alight.autograd.graph import grad_fn
    from alight.printing import format_tensor
    from alight.record.recorder import thread

    meta = tensor._meta
    maker = grad_fn(tensor)
    read = None
    if meta.device.type != "meta":
        backend = backend_of(meta.device)
        buffer = tensor.flush("print")

        def read(positions: Any) -> Any:
            return backend.pick(buffer, positions)

    return format_tensor(
        read,
        meta.shape,
        meta.dtype,
        default_dtype=thread.recorder.default_dtype,
        device="" if meta.device.type == "cpu" else str(meta.device),
        grad_fn="" if maker is None else maker.name(),
        requires_grad=meta.requires_grad and maker is None,
        parameter=tensor._is_parameter,
    )


def rebuild(cls: type, array: Any, dtype: str, requires_grad: bool) -> Any:
    """A tensor from its pickle."""
    from alight.tensor import from_buffer

    tensor = from_buffer(array, BY_NAME[dtype])
    tensor.__class__ = cls
    return tensor.requires_grad_() if requires_grad else tensor


def set_data(tensor: Any, value: Any) -> None:
    """`tensor.data = value`: other elements under the same tensor, which stays the leaf or parameter that it is.

    Differs: the elements are taken over; a later write to `value` is not seen.
    """
    from alight.tensor import Tensor

    if not isinstance(value, Tensor):
        fail(TypeError, f"Variable data has to be a tensor, but got {type(value).__name__}")
    buffer = value.flush("data")
    if tensor._slot >= 0:
        tensor.flush("data")
    backend = backend_of(value.device)
    tensor._buffer = backend.copy(buffer)
    tensor._base, tensor._link, tensor._numbers, tensor._shared = None, None, (), False
    tensor._meta = tensor._meta.replace(type=value._meta.type, strides=None)
    tensor._slot = -1
    for ref in tensor._views or ():
        view = ref()
        if view is not None:
            view._slot = -1
