"""Places of one image's pixels: cutting, scaling, turning, blurring; torchvision's functions.

In: a PIL picture, or a tensor (..., c, h, w). Out: the same kind of image. Pictures go through Pillow; tensors are
sampled at the places where torchvision samples them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

import alight
from alight.errors import fail
from alight.vision import pictures
from alight.vision.transforms.images import (
    Array,
    InterpolationMode,
    array_of,
    as_before,
    as_floats,
    get_dimensions,
    is_picture,
    mode_name,
    on_arrays,
    tensor_of,
)

NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR
KEYS = {
    False: -0.75,
    True: -0.5,
}  # the cubic's parameter: PyTorch's own, and with antialiasing Pillow's


def hflip(img: Any) -> Any:
    """Left and right exchanged: the last dimension of a tensor.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.hflip(torch.tensor([[[1, 2]]]))
    tensor([[[2, 1]]])
    """
    return on_arrays(img, lambda image: np.flip(image, -1))


def vflip(img: Any) -> Any:
    """Top and bottom exchanged: the last dimension but one of a tensor.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.vflip(torch.tensor([[[1], [2]]])).flatten()
    tensor([2, 1])
    """
    return on_arrays(img, lambda image: np.flip(image, -2))


def crop(img: Any, top: int, left: int, height: int, width: int) -> Any:
    """A window (height, width) of an image; black where it lies outside.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.crop(torch.arange(4.).reshape(1, 2, 2), top=1, left=0, height=1, width=3)
    tensor([[[2., 3., 0.]]])
    """
    if is_picture(img):
        return img.crop((left, top, left + width, top + height))
    _, h, w = get_dimensions(img)
    image = array_of(img)
    inside = image[..., max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    before, after = (
        (max(-top, 0), max(-left, 0)),
        (max(top + height - h, 0), max(left + width - w, 0)),
    )
    if not any(before + after):
        return tensor_of(inside.copy())
    widths = [(0, 0)] * (image.ndim - 2) + list(zip(before, after, strict=True))
    return tensor_of(np.pad(inside, widths))


# -- scaling


def resized_size(
    height: int, width: int, size: Any, max_size: int | None = None
) -> tuple[int, int]:
    """The height and width that `size` means: both, or the shorter side with the longer one in proportion."""
    sides = (size,) if isinstance(size, int) else tuple(size)
    if len(sides) == 2:
        if max_size is not None:
            fail(
                ValueError,
                "max_size should only be passed if size specifies the length of the smaller edge, "
                "i.e. size should be an int or a sequence of length 1 in torchscript mode.",
            )
        return int(sides[0]), int(sides[1])
    if len(sides) != 1:
        fail(ValueError, "If size is a sequence, it should have 1 or 2 values")
    short, long = min(height, width), max(height, width)
    new_short, new_long = int(sides[0]), int(sides[0] * long / short)
    if max_size is not None:
        if max_size <= sides[0]:
            fail(
                ValueError,
                f"max_size = {max_size} must be strictly greater than the requested size for the smaller edge "
                f"size = {size}",
            )
        if new_long > max_size:
            new_short, new_long = int(max_size * new_short / new_long), max_size
    return (new_short, new_long) if height <= width else (new_long, new_short)


def resize(
    img: Any,
    size: Any,
    interpolation: Any = BILINEAR,
    max_size: int | None = None,
    antialias: bool | None = True,
) -> Any:
    """An image (*, h, w) scaled to `size` = (h, w), or to a shorter side of that length.

    max_size bounds the longer side; antialias averages where the image shrinks. ValueError for
    a size of more than two numbers.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.resize(torch.ones(3, 4, 8), 2).shape
    torch.Size([3, 2, 4])
    """
    _, height, width = get_dimensions(img)
    wanted = resized_size(height, width, size, max_size)
    if wanted == (height, width):
        return img
    mode = mode_name(interpolation)
    if is_picture(img):
        method = getattr(pictures.pillow().Resampling, pictures.RESAMPLING[mode])
        return img.resize(wanted[::-1], method)
    return tensor_of(scaled(array_of(img), wanted, mode, bool(antialias)))


def scaled(image: Array, size: tuple[int, int], mode: str, antialias: bool) -> Array:
    """(..., h, w) scaled to `size`, in its own dtype."""
    if mode not in ("nearest", "nearest-exact", "bilinear", "bicubic"):
        fail(ValueError, "This Interpolation mode is unsupported with Tensor input")
    height, width = image.shape[-2:]
    if mode.startswith("nearest"):
        shift = 0.5 if mode == "nearest-exact" else 0.0
        rows, columns = (
            np.minimum(((np.arange(new) + shift) * (old / new)).astype(np.int64), old - 1)
            for old, new in ((height, size[0]), (width, size[1]))
        )
        return image[..., rows[:, None], columns]
    values = as_floats(image)
    down, across = (
        resampling_matrix(old, new, mode, antialias).astype(values.dtype)
        for old, new in ((height, size[0]), (width, size[1]))
    )
    found = down @ (values @ across.T)
    if mode == "bicubic" and image.dtype == np.uint8:
        found = np.clip(found, 0, 255)
    return as_before(found, image.dtype)


def resampling_matrix(old: int, new: int, mode: str, antialias: bool) -> Array:
    """The (new, old) weights with which old pixels make new ones along one axis.

    With antialiasing the filter is as wide as a new pixel (torch/nn/functional.py's `antialias`, Pillow's way).
    """
    scale = old / new
    stretch = max(scale, 1.0) if antialias else 1.0
    centre = (np.arange(new) + 0.5) * scale
    if not antialias:
        places = centre - 0.5 if mode == "bicubic" else np.maximum(centre - 0.5, 0)
        return _clamped_weights(places, old, mode)
    radius = (1.0 if mode == "bilinear" else 2.0) * stretch
    first = np.maximum((centre - radius + 0.5).astype(np.int64), 0)
    last = np.minimum((centre + radius + 0.5).astype(np.int64), old)
    at = np.arange(old)
    weights = _filter((at - centre[:, None] + 0.5) / stretch, mode, antialias)
    weights = np.where((at >= first[:, None]) & (at < last[:, None]), weights, 0)
    return weights / weights.sum(axis=1, keepdims=True)


def _clamped_weights(places: Array, old: int, mode: str) -> Array:
    """Weights at `places`; pixels beyond the edge are the edge's."""
    reach = (0, 1) if mode == "bilinear" else (-1, 0, 1, 2)
    base = np.floor(places).astype(np.int64)
    weights = np.zeros((len(places), old))
    for step in reach:
        part = _filter(base + step - places, mode, False)
        np.add.at(weights, (np.arange(len(places)), np.clip(base + step, 0, old - 1)), part)
    return weights


