"""torch.func: the same numbers, structures and errors as PyTorch, nested in every order."""

import pytest

from tests.semantics.oracle import attempt, same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def grads(torch):
    f = torch.func
    x = torch.tensor([1.0, 2.0, 3.0])
    y = torch.tensor([2.0, 0.5, -1.0])
    out = [
        f.grad(lambda x: (x**3).sum())(x),
        f.grad(lambda x, y: (x * y).sum(), argnums=1)(x, y),
        f.grad(lambda x, y: (x * y * x).sum(), argnums=(0, 1))(x, y),
    ]
    out.append(f.grad_and_value(lambda x: x.sin().sum())(x))
    out.append(f.grad(lambda x: (x.sin().sum(), x * 2), has_aux=True)(x))
    out.append(f.grad(lambda d: (d["a"] * d["b"][0]).sum())({"a": x, "b": [y]}))
    out.append(f.grad(f.grad(lambda x: x**4))(torch.tensor(2.0)))
    out.append(f.grad(lambda x: torch.tensor(1.0))(x))
    w = torch.tensor([1.0, 1.0, 1.0], requires_grad=True)
    g = f.grad(lambda x: (x * w * x).sum())(x)
    out.append((g.detach(), g.requires_grad))
    g.sum().backward()
    out.append(w.grad)

    def cond(x):
        if x.sum() > 0:
            return (x * 2).sum()
        return (x * 3).sum()

    out.append((f.grad(cond)(x), f.grad(cond)(-x)))
    out.append(f.grad(lambda x: x.sum() * x.sum().item())(x))

    def inpl(x):
        y = x.clone()
        y[0] = 5
        y.mul_(2)
        return (y * x).sum()

    out.append(f.grad(inpl)(x))

    def ng(x):
        with torch.no_grad():
            c = x * 2
        return (x * c).sum()

    out.append(f.grad(ng)(x))
    out.append(f.grad(lambda x: (x.detach() * x).sum())(x))
    xr = x.clone().requires_grad_()
    g = f.grad(lambda x: (x**3).sum())(xr)
    g.sum().backward()
    out.append(xr.grad)
    return out


@program
def vjps(torch):
    f = torch.func
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    y, p = f.vjp(lambda x: (x @ x, x.sum()), x)
    out = [y, p((torch.ones(2, 2), torch.tensor(2.0)))]
    y, p, a = f.vjp(lambda x: (x.sin(), x + 1), x, has_aux=True)
    out += [y, p(torch.ones(2, 2)), a]
    out.append(f.jvp(lambda x: x @ x, (x,), (torch.eye(2),)))
    out.append(f.jvp(lambda x, y: (x * y, x.sum()), (x, x.t()), (x, torch.ones(2, 2))))
    out.append(f.jvp(lambda x: torch.softmax(x, 1).log().sum(0), (x,), (x * 0.1,)))
    out.append(f.jvp(f.grad(lambda x: (x**3).sum()), (x,), (torch.ones(2, 2),)))
    out.append(f.jvp(lambda x: torch.nn.functional.layer_norm(x, (2,)), (x,), (torch.eye(2),)))
    o, lf = f.linearize(lambda x: x.exp(), x)
    out += [o, lf(torch.ones(2, 2))]
    return out


@program
def jacs(torch):
    f = torch.func
    x = torch.tensor([0.5, -1.0, 2.0])
    A = torch.arange(6.0).reshape(2, 3)
    out = [
        f.jacrev(lambda x: A @ x)(x),
        f.jacfwd(lambda x: A @ x.sin())(x),
        f.hessian(lambda x: (x.sin() * x).sum())(x),
        f.jacrev(lambda x: (x, x * x))(x),
        f.jacrev(lambda x, y: x * y, argnums=(0, 1))(x, x),
        f.jacfwd(lambda x, y: x * y, argnums=(0, 1))(x, x),
        f.jacrev(lambda d: d["a"] * 2)({"a": x}),
        f.jacfwd(lambda x: {"o": x**2})(x),
        f.jacrev(f.jacrev(lambda x: x.prod()))(x),
        f.jacrev(lambda x: (x * 2, x.sum()), has_aux=True)(x),
    ]
    out.append(f.vmap(f.jacrev(lambda x: x**2))(torch.ones(4, 3)))
    out.append(f.vmap(f.hessian(lambda x: x.prod()))(torch.arange(6.0).reshape(2, 3) + 1))
    out.append(f.jacrev(lambda x: x**2, chunk_size=2)(x))
    return out


