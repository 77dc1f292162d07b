"""Reductions: sums, products, extremes, truth, norms. Statistics are in statistics.py, running results in cumulative.py.

`dim` may be an int, a sequence or None for all dimensions; `axes` in the bodies is the sorted tuple of it.
"""

from __future__ import annotations

from math import prod as product
from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category, int64, uint8
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops import return_types
from alight.ops.arguments import normalize_dim, normalize_dims, scalar_type_name
from alight.ops.operation import function, op
from alight.ops.rounding import maximum, minimum
from alight.primitives.arithmetic import constant, kept_shape, where
from alight.primitives.gather import take_along

Dims = Any
ALIASES = "axis=dim keepdims=keepdim"


def keep(x: Tensor, shape: tuple[int, ...], axes: tuple[int, ...], keepdim: bool) -> Tensor:
    """A reduced value with the axes put back as extent 1, if `keepdim`."""
    return p.Reshape(x, shape=kept_shape(shape, axes)) if keepdim else x


def count_of(shape: tuple[int, ...], axes: tuple[int, ...]) -> int:
    """How many elements each result is made of."""
    return product(shape[axis] for axis in axes)


# -- sums and products -------------------------------------------------------------------------------------------------


def _sum_dtype(x: Tensor, dtype: Any) -> Any:
    return dtype or (int64 if category(x.dtype) < 2 else x.dtype)


