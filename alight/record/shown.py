"""What a tensor shows of itself: its printed text and its pickle."""

from __future__ import annotations

from typing import Any

from alight.backends.base import backend_of
from alight.dtypes import BY_NAME


def tensor_text(tensor: Any) -> str:
    """The text of `print(tensor)`, as PyTorch writes it."""
    from alight.autograd.names import grad_name
    from alight.ops.dispatch import overrides
    from alight.printing import format_tensor
    from alight.record.recorder import thread

    meta = tensor._meta
    maker = grad_name(tensor)
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
        grad_fn=maker,
        requires_grad=meta.requires_grad and not maker,
        name=type(tensor).__name__ if overrides(type(tensor)) else "tensor",
        parameter=tensor._is_parameter,
    )


def rebuild(cls: type, array: Any, dtype: str, requires_grad: bool) -> Any:
    """A tensor from its pickle."""
    from alight.tensor import from_buffer

    tensor = from_buffer(array, BY_NAME[dtype])
    tensor.__class__ = cls
    return tensor.requires_grad_() if requires_grad else tensor
