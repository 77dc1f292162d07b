"""torch._dynamo: settings of a compiler that is not here, so that programs may set them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from alight.jit.compiler import allow_in_graph, disable, reset
from alight.offered import listing

config = SimpleNamespace(
    suppress_errors=False, recompile_limit=8, cache_size_limit=8, capture_scalar_outputs=False,
    optimize_ddp=True, verbose=False,
)  # fmt: skip


def optimize(*args: Any, **kwargs: Any) -> Any:
    """Decorator that leaves a function as it is.

    >>> import alight as torch
    >>> f = torch._dynamo.optimize()(max)
    >>> f is max
    True
    """
    return lambda fn: fn


__all__ = ["allow_in_graph", "config", "disable", "optimize", "reset"]

__dir__ = listing(globals())
