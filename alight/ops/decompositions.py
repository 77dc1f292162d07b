"""Factorisations of matrices that training programs meet: Cholesky, QR, singular values, eigenvalues, LU.

`alight.ops.factorizations` has the rarer ones.
"""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops import return_types
from alight.ops.linalg import (
    _as_columns,
    _eye,
    _matrices,
    _no_info,
    _part,
    _squares,
    _transposed,
)
from alight.ops.operation import op, with_vjp
from alight.primitives.arithmetic import broadcast, constant
from alight.primitives.linalg import adjoint, lower_part, matmul, upper_part

# -- factorisations ----------------------------------------------------------------------------------------------------


def _cholesky(name: str, x: Tensor, upper: bool) -> Tensor:
    _squares(name, x)
    if not upper:
        return p.Cholesky(x)
    return adjoint(p.Cholesky(adjoint(x)))


@op(methods="", linalg="cholesky", functions="")
def _linalg_cholesky(A: Tensor, *, upper: bool = False) -> Tensor:
    """Lower triangular L with L Lᴴ = A (or upper triangular Lᴴ).

    Shapes: (*, n, n), kept.
    Errors: RuntimeError for matrices that are not square, LinAlgError for one that is not
    positive-definite.

    >>> import alight as torch
    >>> torch.linalg.cholesky(torch.tensor([[4., 2.], [2., 5.]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return _cholesky("linalg.cholesky", A, upper)


@op(methods="cholesky")
def cholesky(input: Tensor, upper: bool = False) -> Tensor:
    """Lower triangular L with L Lᴴ = input (or upper triangular Lᴴ).

    Shapes: (*, n, n), kept.
    Errors: RuntimeError for matrices that are not square, LinAlgError for one that is not
    positive-definite.

    >>> import alight as torch
    >>> torch.cholesky(torch.tensor([[4., 2.], [2., 5.]]))
    tensor([[2., 0.],
            [1., 2.]])
    """
    return _cholesky("cholesky", input, upper)


@op(linalg="cholesky_ex", results=return_types.linalg_cholesky_ex)
def cholesky_ex(
    A: Tensor, *, upper: bool = False, check_errors: bool = False
) -> tuple[Tensor, Tensor]:
    """Lower triangular L with L Lᴴ = A, and info 0.

    Shapes: (*, n, n) gives (*, n, n) and (*).
    Errors: RuntimeError for matrices that are not square.
    Differs: a matrix that is not positive-definite raises LinAlgError also without check_errors.

    >>> import alight as torch
    >>> torch.linalg.cholesky_ex(torch.tensor([[4., 2.], [2., 5.]])).L
    tensor([[2., 0.],
            [1., 2.]])
    """
    return _cholesky("linalg.cholesky_ex", A, upper), _no_info(A)


@op(methods="cholesky_solve")
def cholesky_solve(B: Tensor, L: Tensor, upper: bool = False) -> Tensor:
    """X with A X = B from the Cholesky factor of A.

    Shapes: B (*, n, k), L (*, n, n); the result has B's.
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> torch.cholesky_solve(torch.tensor([[8.], [12.]]), torch.tensor([[2., 0.], [1., 2.]]))
    tensor([[1.],
            [2.]])
    """
    factor, b, _ = _as_columns("cholesky_solve", _squares("cholesky_solve", L), B)
    return _solved_by_factor(b, factor, upper)


def _solved_by_factor(b: Tensor, factor: Tensor, upper: bool) -> Tensor:
    start = len(b.builder.nodes)
    low = adjoint(factor) if upper else factor
    half = p.TriangularSolve(low, b, upper=False, unit=False)
    out = p.TriangularSolve(adjoint(low), half, upper=True, unit=False)

    def rule(ct: Tensor, out: Tensor, b: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
        # As in PyTorch, of A = L Lᴴ with L as it stands, not of its triangle alone.
        in_b = _solved_by_factor(ct, factor, upper)
        in_a = -matmul(in_b, adjoint(out))
        both = in_a + adjoint(in_a)
        return in_b, matmul(factor, both) if upper else matmul(both, factor)

    return with_vjp(rule, out, start, b, factor)


@op(methods="cholesky_inverse")
def cholesky_inverse(input: Tensor, upper: bool = False) -> Tensor:
    """The inverse of A from its Cholesky factor.

    Shapes: (*, n, n), kept.
    Errors: RuntimeError for matrices that are not square.

    >>> import alight as torch
    >>> torch.cholesky_inverse(torch.tensor([[2., 0.], [1., 2.]]))
    tensor([[ 0.3125, -0.1250],
            [-0.1250,  0.2500]])
    """
    factor = _squares("cholesky_inverse", input)
    return _solved_by_factor(_eye(factor, factor.shape[-1]), factor, upper)


def _qr(name: str, x: Tensor, mode: str) -> tuple[Tensor, Tensor]:
    _matrices(name, x)
    if mode not in ("reduced", "complete", "r"):
        fail(
            RuntimeError,
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'",
        )
    if mode != "r":
        return p.Qr(x, mode=mode)
    return constant(x, 0, (0,)), p.Qr(x, mode="reduced")[1]


@op(linalg="qr", functions="", results=return_types.linalg_qr)
def _linalg_qr(A: Tensor, mode: Any = "reduced") -> tuple[Tensor, Tensor]:
    """A = Q R with orthonormal columns of Q and upper triangular R.

    Shapes: (*, m, n); Q (*, m, k), R (*, k, n) with k = min(m, n), or m with mode="complete".
    Errors: RuntimeError for fewer than two dimensions, or another `mode`.

    >>> import alight as torch
    >>> Q, R = torch.linalg.qr(torch.tensor([[3., 0.], [4., 5.]]))
    >>> R
    tensor([[-5., -4.],
            [ 0.,  3.]])
    """
    return _qr("linalg.qr", A, mode)


@op(methods="qr", results=return_types.qr)
def qr(input: Tensor, some: bool = True) -> tuple[Tensor, Tensor]:
    """input = Q R: the older form of linalg.qr.

    Shapes: (*, m, n); Q (*, m, k), R (*, k, n) with k = min(m, n), or m if not `some`.
    Errors: RuntimeError for fewer than two dimensions.

    >>> import alight as torch
    >>> Q, R = torch.qr(torch.tensor([[3., 0.], [4., 5.]]))
    >>> R
    tensor([[-5., -4.],
            [ 0.,  3.]])
    """
    return _qr("linalg.qr", input, "reduced" if some else "complete")


@op(linalg="svd", functions="", results=return_types.linalg_svd)
def _linalg_svd(
    A: Tensor, full_matrices: bool = True, *, driver: Any = None
) -> tuple[Tensor, Tensor, Tensor]:
    """A = U diag(S) Vh with orthonormal columns of U, rows of Vh, and S in descending order.

    Shapes: (*, m, n); U (*, m, m), S (*, k), Vh (*, n, n) with k = min(m, n); U (*, m, k), Vh (*,
    k, n) if not `full_matrices`.
    Errors: RuntimeError for fewer than two dimensions.

    >>> import alight as torch
    >>> U, S, Vh = torch.linalg.svd(torch.tensor([[3., 0.], [0., 4.]]))
    >>> S
    tensor([4., 3.])
    """
    return p.Svd(_matrices("linalg.svd", A), full=full_matrices)


@op(methods="svd", results=return_types.svd)
def svd(input: Tensor, some: bool = True, compute_uv: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """input = U diag(S) Vᴴ: the older form of linalg.svd, which gives V.

    Shapes: (*, m, n); U (*, m, k), S (*, k), V (*, n, k) with k = min(m, n); squares U and V if not
    `some`.
    Errors: RuntimeError for fewer than two dimensions.

    >>> import alight as torch
    >>> U, S, V = torch.svd(torch.tensor([[3., 0.], [0., 4.]]))
    >>> S
    tensor([4., 3.])
    """
    if input.ndim < 2:
        size = f"has {input.ndim} dimensions instead"
        fail(RuntimeError, f"linalg.svd: input should have at least 2 dimensions, but {size}")
    x = _matrices("linalg.svd", input)
    u, s, vh = p.Svd(x, full=not some)
    if not compute_uv:
        return (
            constant(x, 0, (*x.shape[:-1], x.shape[-2])),
            s,
            constant(x, 0, (*x.shape[:-2], x.shape[-1], x.shape[-1])),
        )
    return u, s, adjoint(vh)


@op(linalg="svdvals")
def svdvals(A: Tensor, *, driver: Any = None) -> Tensor:
    """Singular values in descending order.

    Shapes: (*, m, n) gives (*, min(m, n)).
    Errors: RuntimeError for fewer than two dimensions.

    >>> import alight as torch
    >>> torch.linalg.svdvals(torch.tensor([[3., 0.], [0., 4.]]))
    tensor([4., 3.])
    """
    return p.Svd(_matrices("linalg.svd", A), full=False)[1]


def _half(name: str, UPLO: Any) -> bool:
    if str(UPLO).upper() not in ("U", "L"):
        fail(RuntimeError, f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")
    return str(UPLO).upper() == "U"


@op(linalg="eigh", results=return_types.linalg_eigh)
def eigh(A: Tensor, UPLO: Any = "L") -> tuple[Tensor, Tensor]:
    """Eigenvalues in ascending order and eigenvectors of Hermitian A.

    Shapes: (*, n, n) gives (*, n) and (*, n, n).
    Errors: RuntimeError for matrices that are not square.

    >>> import alight as torch
    >>> L, Q = torch.linalg.eigh(torch.tensor([[2., 1.], [1., 2.]]))
    >>> L
    tensor([1., 3.])
    """
    return p.Eigh(_squares("linalg.eigh", A), upper=_half("eigh", UPLO))


@op(linalg="eigvalsh")
def eigvalsh(A: Tensor, UPLO: Any = "L") -> Tensor:
    """Eigenvalues of Hermitian A in ascending order.

    Shapes: (*, n, n) gives (*, n).
    Errors: RuntimeError for matrices that are not square.

    >>> import alight as torch
    >>> torch.linalg.eigvalsh(torch.tensor([[2., 1.], [1., 2.]]))
    tensor([1., 3.])
    """
    return p.Eigh(_squares("linalg.eigvalsh", A), upper=_half("eigvalsh", UPLO))[0]


@op(linalg="eig", results=return_types.linalg_eig)
def eig(A: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues and eigenvectors of square A, complex.

    Shapes: (*, n, n) gives (*, n) and (*, n, n).
    Errors: RuntimeError for matrices that are not square or not finite.

    >>> import alight as torch
    >>> L, V = torch.linalg.eig(torch.tensor([[0., -1.], [1., 0.]]))
    >>> L
    tensor([0.+1.j, 0.-1.j])
    """
    return p.Eig(_squares("linalg.eig", A))


