"""What else programs do: operations and losses that the other files do not meet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench.neighbours import Step, Variation, classified, trained
from bench.neighbours.small import stack


def module(torch: Any, parts: Any, run: Callable[[Any, Any], Any]) -> Any:
    """A module of some parts, and what is done with them."""

    class Made(torch.nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.parts = torch.nn.ModuleList(parts)

        def forward(self, x: Any) -> Any:
            return run(self.parts, x)

    return Made()


def of(
    shape: tuple[int, ...], parts: Any, run: Any, classes: int = 10, words: int = 0, **options: Any
) -> Variation:
    """Classes of what `run` makes of an input with parts that a function of nn makes."""

    def make(torch: Any) -> Step:
        torch.manual_seed(0)
        net = module(torch, parts(torch.nn), lambda made, x: run(torch, made, x))
        x = torch.randint(0, words, shape) if words else torch.randn(*shape)
        return classified(torch, net, x, classes, **options)

    return make


def losing(loss: Callable[[Any, Any, Any], Any], out: int = 10, batch: int = 128) -> Variation:
    """A loss of a small network's outputs and of random numbers."""

    def make(torch: Any) -> Step:
        net, x, y = stack(torch, [64, 64, out]), torch.randn(batch, 64), torch.rand(batch, out)
        return trained(torch, net, x, lambda found: loss(torch, found, y))

    return make


def ctc(torch: Any) -> Step:
    """Connectionist temporal classification of a recurrent network's outputs."""
    nn = torch.nn
    torch.manual_seed(0)
    body, head = nn.GRU(16, 32), nn.Linear(32, 12)
    x, y = torch.randn(30, 16, 16), torch.randint(1, 12, (16, 8))
    lengths, sizes = torch.full((16,), 30), torch.full((16,), 8)
    trainer = torch.optim.Adam([*body.parameters(), *head.parameters()])

    def step() -> Any:
        logs = head(body(x)[0]).log_softmax(2)
        loss = nn.functional.ctc_loss(logs, y, lengths, sizes)
        trainer.zero_grad()
        loss.backward()
        trainer.step()
        return loss.item()

    return step


def graph(torch: Any) -> Step:
    """Messages along edges, added up at nodes."""
    nn = torch.nn
    torch.manual_seed(0)
    first, second = nn.Linear(16, 32), nn.Linear(32, 7)
    x, y = torch.randn(300, 16), torch.randint(0, 7, (300,))
    source, target = torch.randint(0, 300, (1500,)), torch.randint(0, 300, (1500,))
    trainer = torch.optim.Adam([*first.parameters(), *second.parameters()])

    def spread(h: Any) -> Any:
        return torch.zeros_like(h).index_add(0, target, h[source])

    def step() -> Any:
        out = second(spread(torch.relu(first(spread(x)))))
        loss = nn.functional.cross_entropy(out, y)
        trainer.zero_grad()
        loss.backward()
        trainer.step()
        return loss.item()

    return step


def scheduled(torch: Any) -> Step:
    """A rate that changes at every step, and a running mean of the parameters."""
    net = stack(torch, [100, 64, 10])
    x, y = torch.randn(64, 100), torch.randint(0, 10, (64,))
    trainer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    rate = torch.optim.lr_scheduler.OneCycleLR(trainer, 0.1, total_steps=10**6)
    means = [p.detach().clone() for p in net.parameters()]

    def step() -> Any:
        loss = torch.nn.functional.cross_entropy(net(x), y)
        trainer.zero_grad()
        loss.backward()
        trainer.step()
        rate.step()
        with torch.no_grad():
            for mean, p in zip(means, net.parameters(), strict=True):
                mean.lerp_(p, 0.01)
        return loss.item()

    return step


def parts_of_an_epoch(torch: Any) -> Step:
    """Four batches of a shuffled set, with accuracy."""
    net = stack(torch, [50, 64, 5])
    x, y = torch.randn(400, 50), torch.randint(0, 5, (400,))
    trainer = torch.optim.SGD(net.parameters(), lr=0.1)

    def step() -> Any:
        total, right = 0.0, 0
        for ids in torch.arange(400).split(100):
            out = net(x[ids])
            loss = torch.nn.functional.cross_entropy(out, y[ids])
            trainer.zero_grad()
            loss.backward()
            trainer.step()
            total += loss.item()
            right += (out.argmax(1) == y[ids]).sum().item()
        return total + right / 1e6

    return step


def penalty(torch: Any) -> Step:
    """A gradient's size in the loss: backward through backward."""
    net, x = stack(torch, [20, 64, 1], "Tanh"), torch.randn(64, 20, requires_grad=True)
    trainer = torch.optim.Adam(net.parameters())

    def step() -> Any:
        out = net(x)
        (slope,) = torch.autograd.grad(out.sum(), x, create_graph=True)
        loss = out.mean() + ((slope.norm(dim=1) - 1) ** 2).mean()
        trainer.zero_grad()
        loss.backward()
        trainer.step()
        return loss.item()

    return step


