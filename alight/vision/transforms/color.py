"""Colours of one image: torchvision's functions, on pictures by Pillow, on tensors by their formulas.

In: a PIL picture, or a tensor (..., c, h, w) with 1 or 3 channels. Out: the same kind of image.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np

import alight
from alight.dtypes import dtype as Dtype
from alight.errors import fail
from alight.vision import pictures
from alight.vision.transforms.images import (
    Array,
    array_of,
    as_before,
    as_floats,
    get_dimensions,
    highest,
    is_picture,
    tensor_of,
)

LUMA = np.array([0.2989, 0.587, 0.114], np.float32)  # ITU-R BT.601, as torchvision rounds it


def _enhanced(img: Any, kind: str, factor: float) -> Any:
    return getattr(import_module("PIL.ImageEnhance"), kind)(img).enhance(factor)


def _operated(img: Any, name: str, *args: Any) -> Any:
    return getattr(import_module("PIL.ImageOps"), name)(img, *args)


def _blended(image: Array, other: Array, ratio: float) -> Array:
    top = highest(image.dtype)
    mixed = np.float32(ratio) * as_floats(image) + np.float32(1.0 - ratio) * as_floats(other)
    return np.clip(mixed, 0, top).astype(image.dtype)


def _grey(image: Array) -> Array:
    """(..., 1, h, w) of the same dtype."""
    if image.shape[-3] == 1:
        return image
    r, g, b = (as_floats(image[..., channel, :, :]) for channel in range(3))
    luma = LUMA[0] * r + LUMA[1] * g + LUMA[2] * b
    return np.expand_dims(luma.astype(image.dtype), -3)


def _check_factor(name: str, factor: float) -> None:
    if factor < 0:
        fail(ValueError, f"{name} ({factor}) is not non-negative.")


def adjust_brightness(img: Any, brightness_factor: float) -> Any:
    """An image (*, c, h, w) or picture with its brightness times a factor: 0 gives black, 1 the
    image.

    ValueError for a negative factor.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.adjust_brightness(torch.full((1, 1, 2), 0.25), 2.0)
    tensor([[[0.5000, 0.5000]]])
    """
    if is_picture(img):
        return _enhanced(img, "Brightness", brightness_factor)
    _check_factor("brightness_factor", brightness_factor)
    image = array_of(img)
    return tensor_of(_blended(image, np.zeros_like(image), brightness_factor))


def adjust_contrast(img: Any, contrast_factor: float) -> Any:
    """An image (*, c, h, w) or picture with another contrast: 0 gives an even grey, 1 the image.

    ValueError for a negative factor.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.adjust_contrast(torch.tensor([[[0.25, 0.75]]]), 0.5)
    tensor([[[0.3750, 0.6250]]])
    """
    if is_picture(img):
        return _enhanced(img, "Contrast", contrast_factor)
    _check_factor("contrast_factor", contrast_factor)
    image = array_of(img)
    mean = as_floats(_grey(image)).mean(axis=(-3, -2, -1), keepdims=True)
    return tensor_of(_blended(image, mean, contrast_factor))


def adjust_saturation(img: Any, saturation_factor: float) -> Any:
    """An image (*, c, h, w) or picture with other colours: 0 gives grey, 1 the image, 2 stronger
    ones.

    ValueError for a negative factor.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.adjust_saturation(torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1), 0.0).flatten()
    tensor([0.2989, 0.2989, 0.2989])
    """
    if is_picture(img):
        return _enhanced(img, "Color", saturation_factor)
    _check_factor("saturation_factor", saturation_factor)
    image = array_of(img)
    if image.shape[-3] == 1:
        return img
    return tensor_of(_blended(image, _grey(image), saturation_factor))


def adjust_sharpness(img: Any, sharpness_factor: float) -> Any:
    """An image (*, c, h, w) or picture, sharper or not: 0 gives a blurred image, 1 the image, 2 a
    sharper one.

    ValueError for a negative factor.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.adjust_sharpness(torch.ones(1, 4, 4), 2.0).shape
    torch.Size([1, 4, 4])
    """
    if is_picture(img):
        return _enhanced(img, "Sharpness", sharpness_factor)
    _check_factor("sharpness_factor", sharpness_factor)
    image = array_of(img)
    if min(image.shape[-2:]) <= 2:
        return img
    return tensor_of(_blended(image, _smoothed(image), sharpness_factor))


def _smoothed(image: Array) -> Array:
    """Each inner pixel as the mean of its neighbours, itself counting five times."""
    values = as_floats(image)
    height, width = image.shape[-2] - 2, image.shape[-1] - 2
    total = np.zeros((*image.shape[:-2], height, width), values.dtype)
    for top in range(3):
        for left in range(3):
            weight = values.dtype.type((5.0 if top == left == 1 else 1.0) / 13.0)
            total += weight * values[..., top : top + height, left : left + width]
    done = image.copy()
    done[..., 1:-1, 1:-1] = as_before(total, image.dtype)
    return done


def adjust_hue(img: Any, hue_factor: float) -> Any:
    """Hues moved round the circle by `hue_factor` of it, from -0.5 to 0.5; ValueError outside.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> red = torch.tensor([1.0, 0.0, 0.0]).reshape(3, 1, 1)
    >>> functional.adjust_hue(red, 0.5).flatten()
    tensor([0., 1., 1.])
    """
    if not -0.5 <= hue_factor <= 0.5:
        fail(ValueError, f"hue_factor ({hue_factor}) is not in [-0.5, 0.5].")
    if is_picture(img):
        if img.mode in {"L", "1", "I", "F"}:
            return img
        h, s, v = img.convert("HSV").split()
        moved = np.array(h, np.uint8) + np.array(hue_factor * 255).astype(np.int32).astype(np.uint8)
        hue = pictures.pillow().fromarray(moved.astype(np.uint8), "L")
        return pictures.pillow().merge("HSV", (hue, s, v)).convert(img.mode)
    if get_dimensions(img)[0] == 1:
        return img
    image = array_of(img)
    floats = _converted(image, np.dtype(image.dtype if image.dtype.kind == "f" else np.float32))
    hue, saturation, value = _hsv(floats)
    moved = _rgb((hue + np.float32(hue_factor)) % 1.0, saturation, value)
    return tensor_of(_converted(moved.astype(floats.dtype), image.dtype))


def _hsv(image: Array) -> tuple[Array, Array, Array]:
    """Hue, saturation and value, each from 0 to 1 (Smith 1978)."""
    r, g, b = (image[..., channel, :, :] for channel in range(3))
    top, low = image.max(axis=-3), image.min(axis=-3)
    span = top - low
    flat = top == low
    divisor = np.where(flat, 1, span)
    saturation = span / np.where(flat, 1, top)
    rc, gc, bc = ((top - channel) / divisor for channel in (r, g, b))
    hue = np.where(top == r, bc - gc, 0)
    hue = hue + np.where((top == g) & (top != r), 2.0 + rc - bc, 0)
    hue = hue + np.where((top != g) & (top != r), 4.0 + gc - rc, 0)
    return np.fmod(hue.astype(image.dtype) / image.dtype.type(6) + 1, 1.0), saturation, top


def _rgb(hue: Array, saturation: Array, value: Array) -> Array:
    """Colours of hues, saturations and values."""
    one = value.dtype.type(1)
    sector = np.floor(hue * 6)
    part = hue * 6 - sector
    p = np.clip(value * (one - saturation), 0, 1)
    q = np.clip(value * (one - saturation * part), 0, 1)
    t = np.clip(value * (one - saturation * (one - part)), 0, 1)
    at = sector.astype(np.int32) % 6
    planes = (
        (value, q, p, p, t, value),
        (t, value, value, q, p, p),
        (p, p, t, value, value, q),
    )
    return np.stack([np.choose(at, plane) for plane in planes], axis=-3)


def adjust_gamma(img: Any, gamma: float, gain: float = 1) -> Any:
    """`gain * value ** gamma`, values counted from 0 to 1; ValueError for a negative gamma.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.adjust_gamma(torch.full((1, 1, 1), 0.5), 2.0)
    tensor([[[0.2500]]])
    """
    if gamma < 0:
        fail(ValueError, "Gamma should be a non-negative real number")
    if is_picture(img):
        table = [(255 + 1 - 1e-3) * gain * pow(value / 255.0, gamma) for value in range(256)]
        mode = img.mode
        plain = img.convert("RGB")
        return plain.point([int(min(max(value, 0), 255)) for value in table] * 3).convert(mode)
    image = array_of(img)
    floats = _converted(image, np.dtype(image.dtype if image.dtype.kind == "f" else np.float32))
    curved = np.clip(floats.dtype.type(gain) * floats ** floats.dtype.type(gamma), 0, 1)
    return tensor_of(_converted(curved, image.dtype))


def to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """A picture in grey, in one channel or in three equal ones; TypeError for a tensor.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> picture = functional.to_pil_image(torch.zeros(3, 2, 4))
    >>> functional.to_grayscale(picture).mode
    'L'
    """
    if not is_picture(img):
        fail(TypeError, f"Input should be PIL Image. Got {type(img)}", try_="rgb_to_grayscale")
    if num_output_channels not in (1, 3):
        fail(ValueError, "num_output_channels should be either 1 or 3")
    grey = img.convert("L")
    return grey if num_output_channels == 1 else pictures.pillow().merge("RGB", (grey,) * 3)


def rgb_to_grayscale(img: Any, num_output_channels: int = 1) -> Any:
    """An image (*, 3, h, w) or picture in grey, in one channel or in three equal ones.

    0.2989 red + 0.587 green + 0.114 blue. ValueError for another number of channels.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.rgb_to_grayscale(torch.ones(3, 2, 4)).shape
    torch.Size([1, 2, 4])
    """
    if is_picture(img):
        return to_grayscale(img, num_output_channels)
    if num_output_channels not in (1, 3):
        fail(ValueError, "num_output_channels should be either 1 or 3")
    return tensor_of(np.repeat(_grey(array_of(img)), num_output_channels, axis=-3))


def invert(img: Any) -> Any:
    """White for black.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.invert(torch.tensor([[[0, 255]]], dtype=torch.uint8))
    tensor([[[255,   0]]], dtype=torch.uint8)
    """
    if is_picture(img):
        return _operated(img, "invert")
    return tensor_of(_inverted(array_of(img)))


def _inverted(image: Array) -> Array:
    return (image.dtype.type(highest(image.dtype)) - image).astype(image.dtype)


def posterize(img: Any, bits: int) -> Any:
    """The `bits` highest bits of each 8-bit value; TypeError for another dtype.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.posterize(torch.tensor([[[200, 100]]], dtype=torch.uint8), bits=1)
    tensor([[[128,   0]]], dtype=torch.uint8)
    """
    if not 0 <= bits <= 8:
        fail(ValueError, f"The number if bits should be between 0 and 8. Got {bits}")
    if is_picture(img):
        return _operated(img, "posterize", bits)
    if img.dtype is not alight.uint8:
        fail(TypeError, f"Only torch.uint8 image tensors are supported, but found {img.dtype}")
    return tensor_of(array_of(img) & np.uint8((0xFF00 >> bits) & 0xFF))


def solarize(img: Any, threshold: float) -> Any:
    """Values from `threshold` up inverted.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.solarize(torch.tensor([[[200, 100]]], dtype=torch.uint8), 128)
    tensor([[[ 55, 100]]], dtype=torch.uint8)
    """
    if is_picture(img):
        return _operated(img, "solarize", threshold)
    image = array_of(img)
    if threshold > highest(image.dtype):
        fail(TypeError, "Threshold should be less than bound of img.")
    return tensor_of(np.where(image >= threshold, _inverted(image), image))


def autocontrast(img: Any) -> Any:
    """Each channel stretched from black to white.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.autocontrast(torch.tensor([[[0.25, 0.5, 0.75]]]))
    tensor([[[0.0000, 0.5000, 1.0000]]])
    """
    if is_picture(img):
        return _operated(img, "autocontrast")
    image = array_of(img)
    top, floats = highest(image.dtype), as_floats(image)
    low, high = floats.min(axis=(-2, -1), keepdims=True), floats.max(axis=(-2, -1), keepdims=True)
    flat = low == high
    scale = np.where(flat, 1, top / np.where(flat, 1, high - low)).astype(floats.dtype)
    stretched = np.clip((floats - np.where(flat, 0, low)) * scale, 0, top)
    return tensor_of(stretched.astype(image.dtype))


def equalize(img: Any) -> Any:
    """8-bit values spread so that each is about as common as the others; TypeError for another
    dtype.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.equalize(torch.tensor([[[100, 101, 102]]], dtype=torch.uint8))
    tensor([[[100, 101, 102]]], dtype=torch.uint8)
    """
    if is_picture(img):
        return _operated(img, "equalize")
    if img.dtype is not alight.uint8:
        fail(TypeError, f"Only torch.uint8 image tensors are supported, but found {img.dtype}")
    image = array_of(img)
    planes = image.reshape(-1, *image.shape[-2:])
    return tensor_of(np.stack([_equalized(plane) for plane in planes]).reshape(image.shape))


def _equalized(plane: Array) -> Array:
    counts = np.bincount(plane.reshape(-1), minlength=256)
    present = counts[counts != 0]
    step = int(present[:-1].sum()) // 255
    if step == 0:
        return plane
    table = (np.cumsum(counts) + step // 2) // step
    table = np.clip(np.concatenate([[0], table[:-1]]), 0, 255)
    return table[plane].astype(np.uint8)


def convert_image_dtype(image: Any, dtype: Dtype = alight.float32) -> Any:
    """A tensor of another dtype, its values scaled: white stays white.

    RuntimeError where the old values cannot be told apart in the new dtype.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.convert_image_dtype(torch.tensor([0.0, 1.0]), torch.uint8)
    tensor([  0, 255], dtype=torch.uint8)
    """
    if image.dtype is dtype:
        return image
    wide = (
        (alight.float32, alight.int32),
        (alight.float32, alight.int64),
        (alight.float64, alight.int64),
    )
    if (image.dtype, dtype) in wide:
        fail(RuntimeError, f"The cast from {image.dtype} to {dtype} cannot be performed safely.")
    target = alight.empty(0, dtype=dtype).numpy().dtype
    return tensor_of(_converted(array_of(image), target))


def _converted(image: Array, target: np.dtype[Any]) -> Array:
    source = image.dtype
    if source == target:
        return image
    if source.kind == "f":
        if target.kind == "f":
            return image.astype(target)
        return (image * source.type(highest(target) + 1.0 - 1e-3)).astype(target)
    if target.kind == "f":
        return image.astype(target) / target.type(highest(source))
    ratio = (int(highest(source)) + 1) / (int(highest(target)) + 1)
    if ratio > 1:
        return (image // source.type(int(ratio))).astype(target)
    return image.astype(target) * target.type(int(1 / ratio))


__all__ = [
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "autocontrast",
    "convert_image_dtype",
    "equalize",
    "invert",
    "posterize",
    "rgb_to_grayscale",
    "solarize",
    "to_grayscale",
]
