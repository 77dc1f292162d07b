"""torch.autograd.profiler: the older names of `torch.profiler`."""

from __future__ import annotations

from typing import Any

from alight import profiler as _profiler
from alight.offered import listing
from alight.profiler import record_function


class profile(_profiler.profile):  # noqa: N801
    """A block in which parts named by `record_function` are timed; `enabled=False` switches it off.

    >>> import alight as torch
    >>> with torch.autograd.profiler.profile() as prof:
    ...     _ = torch.ones(2).sum().item()
    """

    def __init__(self, enabled: bool = True, **options: Any) -> None:
        super().__init__()
        self.enabled = enabled

    def start(self) -> None:
        """Begin to watch, if enabled."""
        if self.enabled:
            super().start()


class _Nothing:
    """A block that does nothing: there is no such tool here."""

    def __init__(self, enabled: bool = True, **options: Any) -> None:
        pass

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *error: object) -> None:
        pass


emit_nvtx = emit_itt = _Nothing

__all__ = ["emit_itt", "emit_nvtx", "profile", "record_function"]


__dir__ = listing(globals())
