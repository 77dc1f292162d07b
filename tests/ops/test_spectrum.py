"""Windows and short-time Fourier transforms beside their rows in the operator database."""

from __future__ import annotations

import pytest

from tests.ops.rows import agree

PROGRAMS = [
    *(
        f"torch.{name}_window(5), torch.{name}_window(6, periodic=False, dtype=torch.float64), torch.{name}_window(1), "
        f"torch.{name}_window(0)"
        for name in ("hann", "hamming", "blackman", "bartlett", "kaiser")
    ),
    "torch.hamming_window(5, True, 0.3, 0.2), torch.kaiser_window(5, False, 5.0, requires_grad=True)",
    "torch.signal.windows.kaiser(6, beta=3.0, sym=False), torch.signal.windows.kaiser(1)",
    "torch.signal.windows.exponential(5, center=1.0, tau=2.0, sym=False), torch.signal.windows.nuttall(0)",
    "torch.signal.windows.hann(4, dtype=torch.float16)",
    "torch.signal.windows.gaussian(4, std=-1.0)",
    "torch.hann_window(-1)",
    "y = torch.sin(torch.arange(40.0, dtype=torch.float64)); torch.stft(y, 8, return_complex=True).real.contiguous(), torch.stft(y, 8, 4, return_complex=False).contiguous()",
    "y = torch.sin(b.flatten().double()); torch.stft(y, 8, window=torch.hann_window(8, dtype=y.dtype), normalized=True, return_complex=True).abs()",
    "y = torch.sin(b.reshape(2, 12)); torch.stft(y, 6, 2, 4, center=False, onesided=False, return_complex=True).abs()",
    "y = torch.sin(b.flatten()); w = torch.hann_window(8); "
    "torch.istft(torch.stft(y, 8, window=w, return_complex=True), 8, window=w, length=20)",
    "torch.stft(v, 4)",
    "torch.stft(v, 0, return_complex=True)",
    "torch.stft(v, 4, hop_length=0, return_complex=True)",
    "torch.stft(v, 4, win_length=5, return_complex=True)",
    "torch.stft(v, 4, window=torch.ones(3), return_complex=True)",
    "torch.stft(b, 4, return_complex=True)",
    "torch.istft(x, 4)",
    "torch.istft(torch.ones(3, 4, dtype=torch.complex64), 4, window=torch.zeros(4))",
    "torch.istft(torch.ones(3, 4, dtype=torch.complex64), 8)",
    "torch.istft(torch.ones(3, 4, dtype=torch.complex64), 4, hop_length=5)",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_pytorch(program: str) -> None:
    agree(program)
