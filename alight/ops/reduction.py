"""Reductions: sums, means, extremes, norms, statistics."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import category, int64
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops.arguments import normalize_dims, scalar_type_name
from alight.ops.operation import op
from alight.primitives.arithmetic import kept_shape

Dims = Any
ALIASES = "axis=dim keepdims=keepdim"


def keep(x: Tensor, shape: tuple[int, ...], axes: tuple[int, ...], keepdim: bool) -> Tensor:
    """A reduced value with the axes put back as extent 1, if `keepdim`."""
    return p.Reshape(x, shape=kept_shape(shape, axes)) if keepdim else x


@op(methods="sum", aliases=ALIASES)
def sum(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Sum of all elements, or along `dim` (an int or a sequence). Integers and bools add up as int64.

    >>> import alight as torch
    >>> torch.ones(2, 3).sum(axis=0)
    tensor([2., 2., 2.])
    """
    of = dtype or (int64 if category(input.dtype) < 2 else input.dtype)
    axes = normalize_dims(dim, input.ndim)
    return keep(p.Sum(p.Convert(input, dtype=of), axes=axes), input.shape, axes, keepdim)


@op(methods="mean", aliases=ALIASES)
def mean(input: Tensor, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
    """Mean of all elements, or along `dim`.

    >>> import alight as torch
    >>> torch.tensor([[1., 3.], [5., 7.]]).mean(dim=1)
    tensor([2., 6.])
    """
    of = dtype or input.dtype
    if category(of) < 2:
        fail(
            RuntimeError,
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {scalar_type_name(of)}",
            try_=".float().mean(), or mean(dtype=torch.float32)",
        )
    axes = normalize_dims(dim, input.ndim)
    count = 1
    for axis in axes:
        count *= input.shape[axis] if input.ndim else 1
    total = p.Sum(p.Convert(input, dtype=of), axes=axes)
    return keep(total / count if count else total / 0.0, input.shape, axes, keepdim)
