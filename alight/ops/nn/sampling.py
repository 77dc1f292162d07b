"""Pictures read at given points: `grid_sample`, and the grids of affine maps, `affine_grid`.

A grid holds points (x, y) or (x, y, z) from -1 to 1 over the picture. `align_corners` says whether -1 and 1 are the
centres of the outer pixels or their outer edges.
"""

from __future__ import annotations

import functools
import math
from itertools import product
from typing import Any, NamedTuple

from alight import primitives as p
from alight.dtypes import category, int64
from alight.errors import fail, warn
from alight.ir.program import Value as Tensor
from alight.ops.arguments import scalar_type_name
from alight.ops.operation import TORCH, function, op
from alight.primitives.arithmetic import broadcast, constant, where, zeros_like

MODES = ("bilinear", "nearest", "bicubic")
PADDINGS = ("zeros", "border", "reflection")


# -- from points to places ---------------------------------------------------------------------------------------------


def _places(x: Tensor, size: int, align_corners: bool) -> Tensor:
    """Coordinates from -1 to 1 as places of pixels."""
    return (x + 1) * ((size - 1) / 2) if align_corners else ((x + 1) * size - 1) / 2


def _inside(x: Tensor, size: int, padding: str, align_corners: bool) -> Tensor:
    """Places brought inside the picture, as the padding says."""
    if padding == "reflection":
        x = _reflected(x, size, align_corners)
    if padding != "zeros":  # no gradient flows where a place is cut off, or at the edge
        low, high = x <= 0, (size - 1) <= x
        x = where(low, 0, where(high, size - 1, x))
    return x


def _reflected(x: Tensor, size: int, align_corners: bool) -> Tensor:
    low, high = (0.0, size - 1.0) if align_corners else (-0.5, size - 0.5)
    span = high - low
    if span == 0:
        return zeros_like(x)
    distance = p.Abs(x - low)
    flips = p.Detach(p.Floor(distance / span))
    extra = distance - flips * span
    even = p.Equal(flips - p.Floor(flips * 0.5) * 2, zeros_like(flips))
    return where(even, extra + low, high - extra)


class Place(NamedTuple):
    """A whole place along one dimension, for each point."""

    offset: Tensor  # what it adds to the number of a pixel
    within: Tensor | None  # whether it is inside the picture, if that matters


def _place(at: Tensor, size: int, stride: int, zeros: bool) -> Place:
    bounded = p.Minimum(p.Maximum(at, zeros_like(at)), constant(at, size - 1, at.shape))
    return Place(bounded * stride, p.Equal(at, bounded) if zeros else None)


def _read(x: Tensor, places: tuple[Place, ...]) -> Tensor:
    """Pixels (n, points, c) of x (n, all places, c); outside of the picture the last one, which is 0 there."""
    number = sum((one.offset for one in places[1:]), places[0].offset)
    inside = [one.within for one in places if one.within is not None]
    if inside:
        within = functools.reduce(p.And, inside)
        number = where(within, number, x.shape[1] - 1)
    rows = p.Iota(shape=number.shape, axis=0, dtype=int64, device=x.type.device)
    return p.Index(x, rows, number, axes=(0, 1))


def _whole(x: Tensor) -> Tensor:
    """Whole floating-point places as integers; what is far outside, or not a number, as a place outside."""
    near = p.And(x > -(2.0**30), x < 2.0**30)
    return p.Convert(where(near, x, -2), dtype=int64)


# -- interpolation -----------------------------------------------------------------------------------------------------


def _linear(x: Tensor, places: list[Tensor], sizes: tuple[int, ...], zeros: bool) -> Tensor:
    corners = []
    for place, size, stride in zip(places, sizes, _strides(sizes), strict=True):
        floor = p.Detach(p.Floor(place))
        part = place - floor
        low = _whole(floor)
        pixels = (_place(one, size, stride, zeros) for one in (low, low + 1))
        corners.append(tuple(zip(pixels, (1 - part, part), strict=True)))
    return _weighted(x, corners)


def _strides(sizes: tuple[int, ...]) -> list[int]:
    """What a step along each dimension adds to the number of a pixel."""
    return [math.prod(sizes[axis + 1 :]) for axis in range(len(sizes))]


def _weighted(x: Tensor, corners: Any) -> Tensor:
    """The sum over all corners of their pixels times the product of their weights."""
    total: Any = None
    for chosen in product(*corners):
        weight = math.prod((one[1] for one in chosen[1:]), start=chosen[0][1])
        values = _read(x, tuple(one[0] for one in chosen))
        term = values * broadcast(p.Reshape(weight, shape=(*weight.shape, 1)), values.shape)
        total = term if total is None else total + term
    return total


