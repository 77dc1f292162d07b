"""LAPACK's factorisations and solvers on the last two axes; leading axes are a batch.

Gradients follow M. Giles, "An extended collection of matrix derivative results for forward and reverse mode algorithmic
differentiation" (2008), with transposes made adjoints for complex matrices: the gradient of a real loss in x is the
direction of steepest ascent, so y = A x has the cotangent A^H ct. Where a factorisation is not unique (the phases of
singular and eigenvectors), the loss must not depend on the choice.
"""

from __future__ import annotations

from typing import Any

from alight.dtypes import complex64, complex128, dtype, float32, float64, int32, int64
from alight.errors import fail, internal
from alight.ir.primitive import OPAQUE, Primitive
from alight.ir.program import Value
from alight.ir.types import Shape, Type
from alight.primitives.arithmetic import broadcast, constant, where
from alight.primitives.contraction import DotGeneral
from alight.primitives.create import Full, Iota
from alight.primitives.elementwise import Complex, Conj, Convert, Equal, Imag, LessEqual, Real
from alight.primitives.gather import put_along
from alight.primitives.movement import Concat, Permute, Reshape, Slice
from alight.primitives.reduction import Sum

Pair = tuple[Shape, dtype]
_ACCEPTS = frozenset({float32, float64, complex64, complex128})


# -- matrices as values ------------------------------------------------------------------------------------------------


def matmul(*factors: Value) -> Value:
    """The product of matrices with equal batch axes."""
    product = factors[0]
    for factor in factors[1:]:
        batch = tuple(range(product.ndim - 2))
        contract = (product.ndim - 1,), (product.ndim - 2,)
        product = DotGeneral(product, factor, batch=(batch, batch), contract=contract)
    return product


def adjoint(x: Value) -> Value:
    """The conjugate transpose."""
    turned = Permute(x, order=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))
    return Conj(turned) if x.dtype.is_complex else turned


def _indices(x: Value) -> tuple[Value, Value]:
    """The row and the column of each element of a matrix of x."""
    shape = x.shape[-2:]
    with x.builder.active():
        rows, columns = (
            Iota(shape=shape, axis=a, dtype=int64, device=x.type.device) for a in (0, 1)
        )
    return broadcast(rows, x.shape), broadcast(columns, x.shape)


def upper_part(x: Value, above: int = 0) -> Value:
    """x on and above the diagonal number `above`, zero below."""
    rows, columns = _indices(x)
    return where(LessEqual(rows + above, columns), x, 0)


def lower_part(x: Value, below: int = 0) -> Value:
    """x on and below the diagonal that is `below` under the main one, zero above."""
    rows, columns = _indices(x)
    return where(LessEqual(columns + below, rows), x, 0)


def diagonal(x: Value) -> Value:
    """The diagonal of square matrices."""
    rows, columns = _indices(x)
    return Sum(where(Equal(rows, columns), x, 0), axes=(x.ndim - 1,))


def with_diagonal(x: Value, d: Value) -> Value:
    """Square matrices x with d on their diagonals."""
    rows, columns = _indices(x)
    return where(Equal(rows, columns), broadcast(_column(d), x.shape), x)


def _column(v: Value) -> Value:
    return Reshape(v, shape=(*v.shape, 1))


def _row(v: Value) -> Value:
    return Reshape(v, shape=(*v.shape[:-1], 1, v.shape[-1]))


def _block(x: Value, rows: slice, columns: slice) -> Value:
    (top, bottom, _), (left, right, _) = rows.indices(x.shape[-2]), columns.indices(x.shape[-1])
    lead = x.shape[:-2]
    return Slice(
        x, starts=(*[0] * len(lead), top, left), stops=(*lead, bottom, right), steps=(1,) * x.ndim
    )


def _scalar(v: Value, like: Value) -> Value:
    """One number a matrix, repeated over the matrix."""
    return broadcast(Reshape(v, shape=(*v.shape, 1, 1)), like.shape)


def _as(x: Value, of: dtype) -> Value:
    """Real x as `of`, which may be complex."""
    return Convert(x, dtype=of)


def _imaginary(x: Value) -> Value:
    """i times real x."""
    return Complex(x * 0, x)


def _skew(x: Value) -> Value:
    return x - adjoint(x)


def _absent(ct: Value) -> bool:
    """Whether a cotangent is the zeros that stand for none: the result was not used."""
    made = next((node for node in reversed(ct.builder.nodes) if ct.id in node.outputs), None)
    return made is not None and made.primitive is Full and made.statics["value"] == 0


def _square(x: Type) -> None:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        internal(f"{x} does not hold square matrices")


# -- solving -----------------------------------------------------------------------------------------------------------


