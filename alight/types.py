"""torch.types: names for annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

from alight.device import device
from alight.dtypes import dtype as _dtype_class
from alight.tensor import Tensor

Device = Union[device, str, int, None]  # noqa: UP007  (evaluated by programs)
Number = Union[int, float, bool]  # noqa: UP007
_TensorOrTensors = Union[Tensor, Sequence[Tensor]]  # noqa: UP007
_dtype, _device = _dtype_class, device
_size = Union[Sequence[int], tuple[int, ...]]  # noqa: UP007
_int, _float, _bool = int, float, bool
Storage = Any
FileLike = Any


def __dir__() -> list[str]:
    return ["Device", "FileLike", "Number", "Storage"]
