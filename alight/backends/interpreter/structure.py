"""Movement, reductions, contractions and creation with NumPy; movement gives views where NumPy can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alight.backends.interpreter.arrays import Array, numpy_dtype, round_bfloat16
from alight.backends.interpreter.kernels import Kernel, kernel
from alight.dtypes import bfloat16, bool_, float16
from alight.ir.types import Type
from alight.primitives.contraction import free_axes

Types = Sequence[Type]
Statics = dict[str, Any]


# -- movement: views --------------------------------------------------------------------------------------------------


@kernel("reshape")
def reshape(ins: Types, outs: Types, statics: Statics) -> Kernel:
    shape = statics["shape"]
    return lambda x: x.reshape(shape)


@kernel("permute")
def permute(ins: Types, outs: Types, statics: Statics) -> Kernel:
    order = statics["order"]
    return lambda x: x.transpose(order)


@kernel("expand")
def expand(ins: Types, outs: Types, statics: Statics) -> Kernel:
    shape = statics["shape"]
    return lambda x: np.broadcast_to(x, shape)


@kernel("detach")
def detach(ins: Types, outs: Types, statics: Statics) -> Kernel:
    return lambda x: x


@kernel("slice")
def slice_(ins: Types, outs: Types, statics: Statics) -> Kernel:
    parts = zip(statics["starts"], statics["stops"], statics["steps"], strict=True)
    where = tuple(slice(start, stop, step) for start, stop, step in parts)
    return lambda x: x[where]


@kernel("flip")
def flip(ins: Types, outs: Types, statics: Statics) -> Kernel:
    axes = statics["axes"]
    return lambda x: np.flip(x, axes)


@kernel("pad")
def pad(ins: Types, outs: Types, statics: Statics) -> Kernel:
    shape = outs[0].shape
    inner = tuple(slice(a, a + size) for a, size in zip(statics["low"], ins[0].shape, strict=True))

    def run(x: Array, fill: Any = None) -> Array:
        result = np.zeros(shape, x.dtype) if fill is None else np.full(shape, fill, x.dtype)
        result[inner] = x
        return result

    return run


@kernel("concat")
def concat(ins: Types, outs: Types, statics: Statics) -> Kernel:
    axis = statics["axis"]
    return lambda *xs: np.concatenate(xs, axis)


# -- reductions --------------------------------------------------------------------------------------------------------


def _half(x: Type) -> bool:
    return x.dtype in (float16, bfloat16)


def _reducer(ufunc: Any) -> Callable[[Types, Types, Statics], Kernel]:
    def make(ins: Types, outs: Types, statics: Statics) -> Kernel:
        axes, target = statics["axes"], numpy_dtype(outs[0].dtype)
        if _half(ins[0]) and ufunc in (np.add, np.multiply):
            finish = round_bfloat16 if outs[0].dtype is bfloat16 else (lambda x: x.astype(target))
            return lambda x: finish(np.asarray(ufunc.reduce(x, axis=axes, dtype=np.float32)))
        if ufunc in (np.add, np.multiply):
            return lambda x: ufunc.reduce(x, axis=axes, dtype=target)
        if ins[0].dtype is bool_:
            logical = np.logical_or if ufunc is np.maximum else np.logical_and
            return lambda x: logical.reduce(x, axis=axes)
        return lambda x: ufunc.reduce(x, axis=axes)

    return make


kernel("sum")(_reducer(np.add))
kernel("prod")(_reducer(np.multiply))
kernel("max")(_reducer(np.maximum))
kernel("min")(_reducer(np.minimum))


@kernel("arg_max")
def arg_max(ins: Types, outs: Types, statics: Statics) -> Kernel:
    (axis,) = statics["axes"]
    return lambda x: np.argmax(x, axis)


@kernel("arg_min")
def arg_min(ins: Types, outs: Types, statics: Statics) -> Kernel:
    (axis,) = statics["axes"]
    return lambda x: np.argmin(x, axis)


# -- contraction --------------------------------------------------------------------------------------------------------


@kernel("dot_general")
def dot_general(ins: Types, outs: Types, statics: Statics) -> Kernel:
    x, y = ins
    (x_batch, y_batch), (x_contract, y_contract) = statics["batch"], statics["contract"]
    x_order = x_batch + free_axes(x.ndim, x_batch, x_contract) + x_contract
    y_order = y_batch + y_contract + free_axes(y.ndim, y_batch, y_contract)
    lead = tuple(x.shape[i] for i in x_batch)
    k = _extent(x.shape, x_contract)
    m = _extent(x.shape, free_axes(x.ndim, x_batch, x_contract))
    n = _extent(y.shape, free_axes(y.ndim, y_batch, y_contract))
    x_shape, y_shape, shape = (*lead, m, k), (*lead, k, n), outs[0].shape
    half, to_bfloat16 = _half(outs[0]), outs[0].dtype is bfloat16

    def run(a: Array, b: Array) -> Array:
        a, b = a.transpose(x_order).reshape(x_shape), b.transpose(y_order).reshape(y_shape)
        if half:
            result = np.matmul(a.astype(np.float32), b.astype(np.float32))
            result = round_bfloat16(result) if to_bfloat16 else result.astype(np.float16)
        else:
            result = np.matmul(a, b)
        return result.reshape(shape)

    return run


def _extent(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    total = 1
    for i in axes:
        total *= shape[i]
    return total


# -- creation ------------------------------------------------------------------------------------------------------------


@kernel("full")
def full(ins: Types, outs: Types, statics: Statics) -> Kernel:
    of, shape, value = numpy_dtype(outs[0].dtype), statics["shape"], statics["value"]
    if outs[0].dtype is bfloat16:
        value = float(round_bfloat16(np.float32(value)))
    if isinstance(value, int) and outs[0].dtype.kind == "u":
        value %= 1 << (8 * outs[0].dtype.itemsize)
    if not shape:
        constant = np.full((), value, of)
        constant.flags.writeable = False
        return lambda: constant
    return lambda: np.full(shape, value, of)


@kernel("iota")
def iota(ins: Types, outs: Types, statics: Statics) -> Kernel:
    of, shape, axis = numpy_dtype(outs[0].dtype), statics["shape"], statics["axis"]
    lead = tuple(size if i == axis else 1 for i, size in enumerate(shape))
    return lambda: np.broadcast_to(np.arange(shape[axis]).astype(of).reshape(lead), shape)


@kernel("random_bits")
def random_bits(ins: Types, outs: Types, statics: Statics) -> Kernel:
    shape, size = statics["shape"], outs[0].size

    def run(seed: Any) -> Array:
        word = int(seed) & 0xFFFFFFFFFFFFFFFF
        low, high = _mix(np.array([word & 0xFFFFFFFF, word >> 32], np.uint32))
        start = (int(low) + 0x9E3779B9 * int(high)) & 0xFFFFFFFF
        return _mix(np.arange(size, dtype=np.uint32) + np.uint32(start)).reshape(shape)

    return run


def _mix(x: Array) -> Array:
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x
