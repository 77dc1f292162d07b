"""torch.backends.cudnn: switches that programs set; there is no cuDNN here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alight.offered import listing

enabled = True
benchmark = False
benchmark_limit = 10
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """Whether cuDNN is there: no.

    >>> import alight as torch
    >>> torch.backends.cudnn.is_available()
    False
    """
    return False


def version() -> int | None:
    """Its version: none.

    >>> import alight as torch
    >>> torch.backends.cudnn.version()
    """
    return None


def is_acceptable(tensor: Any) -> bool:
    """Whether cuDNN could take a tensor: no.

    >>> import alight as torch
    >>> torch.backends.cudnn.is_acceptable(torch.ones(1))
    False
    """
    return False


@contextmanager
def flags(
    enabled: bool = False, benchmark: bool = False, benchmark_limit: int = 10, deterministic: bool = False,
    allow_tf32: bool = True, fp32_precision: str = "none",
) -> Iterator[None]:  # fmt: skip
    """A block with other switches.

    >>> import alight as torch
    >>> with torch.backends.cudnn.flags(enabled=False):
    ...     torch.ones(1)
    tensor([1.])
    """
    given = {
        "enabled": enabled,
        "benchmark": benchmark,
        "deterministic": deterministic,
        "allow_tf32": allow_tf32,
    }
    held = {name: globals()[name] for name in given}
    globals().update(given)
    try:
        yield
    finally:
        globals().update(held)


__dir__ = listing(globals())
