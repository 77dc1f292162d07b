"""Data sets that are folders of files, one folder for each class.

In: a folder whose sub-folders bear the classes' names. Out: samples (what the loader makes of a file, label).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from alight.errors import fail
from alight.vision import pictures
from alight.vision.datasets.base import Transform, VisionDataset

IMG_EXTENSIONS = (
    ".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp",
)  # fmt: skip

Place = str | Path
IsValid = Callable[[str], bool]


def has_file_allowed_extension(filename: str, extensions: str | tuple[str, ...]) -> bool:
    """Whether a file's name ends in one of `extensions`, in any case.

    >>> from alight.vision.datasets.folder import IMG_EXTENSIONS, has_file_allowed_extension
    >>> has_file_allowed_extension("cat.JPG", IMG_EXTENSIONS)
    True
    """
    return filename.lower().endswith(extensions)


def is_image_file(filename: str) -> bool:
    """Whether a file's name is an image's.

    >>> from alight.vision.datasets.folder import is_image_file
    >>> is_image_file("cat.JPG"), is_image_file("cat.txt")
    (True, False)
    """
    return has_file_allowed_extension(filename, IMG_EXTENSIONS)


def pil_loader(path: str) -> Any:
    """The file as an RGB picture.

    >>> import os, tempfile
    >>> import alight as torch
    >>> from alight.vision import io
    >>> from alight.vision.datasets.folder import pil_loader
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "a.png")
    ...     io.write_png(torch.zeros(1, 2, 4, dtype=torch.uint8), path)
    ...     pil_loader(path).mode
    'RGB'
    """
    with open(path, "rb") as file:
        return pictures.pillow().open(file).convert("RGB")


default_loader = pil_loader


def find_classes(directory: Place) -> tuple[list[str], dict[str, int]]:
    """The sub-folders of `directory` in order, and the label of each; FileNotFoundError where
    there are none.

    >>> import os, tempfile
    >>> from alight.vision.datasets.folder import find_classes
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("dog", "cat"):
    ...         os.mkdir(os.path.join(folder, name))
    ...     find_classes(folder)
    (['cat', 'dog'], {'cat': 0, 'dog': 1})
    """
    classes = sorted(entry.name for entry in os.scandir(directory) if entry.is_dir())
    if not classes:
        fail(FileNotFoundError, f"Couldn't find any class folder in {directory}.")
    return classes, {name: label for label, name in enumerate(classes)}


def make_dataset(
    directory: Place,
    class_to_idx: dict[str, int] | None = None,
    extensions: str | tuple[str, ...] | None = None,
    is_valid_file: IsValid | None = None,
    allow_empty: bool = False,
) -> list[tuple[str, int]]:
    """Pairs of path and label of all files below the sub-folders of `directory`.

    Files of given extensions, or those that is_valid_file says yes to; ValueError for both or
    neither, FileNotFoundError for a class without a file, unless allow_empty.

    >>> import os, tempfile
    >>> from alight.vision.datasets.folder import make_dataset
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.mkdir(os.path.join(folder, "cat"))
    ...     open(os.path.join(folder, "cat", "a.png"), "w").close()
    ...     [label for path, label in make_dataset(folder, extensions=(".png",))]
    [0]
    """
    directory = os.path.expanduser(directory)
    if class_to_idx is None:
        _, class_to_idx = find_classes(directory)
    elif not class_to_idx:
        sentence = "'class_to_index' must have at least one entry to collect any samples."
        fail(ValueError, sentence)
    if (extensions is None) == (is_valid_file is None):
        fail(
            ValueError,
            "Both extensions and is_valid_file cannot be None or not None at the same time",
        )
    valid = is_valid_file or (lambda name: has_file_allowed_extension(name, extensions))  # type: ignore[arg-type]
    samples, empty = [], []
    for name in sorted(class_to_idx):
        found = [
            (path, class_to_idx[name]) for path in _files(Path(directory, name)) if valid(path)
        ]
        samples.extend(found)
        if not found:
            empty.append(name)
    if empty and not allow_empty:
        sentence = f"Found no valid file for the classes {', '.join(empty)}. "
        if extensions is not None:
            known = extensions if isinstance(extensions, str) else ", ".join(extensions)
            sentence += f"Supported extensions are: {known}"
        fail(FileNotFoundError, sentence)
    return samples


def _files(folder: Path) -> Iterable[str]:
    if not folder.is_dir():
        return
    for root, _, names in sorted(os.walk(folder, followlinks=True)):
        for name in sorted(names):
            yield os.path.join(root, name)


class DatasetFolder(VisionDataset):
    """Files below a folder, one sub-folder for each class, read by `loader`.

    A sample is (what loader gives, label). `classes`, `class_to_idx` and `samples` tell what is
    there. Errors are those of make_dataset.

    >>> import os, tempfile
    >>> from alight.vision import datasets
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.mkdir(os.path.join(folder, "cat"))
    ...     with open(os.path.join(folder, "cat", "a.txt"), "w") as file:
    ...         _ = file.write("meow")
    ...     dataset = datasets.DatasetFolder(folder, lambda path: open(path).read(), (".txt",))
    ...     dataset[0], dataset.classes
    (('meow', 0), ['cat'])
    """

    def __init__(
        self,
        root: Place,
        loader: Callable[[str], Any],
        extensions: tuple[str, ...] | None = None,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        is_valid_file: IsValid | None = None,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(root, transform=transform, target_transform=target_transform)
        classes, class_to_idx = self.find_classes(root)
        self.samples = self.make_dataset(root, class_to_idx, extensions, is_valid_file, allow_empty)
        self.loader = loader
        self.extensions = extensions
        self.classes = classes
        self.class_to_idx = class_to_idx
        self.targets = [label for _, label in self.samples]

    @staticmethod
    def make_dataset(
        directory: Place,
        class_to_idx: dict[str, int],
        extensions: tuple[str, ...] | None = None,
        is_valid_file: IsValid | None = None,
        allow_empty: bool = False,
    ) -> list[tuple[str, int]]:
        """Pairs of a file and its label; subclasses may choose others."""
        return make_dataset(directory, class_to_idx, extensions, is_valid_file, allow_empty)

    def find_classes(self, directory: Place) -> tuple[list[str], dict[str, int]]:
        """The classes and their labels; subclasses may choose others."""
        return find_classes(directory)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._transformed(self.loader(path), target)

    def __len__(self) -> int:
        return len(self.samples)


class ImageFolder(DatasetFolder):
    """Image files below a folder, one sub-folder for each class: `root/dog/1.png`,
    `root/cat/2.jpg`.

    A sample is (PIL picture, label), the former through `transform`. `classes`, `class_to_idx`
    and `imgs` tell what is there. FileNotFoundError where there are no classes, or one without
    an image, unless allow_empty.

    >>> import os, tempfile
    >>> import alight as torch
    >>> from alight.vision import datasets, io
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     os.mkdir(os.path.join(folder, "cat"))
    ...     io.write_png(torch.zeros(3, 2, 4, dtype=torch.uint8), os.path.join(folder, "cat", "a.png"))
    ...     dataset = datasets.ImageFolder(folder)
    ...     dataset[0][0].size, dataset[0][1], dataset.classes
    ((4, 2), 0, ['cat'])
    """

    def __init__(
        self,
        root: Place,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        loader: Callable[[str], Any] = default_loader,
        is_valid_file: IsValid | None = None,
        allow_empty: bool = False,
    ) -> None:
        extensions = IMG_EXTENSIONS if is_valid_file is None else None
        super().__init__(
            root, loader, extensions, transform, target_transform, is_valid_file, allow_empty
        )
        self.imgs = self.samples
