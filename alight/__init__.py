"""alight: deep learning with PyTorch's API, from a light install.

    import alight as torch

The names of `torch` live here; sub-packages load when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from alight.autograd import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from alight.device import device
from alight.dtypes import (
    bfloat16, bool_ as bool, complex64, complex128, dtype, finfo, float16, float32, float64, iinfo, int8, int16, int32,
    int64, promote as promote_types, uint8, uint32,
)  # fmt: skip
from alight.ops import TORCH as _operations
from alight.random import Generator, fork_rng, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from alight.record.meta import Size
from alight.tensor import Tensor

__version__ = "0.1.0"

half, float, double = float16, float32, float64
short, int, long = int16, int32, int64
cfloat, cdouble = complex64, complex128

_SUBPACKAGES = (
    "autograd", "backends", "cuda", "data", "distributed", "explain", "fft", "func", "io", "linalg", "nn", "optim",
    "random", "record", "utils", "vision",
)  # fmt: skip

globals().update(_operations)


def __getattr__(name: str) -> Any:
    if name in _SUBPACKAGES:
        return import_module(f"alight.{name}")
    raise AttributeError(f"module 'alight' has no attribute '{name}'")