@op(linalg="eigvals")
def eigvals(A: Tensor) -> Tensor:
    """Eigenvalues of square A, complex.

    Shapes: (*, n, n) gives (*, n).
    Errors: RuntimeError for matrices that are not square or not finite.

    >>> import alight as torch
    >>> torch.linalg.eigvals(torch.tensor([[0., -1.], [1., 0.]]))
    tensor([0.+1.j, 0.-1.j])
    """
    return p.Eig(_squares("linalg.eigvals", A))[0]


@op(linalg="lu_factor", results=return_types.linalg_lu_factor)
def lu_factor(A: Tensor, *, pivot: bool = True) -> tuple[Tensor, Tensor]:
    """L (unit, below the diagonal) and U packed in one matrix, and LAPACK's pivots.

    Shapes: (*, m, n) gives (*, m, n) and (*, min(m, n)).
    Errors: RuntimeError for fewer than two dimensions.

    >>> import alight as torch
    >>> LU, pivots = torch.linalg.lu_factor(torch.tensor([[1., 2.], [4., 4.]]))
    >>> LU, pivots
    (tensor([[4.0000, 4.0000],
            [0.2500, 1.0000]]), tensor([2, 2], dtype=torch.int32))
    """
    _needs_pivot(pivot)
    packed, pivots, _ = p.Lu(_for_lu("torch.lu_factor", A))
    return packed, pivots


