"""A mixture density network, RealNVP's couplings, a diffusion step, an energy model, Sinkhorn distances."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(5)


class MDN(nn.Module):
    def __init__(self, n_hidden, n_gaussians):
        super(MDN, self).__init__()
        self.z_h = nn.Sequential(nn.Linear(1, n_hidden), nn.Tanh())
        self.z_pi, self.z_sigma, self.z_mu = (
            nn.Linear(n_hidden, n_gaussians),
            nn.Linear(n_hidden, n_gaussians),
            nn.Linear(n_hidden, n_gaussians),
        )

    def forward(self, x):
        z_h = self.z_h(x)
        pi = F.softmax(self.z_pi(z_h), -1)
        sigma = torch.exp(self.z_sigma(z_h))
        return pi, sigma, self.z_mu(z_h)


oneDivSqrtTwoPI = 1.0 / math.sqrt(2.0 * math.pi)


def mdn_loss_fn(pi, sigma, mu, y):
    result = (y.expand_as(mu) - mu) * torch.reciprocal(sigma)
    result = -0.5 * (result * result)
    result = (torch.exp(result) * torch.reciprocal(sigma)) * oneDivSqrtTwoPI * pi
    return -torch.log(torch.sum(result, dim=1)).mean()


y = torch.rand(40, 1) * 4 - 2
x = torch.sin(0.75 * y) * 2 + y * 0.5 + torch.randn(40, 1) * 0.1
network = MDN(n_hidden=12, n_gaussians=4)
optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
for epoch in range(4):
    loss = mdn_loss_fn(*network(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print("mdn %d %.5f" % (epoch, loss.data.tolist()))


class Coupling(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)
        self.s = nn.Sequential(nn.Linear(2, 12), nn.LeakyReLU(), nn.Linear(12, 2), nn.Tanh())
        self.t = nn.Sequential(nn.Linear(2, 12), nn.LeakyReLU(), nn.Linear(12, 2))

    def forward(self, x):
        x_ = x * self.mask
        s, t = self.s(x_) * (1 - self.mask), self.t(x_) * (1 - self.mask)
        z = x_ + (1 - self.mask) * (x * torch.exp(s) + t)
        return z, s.sum(dim=1)

    def inverse(self, z):
        z_ = self.mask * z
        s, t = self.s(z_) * (1 - self.mask), self.t(z_) * (1 - self.mask)
        return (1 - self.mask) * (z - t) * torch.exp(-s) + z_


class RealNVP(nn.Module):
    def __init__(self, n):
        super().__init__()
        masks = torch.tensor([[0, 1], [1, 0]] * n).float()
        self.layers = nn.ModuleList(Coupling(m) for m in masks)

    def log_prob(self, x):
        log_det = x.new_zeros(x.shape[0])
        for layer in reversed(self.layers):
            x, d = layer(x)
            log_det += d
        return -0.5 * (x**2 + math.log(2 * math.pi)).sum(1) + log_det

    def sample(self, n):
        z = torch.randn(n, 2)
        for layer in self.layers:
            z = layer.inverse(z)
        return z


flow = RealNVP(2)
data = torch.randn(64, 2) @ torch.tensor([[1.0, 0.5], [0.0, 0.3]]) + 1
opt = torch.optim.Adam([p for p in flow.parameters() if p.requires_grad], lr=5e-3)
for i in range(4):
    loss = -flow.log_prob(data).mean()
    opt.zero_grad()
    loss.backward(retain_graph=True)
    opt.step()
    print(f"flow {i} {loss:.5f}")
with torch.no_grad():
    s = flow.sample(5)
    z = s
    for layer in reversed(flow.layers):
        z, _ = layer(z)
    for layer in flow.layers:
        z = layer.inverse(z)
    print(s.shape, torch.allclose(s, z, atol=1e-4))


def extract(a, t, x_shape):
    out = a.gather(-1, t)
    return out.reshape(t.shape[0], *((1,) * (len(x_shape) - 1)))


T = 20
betas = torch.linspace(1e-4, 0.02, T)
alphas_cumprod = torch.cumprod(1.0 - betas, axis=0)
alphas_cumprod_prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)


class SinusoidalPositionEmbeddings(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, time):
        half_dim = self.dim // 2
        embeddings = torch.exp(torch.arange(half_dim) * -(math.log(10000) / (half_dim - 1)))
        embeddings = time[:, None] * embeddings[None, :]
        return torch.cat((embeddings.sin(), embeddings.cos()), dim=-1)


class Denoiser(nn.Module):
    def __init__(self):
        super().__init__()
        self.time = nn.Sequential(SinusoidalPositionEmbeddings(8), nn.Linear(8, 8), nn.GELU())
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 3, padding=1), nn.Conv2d(8, 1, 3, padding=1)

    def forward(self, x, t):
        return self.conv2(F.silu(self.conv1(x) + self.time(t)[:, :, None, None]))


model, x0 = Denoiser(), torch.rand(4, 1, 8, 8) * 2 - 1
opt = torch.optim.Adam(model.parameters(), lr=1e-2)
for step in range(4):
    t = torch.randint(0, T, (4,)).long()
    noise = torch.randn_like(x0)
    x_noisy = (
        extract(alphas_cumprod.sqrt(), t, x0.shape) * x0
        + extract((1 - alphas_cumprod).sqrt(), t, x0.shape) * noise
    )
    loss = F.smooth_l1_loss(noise, model(x_noisy, t))
    opt.zero_grad()
    loss.backward()
    opt.step()
    print("diffusion %.5f" % loss.item())


@torch.no_grad()
def p_sample(x, t, index):
    mean = (1 / (1 - betas[index]).sqrt()) * (
        x - betas[index] * model(x, t) / (1 - alphas_cumprod[index]).sqrt()
    )
    if index == 0:
        return mean
    variance = betas * (1.0 - alphas_cumprod_prev) / (1.0 - alphas_cumprod)
    return mean + torch.sqrt(extract(variance, t, x.shape)) * torch.randn_like(x)


img = torch.randn(2, 1, 8, 8)
for i in reversed(range(0, 5)):
    img = p_sample(img, torch.full((2,), i, dtype=torch.long), i)
print(img.std(), img.clamp(-1, 1).add(1).div(2).mul(255).to(torch.uint8).float().mean())

C = torch.cdist(torch.rand(5, 2), torch.rand(6, 2))
K, u, v = torch.exp(-C / 0.1), torch.ones(5) / 5, torch.ones(6) / 6
a, b = torch.ones(5), torch.ones(6)
for _ in range(20):
    a = u / (K @ b)
    b = v / (K.t() @ a)
plan = a[:, None] * K * b
print("sinkhorn %.5f" % (plan * C).sum(), plan.sum(), plan.sum(0))
energy = nn.Sequential(nn.Linear(2, 8), nn.SiLU(), nn.Linear(8, 1))
chain = torch.randn(4, 2)
for _ in range(5):
    chain = chain.detach().requires_grad_()
    g = torch.autograd.grad(energy(chain).sum(), [chain])[0]
    chain.data.add_(-0.1 * g + 0.05 * torch.randn_like(chain))
print("langevin", chain.detach().mean(0))
