"""torch.fft: the operations of `alight.ops` that are served under this name."""

from typing import Any

import alight.ops.fft  # noqa: F401  (declares them)
from alight.ops.operation import FFT as _operations

globals().update(_operations)


def __getattr__(name: str) -> Any:
    raise AttributeError(f"module 'alight.fft' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(_operations)
