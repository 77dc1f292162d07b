"""autograd.Function in all its forms: what PyTorch does with it, alight does."""

import pytest

from tests.semantics.oracle import attempt, same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def two_results_and_setup_context(torch):
    out = []

    class A(torch.autograd.Function):
        @staticmethod
        def forward(x, y):
            return x * y, x + y

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, y = inputs
            ctx.save_for_backward(x, y)

        @staticmethod
        def backward(ctx, g1, g2):
            x, y = ctx.saved_tensors
            out.append(ctx.needs_input_grad)
            return g1 * y + g2, g1 * x + g2

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([3.0, 4.0], requires_grad=True)
    a, b = A.apply(x, y)
    (a.sum() + 2 * b.sum()).backward()
    out.append((x.grad, y.grad, type(a.grad_fn).__name__, a.grad_fn.name()))
    z = torch.ones(2, requires_grad=True)
    _, v = A.apply(z, torch.ones(2))
    v.sum().backward()
    out.append(z.grad)
    return out


@program
def written_in_place(torch):
    out = []

    class Inc(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = torch.ones(2, requires_grad=True)
    z = x * 1
    r = Inc.apply(z)
    out.append((r is z, z, type(z.grad_fn).__name__))
    z.sum().backward()
    out.append(x.grad)
    out.append(attempt(lambda: Inc.apply(torch.ones(2, requires_grad=True))))

    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x + 1)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g

    out.append(attempt(lambda: Bad.apply(torch.ones(1, requires_grad=True) * 1)))
    return out


@program
def results_without_gradients(torch):
    out = []

    class ND(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            i = x.argsort()
            s = x.sign()
            ctx.mark_non_differentiable(i, s)
            ctx.set_materialize_grads(False)
            return x * 2, i, s

        @staticmethod
        def backward(ctx, g, gi, gs):
            out.append((g is None, gi, gs))
            return g * 2

    x = torch.tensor([2.0, 1.0], requires_grad=True)
    u, i, s = ND.apply(x)
    out.append((u.requires_grad, i.requires_grad, s.requires_grad))
    u.sum().backward()
    out.append(x.grad)

    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, g, h):
            out.append((g.tolist(), h.tolist()))
            return g * 2 + h * 3

    x = torch.ones(2, requires_grad=True)
    u, v = Two.apply(x)
    v.sum().backward()
    out.append(x.grad)

    class Other(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, flag, items):
            return x * 2, "text", None

        @staticmethod
        def backward(ctx, g, *o):
            return g * 2, None, None

    x = torch.ones(2, requires_grad=True)
    r = Other.apply(x, True, [1])
    out.append(r[1:])
    r[0].sum().backward()
    out.append(x.grad)
    return out


@program
def errors(torch):
    F = torch.autograd.Function

    class Few(F):
        @staticmethod
        def forward(ctx, x, y):
            return x * y

        @staticmethod
        def backward(ctx, g):
            return g

    class Shape(F):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return torch.ones(5)

    class Missing(F):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    class Text(F):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return "a"

    class Save(F):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(3)
            return x

    class Nothing(F):
        pass

    def one():
        return torch.ones(2, requires_grad=True)

    return [
        attempt(f)
        for f in (
            lambda: Few.apply(one(), one()).sum().backward(),
            lambda: Shape.apply(one()).sum().backward(),
            lambda: Missing.apply(one()).sum().backward(),
            lambda: Text.apply(one()).sum().backward(),
            lambda: Save.apply(one()),
            lambda: Nothing.apply(one()),
        )
    ]


@program
def inputs_given_back(torch):
    out = []

    class Id(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = torch.ones(2, requires_grad=True)
    r = Id.apply(x)
    out.append((r is x, r.requires_grad, r.is_leaf))
    r.sum().backward()
    out.append(x.grad)

    class Reverse(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, alpha):
            ctx.alpha = alpha
            return x.view_as(x)

        @staticmethod
        def backward(ctx, g):
            return g.neg() * ctx.alpha, None

    x = torch.ones(2, requires_grad=True)
    Reverse.apply(x, 0.5).sum().backward()
    out.append(x.grad)
    return out


@program
def saved_results(torch):
    out = []

    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            r = x.exp()
            ctx.save_for_backward(r)
            return r

        @staticmethod
        def backward(ctx, g):
            (r,) = ctx.saved_tensors
            return g * r

    x = torch.ones(2, requires_grad=True)
    r = Exp.apply(x)
    r.sum().backward(retain_graph=True)
    out.append(x.grad)
    (g,) = torch.autograd.grad(r.sum(), x, create_graph=True)
    out.append(torch.autograd.grad(g.sum(), x))
    x = torch.ones(2, requires_grad=True)
    r = Exp.apply(x)
    r.sum().backward()
    out.append(attempt(lambda: r.sum().backward()))
    x = torch.ones(2, requires_grad=True)
    z = x * 1
    r = Exp.apply(z)
    r.add_(1)
    out.append(attempt(lambda: r.sum().backward()))
    with torch.no_grad():
        out.append(Exp.apply(torch.ones(1, requires_grad=True)).requires_grad)
    out.append(Exp.apply(torch.ones(1)).requires_grad)
    return out


@program
def once(torch):
    out = []

    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    x = torch.ones(2, requires_grad=True)
    (g,) = torch.autograd.grad(Once.apply(x).sum(), x, create_graph=True)
    out.append((g, g.requires_grad))
    out.append(attempt(lambda: g.sum().backward()))
    y = (Once.apply(x) * x).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    out.append(attempt(lambda: g.sum().backward()))
    return out


@program
def modes_inside(torch):
    out = []

    class Ctx(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, n):
            ctx.n = n
            out.append((ctx.needs_input_grad, x.requires_grad, torch.is_grad_enabled()))
            return x * n

        @staticmethod
        def backward(ctx, g):
            out.append((torch.is_grad_enabled(), ctx.needs_input_grad))
            return g * ctx.n, None

    Ctx.apply(torch.ones(1, requires_grad=True), 3).backward()

    class Int(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, i):
            ctx.save_for_backward(i)
            return x[i]

        @staticmethod
        def backward(ctx, g):
            (i,) = ctx.saved_tensors
            z = torch.zeros(3)
            z[i] = g
            return z, None

    x = torch.ones(3, requires_grad=True)
    Int.apply(x, torch.tensor([0, 2])).sum().backward()
    out.append(x.grad)
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])
