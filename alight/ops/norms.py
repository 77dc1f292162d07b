"""Norms of vectors and matrices, distances, and log-sum-exp."""

from __future__ import annotations

from math import inf
from typing import Any

from alight import primitives as p
from alight.dtypes import category
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import (
    broadcast_all,
    normalize_dim,
    normalize_dims,
    promoted,
    scalar_type_name,
    to_float,
)
from alight.ops.operation import function, op, with_vjp
from alight.ops.reduction import ALIASES, keep
from alight.primitives.arithmetic import constant, equal, put_back, where

Dims = Any


# -- vectors -----------------------------------------------------------------------------------------------------------


def p_norm(x: Tensor, order: float, axes: tuple[int, ...]) -> Tensor:
    """(sum of |x| ** order) ** (1 / order) over `axes`, with PyTorch's gradients (0 where the norm is 0)."""
    size = p.Abs(x)
    if order in (inf, -inf):
        return (p.Max if order > 0 else p.Min)(size, axes=axes)
    if order == 0:
        return p.Sum(p.Convert(p.Not(equal(size, 0)), dtype=size.dtype), axes=axes)
    if order == 1:
        return p.Sum(size, axes=axes)
    start = len(x.builder.nodes)
    if order == 2:
        out = p.Sqrt(p.Sum(size * size, axes=axes))
    else:
        out = p.Sum(size**order, axes=axes) ** (1.0 / order)

    def rule(ct: Tensor, out: Tensor, size: Tensor) -> Tensor:
        norm, gradient = put_back(out, size.shape, axes), put_back(ct, size.shape, axes)
        zero = equal(norm, 0)
        ratio = size / where(zero, 1, norm)
        partial = ratio if order == 2 else where(equal(size, 0), 0, ratio ** (order - 1))
        return where(zero, 0, gradient * partial)

    return with_vjp(rule, out, start, size)


def _floating(name: str, x: Tensor, dtype: Any) -> Tensor:
    if dtype is not None:
        if category(dtype) < 2:
            fail(
                RuntimeError,
                f"{name}: dtype should be floating point or complex. Got {scalar_type_name(dtype)}",
            )
        return p.Convert(x, dtype=dtype)
    if category(x.dtype) < 2:
        fail(
            RuntimeError,
            f"{name}: Expected a floating point or complex tensor as input. Got {scalar_type_name(x.dtype)}",
            try_=".float()",
        )
    return x


