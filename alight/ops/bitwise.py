"""Bits of integers, and logic of bools with the operators &, |, ^, ~, << and >>."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category
from alight.ir.program import Value as Tensor
from alight.ops.arguments import promoted
from alight.ops.operation import op
from alight.ops.pointwise import unsupported

Operand = Any


def _pair(name: str, x: Any, y: Any) -> tuple[Tensor, ...]:
    pair = promoted(x, y)
    if category(pair[0].dtype) > 1:
        unsupported(f"{name}_cpu", pair[0])
    return pair


@op(methods="bitwise_and __and__ __rand__", inplace="bitwise_and_ __iand__", pointwise=True)
def bitwise_and(input: Operand, other: Operand) -> Tensor:
    """Bits that both have; where both are True.

    >>> import alight as torch
    >>> torch.tensor([6, 5]) & 3
    tensor([2, 1])
    """
    return p.And(*_pair("bitwise_and", input, other))


@op(methods="bitwise_or __or__ __ror__", inplace="bitwise_or_ __ior__", pointwise=True)
def bitwise_or(input: Operand, other: Operand) -> Tensor:
    """Bits that one of the two has; where at least one is True.

    >>> import alight as torch
    >>> torch.bitwise_or(torch.tensor([5, 2]), 3)
    tensor([7, 3])
    """
    return p.Or(*_pair("bitwise_or", input, other))


@op(methods="bitwise_xor __xor__ __rxor__", inplace="bitwise_xor_ __ixor__", pointwise=True)
def bitwise_xor(input: Operand, other: Operand) -> Tensor:
    """Bits in which the two differ; where exactly one is True.

    >>> import alight as torch
    >>> torch.bitwise_xor(torch.tensor([5, 2]), 3)
    tensor([6, 1])
    """
    return p.Xor(*_pair("bitwise_xor", input, other))


@op(methods="bitwise_not __invert__", inplace="bitwise_not_", pointwise=True)
def bitwise_not(input: Tensor) -> Tensor:
    """All bits turned; True for False.

    >>> import alight as torch
    >>> ~torch.tensor([True, False])
    tensor([False,  True])
    """
    if category(input.dtype) > 1:
        unsupported("bitwise_not_cpu", input)
    return p.Not(input)


def _shift(primitive: Any, name: str, x: Any, y: Any) -> Tensor:
    pair = _pair(name, x, y)
    if pair[0].dtype is bool_:
        unsupported(f"{name}_cpu", pair[0])
    return primitive(*pair)


@op(
    methods="bitwise_left_shift __lshift__", inplace="bitwise_left_shift_ __ilshift__",
    functions="bitwise_left_shift", pointwise=True,
)  # fmt: skip
def bitwise_left_shift(input: Operand, other: Operand) -> Tensor:
    """Bits moved up by other places: input * 2 ** other.

    >>> import alight as torch
    >>> torch.tensor([1, 3]) << 2
    tensor([ 4, 12])
    """
    return _shift(p.ShiftLeft, "lshift", input, other)


@op(methods="__rlshift__", functions="", pointwise=True)
def _rlshift(input: Tensor, other: Operand) -> Tensor:
    """other << input."""
    return _shift(p.ShiftLeft, "lshift", other, input)


@op(
    methods="bitwise_right_shift __rshift__", inplace="bitwise_right_shift_ __irshift__",
    functions="bitwise_right_shift", pointwise=True,
)  # fmt: skip
def bitwise_right_shift(input: Operand, other: Operand) -> Tensor:
    """Bits moved down by other places; the sign stays.

    >>> import alight as torch
    >>> torch.bitwise_right_shift(torch.tensor([8, -8]), 2)
    tensor([ 2, -2])
    """
    return _shift(p.ShiftRight, "rshift", input, other)


@op(methods="__rrshift__", functions="", pointwise=True)
def _rrshift(input: Tensor, other: Operand) -> Tensor:
    """other >> input."""
    return _shift(p.ShiftRight, "rshift", other, input)


__all__ = [name for name in dir() if name[0] != "_"]
