"""float16 and bfloat16 computed in float32 and rounded once: for kernels that add or multiply many numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alight.backends.interpreter.arrays import Array, round_bfloat16
from alight.backends.interpreter.kernels import Kernel
from alight.dtypes import bfloat16, dtype, float16
from alight.ir.types import Type


def in_single(types_in: Sequence[Type], types_out: Sequence[Type], run: Kernel) -> Kernel:
    """`run` itself, or around it: float16 inputs made float32, and half-precision results rounded."""
    if not any(type.dtype in (float16, bfloat16) for type in (*types_in, *types_out)):
        return run

    def rounded(*arrays: Array) -> Any:
        results = run(*(a.astype(np.float32) if a.dtype == np.float16 else a for a in arrays))
        if len(types_out) == 1:
            return _round(results, types_out[0].dtype)
        return tuple(_round(one, type.dtype) for one, type in zip(results, types_out, strict=True))

    return rounded


def _round(x: Array, of: dtype) -> Array:
    if of is bfloat16:
        return round_bfloat16(x)
    return x.astype(np.float16) if of is float16 else x
