"""torch.utils.dlpack: exchange of memory with other libraries."""

from typing import Any

from alight.ops.storage import dlpack_capsule, from_dlpack
from alight.tensor import Tensor


def to_dlpack(tensor: Tensor) -> Any:
    """A capsule over a tensor's memory, for libraries that read DLPack; its memory is shared, not
    copied.

    >>> import alight as torch
    >>> capsule = torch.utils.dlpack.to_dlpack(torch.arange(3))
    >>> torch.utils.dlpack.from_dlpack(capsule)
    tensor([0, 1, 2])
    """
    return dlpack_capsule(tensor)


def __dir__() -> list[str]:
    return list(__all__)


__all__ = ["from_dlpack", "to_dlpack"]
