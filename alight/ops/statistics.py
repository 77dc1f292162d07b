"""Statistics: variance and covariance. Medians and quantiles are in order_statistics.py, counts in counts.py."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import broadcast_all, normalize_dims, scalar_type_name, to_float
from alight.ops.operation import function, op, with_vjp
from alight.ops.reduction import ALIASES, count_of, keep
from alight.primitives.arithmetic import broadcast, constant, equal, put_back, where

Dims = Any


# -- variance ----------------------------------------------------------------------------------------------------------


def _spread_arguments(
    x: Tensor, dim: Any, unbiased: Any, keepdim: Any, correction: Any
) -> tuple[Any, ...]:
    """(axes, correction, keepdim) of var's overloads: var(unbiased), var(dim, unbiased, keepdim), keywords."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return normalize_dims(dim, x.ndim), correction, bool(keepdim)


def _moments(
    name: str, x: Tensor, axes: tuple[int, ...], correction: float
) -> tuple[Tensor, Tensor]:
    """Variance and mean over `axes`; complex numbers vary by the sum of both parts."""
    if category(x.dtype) < 2:
        fail(
            RuntimeError,
            f"{name} only support floating point and complex dtypes",
            try_=f".float().{name.split('_')[0]}()",
        )
    if x.dtype.is_complex:
        parts = [_moments(name, part, axes, correction) for part in (p.Real(x), p.Imag(x))]
        return parts[0][0] + parts[1][0], p.Complex(parts[0][1], parts[1][1])
    count = count_of(x.shape, axes)
    total = p.Sum(x, axes=axes)
    mean = total / count if count else total / 0.0
    start = len(x.builder.nodes)
    gap = x - put_back(mean, x.shape, axes)
    freedom = max(count - correction, 0)
    squares = p.Sum(gap * gap, axes=axes)
    variance = squares / freedom if freedom else squares / 0.0

    def rule(ct: Tensor, out: Tensor, x: Tensor, mean: Tensor) -> tuple[Tensor, None]:
        scale = 2.0 / freedom if freedom else float("inf")
        return put_back(ct * scale, x.shape, axes) * (x - put_back(mean, x.shape, axes)), None

    return with_vjp(rule, variance, start, x, mean), mean


def _root(variance: Tensor) -> Tensor:
    """The square root, with the gradient 0 where it is 0."""

    def rule(ct: Tensor, out: Tensor, variance: Tensor) -> Tensor:
        zero = equal(out, 0)
        return where(zero, 0, ct * 0.5 / where(zero, 1, out))

    start = len(variance.builder.nodes)
    return with_vjp(rule, p.Sqrt(variance), start, variance)


@op(methods="var", aliases=ALIASES)
def var(
    input: Tensor,
    dim: Dims = None,
    unbiased: Any = None,
    keepdim: Any = False,
    *,
    correction: Any = None,
) -> Tensor:
    """Variance: squared distances from the mean, divided by the count less `correction` (1).

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: RuntimeError for whole numbers, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.tensor([1., 2., 3., 4.]).var()
    tensor(1.6667)
    """
    axes, correction, keepdim = _spread_arguments(input, dim, unbiased, keepdim, correction)
    return keep(_moments("std and var", input, axes, correction)[0], input.shape, axes, keepdim)


@op(methods="std", aliases=ALIASES)
def std(
    input: Tensor,
    dim: Dims = None,
    unbiased: Any = None,
    keepdim: Any = False,
    *,
    correction: Any = None,
) -> Tensor:
    """Standard deviation: the square root of the variance.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: RuntimeError for whole numbers, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.tensor([1., 2., 3., 4.]).std()
    tensor(1.2910)
    """
    axes, correction, keepdim = _spread_arguments(input, dim, unbiased, keepdim, correction)
    variance, _ = _moments("std and var", input, axes, correction)
    return keep(_root(variance), input.shape, axes, keepdim)


@op(aliases=ALIASES)
def var_mean(
    input: Tensor,
    dim: Dims = None,
    unbiased: Any = None,
    keepdim: Any = False,
    *,
    correction: Any = None,
) -> tuple[Tensor, Tensor]:
    """Variance and mean.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: RuntimeError for whole numbers, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.var_mean(torch.tensor([1., 2., 3.]))
    (tensor(1.), tensor(2.))
    """
    axes, correction, keepdim = _spread_arguments(input, dim, unbiased, keepdim, correction)
    return tuple(
        keep(one, input.shape, axes, keepdim)
        for one in _moments("var_mean", input, axes, correction)
    )  # type: ignore[return-value]


@op(aliases=ALIASES)
def std_mean(
    input: Tensor,
    dim: Dims = None,
    unbiased: Any = None,
    keepdim: Any = False,
    *,
    correction: Any = None,
) -> tuple[Tensor, Tensor]:
    """Standard deviation and mean.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: RuntimeError for whole numbers, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.std_mean(torch.tensor([1., 2., 3.]))
    (tensor(1.), tensor(2.))
    """
    axes, correction, keepdim = _spread_arguments(input, dim, unbiased, keepdim, correction)
    variance, mean = _moments("std_mean", input, axes, correction)
    return tuple(keep(one, input.shape, axes, keepdim) for one in (_root(variance), mean))  # type: ignore[return-value]


# -- covariance --------------------------------------------------------------------------------------------------------


