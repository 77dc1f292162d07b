"""torch.accelerator where there is none: what scripts ask before they decide where to run."""

from __future__ import annotations

from typing import Any

from alight.errors import fail
from alight.offered import listing

_NONE = "Cannot access accelerator device when none is available."


def is_available() -> bool:
    """Whether there is an accelerator: not yet.

    >>> import alight as torch
    >>> torch.accelerator.is_available()
    False
    """
    return False


def current_accelerator(check_available: bool = False) -> Any:
    """The kind of accelerator: None.

    >>> import alight as torch
    >>> torch.accelerator.current_accelerator()
    """
    return None


def device_count() -> int:
    """How many accelerators there are.

    >>> import alight as torch
    >>> torch.accelerator.device_count()
    0
    """
    return 0


def current_device_index() -> int:
    """PyTorch's error: there is none.

    Errors: RuntimeError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.accelerator.current_device_index()
    ... except RuntimeError as error:
    ...     print('no device')
    no device
    """
    fail(RuntimeError, _NONE, try_="torch.accelerator.is_available() first")


current_device_idx = current_device_index


def set_device_index(device: Any) -> None:
    """PyTorch's error: there is none.

    Errors: RuntimeError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.accelerator.set_device_index(0)
    ... except RuntimeError as error:
    ...     print('no device')
    no device
    """
    fail(RuntimeError, _NONE, try_="torch.accelerator.is_available() first")


set_device_idx = set_device_index


def synchronize(device: Any = None) -> None:
    """PyTorch's error: there is nothing to wait for.

    Errors: RuntimeError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.accelerator.synchronize()
    ... except RuntimeError as error:
    ...     print('no device')
    no device
    """
    fail(RuntimeError, _NONE, try_="torch.accelerator.is_available() first")


def current_stream(device: Any = None) -> Any:
    """PyTorch's error: there is none.

    Errors: RuntimeError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.accelerator.current_stream()
    ... except RuntimeError as error:
    ...     print('no device')
    no device
    """
    fail(RuntimeError, _NONE, try_="torch.accelerator.is_available() first")


class device_index:  # noqa: N801
    """A block in which another accelerator is the current one; nothing for None.

    >>> import alight as torch
    >>> with torch.accelerator.device_index(None):
    ...     torch.ones(1)
    tensor([1.])
    """

    def __init__(self, device: int | None) -> None:
        self.device = device

    def __enter__(self) -> None:
        if self.device is not None:
            set_device_index(self.device)

    def __exit__(self, *error: object) -> None:
        pass


def memory_allocated(device: Any = None) -> int:
    """Bytes in use on the accelerator.

    >>> import alight as torch
    >>> torch.accelerator.memory_allocated()
    0
    """
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def empty_cache() -> None:
    """Nothing to empty.

    >>> import alight as torch
    >>> torch.accelerator.empty_cache()
    """


def reset_peak_memory_stats(device: Any = None) -> None:
    """Nothing to reset.

    >>> import alight as torch
    >>> torch.accelerator.reset_peak_memory_stats()
    """


__dir__ = listing(globals())
