"""Movement, reductions, contractions and creation with NumPy; movement gives views where NumPy can."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alight.backends.interpreter.arrays import Array, number_of, numpy_dtype, round_bfloat16
from alight.backends.interpreter.halves import in_single
from alight.backends.interpreter.kernels import Kernel, kernel
from alight.backends.interpreter.sums import summed
from alight.dtypes import bfloat16, bool_, float16
from alight.ir.program import Node
from alight.ir.types import Shape, Type
from alight.primitives.contraction import free_axes

Types = Sequence[Type]
Statics = dict[str, Any]
Axes = tuple[int, ...]


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
    where = tuple(slice(None, None, -1 if i in axes else None) for i in range(ins[0].ndim))
    return lambda x: x[where]


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
            return lambda x: finish(np.asarray(ufunc.reduce(x, axes, np.float32)))
        if ufunc is np.add:
            return summed(ins[0].shape, axes, np.dtype(target))
        if ufunc is np.multiply:
            if target == np.float32:  # as PyTorch does
                return lambda x: np.float32(ufunc.reduce(x, axes, np.float64))
            return lambda x: ufunc.reduce(x, axes, target)
        if ins[0].dtype is bool_:
            logical = np.logical_or if ufunc is np.maximum else np.logical_and
            return lambda x: logical.reduce(x, axes)
        return lambda x: ufunc.reduce(x, axes)

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
    x_free = free_axes(x.ndim, x_batch, x_contract)
    y_free = free_axes(y.ndim, y_batch, y_contract)
    lead = tuple(x.shape[i] for i in x_batch)
    m, n, k = (_extent(x.shape, x_free), _extent(y.shape, y_free), _extent(x.shape, x_contract))
    to_x = _arranged(x, x_batch + x_free + x_contract, (*lead, m, k))
    to_y = _arranged(y, y_batch + y_contract + y_free, (*lead, k, n))
    shape, whole = outs[0].shape, (*lead, m, n)
    product: Callable[[Array, Array], Array] = _matmul if lead else np.ndarray.dot
    if not lead and k >= 2 * PART and max(m, n) > 1 and m * n * k <= SMALL_PRODUCT:
        product = _in_parts(m, n, k, numpy_dtype(outs[0].dtype))

    def run(a: Array, b: Array) -> Array:
        if to_x is not None:
            a = to_x(a)
        if to_y is not None:
            b = to_y(b)
        result = product(a, b)
        return result if shape == whole else result.reshape(shape)

    return in_single(ins, outs, run)


def _arranged(x: Type, order: Axes, shape: Shape) -> Kernel | None:
    """x with its axes in `order` and then of `shape`; None where that is x itself."""
    is_ordered = order == tuple(range(x.ndim))
    is_shaped = tuple(x.shape[i] for i in order) == shape
    if is_shaped:
        return None if is_ordered else (lambda a: a.transpose(order))
    if is_ordered:
        return lambda a: a.reshape(shape)
    return lambda a: a.transpose(order).reshape(shape)


PART = 512  # products that are added up in a row
SMALL_PRODUCT = 1 << 20  # up to about so many multiplications, BLAS does not cut the sums by itself


def _in_parts(m: int, n: int, k: int, of: Any) -> Callable[[Array, Array], Array]:
    """A product of small matrices and long sums: sums of PART products, then their sum."""
    count = k // PART
    whole = count * PART
    total = summed((count, m, n), (0,), np.dtype(of))

    def run(a: Array, b: Array) -> Array:
        left = a[:, :whole].reshape(m, count, PART).transpose(1, 0, 2)
        result = total(_matmul(left, b[:whole].reshape(count, PART, n)))
        return result + a[:, whole:].dot(b[whole:]) if k > whole else result

    return run


def _matmul(a: Array, b: Array) -> Array:
    return np.matmul(_for_blas(a), _for_blas(b))


def _for_blas(x: Array) -> Array:
    """A copy where matmul would not hand the matrices to BLAS but multiply them in a plain loop."""
    *_, outer, inner = x.strides
    *_, rows, columns = x.shape
    size = x.itemsize
    by_rows = inner == size and outer >= columns * size and outer % size == 0
    by_columns = outer == size and inner >= rows * size and inner % size == 0
    return x if by_rows or by_columns else np.ascontiguousarray(x)


def _extent(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    total = 1
    for i in axes:
        total *= shape[i]
    return total


# -- creation ------------------------------------------------------------------------------------------------------------


CONSTANT_BYTES = 1 << 16  # of an array that is made once and kept with the plan


def constant_of(node: Node, out: Type, full: bool) -> Any:
    """The array of a Full, or of an Iota that is small; None for the others. One number will do unless `full`."""
    if node.primitive.name == "full":
        number = number_of(out.dtype)(node.statics["value"])
        return np.broadcast_to(number, out.shape) if full and out.shape else number
    if node.primitive.name == "iota" and out.shape[node.statics["axis"]] * 8 <= CONSTANT_BYTES:
        constant = iota((), (out,), node.statics)()
        constant.flags.writeable = False
        return constant
    return None


@kernel("iota")
def iota(ins: Types, outs: Types, statics: Statics) -> Kernel:
    of, shape, axis = outs[0].dtype, statics["shape"], statics["axis"]
    lead = tuple(size if i == axis else 1 for i, size in enumerate(shape))

    def run() -> Array:
        line = np.arange(shape[axis]).astype(numpy_dtype(of))
        line = round_bfloat16(line) if of is bfloat16 else line
        return np.broadcast_to(line.reshape(lead), shape)

    return run


@kernel("random_bits")
def random_bits(ins: Types, outs: Types, statics: Statics) -> Kernel:
    shape, size = statics["shape"], outs[0].size

    def run(seed: Any, first: Any = 0) -> Array:
        word = int(seed) & 0xFFFFFFFFFFFFFFFF
        low, high = _mix(np.array([word & 0xFFFFFFFF, word >> 32], np.uint32))
        start = (int(low) + 0x9E3779B9 * int(high) + int(first)) & 0xFFFFFFFF
        return _mix(np.arange(size, dtype=np.uint32) + np.uint32(start)).reshape(shape)

    return run


def _mix(x: Array) -> Array:
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x