@program
def vmaps(torch):
    v = torch.vmap
    x = torch.arange(12.0).reshape(3, 4) / 10
    y = torch.arange(4.0)
    fn = torch.nn.functional
    fs = [
        lambda: v(lambda a: a.sum())(x),
        lambda: v(lambda a: a.sum(), in_dims=1)(x),
        lambda: v(torch.dot, in_dims=(0, None))(x, y),
        lambda: v(lambda a: a[1:3])(x),
        lambda: v(lambda a: a * 2, out_dims=1)(x),
        lambda: v(lambda a: (a, a.sum()), out_dims=(1, 0))(x),
        lambda: v(lambda a: a.softmax(0))(x),
        lambda: v(lambda a: a.max(0))(x),
        lambda: v(lambda a: a.argmax())(x),
        lambda: v(lambda a: a.sort(descending=True))(x),
        lambda: v(lambda a: a.cumsum(0))(x),
        lambda: v(lambda a: torch.cat([a, y]))(x),
        lambda: v(lambda a: torch.stack([a, y]))(x),
        lambda: v(lambda a: torch.where(a > 0.5, a, -a))(x),
        lambda: v(lambda a: a.reshape(2, 2) @ a.reshape(2, 2))(x),
        lambda: v(lambda a: a.outer(y))(x),
        lambda: v(lambda a: a.mean() + y)(x),
        lambda: v(lambda a: a.std())(x),
        lambda: v(lambda a: y)(x),
        lambda: v(v(lambda a: a * 2))(x),
        lambda: v(v(lambda a, b: a * b, in_dims=(0, None)), in_dims=(None, 0))(y, y),
        lambda: v(lambda d: d["a"] + d["b"], in_dims=({"a": 0, "b": None},))({"a": x, "b": y}),
        lambda: v(lambda i: y[i])(torch.tensor([0, 2, 3])),
        lambda: v(lambda i, a: a[i])(torch.tensor([0, 2, 3]), x),
        lambda: v(lambda a: a.gather(0, torch.tensor([0, 1])))(x),
        lambda: v(lambda a, i: a.gather(0, i))(x, torch.tensor([[0], [1], [3]])),
        lambda: v(
            lambda a: fn.one_hot(a, 3),
        )(torch.tensor([0, 1, 2])),
        lambda: v(lambda a, t: fn.cross_entropy(a, t))(x, torch.tensor([0, 1, 2])),
        lambda: v(lambda a: fn.conv2d(a, torch.ones(2, 1, 2, 2)))(
            torch.arange(27.0).reshape(3, 1, 1, 3, 3)
        ),
        lambda: v(lambda w: fn.conv2d(torch.ones(1, 1, 3, 3), w))(
            torch.arange(24.0).reshape(3, 2, 1, 2, 2)
        ),
        lambda: v(lambda a, w: fn.conv2d(a, w))(
            torch.arange(27.0).reshape(3, 1, 1, 3, 3), torch.arange(24.0).reshape(3, 2, 1, 2, 2)
        ),
        lambda: v(lambda a, w: fn.conv2d(a, w, groups=2))(
            torch.arange(54.0).reshape(3, 1, 2, 3, 3),
            torch.arange(32.0).reshape(2, 2, 2, 2, 2)[:, :, :1].repeat(2, 1, 1, 1, 1)[:3],
        ),
        lambda: v(lambda a: fn.max_pool2d(a, 2))(torch.arange(48.0).reshape(3, 1, 4, 4)),
        lambda: v(lambda a: fn.avg_pool2d(a, 2))(torch.arange(48.0).reshape(3, 1, 4, 4)),
        lambda: v(lambda a: fn.layer_norm(a, (4,)))(x),
        lambda: v(lambda a: fn.linear(a, torch.ones(2, 4), torch.ones(2)))(x),
        lambda: v(lambda a, w: fn.linear(a, w))(x, torch.arange(24.0).reshape(3, 2, 4)),
        lambda: v(lambda a: fn.embedding(a, torch.arange(8.0).reshape(4, 2)))(torch.tensor([0, 3])),
        lambda: v(lambda a: torch.linalg.inv(a))(torch.eye(2).repeat(3, 1, 1) * 2),
        lambda: v(lambda a: a.flip(0))(x),
        lambda: v(lambda a: a.unsqueeze(0).expand(2, 4))(x),
        lambda: v(lambda a: a.roll(1))(x),
        lambda: v(lambda a: fn.pad(a, (1, 2), value=3.0))(x),
        lambda: v(lambda a: a.index_select(0, torch.tensor([0, 2])))(x),
        lambda: v(lambda a: torch.zeros(4).scatter(0, torch.tensor([1, 2]), a[:2]))(x),
        lambda: v(lambda a: a.tril())(torch.arange(12.0).reshape(3, 2, 2)),
        lambda: v(lambda a: torch.einsum("i,j->ij", a, y))(x),
        lambda: v(lambda a: a.norm())(x),
        lambda: v(lambda a: a.clamp(0.2, 0.5))(x),
        lambda: v(lambda a: a.to(torch.int64))(x),
        lambda: v(lambda a: (a > 0.3).any())(x),
        lambda: v(lambda a: a.masked_fill(a > 0.3, 0.0))(x),
        lambda: v(lambda a: a.topk(2))(x),
        lambda: v(lambda a: fn.scaled_dot_product_attention(a, a, a))(
            torch.arange(24.0).reshape(2, 3, 4) / 24
        ),
        lambda: v(lambda a: torch.ones(2) + a.sum())(x),
        lambda: v(lambda a: a + torch.arange(4))(x),
        lambda: v(lambda a: a.var(unbiased=False))(x),
        lambda: v(lambda a: a.split(2))(x),
        lambda: v(lambda a: a.chunk(2)[0])(x),
        lambda: v(lambda a: a.t())(torch.arange(12.0).reshape(3, 2, 2)),
        lambda: v(lambda a: a.diagonal())(torch.arange(12.0).reshape(3, 2, 2)),
        lambda: v(lambda a: torch.det(a))(torch.eye(2).repeat(3, 1, 1) * 2),
        lambda: v(lambda a, b: a @ b, in_dims=(0, 1))(x, x.reshape(4, 3)),
        lambda: v(lambda a: a.repeat(2))(x),
        lambda: v(lambda a: torch.fft.fft(a).abs())(x),
        lambda: v(lambda a: fn.relu(a) - fn.gelu(a))(x),
        lambda: v(lambda a: fn.mse_loss(a, y))(x),
        lambda: v(lambda a: a.logsumexp(0))(x),
        lambda: v(lambda a: a.prod())(x),
        lambda: v(lambda a: fn.interpolate(a[None, None], scale_factor=2))(x),
        lambda: v(lambda a: a.kthvalue(2)[0])(x),
        lambda: v(lambda a: a.median())(x),
        lambda: v(lambda a: a.unfold(0, 2, 1))(x),
        lambda: v(lambda x: x * 2, chunk_size=2)(x),
    ]
    return [attempt(f) for f in fs]


