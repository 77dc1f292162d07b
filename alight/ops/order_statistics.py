"""Order statistics: medians, quantiles, the commonest value."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category, int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops import return_types
from alight.ops.arguments import normalize_dim, scalar_type_name
from alight.ops.cumulative import between
from alight.ops.operation import function, op, with_vjp
from alight.ops.out import write_out
from alight.primitives.arithmetic import broadcast, constant, equal, kept_shape, put_back, where
from alight.primitives.gather import take_along


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
