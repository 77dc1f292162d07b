"""Random pictures in place of data."""

from __future__ import annotations

from typing import Any

import numpy as np

import alight
from alight.backends.interpreter import distributions
from alight.dtypes import float32
from alight.errors import fail
from alight.vision import pictures
from alight.vision.datasets.base import Transform, VisionDataset


class FakeData(VisionDataset):
    """Random pictures, the same at each index every time, to try a program without data.

    IndexError outside of the size.

    >>> from alight.vision import datasets, transforms
    >>> dataset = datasets.FakeData(10, (3, 8, 8), num_classes=2, transform=transforms.ToTensor())
    >>> image, label = dataset[0]
    >>> image.shape, label in (0, 1)
    (torch.Size([3, 8, 8]), True)
    """

    def __init__(
        self,
        size: int = 1000,
        image_size: tuple[int, int, int] = (3, 224, 224),
        num_classes: int = 10,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        random_offset: int = 0,
    ) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self.size = size
        self.num_classes = num_classes
        self.image_size = image_size
        self.random_offset = random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            fail(IndexError, f"{type(self).__name__} index out of range")
        engine = alight.Generator().manual_seed(index + self.random_offset).engine
        pixels = distributions.normal(engine, int(np.prod(self.image_size)), float32)
        target = int(distributions.integers(engine, 1, 0, self.num_classes)[0])
        image = alight.from_numpy(np.asarray(pixels).reshape(self.image_size))
        return self._transformed(pictures.to_picture(image), target)

    def __len__(self) -> int:
        return self.size
