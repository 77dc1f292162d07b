"""Kernels of alight.primitives.factors in NumPy, each matrix of a batch by itself where LAPACK would."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from typing import Any

import numpy as np

from alight.backends.interpreter.arrays import Array, numpy_dtype
from alight.backends.interpreter.kernels import Kernel, kernel
from alight.ir.types import Type

Types = Sequence[Type]
Statics = dict[str, Any]


@kernel("reflections")
def reflections(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """geqrf."""
    count = types_out[1].shape[-1]

    def run(x: Array) -> tuple[Array, Array]:
        if not x.size:
            return x.copy(), np.zeros((*x.shape[:-2], count), x.dtype)
        packed, factors = np.linalg.qr(x, mode="raw")
        return np.ascontiguousarray(np.swapaxes(packed, -1, -2)), factors

    return run


@kernel("row_order")
def row_order(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """The exchanges, one after the other, for all matrices at once."""
    size = statics["size"]

    def run(pivots: Array) -> Array:
        flat = pivots.reshape(-1, pivots.shape[-1]).astype(np.int64) - 1
        order = np.tile(np.arange(size), (len(flat), 1))
        batch = np.arange(len(flat))
        for k in range(flat.shape[-1]):
            other = flat[:, k]
            order[batch, k], order[batch, other] = order[batch, other], order[batch, k].copy()
        return order.reshape(*pivots.shape[:-1], size)

    return run


# -- LDL ---------------------------------------------------------------------------------------------------------------

_ALPHA = (1 + sqrt(17)) / 8  # J. Bunch and L. Kaufman, Math. Comp. 31 (1977)


@kernel("ldl")
def ldl(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """The method of Bunch and Kaufman on the lower triangle, with LAPACK's choice of pivots."""
    hermitian = statics["hermitian"]

    def run(x: Array) -> tuple[Array, Array, Array]:
        packed = np.tril(x)
        pivots = np.zeros(x.shape[:-1], np.int32)
        info = np.zeros(x.shape[:-2], np.int32)
        for at in np.ndindex(x.shape[:-2]):
            info[at] = _factor_ldl(packed[at], pivots[at], hermitian)
        return packed, pivots, info

    return run


def _size(x: Array) -> Array:
    size: Array = np.abs(x.real) + np.abs(x.imag)
    return size


def _factor_ldl(a: Array, pivots: Array, hermitian: bool) -> int:
    """Overwrite the lower triangle of a by L and D; returns the place, from 1, of the first zero pivot, or 0."""
    n, k, info = len(a), 0, 0
    while k < n:
        swap, step = _pivot(a, k)
        if swap < 0:
            info = info or k + 1
            swap, step = k, 0
        last = k + max(step, 1) - 1
        if swap != last:
            _exchange(a, k, last, swap, hermitian)
        if step == 1:
            _eliminate_one(a, k, hermitian)
        elif step == 2:
            _eliminate_two(a, k, hermitian)
        pivots[k : last + 1] = swap + 1 if step < 2 else -(swap + 1)
        k = last + 1
    return info


def _pivot(a: Array, k: int) -> tuple[int, int]:
    """The row to swap with, and whether one row or two are eliminated; (-1, 0) where the column is zero."""
    own = float(_size(a[k : k + 1, k])[0])
    below = _size(a[k + 1 :, k])
    if not below.size or not below.max() > 0:
        return (k, 1) if own > 0 else (-1, 0)
    largest, row = float(below.max()), k + 1 + int(below.argmax())
    if own >= _ALPHA * largest:
        return k, 1
    others = np.concatenate([_size(a[row, k:row]), _size(a[row + 1 :, row])])
    top = float(others.max())
    if own >= _ALPHA * largest * (largest / top):
        return k, 1
    if float(_size(a[row : row + 1, row])[0]) >= _ALPHA * top:
        return row, 1
    return row, 2


def _exchange(a: Array, k: int, i: int, j: int, hermitian: bool) -> None:
    """Rows and columns i and j of the symmetric matrix whose lower triangle is in a, from k on."""
    a[j + 1 :, i], a[j + 1 :, j] = a[j + 1 :, j].copy(), a[j + 1 :, i].copy()
    column, row = a[i + 1 : j, i].copy(), a[j, i + 1 : j].copy()
    a[i + 1 : j, i], a[j, i + 1 : j] = (row.conj(), column.conj()) if hermitian else (row, column)
    if hermitian:
        a[j, i] = a[j, i].conj()
    a[i, i], a[j, j] = a[j, j], a[i, i]
    if i > k:
        a[i, k], a[j, k] = a[j, k], a[i, k]


