"""Products of two tensors with fixed ranks: mm, bmm, mv, dot, outer, and those that are added to a tensor.

`torch.matmul`, which takes all ranks, is in matmul.py; sums over named axes are in contraction.py.
"""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import promoted, scalar_type_name
from alight.ops.matmul import c_name
from alight.ops.operation import op
from alight.primitives.arithmetic import broadcast, broadcast_shape, constant

Scalar = Any


# -- checks ------------------------------------------------------------------------------------------------------------


def _same_dtype(x: Tensor, y: Tensor, sentence: str = "") -> None:
    if x.dtype is not y.dtype:
        fail(
            RuntimeError,
            sentence
            or f"expected m1 and m2 to have the same dtype, but got: {c_name(x)} != {c_name(y)}",
            facts=[f"the operands are {x.dtype.name} and {y.dtype.name}"],
            try_=f".to({y.dtype!r})",
        )


def _matrices(x: Tensor, y: Tensor, first: str = "self", second: str = "mat2") -> None:
    for name, one in ((first, x), (second, y)):
        if one.ndim != 2:
            fail(
                RuntimeError,
                f"{name} must be a matrix{'' if first == 'self' else f', got {one.ndim}-D tensor'}",
            )
    if x.shape[1] != y.shape[0]:
        fail(
            RuntimeError,
            f"mat1 and mat2 shapes cannot be multiplied ({x.shape[0]}x{x.shape[1]} and {y.shape[0]}x{y.shape[1]})",
            facts=[f"the first ends in {x.shape[1]}, the second takes {y.shape[0]}"],
            try_="a transpose (.T) of one of them",
        )
    _same_dtype(x, y)


def _batches(x: Tensor, y: Tensor) -> None:
    for name, one in (("batch1", x), ("batch2", y)):
        if one.ndim != 3:
            fail(
                RuntimeError,
                f"{name} must be a 3D tensor",
                try_="torch.matmul, which takes all ranks",
            )
    if x.shape[0] != y.shape[0] or x.shape[2] != y.shape[1]:
        fail(
            RuntimeError,
            f"Expected size for first two dimensions of batch2 tensor to be: [{x.shape[0]}, {x.shape[2]}] but got: "
            f"[{y.shape[0]}, {y.shape[1]}].",
            facts=[f"input is {list(x.shape)}, mat2 is {list(y.shape)}"],
            try_="as many matrices on both sides, the second with as many rows as the first has columns",
        )
    _same_dtype(x, y)


