"""Statistics: variance, medians, quantiles, the commonest value, histograms, covariance."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category, float64, int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops import return_types
from alight.ops.arguments import (
    as_value,
    broadcast_all,
    normalize_dim,
    normalize_dims,
    scalar_type_name,
    to_float,
)
from alight.ops.cumulative import between
from alight.ops.operation import function, op, with_vjp
from alight.ops.out import write_out
from alight.ops.reduction import ALIASES, count_of, keep
from alight.ops.unsigned import refuse_tensor
from alight.primitives.arithmetic import broadcast, constant, equal, kept_shape, put_back, where
from alight.primitives.gather import take_along

Dims = Any
Scalar = Any


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


# -- medians and quantiles ---------------------------------------------------------------------------------------------


def _nan_places(x: Tensor) -> Tensor | None:
    return p.IsNan(x) if category(x.dtype) == 2 else None


def _middle(x: Tensor, axis: int, ignore_nan: bool) -> tuple[Tensor, Tensor]:
    """The lower median along `axis` and its place, both with extent 1 there."""
    order = p.Sort(x, axis=axis, descending=False)[1]
    extent, nan = x.shape[axis], _nan_places(x)
    shape = kept_shape(x.shape, (axis,))
    at = constant(x, (extent - 1) // 2, shape, int64)
    if nan is not None:  # NaN sort last: without `ignore_nan` the first of them is the median
        missing = p.Reshape(p.Sum(p.Convert(nan, dtype=int64), axes=(axis,)), shape=shape)
        present = extent - missing
        if ignore_nan:
            at = where((present - 1) < 0, 0, (present - 1) // 2)
        else:
            at = where(missing > 0, present, at)
    place = take_along(order, at, axis)
    return take_along(x, place, axis), place


def _check_median(name: str, x: Tensor) -> None:
    if x.dtype.is_complex or x.dtype is bool_:
        fail(
            NotImplementedError,
            f"\"{name}_out_impl\" not implemented for '{scalar_type_name(x.dtype)}'",
        )


@op(functions="", out=False)
def _median_all(input: Tensor, ignore_nan: bool) -> Tensor:
    _check_median("median", input)
    flat = p.Reshape(input, shape=(input.size,))
    if input.size == 0:
        return constant(input, float("nan") if category(input.dtype) == 2 else 0, ())
    start = len(flat.builder.nodes)
    out = p.Reshape(_middle(flat, 0, ignore_nan)[0], shape=())

    def rule(ct: Tensor, out: Tensor, flat: Tensor) -> Tensor:  # equal elements share
        same = p.Equal(flat, broadcast(out, flat.shape))
        if category(flat.dtype) == 2:
            same = p.Or(same, p.And(p.IsNan(flat), broadcast(p.IsNan(out), flat.shape)))
        hit = p.Convert(same, dtype=ct.dtype)
        return hit * broadcast(ct / p.Sum(hit, axes=(0,)), flat.shape)

    return with_vjp(rule, out, start, flat)


def _median_of(x: Tensor, dim: int, keepdim: bool, ignore_nan: bool) -> tuple[Tensor, Tensor]:
    _check_median("median", x)
    axis = normalize_dim(dim, x.ndim)
    if x.ndim == 0:
        return p.Reshape(x, shape=()), constant(x, 0, dtype=int64)
    if x.shape[axis] == 0:
        fail(IndexError, f"median(): Expected reduction dim {axis} to have non-zero size.")
    pair = _middle(x, axis, ignore_nan)
    shape = pair[0].shape if keepdim else x.shape[:axis] + x.shape[axis + 1 :]
    return p.Reshape(pair[0], shape=shape), p.Reshape(pair[1], shape=shape)


@op(functions="", out=False, results=return_types.median)
def _median_along(input: Tensor, dim: int, keepdim: bool) -> tuple[Tensor, Tensor]:
    return _median_of(input, dim, keepdim, False)


@op(functions="", out=False, results=return_types.nanmedian)
def _nanmedian_along(input: Tensor, dim: int, keepdim: bool) -> tuple[Tensor, Tensor]:
    return _median_of(input, dim, keepdim, True)


@function(methods="median")
def median(
    input: Any, dim: int | None = None, keepdim: bool = False, *, axis: int | None = None
) -> Any:
    """The lower median of all elements; with `dim`, (values, indices) along it.

    Shapes: any; dimension `dim` goes, or keeps extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range or an empty one.

    >>> import alight as torch
    >>> torch.tensor([3., 1., 2., 5.]).median()
    tensor(2.)
    """
    dim = axis if dim is None else dim
    return _median_all(input, False) if dim is None else _median_along(input, dim, keepdim)


@function(methods="nanmedian")
def nanmedian(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """The lower median of the elements that are not NaN; with `dim`, (values, indices) along it.

    Shapes: any; dimension `dim` goes, or keeps extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range or an empty one.

    >>> import alight as torch
    >>> torch.nanmedian(torch.tensor([1., float('nan'), 3.]))
    tensor(1.)
    """
    return _median_all(input, True) if dim is None else _nanmedian_along(input, dim, keepdim)


@op(methods="mode", results=return_types.mode)
def mode(input: Tensor, dim: int = -1, keepdim: bool = False) -> tuple[Tensor, Tensor]:
    """The commonest value along `dim`, the smallest of equally common ones, and a place where it is.

    Shapes: any; dimension `dim` goes, or keeps extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range or an empty one.

    >>> import alight as torch
    >>> torch.mode(torch.tensor([2, 1, 2, 3])).values
    tensor(2)
    """
    axis = normalize_dim(dim, input.ndim)
    if input.ndim == 0:
        return p.Reshape(input, shape=()), constant(input, 0, dtype=int64)
    if input.shape[axis] == 0:
        fail(IndexError, f"mode(): Expected reduction dim {axis} to have non-zero size.")
    ordered, places = p.Sort(input, axis=axis, descending=False)
    extent = input.shape[axis]
    place = p.Iota(shape=input.shape, axis=axis, dtype=int64, device=input.type.device)
    after, before = between(ordered, axis, 1, extent), between(ordered, axis, 0, extent - 1)
    starts_run = p.Not(p.Equal(after, before))
    first = constant(input, True, kept_shape(input.shape, (axis,)), bool_)
    starts_run = p.Concat(first, starts_run, axis=axis)
    start, _ = p.CumMax(
        where(starts_run, place, 0), axis=axis
    )  # where the run of each place begins
    best = p.Reshape(p.ArgMax(place - start, axes=(axis,)), shape=first.shape)
    at = take_along(places, best, axis)
    values = take_along(input, at, axis)
    shape = first.shape if keepdim else input.shape[:axis] + input.shape[axis + 1 :]
    return p.Reshape(values, shape=shape), p.Reshape(at, shape=shape)


_INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _quantile(
    x: Tensor, q: Tensor, dim: int | None, keepdim: bool, interpolation: str, ignore_nan: bool
) -> Tensor:
    """Quantiles q (0-d or 1-d) of x: q's axis in front of the others."""
    name = "nanquantile" if ignore_nan else "quantile"
    _check_quantile(name, x, q, interpolation)
    kept = (
        (1,) * x.ndim
        if dim is None
        else kept_shape(x.shape, (normalize_dim(dim, x.ndim),) if x.ndim else ())
    )
    if dim is None or x.ndim == 0:
        x, axis = p.Reshape(x, shape=(x.size,)), 0
    else:
        axis = normalize_dim(dim, x.ndim)
    others = tuple(i for i in range(x.ndim) if i != axis)
    ordered = p.Sort(p.Permute(x, order=(*others, axis)), axis=x.ndim - 1, descending=False)[0]
    last, extent = ordered.ndim - 1, ordered.shape[-1]
    missing = p.Sum(p.Convert(p.IsNan(ordered), dtype=ordered.dtype), axes=(last,))
    ranks = (
        extent - missing - 1
        if ignore_nan
        else where(missing > 0, extent - 1, constant(missing, extent - 1, missing.shape))
    )
    count = q.size
    grid = (*ordered.shape[:-1], count)
    rank = put_back(where(ranks < 0, 0, ranks), grid, (last,)) * broadcast(
        p.Reshape(q, shape=(count,)), grid
    )
    if not ignore_nan:  # one NaN makes all quantiles NaN: it sorts last
        rank = where(put_back(missing > 0, grid, (last,)), float(extent - 1), rank)
    result = _between_ranks(ordered, rank, interpolation)
    result = p.Permute(result, order=(last, *range(last)))
    shape = kept if keepdim else tuple(extent for i, extent in enumerate(x.shape) if i != axis)
    return p.Reshape(result, shape=(*(q.shape if q.ndim else ()), *shape))


