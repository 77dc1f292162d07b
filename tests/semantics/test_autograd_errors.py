"""Errors of automatic differentiation: PyTorch's types and first lines."""

import copy

import numpy as np
import pytest

from tests.semantics.oracle import attempt, same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def backward_and_grad(torch):
    out = []
    x = torch.ones(2, requires_grad=True)
    A = torch.autograd

    def other():
        return torch.ones(2, requires_grad=True)

    for f in [
        lambda: torch.ones(2).backward(),
        lambda: x.backward(),
        lambda: (x * 2).backward(),
        lambda: (x * 2).backward(torch.ones(3)),
        lambda: A.grad((x * 2).sum(), torch.ones(2)),
        lambda: A.grad((x * 2).sum(), other()),
        lambda: A.grad((x * 2).sum(), [x, other()], allow_unused=True),
        lambda: A.grad((x * 2).sum(), [x, other()], materialize_grads=True),
        lambda: A.grad((x * 2).sum(), [x, other()], materialize_grads=True, allow_unused=False),
        lambda: A.grad(x * 2, x),
        lambda: A.grad(x * 2, x, torch.ones(3)),
        lambda: A.grad([x * 2, x * 3], x, [torch.ones(2)]),
        lambda: A.grad([(x * 2).sum(), (x * 3).sum()], [x]),
        lambda: A.grad((x * 2).sum(), []),
        lambda: A.backward([(x * 2).sum(), (x * 3).sum()]),
        lambda: A.backward((x * 2).sum(), inputs=[]),
        lambda: (x > 0).sum().backward(),
        lambda: other().argmax().backward(),
        lambda: (x.detach() * 2).sum().backward(),
    ]:
        out.append(attempt(f))
    y = x * 2
    y.sum().backward(inputs=[y])
    out.append(y.grad)
    x.grad = None
    (x * 2).sum().backward(inputs=x)
    out.append(x.grad)
    return out


@program
def leaves(torch):
    out = []
    x = torch.ones(2, requires_grad=True)
    for f in [
        lambda: x.add_(1),
        lambda: x.zero_(),
        lambda: x[0:1].add_(1),
        lambda: x.copy_(torch.ones(2)),
        lambda: x.__setitem__(0, 1.0),
        lambda: x.t_(),
    ]:
        out.append(attempt(f))
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    for f in [
        lambda: setattr(y, "requires_grad", False),
        lambda: y.requires_grad_(False),
        lambda: torch.ones(2, dtype=torch.int64).requires_grad_(),
        lambda: torch.ones(2, dtype=torch.int64, requires_grad=True),
        lambda: torch.tensor([1], requires_grad=True),
        lambda: x.numpy(),
        lambda: y.numpy(),
        lambda: np.asarray(x),
        lambda: y.detach().numpy().tolist(),
        lambda: copy.deepcopy(y),
        lambda: copy.deepcopy(x).requires_grad,
    ]:
        out.append(attempt(f))
    for f in [
        lambda: setattr(x, "grad", torch.ones(3)),
        lambda: setattr(x, "grad", 3),
        lambda: setattr(x, "grad", torch.ones(2, dtype=torch.float64)),
        lambda: setattr(x, "grad", x),
        lambda: setattr(x, "grad", torch.ones(2)),
    ]:
        out.append(attempt(f))
    out.append(x.grad)
    del x.grad
    out.append(x.grad)
    y = x * 2
    y.detach_()
    out.append((y.requires_grad, y.grad_fn, y.is_leaf))
    v = x * 2
    out.append(attempt(lambda: v[0:1].detach_()))
    return out


@program
def used_twice_or_overwritten(torch):
    out = []
    x = torch.ones(2, requires_grad=True)

    def e(f):
        out.append(attempt(f))

    y = x.exp()
    z = y * y
    z.sum().backward(retain_graph=True)
    z.sum().backward()
    e(lambda: z.sum().backward())
    y = x.exp()
    y.mul_(2)
    e(lambda: y.sum().backward())
    y = x.exp()
    y.mul_(2)
    y.add_(1)
    e(lambda: y.sum().backward())
    y = x * 2
    z = y * y
    y.add_(1)
    e(lambda: z.sum().backward())
    y = x * 2
    y.add_(1)
    z = y * y
    y.add_(1)
    e(lambda: z.sum().backward())
    y = x.sigmoid()
    y[0] = 1
    e(lambda: y.sum().backward())
    w = torch.ones(2, 2, requires_grad=True)
    h = torch.ones(2, 2, requires_grad=True) * 2
    r = h @ w
    h += 1
    e(lambda: r.sum().backward())
    w = torch.ones(2, requires_grad=True)
    total = (w * w).sum()
    with torch.no_grad():
        w += 1
    e(lambda: total.backward())
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])
