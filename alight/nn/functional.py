"""torch.nn.functional: the operations of neural networks, as functions."""

from __future__ import annotations

import sys
from typing import Any

import alight.ops.nn  # noqa: F401  (declares what is served here)
from alight.ops import later
from alight.ops.operation import FUNCTIONAL

globals().update(FUNCTIONAL)


def __getattr__(name: str) -> Any:
    if name in FUNCTIONAL:  # declared after this module was loaded
        globals()[name] = FUNCTIONAL[name]
        return FUNCTIONAL[name]
    if (found := later.functional_name(name)) is not None:
        return found
    text = f"module 'alight.nn.functional' has no attribute '{name}'"
    raise AttributeError(text, name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted({*FUNCTIONAL, *later.functional_names()})
