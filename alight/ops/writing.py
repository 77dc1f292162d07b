"""Writing one number, or another tensor's elements, into every element: `copy_`, `fill_`, `zero_`."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.errors import fail
from alight.ir.program import Value
from alight.ops.arguments import broadcast_error
from alight.ops.operation import writing_op
from alight.primitives.arithmetic import broadcast, broadcast_shape, constant

Operand = Any


@writing_op(methods="copy_")
def copy_(input: Value, src: Value, non_blocking: bool = False) -> Value:
    """Write the elements of `src`, broadcast and converted, into this tensor.

    Shapes: `src` broadcasts to the tensor's, which stays.
    Errors: RuntimeError for a shape of `src` that does not broadcast to the tensor's.

    >>> import alight as torch
    >>> torch.zeros(2, 2).copy_(torch.tensor([1, 2]))
    tensor([[1., 2.],
            [1., 2.]])
    """
    whole = broadcast_shape(src.shape, input.shape)
    if whole != input.shape:
        if whole is None:
            broadcast_error([input.shape, src.shape])
        fail(
            RuntimeError,
            f"output with shape {list(input.shape)} doesn't match the broadcast shape {list(whole)}",
        )
    return broadcast(p.Convert(src, dtype=input.dtype), input.shape)


@writing_op(methods="fill_", functions="fill_")
def fill_(input: Value, value: Operand) -> Value:
    """Write one number, or a 0-d tensor, into every element.

    Shapes: any, kept; `value` is ().
    Errors: RuntimeError for a `value` of one dimension or more.

    >>> import alight as torch
    >>> torch.zeros(2).fill_(3)
    tensor([3., 3.])
    """
    if not isinstance(value, Value):
        return constant(input, value, input.shape)
    if value.ndim:
        fail(
            RuntimeError,
            f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.",
            try_="copy_()",
        )
    return broadcast(p.Convert(value, dtype=input.dtype), input.shape)


@writing_op(methods="zero_", functions="zero_")
def zero_(input: Value) -> Value:
    """Write zero into every element.

    Shapes: any, kept.

    >>> import alight as torch
    >>> torch.ones(2).zero_()
    tensor([0., 0.])
    """
    return constant(input, 0, input.shape)