def _filter(x: Array, mode: str, antialias: bool) -> Array:
    """The triangle, or the cubic of Keys (1981)."""
    x = np.abs(x)
    if mode == "bilinear":
        return np.maximum(1 - x, 0)
    a = KEYS[antialias]
    inner = ((a + 2) * x - (a + 3)) * x * x + 1
    outer = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, inner, np.where(x < 2, outer, 0))


def resized_crop(
    img: Any,
    top: int,
    left: int,
    height: int,
    width: int,
    size: Any,
    interpolation: Any = BILINEAR,
    antialias: bool | None = True,
) -> Any:
    """A window of an image, scaled to `size`.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.resized_crop(torch.ones(3, 8, 8), 0, 0, 4, 4, size=[2, 2]).shape
    torch.Size([3, 2, 2])
    """
    return resize(crop(img, top, left, height, width), size, interpolation, None, antialias)


# -- turning


def _inverse_affine(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
) -> list[float]:
    """From places in the result to places in the image: the inverse of moving, turning, scaling and shearing."""
    turn, sx, sy = math.radians(angle), math.radians(shear[0]), math.radians(shear[1])
    cx, cy = center
    tx, ty = translate
    a = math.cos(turn - sy) / math.cos(sy)
    b = -math.cos(turn - sy) * math.tan(sx) / math.cos(sy) - math.sin(turn)
    c = math.sin(turn - sy) / math.cos(sy)
    d = -math.sin(turn - sy) * math.tan(sx) / math.cos(sy) + math.cos(turn)
    m = [value / scale for value in (d, -b, 0.0, -c, a, 0.0)]
    m[2] += m[0] * (-cx - tx) + m[1] * (-cy - ty) + cx
    m[5] += m[3] * (-cx - tx) + m[4] * (-cy - ty) + cy
    return m


