"""Elements as they lie in files: little-endian bytes, bfloat16 in two of them.

In: a tensor, or bytes and a dtype. Out: an array of bytes, or the array that holds the elements in
memory. The CPU's buffers hold bfloat16 as float32 rounded to it; only files know the two-byte form.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from alight.backends.base import backend_of
from alight.backends.interpreter.arrays import numpy_dtype, round_bfloat16
from alight.device import CPU, device
from alight.dtypes import bfloat16, bool_, dtype
from alight.tensor import Tensor, from_buffer

Array = np.ndarray[Any, Any]
Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]


def host_array(tensor: Tensor) -> Array:
    """A tensor's elements, over the memory where they lie if that is the CPU's."""
    buffer = tensor.flush("saving")
    return np.asarray(backend_of(tensor.device).to_host(buffer, tensor.dtype))


def to_bytes(array: Array, of: dtype) -> Bytes:
    """The elements of `array`, row by row, as a file holds them.

    >>> to_bytes(np.array([1.0, 2.0], np.float32), bfloat16)
    array([128,  63,   0,  64], dtype=uint8)
    """
    flat = np.ascontiguousarray(array).reshape(-1)
    if of is bfloat16:
        bits = np.ascontiguousarray(round_bfloat16(flat)).view(np.uint32)
        flat = (bits >> np.uint32(16)).astype(np.uint16)
    if sys.byteorder == "big":
        flat = flat.byteswap()
    return flat.view(np.uint8)


def from_bytes(raw: Bytes, of: dtype, big_endian: bool = False) -> Array:
    """The elements that `raw` holds, in an array of one dimension; `raw` may be its memory."""
    held = np.dtype(np.uint16) if of is bfloat16 else numpy_dtype(of)
    if of is bool_:
        return raw != 0  # any byte may stand in a file, NumPy knows 0 and 1 alone
    flat = raw.view(held)
    if big_endian != (sys.byteorder == "big"):
        flat = flat.byteswap()
    if of is bfloat16:
        return (flat.astype(np.uint32) << np.uint32(16)).view(np.float32)
    return flat


def tensor_over(array: Array, of: dtype, where: device = CPU) -> Tensor:
    """A tensor of `array`, which nobody else may hold."""
    buffer = array if where == CPU else backend_of(where).from_host(array, of)
    return from_buffer(buffer, of, where)