@program
def vmap_grads(torch):
    f = torch.func
    v = f.vmap
    fn = torch.nn.functional
    out = []
    w = torch.arange(8.0).reshape(2, 4) / 8
    b = torch.tensor([0.1, -0.2])
    X = torch.arange(12.0).reshape(3, 4) / 12
    t = torch.tensor([0, 1, 1])

    def loss(w, b, x, t):
        return fn.cross_entropy(fn.linear(x, w, b), t)

    out.append(v(f.grad(loss, argnums=(0, 1)), in_dims=(None, None, 0, 0))(w, b, X, t))
    wr = w.clone().requires_grad_()
    total = v(loss, in_dims=(None, None, 0, 0))(wr, b, X, t).sum()
    total.backward()
    out.append((total.detach(), wr.grad))
    wr = w.clone().requires_grad_()
    total = v(lambda x: (fn.layer_norm(x @ wr.t(), (2,)) * x[:2]).norm())(X).sum()
    total.backward()
    out.append((total.detach(), wr.grad))
    out.append(f.grad(lambda w: v(lambda x: (w @ x).logsumexp(0))(X).sum())(w))
    out.append(v(lambda x: f.jvp(lambda a: (w @ a).tanh(), (x,), (x,))[1])(X))
    out.append(v(f.grad(lambda x: x.sin().sum() * w.sum()))(X))
    xr = torch.arange(3.0, requires_grad=True)
    y = xr**2
    out.append(v(lambda g: torch.autograd.grad(y, xr, g)[0])(torch.eye(3)))
    xr = torch.arange(3.0, requires_grad=True)
    y = xr**2
    out.append(torch.autograd.grad(y, xr, torch.eye(3), is_grads_batched=True))
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Tanh(), torch.nn.Linear(3, 2))
    with torch.no_grad():
        for i, p in enumerate(net.parameters()):
            p.copy_(torch.arange(p.numel()).reshape(p.shape) * 0.1 - 0.2 * i)
    params = dict(net.named_parameters())
    out.append(f.functional_call(net, params, X).detach())
    out.append(f.functional_call(net, {k: v_ * 2 for k, v_ in params.items()}, (X,)).detach())
    ft = f.grad(
        lambda p, x, t: fn.cross_entropy(
            f.functional_call(net, p, (x.unsqueeze(0),)), t.unsqueeze(0)
        )
    )
    out.append(v(ft, in_dims=(None, 0, 0))({k: p.detach() for k, p in params.items()}, X, t))
    nets = [torch.nn.Linear(4, 2) for _ in range(3)]
    with torch.no_grad():
        for j, n in enumerate(nets):
            for p in n.parameters():
                p.copy_(torch.arange(p.numel()).reshape(p.shape) * 0.1 * j)
    ps, bs = f.stack_module_state(nets)
    out.append((sorted(ps), bs))
    base = nets[0]
    out.append(
        v(lambda p, b, x: f.functional_call(base, (p, b), (x,)), in_dims=(0, 0, None))(
            ps, bs, X
        ).detach()
    )

    class Sq(torch.autograd.Function):
        @staticmethod
        def forward(x):
            return x**3

        @staticmethod
        def setup_context(ctx, i, o):
            ctx.save_for_backward(i[0])

        generate_vmap_rule = True

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 5 * x * x

    out.append(f.grad(lambda x: Sq.apply(x).sum())(X))
    out.append(v(f.grad(lambda x: Sq.apply(x).sum()))(X))
    out.append(f.grad(f.grad(lambda x: Sq.apply(x)))(torch.tensor(2.0)))
    out.append(f.grad(lambda x: v(lambda r: Sq.apply(r).sum())(x).sum())(X))
    xr = X.clone().requires_grad_()
    v(Sq.apply)(xr).sum().backward()
    out.append(xr.grad)
    out.append(v(Sq.apply)(X))
    return out


