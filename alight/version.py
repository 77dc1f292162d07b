"""torch.version: the version that programs ask for, and which libraries of other makers there are."""

from __future__ import annotations

import re
from typing import Any

from alight import __version__

cuda = hip = xpu = git_version = None
debug = False

SERVED = "2.13.0"  # the PyTorch whose API this is


class TorchVersion(str):
    """A version that compares by its numbers, with texts and with tuples.

    >>> TorchVersion("2.13.0+cpu") >= "2.2", TorchVersion("2.13.0") < (2, 14)
    (True, True)
    """

    __slots__ = ()

    def __lt__(self, other: Any) -> bool:
        return _numbers(self) < _numbers(other)

    def __le__(self, other: Any) -> bool:
        return _numbers(self) <= _numbers(other)

    def __gt__(self, other: Any) -> bool:
        return _numbers(self) > _numbers(other)

    def __ge__(self, other: Any) -> bool:
        return _numbers(self) >= _numbers(other)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, str):
            return str.__eq__(self, other)
        return isinstance(other, tuple | list) and _numbers(self) == _numbers(other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__


def _numbers(version: Any) -> list[int]:
    """Major, minor and so on, without zeros at the end and what follows a plus."""
    if isinstance(version, str):
        version = re.findall(r"\d+", version.partition("+")[0])
    numbers = [int(part) for part in version]
    while numbers and not numbers[-1]:
        numbers.pop()
    return numbers


__all__ = ["TorchVersion", "__version__", "cuda", "debug", "git_version", "hip", "xpu"]
