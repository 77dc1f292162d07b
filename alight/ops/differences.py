"""`torch.gradient`: slopes of sampled functions from neighbouring values."""

from __future__ import annotations

from typing import Any

from alight.errors import fail
from alight.ops.arguments import normalize_dims
from alight.ops.operation import TORCH, function
from alight.tensor import Tensor


@function()
def gradient(
    input: Tensor, *, spacing: Any = None, dim: Any = None, edge_order: int = 1
) -> tuple[Tensor, ...]:
    """The slope along each of `dim` (all if left out), from both neighbours; at the ends from edge_order + 1 values.

    spacing: a distance, a distance for each dimension, or the coordinates along each dimension.

    Shapes: any; a tuple of tensors of the input's.
    Errors: RuntimeError for an edge_order but 1 and 2, and for dimensions shorter than edge_order +
    1.

    >>> import alight as torch
    >>> torch.gradient(torch.tensor([1., 4., 9., 16.]))
    (tensor([3., 4., 6., 7.]),)
    """
    axes = _axes(input, dim)
    steps = _steps(input, spacing, axes, dim)
    if edge_order not in (1, 2):
        fail(RuntimeError, "torch.gradient only supports edge_order=1 and edge_order=2.")
    for axis in axes:
        if input.shape[axis] < edge_order + 1:
            fail(
                RuntimeError,
                "torch.gradient expected each dimension size to be at least edge_order+1",
                facts=[f"dimension {axis} has {input.shape[axis]} elements"],
            )
    return tuple(
        _slope(input, axis, step, edge_order) for axis, step in zip(axes, steps, strict=True)
    )


def _axes(x: Tensor, dim: Any) -> tuple[int, ...]:
    if dim is None:
        return tuple(range(x.ndim))
    dims = (dim,) if isinstance(dim, int) else tuple(dim)
    normalize_dims(dims, x.ndim)  # PyTorch's errors
    return tuple(one % max(x.ndim, 1) for one in dims)


def _steps(x: Tensor, spacing: Any, axes: tuple[int, ...], dim: Any) -> list[Any]:
    """A distance, or coordinates, for each axis."""
    if spacing is None:
        spacing = 1
    if isinstance(spacing, Tensor) or not isinstance(spacing, (list, tuple)):
        return [spacing] * len(axes)
    if len(spacing) != len(axes):
        sentence = "torch.gradient expected spacing to be unspecified, a scalar"
        if dim is None:
            sentence += (
                f", or a list of length equal to 'self.dim() = {x.ndim}', since dim argument was not given, but got a list "
                f"of length {len(spacing)}"
            )
        else:
            sentence += (
                " or it's spacing and dim arguments to have the same length, but got a spacing argument of length "
                f"{len(spacing)} and a dim argument of length {len(axes)}."
            )
        fail(RuntimeError, sentence)
    for one in spacing:
        if isinstance(one, Tensor) and one.device != x.device:
            fail(
                RuntimeError,
                "torch.gradient expected each tensor to be on the same device, but got devices "
                f"{x.device} and {one.device}.",
            )
    return list(spacing)


def _slope(x: Tensor, axis: int, step: Any, edge_order: int) -> Tensor:
    count = x.shape[axis]

    def at(start: int, length: int) -> Tensor:
        return x.narrow(axis, start % count, length)

    if isinstance(step, Tensor) and step.ndim:
        shape = [1] * x.ndim
        gaps = step.diff()

        def gap(start: int, length: int) -> Any:
            shape[axis] = length
            return gaps.narrow(0, start % (count - 1), length).reshape(shape)
    else:

        def gap(start: int, length: int) -> Any:
            return step

    parts = [_end(at, gap, edge_order, 0, 1)]
    if count > 2:
        n = count - 2
        before, after = gap(0, n), gap(1, n)
        if before is after:
            parts.append((at(2, n) - at(0, n)) / (2 * before))
        else:
            parts.append(
                -after / (before * (before + after)) * at(0, n)
                + (after - before) / (before * after) * at(1, n)
                + before / (after * (before + after)) * at(2, n)
            )
    parts.append(_end(at, gap, edge_order, -1, -1))
    result: Tensor = TORCH["cat"](parts, axis)
    return result


def _end(at: Any, gap: Any, edge_order: int, first: int, way: int) -> Tensor:
    """The slope at one end, from the values there and `way` of it."""
    near = gap(first, 1) * way
    slope = (at(first + way, 1) - at(first, 1)) / near
    if edge_order == 1:
        return slope
    far = gap(first + way, 1) * way
    second = (at(first + 2 * way, 1) - at(first + way, 1)) / far
    return slope - near * (second - slope) / (near + far)