def _eliminate_one(a: Array, k: int, hermitian: bool) -> None:
    column = a[k + 1 :, k].copy()
    pivot = a[k, k].real if hermitian else a[k, k]
    if hermitian:
        a[k, k] = pivot
    other = column.conj() if hermitian else column
    a[k + 1 :, k + 1 :] -= np.tril(np.outer(column, other) / pivot)
    a[k + 1 :, k] = column / pivot


def _eliminate_two(a: Array, k: int, hermitian: bool) -> None:
    block = np.array([[a[k, k], a[k + 1, k]], [a[k + 1, k], a[k + 1, k + 1]]])
    if hermitian:
        block[0, 1] = block[0, 1].conj()
        block[0, 0], block[1, 1] = block[0, 0].real, block[1, 1].real
    columns = a[k + 2 :, k : k + 2].copy()
    weights = np.linalg.solve(block.T, columns.T).T  # columns times the inverse of the block
    other = columns.conj().T if hermitian else columns.T
    a[k + 2 :, k + 2 :] -= np.tril(weights @ other)
    a[k + 2 :, k : k + 2] = weights


@kernel("ldl_solve")
def ldl_solve(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Through the factors themselves: a = W D W^T, where W has the exchanges worked in."""
    hermitian = statics["hermitian"]

    def run(packed: Array, pivots: Array, b: Array) -> Array:
        result = np.empty_like(b)
        for at in np.ndindex(b.shape[:-2]):
            w, d = _unpacked_ldl(packed[at], pivots[at], hermitian)
            right = w.conj().T if hermitian else w.T
            result[at] = np.linalg.solve(right, np.linalg.solve(d, np.linalg.solve(w, b[at])))
        return result

    return run


def _unpacked_ldl(packed: Array, pivots: Array, hermitian: bool) -> tuple[Array, Array]:
    n, k = len(packed), 0
    w, d = np.eye(n, dtype=packed.dtype), np.zeros_like(packed)
    while k < n:
        step = 1 if pivots[k] > 0 else 2
        swap, last = abs(int(pivots[k])) - 1, k + step - 1
        d[k, k] = packed[k, k]
        if step == 2:
            d[k + 1, k + 1], d[k + 1, k] = packed[k + 1, k + 1], packed[k + 1, k]
            d[k, k + 1] = d[k + 1, k].conj() if hermitian else d[k + 1, k]
        w[:, [last, swap]] = w[:, [swap, last]]
        w[:, k : last + 1] += w[:, last + 1 :] @ packed[last + 1 :, k : last + 1]
        k = last + 1
    return w, d


# -- exponential -------------------------------------------------------------------------------------------------------

# N. Higham, "The scaling and squaring method for the matrix exponential revisited" (2005): the Padé approximant of
# degree 13 is good to the last bit of float64 for norms up to 5.37.
_PADE = (
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
    670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
)  # fmt: skip
_PADE_NORM = 5.37


@kernel("matrix_exp")
def matrix_exp(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Padé's approximant of x / 2^s, squared s times; in float64."""
    target = numpy_dtype(types_out[0].dtype)
    wide = np.complex128 if target.kind == "c" else np.float64

    def run(x: Array) -> Array:
        if not x.size:
            return x.copy()
        x = x.astype(wide)
        norm = np.abs(x).sum(-2).max(-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            squarings = np.ceil(np.maximum(np.log2(norm / _PADE_NORM), 0))
        squarings = np.where(np.isfinite(norm), squarings, 0).astype(int)
        result = _pade(x / 2.0 ** squarings[..., None, None])
        for k in range(int(squarings.max())):
            again = (k < squarings)[..., None, None]
            result = np.where(again, result @ result, result)
        return result.astype(target)

    return run


def _pade(x: Array) -> Array:
    b, unit = _PADE, np.eye(x.shape[-1])
    x2 = x @ x
    x4 = x2 @ x2
    x6 = x4 @ x2
    odd = x6 @ (b[13] * x6 + b[11] * x4 + b[9] * x2)
    odd = x @ (odd + b[7] * x6 + b[5] * x4 + b[3] * x2 + b[1] * unit)
    even = x6 @ (b[12] * x6 + b[10] * x4 + b[8] * x2)
    even = even + b[6] * x6 + b[4] * x4 + b[2] * x2 + b[0] * unit
    if not np.isfinite(x).all():
        return np.full_like(x, np.nan)
    solved: Array = np.linalg.solve(even - odd, even + odd)
    return solved