def rotary(torch: Any) -> Step:
    """Attention with rotated queries and keys, gated feed-forward, RMS norm."""
    nn = torch.nn
    functional = nn.functional
    torch.manual_seed(0)
    angles = torch.arange(40)[:, None] / 100 ** (torch.arange(0, 16) / 16)
    cos, sin = angles.cos(), angles.sin()

    def rotated(x: Any) -> Any:
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, a * sin + b * cos], -1)

    def run(parts: Any, x: Any) -> Any:
        norm, qkv, out, second, gate, up, down = parts
        q, k, v = qkv(norm(x)).view(8, 40, 3, 4, 32).permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(rotated(q), rotated(k), v, is_causal=True)
        x = x + out(found.transpose(1, 2).reshape(8, 40, 128))
        h = second(x)
        return x + down(functional.silu(gate(h)) * up(h))

    sizes = ((128, 384), (128, 128), (128, 256), (128, 256), (256, 128))
    qkv, out, gate, up, down = (nn.Linear(a, b, bias=False) for a, b in sizes)
    net = module(torch, [nn.RMSNorm(128), qkv, out, nn.RMSNorm(128), gate, up, down], run)
    return trained(torch, net, torch.randn(8, 40, 128), lambda y: (y * y).mean(), optimizer="AdamW")


def windows(torch: Any) -> Step:
    """Attention inside of windows of an image, with a bias of relative places."""
    nn = torch.nn
    torch.manual_seed(0)
    bias = nn.ParameterList([torch.randn(4, 49, 49) * 0.02])

    def run(parts: Any, x: Any) -> Any:
        norm, qkv, out, place = parts
        y = norm(x).view(4, 2, 7, 2, 7, 64).permute(0, 1, 3, 2, 4, 5).reshape(16, 49, 64)
        q, k, v = qkv(y).view(16, 49, 3, 4, 16).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) / 4 + place[0]).softmax(-1)
        y = out((weights @ v).transpose(1, 2).reshape(16, 49, 64))
        y = y.view(4, 2, 2, 7, 7, 64).permute(0, 1, 3, 2, 4, 5).reshape(4, 14, 14, 64)
        return (x + y).mean((1, 2))

    parts = [nn.LayerNorm(64), nn.Linear(64, 192), nn.Linear(64, 64), bias]
    return classified(torch, module(torch, parts, run), torch.randn(4, 14, 14, 64), 64)


LOSSES: dict[str, Callable[[Any, Any, Any], Any]] = {
    "KL": lambda t, a, b: t.nn.functional.kl_div(a.log_softmax(1), b.softmax(1), reduction="batchmean"),
    "hinge": lambda t, a, b: (1 - a * (2 * (b > 0.5).to(a.dtype) - 1)).clamp(min=0).mean(),
    "cosine": lambda t, a, b: 1 - t.nn.functional.cosine_similarity(a, b).mean(),
    "multi margin": lambda t, a, b: t.nn.functional.multi_margin_loss(a, b.argmax(1)),
    "Gaussian": lambda t, a, b: t.nn.functional.gaussian_nll_loss(a, b, t.nn.functional.softplus(a) + 0.1),
    "Poisson": lambda t, a, b: t.nn.functional.poisson_nll_loss(a, b),
    "dice": lambda t, a, b: 1 - 2 * (a.sigmoid() * b).sum() / (a.sigmoid() + b).sum(),
    "focal": lambda t, a, b: (
        (1 - a.softmax(1)) ** 2 * -a.log_softmax(1) * t.nn.functional.one_hot(b.argmax(1), a.shape[1])
    ).sum(1).mean(),
    "quantile": lambda t, a, b: t.maximum(0.9 * (b - a), -0.1 * (b - a)).mean(),
    "distances": lambda t, a, b: t.cdist(a, b).min(1)[0].mean(),
    "hard examples": lambda t, a, b: ((a - b) ** 2).mean(1).topk(32)[0].mean(),
    "sorted": lambda t, a, b: (a.sort(0)[0] - b.sort(0)[0]).pow(2).mean(),
    "cumsum": lambda t, a, b: (a.cumsum(1) - b.cumsum(1)).abs().mean(),
    "logsumexp": lambda t, a, b: (a.logsumexp(1) - (a * b).sum(1)).mean(),
    "variance": lambda t, a, b: (a.std(0) - b.std(0)).pow(2).sum() + a.var(1).mean(),
    "covariance": lambda t, a, b: t.cov(a.T).pow(2).sum() / 10 + (a - b).norm(),
    "einsum": lambda t, a, b: t.einsum("bi,bj->ij", a, b).pow(2).mean() / 1e4,
    "masked": lambda t, a, b: a[b > 0.5].pow(2).mean(),
    "where": lambda t, a, b: t.where(a > b, a * a, b - a).mean(),
}  # fmt: skip


