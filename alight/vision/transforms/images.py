"""One image in either form, and what both forms share.

In: a PIL picture, or a tensor (..., c, h, w). Out: its array, its size, and the way back.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

import numpy as np

import alight
from alight.errors import fail
from alight.vision import pictures

Array = np.ndarray[Any, Any]


class InterpolationMode(Enum):
    """How values between pixels are found; box, hamming and lanczos are for pictures only.

    >>> from alight.vision.transforms import InterpolationMode
    >>> InterpolationMode.BILINEAR.value
    'bilinear'
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# Pillow's numbers, which older scripts pass.
_BY_NUMBER = {0: "nearest", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming", 1: "lanczos"}


def mode_name(interpolation: Any) -> str:
    """The name of an interpolation given as an InterpolationMode, its value or Pillow's number."""
    if isinstance(interpolation, InterpolationMode):
        return str(interpolation.value)
    if isinstance(interpolation, int):
        return _BY_NUMBER[int(interpolation)]
    return str(interpolation)


def is_picture(img: Any) -> bool:
    """Whether `img` is a PIL image; a TypeError unless it is one or a tensor."""
    if pictures.is_picture(img):
        return True
    if not isinstance(img, alight.Tensor):
        fail(TypeError, f"img should be PIL Image. Got {type(img)}")
    if img.ndim < 2:
        fail(TypeError, "Tensor is not a torch image.")
    return False


def array_of(img: Any) -> Array:
    """A tensor's elements."""
    return img.detach().numpy()  # type: ignore[no-any-return]


def tensor_of(array: Array) -> Any:
    """A tensor over an array of its own."""
    return alight.from_numpy(np.ascontiguousarray(array))


def on_arrays(img: Any, function: Callable[[Array], Array]) -> Any:
    """`function` of a tensor's elements, or of a picture's as (c, h, w), in the form that `img` had."""
    if not is_picture(img):
        return tensor_of(function(array_of(img)))
    pixels = pictures.picture_array(img)
    planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    done = function(planes)
    flat = done[0] if pixels.ndim == 2 else done.transpose(1, 2, 0)
    return pictures.pillow().fromarray(np.ascontiguousarray(flat), img.mode)


def get_dimensions(img: Any) -> list[int]:
    """Channels, height and width of a tensor or picture.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.get_dimensions(torch.ones(3, 4, 5))
    [3, 4, 5]
    """
    if is_picture(img):
        return [len(img.getbands()), img.height, img.width]
    channels = 1 if img.ndim == 2 else img.shape[-3]
    return [channels, img.shape[-2], img.shape[-1]]


def get_image_size(img: Any) -> list[int]:
    """Width and height of a tensor or picture.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.get_image_size(torch.ones(3, 4, 5))
    [5, 4]
    """
    _, height, width = get_dimensions(img)
    return [width, height]


def get_image_num_channels(img: Any) -> int:
    """Number of channels of a tensor or picture.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.get_image_num_channels(torch.ones(3, 4, 5))
    3
    """
    return get_dimensions(img)[0]


def highest(dtype: np.dtype[Any]) -> float:
    """White: 1 for floats, the largest value of an integer dtype."""
    return 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max)


def as_floats(array: Array) -> Array:
    """Integers as float32, floats as they are."""
    return array if array.dtype.kind == "f" else array.astype(np.float32)


def as_before(array: Array, dtype: np.dtype[Any]) -> Array:
    """Floats back in an integer dtype, rounded; floats in their own dtype."""
    return (np.rint(array) if dtype.kind != "f" else array).astype(dtype)