def _between_ranks(ordered: Tensor, rank: Tensor, interpolation: str) -> Tensor:
    last = ordered.ndim - 1
    if interpolation == "nearest":
        rank = p.Round(rank)
    elif interpolation == "lower":
        rank = p.Floor(rank)
    elif interpolation == "higher":
        rank = p.Ceil(rank)
    below = p.Floor(rank)
    low = take_along(ordered, p.Convert(below, dtype=int64), last)
    if interpolation not in ("linear", "midpoint"):
        return low
    high = take_along(ordered, p.Convert(p.Ceil(rank), dtype=int64), last)
    weight = rank - below
    if interpolation == "midpoint":
        weight = where(equal(weight, 0), 0, constant(weight, 0.5, weight.shape))
    return low + where(equal(weight, 0), 0, weight * (high - low))


def _check_quantile(name: str, x: Tensor, q: Tensor, interpolation: str) -> None:
    if x.size == 0:
        fail(RuntimeError, f"{name}() input tensor must be non-empty")
    if q.ndim > 1:
        fail(RuntimeError, f"{name}() q must be a scalar or 1D tensor")
    if x.dtype.name not in ("float32", "float64"):
        fail(RuntimeError, f"{name}() input tensor must be either float or double dtype")
    if x.dtype is not q.dtype:
        fail(RuntimeError, f"{name}() q tensor must be same dtype as the input tensor")
    if interpolation not in _INTERPOLATIONS:
        fail(
            RuntimeError,
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}",
        )


