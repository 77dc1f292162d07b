"""Denoising diffusion: cosine schedule, U-Net with time embeddings, ancestral and DDIM sampling."""

import math, torch, torch.nn as nn, torch.nn.functional as F
from tqdm import tqdm

torch.manual_seed(0)


def linear_beta_schedule(T, b0=1e-4, b1=0.02):
    return torch.linspace(b0, b1, T)


def cosine_beta_schedule(T, s=0.008):
    x = torch.linspace(0, T, T + 1)
    ac = torch.cos(((x / T) + s) / (1 + s) * torch.pi * 0.5) ** 2
    ac = ac / ac[0]
    return torch.clip(1 - (ac[1:] / ac[:-1]), 0.0001, 0.9999)


T = 20
betas = cosine_beta_schedule(T)
alphas = 1.0 - betas
ac = torch.cumprod(alphas, axis=0)
acp = F.pad(ac[:-1], (1, 0), value=1.0)
post_var = betas * (1.0 - acp) / (1.0 - ac)
print(betas[:3], linear_beta_schedule(T)[-1], post_var[-2:])


def extract(a, t, shape):
    out = a.gather(-1, t.cpu())
    return out.reshape(t.shape[0], *((1,) * (len(shape) - 1))).to(t.device)


class SinusoidalPositionEmbeddings(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.dim = dim

    def forward(self, time):
        half = self.dim // 2
        e = math.log(10000) / (half - 1)
        e = torch.exp(torch.arange(half, device=time.device) * -e)
        e = time[:, None] * e[None, :]
        return torch.cat((e.sin(), e.cos()), dim=-1)


class Block(nn.Module):
    def __init__(self, i, o, t):
        super().__init__()
        self.mlp = nn.Sequential(nn.SiLU(), nn.Linear(t, o * 2))
        self.proj = nn.Conv2d(i, o, 3, padding=1)
        self.norm = nn.GroupNorm(4, o)
        self.act = nn.SiLU()
        self.res = nn.Conv2d(i, o, 1) if i != o else nn.Identity()

    def forward(self, x, t):
        scale, shift = self.mlp(t)[:, :, None, None].chunk(2, dim=1)
        return self.act(self.norm(self.proj(x)) * (scale + 1) + shift) + self.res(x)


class Unet(nn.Module):
    def __init__(self, c=8, t=16):
        super().__init__()
        self.time = nn.Sequential(
            SinusoidalPositionEmbeddings(t), nn.Linear(t, t), nn.GELU(), nn.Linear(t, t)
        )
        self.a, self.b, self.m, self.u = (
            Block(1, c, t),
            Block(c, 2 * c, t),
            Block(2 * c, 2 * c, t),
            Block(3 * c, c, t),
        )
        self.down = nn.Conv2d(c, c, 4, 2, 1)
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.out = nn.Conv2d(c, 1, 1)

    def forward(self, x, time):
        t = self.time(time)
        a = self.a(x, t)
        b = self.b(self.down(a), t)
        return self.out(self.u(torch.cat((self.up(self.m(b, t)), a), 1), t))


model = Unet()
opt = torch.optim.AdamW(model.parameters(), lr=2e-3)
sched = torch.optim.lr_scheduler.OneCycleLR(opt, 5e-3, total_steps=10)
data = torch.rand(16, 1, 8, 8) * 2 - 1
for step in tqdm(range(10), disable=True):
    t = torch.randint(0, T, (16,)).long()
    noise = torch.randn_like(data)
    x = extract(ac.sqrt(), t, data.shape) * data + extract((1 - ac).sqrt(), t, data.shape) * noise
    loss = F.smooth_l1_loss(noise, model(x, t))
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    if step % 3 == 0:
        print(step, f"{loss.item():.5f}", f"{sched.get_last_lr()[0]:.6f}")


@torch.no_grad()
def p_sample(x, t, i):
    mean = extract(alphas.rsqrt(), t, x.shape) * (
        x - extract(betas, t, x.shape) * model(x, t) / extract((1 - ac).sqrt(), t, x.shape)
    )
    return (
        mean if i == 0 else mean + torch.sqrt(extract(post_var, t, x.shape)) * torch.randn_like(x)
    )


@torch.inference_mode()
def ddim(x, steps=5):
    seq = list(range(0, T, T // steps))
    for i, j in zip(reversed(seq), reversed([-1] + seq[:-1])):
        t = torch.full((x.size(0),), i)
        e = model(x, t)
        at = ac[i]
        an = ac[j] if j >= 0 else torch.tensor(1.0)
        x0 = (x - e * (1 - at).sqrt()) / at.sqrt()
        x = an.sqrt() * x0 + (1 - an).sqrt() * e
    return x


img = torch.randn(2, 1, 8, 8)
for i in reversed(range(T)):
    img = p_sample(img, torch.full((2,), i, dtype=torch.long), i)
print(img.mean(), img.std(), ddim(torch.randn(2, 1, 8, 8)).abs().mean())
