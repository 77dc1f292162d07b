"""CIFAR-10 and CIFAR-100 (Krizhevsky 2009): colour pictures of 32 x 32.

In: the published archive, packed or unpacked. Out: samples (image, label). The archive's files are pickles; they
are read by the machine that reads checkpoints, which runs nothing.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from alight.errors import fail
from alight.io import unpickling
from alight.io.allowed import Allowed
from alight.vision import archives
from alight.vision.datasets.base import Array, ArrayImages, Transform, VisionDataset


class CIFAR10(ArrayImages):
    """60 000 pictures in 10 classes, 32 x 32 in colour: 50 000 for training, 10 000 for testing
    (Krizhevsky 2009).

    A sample is (PIL picture, label), the former through `transform`. download=True fetches the
    files into `root` where they are missing; RuntimeError where they are not there.

    >>> from alight.vision import datasets
    >>> issubclass(datasets.CIFAR10, datasets.VisionDataset)  # datasets.CIFAR10("data", download=True)
    True
    """

    archive: ClassVar[archives.Archive] = archives.CIFAR10
    base_folder = "cifar-10-batches-py"
    train_files: ClassVar[dict[str, str]] = {
        "data_batch_1": "c99cafc152244af753f735de768cd75f",
        "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "data_batch_4": "634d18415352ddfa80567beed471001a",
        "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    }
    test_files: ClassVar[dict[str, str]] = {"test_batch": "40351d587109b95175f43aff81a1287e"}
    meta_files: ClassVar[dict[str, str]] = {"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"}
    labels_key, names_key = "labels", "label_names"

    def __init__(
        self,
        root: str | Path,
        train: bool = True,
        transform: Transform | None = None,
        target_transform: Transform | None = None,
        download: bool = False,
    ) -> None:
        VisionDataset.__init__(self, root, transform=transform, target_transform=target_transform)
        self.train = train
        wanted = {**(self.train_files if train else self.test_files), **self.meta_files}
        *batches, names = self._read(wanted, Path(root).expanduser(), download).values()
        planes = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
        self.data: Any = np.ascontiguousarray(planes.transpose(0, 2, 3, 1))
        self.targets: Any = [label for batch in batches for label in batch[self.labels_key]]
        self.classes = list(names[self.names_key])  # type: ignore[misc]

    def pixels(self) -> Array:
        return self.data

    def labels_at(self, index: Array) -> Array:
        return np.array([self.targets[i] for i in index.tolist()], np.int64)

    def _read(self, wanted: dict[str, str], root: Path, download: bool) -> dict[str, Any]:
        """The unpickled files, from the unpacked folder, else from the archive."""
        found = {}
        for name, digest in wanted.items():
            path = root / self.base_folder / name
            content = path.read_bytes() if path.is_file() else b""
            if _md5(content) != digest:
                found = self._from_archive(wanted, root, download)
                break
            found[name] = content
        return {name: _unpickled(content, name) for name, content in found.items()}

    def _from_archive(self, wanted: dict[str, str], root: Path, download: bool) -> dict[str, bytes]:
        (packed,) = self.archive.files
        try:
            content = archives.load(self.archive, packed, root, download)
        except archives.DataNotFoundError as error:
            if download:
                raise
            sentence = "Dataset not found or corrupted. You can use download=True to download it"
            fail(RuntimeError, sentence, [str(error)], "download=True")
        found = {}
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for name, digest in wanted.items():
                member = archive.extractfile(f"{self.base_folder}/{name}")
                found[name] = member.read() if member is not None else b""
                if _md5(found[name]) != digest:
                    fail(RuntimeError, f"{packed} is damaged: the md5 of {name} differs")
        return found

    def extra_repr(self) -> str:
        return f"Split: {'Train' if self.train else 'Test'}"


class CIFAR100(CIFAR10):
    """60 000 pictures in 100 classes, 32 x 32 in colour: 50 000 for training, 10 000 for testing.

    Arguments and errors are those of CIFAR10.

    >>> from alight.vision import datasets
    >>> issubclass(datasets.CIFAR100, datasets.CIFAR10)  # datasets.CIFAR100("data", download=True)
    True
    """

    archive = archives.CIFAR100
    base_folder = "cifar-100-python"
    train_files: ClassVar[dict[str, str]] = {"train": "16019d7e3df5f24257cddd939b257f8d"}
    test_files: ClassVar[dict[str, str]] = {"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"}
    meta_files: ClassVar[dict[str, str]] = {"meta": "7973b15100ade9c7d40fb424638fde48"}
    labels_key, names_key = "fine_labels", "fine_label_names"


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _unpickled(content: bytes, name: str) -> Any:
    return unpickling.decode(content, Allowed(), _nothing_outside, name)


def _nothing_outside(identity: tuple[Any, ...]) -> Any:
    raise ValueError("something kept outside the pickle")
