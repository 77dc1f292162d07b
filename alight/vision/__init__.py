"""Images: data sets, transforms and pictures, laid out as torchvision."""

from alight.vision import datasets, transforms, utils

__all__ = ["datasets", "transforms", "utils"]
