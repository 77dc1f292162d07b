"""Running results along one dimension, differences of neighbours, and the trapezoidal rule."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category, int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops import return_types
from alight.ops.arguments import (
    as_value,
    broadcast_all,
    normalize_dim,
    promoted,
    scalar_type_name,
    to_float,
)
from alight.ops.operation import op
from alight.primitives.arithmetic import constant


def between(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """Places start to stop - 1 along `axis`."""
    starts, stops = [0] * x.ndim, list(x.shape)
    starts[axis], stops[axis] = min(start, x.shape[axis]), max(min(stop, x.shape[axis]), 0)
    stops[axis] = max(stops[axis], starts[axis])
    return p.Slice(x, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.ndim)


def _along(primitive: Any, x: Tensor, dim: int) -> Any:
    """A running primitive, also on a 0-d tensor."""
    axis = normalize_dim(dim, x.ndim)
    if x.ndim:
        return primitive(x, axis=axis)
    found = primitive(p.Reshape(x, shape=(1,)), axis=0)
    if isinstance(found, tuple):
        return tuple(p.Reshape(one, shape=()) for one in found)
    return p.Reshape(found, shape=())


def _summable(x: Tensor, dtype: Any) -> Tensor:
    return p.Convert(x, dtype=dtype or (int64 if category(x.dtype) < 2 else x.dtype))


@op(methods="cumsum", inplace="cumsum_", aliases="axis=dim", out="dtype")
def cumsum(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running sum along `dim`.

    Shapes: any, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.cumsum(torch.tensor([1, 2, 3]), dim=0)
    tensor([1, 3, 6])
    """
    return _along(p.CumSum, _summable(input, dtype), dim)


@op(methods="cumprod", inplace="cumprod_", aliases="axis=dim", out="dtype")
def cumprod(input: Tensor, dim: int, *, dtype: Any = None) -> Tensor:
    """Running product along `dim`.

    Shapes: any, kept.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.cumprod(torch.tensor([1, 2, 3]), dim=0)
    tensor([1, 2, 6])
    """
    return _along(p.CumProd, _summable(input, dtype), dim)


