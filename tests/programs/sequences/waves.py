"""Causal dilated convolutions with weight normalisation, spectrograms, CTC, an autoregressive sampler, per-sample gradients."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import parameters_to_vector, spectral_norm, vector_to_parameters, weight_norm

torch.manual_seed(16)


class Chomp1d(nn.Module):
    def __init__(self, chomp_size):
        super(Chomp1d, self).__init__()
        self.chomp_size = chomp_size

    def forward(self, x):
        return x[:, :, : -self.chomp_size].contiguous()


class TemporalBlock(nn.Module):
    def __init__(self, n_inputs, n_outputs, kernel_size, dilation):
        super(TemporalBlock, self).__init__()
        padding = (kernel_size - 1) * dilation
        self.conv1 = weight_norm(
            nn.Conv1d(n_inputs, n_outputs, kernel_size, padding=padding, dilation=dilation)
        )
        self.chomp1, self.relu1 = Chomp1d(padding), nn.ReLU()
        self.net = nn.Sequential(self.conv1, self.chomp1, self.relu1)
        self.downsample = nn.Conv1d(n_inputs, n_outputs, 1) if n_inputs != n_outputs else None
        self.conv1.weight_v.data.normal_(0, 0.1)

    def forward(self, x):
        res = x if self.downsample is None else self.downsample(x)
        return F.relu(self.net(x) + res)


class TCN(nn.Module):
    def __init__(self, channels=(6, 6)):
        super().__init__()
        self.network = nn.Sequential(
            *[
                TemporalBlock(1 if i == 0 else channels[i - 1], c, 2, 2**i)
                for i, c in enumerate(channels)
            ]
        )
        self.linear = nn.Linear(channels[-1], 1)

    def forward(self, x):
        return self.linear(self.network(x).transpose(1, 2))


model = TCN()
t = torch.linspace(0, 6, 40)
x = torch.sin(t)[None, None]
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for i in range(3):
    loss = F.mse_loss(model(x)[:, :-1, 0], x[:, 0, 1:])
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"tcn {loss.item():.5f}")
print([n for n, _ in model.named_parameters()][:4])


class GatedBlock(nn.Module):
    def __init__(self, c, dilation):
        super().__init__()
        self.dilation = dilation
        self.filter, self.gate, self.out = (
            nn.Conv1d(c, c, 2, dilation=dilation),
            nn.Conv1d(c, c, 2, dilation=dilation),
            nn.Conv1d(c, c, 1),
        )

    def forward(self, x):
        padded = F.pad(x, (self.dilation, 0))
        z = torch.tanh(self.filter(padded)) * torch.sigmoid(self.gate(padded))
        z = self.out(z)
        return x + z, z


embed, blocks, final = (
    nn.Embedding(8, 6),
    nn.ModuleList(GatedBlock(6, 2**i) for i in range(3)),
    nn.Conv1d(6, 8, 1),
)
mu = 7
signal = torch.sin(t)
encoded = (
    (torch.sign(signal) * torch.log1p(mu * signal.abs()) / math.log1p(mu) + 1) / 2 * mu + 0.5
).long()


def wavenet(tokens):
    h, skips = embed(tokens).transpose(1, 2), 0
    for block in blocks:
        h, skip = block(h)
        skips = skips + skip
    return final(F.relu(skips))


params = [*embed.parameters(), *blocks.parameters(), *final.parameters()]
opt = torch.optim.Adam(params, lr=2e-2)
for i in range(4):
    loss = F.cross_entropy(wavenet(encoded[None, :-1]), encoded[None, 1:])
    opt.zero_grad()
    loss.backward()
    opt.step()
print(f"wavenet {loss.item():.4f}", encoded[:10].tolist())
tokens = encoded[None, :10]
with torch.no_grad():
    for _ in range(5):
        tokens = torch.cat([tokens, wavenet(tokens)[:, :, -1].argmax(1, keepdim=True)], dim=1)
print(tokens[0, 10:].tolist())

wave = torch.sin(2 * math.pi * 5 * torch.linspace(0, 1, 64)) + 0.1 * torch.randn(64)
spec = torch.stft(wave, n_fft=16, hop_length=8, window=torch.hann_window(16), return_complex=True)
power = spec.abs().pow(2)
back = torch.istft(spec, n_fft=16, hop_length=8, window=torch.hann_window(16), length=64)
print(
    spec.shape,
    power.mean(1).argmax(),
    torch.allclose(back, wave, atol=1e-4),
    torch.fft.rfft(wave).abs().argmax(),
)
fft = torch.fft.fft(wave)
print(
    f"{fft.abs().sum():.3f}",
    torch.fft.fftfreq(8),
    torch.allclose(torch.fft.ifft(fft).real, wave, atol=1e-5),
)
log_probs = torch.randn(6, 2, 5).log_softmax(2).requires_grad_()
ctc = F.ctc_loss(
    log_probs, torch.tensor([[1, 2, 3], [2, 2, 0]]), torch.tensor([6, 6]), torch.tensor([3, 2])
)
ctc.backward()
print(f"ctc {ctc.item():.4f} {log_probs.grad.norm().item():.4f}")

disc = nn.Sequential(
    spectral_norm(nn.Linear(4, 8)), nn.LeakyReLU(0.2), spectral_norm(nn.Linear(8, 1))
)
z = torch.randn(5, 4)
for _ in range(3):
    disc(z)
print(f"sigma {torch.linalg.matrix_norm(disc[0].weight, 2).item():.2f}", disc(z).shape)
lin = nn.Linear(3, 2)
vec = parameters_to_vector(lin.parameters())
vector_to_parameters(vec * 2, lin.parameters())
print(vec.shape, torch.allclose(parameters_to_vector(lin.parameters()), 2 * vec))

from torch.func import functional_call, grad, jacrev, vmap

weights = {k: v.detach() for k, v in lin.named_parameters()}


def sample_loss(weights, x, y):
    return F.mse_loss(functional_call(lin, weights, (x.unsqueeze(0),)), y.unsqueeze(0))


xs, ys = torch.randn(4, 3), torch.randn(4, 2)
per_sample = vmap(grad(sample_loss), in_dims=(None, 0, 0))(weights, xs, ys)
lin.zero_grad()
F.mse_loss(lin(xs), ys).backward()
print(
    {k: tuple(v.shape) for k, v in per_sample.items()},
    torch.allclose(per_sample["weight"].mean(0), lin.weight.grad, atol=1e-6),
)
print(jacrev(torch.sin)(torch.tensor([0.0, 1.0])), vmap(torch.dot)(xs, xs))
from torch.utils.checkpoint import checkpoint

h = torch.randn(2, 3, requires_grad=True)
out = checkpoint(lambda v: lin(v).tanh(), h, use_reentrant=False)
out.sum().backward()
print(f"{h.grad.norm().item():.4f}")
