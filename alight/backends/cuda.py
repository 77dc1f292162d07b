"""torch.backends.cuda: switches that programs set; there is no CUDA here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Matmul:
    """How products are to be computed on a GPU."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    allow_fp16_accumulation = False
    fp32_precision = "none"


class _PlanCache:
    """How many plans of Fourier transforms are kept."""

    size = 0
    max_size = 4096

    def clear(self) -> None:
        """Nothing to clear."""


matmul = _Matmul()
cufft_plan_cache = _PlanCache()
_attention = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def is_built() -> bool:
    """Whether CUDA was built in: no."""
    return False


def preferred_linalg_library(backend: Any = None) -> Any:
    """Which library factorises on a GPU: there is no choice to make."""
    return backend


preferred_blas_library = preferred_linalg_library


def enable_flash_sdp(enabled: bool) -> None:
    """Allow one way of computing attention on a GPU."""
    _attention["flash"] = bool(enabled)


def enable_mem_efficient_sdp(enabled: bool) -> None:
    """Allow one way of computing attention on a GPU."""
    _attention["mem_efficient"] = bool(enabled)


def enable_math_sdp(enabled: bool) -> None:
    """Allow one way of computing attention on a GPU."""
    _attention["math"] = bool(enabled)


def enable_cudnn_sdp(enabled: bool) -> None:
    """Allow one way of computing attention on a GPU."""
    _attention["cudnn"] = bool(enabled)


def flash_sdp_enabled() -> bool:
    """What enable_flash_sdp was called with."""
    return _attention["flash"]


def mem_efficient_sdp_enabled() -> bool:
    """What enable_mem_efficient_sdp was called with."""
    return _attention["mem_efficient"]


def math_sdp_enabled() -> bool:
    """What enable_math_sdp was called with."""
    return _attention["math"]


def cudnn_sdp_enabled() -> bool:
    """What enable_cudnn_sdp was called with."""
    return _attention["cudnn"]


@contextmanager
def sdp_kernel(
    enable_flash: bool = True,
    enable_math: bool = True,
    enable_mem_efficient: bool = True,
    enable_cudnn: bool = True,
) -> Iterator[None]:
    """A block with some ways of computing attention only."""
    held = dict(_attention)
    _attention.update(
        flash=enable_flash, math=enable_math, mem_efficient=enable_mem_efficient, cudnn=enable_cudnn
    )
    try:
        yield
    finally:
        _attention.update(held)
