"""Neighbours of the benchmark's rows: steps that nobody measured while the compiler was written.

A variation is a function from a library with PyTorch's API to a step: a call that trains once and returns the loss, or
one forward pass that returns an array. `python -m bench.neighbours` runs them under alight and PyTorch in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Step = Callable[[], Any]
Variation = Callable[[Any], Step]


def trained(
    torch: Any,
    net: Any,
    inputs: Any,
    loss: Callable[[Any], Any],
    optimizer: str = "SGD",
    clip: float = 0.0,
    pieces: int = 1,
    read: bool = True,
    **options: Any,
) -> Step:
    """A training step: `loss` of what the net makes of its inputs, once or in several pieces of one update."""
    rate = options.pop("lr", 0.05 if optimizer == "SGD" else 1e-3)
    trainer = getattr(torch.optim, optimizer)(net.parameters(), lr=rate, **options)
    inputs = inputs if isinstance(inputs, tuple) else (inputs,)

    def step() -> Any:
        trainer.zero_grad()
        for _ in range(pieces):
            value = loss(net(*inputs)) / pieces if pieces > 1 else loss(net(*inputs))
            value.backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(net.parameters(), clip)
        trainer.step()
        return value.item() if read else value.detach()

    return step


def classified(
    torch: Any, net: Any, inputs: Any, classes: int = 10, seed: int = 1, **options: Any
) -> Step:
    """A training step with cross-entropy against random labels."""
    torch.manual_seed(seed)
    batch = (inputs[0] if isinstance(inputs, tuple) else inputs).shape[0]
    y = torch.randint(0, classes, (batch,))
    return trained(
        torch, net, inputs, lambda out: torch.nn.functional.cross_entropy(out, y), **options
    )


def squared(torch: Any, net: Any, inputs: Any, **options: Any) -> Step:
    """A training step with the mean square of what the net gives, or of the first thing that it gives."""

    def loss(out: Any) -> Any:
        out = out[0] if isinstance(out, tuple) else out
        return (out * out).mean()

    return trained(torch, net, inputs, loss, **options)


def forward(torch: Any, net: Any, *inputs: Any) -> Step:
    """One pass in evaluation mode, without gradients."""
    net.eval()

    def step() -> Any:
        with torch.no_grad():
            out = net(*inputs)
        return (out[0] if isinstance(out, tuple) else out).numpy()

    return step


def double(make: Variation) -> Variation:
    """The variation with float64 as the default."""

    def made(torch: Any) -> Step:
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            return make(torch)
        finally:
            torch.set_default_dtype(before)

    return made


def variations() -> dict[str, Variation]:
    """All of them by name."""
    from bench.neighbours import dense, images, models, others, sequences, small
    from bench.neighbours import rows as of_the_benchmark

    found: dict[str, Variation] = {}
    for family in (small, dense, images, models, sequences, others, of_the_benchmark):
        found.update(family.rows())
    for name in IN_DOUBLE:
        found[f"{name} float64"] = double(found[name])
    return found


IN_DOUBLE = (
    "mlp 784-256-10 batch 256", "mlp tanh", "softmax batch 100", "tiny batch 32", "Huber", "lenet batch 100",
    "max pool", "basic block", "lstm hidden 100", "encoder layer width 100", "MobileNet block",
)  # fmt: skip
RANDOM = ("dropout",)  # words in names of variations whose masks are each library's own
