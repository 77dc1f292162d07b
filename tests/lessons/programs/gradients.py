"""Automatic differentiation: vectors, control flow, detaching, no_grad, accumulation."""

import torch

x = torch.arange(4.0)
print(x)
x.requires_grad_(True)
print(x.grad, x)
y = 2 * torch.dot(x, x)
print(y)
y.backward()
print(x.grad, x.grad == 4 * x)
x.grad.zero_()
y = x.sum()
y.backward()
print(x.grad)
x.grad.zero_()
y = x * x
y.sum().backward()
print(x.grad)
x.grad.zero_()
y = x * x
u = y.detach()
z = u * x
z.sum().backward()
print(x.grad == u, u, y, z)
x.grad.zero_()
y.sum().backward()
print(x.grad == 2 * x)


def f(a):
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    c = b if b.sum() > 0 else 100 * b
    return c


torch.manual_seed(3)
for _ in range(3):
    a = torch.randn(size=(), requires_grad=True)
    d = f(a)
    d.backward()
    print(a, d, a.grad == d / a)
x = torch.tensor([1.0, 2.0], requires_grad=True)
(g,) = torch.autograd.grad((x**3).sum(), x, create_graph=True)
print(g.requires_grad, g.detach(), torch.autograd.grad(g.sum(), x))
with torch.no_grad():
    y = x * 2
    print(y, y.requires_grad)
    x -= 0.1 * g
print(x, x.is_leaf, (x * 2).grad_fn is not None, type((x * 2).grad_fn).__name__)
y = x.exp()
y.backward(torch.tensor([1.0, 0.5]))
print(x.grad)
(x.sin().sum() * 3).backward()
print(x.grad)
try:
    (x * 2).backward()
except RuntimeError as error:
    print(str(error).splitlines()[0])
y = (x * x).sum()
y.backward()
try:
    y.backward()
except RuntimeError as error:
    print(str(error).splitlines()[0])
try:
    x.add_(1)
except RuntimeError as error:
    print(str(error).splitlines()[0])
