"""Image data sets: torchvision's `datasets`.

In: the folder to look in, and transforms. Out: samples (image, label).
"""

from alight.vision.datasets.base import ArrayImages, VisionDataset
from alight.vision.datasets.cifar import CIFAR10, CIFAR100
from alight.vision.datasets.fake import FakeData
from alight.vision.datasets.folder import DatasetFolder, ImageFolder
from alight.vision.datasets.mnist import KMNIST, MNIST, FashionMNIST, read_split


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "CIFAR10",
    "CIFAR100",
    "KMNIST",
    "MNIST",
    "ArrayImages",
    "DatasetFolder",
    "FakeData",
    "FashionMNIST",
    "ImageFolder",
    "VisionDataset",
]
