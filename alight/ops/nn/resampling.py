"""Padding in every mode, interpolation to another size, and pixels moved between channels and space."""

from __future__ import annotations

import math
from typing import Any

from alight import primitives as p
from alight.dtypes import float32, float64, int64, uint8
from alight.errors import fail, not_implemented, warn
from alight.ir.program import Value as Tensor
from alight.ops.operation import FUNCTIONAL, function, op
from alight.primitives.arithmetic import constant, where
from alight.primitives.gather import Index

Scalar = Any
Ints = Any


def part(x: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """Elements start to stop - 1 along one axis."""
    starts, stops = [0] * x.ndim, list(x.shape)
    starts[axis], stops[axis] = start, stop
    return p.Slice(x, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.ndim)


# -- padding --------------------------------------------------------------------------------------------------------------


@op(functions="", F="pad")
def pad(input: Tensor, pad: Ints, mode: str = "constant", value: Scalar = None) -> Tensor:
    """input with (low, high) places added on each dimension, last dimension first; negative ones are taken off.

    Modes: "constant" (with `value`), "reflect", "replicate", "circular".

    Shapes: any of n dimensions, with 2 n numbers in `pad` or fewer; another mode than "constant"
    pads the last one to three of (n, c, *).
    Errors: RuntimeError for an odd number in `pad`, too many, and reflections as long as the
    extent, and for `value` in another mode.

    >>> import alight as torch
    >>> torch.nn.functional.pad(torch.tensor([1., 2.]), (1, 2), value=9.)
    tensor([9., 1., 2., 9., 9.])
    """
    if len(pad) % 2:
        fail(RuntimeError, "Padding length must be divisible by 2", facts=[f"pad is {pad}"])
    if len(pad) // 2 > input.ndim:
        fail(
            RuntimeError,
            f"Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {input.ndim}",
        )
    pairs = [(input.ndim - 1 - i, pad[2 * i], pad[2 * i + 1]) for i in range(len(pad) // 2)]
    if mode == "constant":
        return _constant_pad(input, pairs, value)
    if value is not None and mode != "constant":
        fail(RuntimeError, f'Padding mode "{mode}" doesn\'t take in value argument')
    rule = {"reflect": _reflect, "replicate": _replicate, "circular": _wrap}.get(mode)
    if rule is None:
        fail(NotImplementedError, f"Unrecognised padding mode {mode}")
    if input.ndim - len(pairs) not in (1, 2):
        fail(
            NotImplementedError,
            "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now",
            facts=[f"the input has {input.ndim} dimensions, {len(pairs)} of them padded"],
            try_="one or two dimensions that are not padded, in front",
        )
    x = input
    if mode == "circular":  # what is taken off is not there to be wrapped around
        for axis, low, high in pairs:
            x = part(x, axis, max(-low, 0), x.shape[axis] - max(-high, 0))
        pairs = [(axis, max(low, 0), max(high, 0)) for axis, low, high in pairs]
    for axis, low, high in pairs:
        x = rule(x, axis, max(low, 0), max(high, 0), input.shape) if low > 0 or high > 0 else x
        x = part(x, axis, max(-low, 0), x.shape[axis] - max(-high, 0))
    return x


def _constant_pad(x: Tensor, pairs: list[tuple[int, int, int]], value: Any) -> Tensor:
    low, high = [0] * x.ndim, [0] * x.ndim
    for axis, before, after in pairs:
        size = x.shape[axis]
        if before + after + size < 0:
            fail(
                RuntimeError,
                f"The input size {size}, plus negative padding {before} and {after}, resulted in a negative output size, "
                f"which is invalid. Check dimension {axis} of your input.",
            )
        start = min(max(-before, 0), size)
        x = part(x, axis, start, max(size - max(-after, 0), start))
        low[axis], high[axis] = max(before, 0), max(after, 0)
    if value is None:
        return p.Pad(x, low=tuple(low), high=tuple(high))
    fill = p.Convert(value, dtype=x.dtype) if isinstance(value, Tensor) else constant(x, value)
    return p.Pad(x, p.Detach(fill), low=tuple(low), high=tuple(high))


def _reflect(x: Tensor, axis: int, low: int, high: int, shape: tuple[int, ...]) -> Tensor:
    size = x.shape[axis]
    if low >= size or high >= size:
        fail(
            RuntimeError,
            f"Argument #{4 + 2 * (len(shape) - 1 - axis)}: Padding size should be less than the corresponding input "
            "dimension, but got: padding "
            f"({low}, {high}) at dimension {axis} of input {list(shape)}",
        )
    before = p.Flip(part(x, axis, 1, low + 1), axes=(axis,))
    after = p.Flip(part(x, axis, size - 1 - high, size - 1), axes=(axis,))
    return p.Concat(before, x, after, axis=axis)


def _replicate(x: Tensor, axis: int, low: int, high: int, shape: tuple[int, ...]) -> Tensor:
    size = x.shape[axis]

    def repeated(edge: Tensor, count: int) -> Tensor:
        return p.Expand(edge, shape=tuple(count if i == axis else n for i, n in enumerate(x.shape)))

    first, last = part(x, axis, 0, 1), part(x, axis, size - 1, size)
    return p.Concat(repeated(first, low), x, repeated(last, high), axis=axis)


def _wrap(x: Tensor, axis: int, low: int, high: int, shape: tuple[int, ...]) -> Tensor:
    size = x.shape[axis]
    if low > size or high > size:
        fail(RuntimeError, "Padding value causes wrapping around more than once.")
    return p.Concat(part(x, axis, size - low, size), x, part(x, axis, 0, high), axis=axis)


# -- interpolation --------------------------------------------------------------------------------------------------------


def _places(like: Tensor, count: int) -> Tensor:
    with like.builder.active():
        return p.Iota(shape=(count,), axis=0, dtype=float64, device=like.type.device)


def _taken(x: Tensor, axis: int, places: Tensor) -> Tensor:
    """The elements of x at whole-numbered float places along an axis, held inside."""
    last = x.shape[axis] - 1
    places = where(places < 0, 0, where(places > last, last, places))
    found = Index(x, p.Convert(places, dtype=int64), axes=(axis,))
    return p.Permute(found, order=(*range(1, axis + 1), 0, *range(axis + 1, x.ndim)))


def _source(like: Tensor, size: int, count: int, scale: float, align: bool) -> Tensor:
    """Where in the input each output place lies."""
    places = _places(like, count)
    if align:
        return places * ((size - 1) / (count - 1) if count > 1 else 0.0)
    return (places + 0.5) * scale - 0.5


def _along(weight: Tensor, x: Tensor, axis: int) -> Tensor:
    shape = tuple(weight.size if i == axis else 1 for i in range(x.ndim))
    return p.Reshape(p.Convert(weight, dtype=x.dtype), shape=shape)


def _linear(x: Tensor, axis: int, count: int, scale: float, align: bool) -> Tensor:
    source = _source(x, x.shape[axis], count, scale, align)
    source = where(source < 0, 0, source)
    low = p.Floor(source)
    share = _along(source - low, x, axis)
    return _taken(x, axis, low) * (1 - share) + _taken(x, axis, low + 1) * share


def _cubic(x: Tensor, axis: int, count: int, scale: float, align: bool) -> Tensor:
    """Cubic convolution with a = -0.75 (Keys 1981)."""
    a = -0.75
    source = _source(x, x.shape[axis], count, scale, align)
    low = p.Floor(source)
    t = source - low
    total = None
    for offset in (-1, 0, 1, 2):
        d = p.Abs(t - offset)
        near = ((a + 2) * d - (a + 3)) * d * d + 1
        far = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        weight = near if offset in (0, 1) else far
        term = _taken(x, axis, low + offset) * _along(weight, x, axis)
        total = term if total is None else total + term
    assert total is not None
    return total


def _nearest(x: Tensor, axis: int, count: int, scale: float, exact: bool) -> Tensor:
    return _taken(x, axis, p.Floor((_places(x, count) + (0.5 if exact else 0.0)) * scale))


@op(functions="")
def _interpolate(input: Tensor, size: Ints, scales: Any, mode: str, align_corners: bool) -> Tensor:
    """Each spatial dimension brought to its size by one rule."""
    x = input
    for i, (count, scale) in enumerate(zip(size, scales, strict=True)):
        axis = 2 + i
        if mode in ("nearest", "nearest-exact"):
            x = _nearest(x, axis, count, scale, mode == "nearest-exact")
        elif mode == "bicubic":
            x = _cubic(x, axis, count, scale, align_corners)
        else:
            x = _linear(x, axis, count, scale, align_corners)
    return x


_RANKS = {"linear": 3, "bilinear": 4, "trilinear": 5, "bicubic": 4}


@function(functions="", F="interpolate upsample")
def interpolate(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None, antialias: bool = False,
) -> Any:  # fmt: skip
    """The spatial dimensions of (n, c, ...) brought to `size`, or multiplied by `scale_factor`.

    Modes: nearest, nearest-exact, linear, bilinear, trilinear, bicubic, area.

    Errors: ValueError for both or neither of size and scale_factor and options that do not fit the
    mode, NotImplementedError for other ranks and modes.

    >>> import alight as torch
    >>> torch.nn.functional.interpolate(torch.tensor([[[1., 2.]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    count = input.dim() - 2
    if mode in ("nearest", "area", "nearest-exact") and 1 <= count <= 3:
        if align_corners is not None:
            fail(
                ValueError,
                "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear",
            )
    elif mode == "lanczos":
        not_implemented("interpolate with mode='lanczos'", "mode='bicubic', antialias=True")
    elif mode not in _RANKS or _RANKS[mode] != input.dim():
        fail(
            NotImplementedError,
            "Input Error: Only 3D, 4D and 5D input Tensors supported (got "
            f"{input.dim()}D) for the modes: nearest | linear | bilinear | bicubic | trilinear | lanczos | area | nearest-exact "
            f"(got {mode})",
        )
    if antialias and not (mode in ("bilinear", "bicubic") and input.dim() == 4):
        fail(
            ValueError,
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input",
        )
    sizes, scales = _target(input.shape[2:], count, size, scale_factor, recompute_scale_factor)
    if mode == "area":
        return FUNCTIONAL[f"adaptive_avg_pool{count}d"](input, sizes)
    if input.dtype is uint8 and mode in ("bilinear", "bicubic"):
        sizes, scales = _target(input.shape[2:], count, size, scale_factor, recompute_scale_factor)
        return _bytes.function(input, sizes, scales, mode, bool(align_corners), antialias)
    if antialias:
        return _smoothed.function(input, sizes, scales, mode, bool(align_corners))
    return _interpolate.function(input, sizes, scales, mode, bool(align_corners))


@op(functions="")
def _smoothed(input: Tensor, size: Ints, scales: Any, mode: str, align_corners: bool) -> Tensor:
    """Bilinear or bicubic resampling whose filter grows with the step, so that no detail is skipped."""
    x = input
    for axis, (count, scale) in enumerate(zip(size, scales, strict=True), x.ndim - len(size)):
        if align_corners and count > 1:
            scale = (x.shape[axis] - 1) / (count - 1)
        weights = _filter_weights(x, x.shape[axis], count, scale, mode)
        moved = p.DotGeneral(x, weights, batch=((), ()), contract=((axis,), (1,)))
        x = p.Permute(moved, order=(*range(axis), x.ndim - 1, *range(axis, x.ndim - 1)))
    return x


@op(functions="")
def _bytes(
    input: Tensor, size: Ints, scales: Any, mode: str, align_corners: bool, antialias: bool
) -> Tensor:
    """Images of bytes: each dimension in turn, the last one first, rounded to bytes after each."""
    x = input
    for axis in (3, 2):
        count, scale, have = size[axis - 2], scales[axis - 2], x.shape[axis]
        if count == have and not antialias:
            continue
        wide = p.Convert(x, dtype=float32)
        if antialias:
            step = (have - 1) / (count - 1) if align_corners and count > 1 else scale
            weights = _filter_weights(wide, have, count, step, mode)
            moved = p.DotGeneral(wide, weights, batch=((), ()), contract=((axis,), (1,)))
            wide = p.Permute(moved, order=(*range(axis), 3, *range(axis, 3)))
        else:
            along = _cubic if mode == "bicubic" else _linear
            wide = along(wide, axis, count, scale, align_corners)
        rounded = p.Floor(wide + 0.5)
        rounded = where(rounded < 0, 0, where(rounded > 255, 255, rounded))
        x = p.Convert(rounded, dtype=uint8)
    return x


def _filter_weights(like: Tensor, have: int, want: int, scale: float, mode: str) -> Tensor:
    """(want, have): how much of each input place goes into an output place."""
    reach = 1.0 if mode == "bilinear" else 2.0
    grow = max(scale, 1.0)
    shape = (want, have)
    with like.builder.active():
        i, j = (
            p.Convert(
                p.Iota(shape=shape, axis=axis, dtype=int64, device=like.type.device),
                dtype=like.dtype,
            )
            for axis in (0, 1)
        )
    centre = (i + 0.5) * scale
    first, last = (p.Trunc(centre + (side * reach * grow + 0.5)) for side in (-1, 1))
    d = p.Abs((j - centre + 0.5) / grow)
    if mode == "bilinear":
        weight = where(d < 1, 1 - d, 0)
    else:  # Keys (1981) with a = -1 / 2
        near = (1.5 * d - 2.5) * d * d + 1
        far = ((-0.5 * d + 2.5) * d - 4) * d + 2
        weight = where(d < 1, near, where(d < 2, far, 0))
    weight = where(p.And(j >= first, j < last), weight, 0)
    total = p.Sum(weight, axes=(1,))
    return weight / p.Expand(p.Reshape(total, shape=(want, 1)), shape=shape)


@function(functions="", F="upsample_nearest")
def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """Older name of interpolate(mode="nearest").

    Shapes: (n, c, *).
    Errors: as interpolate.

    >>> import alight as torch
    >>> torch.nn.functional.upsample_nearest(torch.tensor([[[1., 2.]]]), scale_factor=2)
    tensor([[[1., 1., 2., 2.]]])
    """
    _deprecated("nearest")
    return interpolate(input, size, scale_factor, mode="nearest")


@function(functions="", F="upsample_bilinear")
def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """Older name of interpolate(mode="bilinear", align_corners=True).

    Shapes: (n, c, h, w).
    Errors: as interpolate.

    >>> import alight as torch
    >>> torch.nn.functional.upsample_bilinear(torch.tensor([[[[0., 1.]]]]), size=(1, 3))
    tensor([[[[0.0000, 0.5000, 1.0000]]]])
    """
    _deprecated("bilinear")
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)


def _deprecated(mode: str) -> None:
    warn(
        f"`nn.functional.upsample_{mode}` is deprecated. Use `nn.functional.interpolate` instead.",
        FutureWarning,
    )


def _target(
    spatial: Any, count: int, size: Any, factor: Any, recompute: bool | None
) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """Output extents, and how far apart output places lie in the input."""
    if (size is None) == (factor is None):
        fail(
            ValueError,
            "only one of size or scale_factor should be defined"
            if size is not None
            else "either size or scale_factor should be defined",
            try_="size=(height, width), or scale_factor=2",
        )
    if size is not None:
        sizes = tuple(size) if isinstance(size, (tuple, list)) else (int(size),) * count
        return sizes, tuple(have / want for have, want in zip(spatial, sizes, strict=True))
    factors = tuple(factor) if isinstance(factor, (tuple, list)) else (factor,) * count
    sizes = tuple(math.floor(float(have) * one) for have, one in zip(spatial, factors, strict=True))
    if recompute:
        return sizes, tuple(have / want for have, want in zip(spatial, sizes, strict=True))
    return sizes, tuple(1.0 / float(one) for one in factors)


# -- pixels and channels --------------------------------------------------------------------------------------------------


def _check_spatial(name: str, input: Tensor) -> None:
    if input.ndim < 3:
        fail(
            RuntimeError,
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)",
        )


@op(functions="pixel_shuffle", F="pixel_shuffle")
def pixel_shuffle(input: Tensor, upscale_factor: int) -> Tensor:
    """(*, c r r, h, w) to (*, c, h r, w r) (Shi et al. 2016).

    Errors: RuntimeError where the channels do not divide by r * r, and for fewer than three
    dimensions.

    >>> import alight as torch
    >>> torch.pixel_shuffle(torch.ones(1, 4, 2, 2), 2).shape
    torch.Size([1, 1, 4, 4])
    """
    _check_spatial("pixel_shuffle", input)
    r = upscale_factor
    *lead, c, h, w = input.shape
    if c % (r * r):
        fail(
            RuntimeError,
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, but "
            f"input.size(-3)={c} is not divisible by {r * r}",
        )
    x = p.Reshape(input, shape=(*lead, c // (r * r), r, r, h, w))
    n = len(lead)
    x = p.Permute(x, order=(*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return p.Reshape(x, shape=(*lead, c // (r * r), h * r, w * r))


@op(functions="pixel_unshuffle", F="pixel_unshuffle")
def pixel_unshuffle(input: Tensor, downscale_factor: int) -> Tensor:
    """The inverse of pixel_shuffle: (*, c, h r, w r) to (*, c r r, h, w).

    Errors: RuntimeError where height or width do not divide by r, and for fewer than three
    dimensions.

    >>> import alight as torch
    >>> torch.pixel_unshuffle(torch.arange(4.).reshape(1, 2, 2), 2).flatten()
    tensor([0., 1., 2., 3.])
    """
    _check_spatial("pixel_unshuffle", input)
    r = downscale_factor
    *lead, c, h, w = input.shape
    for extent, name in ((h, "height"), (w, "width")):
        if extent % r:
            fail(
                RuntimeError,
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but input.size("
                f"{-2 if name == 'height' else -1})={extent} is not divisible by {r}",
            )
    x = p.Reshape(input, shape=(*lead, c, h // r, r, w // r, r))
    n = len(lead)
    x = p.Permute(x, order=(*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return p.Reshape(x, shape=(*lead, c * r * r, h // r, w // r))


@op(functions="channel_shuffle", F="channel_shuffle native_channel_shuffle")
def channel_shuffle(input: Tensor, groups: int) -> Tensor:
    """Channels of `groups` groups interleaved (Zhang et al. 2018).

    Shapes: (n, c, *), kept.
    Errors: RuntimeError where groups do not divide c.

    >>> import alight as torch
    >>> torch.channel_shuffle(torch.arange(4.).reshape(1, 4, 1, 1), 2).flatten()
    tensor([0., 2., 1., 3.])
    """
    n, c, *rest = input.shape
    if c % groups:
        fail(
            RuntimeError,
            f"Number of channels must be divisible by groups. Got {c} channels and {groups} groups.",
        )
    x = p.Reshape(input, shape=(n, groups, c // groups, *rest))
    return p.Reshape(p.Permute(x, order=(0, 2, 1, *range(3, x.ndim))), shape=input.shape)
