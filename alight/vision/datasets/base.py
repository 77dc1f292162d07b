"""What image data sets share: a folder, transforms, and whole arrays of pictures.

In: the folder to look in, and transforms. Out: samples (image, label).
Where the images lie in one array and the transform has a stack form, a batch is one indexed copy (`__arrays__`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import alight
from alight.data import Dataset
from alight.data.dataset import ArrayAccess
from alight.errors import fail
from alight.vision import pictures, transforms

Array = np.ndarray[Any, Any]
Transform = Callable[[Any], Any]


class VisionDataset(Dataset[Any]):
    """A dataset of images under a folder `root`, with a transform of the image and one of the
    label.

    ValueError where `transforms`, of both together, is given beside one of the others.

    >>> from alight.vision import datasets
    >>> issubclass(datasets.ImageFolder, datasets.VisionDataset)
    True
    """

    def __init__(
        self,
        root: str | Path | None = None,
        transforms: Callable[[Any, Any], Any] | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        if transforms is not None and (transform is not None or target_transform is not None):
            fail(
                ValueError,
                "Only transforms or transform/target_transform can be passed as argument",
            )
        self.root = root
        self.transforms = transforms
        self.transform = transform
        self.target_transform = target_transform

    def _transformed(self, image: Any, target: Any) -> tuple[Any, Any]:
        if self.transforms is not None:
            return self.transforms(image, target)  # type: ignore[no-any-return]
        if self.transform is not None:
            image = self.transform(image)
        if self.target_transform is not None:
            target = self.target_transform(target)
        return image, target

    def __repr__(self) -> str:
        lines = [f"Number of datapoints: {len(self)}"]  # type: ignore[arg-type]
        if self.root is not None:
            lines.append(f"Root location: {self.root}")
        lines.extend(self.extra_repr().splitlines())
        if self.transforms is not None:
            lines.append(repr(self.transforms))
        parts = {"Transform: ": self.transform, "Target transform: ": self.target_transform}
        given = {head: part for head, part in parts.items() if part is not None}
        if given:
            lines.append("StandardTransform")
        # Only the first line of a transform's text is moved in, and the others by its heading.
        texts = [
            head + repr(part).replace("\n", "\n" + " " * len(head)) for head, part in given.items()
        ]
        body = "\n    ".join([f"Dataset {type(self).__name__}", *lines])
        return "\n".join([body, *texts])

    def extra_repr(self) -> str:
        """Further lines of the printed form."""
        return ""


class ArrayImages(VisionDataset):
    """Pictures of one size that lie in an array: `images` (n, h, w) or (n, h, w, c) of uint8,
    `labels` (n,).

    A loader transforms whole batches of them at once.

    >>> import numpy as np
    >>> from alight.vision import datasets, transforms
    >>> images, labels = np.zeros((5, 4, 6), dtype=np.uint8), np.arange(5)
    >>> dataset = datasets.ArrayImages(images, labels, transform=transforms.ToTensor())
    >>> len(dataset), dataset[3][0].shape, dataset[3][1]
    (5, torch.Size([1, 4, 6]), 3)
    """

    classes: ClassVar[list[str]] = []

    def __init__(
        self,
        images: Array,
        labels: Array,
        root: str | Path | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        self.data: Any = alight.from_numpy(images)
        self.targets: Any = alight.from_numpy(labels.astype(np.int64))

    def pixels(self) -> Array:
        """All pictures, as they are now."""
        return self.data.numpy()  # type: ignore[no-any-return]

    def labels_at(self, index: Array) -> Array:
        """The labels of some samples, as they are now."""
        return self.targets.numpy().take(index, axis=0)  # type: ignore[no-any-return]

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Each class's label."""
        return {name: label for label, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels, target = self.pixels()[index], int(self.targets[index])
        if self.transforms is not None or not transforms.has_stack_form(self.transform):
            return self._transformed(pictures.to_picture(pixels), target)
        # The same as by way of a PIL picture, without needing Pillow.
        image = self.transform(pixels)  # type: ignore[misc]
        if isinstance(image, np.ndarray):
            image = pictures.to_picture(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __arrays__(self) -> ArrayAccess | None:
        plain = self.transforms is None and self.target_transform is None
        if not plain or not transforms.has_stack_form(self.transform):
            return None
        transform: transforms.StackTransform = self.transform  # type: ignore[assignment]
        nothing = transforms.Stack(self.pixels()[:0], False)
        if not transforms.transform_stack(transform, nothing).is_tensor:
            return None

        def begin(index: Array) -> Callable[[], tuple[Array, Array]]:
            words = transforms.draw_words(transform, nothing, len(index))
            images, targets = self.pixels(), self.labels_at(index)

            def finish() -> tuple[Array, Array]:
                chosen = transforms.Stack(images.take(index, axis=0), False)
                done = transform.on_stack(chosen, words).images
                return done, targets

            return finish

        return ArrayAccess(begin, transforms.is_slow(transform))
