"""torch.utils: a namespace of PyTorch's; `data` shows alight.data."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name in ("data",):
        return import_module(f"alight.utils.{name}")
    raise AttributeError(f"module 'alight.utils' has no attribute '{name}'")
