"""Tensors of one number that were made before: from the arguments of `torch.zeros` and its kin by one look-up.

In: sizes, dtype and device as they were given. Out: a recorded tensor, or None where they are new. What they come to is
kept as one object, a `Fill`, which stands in the key of the step.
"""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.device import device as Device
from alight.dtypes import dtype as Dtype
from alight.ir.program import Value
from alight.ops.operation import op
from alight.record.recorder import thread

MOST = 10_000  # arguments that are remembered; then all are forgotten

_fills: dict[Any, Fill] = {}
_by_arguments: dict[Any, Fill] = {}


class Fill:
    """A shape and the number that fills it; equal ones are one object."""

    __slots__ = ("device", "dtype", "shape", "value")

    def __init__(self, shape: tuple[int, ...], value: Any, dtype: Dtype, device: Device) -> None:
        self.shape, self.value, self.dtype, self.device = shape, value, dtype, device


@op(functions="")
def _full(fill: Any) -> Value:
    """A tensor of one number that is part of the path."""
    return p.Full(shape=fill.shape, value=fill.value, dtype=fill.dtype, device=fill.device)


def fill_of(shape: tuple[int, ...], value: Any, dtype: Dtype, device: Device) -> Fill:
    """The one Fill of these."""
    key = shape, repr(value), dtype, device  # 0, 0.0, -0.0 and False are equal as they stand
    if len(_fills) >= MOST:
        _fills.clear()
    return _fills.setdefault(key, Fill(shape, value, dtype, device))


def recorded(fill: Fill) -> Any:
    """The tensor, in the segment that is pending."""
    return _full.function(fill)


def known(name: str, size: Any, dtype: Any, device: Any) -> Any:
    """What a function of this name made of these arguments before; None if it made nothing, or they have no hash."""
    try:
        fill = _by_arguments.get(_key(name, size, dtype, device))
    except TypeError:
        return None
    return None if fill is None else _full.function(fill)


def remember(name: str, size: Any, dtype: Any, device: Any, fill: Fill) -> None:
    """Remember what arguments come to."""
    if len(_by_arguments) >= MOST:
        _by_arguments.clear()
    try:
        _by_arguments[_key(name, size, dtype, device)] = fill
    except TypeError:
        return


def _key(name: str, size: Any, dtype: Any, device: Any) -> Any:
    if len(size) == 1 and isinstance(size[0], tuple):
        size = size[0]
    plain = True
    for one in size:
        if one.__class__ is not int:
            plain = False
    kinds = None if plain else tuple(map(type, size))  # 1, 1.0 and True are equal
    return name, size, kinds, dtype, device, thread.recorder.default_dtype