@program
def vmap_errors(torch):
    x = torch.ones(2)
    f = torch.func
    out = []
    for fn in [
        lambda: f.vmap(lambda x: x.item())(x),
        lambda: f.vmap(lambda x: x if x > 0 else -x)(x),
        lambda: f.vmap(lambda x: torch.rand(2))(x),
        lambda: f.vmap(lambda x: torch.nn.functional.dropout(x))(x),
        lambda: f.vmap(lambda x, y: x, in_dims=(0,))(x, x),
        lambda: f.vmap(lambda x, y: x, in_dims=(None, None))(x, x),
        lambda: f.vmap(lambda x, y: x)(x, torch.ones(3)),
        lambda: f.vmap(lambda x: x, in_dims=3)(x),
        lambda: f.vmap(lambda x: 3)(x),
        lambda: f.vmap(lambda x: x)(3),
        lambda: f.vmap(lambda x: x)(torch.tensor(1.0)),
        lambda: f.vmap(lambda x: x)(),
        lambda: f.grad(lambda x: x)(x),
        lambda: f.grad(lambda x: 3.0)(x),
        lambda: f.grad(lambda x: (x.sum(), x.sum()))(x),
        lambda: f.grad(lambda x: x.sum(), has_aux=True)(x),
        lambda: f.grad(lambda x: x.sum())(3),
        lambda: f.grad(lambda x: x.sum(), argnums=3)(x),
        lambda: f.grad(lambda x: x.sum())(torch.ones(2, dtype=torch.int64)),
        lambda: f.vmap(lambda x: torch.nonzero(x))(torch.ones(2, 3)),
        lambda: f.vmap(lambda x: x[x > 0])(torch.ones(2, 3)),
        lambda: f.vjp(lambda x: x.sum(), x)[1](torch.ones(2)),
        lambda: f.jvp(lambda x: x.sum(), (x,), (torch.ones(3),)),
        lambda: f.jvp(lambda x: x.sum(), x, x),
        lambda: f.jacrev(lambda x: x.sum())(3.0),
        lambda: f.vmap(lambda x: x, out_dims=2)(x),
        lambda: f.vmap(lambda x: (x, x), out_dims=(0,))(x),
        lambda: f.grad(lambda x: x.sum().backward())(x),
        lambda: f.grad(lambda x: x.requires_grad_().sum())(x),
        lambda: f.vmap(lambda x: torch.rand(3), randomness="same")(x).shape,
        lambda: (lambda r: (r.shape, bool((r[0] == r[1]).all())))(
            f.vmap(lambda x: torch.rand(3) + x, randomness="same")(x)
        ),
        lambda: (lambda r: (r.shape, bool((r[0] == r[1]).all())))(
            f.vmap(lambda x: torch.rand(3) + x, randomness="different")(x)
        ),
        lambda: (lambda r: (r.shape, bool((r[0] == r[1]).all())))(
            f.vmap(
                lambda x: torch.nn.functional.dropout(torch.ones(50) * x), randomness="different"
            )(x)
        ),
        lambda: (lambda r: (r.shape, bool((r[0] == r[1]).all())))(
            f.vmap(lambda x: torch.nn.functional.dropout(torch.ones(50) * x), randomness="same")(x)
        ),
    ]:
        out.append(attempt(fn))
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])


def test_a_function_recorded_before_stays_on_its_path():
    import alight as torch
    from alight.record.recorder import thread

    x = torch.arange(6.0).reshape(2, 3)
    step = torch.vmap(torch.func.grad(lambda row: (row.sin() * row).sum()))
    for _ in range(3):
        step(x).tolist()
    captures = thread.captures.values()
    before = [one.positions for one in captures], thread.recorder.positions
    for _ in range(5):
        step(x).tolist()
    assert ([one.positions for one in captures], thread.recorder.positions) == before
