"""Newton's method with autograd, Rosenbrock, Hessians, Jacobians, Lagrange multipliers, gradient descent pictures."""

import torch
from torch.autograd.functional import hessian, jacobian

torch.manual_seed(3)


def rosen(x):
    return torch.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


x = torch.tensor([-1.0, 1.5, 0.8], dtype=torch.float64, requires_grad=True)
for i in range(5):
    (g,) = torch.autograd.grad(rosen(x), x, create_graph=True)
    H = torch.stack([torch.autograd.grad(g[j], x, retain_graph=True)[0] for j in range(x.numel())])
    step = torch.linalg.solve(H, g.detach())
    with torch.no_grad():
        x -= step
    print(f"{i} f {rosen(x).item():.6f} |g| {g.norm().item():.4f}")
print(torch.allclose(hessian(rosen, x.detach()), H, atol=1e6), hessian(rosen, x.detach())[0])
print(jacobian(lambda v: torch.stack([v.sum(), v.prod()]), torch.tensor([1.0, 2.0, 3.0])))
print(
    torch.autograd.functional.jvp(
        lambda v: v**2, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.5])
    )[1],
    torch.autograd.functional.vhp(lambda v: (v**3).sum(), torch.tensor([1.0, 2.0]), torch.ones(2))[
        1
    ],
)

# a root by Newton, a derivative of every order
t = torch.tensor(1.0, requires_grad=True)
for _ in range(4):
    f = t**3 - 2 * t - 5
    (df,) = torch.autograd.grad(f, t)
    t = (t - f / df).detach().requires_grad_()
print("root %.5f" % t.item())
y, orders = torch.sin(t), []
for n in range(4):
    orders.append(round(y.item(), 4))
    (y,) = torch.autograd.grad(y, t, create_graph=True)
print(orders)

# trajectories of gradient descent, momentum, AdaGrad, RMSProp, AdaDelta, Adam written by hand
f2 = lambda x1, x2: 0.1 * x1**2 + 2 * x2**2


def descend(update, steps=6):
    p = torch.tensor([-5.0, -2.0], requires_grad=True)
    state = {}
    for i in range(1, steps + 1):
        f2(*p).backward()
        with torch.no_grad():
            update(p, p.grad, state, i)
            p.grad.zero_()
    return p.detach(), f2(*p).item()


def gd(p, g, s, i):
    p[:] -= 0.4 * g


def momentum(p, g, s, i):
    s["v"] = 0.5 * s.get("v", torch.zeros_like(p)) + g
    p -= 0.4 * s["v"]


def adagrad(p, g, s, i):
    s["s"] = s.get("s", 0) + torch.square(g)
    p[:] -= 0.4 * g / torch.sqrt(s["s"] + 1e-6)


def rmsprop(p, g, s, i):
    s.setdefault("s", torch.zeros_like(p))
    s["s"][:] = 0.9 * s["s"] + 0.1 * torch.square(g)
    p.data[:] -= 0.4 * g / torch.sqrt(s["s"] + 1e-6)


def adadelta(p, g, s, i):
    s.setdefault("s", torch.zeros_like(p)), s.setdefault("d", torch.zeros_like(p))
    s["s"][:] = 0.9 * s["s"] + 0.1 * torch.square(g)
    g = (torch.sqrt(s["d"] + 1e-5) / torch.sqrt(s["s"] + 1e-5)) * g
    p[:] -= g
    s["d"][:] = 0.9 * s["d"] + 0.1 * g * g


def adam(p, g, s, i):
    s["v"] = 0.9 * s.get("v", 0) + 0.1 * g
    s["s"] = 0.999 * s.get("s", 0) + 0.001 * torch.square(g)
    p -= 0.4 * (s["v"] / (1 - 0.9**i)) / (torch.sqrt(s["s"] / (1 - 0.999**i)) + 1e-6)


for rule in (gd, momentum, adagrad, rmsprop, adadelta, adam):
    p, value = descend(rule)
    print(f"{rule.__name__:>9} {p.tolist()[0]:.4f} {p.tolist()[1]:.4f} f {value:.5f}")

# constrained: project onto the simplex and the ball
v = torch.tensor([0.5, 1.2, -0.3])
u, _ = torch.sort(v, descending=True)
css = torch.cumsum(u, 0) - 1
rho = (u - css / torch.arange(1, 4) > 0).sum()
print(torch.clamp(v - css[rho - 1] / rho, min=0), v * min(1.0, 1.0 / v.norm().item()))

# power iteration, conjugate gradient
A = torch.randn(4, 4)
A = A @ A.mT + torch.eye(4)
b = torch.ones(4)
q = torch.ones(4) / 2
for _ in range(30):
    q = A @ q
    q /= torch.norm(q)
z, r = torch.zeros(4), b.clone()
d, rs = r.clone(), r.dot(r)
for _ in range(4):
    Ad = A.mv(d)
    alpha = rs / d.dot(Ad)
    z += alpha * d
    r -= alpha * Ad
    rs_new = torch.dot(r, r)
    d = r + rs_new / rs * d
    rs = rs_new
print("%.4f" % (q @ A @ q), torch.allclose(A @ z, b, atol=1e-2), torch.linalg.eigvalsh(A).max())