def _covariance(
    x: Tensor, correction: int, weights: Tensor | None, total: Tensor | None, norm: Any
) -> Tensor:
    observations = x.shape[1]
    if weights is None:
        mean = p.Sum(x, axes=(1,)) / observations if observations else p.Sum(x, axes=(1,)) / 0.0
        norm = constant(
            p.Real(x) if x.dtype.is_complex else x, float(max(observations - correction, 0)), ()
        )
    else:
        mean = p.Sum(x * broadcast(weights, x.shape), axes=(1,)) / broadcast(total, (x.shape[0],))  # type: ignore[arg-type]
    gap = x - put_back(mean, x.shape, (1,))
    other = p.Conj(gap) if x.dtype.is_complex else gap
    if weights is not None:
        other = other * broadcast(weights, x.shape)
    product = p.DotGeneral(gap, other, batch=((), ()), contract=((1,), (1,)))
    return product / broadcast(p.Convert(norm, dtype=x.dtype), product.shape)


@function(methods="cov")
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """Covariance of variables (rows) over observations (columns).

    Shapes: (variables, observations) or (observations,); the result is (variables, variables) or
    ().
    Errors: RuntimeError for more than two dimensions, and for weights that do not fit.

    >>> import alight as torch
    >>> torch.cov(torch.tensor([[0., 1., 2.], [2., 1., 0.]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    for name, weights in (("fweights", fweights), ("aweights", aweights)):
        if weights is not None and weights.numel() and bool((weights < 0).any()):
            fail(RuntimeError, f"cov(): {name} cannot be negative")
    return _cov(input, correction, fweights, aweights)


@op(functions="", out=False)
def _cov(
    input: Tensor, correction: int, fweights: Tensor | None, aweights: Tensor | None
) -> Tensor:
    if input.ndim > 2:
        fail(
            RuntimeError,
            f"cov(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions",
        )
    if input.dtype is bool_:
        fail(RuntimeError, "cov(): bool dtype is not supported for input")
    shape = input.shape if input.ndim == 2 else (1, input.size)
    x = p.Reshape(to_float(input), shape=shape)
    real = p.Real(x).dtype if x.dtype.is_complex else x.dtype
    weights = None
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is not None:
            _check_weights(name, given, shape[1])
            one = p.Reshape(p.Convert(given, dtype=real), shape=(shape[1],))
            weights = one if weights is None else weights * one
    result = _weighted_covariance(x, correction, weights, aweights)
    return result if shape[0] != 1 else p.Reshape(result, shape=())


def _weighted_covariance(
    x: Tensor, correction: int, weights: Tensor | None, aweights: Tensor | None
) -> Tensor:
    if weights is None:
        return _covariance(x, correction, None, None, None)
    total = p.Sum(weights, axes=(0,))
    norm = total - correction
    if aweights is not None:
        a = p.Reshape(p.Convert(aweights, dtype=weights.dtype), shape=weights.shape)
        norm = total - p.Sum(weights * a, axes=(0,)) * float(correction) / total
    norm = where(norm < 0, 0, norm)
    as_x = p.Convert(weights, dtype=x.dtype)
    return _covariance(x, correction, as_x, p.Convert(total, dtype=x.dtype), norm)


def _check_weights(name: str, weights: Tensor, count: int) -> None:
    if weights.ndim > 1:
        fail(
            RuntimeError,
            f"cov(): expected {name} to have one or fewer dimensions but got {name} with {weights.ndim} dimensions",
        )
    whole = category(weights.dtype) == 1
    if name == "fweights" and not whole:
        fail(
            RuntimeError,
            f"cov(): expected fweights to have integral dtype but got fweights with {scalar_type_name(weights.dtype)} dtype",
        )
    if name == "aweights" and category(weights.dtype) != 2:
        fail(
            RuntimeError,
            f"cov(): expected aweights to have floating point dtype but got aweights with {scalar_type_name(weights.dtype)} dtype",
        )
    if weights.size != count:
        fail(
            RuntimeError,
            f"cov(): expected {name} to have the same numel as there are observations in the input but got "
            f"{weights.size} != {count}",
        )


@op(methods="corrcoef")
def corrcoef(input: Tensor) -> Tensor:
    """Pearson's correlation of variables (rows) over observations (columns).

    Shapes: (variables, observations) or (observations,); the result is (variables, variables) or
    ().
    Errors: RuntimeError for more than two dimensions.

    >>> import alight as torch
    >>> torch.corrcoef(torch.tensor([[1., 2., 3.], [3., 2., 1.]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        fail(
            RuntimeError,
            f"corrcoef(): expected input to have two or fewer dimensions but got an input with {input.ndim} dimensions",
        )
    c = _cov.lowering(input, 1, None, None)
    if c.ndim == 0:
        return c / c
    n = c.shape[0]
    diagonal = p.Slice(
        p.Reshape(c, shape=(n * n,)), starts=(0,), stops=((n - 1) * (n + 1) + 1,), steps=(n + 1,)
    )
    deviation = p.Sqrt(p.Real(diagonal) if c.dtype.is_complex else diagonal)
    deviation = p.Convert(deviation, dtype=c.dtype)
    rows, columns = broadcast_all(
        p.Reshape(deviation, shape=(n, 1)), p.Reshape(deviation, shape=(1, n))
    )
    result = c / rows / columns
    if c.dtype.is_complex:
        return p.Complex(_in_unit(p.Real(result)), _in_unit(p.Imag(result)))
    return _in_unit(result)


def _in_unit(x: Tensor) -> Tensor:
    """x between -1 and 1, gradients as if it were not cut."""
    start = len(x.builder.nodes)
    cut = p.Minimum(p.Maximum(x, constant(x, -1, x.shape)), constant(x, 1, x.shape))
    return with_vjp(lambda ct, out, x: ct, cut, start, x)


__all__ = [name for name in dir() if name[0] != "_"]