def rows() -> dict[str, Variation]:
    """The variations by name."""
    found: dict[str, Variation] = {f"loss {name}": losing(loss) for name, loss in LOSSES.items()}
    found.update({
        "CTC": ctc, "graph": graph, "schedule and mean": scheduled, "four batches": parts_of_an_epoch,
        "gradient penalty": penalty, "rotary": rotary, "windowed attention": windows,
    })  # fmt: skip
    image = (16, 12, 16, 16)
    mean = (2, 3)
    found["pixel shuffle"] = of(
        image, lambda nn: [nn.Conv2d(12, 16, 3, padding=1), nn.Conv2d(4, 10, 3)],
        lambda t, p, x: p[1](t.nn.functional.pixel_shuffle(p[0](x).relu(), 2)).mean(mean),
    )  # fmt: skip
    found["channel shuffle"] = of(
        image, lambda nn: [nn.Conv2d(12, 24, 1, groups=3), nn.Conv2d(24, 10, 3, groups=2)],
        lambda t, p, x: p[1](t.nn.functional.channel_shuffle(p[0](x).relu(), 3)).mean(mean),
    )  # fmt: skip
    found["patches"] = of(
        image, lambda nn: [nn.Linear(192, 64), nn.Linear(64, 10)],
        lambda t, p, x: p[1](p[0](t.nn.functional.unfold(x, 4, stride=4).transpose(1, 2)).relu().mean(1)),
    )  # fmt: skip
    found["mixer"] = of(
        (16, 49, 64), lambda nn: [nn.LayerNorm(64), nn.Linear(49, 49), nn.LayerNorm(64), nn.Linear(64, 64), nn.Linear(64, 10)],
        lambda t, p, x: p[4](t.relu(p[3](p[2](x + t.relu(p[1](p[0](x).transpose(1, 2)).transpose(1, 2))))).mean(1)),
    )  # fmt: skip
    found["weight norm"] = of(
        (64, 50), lambda nn: [nn.utils.parametrizations.weight_norm(nn.Linear(50, 64)), nn.Linear(64, 10)],
        lambda t, p, x: p[1](t.relu(p[0](x))),
    )  # fmt: skip
    found["bilinear layer"] = of(
        (64, 20), lambda nn: [nn.Bilinear(20, 20, 10)], lambda t, p, x: p[0](x, x)
    )
    found["maxout"] = of(
        (64, 50), lambda nn: [nn.Linear(50, 128), nn.Linear(32, 10)],
        lambda t, p, x: p[1](p[0](x).view(64, 32, 4).max(2)[0]),
    )  # fmt: skip
    found["highway"] = of(
        (64, 50), lambda nn: [nn.Linear(50, 50) for _ in range(4)] + [nn.Linear(50, 10)],
        lambda t, p, x: p[4](_highway(t, p, x)),
    )  # fmt: skip
    found["embedding mean"] = of(
        (64, 30), lambda nn: [nn.Embedding(5000, 100, padding_idx=0), nn.Linear(100, 10)],
        lambda t, p, x: p[1](_masked_mean(p[0](x), x)), words=5000, optimizer="Adam",
    )  # fmt: skip
    found["causal convolutions"] = of(
        (16, 8, 100), lambda nn: [nn.Conv1d(8, 32, 2), nn.Conv1d(32, 32, 2, dilation=2), nn.Conv1d(32, 10, 2, dilation=4)],
        lambda t, p, x: _causal(t, p, x),
    )  # fmt: skip
    found["gated convolution"] = of(
        (16, 8, 50), lambda nn: [nn.Conv1d(8, 64, 3, padding=1), nn.Linear(32, 10)],
        lambda t, p, x: p[1](t.nn.functional.glu(p[0](x), 1).mean(2)),
    )  # fmt: skip
    found["adaptive pools"] = of(
        image, lambda nn: [nn.Conv2d(12, 16, 3), nn.Linear(16 * 14, 10)],
        lambda t, p, x: p[1](t.cat([t.nn.functional.adaptive_max_pool2d(p[0](x), s).flatten(1) for s in (1, 2, 3)], 1)),
    )  # fmt: skip
    return found


def _highway(t: Any, p: Any, x: Any) -> Any:
    for body, gate in ((p[0], p[1]), (p[2], p[3])):
        share = t.sigmoid(gate(x))
        x = share * t.relu(body(x)) + (1 - share) * x
    return x


def _masked_mean(x: Any, ids: Any) -> Any:
    mask = (ids != 0).unsqueeze(2).to(x.dtype)
    return (x * mask).sum(1) / mask.sum(1).clamp(min=1)


def _causal(t: Any, p: Any, x: Any) -> Any:
    for n, layer in enumerate(p):
        x = layer(t.nn.functional.pad(x, (2**n, 0)))
        x = t.relu(x) if n < 2 else x
    return x[:, :, -1]
