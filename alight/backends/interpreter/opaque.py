"""Sorting, Fourier transforms and LAPACK through NumPy; PyTorch's sentences where a matrix does not allow it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from alight.backends.interpreter.arrays import Array, numpy_dtype
from alight.backends.interpreter.kernels import Kernel, kernel
from alight.dtypes import bfloat16
from alight.errors import LinAlgError, fail
from alight.ir.types import Type

Types = Sequence[Type]
Statics = dict[str, Any]


@kernel("sort")
def sort(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Stable in both directions: descending order is ascending order read from the other end."""
    axis, descending = statics["axis"], statics["descending"]

    def run(x: Array) -> tuple[Array, Array]:
        if not descending:
            ids = np.argsort(x, axis, kind="stable")
        else:
            ids = np.argsort(np.flip(x, axis), axis, kind="stable")
            ids = np.subtract(x.shape[axis] - 1, np.flip(ids, axis), order="C")
        return np.take_along_axis(x, ids, axis), ids

    return run


@kernel("within")
def within(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """The input, looked at."""
    low, high = statics["low"], statics["high"]

    def run(x: Array) -> Array:
        inside = (x >= low) & (x <= high)
        if not inside.all():
            place = [int(i) for i in np.argwhere(~inside)[0]]
            fail(
                RuntimeError,
                f"all elements of input should be between {low:g} and {high:g}",
                facts=[f"the element at {place} is {float(x[tuple(place)]):g}"],
                try_="torch.sigmoid(x) before it, or binary_cross_entropy_with_logits(x, target)",
            )
        return x.copy()  # a result of its own, which may be written over

    return run


@kernel("reinterpret")
def reinterpret(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """NumPy's view; bfloat16, which lies in float32 arrays, is moved to and from its own 16 bits."""
    before, after = types_in[0].dtype, types_out[0].dtype
    half = np.dtype(np.uint16)
    stored = half if before is bfloat16 else numpy_dtype(before)
    target = half if after is bfloat16 else numpy_dtype(after)

    def run(x: Array) -> Array:
        if before is bfloat16:
            x = (np.ascontiguousarray(x).view(np.uint32) >> 16).astype(half)
        if stored.itemsize != target.itemsize and x.strides[-1] != stored.itemsize:
            x = np.ascontiguousarray(x)
        x = x.view(target)
        return (x.astype(np.uint32) << 16).view(np.float32) if after is bfloat16 else x

    return run


@kernel("fft")
def fft(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """numpy.fft over several axes."""
    transform = np.fft.ifftn if statics["inverse"] else np.fft.fftn
    axes, norm = statics["axes"], statics["norm"]
    return lambda x: transform(x, axes=axes, norm=norm)


@kernel("rfft")
def rfft(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """numpy.fft over several axes."""
    axes, norm = statics["axes"], statics["norm"]
    return lambda x: np.fft.rfftn(x, axes=axes, norm=norm)


@kernel("irfft")
def irfft(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """numpy.fft over several axes."""
    axes, norm, shape = statics["axes"], statics["norm"], types_out[0].shape
    extents = [shape[a] for a in axes]
    return lambda x: np.fft.irfftn(x, extents, axes=axes, norm=norm)


# -- LAPACK ------------------------------------------------------------------------------------------------------------


def _blame(name: str, x: Array, fails: Callable[[Array], str | None]) -> NoReturn:
    """Raise for the first matrix of the batch that `fails` has something to say about."""
    lead = x.shape[:-2]
    for at in np.ndindex(lead):
        sentence = fails(x[at])
        if sentence:
            number = int(np.ravel_multi_index(at, lead)) if lead else 0
            element = f"(Batch element {number}): " if lead else ""
            fail(LinAlgError, f"{name}: {element}{sentence}", *_advice(x[at]))
    fail(LinAlgError, f"{name}: The algorithm failed to converge.", *_advice(x))


def _advice(x: Array) -> tuple[list[str], str]:
    if not np.isfinite(x).all():
        return [
            f"{np.count_nonzero(~np.isfinite(x))} of {x.size} elements are not finite"
        ], "torch.isfinite(x)"
    return [
        "the matrix is " + " x ".join(map(str, x.shape[-2:]))
    ], "x + eps * torch.eye(n), or torch.linalg.pinv(x)"


def _raises(function: Callable[[Array], Any], x: Array) -> bool:
    try:
        function(x)
    except np.linalg.LinAlgError:
        return True
    return False


def _not_finite(x: Array) -> str | None:
    if np.isfinite(x).all():
        return None
    return "The algorithm failed to converge because the input matrix contained non-finite values."


def _not_positive(x: Array) -> str | None:
    for order in range(1, x.shape[-1] + 1):
        if _raises(np.linalg.cholesky, x[:order, :order]):
            return (
                "The factorization could not be completed because the input is not positive-definite (the leading "
                f"minor of order {order} is not positive-definite)."
            )
    return None


def _not_invertible(x: Array) -> str | None:
    if not _raises(np.linalg.inv, x):
        return None
    zeros = np.flatnonzero(np.diagonal(factor_lu(x)[0]) == 0)
    place = int(zeros[0]) + 1 if zeros.size else x.shape[-1]
    return (
        f"The diagonal element {place} is zero, the inversion could not be completed because the input matrix is "
        "singular."
    )


def _not_solvable(x: Array) -> str | None:
    return (
        "The solver failed because the input matrix is singular."
        if _raises(np.linalg.inv, x)
        else None
    )


def _lapack(call: Callable[..., Any], name: str, fails: Callable[[Array], str | None]) -> Kernel:
    """`call`, with NumPy's LinAlgError made PyTorch's."""

    def run(x: Array, *others: Array) -> Any:
        try:
            return call(x, *others)
        except np.linalg.LinAlgError:
            _blame(name, x, fails)

    return run


@kernel("solve")
def solve(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """gesv."""
    return _lapack(np.linalg.solve, "torch.linalg.solve", _not_solvable)


@kernel("inverse")
def inverse(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """gesv with the identity."""
    return _lapack(np.linalg.inv, "linalg.inv", _not_invertible)


@kernel("det")
def det(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """The product of the diagonal of getrf."""
    return lambda x: np.asarray(np.linalg.det(x))


@kernel("slog_det")
def slog_det(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """The same in logarithms."""
    return lambda x: tuple(map(np.asarray, np.linalg.slogdet(x)))


@kernel("cofactor")
def cofactor(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """From x = U diag(s) Vh: det U det Vh conjugated, times U diag(products of the other s) Vh."""

    def call(x: Array) -> Array:
        u, s, vh = np.linalg.svd(x)
        before, after = np.ones_like(s), np.ones_like(s)
        np.cumprod(s[..., :-1], -1, out=before[..., 1:])
        np.cumprod(s[..., :0:-1], -1, out=after[..., -2::-1])
        phase = np.conj(np.linalg.det(u) * np.linalg.det(vh))
        return np.asarray(phase)[..., None, None] * ((u * (before * after)[..., None, :]) @ vh)

    return _lapack(call, "linalg.svd", _not_finite)


@kernel("cholesky")
def cholesky(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """potrf of the lower triangle."""
    return _lapack(np.linalg.cholesky, "linalg.cholesky", _not_positive)


@kernel("qr")
def qr(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """geqrf and orgqr."""
    mode = statics["mode"]
    return lambda x: tuple(np.linalg.qr(x, mode))


@kernel("svd")
def svd(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """gesdd."""
    full = statics["full"]
    return _lapack(lambda x: tuple(np.linalg.svd(x, full)), "linalg.svd", _not_finite)


@kernel("eigh")
def eigh(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """heevd."""
    half: Any = "U" if statics["upper"] else "L"
    return _lapack(lambda x: tuple(np.linalg.eigh(x, half)), "linalg.eigh", _not_finite)


@kernel("eig")
def eig(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """geev; NumPy gives real results where all eigenvalues are real."""
    of = numpy_dtype(types_out[0].dtype)

    def call(x: Array) -> tuple[Array, ...]:
        if not np.isfinite(x).all():
            sentence = "torch.linalg.eig: input tensor should not contain infs or NaNs."
            fail(RuntimeError, sentence, *_advice(x))
        return tuple(one.astype(of, copy=False) for one in np.linalg.eig(x))

    return _lapack(call, "linalg.eig", _not_finite)


@kernel("triangular_solve")
def triangular_solve(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Substitution by halves: NumPy has no trtrs, and products of halves are as fast as BLAS."""
    upper, unit = statics["upper"], statics["unit"]

    def substitute(a: Array, b: Array) -> None:
        n = a.shape[-1]
        if n <= 1:
            if n and not unit:
                b /= a
            return
        half = n // 2
        first, second = slice(0, half), slice(half, n)
        if upper:
            first, second = second, first
        substitute(a[..., first, first], b[..., first, :])
        b[..., second, :] -= a[..., second, first] @ b[..., first, :]
        substitute(a[..., second, second], b[..., second, :])

    def run(a: Array, b: Array) -> Array:
        result = np.array(b, order="C")
        substitute(a, result)
        return result

    return run


def factor_lu(x: Array) -> tuple[Array, Array, Array]:
    """Packed L and U, pivots and row order: elimination with the largest pivot, all matrices of a batch at once."""
    packed = np.array(x, order="C")
    m, n = x.shape[-2:]
    lead = x.shape[:-2]
    flat = packed.reshape(-1, m, n) if packed.size else packed.reshape(int(np.prod(lead)), m, n)
    batch = np.arange(len(flat))
    order = np.tile(np.arange(m), (len(flat), 1))
    pivots = np.empty((len(flat), min(m, n)), np.int32)
    for k in range(min(m, n)):
        size = np.abs(flat[:, k:, k].real) + np.abs(flat[:, k:, k].imag)  # as LAPACK's i_amax
        row = size.argmax(1) + k
        pivots[:, k] = row + 1
        for rows in (flat, order):
            rows[batch, k], rows[batch, row] = rows[batch, row], rows[batch, k].copy()
        pivot = flat[:, k : k + 1, k]
        flat[:, k + 1 :, k] /= np.where(pivot == 0, 1, pivot)
        flat[:, k + 1 :, k + 1 :] -= flat[:, k + 1 :, k, None] * flat[:, k, None, k + 1 :]
    return packed, pivots.reshape(*lead, min(m, n)), order.reshape(*lead, m)


@kernel("lu")
def lu(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """As getrf; a zero pivot stays, as there."""
    return factor_lu
