"""torch.autograd's tools: functional, gradcheck, dual numbers, anomalies, checkpoints."""

import pytest

from tests.semantics.oracle import attempt, same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def functional(torch):
    F = torch.autograd.functional
    x = torch.tensor([[1.0, 2.0], [3.0, -1.0]])
    y = torch.tensor([0.5, 2.0])
    out = []

    def f(x):
        return x.sin() * x

    def g(x, y):
        return x @ y, (x * y).sum()

    def h(x, y):
        return (x**3).sum() * y.sum()

    out += [
        F.jacobian(f, x),
        F.jacobian(g, (x, y)),
        F.hessian(lambda x: (x**3).prod(), y),
        F.hessian(h, (x, y)),
        F.vjp(f, x, torch.ones(2, 2)),
        F.jvp(f, x, torch.ones(2, 2)),
        F.vjp(g, (x, y), (torch.ones(2), torch.tensor(2.0))),
        F.jvp(g, (x, y), (x, y)),
        F.hvp(lambda x: (x**3).sum(), y, torch.ones(2)),
        F.vhp(lambda x: (x**3).sum(), y, torch.ones(2)),
        F.hvp(h, (x, y), (x, y)),
    ]
    out.append(F.jacobian(lambda x: torch.ones(3), y))
    out.append(attempt(lambda: F.jacobian(lambda x: torch.ones(3), y, strict=True)))
    yr = y.clone().requires_grad_()
    j = F.jacobian(lambda x: x**3, yr, create_graph=True)
    j.sum().backward()
    out.append((j.detach(), j.requires_grad, yr.grad))
    for e in [
        lambda: F.jacobian(lambda x: 3, x),
        lambda: F.jacobian(lambda x: x, 3),
        lambda: F.hessian(lambda x: x, x),
        lambda: F.vjp(lambda x: x, x),
        lambda: F.jvp(lambda x: x, x),
        lambda: F.hvp(lambda x: x.sum(), x),
        lambda: F.vjp(lambda x: x, x, torch.ones(3)),
        lambda: F.jacobian(lambda x: x, (3, x)),
        lambda: F.jacobian(lambda x: x, x, vectorize=True),
    ]:
        out.append(attempt(e))
    return out


@program
def checks(torch):
    from_ = torch.autograd
    out = []
    d = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)

    class B(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g

    out += [
        attempt(lambda: from_.gradcheck(torch.sin, d)),
        attempt(lambda: from_.gradgradcheck(torch.sin, d)),
        attempt(lambda: from_.gradcheck(B.apply, (d,))),
        from_.gradcheck(B.apply, (d,), raise_exception=False),
        attempt(lambda: from_.gradcheck(torch.sin, torch.ones(2))),
    ]
    z = torch.tensor([1 + 2j, 0.5 - 1j], dtype=torch.complex128, requires_grad=True)
    out += [
        attempt(lambda: from_.gradcheck(lambda z: z * z, z)),
        attempt(lambda: from_.gradcheck(lambda z: z.abs(), z)),
        attempt(lambda: from_.gradcheck(lambda z: z.conj() * 2, z)),
    ]
    W = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    out += [
        from_.gradcheck(lambda x, w: torch.tanh(x @ w), (d, W)),
        from_.gradgradcheck(lambda x, w: torch.tanh(x @ w), (d, W)),
    ]
    return out


@program
def dual(torch):
    import importlib

    fw = importlib.import_module(torch.__name__ + ".autograd.forward_ad")
    out = []
    with fw.dual_level():
        x = fw.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.5]))
        y = x * x + x.sin()
        u = fw.unpack_dual(y)
        out += [
            u.primal,
            u.tangent,
            fw.unpack_dual(x).tangent,
            fw.unpack_dual(torch.ones(1)).tangent,
        ]
        w = fw.make_dual(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.eye(2))
        out.append(fw.unpack_dual(w @ x).tangent)
    out.append(attempt(lambda: fw.make_dual(torch.ones(1), torch.ones(1))))
    return out


