"""Transforms without random numbers that work on one image at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import alight
from alight.errors import fail
from alight.vision.transforms import functional as F
from alight.vision.transforms.stacks import pair


class Grayscale:
    """An image (*, 3, h, w) or picture in grey, in one channel or in three equal ones.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.Grayscale()(torch.ones(3, 2, 4)).shape
    torch.Size([1, 2, 4])
    """

    def __init__(self, num_output_channels: int = 1) -> None:
        self.num_output_channels = num_output_channels

    def __call__(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)

    def __repr__(self) -> str:
        return f"Grayscale(num_output_channels={self.num_output_channels})"


class ConvertImageDtype:
    """A tensor of another dtype, its values scaled: white stays white.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.ConvertImageDtype(torch.uint8)(torch.tensor([0.0, 1.0]))
    tensor([  0, 255], dtype=torch.uint8)
    """

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype

    def __call__(self, image: Any) -> Any:
        return F.convert_image_dtype(image, self.dtype)

    def __repr__(self) -> str:
        return "ConvertImageDtype()"


class FiveCrop:
    """The four corners and the middle of an image, as a tuple.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> len(transforms.FiveCrop(2)(torch.ones(1, 4, 4)))
    5
    """

    def __init__(self, size: int | Sequence[int]) -> None:
        self.size = pair(size)

    def __call__(self, img: Any) -> tuple[Any, ...]:
        return F.five_crop(img, self.size)

    def __repr__(self) -> str:
        return f"FiveCrop(size={self.size})"


class TenCrop:
    """The five crops of an image and of its mirror image, as a tuple.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> len(transforms.TenCrop(2)(torch.ones(1, 4, 4)))
    10
    """

    def __init__(self, size: int | Sequence[int], vertical_flip: bool = False) -> None:
        self.size = pair(size)
        self.vertical_flip = vertical_flip

    def __call__(self, img: Any) -> tuple[Any, ...]:
        return F.ten_crop(img, self.size, self.vertical_flip)

    def __repr__(self) -> str:
        return f"TenCrop(size={self.size}, vertical_flip={self.vertical_flip})"


class LinearTransformation:
    """A tensor flattened, `mean_vector` taken off, multiplied by a matrix, and shaped again:
    whitening, for one.

    The matrix is (d, d), the vector (d,), for images of d elements; ValueError for other
    shapes.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.LinearTransformation(2 * torch.eye(2), torch.zeros(2))(torch.ones(1, 1, 2))
    tensor([[[2., 2.]]])
    """

    def __init__(self, transformation_matrix: Any, mean_vector: Any) -> None:
        rows, columns = transformation_matrix.shape
        if rows != columns:
            fail(
                ValueError,
                f"transformation_matrix should be square. Got {[rows, columns]} rectangular matrix.",
            )
        if mean_vector.shape[0] != rows:
            fail(
                ValueError,
                f"mean_vector should have the same length {mean_vector.shape[0]} as any one of the dimensions of "
                f"the transformation_matrix [{tuple(transformation_matrix.shape)}]",
            )
        self.transformation_matrix = transformation_matrix
        self.mean_vector = mean_vector

    def __call__(self, tensor: Any) -> Any:
        shape = tensor.shape
        count = shape[-3] * shape[-2] * shape[-1]
        if count != self.transformation_matrix.shape[0]:
            fail(
                ValueError,
                f"Input tensor and transformation matrix have incompatible shape. [{shape[-3]} x {shape[-2]} x "
                f"{shape[-1]}] != {self.transformation_matrix.shape[0]}",
            )
        flat = tensor.reshape(-1, count) - self.mean_vector
        return alight.mm(flat, self.transformation_matrix).reshape(shape)

    def __repr__(self) -> str:
        return (
            f"LinearTransformation(transformation_matrix={self.transformation_matrix.tolist()}, "
            f"mean_vector={self.mean_vector.tolist()})"
        )
