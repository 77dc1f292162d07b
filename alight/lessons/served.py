"""What the package `d2l` is under `alight run`: a place for its one module, `d2l.torch`, which is `alight.lessons`."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name == "torch":
        return import_module("alight.lessons")
    raise AttributeError(f"module 'd2l' has no attribute {name!r} (alight has d2l.torch alone)")