@op(linalg="vector_norm", aliases=ALIASES)
def vector_norm(
    x: Tensor, ord: Any = 2, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """(sum of |x| ** ord) ** (1 / ord) of all elements or along `dim`; inf and -inf give the extremes, 0 counts.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: RuntimeError for an empty tensor and an `ord` that has no value for it, IndexError for a
    dimension out of range.

    >>> import alight as torch
    >>> torch.linalg.vector_norm(torch.tensor([3., 4.]))
    tensor(5.)
    """
    x = _floating("linalg.vector_norm", x, dtype)
    axes = normalize_dims(dim, x.ndim)
    if x.size == 0 and (ord < 0 or ord == inf):
        for axis in axes:
            if x.shape[axis] == 0 and dim is not None:
                fail(
                    RuntimeError,
                    f"linalg.vector_norm cannot compute the {ord} norm on the dimension {axis} because this dimension "
                    "is empty and the operation does not have an identity",
                )
        if dim is None:
            fail(
                RuntimeError,
                f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the operation does not "
                "have an identity",
            )
    return keep(p_norm(x, float(ord), axes), x.shape, axes, keepdim)


@op(methods="norm", aliases=ALIASES)
def norm(
    input: Tensor, p: Any = "fro", dim: Dims = None, keepdim: bool = False, dtype: Any = None
) -> Tensor:
    """The p-norm of all elements or along `dim`; "fro" is 2, "nuc" the sum of singular values.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: RuntimeError for whole numbers, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.tensor([3., 4.]).norm()
    tensor(5.)
    """
    x = _floating("linalg.vector_norm", input, dtype)
    if p == "nuc":
        axes = (0, 1) if dim is None else tuple(normalize_dim(one, x.ndim) for one in dim)
        return _singular_norm(x, "nuc", axes, keepdim)  # type: ignore[arg-type]
    axes = normalize_dims(dim, x.ndim)
    order = 2.0 if p in ("fro", None) else float(p)
    return keep(p_norm(x, order, axes), x.shape, axes, keepdim)


@op(methods="dist")
def dist(input: Tensor, other: Tensor, p: Any = 2) -> Tensor:
    """The p-norm of input - other.

    Shapes: any that broadcast together; ().
    Errors: RuntimeError where shapes do not broadcast.

    >>> import alight as torch
    >>> torch.dist(torch.tensor([3., 0.]), torch.tensor([0., 4.]))
    tensor(5.)
    """
    x, y = promoted(input, other)
    return p_norm(x - y, float(p), tuple(range(x.ndim)))


# -- matrices ----------------------------------------------------------------------------------------------------------


def _matrix_axes(name: str, x: Tensor, dim: Any) -> tuple[int, int]:
    if x.ndim < 2:
        fail(RuntimeError, f"{name}: The input tensor A must have at least 2 dimensions.")
    if isinstance(dim, int) or len(dim) != 2:
        fail(
            RuntimeError,
            f"{name}: dim must be a 2-tuple. Got {' '.join(map(str, (dim,) if isinstance(dim, int) else dim))}",
        )
    axes = normalize_dim(dim[0], x.ndim), normalize_dim(dim[1], x.ndim)
    if axes[0] == axes[1]:
        fail(RuntimeError, f"{name}: dims must be different. Got ({dim[0]}, {dim[1]})")
    return axes


def _matrix_norm(name: str, x: Tensor, order: Any, dim: Any, keepdim: bool) -> Tensor:
    axes = _matrix_axes(name, x, dim)
    if order == "fro":
        both = tuple(sorted(axes))
        return keep(p_norm(x, 2.0, both), x.shape, both, keepdim)
    if order == "nuc" or order in (2, -2):
        return _singular_norm(x, order, axes, keepdim)
    if isinstance(order, str):
        fail(RuntimeError, f"linalg.matrix_norm: Order {order} not supported.")
    if order not in (1, -1, inf, -inf):
        fail(RuntimeError, f"linalg.matrix_norm: Order {order} not supported.")
    summed, kept = (axes[0], axes[1]) if order in (1, -1) else (axes[1], axes[0])
    sums = keep(p.Sum(p.Abs(x), axes=(summed,)), x.shape, (summed,), True)
    found = _extreme(sums, order > 0, kept)
    shape = x.shape
    result = keep(found, sums.shape, (kept,), True)
    both = tuple(sorted(axes))
    return (
        result
        if keepdim
        else p.Reshape(result, shape=tuple(s for i, s in enumerate(shape) if i not in both))
    )


def _extreme(x: Tensor, largest: bool, axis: int) -> Tensor:
    """The largest or smallest along an axis; the largest of nothing is 0, as norms are not negative."""
    if largest and x.shape[axis] == 0:
        return constant(x, 0, tuple(size for i, size in enumerate(x.shape) if i != axis))
    return (p.Max if largest else p.Min)(x, axes=(axis,))


def _singular_norm(x: Tensor, order: Any, axes: tuple[int, int], keepdim: bool) -> Tensor:
    """Norms by singular values: their sum ("nuc"), the largest (2), the smallest (-2)."""
    others = tuple(i for i in range(x.ndim) if i not in axes)
    _, s, _ = p.Svd(p.Permute(x, order=(*others, *axes)), full=False)
    last = (s.ndim - 1,)
    if order == "nuc":
        found = p.Sum(s, axes=last)
    else:
        found = _extreme(s, order == 2, last[0])
    return keep(found, x.shape, tuple(sorted(axes)), keepdim)


@op(linalg="matrix_norm", aliases=ALIASES)
def matrix_norm(
    A: Tensor, ord: Any = "fro", dim: Dims = (-2, -1), keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """A norm of matrices: "fro", "nuc", ±1 (columns), ±inf (rows), ±2 (singular values).

    Shapes: (*, m, n) gives (*), or (*, 1, 1) with keepdim=True.
    Errors: RuntimeError for fewer than two dimensions or another `ord`.

    >>> import alight as torch
    >>> torch.linalg.matrix_norm(torch.tensor([[1., -2.], [3., 4.]]), 1)
    tensor(6.)
    """
    return _matrix_norm(
        "linalg.matrix_norm", _floating("linalg.matrix_norm", A, dtype), ord, dim, keepdim
    )


@op(linalg="norm", functions="", aliases=ALIASES)
def _linalg_norm(
    A: Tensor, ord: Any = None, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """The 2-norm of all elements without `ord`; with it, of a vector (one dim) or matrices (two).

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: RuntimeError for more than two dimensions in `dim`, and for an `ord` that does not fit.

    >>> import alight as torch
    >>> torch.linalg.norm(torch.tensor([3., 4.]))
    tensor(5.)
    """
    x = _floating("linalg.norm", A, dtype)
    if dim is not None and not isinstance(dim, int) and len(dim) not in (1, 2):
        fail(
            RuntimeError,
            f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}",
        )
    if ord is not None and dim is None and x.ndim not in (1, 2):
        fail(
            RuntimeError,
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
            + f"{x.ndim}D.",
        )
    pair = dim is not None and not isinstance(dim, int) and len(dim) == 2
    if ord is not None and (pair or (dim is None and x.ndim == 2)):
        return _matrix_norm("linalg.matrix_norm", x, ord, dim if pair else (0, 1), keepdim)
    if isinstance(ord, str):
        fail(
            RuntimeError,
            f"linalg.norm: If ord is a str, the input must be 2D or dim must be a 2-tuple, got {ord}",
        )
    axes = normalize_dims(dim, x.ndim)
    return keep(p_norm(x, 2.0 if ord is None else float(ord), axes), x.shape, axes, keepdim)


# -- log-sum-exp -------------------------------------------------------------------------------------------------------


@op(methods="logsumexp")
def logsumexp(input: Tensor, dim: Dims, keepdim: bool = False) -> Tensor:
    """log(sum(exp(input))) along `dim`, computed without overflow.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.logsumexp(torch.tensor([1000., 1000.]), 0)
    tensor(1000.6932)
    """
    x = to_float(input)
    axes = normalize_dims(dim, x.ndim)
    start = len(x.builder.nodes)
    if x.dtype.is_complex or 0 in (x.shape[axis] for axis in axes):
        out = p.Log(p.Sum(p.Exp(x), axes=axes))
    else:
        top = p.Max(x, axes=axes)
        top = where(equal(p.Abs(top), inf), 0, top)  # rows of -inf stay -inf
        out = p.Log(p.Sum(p.Exp(x - put_back(top, x.shape, axes)), axes=axes)) + top

    def rule(ct: Tensor, out: Tensor, x: Tensor) -> Tensor:
        share = p.Exp(x - put_back(out, x.shape, axes))
        return put_back(ct, x.shape, axes) * (p.Conj(share) if x.dtype.is_complex else share)

    return keep(with_vjp(rule, out, start, x), x.shape, axes, keepdim)


@op(methods="renorm", inplace="renorm_")
def renorm(input: Tensor, p: Any, dim: int, maxnorm: Any) -> Tensor:
    """Parts along `dim` whose p-norm is above maxnorm scaled down to it.

    Shapes: two dimensions or more, kept.
    Errors: RuntimeError for fewer dimensions, and for p or maxnorm that is negative.

    >>> import alight as torch
    >>> torch.renorm(torch.tensor([[3., 4.], [0.3, 0.4]]), 2, 0, 1.)
    tensor([[0.6000, 0.8000],
            [0.3000, 0.4000]])
    """
    if input.ndim < 2:
        fail(
            RuntimeError, f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions"
        )
    if p <= 0:
        fail(RuntimeError, "renorm: non-positive-norm not supported", facts=[f"p is {p}"])
    if maxnorm < 0:
        fail(RuntimeError, f"renorm: expected maxnorm to be >= 0 but got {maxnorm:g}")
    axis = normalize_dim(dim, input.ndim)
    others = tuple(i for i in range(input.ndim) if i != axis)
    sizes = keep(p_norm(input, float(p), others), input.shape, others, True)
    scale = where(sizes > maxnorm, maxnorm / (sizes + 1e-7), 1.0)
    if input.dtype.is_complex:
        from alight.primitives import Convert

        scale = Convert(scale, dtype=input.dtype)
    return input * scale


@function("cdist")
def cdist(
    x1: Any, x2: Any, p: float = 2.0, compute_mode: str = "use_mm_for_euclid_dist_if_necessary"
) -> Any:
    """The p-norm distance of each row of x1 from each row of x2.

    Shapes: (*, n, k) and (*, m, k) give (*, n, m), with batches broadcast.
    Errors: RuntimeError for fewer than two dimensions, for rows of other lengths, and for negative
    p.

    >>> import alight as torch
    >>> torch.cdist(torch.tensor([[0., 0.]]), torch.tensor([[3., 4.], [0., 1.]]))
    tensor([[5., 1.]])
    """
    if x1.ndim < 2 or x2.ndim < 2:
        first, given = ("X1", x1) if x1.ndim < 2 else ("X2", x2)
        fail(RuntimeError, f"cdist only supports at least 2D tensors, {first} got: {given.ndim}D")
    if x1.shape[-1] != x2.shape[-1]:
        fail(
            RuntimeError,
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}",
        )
    if p < 0:
        fail(RuntimeError, "cdist only supports non-negative p values")
    return _cdist(x1, x2, p)


@op(functions="", out=False)
def _cdist(x1: Tensor, x2: Tensor, order: Any) -> Tensor:
    a = p.Reshape(x1, shape=(*x1.shape[:-1], 1, x1.shape[-1]))
    b = p.Reshape(x2, shape=(*x2.shape[:-2], 1, *x2.shape[-2:]))
    a, b = broadcast_all(a, b)
    return p_norm(a - b, float(order), (a.ndim - 1,))


__all__ = [name for name in dir() if name[0] != "_"]
