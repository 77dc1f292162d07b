"""torch.signal: windows."""

from alight.signal import windows

__all__ = ["windows"]


def __dir__() -> list[str]:
    return list(__all__)
