"""torch.utils.dlpack: exchange of memory with other libraries."""

from typing import Any

from alight.ops.storage import dlpack_capsule, from_dlpack
from alight.tensor import Tensor


def to_dlpack(tensor: Tensor) -> Any:
    """A capsule over a tensor's memory."""
    return dlpack_capsule(tensor)


__all__ = ["from_dlpack", "to_dlpack"]
