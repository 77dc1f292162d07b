"""Images: data sets, transforms, models and pictures, laid out as torchvision."""

from importlib import import_module
from typing import Any

from alight.vision import datasets, transforms, utils

__version__ = "0.28.0"  # the torchvision whose numbers these are
_LAZY = ("io", "models", "ops", "tv_tensors")


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f"alight.vision.{name}")
    raise AttributeError(f"module 'torchvision' has no attribute {name!r}")


__all__ = ["datasets", "io", "models", "ops", "transforms", "tv_tensors", "utils"]
