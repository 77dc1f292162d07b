"""Devices: the GPUs that there are, else the CPU."""

from __future__ import annotations

import alight as torch


def cpu() -> torch.device:
    """The CPU.

    >>> from alight.lessons import cpu
    >>> cpu()
    device(type='cpu')
    """
    return torch.device("cpu")


def gpu(i: int = 0) -> torch.device:
    """The GPU number `i`, whether it exists or not.

    >>> from alight import lessons as d2l
    >>> d2l.gpu()
    device(type='cuda', index=0)
    """
    return torch.device(f"cuda:{i}")


def num_gpus() -> int:
    """How many GPUs can be used.

    >>> from alight import lessons as d2l
    >>> d2l.num_gpus() >= 0
    True
    """
    return int(torch.cuda.device_count())


def try_gpu(i: int = 0) -> torch.device:
    """The GPU number `i` where there is one, else the CPU.

    >>> from alight.lessons import try_gpu
    >>> try_gpu(100)
    device(type='cpu')
    """
    return gpu(i) if num_gpus() > i else cpu()


def try_all_gpus() -> list[torch.device]:
    """All GPUs, or a list of the CPU alone.

    >>> from alight import lessons as d2l
    >>> len(d2l.try_all_gpus()) >= 1
    True
    """
    return [gpu(i) for i in range(num_gpus())] or [cpu()]
