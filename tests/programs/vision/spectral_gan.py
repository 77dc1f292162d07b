"""A conditional GAN with spectral normalisation of both kinds and a hinge loss."""

import torch, torch.nn as nn, torch.nn.functional as F
from torch.nn.utils import spectral_norm
from torch.nn.utils.parametrizations import spectral_norm as sn2

torch.manual_seed(0)


class G(nn.Module):
    def __init__(self, z=8, c=8):
        super().__init__()
        self.net = nn.Sequential(
            nn.ConvTranspose2d(z, c * 2, 4, 1, 0, bias=False),
            nn.BatchNorm2d(c * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(c * 2, c, 4, 2, 1, bias=False),
            nn.BatchNorm2d(c),
            nn.ReLU(True),
            nn.ConvTranspose2d(c, 1, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, z):
        return self.net(z[:, :, None, None])


class D(nn.Module):
    def __init__(self, c=8):
        super().__init__()
        self.a = spectral_norm(nn.Conv2d(1, c, 4, 2, 1))
        self.b = sn2(nn.Conv2d(c, c * 2, 4, 2, 1))
        self.out = spectral_norm(nn.Linear(c * 2 * 16, 1))
        self.emb = nn.Embedding(3, c * 2 * 16)

    def forward(self, x, y):
        h = F.leaky_relu(self.a(x), 0.2)
        h = F.leaky_relu(self.b(h), 0.2).flatten(1)
        return self.out(h) + (h * self.emb(y)).sum(1, keepdim=True)


def weights_init(m):
    name = m.__class__.__name__
    if name.find("Conv") != -1 and hasattr(m, "weight") and isinstance(m.weight, nn.Parameter):
        nn.init.normal_(m.weight.data, 0.0, 0.02)
    elif name.find("BatchNorm") != -1:
        nn.init.normal_(m.weight.data, 1.0, 0.02)
        nn.init.constant_(m.bias.data, 0)


g, d = G(), D()
g.apply(weights_init)
og = torch.optim.Adam(g.parameters(), 2e-3, betas=(0.0, 0.9))
od = torch.optim.Adam(d.parameters(), 2e-3, betas=(0.0, 0.9))
real = torch.rand(16, 1, 16, 16) * 2 - 1
for it in range(6):
    for _ in range(2):
        y = torch.randint(0, 3, (16,))
        with torch.no_grad():
            fake = g(torch.randn(16, 8))
        ld = F.relu(1 - d(real, y)).mean() + F.relu(1 + d(fake, y)).mean()
        od.zero_grad()
        ld.backward()
        od.step()
    for p in d.parameters():
        p.requires_grad_(False)
    lg = -d(g(torch.randn(16, 8)), y).mean()
    og.zero_grad(set_to_none=True)
    lg.backward()
    og.step()
    for p in d.parameters():
        p.requires_grad_(True)
    print(f"iter {it}: d {ld.item():.4f} g {lg.item():.4f}")
print([k for k in d.state_dict()])
print(d)
d.eval()
print(d(real[:2], y[:2]).flatten().tolist())
torch.nn.utils.remove_spectral_norm(d.a)
print(sorted(k for k in d.state_dict()), torch.linalg.matrix_norm(d.a.weight.flatten(1), 2))