@op(functions="", out=False)
def _quantile_along(
    input: Tensor, q: Tensor, dim: int | None, keepdim: bool, interpolation: Any, ignore_nan: bool
) -> Tensor:
    return _quantile(input, q, dim, keepdim, interpolation, ignore_nan)


def _quantiles(
    input: Any, q: Any, dim: Any, keepdim: bool, interpolation: str, ignore_nan: bool
) -> Any:
    if not hasattr(q, "_slot"):
        if not 0 <= q <= 1:
            fail(
                RuntimeError,
                f"quantile() q must be in the range [0, 1] but got {q:g}",
            )
        q = input.new_tensor(q)
    return _quantile_along(input, q, dim, keepdim, interpolation, ignore_nan)


@function(methods="quantile")
def quantile(
    input: Any,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Any = None,
) -> Any:
    """The q-th quantiles of all elements, or along `dim`.

    Shapes: any; (*q, *rest), where rest lacks `dim`, or keeps it at extent 1 with keepdim=True.
    Errors: RuntimeError for q outside [0, 1] or of another dtype, for whole numbers, and for an
    empty tensor.

    >>> import alight as torch
    >>> torch.quantile(torch.tensor([1., 2., 3., 4.]), 0.5)
    tensor(2.5000)
    """
    found = _quantiles(input, q, dim, keepdim, interpolation, False)
    return found if out is None else write_out(out, found, "same")


@function(methods="nanquantile")
def nanquantile(
    input: Any,
    q: Any,
    dim: int | None = None,
    keepdim: bool = False,
    *,
    interpolation: str = "linear",
    out: Any = None,
) -> Any:
    """Quantiles of the elements that are not NaN.

    Shapes: any; (*q, *rest), where rest lacks `dim`, or keeps it at extent 1 with keepdim=True.
    Errors: RuntimeError for q outside [0, 1] or of another dtype, for whole numbers, and for an
    empty tensor.

    >>> import alight as torch
    >>> torch.nanquantile(torch.tensor([1., float('nan'), 3.]), 0.5)
    tensor(2.)
    """
    found = _quantiles(input, q, dim, keepdim, interpolation, True)
    return found if out is None else write_out(out, found, "same")


# -- histograms --------------------------------------------------------------------------------------------------------


