"""Gradients: of scalars, of vectors, detached, through control flow."""

import torch

x = torch.arange(4.0)
print(x)
x.requires_grad_(True)
print(x.grad)
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
y.backward(gradient=torch.ones(len(y)))
print(x.grad)
x.grad.zero_()
y = x * x
u = y.detach()
z = u * x
z.sum().backward()
print(x.grad == u)
x.grad.zero_()
y.sum().backward()
print(x.grad == 2 * x)


def f(a):
    b = a * 2
    while b.norm() < 1000:
        b = b * 2
    if b.sum() > 0:
        c = b
    else:
        c = 100 * b
    return c


torch.manual_seed(1)
a = torch.randn(size=(), requires_grad=True)
d = f(a)
d.backward()
print(a.grad == d / a, a.grad)
x = torch.tensor(2.0, requires_grad=True)
g = torch.autograd.grad(x**3, x, create_graph=True)[0]
print(g.detach(), torch.autograd.grad(g, x))
w = torch.tensor([1.0, -1.0], requires_grad=True)
for step in range(3):
    loss = ((w - 3) ** 2).sum()
    loss.backward()
    with torch.no_grad():
        w -= 0.1 * w.grad
        w.grad.zero_()
    print(step, loss, w)
try:
    y = w * w
    y.backward()
except RuntimeError as error:
    print(str(error).splitlines()[0])
print(
    (w * 2).requires_grad,
    w.detach().requires_grad,
    w.is_leaf,
    (w * 2).grad_fn is not None,
    w.exp(),
    torch.relu(w),
    w.mean(),
    w @ w,
)
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
print(x, type((x * 2).grad_fn).__name__)
y = x.exp()
y.backward(torch.tensor([1.0, 0.5]))
print(x.grad)
(x.sin().sum() * 3).backward()
print(x.grad)
y = (x * x).sum()
y.backward()
for wrong in (lambda: y.backward(), lambda: x.add_(1)):
    try:
        wrong()
    except RuntimeError as error:
        print(str(error).splitlines()[0])
