"""Tones found in a noisy signal by its spectrogram; a filter in the frequency domain; the signal put together again."""

import math

import torch

torch.manual_seed(0)
rate = 1000
time = torch.arange(rate) / rate
signal = torch.sin(2 * math.pi * 50 * time) + 0.5 * torch.sin(2 * math.pi * 120 * time)
noisy = signal + 0.3 * torch.randn(rate)

window = torch.hann_window(128)
spectrum = torch.stft(noisy, 128, hop_length=32, window=window, return_complex=True)
power = spectrum.abs().pow(2).mean(1)
peaks = power.topk(2).indices.sort().values
print(spectrum.shape, peaks * rate / 128)

decibels = 10 * torch.log10(power.clamp(min=1e-10))
print((decibels - decibels.max()).round()[:6])

transform = torch.fft.rfft(noisy)
frequencies = torch.fft.rfftfreq(rate, 1 / rate)
transform[frequencies > 150] = 0
clean = torch.fft.irfft(transform, n=rate)
print((clean - signal).pow(2).mean() < (noisy - signal).pow(2).mean() / 4)

back = torch.istft(spectrum, 128, hop_length=32, window=window, length=rate)
torch.testing.assert_close(back, noisy, atol=1e-5, rtol=1e-5)

# A filter learned through its spectrum.
kernel = torch.zeros(33, requires_grad=True)
taper = torch.signal.windows.kaiser(33, beta=6.0)
optimizer = torch.optim.Adam([kernel], lr=0.05)
for _ in range(60):
    response = torch.fft.rfft(kernel * taper, n=256).abs()
    target = (torch.fft.rfftfreq(256) < 0.15).float()
    loss = (response - target).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(
    f"{loss.item():.3f}",
    torch.fft.fftshift(torch.arange(6)),
    torch.special.ndtr(torch.tensor([0.0])),
)
