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
def views_written_another_way(torch):
    """One of several views, or one of a no_grad block, after what it views was written; and plain views."""
    with torch.no_grad():
        leaf = torch.ones(2, 3, requires_grad=True)
        silently = leaf.unbind()[0]
    w = torch.ones((), requires_grad=True)

    def grown():
        return torch.ones(2, 3) * w

    def in_no_grad(x):
        with torch.no_grad():
            return x[0]

    makes = [
        lambda x: x.unbind()[1],
        lambda x: x.split(1)[1][0],
        lambda x: x.chunk(2)[0],
        lambda x: x.split([1, 1])[0].view(3),
        lambda x: list(x)[1],
        lambda x: x.tensor_split(2)[1],
        lambda x: x.hsplit([1])[1],
        lambda x: x[0],
        lambda x: x.T,
        lambda x: x.unbind()[0].detach(),
        in_no_grad,
    ]
    writes = [
        lambda x: x.mul_(2),
        lambda x: x[0].zero_(),
        lambda x: torch.no_grad()(x.add_)(1),
        lambda x: x.data.add_(1),
    ]
    uses = [
        lambda v: v + 1,
        lambda v: v.grad_fn.name(),
        lambda v: v.is_leaf,
        lambda v: (v.requires_grad, v.tolist(), v.detach(), (v > 1), repr(v)),
        lambda v: torch.no_grad()(v.mul)(2),
        lambda v: v.view(-1),
        lambda v: v.mul_(2),
    ]
    out = [attempt(lambda: silently + 1)]
    for make in makes:
        for write in writes:
            if make is in_no_grad and write is writes[-1]:  # PyTorch: a leaf that requires grad
                continue
            x = grown()
            view = make(x)
            write(x)
            out.append([attempt(use, view) for use in uses])
    y = torch.ones(2, 3)
    several = y.unbind()
    y.mul_(w)
    return [*out, *(attempt(use, several[0]) for use in uses)]


@program
def parts_written_with_gradients(torch):
    """Several views of something without gradients, written with something that has some; their numbers."""
    w = torch.ones((), requires_grad=True)
    makes = [
        lambda x: x.split(2)[2],
        lambda x: x.split([1, 1, 3])[2],
        lambda x: x.split([2, 2, 1])[2],
        lambda x: x.split([2, 0, 3])[1],
        lambda x: x.chunk(3)[2],
        lambda x: x.unbind()[4],
        lambda x: x.unbind(1)[2],
        lambda x: x.split(1, 1)[2][1:],
        lambda x: x.detach().split(2)[0],
        lambda x: x.tensor_split(3)[2],
        lambda x: x[2:4],
    ]
    writes = [
        lambda v: v.mul_(w),
        lambda v: v.mul_(2),
        lambda v: v[0].copy_(w),
        lambda v: torch.no_grad()(v.mul_)(w),
    ]
    out = []
    for make in [*makes, *makes]:  # the second time they are known
        out += [attempt(write, make(torch.ones(5, 3))) for write in writes]
        part = make(torch.ones(5, 3, requires_grad=True) * 1)
        out += [part.output_nr, attempt(part.mul_, 2)]
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