def affine_matrix(
    center: Sequence[float],
    angle: float,
    translate: Sequence[float],
    scale: float,
    shear: Sequence[float],
) -> list[float]:
    """From places in the image to places in the result: what `_inverse_affine` inverts."""
    inverse = np.array([*_inverse_affine(center, angle, translate, scale, shear), 0.0, 0.0, 1.0])
    return [float(one) for one in np.linalg.inv(inverse.reshape(3, 3)).reshape(-1)[:6]]


def affine(
    img: Any,
    angle: float,
    translate: Sequence[int],
    scale: float,
    shear: Any,
    interpolation: Any = NEAREST,
    fill: Any = None,
    center: Sequence[int] | None = None,
) -> Any:
    """An image turned by `angle` degrees, moved by `translate` pixels, scaled and sheared about
    its centre.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.affine(torch.tensor([[[1., 2., 3.]]]), 0, [1, 0], 1.0, [0.0])
    tensor([[[0., 1., 2.]]])
    """
    if scale <= 0.0:
        fail(ValueError, "Argument scale should be positive")
    shears = [float(shear), 0.0] if isinstance(shear, int | float) else [float(s) for s in shear]
    shears = shears * 2 if len(shears) == 1 else shears
    _, height, width = get_dimensions(img)
    if is_picture(img):
        middle = [width * 0.5, height * 0.5] if center is None else center
        matrix = _inverse_affine(middle, angle, translate, scale, shears)
        return _transformed(img, (width, height), "AFFINE", matrix, interpolation, fill)
    middle = [0.0, 0.0] if center is None else [center[0] - width * 0.5, center[1] - height * 0.5]
    matrix = _inverse_affine(middle, angle, translate, scale, shears)
    return _sampled(
        img, _affine_grid(matrix, (height, width), (height, width)), interpolation, fill
    )


def rotate(
    img: Any,
    angle: float,
    interpolation: Any = NEAREST,
    expand: bool = False,
    center: Sequence[int] | None = None,
    fill: Any = None,
) -> Any:
    """An image turned by `angle` degrees, counter-clockwise; with `expand` it grows so that all of
    it is seen.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.rotate(torch.tensor([[[1., 2.], [3., 4.]]]), 90)
    tensor([[[2., 4.],
             [1., 3.]]])
    """
    if is_picture(img):
        method = getattr(
            pictures.pillow().Resampling, pictures.RESAMPLING[mode_name(interpolation)]
        )
        return img.rotate(angle, method, expand, center, fillcolor=_picture_fill(img, fill))
    _, height, width = get_dimensions(img)
    middle = [0.0, 0.0] if center is None else [center[0] - width * 0.5, center[1] - height * 0.5]
    matrix = _inverse_affine(middle, -angle, [0.0, 0.0], 1.0, [0.0, 0.0])
    size = _frame(matrix, height, width) if expand else (height, width)
    return _sampled(img, _affine_grid(matrix, (height, width), size), interpolation, fill)


def _frame(matrix: Sequence[float], height: int, width: int) -> tuple[int, int]:
    """Height and width of the frame that holds a turned image."""
    corners = np.array(
        [[-width, -height, 2.0], [-width, height, 2.0], [width, height, 2.0], [width, -height, 2.0]]
    )
    moved = corners * 0.5 @ np.array(matrix, np.float64).reshape(2, 3).T
    half = np.array([width, height]) * 0.5
    low, high = moved.min(axis=0) + half, moved.max(axis=0) + half
    tolerance = 1e-4
    high = np.ceil(np.trunc(high / tolerance) * tolerance)
    low = np.floor(np.trunc(low / tolerance) * tolerance)
    across, down = (high - low).astype(int).tolist()
    return down, across


def _affine_grid(matrix: Sequence[float], old: tuple[int, int], new: tuple[int, int]) -> Array:
    """For each new pixel its place in the old image, (h, w, 2), in half widths from the middle."""
    x = np.linspace(-new[1] * 0.5 + 0.5, new[1] * 0.5 - 0.5, new[1], dtype=np.float32)
    y = np.linspace(-new[0] * 0.5 + 0.5, new[0] * 0.5 - 0.5, new[0], dtype=np.float32)
    theta: Array = np.array(matrix, np.float32).reshape(2, 3).T
    theta = theta / np.array([0.5 * old[1], 0.5 * old[0]], np.float32)
    base = np.stack([*np.meshgrid(x, y), np.ones((len(y), len(x)), np.float32)], axis=-1)
    return base @ theta


