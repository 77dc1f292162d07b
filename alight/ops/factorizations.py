"""Factors of matrices in LAPACK's packed forms, what is solved with them, low-rank factors, the matrix exponential."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import int32, int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops import return_types
from alight.ops.decompositions import _for_lu, _needs_pivot, _unpacked
from alight.ops.linalg import _as_columns, _matrices, _no_info, _squares, _transposed
from alight.ops.operation import LINALG, METHODS, TORCH, function, op
from alight.ops.out import write_out
from alight.primitives import factors
from alight.primitives.arithmetic import broadcast, constant, equal, where
from alight.primitives.gather import put_along, take_along
from alight.primitives.linalg import adjoint, diagonal, matmul


def _column(x: Tensor, i: int) -> Tensor:
    starts, stops = [0] * x.ndim, list(x.shape)
    starts[-1], stops[-1] = i, i + 1
    return p.Slice(x, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.ndim)


# -- reflections -------------------------------------------------------------------------------------------------------


def _reflection(x: Tensor, tau: Tensor, i: int) -> tuple[Tensor, Tensor]:
    """Vector number i, as a column that starts with 1 at place i, and its factor as a 1 x 1 matrix."""
    column = _column(x, i)
    rows = p.Iota(shape=column.shape, axis=x.ndim - 2, dtype=int64, device=x.type.device)
    vector = where(rows < i, 0, where(equal(rows, i), 1, column))
    return vector, p.Reshape(_column(tau, i), shape=(*tau.shape[:-1], 1, 1))


def _reflected(x: Tensor, vector: Tensor, factor: Tensor) -> Tensor:
    """(1 - factor * vector vectorᴴ) x."""
    return x - matmul(vector * factor, matmul(adjoint(vector), x))


def _check_reflections(name: str, x: Tensor, tau: Tensor) -> None:
    if x.ndim < 2:
        fail(RuntimeError, f"{name}: input must have at least 2 dimensions.")
    if x.dtype is not tau.dtype:
        fail(
            RuntimeError,
            f"{name}: tau dtype {tau.dtype.name} does not match input dtype {x.dtype.name}",
        )


@op(linalg="householder_product", functions="orgqr", methods="orgqr")
def householder_product(input: Tensor, tau: Tensor) -> Tensor:
    """The first columns of the product of the reflections that `geqrf` gives.

    Shapes: input (*, m, n), tau (*, k) with k <= n <= m; the result is (*, m, n).
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> a, tau = torch.geqrf(torch.tensor([[3., 0.], [4., 5.]]))
    >>> torch.linalg.householder_product(a, tau).abs()
    tensor([[0.6000, 0.8000],
            [0.8000, 0.6000]])
    """
    name = "torch.linalg.householder_product"
    _check_reflections(name, input, tau)
    m, n = input.shape[-2:]
    if m < n:
        fail(
            RuntimeError,
            f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]",
        )
    if n < tau.shape[-1]:
        fail(
            RuntimeError,
            f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]",
        )
    rows, columns = (
        p.Iota(shape=input.shape, axis=input.ndim - i, dtype=int64, device=input.type.device)
        for i in (2, 1)
    )
    result = where(equal(rows, columns), constant(input, 1, input.shape), 0)
    for i in reversed(range(tau.shape[-1])):
        result = _reflected(result, *_reflection(input, tau, i))
    return result


@op(methods="geqrf", results=return_types.geqrf)  # type: ignore[attr-defined]
def geqrf(input: Tensor) -> tuple[Tensor, Tensor]:
    """QR as LAPACK packs it: R above and on the diagonal, reflection vectors below, and their factors.

    Shapes: (*, m, n) gives (*, m, n) and (*, min(m, n)).
    Errors: RuntimeError for fewer than two dimensions.

    >>> import alight as torch
    >>> packed, tau = torch.geqrf(torch.tensor([[3., 0.], [4., 5.]]))
    >>> packed.triu()
    tensor([[-5., -4.],
            [ 0.,  3.]])
    """
    if input.ndim < 2:
        fail(RuntimeError, "torch.geqrf: input must have at least 2 dimensions.")
    return factors.Reflections(_matrices("torch.geqrf", input, "input"))


@op(methods="ormqr")
def ormqr(
    input: Tensor, tau: Tensor, other: Tensor, left: bool = True, transpose: bool = False
) -> Tensor:
    """Q other (or other Q if not `left`) with the square Q of the reflections of `geqrf`; Qᴴ with `transpose`.

    Shapes: input (*, r, k), tau (*, k), other (*, m, n) with r = m (n if not `left`); the result is
    (*, m, n).
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> packed, tau = torch.geqrf(torch.tensor([[3., 0.], [4., 5.]]))
    >>> torch.ormqr(packed, tau, torch.tensor([[3.], [4.]]), transpose=True)
    tensor([[-5.],
            [ 0.]])
    """
    _check_reflections("torch.ormqr", input, tau)
    axis = -2 if left else -1
    if other.ndim < 2:
        fail(RuntimeError, "torch.ormqr: other must have at least 2 dimensions.")
    if other.shape[axis] < tau.shape[-1]:
        fail(
            RuntimeError,
            f"torch.ormqr: other.shape[{axis}] must be greater than or equal to tau.shape[-1]",
        )
    if tau.shape[-1] != min(other.shape[axis], input.shape[-1]):
        fail(
            RuntimeError,
            f"torch.ormqr: tau.shape[-1] must be equal to min(other.shape[{axis}], input.shape[-1])",
        )
    if input.shape[-2] != other.shape[axis]:
        fail(RuntimeError, f"torch.ormqr: input.shape[-2] must be equal to other.shape[{axis}]")
    result = other if left else adjoint(other)  # other Q = (Qᴴ otherᴴ)ᴴ
    inverse = transpose if left else not transpose
    order = range(tau.shape[-1])
    for i in order if inverse else reversed(order):
        vector, factor = _reflection(input, tau, i)
        if inverse and input.dtype.is_complex:
            factor = p.Conj(factor)
        result = _reflected(result, vector, factor)
    return result if left else adjoint(result)


# -- LDL ---------------------------------------------------------------------------------------------------------------


@op(linalg="ldl_factor_ex", results=return_types.linalg_ldl_factor_ex)  # type: ignore[attr-defined]
def ldl_factor_ex(
    A: Tensor, *, hermitian: bool = False, check_errors: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """L and D of symmetric (Hermitian) A = L D Lᵀ packed, LAPACK's pivots, and the place of a zero pivot (else 0).

    Shapes: (*, n, n) gives (*, n, n), (*, n) and (*).

    >>> import alight as torch
    >>> LD, pivots, info = torch.linalg.ldl_factor_ex(torch.tensor([[4., 2.], [2., 3.]]))
    >>> LD.tril(), info
    (tensor([[4.0000, 0.0000],
            [0.5000, 2.0000]]), tensor(0, dtype=torch.int32))
    """
    x = _squares("torch.linalg.ldl_factor_ex", A)
    return factors.Ldl(x, hermitian=hermitian and x.dtype.is_complex)


@op(linalg="ldl_factor", results=return_types.linalg_ldl_factor)  # type: ignore[attr-defined]
def ldl_factor(A: Tensor, *, hermitian: bool = False) -> tuple[Tensor, Tensor]:
    """L and D of symmetric (Hermitian) A = L D Lᵀ packed, and LAPACK's pivots.

    Shapes: (*, n, n) gives (*, n, n) and (*, n).
    Differs: a zero pivot is no error here; ldl_factor_ex says where it is.

    >>> import alight as torch
    >>> LD, pivots = torch.linalg.ldl_factor(torch.tensor([[4., 2.], [2., 3.]]))
    >>> LD.tril()
    tensor([[4.0000, 0.0000],
            [0.5000, 2.0000]])
    """
    x = _squares("torch.linalg.ldl_factor_ex", A)
    return factors.Ldl(x, hermitian=hermitian and x.dtype.is_complex)[:2]


@op(linalg="ldl_solve")
def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor:
    """X with A X = B from what `ldl_factor` gives of A.

    Shapes: LD (*, n, n), pivots (*, n), B (*, n, k); the result is (*, n, k).
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> LD, pivots = torch.linalg.ldl_factor(torch.tensor([[4., 2.], [2., 3.]]))
    >>> torch.linalg.ldl_solve(LD, pivots, torch.tensor([[8.], [8.]]))
    tensor([[1.],
            [2.]])
    """
    name = "torch.linalg.ldl_solve"
    _squares(name, LD, "LD")
    if B.ndim < 2:
        fail(
            RuntimeError,
            f"{name}: Expected B to have at least 2 dimensions, but it has {B.ndim} dimensions instead",
        )
    if pivots.shape != LD.shape[:-1]:
        fail(
            RuntimeError,
            f"{name}: Expected LD.shape[:-1] and pivots.shape to be the same, but got pivots with shape "
            f"{list(pivots.shape)} instead",
        )
    packed, b, _ = _as_columns(name, LD, B)
    swaps = broadcast(p.Convert(pivots, dtype=int32), packed.shape[:-1])
    return factors.LdlSolve(packed, swaps, b, hermitian=hermitian and LD.dtype.is_complex)


# -- LU ----------------------------------------------------------------------------------------------------------------


def _zero_pivot(packed: Tensor) -> Tensor:
    """The place, from 1, of the first zero on U's diagonal; 0 where there is none."""
    k = min(packed.shape[-2:])
    if not k:
        return _no_info(packed)
    lead = (*packed.shape[:-2], k, k)
    square = p.Slice(packed, starts=(0,) * packed.ndim, stops=lead, steps=(1,) * packed.ndim)
    zero = equal(diagonal(square), 0)
    places = p.Iota(shape=zero.shape, axis=zero.ndim - 1, dtype=int32, device=packed.type.device)
    first = p.Min(where(zero, places, k), axes=(zero.ndim - 1,))
    return where(equal(first, k), 0, first + 1)


