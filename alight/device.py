"""Devices: `device("cpu")`, `device("cuda:1")`, `device("meta")`.

A device object is a name; which devices can run anything is the backends' business.
"""

from __future__ import annotations

from typing import Any

from alight.dtypes import BY_NAME
from alight.errors import fail

_NAMES = (
    "cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, fpga, maia, xla, lazy, vulkan, mps, meta, hpu, mtia, "
    "privateuseone"
)  # PyTorch's
KINDS = ("cpu", "cuda", "mps", "meta", "xpu")


class device:  # noqa: N801  (PyTorch's name)
    """Where a tensor's elements live: a kind, and an index for one of several.

    As a context, `with torch.device("cpu"):`, it says where new tensors are made: the CPU
    alone.

    Errors: RuntimeError for a kind of device that does not exist and an index that is no
    number, TypeError for what is no text; NotImplementedError for another context.

    >>> import alight as torch
    >>> torch.device("cuda", 1)
    device(type='cuda', index=1)
    >>> str(torch.device("cuda:1")), torch.device("cpu") == torch.device(torch.device("cpu"))
    ('cuda:1', True)
    """

    __slots__ = ("type", "index", "_hash")
    type: str
    index: int | None

    def __init__(self, type: Any, index: Any = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        elif isinstance(type, int):  # an accelerator by number
            type, index = "cuda", type
        elif not isinstance(type, str):
            fail(TypeError, f"device(): argument 'type' must be str, not {type.__class__.__name__}")
        elif ":" in type:
            type, _, number = type.partition(":")
            if not number.isdigit():
                fail(
                    RuntimeError,
                    f"Invalid device string: '{type}:{number}'",
                    try_="device('cuda:0')",
                )
            index = int(number)
        if not type.replace("_", "").isalpha():
            fail(
                RuntimeError,
                f"Invalid device string: '{type}'",
                facts=["a dtype is an object: torch.float32"] if type in BY_NAME else (),
                try_=f"torch.{type}" if type in BY_NAME else "'cpu' or 'cuda:0'",
            )
        if type not in KINDS:
            fail(
                RuntimeError,
                f"Expected one of {_NAMES} device type at start of device string: {type}",
                facts=[f"alight knows {', '.join(KINDS)}"],
                try_="'cuda' if torch.cuda.is_available() else 'cpu'",
            )
        self.type, self.index = type, index
        self._hash = hash((type, index))

    def __enter__(self) -> device:
        """New tensors are made here inside the block: on the CPU, where they are made anyway."""
        if self.type != "cpu":
            fail(
                NotImplementedError,
                f"alight does not make tensors on {self} by default",
                try_=f"device={str(self)!r} in each call",
            )
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type={self.type!r}{index})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and (self.type, self.index) == (other.type, other.index)

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> Any:
        return device, (self.type, self.index)


CPU = device("cpu")
META = device("meta")
