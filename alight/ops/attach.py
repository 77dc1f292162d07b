"""Methods onto Tensor."""

from __future__ import annotations

from alight.ops import later
from alight.ops.operation import METHODS
from alight.tensor import Tensor


def attach() -> None:
    """Put every method on Tensor, and a place for those that are loaded later."""
    for name, function in METHODS.items():
        setattr(Tensor, name, function)
    later.attach()
