"""Pictures: between PIL images, arrays and tensors.

In: one image in any of the three forms. Out: the same image in another. Pillow is loaded when a picture is met.
The invariant: values are not scaled here, except that a float tensor from 0 to 1 becomes an 8-bit picture.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

import alight
from alight.errors import fail

Array = np.ndarray[Any, Any]

RESAMPLING = {
    "nearest": "NEAREST",
    "bilinear": "BILINEAR",
    "bicubic": "BICUBIC",
    "box": "BOX",
    "hamming": "HAMMING",
    "lanczos": "LANCZOS",
}


def pillow() -> Any:
    """Pillow's Image module; an error that says how to get it where it is absent."""
    try:
        from PIL import Image
    except ImportError:
        fail(
            ImportError,
            "a PIL picture needs Pillow, which is not installed",
            try_="pip install pillow",
        )
    return Image


def is_picture(image: Any) -> bool:
    """Whether `image` is a PIL image; Pillow is not loaded to find out."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(image, module.Image)


def stack_of_one(image: Any, make: Any) -> Any:
    """A single image as a stack: `make(array, is_tensor)`."""
    if is_picture(image):
        return make(picture_array(image)[None], False)
    if isinstance(image, alight.Tensor):
        return make(image.detach().numpy()[None], True)
    if isinstance(image, np.ndarray):
        return make(image[None], False)
    fail(TypeError, f"pic should be PIL Image or ndarray. Got {type(image)}")


def picture_array(picture: Any) -> Array:
    """A picture's pixels, (h, w) or (h, w, c); a bilevel picture becomes 0 and 255."""
    pixels = np.array(picture)
    return pixels.astype(np.uint8) * np.uint8(255) if picture.mode == "1" else pixels


def image_of(array: Array, is_tensor: bool, like: Any) -> Any:
    """A transformed image: a tensor, or a picture or array as `like` was."""
    if is_tensor:
        return alight.from_numpy(np.ascontiguousarray(array))
    return pillow().fromarray(array, like.mode) if is_picture(like) else array


def to_picture(image: Any, mode: str | None = None) -> Any:
    """A (c, h, w) or (h, w) tensor, or an (h, w, c) or (h, w) array, as a PIL image."""
    if isinstance(image, alight.Tensor):
        pixels = image.detach().numpy()
        if pixels.ndim not in (2, 3):
            fail(ValueError, f"pic should be 2/3 dimensional. Got {pixels.ndim} dimensions.")
        if pixels.dtype.kind == "f" and mode != "F":
            # By way of int64, since a negative float has no defined 8-bit value; PyTorch wraps it around.
            pixels = (pixels * pixels.dtype.type(255)).astype(np.int64).astype(np.uint8)
        pixels = pixels.transpose(1, 2, 0) if pixels.ndim == 3 else pixels
    elif isinstance(image, np.ndarray):
        pixels = image
    else:
        fail(TypeError, f"pic should be Tensor or ndarray. Got {type(image)}.")
    if pixels.ndim == 3 and pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    picture = pillow().fromarray(np.ascontiguousarray(pixels))
    return picture if mode is None or picture.mode == mode else picture.convert(mode)


def resize(images: Array, size: tuple[int, int], interpolation: str) -> Array:
    """Every picture of (n, h, w) or (n, h, w, c) scaled to `size` = (h, w) with Pillow's resampling."""
    image_module = pillow()
    if interpolation not in RESAMPLING:
        fail(ValueError, f"interpolation is {interpolation!r}", [f"known: {', '.join(RESAMPLING)}"])
    method = getattr(image_module.Resampling, RESAMPLING[interpolation])
    scaled = np.empty((len(images), *size, *images.shape[3:]), images.dtype)
    for position, image in enumerate(images):
        scaled[position] = image_module.fromarray(image).resize(size[::-1], method)
    return scaled