def _transformed(
    img: Any, size: tuple[int, int], kind: str, data: Sequence[float], interpolation: Any, fill: Any
) -> Any:
    image_module = pictures.pillow()
    method = getattr(image_module.Resampling, pictures.RESAMPLING[mode_name(interpolation)])
    how = getattr(image_module.Transform, kind)
    return img.transform(size, how, data, method, fillcolor=_picture_fill(img, fill))


def _picture_fill(img: Any, fill: Any) -> Any:
    """A fill colour as Pillow wants it: a number, or one number for each band."""
    bands = len(img.getbands())
    if fill is None:
        fill = 0
    if isinstance(fill, int | float) and bands > 1:
        return tuple([int(fill)] * bands)
    if isinstance(fill, int | float):
        return fill
    values = tuple(int(value) for value in fill)
    return values * bands if len(values) == 1 and bands > 1 else values


def perspective(
    img: Any,
    startpoints: Sequence[Sequence[int]],
    endpoints: Sequence[Sequence[int]],
    interpolation: Any = BILINEAR,
    fill: Any = None,
) -> Any:
    """An image seen so that its `startpoints` come to lie on the `endpoints`, four corners [x, y]
    each.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> corners = [[0, 0], [3, 0], [3, 3], [0, 3]]
    >>> functional.perspective(torch.ones(1, 4, 4), corners, corners).shape
    torch.Size([1, 4, 4])
    """
    rows = []
    for (ex, ey), (sx, sy) in zip(endpoints, startpoints, strict=True):
        rows.append([ex, ey, 1, 0, 0, 0, -sx * ex, -sx * ey])
        rows.append([0, 0, 0, ex, ey, 1, -sy * ex, -sy * ey])
    wanted = np.array(startpoints, np.float64).reshape(8)
    found = np.linalg.lstsq(np.array(rows, np.float64), wanted, rcond=None)[0].astype(np.float32)
    if is_picture(img):
        return _transformed(img, img.size, "PERSPECTIVE", found.tolist(), interpolation, fill)
    _, height, width = get_dimensions(img)
    x = np.arange(width, dtype=np.float32) + 0.5
    y = np.arange(height, dtype=np.float32) + 0.5
    base = np.stack([*np.meshgrid(x, y), np.ones((height, width), np.float32)], axis=-1)
    above = found[:6].reshape(2, 3).T / np.array([0.5 * width, 0.5 * height], np.float32)
    below = np.array([found[6], found[7], 1.0], np.float32)
    return _sampled(img, base @ above / (base @ below)[..., None] - 1, interpolation, fill)


def _sampled(img: Any, grid: Array, interpolation: Any, fill: Any) -> Any:
    """A tensor's values at the places of `grid`; `fill`, or black, outside."""
    image = array_of(img)
    values = as_floats(image)
    values = values.reshape(-1, *values.shape[-3:]) if values.ndim > 2 else values[None, None]
    if fill is not None:
        values = np.concatenate([values, np.ones_like(values[:, :1])], axis=1)
    nearest = mode_name(interpolation) == "nearest"
    if not nearest and mode_name(interpolation) != "bilinear":
        fail(ValueError, "This Interpolation mode is unsupported with Tensor input")
    found = _at(values, grid, nearest)
    if fill is not None:
        found, mask = found[:, :-1], found[:, -1:]
        colours = np.array([fill] if isinstance(fill, int | float) else fill, values.dtype)
        colours = colours.reshape(1, -1, 1, 1)
        found = (
            np.where(mask < 0.5, colours, found) if nearest else found * mask + (1 - mask) * colours
        )
    shape = (*image.shape[:-2], *grid.shape[:2])
    return tensor_of(as_before(found, image.dtype).reshape(shape))


def elastic_transform(
    img: Any, displacement: Any, interpolation: Any = BILINEAR, fill: Any = None
) -> Any:
    """An image with each pixel taken from a place that `displacement` (1, h, w, 2), in half sizes,
    is away.

    ValueError for a displacement of another shape.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.elastic_transform(torch.tensor([[[1., 2.]]]), torch.zeros(1, 1, 2, 2))
    tensor([[[1., 2.]]])
    """
    _, height, width = get_dimensions(img)
    if tuple(displacement.shape) != (1, height, width, 2):
        fail(
            ValueError,
            f"Argument displacement shape should be {(1, height, width, 2)}, but given {tuple(displacement.shape)}",
        )
    x, y = (np.linspace((1 - n) / n, (n - 1) / n, n, dtype=np.float32) for n in (width, height))
    grid = np.stack(np.meshgrid(x, y), axis=-1) + displacement.detach().numpy()[0]
    return on_arrays(
        img, lambda image: array_of(_sampled(tensor_of(image), grid, interpolation, fill))
    )


