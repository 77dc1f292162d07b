"""torch.cuda.nvtx: names for parts of a program in NVIDIA's profiler, which is not there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from alight.offered import listing


def range_push(msg: str) -> int:
    """Nothing.

    >>> import alight as torch
    >>> _ = torch.cuda.nvtx.range_push('work')
    >>> _ = torch.cuda.nvtx.range_pop()
    """
    return 0


def range_pop() -> int:
    """Nothing.

    >>> import alight as torch
    >>> _ = torch.cuda.nvtx.range_push('work')
    >>> _ = torch.cuda.nvtx.range_pop()
    """
    return 0


def mark(msg: str) -> None:
    """Nothing.

    >>> import alight as torch
    >>> torch.cuda.nvtx.mark('here')
    """


@contextmanager
def range(msg: str, *args: Any, **kwargs: Any) -> Iterator[None]:
    """A block with a name.

    >>> import alight as torch
    >>> with torch.cuda.nvtx.range('work'):
    ...     torch.ones(1)
    tensor([1.])
    """
    yield


__dir__ = listing(globals())
