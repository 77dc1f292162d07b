"""Grids of images: torchvision's `utils`.

In: a batch of images (n, c, h, w), or one, or a list. Out: one picture of them all, as a tensor or a file.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

import alight
from alight.errors import fail
from alight.vision import pictures

Array = np.ndarray[Any, Any]


def make_grid(
    tensor: Any,
    nrow: int = 8,
    padding: int = 2,
    normalize: bool = False,
    value_range: tuple[float, float] | None = None,
    scale_each: bool = False,
    pad_value: float = 0.0,
) -> Any:
    """One image (c, H, W) that shows a batch, `nrow` images in a row with `padding` pixels between.

    >>> import alight as torch
    >>> make_grid(torch.zeros(4, 1, 28, 28), nrow=2).shape
    torch.Size([3, 62, 62])
    """
    images = _batch(tensor)
    if normalize:
        images = _normalized(images, value_range, scale_each)
    if len(images) == 1:
        return alight.from_numpy(images[0].copy())
    columns = min(nrow, len(images))
    rows = math.ceil(len(images) / columns)
    channels, height, width = images.shape[1], images.shape[2] + padding, images.shape[3] + padding
    shape = (channels, height * rows + padding, width * columns + padding)
    grid = np.full(shape, pad_value, images.dtype)
    for position, image in enumerate(images):
        top = (position // columns) * height + padding
        left = (position % columns) * width + padding
        grid[:, top : top + image.shape[1], left : left + image.shape[2]] = image
    return alight.from_numpy(grid)


def save_image(tensor: Any, fp: str | Path, format: str | None = None, **options: Any) -> None:
    """Write a batch of images (n, c, h, w) with values from 0 to 1 as one picture; `options` as
    for `make_grid`.

    >>> import os, tempfile
    >>> import alight as torch
    >>> from alight.vision.utils import save_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "grid.png")
    ...     save_image(torch.rand(4, 3, 8, 8), path, nrow=2)
    ...     os.path.exists(path)
    True
    """
    grid = make_grid(tensor, **options).numpy()
    pixels = np.clip(grid * 255 + 0.5, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    pictures.pillow().fromarray(np.ascontiguousarray(pixels)).save(fp, format=format)


def _batch(tensor: Any) -> Array:
    """The images as (n, c, h, w) with three channels where there was one."""
    if isinstance(tensor, list) and all(isinstance(image, alight.Tensor) for image in tensor):
        images = np.stack([image.detach().numpy() for image in tensor])
    elif isinstance(tensor, alight.Tensor):
        images = tensor.detach().numpy()
    else:
        fail(TypeError, f"tensor or list of tensors expected, got {type(tensor)}")
    images = images.reshape((1,) * (4 - images.ndim) + images.shape)
    return np.repeat(images, 3, axis=1) if images.shape[1] == 1 else images


def _normalized(images: Array, value_range: tuple[float, float] | None, each: bool) -> Array:
    """Values moved to 0 ... 1, from `value_range` or from the smallest and largest that occur."""
    if value_range is not None and not isinstance(value_range, tuple):
        fail(
            TypeError,
            "value_range has to be a tuple (min, max) if specified. min and max are numbers",
        )
    axes = (1, 2, 3) if each else None
    low = images.min(axes, keepdims=True) if value_range is None else np.float32(value_range[0])
    high = images.max(axes, keepdims=True) if value_range is None else np.float32(value_range[1])
    moved = (np.clip(images, low, high) - low) / np.maximum(high - low, np.float32(1e-5))
    return moved.astype(images.dtype)


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "make_grid",
    "save_image",
]
