"""A normalizing flow of coupling layers, and variational fits through gamma and Dirichlet draws."""

import math, torch, torch.nn as nn
import torch.distributions as D
from torch.distributions import constraints

torch.manual_seed(5)


class Coupling(nn.Module):
    def __init__(self, dim, mask):
        super().__init__()
        self.register_buffer("mask", mask)
        self.s = nn.Sequential(nn.Linear(dim, 16), nn.LeakyReLU(), nn.Linear(16, dim), nn.Tanh())
        self.t = nn.Sequential(nn.Linear(dim, 16), nn.LeakyReLU(), nn.Linear(16, dim))

    def forward(self, z):
        zm = z * self.mask
        s, t = self.s(zm) * (1 - self.mask), self.t(zm) * (1 - self.mask)
        return zm + (1 - self.mask) * (z * s.exp() + t), s.sum(-1)

    def inverse(self, x):
        xm = x * self.mask
        s, t = self.s(xm) * (1 - self.mask), self.t(xm) * (1 - self.mask)
        return xm + (1 - self.mask) * ((x - t) * torch.exp(-s)), -s.sum(-1)


class Flow(nn.Module):
    def __init__(self, n=4):
        super().__init__()
        masks = torch.tensor([[0.0, 1.0], [1.0, 0.0]] * (n // 2))
        self.layers = nn.ModuleList(Coupling(2, m) for m in masks)
        self.prior = D.MultivariateNormal(torch.zeros(2), torch.eye(2))

    def log_prob(self, x):
        ld = x.new_zeros(x.shape[0])
        for l in reversed(self.layers):
            x, d = l.inverse(x)
            ld = ld + d
        return self.prior.log_prob(x) + ld

    def sample(self, n):
        z = self.prior.sample((n,))
        for l in self.layers:
            z, _ = l(z)
        return z


flow = Flow()
opt = torch.optim.Adam([p for p in flow.parameters() if p.requires_grad], 1e-2)
th = torch.rand(128) * math.pi
data = torch.stack([th.cos(), th.sin()], 1) + 0.1 * torch.randn(128, 2)
for i in range(10):
    loss = -flow.log_prob(data).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if i % 3 == 0:
        print(i, f"{loss:.4f}")
print(flow.sample(3), flow.layers[0].mask)
base = D.Independent(D.Normal(torch.zeros(2), torch.ones(2)), 1)
td = D.TransformedDistribution(
    base,
    [
        D.transforms.AffineTransform(torch.ones(2), 2 * torch.ones(2), event_dim=1),
        D.transforms.SigmoidTransform(),
    ],
)
s = td.rsample((2,))
print(s, td.log_prob(s), td)
# stochastic VI with gamma-family draws
a, b = torch.zeros(3, requires_grad=True), torch.zeros(3, requires_grad=True)
o = torch.optim.Adam([a, b], 0.05)
for i in range(6):
    q = D.Gamma(a.exp(), b.exp())
    z = q.rsample((16,))
    p = D.Gamma(2.0, 1.0)
    l = -(
        D.Poisson(z).log_prob(torch.tensor([1.0, 3.0, 5.0])) + p.log_prob(z) - q.log_prob(z)
    ).mean()
    o.zero_grad()
    l.backward()
    o.step()
print(
    f"{l:.2f}",
    q.mean.detach().round(decimals=2),
    D.kl_divergence(q, D.Gamma(2.0, 1.0)).sum().round(decimals=2),
)
d = D.Dirichlet(torch.tensor([0.5, 1.0, 2.0], requires_grad=True))
x = d.rsample((2,))
print(x, D.kl_divergence(d, D.Dirichlet(torch.ones(3))))
mix = D.MixtureSameFamily(
    D.Categorical(torch.tensor([0.3, 0.7])),
    D.Normal(torch.tensor([-1.0, 1.0]), torch.tensor([0.5, 0.2])),
)
print(mix.sample((4,)), mix.log_prob(torch.tensor([0.0, 1.0])), mix.cdf(torch.tensor(0.0)))
print(
    D.constraints.positive.check(torch.tensor([1.0, -1.0])),
    D.Beta(2.0, 3.0).entropy(),
    D.StudentT(3.0).rsample((2,)),
    D.OneHotCategorical(torch.ones(3)).sample(),
)
try:
    D.Normal(0.0, -1.0)
except ValueError as e:
    print(str(e).split("\n")[0])