def _for_lu(name: str, A: Tensor) -> Tensor:
    if A.ndim < 2:
        fail(
            RuntimeError,
            f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead",
        )
    return _matrices(name, A)


def _needs_pivot(pivot: bool) -> None:
    if not pivot:
        fail(RuntimeError, "linalg.lu_factor: LU without pivoting is not implemented on the CPU")


def _unpacked(packed: Tensor) -> tuple[Tensor, Tensor]:
    m, n = packed.shape[-2:]
    k = min(m, n)
    low = lower_part(_part(packed, packed.ndim - 1, 0, k), 1)
    low = low + p.Convert(_unit(low), dtype=low.dtype)
    return low, upper_part(_part(packed, packed.ndim - 2, 0, k))


def _unit(x: Tensor) -> Tensor:
    """1 on the main diagonal of matrices of any shape."""
    rows, columns = (
        p.Iota(shape=x.shape, axis=x.ndim - i, dtype=int64, device=x.type.device) for i in (2, 1)
    )
    return p.Convert(p.Equal(rows, columns), dtype=x.dtype)


@op(linalg="lu", results=return_types.linalg_lu)
def _linalg_lu(A: Tensor, *, pivot: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """A = P L U with a permutation P, unit lower triangular L and upper triangular U.

    Shapes: (*, m, n); P (*, m, m), L (*, m, k), U (*, k, n) with k = min(m, n).
    Errors: RuntimeError for fewer than two dimensions.

    >>> import alight as torch
    >>> P, L, U = torch.linalg.lu(torch.tensor([[1., 2.], [4., 4.]]))
    >>> L, U
    (tensor([[1.0000, 0.0000],
            [0.2500, 1.0000]]), tensor([[4., 4.],
            [0., 1.]]))
    """
    _needs_pivot(pivot)
    packed, _, order = p.Lu(_for_lu("linalg.lu", A))
    low, up = _unpacked(packed)
    m = A.shape[-2]
    shape = (*order.shape, m)
    rows = p.Iota(shape=shape, axis=len(shape) - 1, dtype=int64, device=A.type.device)
    # Row order[i] of A is row i of L U: column i of P has its 1 there.
    turned = p.Equal(broadcast(p.Reshape(order, shape=(*order.shape, 1)), shape), rows)
    return p.Detach(_transposed(p.Convert(turned, dtype=A.dtype))), low, up