@function(methods="histc")
def histc(input: Any, bins: int = 100, min: Any = 0, max: Any = 0, *, out: Any = None) -> Any:
    """How many elements fall into each of `bins` equal intervals from min to max (of the data, if both are 0).

    Shapes: any; (bins,).
    Errors: RuntimeError for fewer than one bin, or a max below min; NotImplementedError for whole numbers.

    >>> import alight as torch
    >>> torch.histc(torch.tensor([1., 2., 1.]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    if max < min:  # checked here, for numbers are inputs of the step
        fail(RuntimeError, "torch.histc: max must be larger than min", facts=[f"{max} < {min}"])
    made = _histc.function(input, bins, min, max)
    return made if out is None else write_out(out, made)


@op(functions="")
def _histc(input: Tensor, bins: int, min: Scalar, max: Scalar) -> Tensor:
    """The counts, for bounds in order."""
    if category(input.dtype) != 2:
        fail(
            NotImplementedError,
            f"\"histogram_cpu\" not implemented for '{scalar_type_name(input.dtype)}'",
        )
    if bins <= 0:
        fail(RuntimeError, f"torch.histogram(): bins must be > 0, but got {bins} for dimension 0")
    x = p.Reshape(input, shape=(input.size,))
    low, high = (as_value(one, x, x.dtype) for one in (min, max))
    if input.size:
        of_data = p.Equal(low, high)
        low = where(of_data, p.Min(x, axes=(0,)), low)
        high = where(of_data, p.Max(x, axes=(0,)), high)
    flat = p.Equal(low, high)
    low, high = where(flat, low - 1, low), where(flat, high + 1, high)
    low, high = broadcast(low, x.shape), broadcast(high, x.shape)
    inside = p.And(p.LessEqual(low, x), p.LessEqual(x, high))
    place = p.Floor((where(inside, x, low) - low) / (high - low) * float(bins))
    place = p.Convert(place, dtype=int64)
    place = where(place > bins - 1, bins - 1, place)
    return p.IndexAdd(constant(x, 0, (bins,)), p.Convert(inside, dtype=x.dtype), place, axes=(0,))


@op(functions="", out=False)
def _counted(input: Tensor, weights: Tensor | None, count: int) -> Tensor:
    """How often each of 0 .. count - 1 occurs, or the sum of its weights."""
    ids = p.Convert(input, dtype=int64)
    if weights is None:
        return p.IndexAdd(constant(ids, 0, (count,)), constant(ids, 1, ids.shape), ids, axes=(0,))
    of = weights.dtype if category(weights.dtype) == 2 else float64
    return p.IndexAdd(
        constant(weights, 0, (count,), of), p.Convert(weights, dtype=of), ids, axes=(0,)
    )


@function(methods="bincount")
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """How often each non-negative integer occurs, or the sums of its weights.

    Shapes: (n,) gives (max(minlength, largest + 1),).
    Errors: RuntimeError for other ranks, for negative numbers or such that are not whole, and for
    weights of another shape.

    >>> import alight as torch
    >>> torch.bincount(torch.tensor([1, 3, 1]))
    tensor([0, 2, 0, 1])
    """
    refuse_tensor("bincount_cpu", input)
    if input.dtype.is_floating_point or input.dtype.is_complex or input.dtype is bool_:
        name = scalar_type_name(input.dtype)
        fail(NotImplementedError, f"\"bincount_cpu\" not implemented for '{name}'")
    if input.ndim != 1:
        fail(RuntimeError, "bincount only supports 1-d non-negative integral inputs.")
    if minlength < 0:
        fail(RuntimeError, "minlength should be >= 0")
    if weights is not None and (weights.ndim != 1 or weights.shape != input.shape):
        fail(RuntimeError, "weights should be 1-d and have the same length as input")
    if input.numel() == 0:
        return input.new_zeros(minlength, dtype=int64 if weights is None else weights.dtype)
    low, high = (int(one) for one in input.aminmax())
    if low < 0:
        fail(
            RuntimeError,
            "bincount only supports 1-d non-negative integral inputs.",
            facts=[f"one element is {low}"],
        )
    return _counted(input, weights, max(high + 1, minlength))


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