class Solve(Primitive):
    """X with a X = b for square a; b (*batch, n, k)."""

    kind, accepts = OPAQUE, _ACCEPTS

    def infer(a: Type, b: Type) -> Pair:
        _square(a)
        if a.shape[:-1] != b.shape[:-1] or a.dtype is not b.dtype:
            internal(f"cannot solve {a} for {b}")
        return b.shape, b.dtype

    def vjp(ct: Value, out: Value, a: Value, b: Value) -> tuple[Value, Value]:
        in_b = Solve(adjoint(a), ct)
        return -matmul(in_b, adjoint(out)), in_b


class TriangularSolve(Primitive):
    """X with a X = b, reading only the `upper` or lower triangle of a, whose diagonal counts as 1 if `unit`."""

    kind, statics, accepts = OPAQUE, ("upper", "unit"), _ACCEPTS

    def infer(a: Type, b: Type, *, upper: bool, unit: bool) -> Pair:
        return Solve.infer(a, b)

    def vjp(
        ct: Value, out: Value, a: Value, b: Value, *, upper: bool, unit: bool
    ) -> tuple[Value, Value]:
        in_b = TriangularSolve(adjoint(a), ct, upper=not upper, unit=unit)
        part = upper_part if upper else lower_part
        return part(-matmul(in_b, adjoint(out)), int(unit)), in_b


class Inverse(Primitive):
    """The inverse of square matrices."""

    kind, accepts = OPAQUE, _ACCEPTS

    def infer(x: Type) -> Pair:
        _square(x)
        return x.shape, x.dtype

    def vjp(ct: Value, out: Value, x: Value) -> tuple[Value]:
        back = adjoint(out)
        return (-matmul(back, ct, back),)


class Det(Primitive):
    """The determinant."""

    kind, accepts = OPAQUE, _ACCEPTS

    def infer(x: Type) -> Pair:
        _square(x)
        return x.shape[:-2], x.dtype

    def vjp(ct: Value, out: Value, x: Value) -> tuple[Value]:
        return (_scalar(ct, x) * Cofactor(x),)


class Cofactor(Primitive):
    """The gradient of the determinant, conj(det x) inverse(x)^H, also for singular x."""

    kind, accepts = OPAQUE, _ACCEPTS
    infer = Inverse.infer

    def vjp(ct: Value, out: Value, x: Value) -> tuple[Value]:
        det, inverse = Det(x), Inverse(x)  # so the second derivative wants a regular x
        in_inverse = adjoint(_scalar(det, x) * ct)
        back = adjoint(inverse)
        in_det = Sum(back * (Conj(ct) if x.dtype.is_complex else ct), axes=(x.ndim - 2, x.ndim - 1))
        return (_scalar(in_det, x) * out - matmul(back, in_inverse, back),)


class SlogDet(Primitive):
    """The sign of the determinant (its phase if complex) and the logarithm of its absolute value."""

    kind, accepts, outputs = OPAQUE, _ACCEPTS, 2

    def infer(x: Type) -> tuple[Pair, Pair]:
        _square(x)
        return (x.shape[:-2], x.dtype), (x.shape[:-2], x.dtype.to_real())

    def vjp(ct: Any, out: Any, x: Value) -> tuple[Value]:
        in_sign, in_log = ct
        total = in_log
        if x.dtype.is_complex:  # d sign = i sign Im(tr(inverse(x) dx))
            total = Complex(in_log, Imag(Conj(out[0]) * in_sign))
        return (_scalar(total, x) * adjoint(Inverse(x)),)


# -- factorisations ----------------------------------------------------------------------------------------------------


class Cholesky(Primitive):
    """Lower triangular L with L L^H = x, of which the lower triangle is read."""

    kind, accepts = OPAQUE, _ACCEPTS
    infer = Inverse.infer

    def vjp(ct: Value, out: Value, x: Value) -> tuple[Value]:
        # I. Murray, "Differentiation of the Cholesky decomposition" (2016), eq. 10.
        product = lower_part(matmul(adjoint(out), ct))
        half = with_diagonal(product, diagonal(product) * 0.5)
        up = adjoint(out)
        left = TriangularSolve(up, half, upper=True, unit=False)
        whole = adjoint(TriangularSolve(up, adjoint(left), upper=True, unit=False))
        return ((whole + adjoint(whole)) * 0.5,)


