"""The bytes of a tensor as another dtype: `x.view(dtype)`."""

from __future__ import annotations

from typing import Any, NoReturn

from alight import primitives as p
from alight.dtypes import dtype as Dtype
from alight.errors import fail
from alight.ops.arguments import SCALAR_NAMES
from alight.ops.operation import Strided
from alight.record.recorder import thread
from alight.record.views import offset_of


class Placed:
    """A dtype that a view is to become, and where the view begins in its memory: part of a path's key."""

    __slots__ = ("of", "offset")

    def __init__(self, of: Any, offset: int) -> None:
        self.of, self.offset = of, offset

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Placed) and (self.of, self.offset) == (other.of, other.offset)

    def __hash__(self) -> int:
        return hash((self.of, self.offset))


def placed(view: Any, of: Any) -> Any:
    """`of` with the place where a view begins, if its elements are to be joined."""
    if not isinstance(of, Dtype) or of.itemsize <= view.dtype.itemsize:
        return of
    if thread.recorder.transforming:
        return of
    return Placed(of, offset_of(view) or 0)


def reinterpreted(input: Any, of: Any) -> Any:
    """A view of the same bytes; the last dimension is cut or joined where the elements' sizes differ.

    Errors: PyTorch's, where the last dimension, a stride or the place in memory does not allow that.
    """
    offset = 0
    if isinstance(of, Placed):
        of, offset = of.of, of.offset
    if not isinstance(of, Dtype):
        got = type(of).__name__
        fail(
            TypeError,
            f"view() received an invalid combination of arguments - got ({got}), but expected one of:",
            facts=["view(*shape) of ints", "view(dtype)"],
        )
    strides, before, after = input.meta.full_strides(), input.dtype.itemsize, of.itemsize
    if before > after:
        strides = _cut(input, strides, before // after, of)
    elif before < after:
        strides = _joined(input, strides, after // before, of, offset)
    bits = p.Detach(input) if input.meta.requires_grad else input
    return Strided(p.Reinterpret(bits, dtype=of), strides)


def _cut(input: Any, strides: tuple[int, ...], ratio: int, of: Dtype) -> tuple[int, ...]:
    _check_last(input, strides, of)
    return (*(stride * ratio for stride in strides[:-1]), strides[-1])


def _joined(
    input: Any, strides: tuple[int, ...], ratio: int, of: Dtype, offset: int
) -> tuple[int, ...]:
    if not input.shape:
        _refuse("self.dim() cannot be 0", input, of, "")
    if input.shape[-1] % ratio:
        _refuse(f"self.size(-1) must be divisible by {ratio}", input, of, input.shape[-1])
    if offset % ratio:
        _refuse(f"self.storage_offset() must be divisible by {ratio}", input, of, offset)
    _check_last(input, strides, of)
    for i, stride in enumerate(strides[:-1]):
        if stride % ratio:
            _refuse(f"self.stride({i}) must be divisible by {ratio}", input, of, stride)
    return (*(stride // ratio for stride in strides[:-1]), strides[-1])


def _check_last(input: Any, strides: tuple[int, ...], of: Dtype) -> None:
    if not strides:
        _refuse("self.dim() cannot be 0", input, of, "")
    if strides[-1] != 1:
        _refuse("self.stride(-1) must be 1", input, of, strides[-1])


def _refuse(what: str, input: Any, of: Dtype, got: Any) -> NoReturn:
    names = SCALAR_NAMES[input.dtype.name], SCALAR_NAMES[of.name]
    but = f", but got {got}" if got != "" else ""
    fail(
        RuntimeError,
        f"{what} to view {names[0]} as {names[1]} (different element sizes){but}",
        facts=[f"the tensor is {input.type}, its strides are {input.meta.full_strides()}"],
        try_=".contiguous() before it, or .to(dtype) to convert the elements",
    )
