"""torch.linalg's solvers, and what stands on them: inverse, determinant, rank, pseudo-inverse.

All take batches of matrices in the last two dimensions. A matrix that has no answer (singular, not positive-definite)
raises LinAlgError when the value is computed, with the line that asked for it.
"""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import category, finfo, int32, int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops import return_types
from alight.ops.arguments import as_value, scalar_type_name
from alight.ops.operation import function, op, with_vjp
from alight.primitives.arithmetic import (
    broadcast,
    broadcast_shape,
    constant,
    equal,
    put_back,
    where,
)
from alight.primitives.linalg import adjoint, matmul, with_diagonal

Scalar = Any
Operand = Any


# -- checks and small parts --------------------------------------------------------------------------------------------


def _matrices(name: str, x: Tensor, what: str = "A") -> Tensor:
    if x.ndim < 2:
        fail(RuntimeError, f"{name}: The input tensor {what} must have at least 2 dimensions.")
    if category(x.dtype) < 2:
        fail(
            RuntimeError,
            f"{name}: Expected a floating point or complex tensor as input. Got {scalar_type_name(x.dtype)}",
            try_=".float()",
        )
    if x.dtype.name in ("float16", "bfloat16"):
        fail(
            RuntimeError,
            f"{name}: Low precision dtypes not supported. Got {scalar_type_name(x.dtype)}",
            try_=".float()",
        )
    return x


def _squares(name: str, x: Tensor, what: str = "A") -> Tensor:
    _matrices(name, x, what)
    m, n = x.shape[-2:]
    if m != n:
        fail(
            RuntimeError,
            f"{name}: {what} must be batches of square matrices, but they are {m} by {n} matrices",
            try_="torch.linalg.pinv, lstsq or svd, which take any shape",
        )
    return x


