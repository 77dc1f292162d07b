"""torch.utils: a namespace of PyTorch's; files of it load at their first use."""

from importlib import import_module
from typing import Any

from alight.offered import listing


def __getattr__(name: str) -> Any:
    if name in ("checkpoint", "data", "dlpack", "hooks", "tensorboard", "_pytree"):
        return import_module(f"alight.utils.{name}")
    raise AttributeError(f"module 'alight.utils' has no attribute '{name}'")


__dir__ = listing(globals(), "checkpoint data dlpack hooks tensorboard")
