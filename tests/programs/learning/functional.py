"""MAML and per-sample gradients with torch.func: functional_call, vmap over tasks and ensembles, hessian."""

import torch, torch.nn as nn, torch.nn.functional as F
from torch.func import (
    functional_call,
    grad,
    vmap,
    grad_and_value,
    stack_module_state,
    hessian,
    jacfwd,
)
import copy

torch.manual_seed(2)
net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
meta = torch.optim.Adam(net.parameters(), 1e-2)


def tasks(n=4, k=5):
    A, ph = torch.rand(n, 1, 1) * 4 + 1, torch.rand(n, 1, 1) * 3
    x = torch.rand(n, 2 * k, 1) * 10 - 5
    return x, A * torch.sin(x + ph)


def inner_loss(params, x, y):
    return F.mse_loss(functional_call(net, params, (x,)), y)


def adapt(params, x, y, steps=2, lr=0.02):
    for _ in range(steps):
        g = torch.autograd.grad(inner_loss(params, x, y), tuple(params.values()), create_graph=True)
        params = {k: p - lr * gi for (k, p), gi in zip(params.items(), g)}
    return params


for it in range(5):
    x, y = tasks()
    losses = []
    for xi, yi in zip(x, y):
        losses.append(
            inner_loss(adapt(dict(net.named_parameters()), xi[:5], yi[:5]), xi[5:], yi[5:])
        )
    loss = torch.stack(losses).mean()
    meta.zero_grad()
    loss.backward()
    meta.step()
    print(it, f"{loss.item():.4f}", f"{net[0].weight.grad.norm():.4f}")


def task_loss(params, x, y):
    g, v = grad_and_value(inner_loss)(params, x[:5], y[:5])
    new = {k: p - 0.02 * g[k] for k, p in params.items()}
    return inner_loss(new, x[5:], y[5:])


params = {k: v.detach() for k, v in net.named_parameters()}
x, y = tasks()
print(vmap(task_loss, in_dims=(None, 0, 0))(params, x, y))
mg = vmap(grad(task_loss), in_dims=(None, 0, 0))(params, x, y)
print({k: tuple(v.shape) for k, v in mg.items()}, mg["4.bias"].flatten())
models = [copy.deepcopy(net) for _ in range(3)]
for i, m in enumerate(models):
    m[4].bias.data += i
p, b = stack_module_state(models)
base = copy.deepcopy(net).to("meta")
print(
    vmap(lambda p, b, x: functional_call(base, (p, b), (x,)), in_dims=(0, 0, None))(p, b, x[0])
    .mean(1)
    .flatten()
)
f = lambda w: (torch.sin(w) * w.roll(1)).sum() ** 2
w = torch.tensor([0.3, -0.5, 1.0])
print(hessian(f)(w))
print(jacfwd(lambda w: w.exp().cumsum(0))(w))
print(torch.func.jvp(f, (w,), (torch.ones(3),)))
per = vmap(grad(inner_loss), in_dims=(None, 0, 0))(params, x[0], y[0])
print(per["0.weight"].shape, per["0.weight"].flatten(1).norm(dim=1))
