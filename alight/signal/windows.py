# ruff: noqa: N803  (PyTorch's parameter is called M)
"""torch.signal.windows: weights that fade a stretch of a signal in and out.

Symmetric windows (`sym=True`) are for filters; periodic ones, one place of a longer symmetric window cut off, for the
spectrum of a stretch. All take `dtype` (float32 or float64), `device` and `requires_grad`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import alight as torch
from alight.errors import fail
from alight.ops.windows import kaiser_of, places
from alight.tensor import Tensor

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip


def _checked(name: str, M: int, dtype: Any, layout: Any) -> Any:
    """The dtype of the window; PyTorch's errors."""
    if M < 0:
        fail(ValueError, f"{name} requires non-negative window length, got M={M}")
    if layout is not None and layout is not torch.strided:
        fail(ValueError, f"{name} is implemented for strided tensors only, got: {layout}")
    of = dtype or torch.get_default_dtype()
    if of not in (torch.float32, torch.float64):
        fail(ValueError, f"{name} expects float32 or float64 dtypes, got: {of}")
    return of


def _made(window: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    made: Tensor = window.to(dtype=dtype, device=device or "cpu")
    return made.requires_grad_() if requires_grad else made


def _size(M: int, sym: bool) -> int:
    """The number of places of the symmetric window that this one is, or is cut from."""
    return M if sym or M <= 1 else M + 1


def general_cosine(
    M: int, *, a: Iterable[float], sym: bool = True, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """The sum of (-1)**k * a[k] * cos(k * angle) over a full turn.

    Errors: TypeError for coefficients that are no list, ValueError for none.

    >>> import alight as torch
    >>> torch.signal.windows.general_cosine(3, a=[0.5, 0.5])
    tensor([0., 1., 0.])
    """
    of = _checked("general_cosine", M, dtype, layout)
    if not isinstance(a, Iterable):
        fail(TypeError, "Coefficients must be a list/tuple")
    weights = list(a)
    if not weights:
        fail(ValueError, "Coefficients cannot be empty")
    if M == 1:
        return _made(torch.ones(1), of, device, requires_grad)
    angle = places(M) * (2 * math.pi / max(_size(M, sym) - 1, 1))
    window = sum((-1) ** k * weight * (angle * k).cos() for k, weight in enumerate(weights))
    return _made(window, of, device, requires_grad)


def general_hamming(
    M: int, *, alpha: float = 0.54, sym: bool = True, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """alpha - (1 - alpha) * cos(angle).

    >>> import alight as torch
    >>> torch.signal.windows.general_hamming(4, sym=False)
    tensor([0.0800, 0.5400, 1.0000, 0.5400])
    """
    return general_cosine(
        M, a=[alpha, 1 - alpha], sym=sym, dtype=dtype, layout=layout, device=device,
        requires_grad=requires_grad,
    )  # fmt: skip


def hamming(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """0.54 - 0.46 * cos(angle).

    >>> import alight as torch
    >>> torch.signal.windows.hamming(4)
    tensor([0.0800, 0.7700, 0.7700, 0.0800])
    """
    return general_hamming(M, sym=sym, **options)


def hann(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """0.5 - 0.5 * cos(angle).

    >>> import alight as torch
    >>> torch.signal.windows.hann(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    return general_hamming(M, alpha=0.5, sym=sym, **options)


def blackman(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Three cosine terms: 0.42, 0.5, 0.08.

    >>> import alight as torch
    >>> torch.signal.windows.blackman(5)[1:4]
    tensor([0.3400, 1.0000, 0.3400])
    """
    return general_cosine(M, a=[0.42, 0.5, 0.08], sym=sym, **options)


def nuttall(M: int, *, sym: bool = True, **options: Any) -> Tensor:
    """Four cosine terms, with small side lobes.

    >>> import alight as torch
    >>> torch.signal.windows.nuttall(3)
    tensor([3.6280e-04, 1.0000e+00, 3.6280e-04])
    """
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], sym=sym, **options)


def bartlett(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """A triangle from 0 to 1 and back.

    >>> import alight as torch
    >>> torch.signal.windows.bartlett(5)
    tensor([0.0000, 0.5000, 1.0000, 0.5000, 0.0000])
    """
    of = _checked("bartlett", M, dtype, layout)
    if M == 1:
        return _made(torch.ones(1), of, device, requires_grad)
    ramp = places(M) * (2 / max(_size(M, sym) - 1, 1)) - 1
    return _made(1 - ramp.abs(), of, device, requires_grad)


def cosine(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Half a sine wave.

    >>> import alight as torch
    >>> torch.signal.windows.cosine(3)
    tensor([0.5000, 1.0000, 0.5000])
    """
    of = _checked("cosine", M, dtype, layout)
    wave = ((places(M) + 0.5) * (math.pi / max(_size(M, sym), 1))).sin()
    return _made(wave, of, device, requires_grad)


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None,
    layout: Any = None, device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """exp(-|n - center| / tau).

    Errors: ValueError for tau that is not above 0, and for a center of a symmetric window.

    >>> import alight as torch
    >>> torch.signal.windows.exponential(3)
    tensor([0.3679, 1.0000, 0.3679])
    """
    of = _checked("exponential", M, dtype, layout)
    if tau <= 0:
        fail(ValueError, f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        fail(ValueError, "Center must be None for symmetric windows")
    middle = (_size(M, sym) - 1) / 2 if center is None else center
    return _made((-(places(M) - middle).abs() / tau).exp(), of, device, requires_grad)


def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """exp(-(n - middle)**2 / (2 * std**2)).

    Errors: ValueError for std that is not above 0.

    >>> import alight as torch
    >>> torch.signal.windows.gaussian(3)
    tensor([0.6065, 1.0000, 0.6065])
    """
    of = _checked("gaussian", M, dtype, layout)
    if std <= 0:
        fail(ValueError, f"Standard deviation must be positive, got: {std} instead.")
    gap = (places(M) - (_size(M, sym) - 1) / 2) / std
    return _made((gap * gap * -0.5).exp(), of, device, requires_grad)


def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """i0(beta * sqrt(1 - ramp**2)) / i0(beta), with ramp from -1 to 1.

    Errors: ValueError for negative beta.

    >>> import alight as torch
    >>> torch.signal.windows.kaiser(3)
    tensor([5.2773e-05, 1.0000e+00, 5.2773e-05])
    """
    of = _checked("kaiser", M, dtype, layout)
    if beta < 0:
        fail(ValueError, f"beta must be non-negative, got: {beta} instead.")
    if M == 1:
        return _made(torch.ones(1), of, device, requires_grad)
    return _made(kaiser_of(M, _size(M, sym), beta), of, device, requires_grad)


def __dir__() -> list[str]:
    return list(__all__)
