"""torch.cuda.amp: the older names of `torch.amp`, for CUDA."""

from __future__ import annotations

from typing import Any

from alight import amp
from alight.amp import custom_bwd, custom_fwd
from alight.dtypes import float16
from alight.offered import listing


class autocast(amp.autocast):  # noqa: N801
    """`torch.amp.autocast("cuda")`: nothing changes where there is no such device, with a warning.

    >>> import alight as torch
    >>> with torch.cuda.amp.autocast(enabled=False):
    ...     torch.ones(1)
    tensor([1.])
    """

    def __init__(
        self, enabled: bool = True, dtype: Any = float16, cache_enabled: bool = True
    ) -> None:
        super().__init__("cuda", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class GradScaler(amp.GradScaler):
    """`torch.amp.GradScaler("cuda")`: everything passes through where there is no such device, with a warning.

    >>> import alight as torch
    >>> torch.cuda.amp.GradScaler(enabled=False).is_enabled()
    False
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("cuda", *args, **kwargs)


__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]


__dir__ = listing(globals())
