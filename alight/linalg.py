"""torch.linalg: the operations of `alight.ops` that are served under this name."""

from typing import Any

import alight.ops.factorizations  # noqa: F401  (declares some of them)
from alight.ops.operation import LINALG as _operations

globals().update(_operations)


def __getattr__(name: str) -> Any:
    if name == "LinAlgError":
        from alight.errors import LinAlgError

        return LinAlgError
    raise AttributeError(f"module 'alight.linalg' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(_operations)
