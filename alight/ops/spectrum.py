"""Short-time Fourier transforms: `torch.stft` and `torch.istft`, and the methods of the same names.

A signal is cut into frames of n_fft places, hop_length apart; each is multiplied by a window and transformed.
"""

from __future__ import annotations

from typing import Any

import alight.ops.fft
import alight.ops.nn  # noqa: F401  (declares pad and fold)
from alight.dtypes import category
from alight.errors import fail, not_implemented, warn
from alight.ops.operation import FFT, FUNCTIONAL, TORCH, function
from alight.tensor import Tensor


def _window_of(window: Any, win_length: int, n_fft: int, like: Tensor) -> Any:
    """The window with zeros on both sides up to n_fft, or None where it changes nothing."""
    if window is None:
        if win_length == n_fft:
            return None
        window = TORCH["ones"](win_length, dtype=like.real.dtype, device=like.device)
    left = (n_fft - win_length) // 2
    return FUNCTIONAL["pad"](window, (left, n_fft - win_length - left))


def _shown(window: Any) -> str:
    return "None" if window is None else f"{window.type()}{{{list(window.shape)}}}"


@function(methods="stft")
def stft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, pad_mode: str = "reflect",
    normalized: bool = False, onesided: bool | None = None, return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Tensor:  # fmt: skip
    """The spectrum of each frame of a signal (n) or batch of signals (b, n): (b, frequencies, frames), complex.

    hop_length is n_fft // 4 and win_length n_fft if left out. With `center`, frames are centred on their places.

    Errors: RuntimeError where frames and window do not fit the signal, for one-sided results of
    complex input, and without return_complex for real input.

    >>> import alight as torch
    >>> torch.stft(torch.ones(8), 4, window=torch.ones(4), return_complex=True).shape
    torch.Size([3, 9])
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    size = n_fft if win_length is None else win_length
    if align_to_window:
        not_implemented("stft(align_to_window=True)", "center=True")
    if return_complex is None:
        if not input.is_complex() and (window is None or not window.is_complex()):
            fail(
                RuntimeError,
                "stft requires the return_complex parameter be given for real inputs, and will further require that "
                "return_complex=True in a future PyTorch release.",
                try_="return_complex=True",
            )
        return_complex = True
    x = input
    if center and 1 <= x.ndim <= 3:
        lead = x.reshape(*(1,) * (3 - x.ndim), *x.shape)
        padded = FUNCTIONAL["pad"](lead, (n_fft // 2, n_fft // 2), mode=pad_mode)
        x = padded.reshape(*x.shape[:-1], padded.shape[-1])
    given = (
        f"stft({x.type()}{list(x.shape)}, n_fft={n_fft}, hop_length={hop}, win_length={size}, "
        f"window={_shown(window)}, normalized={int(normalized)}, onesided={_flag(onesided)}, "
        f"return_complex={int(return_complex)}, align_to_window=None) "
    )
    _check_stft(given, x, n_fft, hop, size, window)
    complex_values = x.is_complex() or (window is not None and window.is_complex())
    if onesided and complex_values:
        fail(RuntimeError, "Cannot have onesided output if window or input is complex")
    frames = x.unfold(-1, n_fft, hop)
    weights = _window_of(window, size, n_fft, x)
    if weights is not None:
        frames = frames * weights
    whole = complex_values or onesided is False
    norm = "ortho" if normalized else "backward"
    spectrum = FFT["fft" if whole else "rfft"](frames, dim=-1, norm=norm).transpose(-2, -1)
    return spectrum if return_complex else TORCH["view_as_real"](spectrum)


def _flag(value: bool | None) -> Any:
    return None if value is None else int(value)


def _check_stft(given: str, x: Tensor, n_fft: int, hop: int, size: int, window: Any) -> None:
    if category(x.dtype) < 2:
        fail(RuntimeError, f"{given}: expected a tensor of floating point or complex values")
    if x.ndim not in (1, 2):
        fail(RuntimeError, f"{given}: expected a 1D or 2D tensor")
    if not 0 < n_fft <= x.shape[-1]:
        fail(RuntimeError, f"{given}: expected 0 < n_fft < {x.shape[-1]}, but got n_fft={n_fft}")
    if hop <= 0:
        fail(RuntimeError, f"{given}: expected hop_length > 0, but got hop_length={hop}")
    if not 0 < size <= n_fft:
        fail(RuntimeError, f"{given}: expected 0 < win_length <= n_fft, but got win_length={size}")
    if window is not None and tuple(window.shape) != (size,):
        fail(
            RuntimeError,
            f"{given}: expected a 1D window tensor of size equal to win_length={size}, but got window with size "
            f"{list(window.shape)}",
        )


@function(methods="istft")
def istft(
    input: Tensor, n_fft: int, hop_length: int | None = None, win_length: int | None = None,
    window: Tensor | None = None, center: bool = True, normalized: bool = False,
    onesided: bool | None = None, length: int | None = None, return_complex: bool = False,
) -> Tensor:  # fmt: skip
    """The signal whose `stft` is nearest to input (b, frequencies, frames), cut or padded to `length`.

    Errors: RuntimeError for real input, for one-sided results of a complex window, and where the
    windows leave a place uncovered.

    >>> import alight as torch
    >>> x, w = torch.arange(8.0), torch.hann_window(4)
    >>> torch.istft(torch.stft(x, 4, window=w, return_complex=True), 4, window=w).round()
    tensor([0., 1., 2., 3., 4., 5., 6., 7.])
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    size = n_fft if win_length is None else win_length
    if not input.is_complex():
        fail(
            RuntimeError,
            "istft requires a complex-valued input tensor matching the output from stft with return_complex=True.",
            try_="torch.view_as_complex(input)",
        )
    given = (
        f"istft(CPU{input.type().removeprefix('torch.').replace('Tensor', 'Type')}{list(input.shape)}, "
        f"n_fft={n_fft}, hop_length={hop}, win_length={size}, window={_shown(window)}, center={int(center)}, "
        f"normalized={int(normalized)}, onesided={_flag(onesided)}, length={length}, "
        f"return_complex={int(return_complex)}) "
    )
    if onesided is None:
        onesided = input.shape[-2] != n_fft if input.ndim >= 2 else True
    _check_istft(given, input, n_fft, hop, size, window, onesided)
    if return_complex and onesided:
        fail(RuntimeError, "Cannot have onesided output if window or input is complex")
    frames = _frames(input, n_fft, normalized, return_complex)
    weights = _window_of(window, size, n_fft, input)
    if weights is None:
        weights = TORCH["ones"](n_fft, dtype=input.real.dtype, device=input.device)
    total = n_fft + hop * (input.shape[-1] - 1)
    signal = _overlapped(frames * weights, total, hop)
    squares = (weights * weights).expand(1, input.shape[-1], n_fft)
    envelope = _overlapped(squares, total, hop)[0]
    start = n_fft // 2 if center else 0
    stop = start + length if length is not None else total - start
    result = signal[:, start:stop] / _covered(envelope[start:stop], given)
    if stop > total:
        warn(
            "The length of signal is shorter than the length parameter. Result is being padded with zeros in the "
            "tail. Please check your center and hop_length settings.",
        )
        result = FUNCTIONAL["pad"](result, (0, stop - total))
    return result if input.ndim == 3 else result[0]


