"""torchvision's `transforms.v2.functional`: what `transforms.functional` has, and the names that are new.

In: a PIL picture, or a tensor (..., c, h, w). Out: the same kind of image, unless the name says otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import alight
from alight.errors import fail
from alight.vision import pictures
from alight.vision.transforms import functional as v1
from alight.vision.transforms.functional import *  # noqa: F403  (the older functions are the same)
from alight.vision.transforms.images import get_dimensions


def to_image(inpt: Any) -> Any:
    """A picture, an array (h, w, c) or a tensor as a tensor (c, h, w) of its own dtype.

    Errors: TypeError for other things.

    >>> to_image(np.zeros((2, 3, 1), np.uint8)).shape
    torch.Size([1, 2, 3])
    """
    if isinstance(inpt, np.ndarray):
        return alight.from_numpy(np.atleast_3d(inpt)).permute(2, 0, 1).contiguous()
    if pictures.is_picture(inpt):
        return v1.pil_to_tensor(inpt)
    if isinstance(inpt, alight.Tensor):
        return inpt
    fail(
        TypeError,
        "Input can either be a pure Tensor, a numpy array, or a PIL image, "
        f"but got {type(inpt)} instead.",
    )


def to_dtype(inpt: Any, dtype: Any = alight.float32, scale: bool = False) -> Any:
    """An image in another dtype, its values scaled to the range of that dtype if `scale`."""
    return v1.convert_image_dtype(inpt, dtype) if scale else inpt.to(dtype)


def get_size(inpt: Any) -> list[int]:
    """Height and width."""
    return get_dimensions(inpt)[1:]


def horizontal_flip(inpt: Any) -> Any:
    """The mirror image."""
    return v1.hflip(inpt)


def vertical_flip(inpt: Any) -> Any:
    """The image upside down."""
    return v1.vflip(inpt)
