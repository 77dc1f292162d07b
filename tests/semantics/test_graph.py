"""grad_fn graphs, and hooks on tensors and nodes: what PyTorch says, alight says."""

import pytest

from tests.semantics.oracle import attempt, same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def names(fn, depth=4):
    if fn is None:
        return None
    if depth == 0:
        return "..."
    return [fn.name(), [(names(g, depth - 1), i) for g, i in fn.next_functions]]


@program
def walked(torch):
    F = torch.nn.functional
    x = torch.ones(2, requires_grad=True)
    w = torch.ones(2, 2, requires_grad=True)
    out = []
    for f in [
        lambda: (x * 2 + 1).sum(),
        lambda: w @ x,
        lambda: w.mm(w).relu().mean(),
        lambda: x[0] * x[1],
        lambda: x.exp().log(),
        lambda: torch.cat([x, x]),
        lambda: torch.stack([x, x]),
        lambda: x.view(1, 2),
        lambda: x.reshape(2, 1),
        lambda: x.t(),
        lambda: w.t(),
        lambda: x.unsqueeze(0),
        lambda: x.clone(),
        lambda: x.sum(0),
        lambda: w.mean(1),
        lambda: w.max(),
        lambda: w.max(1)[0],
        lambda: x.pow(2),
        lambda: x**2,
        lambda: x / 2,
        lambda: x - 1,
        lambda: 1 - x,
        lambda: torch.rsub(x, x),
        lambda: torch.tensor(1.0) - x,
        lambda: -x,
        lambda: x.abs(),
        lambda: x.softmax(0),
        lambda: x.log_softmax(0),
        lambda: x.sigmoid(),
        lambda: x.tanh(),
        lambda: F.gelu(x),
        lambda: F.leaky_relu(x),
        lambda: w.permute(1, 0),
        lambda: w.transpose(0, 1),
        lambda: x.expand(3, 2),
        lambda: x.repeat(2),
        lambda: x[:1],
        lambda: x.index_select(0, torch.tensor([0])),
        lambda: w.gather(1, torch.tensor([[0], [1]])),
        lambda: torch.where(x > 0, x, x * 2),
        lambda: x.clamp(0, 1),
        lambda: x.norm(),
        lambda: x.std(),
        lambda: x.var(),
        lambda: w.unbind()[0],
        lambda: w.split(1)[0],
        lambda: w.select(0, 0),
        lambda: w.squeeze(),
        lambda: w.flatten(),
        lambda: w.diagonal(),
        lambda: x.double(),
        lambda: x.prod(),
        lambda: x.cumsum(0),
        lambda: x.sqrt(),
        lambda: torch.minimum(x, x),
        lambda: x.dot(x),
        lambda: w.matmul(w),
        lambda: torch.addmm(w, w, w),
        lambda: F.layer_norm(x, (2,)),
        lambda: F.max_pool2d(torch.ones(1, 1, 4, 4, requires_grad=True), 2),
        lambda: F.avg_pool2d(torch.ones(1, 1, 4, 4, requires_grad=True), 2),
        lambda: x.masked_fill(x > 0, 0),
        lambda: x.sort()[0],
        lambda: x.topk(1)[0],
        lambda: F.silu(x),
        lambda: F.softplus(x),
        lambda: F.elu(x),
        lambda: x.logsumexp(0),
        lambda: x.flip(0),
        lambda: x.roll(1),
        lambda: w.tril(),
        lambda: F.pad(x, (1, 1)),
        lambda: torch.outer(x, x).sum(),
    ]:
        r = f()
        out.append(
            [
                repr(r).split("grad_fn=")[-1],
                r.grad_fn.name(),
                [None if g is None else g.name() for g, _ in r.grad_fn.next_functions],
            ]
        )
    return out


@program
def printed(torch):
    x = torch.ones(2, requires_grad=True)
    divergence = torch.nn.functional.kl_div(x.log(), x.detach(), reduction="batchmean")
    ends = str(x.sum().grad_fn.next_functions[0][0]).split(" at ")[0]
    return [
        repr(divergence),
        repr(torch.autograd.grad((x**3).sum(), x, create_graph=True)[0]),
        repr(torch.autograd.grad(x.square().sum(), x, create_graph=True)[0].detach()),
        ends,
    ]