def _transposed(x: Tensor) -> Tensor:
    return p.Permute(x, order=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


def _eye(x: Tensor, size: int) -> Tensor:
    """The unit matrix for each matrix of x's batch."""
    zero = constant(x, 0, (*x.shape[:-2], size, size))
    return with_diagonal(zero, constant(x, 1, (*x.shape[:-2], size)))


def _no_info(x: Tensor) -> Tensor:
    return constant(x, 0, x.shape[:-2], int32)


def _part(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    starts, stops = [0] * x.ndim, list(x.shape)
    starts[axis], stops[axis] = start, stop
    return p.Slice(x, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.ndim)


def _scaled_columns(x: Tensor, by: Tensor) -> Tensor:
    """Matrices x times the diagonal matrix of `by`."""
    row = p.Reshape(p.Convert(by, dtype=x.dtype), shape=(*by.shape[:-1], 1, by.shape[-1]))
    return x * broadcast(row, x.shape)


# -- inverse and determinant -------------------------------------------------------------------------------------------


@op(methods="inverse", linalg="inv", functions="inverse", aliases="input=A")
def inv(A: Tensor) -> Tensor:
    """The inverse.

    Shapes: (*, n, n), kept.
    Errors: RuntimeError for matrices that are not square, LinAlgError for a singular one.

    >>> import alight as torch
    >>> torch.linalg.inv(torch.tensor([[2., 0.], [0., 4.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return p.Inverse(_squares("linalg.inv", A))


@op(linalg="inv_ex", results=return_types.linalg_inv_ex)
def inv_ex(A: Tensor, *, check_errors: bool = False) -> tuple[Tensor, Tensor]:
    """The inverse, and info 0.

    Shapes: (*, n, n) gives (*, n, n) and (*).
    Errors: RuntimeError for matrices that are not square, LinAlgError for a singular one.
    Differs: a singular matrix raises LinAlgError also without check_errors.

    >>> import alight as torch
    >>> torch.linalg.inv_ex(torch.tensor([[2., 0.], [0., 4.]])).inverse
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    return p.Inverse(_squares("linalg.inv", A)), _no_info(A)


@op(methods="det", linalg="det", functions="det", aliases="input=A")
def det(A: Tensor) -> Tensor:
    """The determinant.

    Shapes: (*, n, n) gives (*).
    Errors: RuntimeError for matrices that are not square.

    >>> import alight as torch
    >>> torch.linalg.det(torch.tensor([[2., 1.], [1., 3.]]))
    tensor(5.)
    """
    return p.Det(_squares("linalg.det", A))


def _sign_and_log(A: Tensor) -> tuple[Tensor, Tensor]:
    return p.SlogDet(_squares("linalg.slogdet", A))


@op(linalg="slogdet", results=return_types.linalg_slogdet)
def _slogdet(A: Tensor) -> tuple[Tensor, Tensor]:
    """The sign of the determinant and the logarithm of its absolute value.

    Shapes: (*, n, n) gives (*) and (*).
    Errors: RuntimeError for matrices that are not square.

    >>> import alight as torch
    >>> sign, logabsdet = torch.linalg.slogdet(torch.tensor([[2., 0.], [0., -4.]]))
    >>> sign, logabsdet
    (tensor(-1.), tensor(2.0794))
    """
    return _sign_and_log(A)


@op(methods="slogdet", functions="slogdet", results=return_types.slogdet)
def slogdet(input: Tensor) -> tuple[Tensor, Tensor]:
    """The sign of the determinant and the logarithm of its absolute value.

    Shapes: (*, n, n) gives (*) and (*).
    Errors: RuntimeError for matrices that are not square.

    >>> import alight as torch
    >>> sign, logabsdet = torch.slogdet(torch.tensor([[2., 0.], [0., -4.]]))
    >>> sign, logabsdet
    (tensor(-1.), tensor(2.0794))
    """
    return _sign_and_log(input)


@op(methods="logdet")
def logdet(input: Tensor) -> Tensor:
    """Logarithm of the determinant: NaN where it is negative.

    Shapes: (*, n, n) gives (*).
    Errors: RuntimeError for matrices that are not square.

    >>> import alight as torch
    >>> torch.logdet(torch.tensor([[2., 0.], [0., 4.]]))
    tensor(2.0794)
    """
    sign, log = p.SlogDet(_squares("logdet", input))
    if input.dtype.is_complex:
        return p.Log(sign) + p.Convert(log, dtype=input.dtype)
    return where(equal(sign, -1), float("nan"), log)


@op(methods="matrix_power", linalg="matrix_power", functions="matrix_power")
def matrix_power(input: Tensor, n: int) -> Tensor:
    """The n-th power of square matrices, by repeated squaring; of the inverse for negative n.

    Shapes: (*, n, n), kept.
    Errors: RuntimeError for matrices that are not square, LinAlgError for the power of a singular
    inverse.

    >>> import alight as torch
    >>> torch.linalg.matrix_power(torch.tensor([[1., 1.], [0., 1.]]), 3)
    tensor([[1., 3.],
            [0., 1.]])
    """
    x = _squares("linalg.matrix_power", input)
    if n == 0:
        return x * 0 + _eye(x, x.shape[-1])
    power, n = (x, n) if n > 0 else (p.Inverse(x), -n)
    while not n & 1:
        power, n = matmul(power, power), n >> 1
    result, n = power, n >> 1
    while n:
        power = matmul(power, power)
        if n & 1:
            result = matmul(result, power)
        n >>= 1
    return result


# -- solving -----------------------------------------------------------------------------------------------------------


def _as_columns(name: str, A: Tensor, B: Tensor, left: bool = True) -> tuple[Tensor, Tensor, bool]:
    """A and B with a common batch, vectors of B as columns; and whether B held vectors."""
    if A.dtype is not B.dtype:
        fail(
            RuntimeError,
            f"{name}: Expected A and B to have the same dtype, but found A of type {scalar_type_name(A.dtype)} and B of "
            f"type {scalar_type_name(B.dtype)} instead",
        )
    vector = left and (B.ndim == 1 or (A.ndim - 1 == B.ndim and B.shape == A.shape[:-1]))
    if vector:
        B = p.Reshape(B, shape=(*B.shape, 1))
    elif B.ndim < 2:
        fail(RuntimeError, f"{name}: The input tensor B must have at least 2 dimensions.")
    if (A.shape[-2] if left else A.shape[-1]) != (B.shape[-2] if left else B.shape[-1]):
        fail(RuntimeError, _not_fitting(name, A, B, left))
    lead = broadcast_shape(A.shape[:-2], B.shape[:-2])
    if lead is None:
        fail(
            RuntimeError,
            f"The batch dimensions of A {list(A.shape[:-2])} and B {list(B.shape[:-2])} do not broadcast.",
        )
    return broadcast(A, (*lead, *A.shape[-2:])), broadcast(B, (*lead, *B.shape[-2:])), vector


def _not_fitting(name: str, A: Tensor, B: Tensor, left: bool) -> str:
    """PyTorch's sentence for matrices of an equation that do not fit; it has three."""
    (m, n), (rows, columns) = A.shape[-2:], B.shape[-2:]
    if name in ("cholesky_solve", "triangular_solve"):
        sizes = f"each A matrix is {m} by {n} but each b matrix is {rows} by {columns}"
        return f"Incompatible matrix sizes for {name}: {sizes}"
    if name == "torch.linalg.lstsq":
        return f"{name}: input.size(-2) should match other.size(-2)"
    equation = "AX = B" if left else "XA = B"
    return f"{name}: Incompatible shapes of A and B for the equation {equation} ({m}x{n} and {rows}x{columns})"


def _without_column(x: Tensor, vector: bool) -> Tensor:
    return p.Reshape(x, shape=x.shape[:-1]) if vector else x


def _solved(name: str, A: Tensor, B: Tensor, left: bool) -> Tensor:
    _squares(name, A)
    a, b, vector = _as_columns(name, A, B, left)
    if not left:
        return _transposed(p.Solve(_transposed(a), _transposed(b)))
    return _without_column(p.Solve(a, b), vector)


@op(linalg="solve")
def solve(A: Tensor, B: Tensor, *, left: bool = True) -> Tensor:
    """X with A X = B (X A = B if not `left`).

    Shapes: A (*, n, n), B (*, n, k) or (*, n); the result has B's.
    Errors: RuntimeError where shapes do not fit, LinAlgError for a singular matrix.

    >>> import alight as torch
    >>> torch.linalg.solve(torch.tensor([[2., 0.], [0., 4.]]), torch.tensor([2., 2.]))
    tensor([1.0000, 0.5000])
    """
    return _solved("linalg.solve", A, B, left)


@op(linalg="solve_ex", results=return_types.linalg_solve_ex)
def solve_ex(
    A: Tensor, B: Tensor, *, left: bool = True, check_errors: bool = False
) -> tuple[Tensor, Tensor]:
    """X with A X = B, and info 0.

    Shapes: A (*, n, n), B (*, n, k) or (*, n); the result has B's.
    Errors: RuntimeError where shapes do not fit, LinAlgError for a singular matrix.
    Differs: a singular matrix raises LinAlgError also without check_errors.

    >>> import alight as torch
    >>> torch.linalg.solve_ex(torch.tensor([[2., 0.], [0., 4.]]), torch.tensor([[2.], [2.]])).result
    tensor([[1.0000],
            [0.5000]])
    """
    return _solved("linalg.solve", A, B, left), _no_info(A)


@op(linalg="solve_triangular")
def solve_triangular(
    A: Tensor, B: Tensor, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Tensor:
    """X with A X = B (X A = B if not `left`) for triangular A.

    Shapes: A (*, n, n), B (*, n, k); the result has B's.
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> A = torch.tensor([[2., 1.], [0., 4.]])
    >>> torch.linalg.solve_triangular(A, torch.tensor([[4.], [8.]]), upper=True)
    tensor([[1.],
            [2.]])
    """
    _squares("linalg.solve_triangular", A)
    if B.ndim < 2:
        fail(
            RuntimeError,
            "linalg.solve_triangular: The input tensor B must have at least 2 dimensions.",
        )
    a, b, _ = _as_columns("linalg.solve_triangular", A, B, left)
    if left:
        return p.TriangularSolve(a, b, upper=upper, unit=unitriangular)
    return _transposed(
        p.TriangularSolve(_transposed(a), _transposed(b), upper=not upper, unit=unitriangular)
    )


@op(methods="triangular_solve", results=return_types.triangular_solve)
def triangular_solve(
    b: Tensor, A: Tensor, upper: bool = True, transpose: bool = False, unitriangular: bool = False
) -> tuple[Tensor, Tensor]:
    """X with A X = b for triangular A, and A: the older form of linalg.solve_triangular.

    Shapes: b (*, n, k), A (*, n, n); the results have theirs.
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> A = torch.tensor([[2., 1.], [0., 4.]])
    >>> torch.triangular_solve(torch.tensor([[4.], [8.]]), A).solution
    tensor([[1.],
            [2.]])
    """
    a, columns, _ = _as_columns("triangular_solve", _squares("triangular_solve", A), b)
    if transpose:
        return p.TriangularSolve(
            _transposed(a), columns, upper=not upper, unit=unitriangular
        ), p.Reshape(A, shape=A.shape)
    return p.TriangularSolve(a, columns, upper=upper, unit=unitriangular), p.Reshape(
        A, shape=A.shape
    )


@op(linalg="lstsq", results=return_types.linalg_lstsq)
def lstsq(
    A: Tensor, B: Tensor, rcond: Any = None, *, driver: Any = None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """X that minimises the norm of A X - B (the smallest such X), with residuals, rank and singular values.

    Shapes: A (*, m, n), B (*, m, k) or (*, m); the solution is (*, n, k) or (*, n).
    Errors: RuntimeError where shapes do not fit.
    Differs: every driver goes through the singular values, so that matrices without full rank are solved as well.

    >>> import alight as torch
    >>> A = torch.tensor([[1., 0.], [0., 2.], [0., 0.]])
    >>> torch.linalg.lstsq(A, torch.tensor([[3.], [4.], [0.]])).solution
    tensor([[3.],
            [2.]])
    """
    _matrices("torch.linalg.lstsq", A, "input")
    a, b, vector = _as_columns("torch.linalg.lstsq", A, B)
    m, n = a.shape[-2:]
    s = p.Svd(a, full=False)[1]
    tolerance = finfo(a.dtype).eps * max(m, n) if rcond is None else float(rcond)
    inverse = pseudo_inverse(a, 0.0, tolerance)
    solution = matmul(inverse, b)
    top = p.Max(s, axes=(s.ndim - 1,)) if s.shape[-1] else constant(s, 0, s.shape[:-1])
    rank = p.Sum(
        p.Convert(put_back(top, s.shape, (s.ndim - 1,)) * tolerance < s, dtype=int64),
        axes=(s.ndim - 1,),
    )
    gap = p.Abs(matmul(a, solution) - b)
    squares = p.Sum(gap * gap, axes=(gap.ndim - 2,))
    residuals = squares if m > n and driver not in (None, "gelsy") else constant(gap, 0, (0,))
    rank = constant(s, 0, (0,), int64) if driver == "gels" else rank
    values = s if driver in ("gelss", "gelsd") else constant(s, 0, (0,))
    return _without_column(solution, vector), residuals, rank, p.Detach(values)


# -- from singular values ----------------------------------------------------------------------------------------------


def _cutoff(s: Tensor, absolute: Any, relative: Any) -> Tensor:
    """The value below which singular values (or eigenvalues' sizes) s count as zero, for each matrix."""
    lead = s.shape[:-1]
    top = p.Max(s, axes=(s.ndim - 1,)) if s.shape[-1] else constant(s, 0, lead)
    bound = top * _number(relative, s, lead)
    return p.Maximum(bound, _number(absolute, s, lead))


def _number(given: Any, like: Tensor, lead: tuple[int, ...]) -> Tensor:
    return broadcast(as_value(given, like, like.dtype), lead)


def _tolerances(x: Tensor, atol: Any, rtol: Any) -> tuple[Any, Any]:
    if rtol is None:
        rtol = 0.0 if atol is not None else finfo(x.dtype).eps * max(x.shape[-2:])
    return (0.0 if atol is None else atol), rtol


def pseudo_inverse(x: Tensor, atol: Any, rtol: Any) -> Tensor:
    """The Moore-Penrose inverse, singular values below the cutoff taken for zero."""
    start = len(x.builder.nodes)
    u, s, vh = p.Svd(x, full=False)
    cutoff = put_back(_cutoff(s, atol, rtol), s.shape, (s.ndim - 1,)) if s.size else s
    kept = cutoff < s
    inverse = where(kept, 1 / where(kept, s, 1), 0)
    return _with_rule(x, matmul(_scaled_columns(adjoint(vh), inverse), adjoint(u)), start)


def _with_rule(x: Tensor, out: Tensor, start: int) -> Tensor:
    """The pseudo-inverse `out` of x with its gradient."""

    def rule(ct: Tensor, out: Tensor, x: Tensor) -> Tensor:
        # G. Golub and V. Pereyra, "The differentiation of pseudo-inverses" (1973), transposed.
        ph, cth = adjoint(out), adjoint(ct)
        rows = _eye(x, x.shape[-2]) - matmul(x, out)
        columns = _eye(x, x.shape[-1]) - matmul(out, x)
        first = matmul(rows, cth, out, ph) + matmul(ph, out, cth, columns)
        return first - matmul(ph, ct, ph)

    return with_vjp(rule, out, start, x)


@op(linalg="pinv")
def pinv(
    A: Tensor,
    rcond: Operand | None = None,
    hermitian: bool = False,
    *,
    atol: Operand | None = None,
    rtol: Operand | None = None,
) -> Tensor:
    """The Moore-Penrose inverse.

    Shapes: (*, m, n) gives (*, n, m).
    Errors: RuntimeError for fewer than two dimensions.

    >>> import alight as torch
    >>> torch.linalg.pinv(torch.tensor([[2., 0.], [0., 0.]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.0000]])
    """
    x = _matrices("linalg.pinv", A)
    if x.size == 0:
        return _transposed(x)
    if hermitian:
        start = len(x.builder.nodes)
        w, v = p.Eigh(_squares("linalg.pinv", x), upper=False)
        cutoff = _cutoff(p.Abs(w), *_tolerances(x, atol, rcond if rtol is None else rtol))
        kept = put_back(cutoff, w.shape, (w.ndim - 1,)) < p.Abs(w)
        inverse = where(kept, 1 / where(kept, w, 1), 0)
        return _with_rule(x, matmul(_scaled_columns(v, inverse), adjoint(v)), start)
    return pseudo_inverse(x, *_tolerances(x, atol, rcond if rtol is None else rtol))


@function(methods="pinverse")
def pinverse(input: Any, rcond: float = 1e-15) -> Any:
    """The Moore-Penrose inverse: the older name of linalg.pinv.

    Shapes: (*, m, n) gives (*, n, m).
    Errors: RuntimeError for fewer than two dimensions.

    >>> import alight as torch
    >>> torch.pinverse(torch.tensor([[2., 0.], [0., 4.], [0., 0.]]))
    tensor([[0.5000, 0.0000, 0.0000],
            [0.0000, 0.2500, 0.0000]])
    """
    return pinv(input, rcond)


@op(linalg="matrix_rank")
def matrix_rank(
    A: Tensor,
    tol: Operand | None = None,
    hermitian: bool = False,
    *,
    atol: Operand | None = None,
    rtol: Operand | None = None,
) -> Tensor:
    """How many singular values are not zero, up to rounding.

    Shapes: (*, m, n) gives (*).
    Errors: RuntimeError for fewer than two dimensions.

    >>> import alight as torch
    >>> torch.linalg.matrix_rank(torch.tensor([[1., 2.], [2., 4.]]))
    tensor(1)
    """
    x = _matrices("linalg.matrix_rank", A)
    if x.size == 0:
        return constant(x, 0, x.shape[:-2], int64)
    if hermitian:
        s = p.Abs(p.Eigh(_squares("linalg.matrix_rank", x), upper=False)[0])
    else:
        s = p.Svd(x, full=False)[1]
    atol = tol if atol is None else atol
    cutoff = put_back(_cutoff(s, *_tolerances(x, atol, rtol)), s.shape, (s.ndim - 1,))
    return p.Sum(p.Convert(cutoff < s, dtype=int64), axes=(s.ndim - 1,))


@op(linalg="cond")
def cond(A: Tensor, p: Any = None) -> Tensor:
    """The condition number: of singular values by default, else norm(A) * norm(inverse(A)).

    Shapes: (*, m, n) gives (*).
    Errors: RuntimeError for fewer than two dimensions, and where an order needs squares.

    >>> import alight as torch
    >>> torch.linalg.cond(torch.tensor([[3., 0.], [0., 4.]]))
    tensor(1.3333)
    """
    return _condition(_matrices("linalg.cond", A), p)


def _condition(x: Tensor, order: Any) -> Tensor:
    from alight.ops.norms import matrix_norm

    if order in (None, 2, -2):
        s = p.Svd(x, full=False)[1]
        last = s.ndim - 1
        largest, smallest = p.Max(s, axes=(last,)), p.Min(s, axes=(last,))
        return smallest / largest if order == -2 else largest / smallest
    _squares("linalg.cond", x)
    return matrix_norm.lowering(x, order) * matrix_norm.lowering(p.Inverse(x), order)


# -- tensors as matrices -----------------------------------------------------------------------------------------------


def _extent(shape: tuple[int, ...]) -> int:
    total = 1
    for size in shape:
        total *= size
    return total


@op(linalg="tensorinv")
def tensorinv(A: Tensor, ind: int = 2) -> Tensor:
    """The inverse of A as a map from its dimensions behind the first `ind` to those.

    Shapes: the extents in front of `ind` and behind it have one product; the result has those
    behind first.
    Errors: RuntimeError for another shape, and for `ind` below 1.

    >>> import alight as torch
    >>> torch.linalg.tensorinv(torch.eye(4).reshape(2, 2, 4)).shape
    torch.Size([4, 2, 2])
    """
    if ind <= 0:
        fail(RuntimeError, f"Expected a strictly positive integer for 'ind', but got {ind}")
    first, last = A.shape[:ind], A.shape[ind:]
    m, n = _extent(first), _extent(last)
    if m != n:
        fail(
            RuntimeError,
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got {n} != {m}",
        )
    return p.Reshape(p.Inverse(p.Reshape(A, shape=(m, n))), shape=(*last, *first))


@op(linalg="tensorsolve")
def tensorsolve(A: Tensor, B: Tensor, dims: Any = None) -> Tensor:
    """X with tensordot(A, X, X.ndim) = B.

    Shapes: A has that of B and then the result's, with as many elements in each.
    Errors: RuntimeError for another shape.

    >>> import alight as torch
    >>> torch.linalg.tensorsolve(2 * torch.eye(2), torch.tensor([2., 4.]))
    tensor([1., 2.])
    """
    if dims is not None:
        from alight.ops.arguments import normalize_dim

        moved = [normalize_dim(one, A.ndim) for one in dims]
        A = p.Permute(A, order=(*(i for i in range(A.ndim) if i not in moved), *moved))
    shape = A.shape[B.ndim :]
    if _extent(shape) != B.size or _extent(A.shape[: B.ndim]) != B.size:
        fail(
            RuntimeError,
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == prod(self.shape[:other.ndim]), but "
            f"got {_extent(shape)} != {_extent(A.shape[: B.ndim])}",
        )
    flat = p.Solve(p.Reshape(A, shape=(B.size, B.size)), p.Reshape(B, shape=(B.size, 1)))
    return p.Reshape(flat, shape=shape)


@op(linalg="vander")
def vander(x: Tensor, *, N: int | None = None) -> Tensor:
    """Rows of powers 0 .. N - 1 of each element.

    Shapes: (*, n) gives (*, n, N).
    Errors: RuntimeError for N below 2, and for a 0-d tensor.

    >>> import alight as torch
    >>> torch.linalg.vander(torch.tensor([2, 3]), N=3)
    tensor([[1, 2, 4],
            [1, 3, 9]])
    """
    count = N if N is not None else x.shape[-1] if x.ndim else 1
    if count <= 1:
        fail(RuntimeError, "N must be greater than 1.", facts=[f"N is {count}"])
    return _powers(x, count)


def _powers(x: Tensor, count: int) -> Tensor:
    x = p.Reshape(x, shape=(1,)) if x.ndim == 0 else x
    if count <= 0:
        return constant(x, 1, (*x.shape, 0))
    wide = broadcast(p.Reshape(x, shape=(*x.shape, 1)), (*x.shape, max(count - 1, 0)))
    powers = p.CumProd(wide, axis=x.ndim) if count > 1 else wide
    return p.Concat(constant(x, 1, (*x.shape, 1)), powers, axis=x.ndim)


@op(functions="vander")
def vandermonde(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """Rows of powers N - 1 .. 0 of each element of a vector; 0 .. N - 1 if `increasing`.

    Shapes: (n,) gives (n, N).
    Errors: RuntimeError for another rank, and for negative N.

    >>> import alight as torch
    >>> torch.vander(torch.tensor([1., 2.]))
    tensor([[1., 1.],
            [2., 1.]])
    """
    if x.ndim != 1:
        fail(RuntimeError, "x must be a one-dimensional tensor.", try_="torch.linalg.vander")
    count = x.shape[0] if N is None else N
    if count < 0:
        fail(RuntimeError, "N must be non-negative.", facts=[f"N is {count}"])
    powers = _powers(x, count)
    return powers if increasing else p.Flip(powers, axes=(1,))
