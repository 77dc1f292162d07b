"""MNIST and the data sets that are published in its form."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from alight.errors import fail
from alight.vision import archives, idx
from alight.vision.datasets.base import Array, ArrayImages, Transform


class MNIST(ArrayImages):
    """The MNIST digits: 60 000 training and 10 000 test images of 28 x 28 in grey (LeCun et al.
    1998).

    A sample is (PIL picture, label), the former through `transform`. download=True fetches the
    files into `root` where they are missing; RuntimeError where they are not there. With a
    transform of ours a loader makes whole batches at once.

    >>> from alight.vision import datasets
    >>> datasets.MNIST.classes[:2]  # datasets.MNIST("data", download=True)
    ['0 - zero', '1 - one']
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
    """Fashion-MNIST: 60 000 training and 10 000 test images of clothing, 28 x 28 in grey, in 10
    classes.

    (Xiao et al. 2017.) Arguments and errors are those of MNIST.

    >>> from alight.vision import datasets
    >>> datasets.FashionMNIST.classes[:2]  # datasets.FashionMNIST("data", download=True)
    ['T-shirt/top', 'Trouser']
    """

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


class KMNIST(MNIST):
    """Kuzushiji-MNIST: 60 000 training and 10 000 test images of cursive Japanese, 28 x 28, in 10
    classes.

    (Clanuwat et al. 2018.) Arguments and errors are those of MNIST.

    >>> from alight.vision import datasets
    >>> len(datasets.KMNIST.classes)  # datasets.KMNIST("data", download=True)
    10
    """

    archive = archives.KMNIST
    classes: ClassVar[list[str]] = ["o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"]


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