class Lu(Primitive):
    """LU with partial pivoting: L (unit, below the diagonal) and U packed, LAPACK's pivots, and the order of rows.

    x[order] = L U. Pivots are int32 and count from 1: row i was swapped with row pivots[i].
    """

    kind, accepts, outputs = OPAQUE, _ACCEPTS, 3

    def infer(x: Type) -> tuple[Pair, Pair, Pair]:
        lead, (m, n) = x.shape[:-2], x.shape[-2:]
        return (x.shape, x.dtype), ((*lead, min(m, n)), int32), ((*lead, m), int64)

    def vjp(ct: Any, out: Any, x: Value) -> tuple[Value]:
        packed, _, order = out
        m, n = x.shape[-2:]
        k = min(m, n)
        left, right = slice(0, k), slice(k, None)
        square = _block(packed, left, left)
        up, low = adjoint(upper_part(square)), adjoint(square)  # `low` counts as unit triangular
        in_square = _block(ct[0], left, left)
        in_upper, in_lower = upper_part(in_square), lower_part(in_square, 1)
        parts = []
        if m > n:  # the rows below the square are L2 = x2 U^-1
            below, in_below = _block(packed, right, left), _block(ct[0], right, left)
            parts.append(_solve_right(up, in_below, upper=False, unit=False))
            in_upper = in_upper - matmul(adjoint(below), parts[0])
        if n > m:  # the columns right of the square are U2 = L^-1 x2
            beside, in_beside = _block(packed, left, right), _block(ct[0], left, right)
            parts.append(TriangularSolve(low, in_beside, upper=True, unit=True))
            in_lower = in_lower - matmul(parts[0], adjoint(beside))
        unit = with_diagonal(lower_part(square, 1), diagonal(square) * 0 + 1)
        middle = lower_part(matmul(adjoint(unit), in_lower), 1) + upper_part(matmul(in_upper, up))
        middle = TriangularSolve(low, middle, upper=True, unit=True)
        grad = _solve_right(up, middle, upper=False, unit=False)
        if parts:
            grad = Concat(grad, parts[0], axis=x.ndim - 2 if m > n else x.ndim - 1)
        # Row i of grad belongs to row order[i] of x: put it there.
        return (put_along(grad, broadcast(_column(order), x.shape), x.ndim - 2, x.shape),)


def _solve_right(a: Value, b: Value, *, upper: bool, unit: bool) -> Value:
    """X with X a = b for triangular a."""
    return adjoint(TriangularSolve(adjoint(a), adjoint(b), upper=not upper, unit=unit))


class Qr(Primitive):
    """x = Q R with orthonormal columns of Q; `mode` is "reduced" or "complete" (then Q is square)."""

    kind, statics, accepts, outputs = OPAQUE, ("mode",), _ACCEPTS, 2

    def infer(x: Type, *, mode: str) -> tuple[Pair, Pair]:
        lead, (m, n) = x.shape[:-2], x.shape[-2:]
        k = m if mode == "complete" else min(m, n)
        return ((*lead, m, k), x.dtype), ((*lead, k, n), x.dtype)

    def vjp(ct: Any, out: Any, x: Value, *, mode: str) -> tuple[Value]:
        (q, r), (in_q, in_r) = out, ct
        m, n = x.shape[-2:]
        if mode == "complete" and m > n:
            fail(
                RuntimeError,
                "The QR decomposition is not differentiable when mode='complete' and nrows > ncols.",
                [f"the matrices are {m} x {n}"],
                "mode='reduced'",
            )
        if m >= n:
            return (_qr_gradient(in_q, in_r, q, r),)
        # The first m columns give Q and the square part of R, the others only R2 = Q^H x2.
        every, first, others = slice(None), slice(0, m), slice(m, None)
        in_r2 = _block(in_r, every, others)
        in_q = in_q + matmul(_block(x, every, others), adjoint(in_r2))
        square = _qr_gradient(in_q, _block(in_r, every, first), q, _block(r, every, first))
        return (Concat(square, matmul(q, in_r2), axis=x.ndim - 1),)


def _qr_gradient(in_q: Value, in_r: Value, q: Value, r: Value) -> Value:
    """S. Walter and L. Lehmann, "Algorithmic differentiation of linear algebra functions" (2010), with R square."""
    m = upper_part(matmul(in_r, adjoint(r)) - matmul(adjoint(q), in_q))
    whole = m + adjoint(m)
    whole = with_diagonal(whole, diagonal(whole) * 0.5)
    return _solve_right(adjoint(r), in_q + matmul(q, whole), upper=False, unit=False)