@op(linalg="lu_factor_ex", results=return_types.linalg_lu_factor_ex)  # type: ignore[attr-defined]
def lu_factor_ex(
    A: Tensor, *, pivot: bool = True, check_errors: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """L and U packed in one matrix, LAPACK's pivots, and the place of a zero on U's diagonal (else 0).

    Shapes: (*, m, n) gives (*, m, n), (*, min(m, n)) and (*).

    >>> import alight as torch
    >>> torch.linalg.lu_factor_ex(torch.tensor([[1., 2.], [4., 4.]])).LU
    tensor([[4.0000, 4.0000],
            [0.2500, 1.0000]])
    """
    _needs_pivot(pivot)
    packed, pivots, _ = p.Lu(_for_lu("torch.lu_factor", A))
    return packed, pivots, _zero_pivot(packed)


@function(methods="lu")
def lu(A: Any, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """L and U packed, LAPACK's pivots, and with get_infos the place of a zero on U's diagonal: linalg.lu_factor's old name.

    Shapes: (*, m, n) gives (*, m, n) and (*, min(m, n)).

    >>> import alight as torch
    >>> LU, pivots = torch.lu(torch.tensor([[1., 2.], [4., 4.]]))
    >>> LU, pivots
    (tensor([[4.0000, 4.0000],
            [0.2500, 1.0000]]), tensor([2, 2], dtype=torch.int32))
    """
    packed, pivots, info = LINALG["lu_factor_ex"](A, pivot=pivot)
    made = (packed, pivots, info) if get_infos else (packed, pivots)
    return made if out is None else write_out(tuple(out), made, "any")


def _order_of_rows(pivots: Tensor, size: int) -> Tensor:
    return factors.RowOrder(pivots, size=size)


@op(results=return_types.lu_unpack)  # type: ignore[attr-defined]
def lu_unpack(
    LU_data: Tensor, LU_pivots: Tensor, unpack_data: bool = True, unpack_pivots: bool = True
) -> tuple[Tensor, Tensor, Tensor]:
    """P, L and U from what `linalg.lu_factor` gives; what is not asked for is empty.

    Shapes: LU_data (*, m, n), LU_pivots (*, min(m, n)); P is (*, m, m), L (*, m, k), U (*, k, n)
    with k = min(m, n).
    Errors: RuntimeError for pivots that are not int32 and contiguous.

    >>> import alight as torch
    >>> P, L, U = torch.lu_unpack(*torch.linalg.lu_factor(torch.tensor([[1., 2.], [4., 4.]])))
    >>> L, U
    (tensor([[1.0000, 0.0000],
            [0.2500, 1.0000]]), tensor([[4., 4.],
            [0., 1.]]))
    """
    if unpack_pivots and LU_pivots.dtype is not int32:
        fail(
            RuntimeError,
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype.",
            facts=[
                "Note: this function is intended to be used with the output produced by torch.linalg.lu_factor"
            ],
        )
    empty = constant(LU_data, 0, (0,))
    turned = low = up = empty
    if unpack_data:
        low, up = _unpacked(LU_data)
    if unpack_pivots:
        m = LU_data.shape[-2]
        order = _order_of_rows(LU_pivots, m)
        shape = (*order.shape, m)
        places = p.Iota(shape=shape, axis=len(shape) - 1, dtype=int64, device=LU_data.type.device)
        same = equal(broadcast(p.Reshape(order, shape=(*order.shape, 1)), shape), places)
        turned = _transposed(p.Convert(same, dtype=LU_data.dtype))
    return p.Detach(turned), low, up  # P has no gradient


@op(linalg="lu_solve")
def _linalg_lu_solve(
    LU: Tensor, pivots: Tensor, B: Tensor, *, left: bool = True, adjoint: bool = False
) -> Tensor:
    """X with A X = B (X A = B if not `left`, Aᴴ with `adjoint`) from what `linalg.lu_factor` gives of A.

    Shapes: LU (*, n, n), pivots (*, n), B (*, n, k); the result is (*, n, k).
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> LU, pivots = torch.linalg.lu_factor(torch.tensor([[2., 0.], [0., 4.]]))
    >>> torch.linalg.lu_solve(LU, pivots, torch.tensor([[2.], [2.]]))
    tensor([[1.0000],
            [0.5000]])
    """
    return _lu_solved("linalg.lu_solve", LU, pivots, B, left, adjoint)


@op(methods="lu_solve")
def lu_solve(b: Tensor, LU_data: Tensor, LU_pivots: Tensor) -> Tensor:
    """X with A X = b from what `linalg.lu_factor` gives of A: the older form of linalg.lu_solve.

    Shapes: b (*, n, k), LU_data (*, n, n), LU_pivots (*, n); the result is (*, n, k).
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> LU, pivots = torch.linalg.lu_factor(torch.tensor([[2., 0.], [0., 4.]]))
    >>> torch.lu_solve(torch.tensor([[2.], [2.]]), LU, pivots)
    tensor([[1.0000],
            [0.5000]])
    """
    return _lu_solved("linalg.lu_solve", LU_data, LU_pivots, b, True, False)


def _lu_solved(
    name: str, packed: Tensor, pivots: Tensor, b: Tensor, left: bool, conjugate: bool
) -> Tensor:
    _squares(f"torch.{name}", packed)
    if pivots.dtype is not int32:
        fail(RuntimeError, f"{name}: pivots should be a Tensor of scalar type torch.int32")
    if packed.shape[-1] != pivots.shape[-1]:
        fail(
            RuntimeError,
            f"{name}: Number of pivots per batch should be same as the dimension of the matrix",
        )
    if b.ndim < 2:
        fail(RuntimeError, f"{name}: The input tensor B must have at least 2 dimensions.")
    packed, b, _ = _as_columns(name, packed, b, left)
    if b.size == 0:
        return b * 0
    order = broadcast(_order_of_rows(pivots, packed.shape[-1]), packed.shape[:-1])
    if not left:  # X A = B is Aᴴ Xᴴ = Bᴴ
        return adjoint(_solved_in_order(packed, order, adjoint(b), not conjugate))
    return _solved_in_order(packed, order, b, conjugate)


def _solved_in_order(packed: Tensor, order: Tensor, b: Tensor, conjugate: bool) -> Tensor:
    """X with A X = b, or Aᴴ X = b, where the rows `order` of A are L U."""
    places = broadcast(p.Reshape(order, shape=(*order.shape, 1)), b.shape)
    axis = b.ndim - 2
    if not conjugate:
        rows = take_along(b, places, axis)
        half = p.TriangularSolve(packed, rows, upper=False, unit=True)
        return p.TriangularSolve(packed, half, upper=True, unit=False)
    turned = adjoint(packed)
    half = p.TriangularSolve(turned, b, upper=False, unit=False)
    rows = p.TriangularSolve(turned, half, upper=True, unit=True)
    return put_along(rows, places, axis, b.shape)


# -- exponential -------------------------------------------------------------------------------------------------------


@op(linalg="matrix_exp", functions="matrix_exp", methods="matrix_exp", aliases="input=A")
def matrix_exp(A: Tensor) -> Tensor:
    """The exponential of square matrices: the sum of their powers over the factorials.

    Shapes: (*, n, n), kept.
    Errors: RuntimeError for matrices that are not square.

    >>> import alight as torch
    >>> torch.linalg.matrix_exp(torch.tensor([[0., 1.], [0., 0.]]))
    tensor([[1., 1.],
            [0., 1.]])
    """
    from alight.dtypes import bfloat16, float16, float32

    if A.dtype in (float16, bfloat16):
        wide = _squares("linalg.matrix_exp", p.Convert(A, dtype=float32))
        return p.Convert(factors.MatrixExp(wide), dtype=A.dtype)
    return factors.MatrixExp(_squares("linalg.matrix_exp", A))


# -- low rank ----------------------------------------------------------------------------------------------------------


def _basis(A: Any, q: int, niter: int) -> Any:
    """q orthonormal columns that span nearly what A's first q singular vectors span (Halko et al., 2009, algorithm 4.4)."""
    start = TORCH["randn"](A.shape[-1], q, dtype=A.dtype, device=A.device)
    qr = LINALG["qr"]
    basis = qr(A.matmul(start))[0]
    for _ in range(niter):
        basis = qr(A.mH.matmul(basis))[0]
        basis = qr(A.matmul(basis))[0]
    return basis


@function()
def svd_lowrank(
    A: Any, q: int | None = 6, niter: int | None = 2, M: Any = None
) -> tuple[Any, Any, Any]:
    """U, S, V with U diag(S) Vᴴ near A - M, of rank q, by random projections.

    Shapes: A (*, m, n); U is (*, m, q), S (*, q), V (*, n, q).
    Errors: RuntimeError for a negative rank.

    >>> import alight as torch
    >>> U, S, V = torch.svd_lowrank(torch.diag(torch.tensor([3., 2., 1.])), q=2)
    >>> U.shape, S.shape, V.shape
    (torch.Size([3, 2]), torch.Size([2]), torch.Size([3, 2]))
    """
    q, niter = 6 if q is None else q, 2 if niter is None else niter
    x = A if M is None else A - M
    m, n = x.shape[-2:]
    if m < n:
        x = x.mH
    basis = _basis(x, q, niter)
    u, s, vh = LINALG["svd"](basis.mH.matmul(x), full_matrices=False)
    u, v = basis.matmul(u), vh.mH
    return (v, s, u) if m < n else (u, s, v)


@function()
def pca_lowrank(
    A: Any, q: int | None = None, center: bool = True, niter: int = 2
) -> tuple[Any, Any, Any]:
    """Principal components of the rows of A: U, S, V with U diag(S) Vᴴ near A (less its mean row with `center`).

    Shapes: A (*, m, n); U is (*, m, q), S (*, q), V (*, n, q).
    Errors: ValueError for a negative `niter`, and for a rank that is negative or above min(m, n).

    >>> import alight as torch
    >>> U, S, V = torch.pca_lowrank(torch.eye(4, 3), q=2)
    >>> U.shape, S.shape, V.shape
    (torch.Size([4, 2]), torch.Size([2]), torch.Size([3, 2]))
    """
    m, n = A.shape[-2:]
    if q is None:
        q = min(6, m, n)
    elif not 0 <= q <= min(m, n):
        fail(
            ValueError,
            f"q(={q}) must be non-negative integer and not greater than min(m, n)={min(m, n)}",
        )
    if niter < 0:
        fail(ValueError, f"niter(={niter}) must be non-negative integer")
    if center:
        A = A - A.mean(dim=-2, keepdim=True)
    return svd_lowrank(A, q, niter)  # type: ignore[no-any-return]


# -- the same under linalg's names -------------------------------------------------------------------------------------


@function(linalg="diagonal")
def linalg_diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """The diagonals of matrices, as a view.

    Shapes: (*, m, n) gives (*, k), k the length of the diagonal.
    Errors: IndexError for a dimension out of range, RuntimeError where both are one.

    >>> import alight as torch
    >>> torch.linalg.diagonal(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    return METHODS["diagonal"](A, offset, dim1, dim2)


@function(linalg="matmul")
def linalg_matmul(input: Any, other: Any, *, out: Any = None) -> Any:
    """The product of matrices.

    Shapes: as torch.matmul.
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> torch.linalg.matmul(torch.ones(2, 3), torch.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    return (
        TORCH["matmul"](input, other, out=out) if out is not None else TORCH["matmul"](input, other)
    )
