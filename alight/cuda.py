"""torch.cuda where there is no NVIDIA device: what scripts ask before they decide where to run."""

from __future__ import annotations

from typing import Any

from alight.backends.base import backend_of
from alight.device import device as Device


def is_available() -> bool:
    """Whether tensors can live on an NVIDIA device: not yet."""
    return False


def device_count() -> int:
    """Number of NVIDIA devices that can be used."""
    return 0


def is_initialized() -> bool:
    """Whether the device's runtime was started."""
    return False


def current_device() -> int:
    """PyTorch's error: there is none."""
    backend_of(Device("cuda"))
    return 0


def manual_seed(seed: int) -> None:
    """Nothing to seed."""


def manual_seed_all(seed: int) -> None:
    """Nothing to seed."""


def empty_cache() -> None:
    """Nothing to empty."""


def synchronize(device: Any = None) -> None:
    """PyTorch's error: there is no device to wait for."""
    backend_of(Device("cuda"))


def memory_allocated(device: Any = None) -> int:
    """Bytes in use on the device."""
    return 0


def max_memory_allocated(device: Any = None) -> int:
    """Most bytes that were in use on the device."""
    return 0
