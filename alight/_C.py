# ruff: noqa: N999  (the name that programs import)
"""What programs take from PyTorch's compiled part."""

from alight.ops.dispatch import DisableTorchFunction, DisableTorchFunctionSubclass
from alight.ops.dispatch import disabled_torch_function as _disabled_torch_function_impl
from alight.random import Generator
from alight.record.meta import Size
from alight.tensor import Tensor as TensorBase

__all__ = [
    "DisableTorchFunction", "DisableTorchFunctionSubclass", "Generator", "Size", "TensorBase",
    "_disabled_torch_function_impl",
]  # fmt: skip
