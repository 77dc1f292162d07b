"""Wasserstein GAN: clipped weights, then the gradient penalty, which differentiates a gradient."""

import torch
from torch import autograd, nn

torch.manual_seed(7)


def mlp(sizes):
    layers = []
    for a, b in zip(sizes[:-1], sizes[1:]):
        layers.append(nn.Linear(a, b))
        layers.append(nn.ReLU())
    return nn.Sequential(*layers[:-1])


G, D = mlp([2, 16, 16, 2]), mlp([2, 16, 16, 1])
opt_g = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.0, 0.9))
opt_d = torch.optim.Adam(D.parameters(), lr=1e-3, betas=(0.0, 0.9))


def calc_gradient_penalty(netD, real_data, fake_data, lambda_=0.1):
    alpha = torch.rand(real_data.size(0), 1)
    alpha = alpha.expand(real_data.size())
    interpolates = (alpha * real_data + ((1 - alpha) * fake_data)).requires_grad_(True)
    disc_interpolates = netD(interpolates)
    gradients = autograd.grad(
        outputs=disc_interpolates, inputs=interpolates, grad_outputs=torch.ones(disc_interpolates.size()),
        create_graph=True, retain_graph=True, only_inputs=True,
    )[0]  # fmt: skip
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean() * lambda_


def real_batch(n):
    angle = torch.rand(n) * 2 * 3.141592653589793
    return torch.stack([angle.cos(), angle.sin()], 1)


for iteration in range(4):
    for p in D.parameters():
        p.requires_grad = True
    for _ in range(3):
        real = real_batch(32)
        with torch.no_grad():
            noise = torch.randn(32, 2)
        fake = G(noise).data
        D.zero_grad()
        d_real, d_fake = D(real).mean(), D(fake).mean()
        gp = calc_gradient_penalty(D, real.data, fake.data)
        d_loss = d_fake - d_real + gp
        d_loss.backward()
        opt_d.step()
    for p in D.parameters():
        p.requires_grad = False
    G.zero_grad()
    g_loss = -D(G(torch.randn(32, 2))).mean()
    g_loss.backward()
    opt_g.step()
    print(f"{iteration} W {float(d_real - d_fake):.5f} gp {gp.item():.5f} g {g_loss:.5f}")

for p in D.parameters():
    p.data.clamp_(-0.05, 0.05)
print(max(p.abs().max() for p in D.parameters()), [p.requires_grad for p in D.parameters()])
