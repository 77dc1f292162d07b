"""`torch.hann_window` and the other windows that `torch` itself has; torch.signal.windows has more.

In: a length. Out: weights, computed in float64 and rounded once. A periodic window is the symmetric one of a place more
without its last place.
"""

from __future__ import annotations

import math
from typing import Any

from alight.dtypes import float64
from alight.errors import fail
from alight.ops.arguments import default_dtype, scalar_type_name
from alight.ops.creation import ones
from alight.ops.operation import function
from alight.ops.ranges import arange
from alight.ops.sizes import refuse_combination, whole_number
from alight.ops.special import i0
from alight.tensor import Tensor


def places(count: int) -> Any:
    """0, 1, ..., count - 1 in float64."""
    return arange(count, dtype=float64)


def kaiser_of(count: int, size: int, beta: float) -> Any:
    """The first `count` places of a Kaiser window of `size` places."""
    ramp = places(count) * (2 / max(size - 1, 1)) - 1
    inside = (1 - ramp * ramp).clamp(min=0).sqrt() * beta
    return i0(inside) / i0(ones((), dtype=float64) * beta)


def _window(name: str, length: int, shape: Any, periodic: bool, options: dict[str, Any]) -> Tensor:
    """`shape(places, size)` for the places of the window."""
    length = whole_number(name, "window_length", 1, length)
    if not isinstance(periodic, bool):
        refuse_combination(name, length, periodic, forms=(f"{name}(window_length, periodic=True)",))
    of = options.get("dtype") or default_dtype()
    if not of.is_floating_point:
        fail(
            RuntimeError,
            f"{name} expects floating point dtypes, got: {scalar_type_name(of)}",
            try_="dtype=torch.float32",
        )
    if length < 0:
        fail(
            RuntimeError,
            f"{name} requires non-negative window_length, got window_length={length}",
        )
    if length <= 1:
        made = ones(length, dtype=of)
    else:
        made = shape(places(length), length + periodic)
    made = made.to(dtype=of, device=options.get("device") or "cpu")
    return made.requires_grad_() if options.get("requires_grad") else made


def _cosines(*weights: float) -> Any:
    def shape(at: Any, size: int) -> Any:
        angle = at * (2 * math.pi / (size - 1))
        return sum((-1) ** k * weight * (angle * k).cos() for k, weight in enumerate(weights))

    return shape


@function()
def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0.5 - 0.5 * cos(angle), over a full turn.

    >>> import alight as torch
    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    options = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _window("hann_window", window_length, _cosines(0.5, 0.5), periodic, options)


@function()
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *,
    dtype: Any = None, layout: Any = None, device: Any = None, pin_memory: bool = False,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """alpha - beta * cos(angle), over a full turn.

    >>> import alight as torch
    >>> torch.hamming_window(4)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    options = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _window("hamming_window", window_length, _cosines(alpha, beta), periodic, options)


@function()
def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """0.42 - 0.5 * cos(angle) + 0.08 * cos(2 * angle), over a full turn.

    >>> import alight as torch
    >>> torch.blackman_window(4)[1:]
    tensor([0.3400, 1.0000, 0.3400])
    """
    options = {"dtype": dtype, "device": device, "requires_grad": requires_grad}
    return _window("blackman_window", window_length, _cosines(0.42, 0.5, 0.08), periodic, options)


@function()
def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A triangle from 0 to 1 and back.

    >>> import alight as torch
    >>> torch.bartlett_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    options = {"dtype": dtype, "device": device, "requires_grad": requires_grad}

    def shape(at: Any, size: int) -> Any:
        return 1 - (at * (2 / (size - 1)) - 1).abs()

    return _window("bartlett_window", window_length, shape, periodic, options)


@function()
def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """i0(beta * sqrt(1 - ramp**2)) / i0(beta), with ramp from -1 to 1.

    >>> import alight as torch
    >>> torch.kaiser_window(4)
    tensor([5.2773e-05, 2.1567e-01, 1.0000e+00, 2.1567e-01])
    """
    options = {"dtype": dtype, "device": device, "requires_grad": requires_grad}

    def shape(at: Any, size: int) -> Any:
        return kaiser_of(window_length, size, beta)

    return _window("kaiser_window", window_length, shape, periodic, options)