def _cubic_weights(t: Tensor) -> tuple[Tensor, ...]:
    """R. Keys, "Cubic convolution interpolation" (1981), with a = -0.75."""
    a = -0.75

    def near(s: Tensor) -> Tensor:
        return ((a + 2) * s - (a + 3)) * s * s + 1

    def far(s: Tensor) -> Tensor:
        return ((a * s - 5 * a) * s + 8 * a) * s - 4 * a

    return far(t + 1), near(t), near(1 - t), far(2 - t)


def _cubic(
    x: Tensor, places: list[Tensor], sizes: tuple[int, ...], padding: str, align_corners: bool
) -> Tensor:
    corners = []
    for place, size, stride in zip(places, sizes, _strides(sizes), strict=True):
        floor = p.Detach(p.Floor(place))
        pixels = [
            _place(
                _whole(_inside(floor + k, size, padding, align_corners)),
                size,
                stride,
                padding == "zeros",
            )
            for k in (-1, 0, 1, 2)
        ]
        corners.append(tuple(zip(pixels, _cubic_weights(place - floor), strict=True)))
    return _weighted(x, corners)


@op("", pointwise=False)
def grid_sampled(
    input: Tensor, grid: Tensor, mode: str, padding_mode: str, align_corners: bool
) -> Tensor:
    """input (n, c, ...) at the points of grid (n, ..., 2 or 3)."""
    rank = input.ndim - 2
    sizes = input.shape[2:]
    lead, out = input.shape[:2], grid.shape[1:-1]
    points = math.prod(out)
    # Channels last: one place in memory has all the numbers of a pixel.
    flat = p.Permute(p.Reshape(input, shape=(*lead, math.prod(sizes))), order=(0, 2, 1))
    if padding_mode == "zeros":
        flat = p.Pad(flat, low=(0, 0, 0), high=(0, 1, 0))
    places = []
    for axis in range(rank):  # the grid's x is the last dimension of the picture
        at = rank - 1 - axis
        column = p.Slice(
            grid,
            starts=(0,) * (grid.ndim - 1) + (at,),
            stops=(*grid.shape[:-1], at + 1),
            steps=(1,) * grid.ndim,
        )
        place = _places(p.Reshape(column, shape=(lead[0], points)), sizes[axis], align_corners)
        if mode != "bicubic":
            place = _inside(place, sizes[axis], padding_mode, align_corners)
        places.append(place)
    if mode == "nearest":
        strides = _strides(sizes)
        result = _read(
            flat,
            tuple(
                _place(_whole(p.Round(place)), size, stride, padding_mode == "zeros")
                for place, size, stride in zip(places, sizes, strides, strict=True)
            ),
        )
    elif mode == "bilinear":
        result = _linear(flat, places, sizes, padding_mode == "zeros")
    else:
        result = _cubic(flat, places, sizes, padding_mode, align_corners)
    return p.Reshape(p.Permute(result, order=(0, 2, 1)), shape=(*lead, *out))


# -- what is served ----------------------------------------------------------------------------------------------------


def _check_grid(input: Any, grid: Any, mode: str) -> None:
    shown = f"got input with sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
    if input.shape[0] != grid.shape[0]:
        fail(
            RuntimeError,
            f"grid_sampler(): expected grid and input to have same batch size, but {shown}",
        )
    if grid.shape[-1] != input.ndim - 2:
        fail(
            RuntimeError,
            f"grid_sampler(): expected grid to have size {input.ndim - 2} in last dimension, but got grid with sizes "
            f"{list(grid.shape)}",
        )
    if input.ndim not in (4, 5) or input.ndim != grid.ndim:
        fail(
            RuntimeError,
            f"grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but {shown}",
        )
    for axis in range(2, input.ndim):
        if input.shape[axis] == 0:
            fail(
                RuntimeError,
                "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
                f"{list(input.shape)} with dimension {axis} being empty",
            )
    if input.ndim == 5 and mode == "bicubic":
        fail(RuntimeError, "grid_sampler(): bicubic interpolation only supports 4D input")
    if input.dtype is not grid.dtype:
        fail(
            RuntimeError,
            f"expected scalar type {scalar_type_name(input.dtype)} but found {scalar_type_name(grid.dtype)}",
            facts=["grid_sample: input and grid must have the same dtype"],
            try_=f"grid.to({input.dtype!r})",
        )
    if category(input.dtype) != 2:
        fail(
            NotImplementedError,
            f'"grid_sampler_{input.ndim - 2}d_cpu_kernel_impl" not implemented for '
            f"'{scalar_type_name(input.dtype)}'",
        )