@op(methods="sum", aliases=ALIASES)
def sum_(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum of all elements, or along `dim` (an int or a sequence). Integers and bools add up as int64.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.ones(2, 3).sum(axis=0)
    tensor([2., 2., 2.])
    """
    axes = normalize_dims(dim, input.ndim)
    x = p.Convert(input, dtype=_sum_dtype(input, dtype))
    return keep(p.Sum(x, axes=axes), input.shape, axes, keepdim)


@op(methods="nansum", aliases=ALIASES)
def nansum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum that takes NaN for 0.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: RuntimeError for complex input, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.nansum(torch.tensor([1., float('nan'), 2.]))
    tensor(3.)
    """
    if input.dtype.is_complex:
        fail(RuntimeError, "nansum on CPU does not support complex inputs")
    x = where(p.IsNan(input), 0, input) if category(input.dtype) == 2 else input
    return sum_.lowering(x, dim, keepdim, dtype=dtype)


@op(methods="mean", aliases=ALIASES)
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean of all elements, or along `dim`.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: RuntimeError for whole numbers and bools without `dtype`, IndexError for a dimension out
    of range.

    >>> import alight as torch
    >>> torch.tensor([[1., 3.], [5., 7.]]).mean(dim=1)
    tensor([2., 6.])
    """
    of = dtype or input.dtype
    if category(of) < 2:
        given = "Input" if dtype is None else "Optional"
        fail(
            RuntimeError,
            f"mean(): could not infer output dtype. {given} dtype must be either a floating point or complex dtype. "
            f"Got: {scalar_type_name(of)}",
            try_=".float().mean(), or mean(dtype=torch.float32)",
        )
    axes = normalize_dims(dim, input.ndim)
    count = count_of(input.shape, axes)
    total = p.Sum(p.Convert(input, dtype=of), axes=axes)
    return keep(total / count if count else total / 0.0, input.shape, axes, keepdim)


@op(methods="nanmean", aliases=ALIASES)
def nanmean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean of the elements that are not NaN.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: RuntimeError for whole numbers and bools, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.nanmean(torch.tensor([1., float('nan'), 2.]))
    tensor(1.5000)
    """
    if category(input.dtype) < 2:
        fail(
            RuntimeError,
            f"nanmean(): expected input to have floating point or complex dtype but got {scalar_type_name(input.dtype)}",
        )
    total = nansum.lowering(input, dim, keepdim, dtype=dtype)
    present = p.Convert(p.Not(p.IsNan(input)), dtype=total.dtype)
    return total / sum_.lowering(present, dim, keepdim)


@op(methods="prod", aliases=ALIASES)
def prod(
    input: Tensor, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None
) -> Tensor:
    """Product of all elements, or along `dim`.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.tensor([2, 3, 4]).prod()
    tensor(24)
    """
    axes = normalize_dims(dim, input.ndim)
    x = p.Convert(input, dtype=_sum_dtype(input, dtype))
    return keep(p.Prod(x, axes=axes), input.shape, axes, keepdim)


@op(methods="count_nonzero")
def count_nonzero(input: Tensor, dim: Dims = None) -> Tensor:
    """How many elements are not zero.

    Shapes: any; the dimensions of `dim` go.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.count_nonzero(torch.tensor([0, 3, 5]))
    tensor(2)
    """
    present = p.Convert(p.Convert(input, dtype=bool_), dtype=int64)
    return p.Sum(present, axes=normalize_dims(dim, input.ndim))


@op(methods="trace")
def trace(input: Tensor) -> Tensor:
    """Sum of the diagonal of a matrix.

    Shapes: (n, m) gives ().
    Errors: RuntimeError for other ranks.

    >>> import alight as torch
    >>> torch.trace(torch.tensor([[1., 2.], [3., 4.]]))
    tensor(5.)
    """
    if input.ndim != 2:
        fail(RuntimeError, "trace: expected a matrix, but got tensor with dim " + str(input.ndim))
    m, n = input.shape
    x = p.Convert(input, dtype=_sum_dtype(input, None))
    count = min(m, n)
    flat = p.Reshape(x, shape=(m * n,))
    stop = (count - 1) * (n + 1) + 1 if count else 0
    return p.Sum(p.Slice(flat, starts=(0,), stops=(stop,), steps=(n + 1,)), axes=(0,))


# -- truth -------------------------------------------------------------------------------------------------------------


def _truth(primitive: Any, x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    axes = normalize_dims(dim, x.ndim)
    found = primitive(p.Convert(x, dtype=bool_), axes=axes)
    found = p.Convert(found, dtype=uint8 if x.dtype is uint8 else bool_)
    return keep(found, x.shape, axes, keepdim)


@op(methods="all", aliases=ALIASES)
def all_(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether every element is true.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.tensor([[True, False], [True, True]]).all(dim=1)
    tensor([False,  True])
    """
    return _truth(p.Min, input, dim, keepdim)


@op(methods="any", aliases=ALIASES)
def any_(input: Tensor, dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Whether some element is true.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.any(torch.tensor([False, True]))
    tensor(True)
    """
    return _truth(p.Max, input, dim, keepdim)


# -- extremes ----------------------------------------------------------------------------------------------------------


def _check_extremum(name: str, x: Tensor, axes: tuple[int, ...]) -> None:
    if x.dtype.is_complex:
        fail(NotImplementedError, f"\"{name}\" not implemented for '{scalar_type_name(x.dtype)}'")
    if x.size:
        return
    for axis in axes:
        if x.shape[axis] == 0:
            fail(IndexError, f"{name}(): Expected reduction dim {axis} to have non-zero size.")


@op(methods="amax", aliases=ALIASES, out="match")
def amax(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Largest element of all, or along `dim`; equal elements share the gradient.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range or an empty one.

    >>> import alight as torch
    >>> torch.amax(torch.tensor([[1, 5], [7, 3]]), dim=0)
    tensor([7, 5])
    """
    return _amax(p.Max, "amax", input, dim, keepdim)


@op(methods="amin", aliases=ALIASES, out="match")
def amin(input: Tensor, dim: Dims = (), keepdim: bool = False) -> Tensor:
    """Smallest element of all, or along `dim`; equal elements share the gradient.

    Shapes: any; the dimensions of `dim` go, or keep extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range or an empty one.

    >>> import alight as torch
    >>> torch.amin(torch.tensor([[1, 5], [3, 2]]), dim=1)
    tensor([1, 2])
    """
    return _amax(p.Min, "amin", input, dim, keepdim)


def _amax(primitive: Any, name: str, x: Tensor, dim: Any, keepdim: bool) -> Tensor:
    axes = normalize_dims(dim, x.ndim)
    if x.size == 0 and dim in (None, ()):
        fail(
            RuntimeError,
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
            "the 'dim' argument.",
        )
    _check_extremum(name, x, axes)
    return keep(primitive(x, axes=axes), x.shape, axes, keepdim)


@op(methods="aminmax", results=return_types.aminmax, out="same")
def aminmax(
    input: Tensor, *, dim: int | None = None, keepdim: bool = False
) -> tuple[Tensor, Tensor]:
    """Smallest and largest element, as a named tuple.

    Shapes: any; dimension `dim` goes, or keeps extent 1 with keepdim=True.
    Errors: RuntimeError for an empty input, IndexError for a dimension out of range.

    >>> import alight as torch
    >>> torch.aminmax(torch.tensor([3, 1, 2]))
    torch.return_types.aminmax(
    min=tensor(1),
    max=tensor(3))
    """
    axes = normalize_dims(dim, input.ndim)
    if input.size == 0 and dim is None:
        fail(
            RuntimeError,
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity.",
        )
    _check_extremum("aminmax", input, axes)
    return tuple(keep(one(input, axes=axes), input.shape, axes, keepdim) for one in (p.Min, p.Max))  # type: ignore[return-value]


def _argument(primitive: Any, name: str, x: Tensor, dim: int | None, keepdim: bool) -> Tensor:
    if x.dtype is bool_ or x.dtype.is_complex:
        fail(
            NotImplementedError, f"\"{name}_cpu\" not implemented for '{scalar_type_name(x.dtype)}'"
        )
    if dim is None:
        if x.size == 0:
            fail(
                IndexError,
                f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim "
                "with the 'dim' argument.",
            )
        found = primitive(p.Reshape(x, shape=(x.size,)), axes=(0,))
        return p.Reshape(found, shape=(1,) * x.ndim) if keepdim else found
    axis = normalize_dim(dim, x.ndim)
    if x.ndim == 0:
        return primitive(p.Reshape(x, shape=(1,)), axes=(0,))
    _check_extremum(name, x, (axis,))
    return keep(primitive(x, axes=(axis,)), x.shape, (axis,), keepdim)


@op(methods="argmax", aliases=ALIASES)
def argmax(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Place of the first largest element, in the flat tensor or along `dim`.

    Shapes: any; dimension `dim` goes, or keeps extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range or an empty one.

    >>> import alight as torch
    >>> torch.tensor([[1., 5.], [7., 3.]]).argmax(dim=1)
    tensor([1, 0])
    """
    return _argument(p.ArgMax, "argmax", input, dim, keepdim)


@op(methods="argmin", aliases=ALIASES)
def argmin(input: Tensor, dim: int | None = None, keepdim: bool = False) -> Tensor:
    """Place of the first smallest element, in the flat tensor or along `dim`.

    Shapes: any; dimension `dim` goes, or keeps extent 1 with keepdim=True.
    Errors: IndexError for a dimension out of range or an empty one.

    >>> import alight as torch
    >>> torch.argmin(torch.tensor([3, 1, 2]))
    tensor(1)
    """
    return _argument(p.ArgMin, "argmin", input, dim, keepdim)


@op(functions="", out=False)
def _max_all(input: Tensor) -> Tensor:
    return _extremum_of_all(p.Max, "max", input)


@op(functions="", out=False)
def _min_all(input: Tensor) -> Tensor:
    return _extremum_of_all(p.Min, "min", input)


def _extremum_of_all(primitive: Any, name: str, x: Tensor) -> Tensor:
    if x.size == 0:
        fail(
            RuntimeError,
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
            "the 'dim' argument.",
        )
    _check_extremum(name, x, ())
    return primitive(x, axes=tuple(range(x.ndim)))


def _extremum_along(
    primitive: Any, name: str, x: Tensor, dim: int, keepdim: bool
) -> tuple[Tensor, Tensor]:
    axis = normalize_dim(dim, x.ndim)
    _check_extremum(name, x, (axis,) if x.ndim else ())
    if x.ndim == 0:
        return p.Reshape(x, shape=()), constant(x, 0, dtype=int64)
    places = p.Reshape(primitive(x, axes=(axis,)), shape=kept_shape(x.shape, (axis,)))
    values = take_along(x, places, axis)
    if keepdim:
        return values, places
    shape = x.shape[:axis] + x.shape[axis + 1 :]
    return p.Reshape(values, shape=shape), p.Reshape(places, shape=shape)


@op(functions="", out=False, results=return_types.max)
def _max_along(input: Tensor, dim: int, keepdim: bool) -> tuple[Tensor, Tensor]:
    return _extremum_along(p.ArgMax, "max", input, dim, keepdim)


@op(functions="", out=False, results=return_types.min)
def _min_along(input: Tensor, dim: int, keepdim: bool) -> tuple[Tensor, Tensor]:
    return _extremum_along(p.ArgMin, "min", input, dim, keepdim)


def _three_forms(
    input: Any, given: Any, keepdim: bool, forms: tuple[Any, Any, Any], out: Any
) -> Any:
    """max(input), max(input, dim) and max(input, other) by what the second argument is."""
    from alight.ops.out import write_out

    of_all, along, of_two = forms
    if given is None:
        made = of_all.function(input)
    elif hasattr(given, "_slot"):
        made = of_two.function(input, given)
    else:
        made = along.function(input, given, keepdim)
    return made if out is None else write_out(out, made)


@function("max", methods="max")
def max_(
    input: Any,
    dim: Any = None,
    keepdim: bool = False,
    *,
    other: Any = None,
    axis: Any = None,
    out: Any = None,
) -> Any:
    """Largest element; with `dim`, (values, indices) along it; with another tensor, the larger of the two.

    Shapes: any; dimension `dim` goes, or keeps extent 1 with keepdim=True; two tensors broadcast
    together.
    Errors: RuntimeError for an empty tensor without `dim`, IndexError for a dimension out of range
    or an empty one.

    >>> import alight as torch
    >>> torch.tensor([[1., 5.], [7., 3.]]).max(dim=1).indices
    tensor([1, 0])
    """
    given = next((one for one in (dim, other, axis) if one is not None), None)
    return _three_forms(input, given, keepdim, (_max_all, _max_along, maximum), out)


@function("min", methods="min")
def min_(
    input: Any,
    dim: Any = None,
    keepdim: bool = False,
    *,
    other: Any = None,
    axis: Any = None,
    out: Any = None,
) -> Any:
    """Smallest element; with `dim`, (values, indices) along it; with another tensor, the smaller of the two.

    Shapes: any; dimension `dim` goes, or keeps extent 1 with keepdim=True; two tensors broadcast
    together.
    Errors: RuntimeError for an empty tensor without `dim`, IndexError for a dimension out of range
    or an empty one.

    >>> import alight as torch
    >>> torch.min(torch.tensor([3, 1, 2]))
    tensor(1)
    >>> values, indices = torch.min(torch.tensor([[3, 1], [2, 4]]), dim=1)
    >>> values, indices
    (tensor([1, 2]), tensor([1, 0]))
    """
    given = next((one for one in (dim, other, axis) if one is not None), None)
    return _three_forms(input, given, keepdim, (_min_all, _min_along, minimum), out)
