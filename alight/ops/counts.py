"""How many elements fall into each interval, or have each value: `histc`, `bincount`."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import bool_, category, float64, int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import as_value, scalar_type_name
from alight.ops.operation import function, op
from alight.ops.out import write_out
from alight.ops.unsigned import refuse_tensor
from alight.primitives.arithmetic import broadcast, constant, where

Scalar = Any


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