class Svd(Primitive):
    """x = U diag(S) Vh with S in descending order; `full` makes U and Vh square."""

    kind, statics, accepts, outputs = OPAQUE, ("full",), _ACCEPTS, 3

    def infer(x: Type, *, full: bool) -> tuple[Pair, Pair, Pair]:
        lead, (m, n) = x.shape[:-2], x.shape[-2:]
        k = min(m, n)
        u, vh = ((m, m), (n, n)) if full else ((m, k), (k, n))
        return ((*lead, *u), x.dtype), ((*lead, k), x.dtype.to_real()), ((*lead, *vh), x.dtype)

    def vjp(ct: Any, out: Any, x: Value, *, full: bool) -> tuple[Value]:
        k, every = min(x.shape[-2:]), slice(None)
        first = slice(0, k)
        u, vh = _block(out[0], every, first), _block(out[2], first, every)
        if _absent(ct[0]) and _absent(ct[2]):  # then no gaps between singular values are needed
            return (matmul(u * broadcast(_row(_as(ct[1], x.dtype)), u.shape), vh),)
        in_u, in_vh = _block(ct[0], every, first), _block(ct[2], first, every)
        return (_svd_gradient(in_u, ct[1], in_vh, u, out[1], vh, x),)


def _svd_gradient(
    in_u: Value, in_s: Value, in_vh: Value, u: Value, s: Value, vh: Value, x: Value
) -> Value:
    """Giles 3.2 carried to singular vectors; Z. Wan and S. Zhang, arXiv 1909.02659, for the complex diagonal."""
    k, of = s.shape[-1], x.dtype
    shape = (*s.shape, k)
    gap = broadcast(_row(s * s), shape) - broadcast(_column(s * s), shape)
    gap = _as(with_diagonal(gap, s * 0 + 1), of)
    scale = _as(s, of)
    uu, vv = matmul(adjoint(u), in_u), matmul(vh, adjoint(in_vh))
    across = _skew(uu) / gap * broadcast(_row(scale), shape)
    along = _skew(vv) / gap * broadcast(_column(scale), shape)
    middle = _as(in_s, of)
    if of.is_complex:
        middle = middle + _imaginary(Imag(diagonal(uu)) / s)
    inner = with_diagonal(across + along, middle)
    total = matmul(u, inner, vh)
    if x.shape[-2] > k:  # the part of in_u outside the columns of u
        outside = (in_u - matmul(u, uu)) / broadcast(_row(scale), in_u.shape)
        total = total + matmul(outside, vh)
    if x.shape[-1] > k:
        outside = (in_vh - matmul(adjoint(vv), vh)) / broadcast(_column(scale), in_vh.shape)
        total = total + matmul(u, outside)
    return total


class Eigh(Primitive):
    """Eigenvalues in ascending order and eigenvectors of Hermitian x, of which the `upper` or lower half is read."""

    kind, statics, accepts, outputs = OPAQUE, ("upper",), _ACCEPTS, 2

    def infer(x: Type, *, upper: bool) -> tuple[Pair, Pair]:
        _square(x)
        return (x.shape[:-1], x.dtype.to_real()), (x.shape, x.dtype)

    def vjp(ct: Any, out: Any, x: Value, *, upper: bool) -> tuple[Value]:
        (in_w, in_v), (w, v) = ct, out
        if _absent(in_v):
            return (matmul(v * broadcast(_row(_as(in_w, x.dtype)), x.shape), adjoint(v)),)
        gap = broadcast(_row(w), x.shape) - broadcast(_column(w), x.shape)
        gap = _as(with_diagonal(gap, w * 0 + 1), x.dtype)
        # The Hermitian part: of changes of x only Hermitian ones are meant.
        inner = with_diagonal(_skew(matmul(adjoint(v), in_v)) * 0.5 / gap, _as(in_w, x.dtype))
        return (matmul(v, inner, adjoint(v)),)


class Eig(Primitive):
    """Eigenvalues and eigenvectors of square x, always complex."""

    kind, accepts, outputs = OPAQUE, _ACCEPTS, 2

    def infer(x: Type) -> tuple[Pair, Pair]:
        _square(x)
        of = x.dtype.to_complex()
        return (x.shape[:-1], of), (x.shape, of)

    def vjp(ct: Any, out: Any, x: Value) -> tuple[Value]:
        # C. Boeddeker et al., arXiv 1701.00392, section 4.2.3, for eigenvectors of length 1.
        (in_w, in_v), (w, v) = ct, out
        vh = adjoint(v)
        if _absent(in_v):
            grad = Solve(vh, broadcast(_column(in_w), x.shape) * vh)
            return (grad if x.dtype.is_complex else Real(grad),)
        product = matmul(vh, in_v)
        length = _as(Real(diagonal(product)), w.dtype)
        free = product - matmul(vh, v) * broadcast(_row(length), x.shape)
        gap = Conj(broadcast(_row(w), x.shape) - broadcast(_column(w), x.shape))
        gap = with_diagonal(gap, constant(w, 1, w.shape))
        grad = Solve(vh, matmul(with_diagonal(free / gap, in_w), vh))
        return (grad if x.dtype.is_complex else Real(grad),)
