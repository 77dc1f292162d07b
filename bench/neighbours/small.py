"""Fully connected networks: batches, widths, activations, losses, optimizers, loops."""

from __future__ import annotations

import itertools
from typing import Any

from bench.neighbours import Step, Variation, classified, forward, trained


def stack(torch: Any, sizes: list[int], activation: str = "ReLU", bias: bool = True) -> Any:
    """Linear layers with an activation between."""
    nn = torch.nn
    torch.manual_seed(0)
    layers = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b, bias=bias), getattr(nn, activation)()]
    return nn.Sequential(*layers[:-1])


def mlp(
    sizes: list[int], batch: int, activation: str = "ReLU", bias: bool = True, **options: Any
) -> Variation:
    """Classes of random points."""

    def make(torch: Any) -> Step:
        net = stack(torch, sizes, activation, bias)
        return classified(torch, net, torch.randn(batch, sizes[0]), sizes[-1], **options)

    return make


def regression(sizes: list[int], batch: int, loss: str = "MSELoss", **options: Any) -> Variation:
    """A loss of the difference to random numbers."""

    def make(torch: Any) -> Step:
        net = stack(torch, sizes)
        x, y = torch.randn(batch, sizes[0]), torch.rand(batch, sizes[-1])
        loss_of = getattr(torch.nn, loss)()
        return trained(torch, net, x, lambda out: loss_of(out, y), **options)

    return make


def entropy(**settings: Any) -> Variation:
    """Cross-entropy with smoothing, weights or an index that is ignored."""

    def make(torch: Any) -> Step:
        net, x = stack(torch, [100, 64, 10]), torch.randn(128, 100)
        y = torch.randint(0, 10, (128,))
        weight = torch.rand(10) + 0.5 if settings.get("weight") else None
        loss = torch.nn.CrossEntropyLoss(**{**settings, "weight": weight})
        return trained(torch, net, x, lambda out: loss(out, y))

    return make


def inference(sizes: list[int], batch: int, activation: str = "ReLU") -> Variation:
    """A forward pass."""
    return lambda torch: forward(
        torch, stack(torch, sizes, activation), torch.randn(batch, sizes[0])
    )


def dropped(batch: int) -> Variation:
    """Dropout and batch norm between layers."""

    def make(torch: Any) -> Step:
        nn = torch.nn
        torch.manual_seed(0)
        layers = []
        for a, b in ((300, 300), (300, 100)):
            layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(), nn.Dropout(0.3)]
        return classified(
            torch, nn.Sequential(*layers, nn.Linear(100, 10)), torch.randn(batch, 300)
        )

    return make


def plain(batch: int, norm: str) -> Variation:
    """A normalisation between layers."""

    def make(torch: Any) -> Step:
        nn = torch.nn
        torch.manual_seed(0)
        make_norm = getattr(nn, norm)
        net = nn.Sequential(
            nn.Linear(100, 200), make_norm(200), nn.ReLU(), nn.Linear(200, 200), make_norm(200), nn.Tanh(),
            nn.Linear(200, 10),
        )  # fmt: skip
        return classified(torch, net, torch.randn(batch, 100))

    return make


def by_hand(batch: int) -> Variation:
    """Linear regression without nn or optim, as the notes begin."""

    def make(torch: Any) -> Step:
        torch.manual_seed(0)
        x, y = torch.randn(batch, 20), torch.randn(batch, 1)
        w, b = torch.zeros(20, 1, requires_grad=True), torch.zeros(1, requires_grad=True)

        def step() -> Any:
            loss = ((x @ w + b - y) ** 2 / 2).mean()
            loss.backward()
            with torch.no_grad():
                for p in (w, b):
                    p -= 0.03 * p.grad
                    p.grad.zero_()
            return loss.item()

        return step

    return make


def rows() -> dict[str, Variation]:
    """The variations by name."""
    found: dict[str, Variation] = {}
    for batch in (1, 7, 100, 1000):
        found[f"linreg batch {batch}"] = regression([2, 1], batch)
        found[f"tiny batch {batch}"] = regression([4, 64, 64, 1], batch)
    found["tiny batch 32"] = regression([4, 64, 64, 1], 32)
    for batch in (1, 10, 100, 1000):
        found[f"softmax batch {batch}"] = mlp([784, 10], batch)
    for batch in (1, 7, 10, 100, 256, 1000):
        found[f"mlp 784-256-10 batch {batch}"] = mlp([784, 256, 10], batch)
    found["mlp odd widths"] = mlp([17, 100, 300, 7], 64)
    found["mlp wide"] = mlp([300, 1000, 1000, 10], 100)
    found["mlp deep narrow"] = mlp([17] * 10, 100)
    found["mlp no bias"] = mlp([784, 100, 10], 64, bias=False)
    for name in (
        "Tanh",
        "Sigmoid",
        "GELU",
        "SiLU",
        "LeakyReLU",
        "ELU",
        "Softplus",
        "Hardswish",
        "Mish",
        "SELU",
    ):
        found[f"mlp {name.lower()}"] = mlp([300, 300, 300, 10], 100, name)  # fmt: skip
    for name in ("L1Loss", "HuberLoss", "SmoothL1Loss", "BCEWithLogitsLoss", "MSELoss"):
        found[name.removesuffix("Loss")] = regression([20, 100, 5], 256, name)
    found["label smoothing"] = entropy(label_smoothing=0.1)
    found["class weights"] = entropy(weight=True)
    found["ignore_index"] = entropy(ignore_index=3)
    for name, options in OPTIMIZERS.items():
        found[name] = mlp([100, 300, 10], 64, **options)
        found[f"{name}, tiny"] = regression([4, 64, 64, 1], 32, **options)
    found["clip_grad_norm_"] = mlp([100, 300, 10], 64, clip=1.0)
    found["gradient accumulation"] = mlp([100, 300, 10], 64, pieces=4)
    found["loss not read"] = mlp([100, 300, 10], 64, read=False)
    found["mlp dropout batch norm"] = dropped(100)
    for norm in ("LayerNorm", "BatchNorm1d", "RMSNorm"):
        found[f"mlp {norm}"] = plain(64, norm)
    found["by hand"] = by_hand(10)
    for batch in (1, 32):
        found[f"infer mlp batch {batch}"] = inference([784, 256, 256, 10], batch)
    found["infer mlp gelu 1000"] = inference([100, 1000, 100], 1000, "GELU")
    return found


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD momentum": {"momentum": 0.9},
    "SGD nesterov": {"momentum": 0.9, "nesterov": True, "weight_decay": 1e-4},
    "Adam": {"optimizer": "Adam"},
    "AdamW amsgrad": {"optimizer": "AdamW", "amsgrad": True},
    "RMSprop": {"optimizer": "RMSprop"},
    "Adagrad": {"optimizer": "Adagrad"},
    "NAdam": {"optimizer": "NAdam"},
    "Adadelta": {"optimizer": "Adadelta"},
}

__all__ = ["rows", "stack"]
