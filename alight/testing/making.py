"""Tensors with random elements for tests."""

from __future__ import annotations

from typing import Any

from alight.dtypes import BY_NAME
from alight.dtypes import dtype as Dtype
from alight.errors import fail
from alight.ops.operation import TORCH
from alight.tensor import Tensor


def make_tensor(
    *shape: Any,
    dtype: Dtype,
    device: Any = None,
    low: float | None = None,
    high: float | None = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor of random elements in [low, high): [-9, 9) for floating point, [0, 10) and the like for integers.

    >>> import alight as torch
    >>> torch.testing.make_tensor(3, dtype=torch.float32, device="cpu", low=0, high=1).shape
    torch.Size([3])
    """
    size = tuple(shape[0]) if len(shape) == 1 and not isinstance(shape[0], int) else shape
    if dtype.kind == "b":
        made = TORCH["randint"](0, 2, size).to(dtype)
    elif dtype.kind in "ui":
        limits = (0 if dtype.kind == "u" else -9, 10)
        low_int, high_int = (
            limits[0] if low is None else int(low),
            limits[1] if high is None else int(high),
        )
        if low_int >= high_int:
            fail(ValueError, f"`low` must be less than `high`, but got {low_int} >= {high_int}")
        made = TORCH["randint"](low_int, high_int, size).to(dtype)
    else:
        low, high = -9.0 if low is None else low, 9.0 if high is None else high
        made = TORCH["rand"](size, dtype=BY_NAME["float64"]) * (high - low) + low
        if dtype.is_complex:
            made = TORCH["complex"](
                made, TORCH["rand"](size, dtype=BY_NAME["float64"]) * (high - low) + low
            )
        made = made.to(dtype)
    if exclude_zero:
        made = TORCH["where"](made == 0, TORCH["ones_like"](made), made)
    if noncontiguous and made.numel() > 1:
        made = TORCH["repeat_interleave"](made, 2, dim=-1)[..., ::2]
    return made.requires_grad_() if requires_grad else made
