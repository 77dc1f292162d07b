"""`torch.histogram` and `torch.histogramdd`: how many points fall into each bin of one or several dimensions."""

from __future__ import annotations

import math
from typing import Any

from alight.dtypes import int64
from alight.errors import fail
from alight.ops import return_types
from alight.ops.arguments import scalar_type_name
from alight.ops.operation import TORCH, function
from alight.ops.out import write_out
from alight.tensor import Tensor


def _edges(points: Tensor, bins: Any, bounds: Any, dimension: int) -> Tensor:
    """The edges of a dimension's bins."""
    if isinstance(bins, Tensor):
        if bins.ndim != 1:
            fail(
                RuntimeError,
                f"torch.histogramdd: bins tensor should have one dimension, but got {bins.ndim} dimensions in the bins "
                f"tensor for dimension {dimension}",
            )
        return bins
    if bins <= 0:
        fail(
            RuntimeError,
            f"torch.histogram(): bins must be > 0, but got {bins} for dimension {dimension}",
        )
    if bounds is not None:
        low, high = bounds
    elif points.numel():
        low, high = points.min().item(), points.max().item()
    else:
        low, high = 0.0, 1.0
    if not (math.isfinite(low) and math.isfinite(high)):
        fail(
            RuntimeError,
            f"torch.histogramdd: dimension {dimension}'s range [{low:g}, {high:g}] is not finite",
        )
    if low > high:
        fail(
            RuntimeError,
            f"torch.histogramdd: min should not exceed max, but got min {low:g} max {high:g} for dimension {dimension}",
        )
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges: Tensor = TORCH["linspace"](low, high, bins + 1, dtype=points.dtype)
    return edges


def _counts(points: Tensor, edges: list[Tensor], weight: Tensor | None, density: bool) -> Tensor:
    """How many of points (n, dimensions), or how much of their weight, each bin has."""
    place: Any = 0
    inside: Any = True
    sizes = [edge.numel() - 1 for edge in edges]
    for d, edge in enumerate(edges):
        x = points[:, d].contiguous()
        at = TORCH["bucketize"](x, edge, right=True) - 1
        at = TORCH["where"](x == edge[-1], sizes[d] - 1, at)  # the last bin holds its end too
        inside = inside & (at >= 0) & (at < sizes[d]) & (edge[0] <= x) & (x <= edge[-1])
        place = place * sizes[d] + at.clamp(0, max(sizes[d] - 1, 0))
    amount = TORCH["ones_like"](points[:, 0]) if weight is None else weight.reshape(-1)
    amount = TORCH["where"](inside, amount, 0).to(points.dtype)
    empty = TORCH["zeros"](math.prod(sizes), dtype=points.dtype, device=points.device)
    total = empty.index_add(0, place.to(int64), amount).reshape(sizes)
    if density:
        total = total / total.sum()
        for d, edge in enumerate(edges):
            total = total / edge.diff().reshape(-1, *(1,) * (len(edges) - d - 1))
    return total


def _histogram(
    input: Tensor, bins: list[Any], bounds: Any, weight: Tensor | None, density: bool
) -> tuple[Tensor, list[Tensor]]:
    count = input.shape[-1]
    if not input.is_floating_point() or input.dtype.itemsize < 4:
        fail(
            NotImplementedError,
            f"\"histogramdd\" not implemented for '{scalar_type_name(input.dtype)}'",
            try_=".float() first",
        )
    if weight is not None and tuple(weight.shape) != tuple(input.shape[:-1]):
        fail(
            RuntimeError,
            "torch.histogramdd: if weight tensor is provided it should have the same shape as the input tensor "
            f"excluding its innermost dimension, but got input with shape {list(input.shape)} and weight with shape "
            f"{list(weight.shape)}",
        )
    if bounds is not None and len(bounds) != 2 * count:
        fail(
            RuntimeError,
            f"torch.histogramdd: for a {count}-dimensional histogram range should have {2 * count} elements, but got "
            f"{len(bounds)}",
        )
    points = input.detach().reshape(-1, count)
    pairs = [None if bounds is None else tuple(bounds[2 * d : 2 * d + 2]) for d in range(count)]
    edges = [_edges(points[:, d], bins[d], pairs[d], d) for d in range(count)]
    return _counts(points, edges, weight, density), edges


_NAMES = {"float32": "float", "float64": "double", "int64": "long int", "int32": "int"}


def _check_out(input: Tensor, out: Tensor, name: str) -> None:
    if out.dtype is not input.dtype:
        mine, theirs = (_NAMES.get(one.dtype.name, one.dtype.name) for one in (input, out))
        fail(
            RuntimeError,
            f"torch.histogram: input tensor and {name} tensor should have the same dtype, but got input {mine} and "
            f"{name} {theirs}",
        )


@function(methods="histogram")
def histogram(
    input: Tensor, bins: Any = 100, *, range: Any = None, weight: Tensor | None = None,
    density: bool = False, out: Any = None,
) -> Any:  # fmt: skip
    """How many elements fall into each of `bins` equal bins (or between the edges `bins`), and the edges.

    Shapes: any input; weight has the input's; the counts are (bins,), the edges (bins + 1,).
    Errors: RuntimeError for edges that do not increase, fewer than one bin, or a weight that does
    not fit.

    >>> import alight as torch
    >>> torch.histogram(torch.tensor([1., 2., 1.]), bins=4, range=(0., 3.)).hist
    tensor([0., 2., 1., 0.])
    """
    flat = None if weight is None else weight.reshape(-1)
    if weight is not None and weight.shape != input.shape:
        flat = weight
    hist, edges = _histogram(input.reshape(-1, 1), [bins], range, flat, density)
    if out is not None:
        for one, name in zip(out, ("hist", "bin_edges"), strict=True):
            _check_out(input, one, name)
        hist, edges = write_out(out[0], hist), [write_out(out[1], edges[0])]
    return return_types.histogram(hist, edges[0])  # type: ignore[attr-defined]


@function()
def histogramdd(
    input: Tensor, bins: Any, *, range: Any = None, weight: Tensor | None = None,
    density: bool = False,
) -> Any:  # fmt: skip
    """How many of the points input (..., dimensions) fall into each bin, and the edges of every dimension's bins.

    Errors: RuntimeError for fewer than two dimensions, or numbers of bins that are not as many as
    the coordinates.

    >>> import alight as torch
    >>> torch.histogramdd(torch.tensor([[0., 1.], [1., 0.], [1., 1.]]), bins=[2, 2]).hist
    tensor([[0., 1.],
            [1., 1.]])
    """
    if input.ndim < 2:
        fail(
            RuntimeError,
            "torch.histogramdd: input tensor should have at least 2 dimensions",
            facts=[f"the input is {list(input.shape)}"],
        )
    count = input.shape[-1]
    bins = [bins] * count if isinstance(bins, int) else list(bins)
    if len(bins) != count:
        fail(
            RuntimeError,
            "histogramdd: The size of bins must be equal to the innermost dimension of the input.",
            facts=[f"{len(bins)} for input {list(input.shape)}"],
        )
    hist, edges = _histogram(input, bins, range, weight, density)
    return return_types.histogramdd(hist, tuple(edges))  # type: ignore[attr-defined]
