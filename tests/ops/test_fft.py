"""torch.fft beside its rows in the operator database: frequencies, sizes, orders of dimensions, errors."""

from __future__ import annotations

import pytest

from tests.ops.rows import agree

PROGRAMS = [
    "torch.fft.fftfreq(8), torch.fft.fftfreq(5, d=0.25), torch.fft.fftfreq(1)",
    "torch.fft.rfftfreq(8), torch.fft.rfftfreq(5, 2.0, dtype=torch.float64)",
    "torch.fft.fftfreq(4, out=torch.empty(0))",
    "torch.fft.fft(i), torch.fft.rfft(m)",
    "torch.fft.irfft(torch.fft.rfft(v), n=4), torch.fft.ifft(torch.fft.fft(v)).abs()",
    "torch.fft.rfftn(b, dim=(2, 0)).abs().contiguous(), torch.fft.irfftn(torch.fft.rfftn(b), s=b.shape)",
    "torch.fft.fft2(b, s=(4, -1), dim=(0, 2), norm='ortho').abs().contiguous()",
    "torch.fft.hfft(torch.fft.ihfft(v, norm='forward'), n=4, norm='forward')",
    "torch.fft.fftshift(b, dim=(0, -1)), torch.fft.ifftshift(i)",
    "torch.fft.fft(v, norm='other')",
    "torch.fft.fft(v.half())",
    "torch.fft.fft(s)",
    "torch.fft.fftn(x, dim=(0, 0))",
    "torch.fft.fftn(x, s=(2, 2, 2))",
    "torch.fft.fftn(x, s=(2,), dim=(0, 1))",
    "torch.fft.rfft(torch.complex(v, v))",
    "torch.fft.irfft(v, n=0)",
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_pytorch(program: str) -> None:
    agree(program)


def test_a_filter_learns_through_the_spectrum() -> None:
    agree("torch.fft.irfft(torch.fft.rfft(x) * torch.fft.rfft(v), n=4).pow(2).sum()")