@program
def a_network_from_its_loss(torch):
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    loss = torch.nn.functional.mse_loss(net(torch.ones(2, 3)), torch.ones(2, 1))
    at, seen = loss.grad_fn, []
    while at is not None:
        seen.append(at.name())
        steps = [g for g, _ in at.next_functions if g is not None]
        at = (
            steps[min(1, len(steps) - 1)]
            if steps and "Addmm" in at.name()
            else steps[0]
            if steps
            else None
        )
    return seen


@program
def of_flushed_segments(torch):
    x = torch.ones(2, requires_grad=True)
    y = (x * 2).exp()
    y.tolist()
    z = (y + y).sum()
    z.item()
    return names(z.grad_fn), names(y.grad_fn)


@program
def nodes(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    z = y.sum()
    return [
        attempt(f)
        for f in [
            lambda: z.grad_fn.name(),
            lambda: str(z.grad_fn).split(" ")[0],
            lambda: type(z.grad_fn).__name__,
            lambda: z.grad_fn is z.grad_fn,
            lambda: z.grad_fn.next_functions[0][0] is y.grad_fn,
            lambda: y.grad_fn.next_functions[0][0].variable is x,
            lambda: type(y.grad_fn.next_functions[0][0]).__name__,
            lambda: x.grad_fn,
            lambda: z.grad_fn.metadata,
            lambda: y.grad_fn.next_functions[1],
            lambda: len(z.grad_fn.next_functions),
            lambda: (x[0]).grad_fn.next_functions[0][1],
            lambda: torch.ones(2, 2, requires_grad=True).unbind()[1].output_nr,
            lambda: z.grad_fn(torch.tensor(1.0)),
            lambda: y.grad_fn.register_hook(lambda gi, go: None) is not None,
            lambda: isinstance(z.grad_fn, torch.autograd.graph.Node),
            lambda: torch.autograd.graph.get_gradient_edge(y).node.name(),
            lambda: torch.autograd.graph.get_gradient_edge(torch.ones(1)),
        ]
    ]


@program
def hooks_on_nodes(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    z = y.sum()
    seen = []
    y.grad_fn.register_hook(
        lambda gi, go: seen.append(
            ([None if g is None else g.tolist() for g in gi], [g.tolist() for g in go])
        )
    )
    y.grad_fn.register_prehook(lambda go: seen.append([g.tolist() for g in go]))
    z.backward()
    return seen, x.grad


@program
def hooks_on_tensors(torch):
    out = []
    x = torch.ones(2, requires_grad=True)
    h = x.register_hook(lambda g: None)
    x.sum().backward()
    out.append(x.grad)
    h.remove()
    out.append(attempt(lambda: torch.ones(2).register_hook(lambda g: g)))
    y = x * 2
    y.register_hook(lambda g: g + 1)
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    out.append(x.grad)
    out.append(attempt(lambda: y.register_post_accumulate_grad_hook(lambda t: None)))
    x.grad = None
    x.register_hook(lambda g: torch.ones(3))
    out.append(attempt(lambda: x.sum().backward()))
    z = torch.ones(2, requires_grad=True)
    z.retain_grad()
    w = z * 2
    w.retain_grad()
    v = w.sum()
    v.retain_grad()
    v.backward()
    out.append((z.grad, w.grad, v.grad, w.retains_grad, z.retains_grad))
    out.append(attempt(lambda: torch.ones(1).retain_grad()))
    a = torch.ones(2, requires_grad=True)
    b = a * 2
    b.register_hook(lambda g: out.append(g.tolist()))
    b.retain_grad()
    b.register_hook(lambda g: g * 3)
    b.sum().backward()
    out.append((b.grad, a.grad))
    a = torch.ones(2, requires_grad=True)
    b = a * 2
    b.register_hook(lambda g: g * 2)
    b.mul_(3)
    b.sum().backward()
    out.append(a.grad)
    with a.register_hook(lambda g: g * 100):
        pass
    a.grad = None
    (a * 1).sum().backward()
    out.append(a.grad)
    c = torch.ones(4, requires_grad=True) * 1
    part = c[1:]
    part.tolist()
    part.register_hook(lambda g: out.append(g.tolist()))
    (part * 3).sum().backward()
    t = [torch.ones(1, requires_grad=True) for _ in range(2)]
    torch.autograd.graph.register_multi_grad_hook(t, lambda gs: out.append(len(gs)))
    (t[0] * t[1]).backward()
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])