@program
def anomaly(torch):
    import warnings

    x = torch.tensor([-1.0, 4.0], requires_grad=True)
    out = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.detect_anomaly():
            y = x.sqrt()
            out.append(attempt(lambda: y.sum().backward()))
            z = torch.tensor([4.0], requires_grad=True)
            z.sqrt().sum().backward()
            out.append(z.grad)
            out.append(torch.is_anomaly_enabled())
        with torch.autograd.set_detect_anomaly(True):
            out.append(attempt(lambda: (x.log() * 0).sum().backward()))
        torch.autograd.set_detect_anomaly(True)
        out.append(torch.is_anomaly_enabled())
        out.append(attempt(lambda: ((x - x) / (x - x)).sum().backward()))
        torch.autograd.set_detect_anomaly(False)
    return out


@program
def check_points(torch):
    import importlib

    c = importlib.import_module(torch.__name__ + ".utils.checkpoint")
    out = []
    n = [0]
    w = torch.tensor([1.0, 2.0], requires_grad=True)

    def f(x):
        n[0] += 1
        return (x * w).exp()

    for r in (True, False):
        w.grad = None
        x = torch.tensor([0.5, 1.0], requires_grad=True)
        y = c.checkpoint(f, x, use_reentrant=r)
        y.sum().backward()
        out.append((y.detach(), x.grad, w.grad))
    x = torch.tensor([0.5, 1.0], requires_grad=True)
    m = torch.nn.Sequential(torch.nn.Tanh(), torch.nn.ReLU(), torch.nn.Tanh())
    c.checkpoint_sequential(m, 2, x, use_reentrant=True).sum().backward()
    out.append(x.grad)
    out.append(n[0] > 1)
    return out


@program
def variables(torch):
    from_ = torch.autograd.Variable
    v = from_(torch.ones(2), requires_grad=True)
    return [
        v,
        v.requires_grad,
        isinstance(v, from_),
        isinstance(torch.ones(1), from_),
        isinstance(3, from_),
    ]


@program
def hooks_on_saved_tensors(torch):
    G = torch.autograd.graph
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    n = [0, 0]
    out = []

    def pack(t):
        n[0] += 1
        return t.detach().clone().numpy()

    def unpack(a):
        n[1] += 1
        return torch.from_numpy(a)

    with G.saved_tensors_hooks(pack, unpack):
        y = (x * 2).exp().sum()
    y.backward()
    out.append((x.grad, n[0] > 0, n[1] > 0))
    x.grad = None
    with G.saved_tensors_hooks(lambda t: t * 10, lambda t: t):
        z = (x * 2).exp().sum()
    z.backward()
    out.append(x.grad)
    x.grad = None
    with G.save_on_cpu():
        w = (x * x).sum()
    w.backward()
    out.append(x.grad)
    x.grad = None

    class Sq(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    with G.saved_tensors_hooks(lambda t: t.detach() * 3, lambda t: t):
        q = Sq.apply(x).sum()
    q.backward()
    out.append(x.grad)
    with G.disable_saved_tensors_hooks("no"):
        out.append(attempt(lambda: G.saved_tensors_hooks(pack, unpack).__enter__()))
    with G.saved_tensors_hooks(pack, unpack):
        u = (x * 2).exp().sum()
        x.grad = None
        u.backward()
        out.append(x.grad)
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])


def test_anomalies_name_the_line():
    import alight as torch

    x = torch.tensor([-1.0], requires_grad=True)
    with (
        torch.autograd.set_detect_anomaly(True),
        pytest.warns(UserWarning, match=r"SqrtBackward0(?s:.*)x\.sqrt\(\)"),
        pytest.raises(
            RuntimeError, match=r"Function 'SqrtBackward0'(?s:.*)test_autograd_tools\.py"
        ),
    ):
        y = x.sqrt()
        y.backward()
