"""What programs do with gradients and memory: inner loops, penalties, .data, hooks, truncated sequences."""

import copy

import pytest

from tests.semantics.oracle import same

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


@program
def maml(torch):
    out = []
    F = torch.nn.functional
    w = torch.tensor([[0.5], [-0.3]], requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    x = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 0.5]])
    y = torch.tensor([[1.0], [0.0], [2.0]])
    for _lap in range(3):
        fast = [w, b]
        for _ in range(2):
            loss = F.mse_loss(x @ fast[0] + fast[1], y)
            g = torch.autograd.grad(loss, fast, create_graph=True)
            fast = [p - 0.1 * q for p, q in zip(fast, g, strict=False)]
        outer = F.mse_loss(x @ fast[0] + fast[1], y)
        outer.backward()
        with torch.no_grad():
            for p in (w, b):
                p -= 0.05 * p.grad
                p.grad = None
        out.append((outer.item(), w.detach().clone(), b.detach().clone()))
    return out


@program
def wgan_gp(torch):
    D = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1))
    with torch.no_grad():
        for p in D.parameters():
            p.copy_(torch.arange(p.numel()).reshape(p.shape) * 0.1 - 0.3)
    x = torch.tensor([[1.0, 2.0], [0.5, -1.0]], requires_grad=True)
    o = D(x)
    (g,) = torch.autograd.grad(o, x, torch.ones_like(o), create_graph=True, retain_graph=True)
    gp = ((g.norm(2, dim=1) - 1) ** 2).mean()
    (o.mean() + 10 * gp).backward()
    return gp.detach(), [p.grad for p in D.parameters()], x.grad


@program
def data_alias(torch):
    net = torch.nn.Linear(2, 2)
    out = []
    net.weight.data = torch.ones(2, 2)
    net.bias.data.zero_()
    net.weight.data[0, 0] = 100
    out.append(net.weight.detach().clone())
    net.weight.data.add_(1)
    out.append(net.weight.detach().clone())
    o = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(3):
        o.zero_grad()
        net(torch.ones(1, 2)).sum().backward()
        o.step()
        net.weight.data.clamp_(-1, 1)
        out.append(net.weight.detach().clone())
    old = net.weight.data
    net.weight.data = net.weight.data * 2
    out.append((old.clone(), net.weight.detach().clone()))
    t = net.weight.data
    t.mul_(0)
    out.append(net.weight.detach().clone())
    a = torch.nn.Parameter(torch.ones(2))
    b = torch.nn.Parameter(torch.zeros(2))
    a.data.copy_(b.data)
    out.append(a.detach().clone())
    a.data, b.data = b.data + 1, a.data - 1
    out.append((a.detach().clone(), b.detach().clone()))
    b.data = a.data
    b.data.add_(1)
    out.append((a.detach().clone(), b.detach().clone()))
    ema = torch.zeros(2)
    for _ in range(3):
        ema.mul_(0.9).add_(a.data, alpha=0.1)
    out.append(ema)
    a.grad = torch.ones(2)
    a.grad.data.clamp_(0, 0.5)
    out.append(a.grad)
    a.grad.detach_()
    out.append(a.grad)
    a.data = a.data.double()
    out.append(a.dtype)
    return out


@program
def hooks_modules(torch):
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.Linear(3, 1))
    out = []
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.arange(p.numel()).reshape(p.shape) * 0.1 + 0.1)
    feats = {}
    net[0].register_forward_hook(lambda m, i, o: feats.__setitem__("a", o.detach()))
    net[1].register_full_backward_hook(
        lambda m, gi, go: out.append((gi[0].tolist(), go[0].tolist()))
    )
    net[2].register_forward_pre_hook(lambda m, i: (i[0] * 2,))
    net[2].register_full_backward_pre_hook(lambda m, go: (go[0] * 3,))
    x = torch.ones(1, 2, requires_grad=True)
    net(x).sum().backward()
    out.append((feats["a"], x.grad, [p.grad for p in net.parameters()]))
    return out


@program
def accum_truncated(torch):
    out = []
    w = torch.tensor([[0.5, 0.1], [0.2, 0.3]], requires_grad=True)
    h = torch.zeros(2)
    for t in range(6):
        h = torch.tanh(w @ h + torch.ones(2) * t / 6)
        if t % 2 == 1:
            (h.sum()).backward()
            h = h.detach()
            out.append(w.grad.clone())
    w.grad = None
    total = 0
    for i in range(4):
        loss = ((w * i).sum() - 1) ** 2 / 4
        total += loss.item()
        loss.backward()
    out.append((total, w.grad))
    torch.nn.utils.clip_grad_norm_([w], 1.0)
    out.append(w.grad)
    return out


@program
def flat_parameters(torch):
    net = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.Linear(3, 1))
    ps = list(net.parameters())
    out = []
    flat = torch.arange(sum(p.numel() for p in ps)) * 0.1
    at = 0
    for p in ps:
        p.data = flat[at : at + p.numel()].view_as(p)
        at += p.numel()
    out.append([p.detach().clone() for p in ps])
    flat.mul_(2)
    out.append([p.detach().clone() for p in ps])
    o = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    a = torch.optim.Adam(net.parameters(), lr=0.01)
    for opt in (o, a):
        for _ in range(3):
            opt.zero_grad()
            (net(torch.ones(2, 2)) ** 2).mean().backward()
            opt.step()
            out.append(flat.clone())
    out.append(copy.deepcopy(net)[0].weight.detach())
    out.append(net.state_dict()["0.weight"])
    flat.zero_()
    out.append(net(torch.ones(1, 2)).detach())
    p = torch.nn.Parameter(torch.arange(6.0).view(2, 3))
    p.data = p.data.t()
    out.append((p.detach().clone(), p.shape))
    p.data = p.data[1:]
    out.append(p.detach().clone())
    (p * 2).sum().backward()
    out.append(p.grad)
    with torch.no_grad():
        p -= p.grad
        out.append(p.detach().clone())
    e = torch.nn.Embedding(3, 2)
    tied = torch.nn.Linear(2, 3, bias=False)
    tied.weight.data = e.weight.data
    tied.weight.data.fill_(7)
    out.append(e.weight.detach().clone())
    return out


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_pytorch(name):
    same(PROGRAMS[name])