def _covered(envelope: Tensor, given: str) -> Tensor:
    """The sum of the windows at each place, which must not be 0 anywhere."""
    if bool((envelope.abs() <= 1e-11).any()):
        fail(
            RuntimeError,
            f"{given}window overlap add min: 1",
            facts=["places of the signal are under no window"],
            try_="center=True, or a window without zeros",
        )
    return envelope


def _check_istft(
    given: str, x: Tensor, n_fft: int, hop: int, size: int, window: Any, onesided: bool
) -> None:
    if x.numel() == 0:
        fail(RuntimeError, f"{given}: input tensor cannot be empty.")
    if x.ndim not in (2, 3):
        fail(
            RuntimeError,
            f"{given}: expected a tensor with 3 or 4 dimensions, but got {x.ndim + 1}",
        )
    expected, text = (
        (n_fft // 2 + 1, "n_fft / 2 + 1 when onesided=True")
        if onesided
        else (n_fft, "n_fft when onesided=False")
    )
    if x.shape[-2] != expected:
        fail(
            RuntimeError,
            f"{given}: expected the frequency dimension (3rd to the last) of the input tensor to match {text}, but "
            f"got {x.shape[-2]}",
        )
    if not 0 < hop <= size:
        fail(RuntimeError, f"{given}: expected 0 < hop_length <= win_length")
    if not 0 < size <= n_fft:
        fail(RuntimeError, f"{given}: expected 0 < win_length <= n_fft")
    if window is not None and tuple(window.shape) != (size,):
        fail(
            RuntimeError,
            f"{given}: Invalid window shape. window has to be 1D and length of `win_length`",
        )


def _frames(x: Tensor, n_fft: int, normalized: bool, keep_complex: bool) -> Any:
    """The signal's frames (b, frames, n_fft); real ones come from half of the frequencies."""
    columns = (x if x.ndim == 3 else x[None]).transpose(-2, -1)
    norm = "ortho" if normalized else "backward"
    if keep_complex:
        return FFT["ifft"](columns, dim=-1, norm=norm)
    return FFT["irfft"](columns[..., : n_fft // 2 + 1], n_fft, dim=-1, norm=norm)


def _overlapped(frames: Any, total: int, hop: int) -> Any:
    """The sum of frames (b, frames, n), each `hop` places behind the one before."""
    if frames.is_complex():
        parts = (_overlapped(part, total, hop) for part in (frames.real, frames.imag))
        return TORCH["complex"](*parts)
    n = frames.shape[-1]
    return FUNCTIONAL["fold"](frames.transpose(1, 2), (1, total), (1, n), stride=(1, hop))[:, 0, 0]
