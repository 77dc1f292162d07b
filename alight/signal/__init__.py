"""torch.signal: windows."""

from alight.signal import windows

__all__ = ["windows"]
