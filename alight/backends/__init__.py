"""What runs programs: one folder a backend. NumPy and LLVM are imported here and nowhere above.

The small modules beside them (`cudnn`, `mps`, ...) are `torch.backends`: switches that programs set.
"""

from importlib import import_module
from typing import Any

from alight.offered import listing

_SWITCHES = ("cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp", "opt_einsum", "quantized")


def __getattr__(name: str) -> Any:
    if name in _SWITCHES:
        return import_module(f"alight.backends.{name}")
    raise AttributeError(f"module 'alight.backends' has no attribute '{name}'")


__dir__ = listing(globals(), " ".join(_SWITCHES))
