"""torchvision's `transforms.functional`: what the transforms do, as functions of one image.

In: a PIL picture, or a tensor (..., c, h, w). Out: the same kind of image, unless the name says otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alight.errors import fail
from alight.vision import pictures
from alight.vision.transforms import stacks
from alight.vision.transforms.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_gamma,
    adjust_hue,
    adjust_saturation,
    adjust_sharpness,
    autocontrast,
    convert_image_dtype,
    equalize,
    invert,
    posterize,
    rgb_to_grayscale,
    solarize,
    to_grayscale,
)
from alight.vision.transforms.geometry import (
    affine,
    crop,
    erase,
    gaussian_blur,
    hflip,
    perspective,
    resize,
    resized_crop,
    rotate,
    vflip,
)
from alight.vision.transforms.images import (
    InterpolationMode,
    get_dimensions,
    get_image_num_channels,
    get_image_size,
)


def to_tensor(pic: Any) -> Any:
    """A picture or an (h, w, c) array as a (c, h, w) tensor; 8-bit values become float32 from 0 to 1."""
    return stacks.ToTensor()(pic)


def pil_to_tensor(pic: Any) -> Any:
    """A picture as a (c, h, w) tensor of its own dtype."""
    if not pictures.is_picture(pic):
        fail(TypeError, f"pic should be PIL Image. Got {type(pic)}")
    return stacks.PILToTensor()(pic)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A tensor or an array as a picture."""
    return pictures.to_picture(pic, mode)


def normalize(
    tensor: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> Any:
    """`(x - mean) / std` for each channel of a tensor of floats."""
    return stacks.Normalize(mean, std, inplace)(tensor)


def pad(
    img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
) -> Any:
    """An image with more pixels on its sides: all alike, (left and right, top and bottom), or left, top, right, bottom."""
    return stacks.Pad(padding, fill, padding_mode)(img)


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle of an image."""
    return stacks.CenterCrop(output_size)(img)


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, ...]:
    """The four corners and the middle: top left, top right, bottom left, bottom right, centre."""
    height, width = stacks.pair(size)
    _, h, w = get_dimensions(img)
    if width > w or height > h:
        fail(
            ValueError, f"Requested crop size {(height, width)} is bigger than input size {(h, w)}"
        )
    corners = [(0, 0), (0, w - width), (h - height, 0), (h - height, w - width)]
    cut = [crop(img, top, left, height, width) for top, left in corners]
    return (*cut, center_crop(img, [height, width]))


def ten_crop(img: Any, size: int | Sequence[int], vertical_flip: bool = False) -> tuple[Any, ...]:
    """`five_crop` of an image and of its mirror image."""
    mirrored = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(mirrored, size)


__all__ = [
    "InterpolationMode",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_gamma",
    "adjust_hue",
    "adjust_saturation",
    "adjust_sharpness",
    "affine",
    "autocontrast",
    "center_crop",
    "convert_image_dtype",
    "crop",
    "equalize",
    "erase",
    "five_crop",
    "gaussian_blur",
    "get_dimensions",
    "get_image_num_channels",
    "get_image_size",
    "hflip",
    "invert",
    "normalize",
    "pad",
    "perspective",
    "pil_to_tensor",
    "posterize",
    "resize",
    "resized_crop",
    "rgb_to_grayscale",
    "rotate",
    "solarize",
    "ten_crop",
    "to_grayscale",
    "to_pil_image",
    "to_tensor",
    "vflip",
]
