"""Image data sets: torchvision's `datasets`.

In: the folder to look in, and transforms. Out: samples (image, label).
The images lie in one array: where the transform has a stack form, a batch is one indexed copy (`__arrays__`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

import alight
from alight.backends.interpreter import distributions
from alight.data import Dataset
from alight.data.dataset import ArrayAccess
from alight.dtypes import float32
from alight.errors import fail
from alight.vision import archives, idx, pictures, transforms

Array = np.ndarray[Any, Any]
Transform = Callable[[Any], Any]


class VisionDataset(Dataset[Any]):
    """A dataset of images under a folder `root`, with a transform of the image and one of the label."""

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
        if self.transform is not None:
            lines.append("StandardTransform")
            lines.append("Transform: " + repr(self.transform).replace("\n", "\n           "))
        return "\n    ".join([f"Dataset {type(self).__name__}", *lines])

    def extra_repr(self) -> str:
        """Further lines of the printed form."""
        return ""


class ArrayImages(VisionDataset):
    """Pictures of one size that lie in an array: `images` (n, h, w) or (n, h, w, c) of uint8, `labels` (n,)."""

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
        self.data = alight.from_numpy(images)
        self.targets = alight.from_numpy(labels.astype(np.int64))

    @property
    def class_to_idx(self) -> dict[str, int]:
        """Each class's label."""
        return {name: label for label, name in enumerate(self.classes)}

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        pixels, target = self.data.numpy()[index], int(self.targets.numpy()[index])
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
        nothing = transforms.Stack(self.data[:0].numpy(), False)
        if not transforms.transform_stack(transform, nothing).is_tensor:
            return None

        def begin(index: Array) -> Callable[[], tuple[Array, Array]]:
            words = transforms.draw_words(transform, nothing, len(index))
            images, targets = self.data.numpy(), self.targets.numpy()

            def finish() -> tuple[Array, Array]:
                chosen = transforms.Stack(images.take(index, axis=0), False)
                done = transform.on_stack(chosen, words).images
                return done, targets.take(index, axis=0)

            return finish

        return ArrayAccess(begin, transforms.is_slow(transform))


class MNIST(ArrayImages):
    """The MNIST digits: 60 000 training and 10 000 test images of 28 x 28.

    A copy on this machine is used wherever one lies (`root`, ALIGHT_DATA, the user's cache folder);
    with `download=True` what is missing is fetched into `root`.
    """

    archive = archives.MNIST
    classes: ClassVar[list[str]] = [
        "0 - zero",
        "1 - one",
        "2 - two",
        "3 - three",
        "4 - four",
        "5 - five",
        "6 - six",
        "7 - seven",
        "8 - eight",
        "9 - nine",
    ]

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        images, labels = read_split(self.archive, train, Path(root).expanduser(), download)
        super().__init__(images, labels, root, transform, target_transform)
        self.train = train

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class FashionMNIST(MNIST):
    """Zalando's Fashion-MNIST: 60 000 training and 10 000 test images of clothing, 28 x 28, in 10 classes."""

    archive = archives.FASHION_MNIST
    classes: ClassVar[list[str]] = [
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ]


def read_split(
    archive: archives.Archive, train: bool, root: Path | None = None, download: bool = True
) -> tuple[Array, Array]:
    """The images (n, 28, 28) and labels (n,) of one half of an archive of the MNIST family, as uint8 arrays."""
    prefix = "train-" if train else "t10k-"
    names = [name for name in archive.files if name.startswith(prefix)]
    try:
        images, labels = (
            idx.parse(archives.load(archive, name, root, download), name) for name in names
        )
    except archives.DataNotFoundError as error:
        if download:
            raise
        sentence = "Dataset not found. You can use download=True to download it"
        fail(RuntimeError, sentence, [str(error)], "download=True")
    return images, labels


class FakeData(VisionDataset):
    """Random pictures, the same at each index every time, to try a program without data."""

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
