"""Methods onto Tensor, and names into the modules that serve them; kept up when a wrapper is built."""

from __future__ import annotations

import sys
from typing import Any

from alight.ops import later
from alight.ops.operation import FFT, FUNCTIONAL, LINALG, METHODS, SPECIAL, TORCH
from alight.ops.wrappers import replaced
from alight.tensor import Tensor

_MODULES = (
    (TORCH, "alight"),
    (FUNCTIONAL, "alight.nn.functional"),
    (LINALG, "alight.linalg"),
    (FFT, "alight.fft"),
    (SPECIAL, "alight.special"),
)


def attach() -> None:
    """Put every method on Tensor and follow later replacements."""
    for name, function in METHODS.items():
        setattr(Tensor, name, function)
    later.attach()
    replaced.append(_replace)


def _replace(namespace: dict[str, Any], name: str, old: Any, new: Any) -> None:
    if namespace is METHODS:
        if Tensor.__dict__.get(name) is old:
            setattr(Tensor, name, new)
        return
    for table, module_name in _MODULES:
        module = sys.modules.get(module_name)
        if table is namespace and module is not None and module.__dict__.get(name) is old:
            setattr(module, name, new)
