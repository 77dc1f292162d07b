"""Files: PyTorch's checkpoints (`save`, `load`) and safetensors.

Nothing that a file names ever runs: see `alight.io.allowed`.
"""

from alight.io.serialization import load, save

__all__ = ["load", "save"]