def _align(name: str, align_corners: bool | None) -> bool:
    if align_corners is None:
        warn(
            f"Default {name} behavior has changed to align_corners=False since 1.3.0. Please specify align_corners=True "
            f"if the old behavior is desired. See the documentation of {name.split(' ')[0]} for details.",
        )
    return bool(align_corners)


@function(F="grid_sample")
def grid_sample(
    input: Any,
    grid: Any,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Any:
    """Pixels of input (n, c, h, w) at the points of grid (n, h', w', 2), interpolated; volumes with one dimension more.

    Errors: RuntimeError where shapes or dtypes of input and grid do not fit, ValueError for unknown modes.

    >>> import alight as torch
    >>> x = torch.arange(4.).reshape(1, 1, 2, 2)
    >>> torch.nn.functional.grid_sample(x, torch.zeros(1, 1, 1, 2), align_corners=True)
    tensor([[[[1.5000]]]])
    """
    if mode not in MODES:
        fail(
            ValueError,
            "nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: "
            f"'{mode}'",
        )
    if padding_mode not in PADDINGS:
        fail(
            ValueError,
            "nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'",
        )
    aligned = _align("grid_sample and affine_grid", align_corners)
    _check_grid(input, grid, mode)
    return grid_sampled(input, grid, mode, padding_mode, aligned)


@function("grid_sampler grid_sampler_2d grid_sampler_3d")
def grid_sampler(
    input: Any, grid: Any, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Any:
    """`grid_sample` with modes as numbers: bilinear 0, nearest 1, bicubic 2; zeros 0, border 1, reflection 2.

    Shapes: as grid_sample.
    Errors: RuntimeError where shapes or dtypes of input and grid do not fit.

    >>> import alight as torch
    >>> x = torch.tensor([[[[1., 2.]]]])
    >>> torch.grid_sampler(x, torch.zeros(1, 1, 1, 2), 0, 0, False)
    tensor([[[[1.5000]]]])
    """
    mode = MODES[interpolation_mode]
    _check_grid(input, grid, mode)
    return grid_sampled(input, grid, mode, PADDINGS[padding_mode], align_corners)


def _line(size: int, align_corners: bool, like: Any) -> Any:
    """Coordinates of the pixels' centres along one dimension."""
    if size <= 1:
        return TORCH["zeros"](size, dtype=like.dtype, device=like.device)
    line = TORCH["linspace"](-1, 1, size, dtype=like.dtype, device=like.device)
    return line if align_corners else line * ((size - 1) / size)


@function("affine_grid_generator", F="affine_grid")
def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """The grid of an affine map theta (n, 2, 3) for pictures of `size` (n, c, h, w); theta (n, 3, 4) for volumes.

    Errors: ValueError for whole numbers, for theta of another shape, and for extents that are not
    above 0; NotImplementedError for other ranks.

    >>> import alight as torch
    >>> theta = torch.tensor([[[1., 0., 0.], [0., 1., 0.]]])
    >>> torch.nn.functional.affine_grid(theta, (1, 1, 1, 2), align_corners=True)
    tensor([[[[-1.,  0.],
              [ 1.,  0.]]]])
    """
    size = tuple(size)
    if not theta.is_floating_point():
        fail(ValueError, f"Expected theta to have floating point type, but got {theta.dtype!r}")
    rank = len(size) - 2
    if rank not in (2, 3):
        fail(
            NotImplementedError,
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size "
            f"{size}.",
        )
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (rank, rank + 1):
        matrix = f"Nx{rank}x{rank + 1}"
        found = f"torch.Size({list(theta.shape)})"
        fail(
            ValueError,
            f"Expected a batch of {rank}D affine matrices of shape {matrix} for size {size}. Got {found}.",
        )
    aligned = _align("grid_sample and affine_grid", align_corners)
    if min(size) <= 0:
        fail(ValueError, f"Expected non-zero, positive output size. Got {size}")
    if theta.shape[0] != size[0]:
        fail(
            RuntimeError,
            f"Expected size for first two dimensions of batch2 tensor to be: [{size[0]}, {rank + 1}] but got: "
            f"[{theta.shape[0]}, {rank + 1}].",
        )
    spatial = size[2:]
    columns = []
    for axis in reversed(range(rank)):
        shape = [1] * rank
        shape[axis] = spatial[axis]
        columns.append(_line(spatial[axis], aligned, theta).reshape(shape).expand(spatial))
    columns.append(TORCH["ones"](spatial, dtype=theta.dtype, device=theta.device))
    base = TORCH["stack"](columns, -1).reshape(1, -1, rank + 1).expand(size[0], -1, -1)
    return base.matmul(theta.transpose(1, 2)).reshape(size[0], *spatial, rank)
