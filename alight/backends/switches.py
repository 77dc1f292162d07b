"""What `torch.backends` shows of libraries that programs ask for or set: cuDNN, MKL, OpenMP, MPS, CUDA.

In: a name such as `cudnn`. Out: a module with PyTorch's switches and questions. alight uses none of these libraries, so
the switches keep what they are set to and change nothing, and each `is_available()` says no.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

_SWITCHES: dict[str, dict[str, Any]] = {
    "cudnn": {
        "enabled": True, "benchmark": False, "benchmark_limit": 10, "deterministic": False, "allow_tf32": True,
        "fp32_precision": "none",
    },
    "mps": {}, "mkl": {"verbose": 0}, "mkldnn": {"enabled": True, "deterministic": False, "allow_tf32": True},
    "openmp": {}, "cuda": {}, "xnnpack": {"enabled": False}, "opt_einsum": {"enabled": False, "strategy": None},
    "quantized": {"engine": "none", "supported_engines": ["none"]},
    "cpu": {},
}  # fmt: skip
NAMES = tuple(_SWITCHES)


def module(name: str) -> ModuleType:
    """The module `torch.backends.<name>`.

    >>> cudnn = module("cudnn")
    >>> cudnn.benchmark, cudnn.is_available()
    (False, False)
    """
    made = ModuleType(f"alight.backends.{name}", f"Switches of {name}, which alight does not use.")
    given = {"is_available": _no, "is_built": _no, **_SWITCHES[name]}
    if name == "cudnn":
        given |= {"version": _nothing, "flags": _flags(made), "is_acceptable": lambda tensor: False}
    elif name == "cuda":
        matmul = {"allow_tf32": False, "allow_fp16_reduced_precision_reduction": True}
        given |= {
            "matmul": SimpleNamespace(**matmul, fp32_precision="none"),
            "flash_sdp_enabled": _no,
        }
        given |= {
            f"enable_{kind}_sdp": _ignored for kind in ("flash", "mem_efficient", "math", "cudnn")
        }
    elif name == "cpu":
        given["get_cpu_capability"] = lambda: "DEFAULT"
    elif name == "mps":
        given["is_macos13_or_newer"] = lambda minor=0: False
    vars(made).update(given)
    return made


def _no() -> bool:
    return False


def _nothing() -> None:
    return None


def _ignored(enabled: bool) -> None:
    """Chooses among kernels that alight does not have."""


def _flags(cudnn: ModuleType) -> Any:
    @contextmanager
    def flags(**values: Any) -> Iterator[None]:
        """Set some of the switches for the length of a block."""
        before = {name: getattr(cudnn, name) for name in values}
        vars(cudnn).update(values)
        try:
            yield
        finally:
            vars(cudnn).update(before)

    return flags
