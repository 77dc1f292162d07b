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
from alight.vision.transforms.crops import CenterCrop
from alight.vision.transforms.geometry import (
    affine,
    crop,
    elastic_transform,
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
    """A picture or an (h, w, c) array as a (c, h, w) tensor; 8-bit values become float32 from 0 to
    1.

    TypeError for something else, ValueError for an array of other ranks.

    >>> import numpy as np
    >>> from alight.vision.transforms import functional
    >>> functional.to_tensor(np.full((1, 2, 1), 255, dtype=np.uint8))
    tensor([[[1., 1.]]])
    """
    return stacks.ToTensor()(pic)


def pil_to_tensor(pic: Any) -> Any:
    """A picture as a (c, h, w) tensor of its own dtype; TypeError for something else.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> picture = functional.to_pil_image(torch.ones(3, 2, 4))
    >>> functional.pil_to_tensor(picture).dtype
    torch.uint8
    """
    if not pictures.is_picture(pic):
        fail(TypeError, f"pic should be PIL Image. Got {type(pic)}")
    return stacks.PILToTensor()(pic)


def to_pil_image(pic: Any, mode: str | None = None) -> Any:
    """A (c, h, w) or (h, w) tensor, or an (h, w, c) array, as a picture; floats from 0 to 1 become
    8-bit values.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.to_pil_image(torch.zeros(3, 2, 4)).size
    (4, 2)
    """
    return pictures.to_picture(pic, mode)


def normalize(
    tensor: Any, mean: Sequence[float], std: Sequence[float], inplace: bool = False
) -> Any:
    """`(x - mean) / std` for each channel of a tensor of floats (*, c, h, w).

    TypeError for integers or what is no tensor, ValueError where std holds a 0.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.normalize(torch.ones(1, 1, 2), mean=[0.5], std=[0.25])
    tensor([[[2., 2.]]])
    """
    return stacks.Normalize(mean, std, inplace)(tensor)


def pad(
    img: Any, padding: int | Sequence[int], fill: Any = 0, padding_mode: str = "constant"
) -> Any:
    """An image with more pixels on its sides.

    padding: one number, (left and right, top and bottom), or (left, top, right, bottom).
    padding_mode: "constant" with `fill`, "edge", "reflect" or "symmetric".

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.pad(torch.ones(1, 1, 1), [1, 0], fill=0.5)
    tensor([[[0.5000, 1.0000, 0.5000]]])
    """
    return stacks.Pad(padding, fill, padding_mode)(img)


def center_crop(img: Any, output_size: int | Sequence[int]) -> Any:
    """The middle (h, w) of an image; zeros around an image that is too small.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> functional.center_crop(torch.ones(3, 5, 7), [2, 4]).shape
    torch.Size([3, 2, 4])
    """
    return CenterCrop(output_size)(img)


def five_crop(img: Any, size: int | Sequence[int]) -> tuple[Any, ...]:
    """The four corners and the middle: top left, top right, bottom left, bottom right, centre.

    ValueError where the size is larger than the image.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> [part.shape for part in functional.five_crop(torch.ones(1, 4, 4), 2)][:2]
    [torch.Size([1, 2, 2]), torch.Size([1, 2, 2])]
    """
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
    """`five_crop` of an image and of its mirror image.

    >>> import alight as torch
    >>> from alight.vision.transforms import functional
    >>> len(functional.ten_crop(torch.ones(1, 4, 4), 2))
    10
    """
    mirrored = vflip(img) if vertical_flip else hflip(img)
    return five_crop(img, size) + five_crop(mirrored, size)


def __dir__() -> list[str]:
    return list(__all__)


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
    "elastic_transform",
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
