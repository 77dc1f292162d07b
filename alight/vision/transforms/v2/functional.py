"""torchvision's `transforms.v2.functional`: what `transforms.functional` has, and the names that are new.

In: a PIL picture, or a tensor (..., c, h, w). Out: the same kind of image, unless the name says otherwise.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

import numpy as np

import alight
from alight.errors import fail
from alight.vision import pictures
from alight.vision.transforms import functional as v1
from alight.vision.transforms.functional import *  # noqa: F403  (the older functions are the same)
from alight.vision.transforms.v2 import boxes as of_boxes
from alight.vision.transforms.v2.boxes import (  # noqa: F401  (public names)
    clamp_bounding_boxes,
    convert_bounding_box_format,
)
from alight.vision.tv_tensors import BoundingBoxes, Image, Mask, TVTensor, plain, wrap


def to_image(inpt: Any) -> Any:
    """A picture, an array (h, w, c) or a tensor as a `tv_tensors.Image` (c, h, w) of its own dtype.

    Errors: TypeError for other things.

    >>> to_image(np.zeros((2, 3, 1), np.uint8)).shape
    torch.Size([1, 2, 3])
    """
    if isinstance(inpt, np.ndarray):
        return Image(alight.from_numpy(np.atleast_3d(inpt)).permute(2, 0, 1).contiguous())
    if pictures.is_picture(inpt) or isinstance(inpt, alight.Tensor):
        return Image(inpt)
    fail(
        TypeError,
        "Input can either be a pure Tensor, a numpy array, or a PIL image, "
        f"but got {type(inpt)} instead.",
    )


def to_dtype(inpt: Any, dtype: Any = alight.float32, scale: bool = False) -> Any:
    """An image in another dtype, its values scaled to the range of that dtype if `scale`."""
    return v1.convert_image_dtype(inpt, dtype) if scale else inpt.to(dtype)


def get_size(inpt: Any) -> list[int]:
    """Height and width: of an image, or of that which boxes lie in."""
    return [*of_boxes.size_of([inpt])]


def _by_kind(of_images: Any, boxes: Any) -> Any:
    """A function of images that takes boxes and masks as well, and gives what it took."""

    @functools.wraps(of_images)
    def of_any(inpt: Any, *args: Any, **kwargs: Any) -> Any:
        if not isinstance(inpt, TVTensor):
            return of_images(inpt, *args, **kwargs)
        if isinstance(inpt, BoundingBoxes):
            named = inspect.signature(of_images).bind(inpt, *args, **kwargs).arguments
            taken = inspect.signature(boxes).parameters
            kept = {name: value for name, value in named.items() if name in taken}
            return boxes(inpt, **kept)
        if isinstance(inpt, Mask):
            if of_images is v1.resize:
                kwargs["interpolation"] = v1.InterpolationMode.NEAREST
            return of_boxes.on_mask(lambda mask: of_images(mask, *args, **kwargs), inpt)
        return wrap(of_images(plain(inpt), *args, **kwargs), like=inpt)

    return of_any


horizontal_flip = _by_kind(v1.hflip, of_boxes.horizontal_flip)
vertical_flip = _by_kind(v1.vflip, of_boxes.vertical_flip)
crop = _by_kind(v1.crop, of_boxes.crop)
resize = _by_kind(v1.resize, of_boxes.resize)
pad = _by_kind(v1.pad, of_boxes.pad)
hflip, vflip = horizontal_flip, vertical_flip