def _at(values: Array, grid: Array, nearest: bool) -> Array:
    """`values` (n, c, h, w) at places counted in half widths from the middle; zero outside."""
    height, width = values.shape[-2:]
    x = ((grid[..., 0] + 1) * width - 1) / 2
    y = ((grid[..., 1] + 1) * height - 1) / 2
    if nearest:
        return _pixels(values, np.rint(y).astype(np.int64), np.rint(x).astype(np.int64))
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    right, below = (x - left).astype(values.dtype), (y - top).astype(values.dtype)
    return (
        _pixels(values, top, left) * (1 - right) * (1 - below)
        + _pixels(values, top, left + 1) * right * (1 - below)
        + _pixels(values, top + 1, left) * (1 - right) * below
        + _pixels(values, top + 1, left + 1) * right * below
    )


def _pixels(values: Array, rows: Array, columns: Array) -> Array:
    height, width = values.shape[-2:]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    found = values[..., np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
    return found * inside


# -- blurring and erasing


def gaussian_blur(img: Any, kernel_size: Any, sigma: Any = None) -> Any:
    """An image blurred by a Gaussian of `sigma` pixels, cut off at `kernel_size`; edges are
    mirrored.

    ValueError where kernel_size is not odd and positive.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.gaussian_blur(torch.ones(1, 5, 5), kernel_size=3)[0, 0, 0]
    tensor(1.)
    """
    sizes = [kernel_size] * 2 if isinstance(kernel_size, int) else list(kernel_size)
    if len(sizes) != 2:
        fail(ValueError, f"If kernel_size is a sequence its length should be 2. Got {len(sizes)}")
    if any(size % 2 == 0 or size < 0 for size in sizes):
        fail(ValueError, f"kernel_size should have odd and positive integers. Got {kernel_size}")
    if sigma is None:
        sigma = [size * 0.15 + 0.35 for size in sizes]
    sigmas = [float(sigma)] * 2 if isinstance(sigma, int | float) else [float(s) for s in sigma]
    sigmas = sigmas * 2 if len(sigmas) == 1 else sigmas
    if any(s <= 0.0 for s in sigmas):
        fail(ValueError, f"sigma should have positive values. Got {sigma}")
    return on_arrays(img, lambda image: _blurred(image, sizes, sigmas))


def _blurred(image: Array, sizes: list[int], sigmas: list[float]) -> Array:
    values = as_floats(image)
    across, down = (
        _gaussian(n, s).astype(values.dtype) for n, s in zip(sizes, sigmas, strict=True)
    )
    wide, high = sizes[0] // 2, sizes[1] // 2
    edges = [(0, 0)] * (values.ndim - 2) + [(high, high), (wide, wide)]
    padded = np.pad(values, edges, mode="reflect")
    height, width = values.shape[-2:]
    rows = sum(weight * padded[..., at : at + height, :] for at, weight in enumerate(down))
    found = sum(weight * rows[..., at : at + width] for at, weight in enumerate(across))  # type: ignore[call-overload]
    return as_before(np.asarray(found), image.dtype)


def _gaussian(size: int, sigma: float) -> Array:
    half = (size - 1) * 0.5
    weights = np.exp(-0.5 * (np.linspace(-half, half, size) / sigma) ** 2)
    return weights / weights.sum()


def erase(img: Any, i: int, j: int, h: int, w: int, v: Any, inplace: bool = False) -> Any:
    """A tensor with the values `v` in the window of height h and width w at row i, column j.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.erase(torch.ones(1, 2, 2), 0, 0, 1, 1, torch.tensor(0.0))
    tensor([[[0., 1.],
             [1., 1.]]])
    """
    if not isinstance(img, alight.Tensor):
        fail(TypeError, f"img should be Tensor Image. Got {type(img)}")
    img = img if inplace else img.clone()
    img[..., i : i + h, j : j + w] = v
    return img