def expanded(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """x broadcast to `shape`; PyTorch's error where it does not fit."""
    if x.ndim > len(shape) or broadcast_shape(x.shape, shape) != shape:
        if x.ndim > len(shape):
            fail(
                RuntimeError,
                f"expand(torch.{scalar_type_name(x.dtype)}Tensor{{{list(x.shape)}}}, size={list(shape)}): the number of "
                f"sizes provided ({len(shape)}) must be greater or equal to the number of dimensions in the tensor "
                f"({x.ndim})",
            )
        lead = len(shape) - x.ndim
        at = next(
            i + lead for i, extent in enumerate(x.shape) if extent not in (1, shape[i + lead])
        )
        fail(
            RuntimeError,
            f"The expanded size of the tensor ({shape[at]}) must match the existing size ({x.shape[at - lead]}) at "
            f"non-singleton dimension {at}.  Target sizes: {list(shape)}.  Tensor sizes: {list(x.shape)}",
            try_="sizes that are equal or 1, counted from the last",
        )
    return broadcast(x, shape)


# -- plain products ----------------------------------------------------------------------------------------------------


def _product(x: Tensor, y: Tensor) -> Tensor:
    return p.DotGeneral(x, y, batch=((), ()), contract=((x.ndim - 1,), (0,)))


def _batch_product(x: Tensor, y: Tensor) -> Tensor:
    return p.DotGeneral(x, y, batch=((0,), (0,)), contract=((2,), (1,)))


@op(methods="mm")
def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices.

    Shapes: (n, k) and (k, m) give (n, m).
    Errors: RuntimeError for other ranks, and where shapes or dtypes do not fit.

    >>> import alight as torch
    >>> torch.mm(torch.ones(2, 3), torch.ones(3, 1))
    tensor([[3.],
            [3.]])
    """
    _matrices(input, mat2)
    return _product(input, mat2)


@op(methods="bmm")
def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of two batches of matrices.

    Shapes: (b, n, k) and (b, k, m) give (b, n, m).
    Errors: RuntimeError for other ranks, and where shapes or dtypes do not fit.

    >>> import alight as torch
    >>> torch.bmm(torch.ones(2, 1, 3), torch.ones(2, 3, 1)).flatten()
    tensor([3., 3.])
    """
    _batches(input, mat2)
    return _batch_product(input, mat2)


def _check_matrix_vector(vector: Tensor | None, matrix: Tensor, vec: Tensor) -> None:
    rank = 1 if vector is None else vector.ndim
    if matrix.ndim != 2 or vec.ndim != 1 or rank > 1:
        fail(
            RuntimeError,
            f"vector + matrix @ vector expected, got {rank}, {matrix.ndim}, {vec.ndim}",
        )
    if matrix.shape[1] != vec.shape[0]:
        m, n = matrix.shape
        size = m if vector is None else vector.size
        fail(
            RuntimeError,
            f"size mismatch, got input ({size}), mat ({m}x{n}), vec ({vec.shape[0]})",
            try_=f"a vector of {n} elements, or the matrix's transpose (.T)",
        )
    _same_dtype(matrix, vec)


@op(methods="mv")
def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector.

    Shapes: (n, m) and (m,) give (n,).
    Errors: RuntimeError for other ranks, and where shapes or dtypes do not fit.

    >>> import alight as torch
    >>> torch.mv(torch.tensor([[1, 2], [3, 4]]), torch.tensor([1, 10]))
    tensor([21, 43])
    """
    _check_matrix_vector(None, input, vec)
    return _product(input, vec)


def _check_vectors(name: str, x: Tensor, y: Tensor) -> None:
    if x.ndim != 1 or y.ndim != 1:
        fail(
            RuntimeError,
            f"1D tensors expected, but got {x.ndim}D and {y.ndim}D tensors",
            try_="torch.matmul",
        )
    _same_dtype(
        x, y,
        f"{name} : expected both vectors to have same dtype, but found {scalar_type_name(x.dtype)} and "
        f"{scalar_type_name(y.dtype)}",
    )  # fmt: skip
    if x.shape != y.shape:
        fail(
            RuntimeError,
            f"inconsistent tensor size, expected tensor [{x.size}] and src [{y.size}] to have the same number of "
            f"elements, but got {x.size} and {y.size} elements respectively",
            try_="vectors of one length",
        )


@op(methods="dot")
def dot(input: Tensor, tensor: Tensor) -> Tensor:
    """Sum of the products of two vectors' elements.

    Shapes: (n,) and (n,) give ().
    Errors: RuntimeError for other ranks, and where lengths or dtypes differ.

    >>> import alight as torch
    >>> torch.dot(torch.tensor([1., 2.]), torch.tensor([3., 4.]))
    tensor(11.)
    """
    _check_vectors("dot", input, tensor)
    return _product(input, tensor)


@op(methods="vdot")
def vdot(input: Tensor, other: Tensor) -> Tensor:
    """The dot product with the first vector conjugated.

    Shapes: (n,) and (n,) give ().
    Errors: RuntimeError for other ranks, and where lengths or dtypes differ.

    >>> import alight as torch
    >>> torch.vdot(torch.tensor([1j, 2]), torch.tensor([1j, 3]))
    tensor(7.+0.j)
    """
    _check_vectors("vdot" if input.dtype.is_complex else "dot", input, other)
    return _product(p.Conj(input) if input.dtype.is_complex else input, other)


@op(methods="inner")
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Sums of products over the last dimension of both.

    Shapes: (*a, k) and (*b, k) give (*a, *b); a number multiplies.
    Errors: RuntimeError where the last dimensions differ.

    >>> import alight as torch
    >>> torch.inner(torch.tensor([1, 2]), torch.tensor([3, 4]))
    tensor(11)
    """
    if input.ndim == 0 or other.ndim == 0:
        x, y = promoted(input, other)
        return x * y
    if input.shape[-1] != other.shape[-1]:
        fail(
            RuntimeError,
            f"inner() the last dimension must match on both input tensors but got shapes {list(input.shape)} and "
            f"{list(other.shape)}",
        )
    _same_dtype(
        input, other,
        f"inner() operands must have the same dtype, but got {input.dtype!r} and {other.dtype!r}",
    )  # fmt: skip
    return p.DotGeneral(
        input, other, batch=((), ()), contract=((input.ndim - 1,), (other.ndim - 1,))
    )


@op(methods="outer ger", functions="outer ger")
def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """All products of two vectors' elements.

    Shapes: (n,) and (m,) give (n, m).
    Errors: RuntimeError for other ranks.

    >>> import alight as torch
    >>> torch.outer(torch.tensor([1., 2.]), torch.tensor([3., 4.]))
    tensor([[3., 4.],
            [6., 8.]])
    """
    for name, one in (("self", input), ("vec2", vec2)):
        if one.ndim != 1:
            fail(RuntimeError, f"outer: Expected 1-D argument {name}, but got {one.ndim}-D")
    x, y = promoted(p.Reshape(input, shape=(input.size, 1)), p.Reshape(vec2, shape=(1, vec2.size)))
    return x * y


@op(linalg="vecdot", functions="")
def vecdot(x: Tensor, y: Tensor, *, dim: int = -1) -> Tensor:
    """Dot products along `dim`, the first factor conjugated.

    Shapes: any that broadcast together; the dimension `dim` goes.
    Errors: RuntimeError where shapes do not fit.

    >>> import alight as torch
    >>> torch.linalg.vecdot(torch.tensor([[1., 2.], [3., 4.]]), torch.tensor([1., 10.]))
    tensor([21., 43.])
    """
    from alight.ops.arguments import normalize_dim

    a, b = promoted(x, y)
    return p.Sum((p.Conj(a) if a.dtype.is_complex else a) * b, axes=(normalize_dim(dim, a.ndim),))


# -- products that are added to a tensor -------------------------------------------------------------------------------


def _weighted_sum(x: Tensor, made: Tensor, beta: Any, alpha: Any) -> Tensor:
    """beta * x + alpha * made; the defaults 1 make no step, and beta 0 ignores x whatever it holds."""
    if x.dtype is not made.dtype:
        fail(
            RuntimeError,
            f"self and mat2 must have the same dtype, but got {scalar_type_name(x.dtype)} and "
            f"{scalar_type_name(made.dtype)}",
        )
    if isinstance(alpha, Tensor):
        made = made * p.Convert(alpha, dtype=made.dtype)
    x = expanded(x, made.shape)
    if isinstance(beta, Tensor):
        factor = p.Convert(beta, dtype=made.dtype)
        zero = constant(x, 0, x.shape)
        none = broadcast(p.Equal(factor, constant(factor, 0)), x.shape)
        x = p.Select(none, zero, x * factor)
    return x + made


@op(methods="addmm", inplace="addmm_")
def addmm(
    input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """beta * input + alpha * (mat1 @ mat2).

    Shapes: mat1 (n, k), mat2 (k, m); input broadcasts to (n, m), the result's.
    Errors: RuntimeError where shapes or dtypes do not fit.

    >>> import alight as torch
    >>> torch.addmm(torch.ones(2), torch.ones(1, 3), torch.ones(3, 2))
    tensor([[4., 4.]])
    """
    _matrices(mat1, mat2, "mat1", "mat2")
    return _weighted_sum(input, _product(mat1, mat2), beta, alpha)


@op(methods="addmv", inplace="addmv_")
def addmv(
    input: Tensor, mat: Tensor, vec: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """beta * input + alpha * (mat @ vec).

    Shapes: mat (n, m), vec (m,); input broadcasts to (n,), the result's.
    Errors: RuntimeError where shapes or dtypes do not fit.

    >>> import alight as torch
    >>> torch.addmv(torch.tensor([1., 2.]), torch.ones(2, 3), torch.ones(3))
    tensor([4., 5.])
    """
    _check_matrix_vector(input, mat, vec)
    return _weighted_sum(input, _product(mat, vec), beta, alpha)


@op(methods="addr", inplace="addr_")
def addr(
    input: Tensor, vec1: Tensor, vec2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """beta * input + alpha * outer(vec1, vec2).

    Shapes: vec1 (n,), vec2 (m,); input broadcasts to (n, m), the result's.
    Errors: RuntimeError for other ranks.

    >>> import alight as torch
    >>> torch.addr(torch.zeros(2, 2), torch.tensor([1., 2.]), torch.tensor([1., 10.]))
    tensor([[ 1., 10.],
            [ 2., 20.]])
    """
    for name, one in (("vec1", vec1), ("vec2", vec2)):
        if one.ndim != 1:
            fail(RuntimeError, f"addr: Expected 1-D argument {name}, but got {one.ndim}-D")
    made = outer.lowering(vec1, vec2)
    x, made = promoted_dtypes(input, made)
    return _weighted_sum(x, made, beta, alpha)


def promoted_dtypes(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both in their common dtype; shapes stay."""
    from alight.dtypes import promote

    of = promote(x.dtype, y.dtype)
    return p.Convert(x, dtype=of), p.Convert(y, dtype=of)


@op(methods="baddbmm", inplace="baddbmm_")
def baddbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """beta * input + alpha * (batch1 @ batch2), for each matrix of the batches.

    Shapes: batch1 (b, n, k), batch2 (b, k, m); input broadcasts to (b, n, m), the result's.
    Errors: RuntimeError where shapes or dtypes do not fit.

    >>> import alight as torch
    >>> torch.baddbmm(torch.zeros(1, 1, 1), torch.ones(2, 1, 3), torch.ones(2, 3, 1)).flatten()
    tensor([3., 3.])
    """
    _batches(batch1, batch2)
    return _weighted_sum(input, _batch_product(batch1, batch2), beta, alpha)


@op(methods="addbmm", inplace="addbmm_")
def addbmm(
    input: Tensor, batch1: Tensor, batch2: Tensor, *, beta: Scalar = 1, alpha: Scalar = 1
) -> Tensor:
    """beta * input + alpha * the sum of all batch1 @ batch2.

    Shapes: batch1 (b, n, k), batch2 (b, k, m); input broadcasts to (n, m), the result's.
    Errors: RuntimeError where shapes or dtypes do not fit.

    >>> import alight as torch
    >>> torch.addbmm(torch.zeros(1, 1), torch.ones(2, 1, 3), torch.ones(2, 3, 1))
    tensor([[6.]])
    """
    _batches(batch1, batch2)
    total = p.DotGeneral(batch1, batch2, batch=((), ()), contract=((0, 2), (0, 1)))
    return _weighted_sum(input, total, beta, alpha)


__all__ = [name for name in dir() if name[0] != "_"]
