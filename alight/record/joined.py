"""cat and stack of many tensors whose elements are at hand: computed at the call, like a tensor made from data.

In: an operation that joins, and its arguments. Out: a tensor with a buffer, or None where some part is pending or takes
gradients; then the call is recorded like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from alight.ir.program import Builder
from alight.ir.types import Type
from alight.record.flush import buffer_of

FEW = (
    8  # fewer parts are recorded: a path per pattern of equal tensors is affordable, and they fuse
)


def at_once(operation: Any, arguments: tuple[Any, ...], grad_enabled: bool) -> Any:
    """The joined tensor, or None."""
    parts, rest = arguments[0], arguments[1:]
    if len(parts) < FEW or not all(_is_at_hand(part, grad_enabled) for part in parts):
        return None
    from alight.record.recorder import thread
    from alight.tensor import from_buffer

    run, of = _program(operation, tuple([part._meta.type for part in parts]), rest)
    buffers = [buffer_of(part, thread.recorder, operation.name) for part in parts]
    (joined,) = run(buffers)
    return from_buffer(joined, of.dtype, of.device)


def _is_at_hand(tensor: Any, grad_enabled: bool) -> bool:
    meta = tensor._meta
    if (grad_enabled and meta.requires_grad) or meta.device.type != "cpu":
        return False
    while tensor._base is not None:
        if tensor._slot >= 0:
            return False
        tensor = tensor._base
    return tensor._slot < 0 and tensor._buffer is not None


@lru_cache(1024)
def _program(
    operation: Any, types: tuple[Type, ...], rest: tuple[Any, ...]
) -> tuple[Callable[..., Any], Type]:
    from alight.backends.base import executable

    builder = Builder()
    with builder.active():
        values = tuple(builder.input(type) for type in types)
        result = operation.body(values, *rest)
        program = builder.finish([result])
    return executable(program), result.type
