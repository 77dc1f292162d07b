"""Euler and Runge-Kutta loops through a network, a Hamiltonian network, physics-informed residuals, Fourier features."""

import torch
import torch.nn as nn

torch.manual_seed(4)


class ODEFunc(nn.Module):
    def __init__(self):
        super(ODEFunc, self).__init__()
        self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
        for m in self.net.modules():
            if isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, mean=0, std=0.1)
                nn.init.constant_(m.bias, val=0)

    def forward(self, t, y):
        return self.net(y**3)


def odeint(func, y0, t, method="rk4"):
    ys = [y0]
    for t0, t1 in zip(t[:-1], t[1:]):
        h, y = t1 - t0, ys[-1]
        if method == "euler":
            ys.append(y + h * func(t0, y))
        else:
            k1 = func(t0, y)
            k2 = func(t0 + h / 2, y + h * k1 / 2)
            k3 = func(t0 + h / 2, y + h * k2 / 2)
            k4 = func(t1, y + h * k3)
            ys.append(y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
    return torch.stack(ys)


true_A = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
t = torch.linspace(0.0, 1.0, 11)
true_y = odeint(lambda t, y: torch.mm(y**3, true_A), torch.tensor([[2.0, 0.0]]), t)
print(true_y.shape, true_y[-1])
func = ODEFunc()
optimizer = torch.optim.RMSprop(func.parameters(), lr=1e-3)
for itr in range(4):
    optimizer.zero_grad()
    pred_y = odeint(func, true_y[0], t, "euler" if itr % 2 else "rk4")
    loss = torch.mean(torch.abs(pred_y - true_y))
    loss.backward()
    optimizer.step()
    print("Iter {:02d} | Total Loss {:.6f}".format(itr, loss.item()))


class PINN(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)
        )

    def forward(self, x):
        return self.net(x)


u = PINN()
x = torch.linspace(0, 1, 20).view(-1, 1).requires_grad_(True)
opt = torch.optim.Adam(u.parameters(), lr=1e-2)
for step in range(4):
    y = u(x)
    dy = torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]
    ddy = torch.autograd.grad(dy, x, torch.ones_like(dy), create_graph=True)[0]
    residual = (ddy + torch.pi**2 * torch.sin(torch.pi * x)).pow(2).mean()
    boundary = u(torch.tensor([[0.0], [1.0]])).pow(2).sum()
    loss = residual + 10 * boundary
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"pinn {loss.item():.4f} residual {residual.item():.4f}")


class HNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.H = nn.Sequential(nn.Linear(2, 12), nn.Softplus(), nn.Linear(12, 1))

    def forward(self, z):
        with torch.enable_grad():
            z = z.detach().requires_grad_(True)
            (dH,) = torch.autograd.grad(self.H(z).sum(), z, create_graph=True)
        return torch.cat([dH[:, 1:], -dH[:, :1]], 1)


h, z = HNN(), torch.randn(6, 2)
loss = (h(z) - torch.stack([z[:, 1], -z[:, 0]], 1)).pow(2).mean()
loss.backward()
print(f"hnn {loss.item():.5f} {h.H[0].weight.grad.norm().item():.5f}")


class Embedder:
    def __init__(self, multires):
        self.freq_bands = 2.0 ** torch.linspace(0.0, multires - 1, steps=multires)
        self.embed_fns = [lambda x: x]
        for freq in self.freq_bands:
            for p_fn in [torch.sin, torch.cos]:
                self.embed_fns.append(lambda x, p_fn=p_fn, freq=freq: p_fn(x * freq))
        self.out_dim = 3 * len(self.embed_fns)

    def embed(self, inputs):
        return torch.cat([fn(inputs) for fn in self.embed_fns], -1)


class NeRF(nn.Module):
    def __init__(self, D=4, W=16, input_ch=27, skips=[2]):
        super().__init__()
        self.skips = skips
        self.pts_linears = nn.ModuleList(
            [nn.Linear(input_ch, W)]
            + [
                nn.Linear(W, W) if i not in skips else nn.Linear(W + input_ch, W)
                for i in range(D - 1)
            ]
        )
        self.rgb, self.alpha = nn.Linear(W, 3), nn.Linear(W, 1)

    def forward(self, x):
        h = x
        for i, l in enumerate(self.pts_linears):
            h = nn.functional.relu(self.pts_linears[i](h))
            if i in self.skips:
                h = torch.cat([x, h], -1)
        return torch.cat([self.rgb(h), self.alpha(h)], -1)


def raw2outputs(raw, z_vals, rays_d):
    dists = z_vals[..., 1:] - z_vals[..., :-1]
    dists = torch.cat([dists, torch.Tensor([1e10]).expand(dists[..., :1].shape)], -1)
    dists = dists * torch.norm(rays_d[..., None, :], dim=-1)
    rgb = torch.sigmoid(raw[..., :3])
    alpha = 1.0 - torch.exp(-nn.functional.relu(raw[..., 3]) * dists)
    weights = (
        alpha
        * torch.cumprod(torch.cat([torch.ones((alpha.shape[0], 1)), 1.0 - alpha + 1e-10], -1), -1)[
            :, :-1
        ]
    )
    return torch.sum(weights[..., None] * rgb, -2), torch.sum(weights * z_vals, -1)


embedder = Embedder(4)
nerf = NeRF(input_ch=embedder.out_dim)
rays_o, rays_d = torch.zeros(5, 3), torch.randn(5, 3)
z_vals = torch.linspace(1.0, 2.0, 6).expand(5, 6)
pts = rays_o[..., None, :] + rays_d[..., None, :] * z_vals[..., :, None]
opt = torch.optim.Adam(nerf.parameters(), lr=5e-3)
for i in range(3):
    raw = nerf(embedder.embed(pts.reshape(-1, 3))).view(5, 6, 4)
    rgb_map, depth_map = raw2outputs(raw, z_vals, rays_d)
    loss = torch.mean((rgb_map - 0.3) ** 2)
    opt.zero_grad()
    loss.backward()
    opt.step()
    psnr = -10.0 * torch.log(loss) / torch.log(torch.Tensor([10.0]))
    print(f"nerf {loss.item():.5f} psnr {psnr.item():.4f} depth {depth_map.sum().item():.3f}")