@op(methods="cummax", results=return_types.cummax)
def cummax(input: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Running maximum along `dim` and where it was found.

    Shapes: any; both results have the input's.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.cummax(torch.tensor([1, 3, 2]), dim=0).values
    tensor([1, 3, 3])
    """
    return _along(p.CumMax, _ordered("cummax", input), dim)


@op(methods="cummin", results=return_types.cummin)
def cummin(input: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Running minimum along `dim` and where it was found.

    Shapes: any; both results have the input's.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> values, indices = torch.cummin(torch.tensor([3, 1, 2]), dim=0)
    >>> values, indices
    (tensor([3, 1, 1]), tensor([0, 1, 1]))
    """
    return _along(p.CumMin, _ordered("cummin", input), dim)


def _ordered(name: str, x: Tensor) -> Tensor:
    if x.dtype.is_complex:
        fail(
            NotImplementedError, f"\"{name}_cpu\" not implemented for '{scalar_type_name(x.dtype)}'"
        )
    return x


@op(methods="logcumsumexp")
def logcumsumexp(input: Tensor, dim: int) -> Tensor:
    """log of the running sum of exp(input) along `dim`, without overflow.

    Shapes: any, kept.
    Errors: NotImplementedError for whole numbers, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.logcumsumexp(torch.tensor([1000., 1000.]), dim=0)
    tensor([1000.0000, 1000.6932])
    """
    if category(input.dtype) < 2:
        fail(
            NotImplementedError,
            f"\"logcumsumexp_out_cpu\" not implemented for '{scalar_type_name(input.dtype)}'",
        )
    return _along(p.LogCumSumExp, input, dim)


# -- neighbours --------------------------------------------------------------------------------------------------------


@op(methods="diff")
def diff(
    input: Tensor,
    n: int = 1,
    dim: int = -1,
    prepend: Tensor | None = None,
    append: Tensor | None = None,
) -> Tensor:
    """Differences of neighbours along `dim`, n times over.

    Shapes: any but (); `dim` becomes n shorter.
    Errors: RuntimeError for a 0-d tensor and for negative n.

    >>> import alight as torch
    >>> torch.diff(torch.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    if input.ndim == 0:
        fail(RuntimeError, "diff expects input to be at least one-dimensional")
    axis = normalize_dim(dim, input.ndim)
    if n < 0:
        fail(RuntimeError, f"order must be non-negative but got {n}")
    if n == 0:  # PyTorch leaves prepend and append out too
        return input
    x = _with_ends(input, prepend, append, axis)
    for _ in range(n):
        size = x.shape[axis]
        after, before = between(x, axis, 1, size), between(x, axis, 0, size - 1)
        x = p.Xor(after, before) if x.dtype is bool_ else after - before
    return x


def _with_ends(x: Tensor, prepend: Tensor | None, append: Tensor | None, axis: int) -> Tensor:
    parts = []
    for part in (prepend, x, append):
        if part is None:
            continue
        if part.ndim == 0:
            shape = (*x.shape[:axis], 1, *x.shape[axis + 1 :])
            part = p.Expand(p.Reshape(part, shape=(1,) * x.ndim), shape=shape)
        if part.ndim != x.ndim:
            fail(RuntimeError, "diff expects prepend or append to be the same dimension as input")
        for i, (a, b) in enumerate(zip(part.shape, x.shape, strict=True)):
            if a != b and i != axis:
                fail(
                    RuntimeError,
                    "diff expects the shape of tensor to prepend or append to match that of input except along the "
                    f"differencing dimension; input.size({i}) = {b}, but got tensor.size({i}) = {a}",
                )
        parts.append(part)
    of = parts[0].dtype
    for part in parts[1:]:
        from alight.dtypes import promote

        of = promote(of, part.dtype)
    return p.Concat(*(p.Convert(part, dtype=of) for part in parts), axis=axis)


def _panels(y: Tensor, x: Tensor | None, dx: Any, axis: int) -> Tensor:
    """The area between each pair of neighbours."""
    size = y.shape[axis]
    heights = between(y, axis, 1, size) + between(y, axis, 0, size - 1)
    if x is None:
        step = as_value(dx, y, heights.dtype)
        heights, step = broadcast_all(heights, step)
        return heights * step * 0.5
    if x.ndim == 1:
        if x.shape[0] != size:
            fail(RuntimeError, "trapezoid: There must be one `x` value for each sample point")
        x = p.Reshape(x, shape=tuple(size if i == axis else 1 for i in range(y.ndim)))
    elif x.ndim < y.ndim:
        x = p.Reshape(x, shape=(1,) * (y.ndim - x.ndim) + x.shape)
    x_axis = axis - y.ndim + x.ndim
    if x.shape[x_axis] != size:
        fail(RuntimeError, "trapezoid: There must be one `x` value for each sample point")
    width = between(x, x_axis, 1, size) - between(x, x_axis, 0, size - 1)
    heights, width = promoted(heights, width, to_float=True)
    return heights * width * 0.5


@op(functions="trapezoid trapz")
def trapezoid(y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1) -> Tensor:
    """The integral of y along `dim` by the trapezoidal rule, over points x or steps of dx.

    Shapes: any; the dimension `dim` goes. `x` broadcasts to `y`, or is as long as `dim`.
    Errors: RuntimeError where `x` and `y` do not fit.

    >>> import alight as torch
    >>> torch.trapezoid(torch.tensor([1., 2., 3.]))
    tensor(4.)
    """
    axis = normalize_dim(dim, y.ndim)
    if y.shape[axis] == 0:
        y = to_float(y)
        shape = y.shape[:axis] + y.shape[axis + 1 :]
        return constant(y, 0, shape)
    panels = _panels(to_float(y), x, dx, axis)
    return p.Sum(panels, axes=(panels.ndim - y.ndim + axis,))


@op()
def cumulative_trapezoid(
    y: Tensor, x: Tensor | None = None, *, dx: Any = 1, dim: int = -1
) -> Tensor:
    """The running integral of y along `dim` by the trapezoidal rule.

    Shapes: any; `dim` becomes 1 shorter.
    Errors: RuntimeError where `x` and `y` do not fit.

    >>> import alight as torch
    >>> torch.cumulative_trapezoid(torch.tensor([1., 2., 3.]))
    tensor([1.5000, 4.0000])
    """
    axis = normalize_dim(dim, y.ndim)
    panels = _panels(to_float(y), x, dx, axis)
    return p.CumSum(panels, axis=panels.ndim - y.ndim + axis)


__all__ = [name for name in dir() if name[0] != "_"]
