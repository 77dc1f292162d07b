"""NumPy's side of alight's dtypes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from alight import dtypes
from alight.dtypes import dtype

Array = np.ndarray[Any, Any]

NUMPY = {
    dtypes.bool_: np.dtype(np.bool_),
    dtypes.uint8: np.dtype(np.uint8),
    dtypes.int8: np.dtype(np.int8),
    dtypes.int16: np.dtype(np.int16),
    dtypes.int32: np.dtype(np.int32),
    dtypes.int64: np.dtype(np.int64),
    dtypes.uint16: np.dtype(np.uint16),
    dtypes.uint32: np.dtype(np.uint32),
    dtypes.uint64: np.dtype(np.uint64),
    dtypes.float16: np.dtype(np.float16),
    dtypes.bfloat16: np.dtype(np.float32),  # values rounded to bfloat16
    dtypes.float32: np.dtype(np.float32),
    dtypes.float64: np.dtype(np.float64),
    dtypes.complex64: np.dtype(np.complex64),
    dtypes.complex128: np.dtype(np.complex128),
}
ALIGHT = {array: of for of, array in NUMPY.items() if of is not dtypes.bfloat16}


def numpy_dtype(of: dtype) -> np.dtype[Any]:
    """The dtype of the arrays that hold `of`."""
    return NUMPY[of]


class Block(Array):
    """Memory in which an aligned array lies. A class of its own, so that views of that array hold the array."""

    is_block = True


ALIGNMENT = 64  # bytes of a cache line: a vector that lies across two of them is loaded twice
_make = np.ndarray.__new__


def aligned(shape: Sequence[int], of: np.dtype[Any]) -> Array:
    """An array that begins with a cache line; NumPy's own begin 16 bytes behind one as often as not.

    >>> aligned((3, 5), np.dtype(np.float32)).ctypes.data % 64
    0
    """
    block = _make(Block, (prod(shape) * of.itemsize + ALIGNMENT,), np.uint8)
    return np.ndarray(shape, of, block, -address_of(block) % ALIGNMENT)  # type: ignore[call-overload, no-any-return]


def address_of(array: Array) -> int:
    """Where the first element lies."""
    found: int = array.__array_interface__["data"][0]
    return found


def round_bfloat16(x: Any) -> Any:
    """float32 values rounded to bfloat16, nearest even; NaN stays NaN."""
    x = np.asarray(x, np.float32)
    bits = x.view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return np.where(np.isnan(x), x, rounded.view(np.float32))


def number_of(of: dtype) -> Callable[[Any], Any]:
    """A function from Python numbers to NumPy scalars of a dtype; integers wrap around, as in PyTorch."""
    make = numpy_dtype(of).type
    if of is dtypes.bfloat16:
        return lambda number: round_bfloat16(number)[()]
    if of.kind not in "ui":
        return make

    def wrapped(number: Any) -> Any:
        try:
            return make(number)
        except OverflowError:
            bits = 8 * of.itemsize
            return np.array(int(number) % (1 << bits), np.dtype(f"u{of.itemsize}")).astype(make)[()]

    return wrapped
