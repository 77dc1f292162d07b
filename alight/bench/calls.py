"""What one call costs on a known path, for the calls that programs make most: rows of `alight bench recorder`.

In: a library, alight or its rival. Out: by the text of a call, a function that makes it a hundred times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alight.record.recorder import thread

CALLS = 100
WIDTH = 16

TEXTS = """
a + 1
2.0 * a
a ** 2
a @ w
a > 0
a.sum()
a.mean(dim=1)
a.max(dim=1)
a.argmax(dim=1)
a.view(-1)
a.reshape(4, -1)
a.t()
x.transpose(1, 2)
x.permute(2, 0, 1)
a.unsqueeze(1)
a.flatten()
v.expand(8, 16)
a[0]
a[1:3]
x[:, -1, :]
a[i]
a[i, i]
a[0] = 1.0
a[:, 1:3] = 0
a.split(4, dim=1)
list(a)
a.add_(b)
a.zero_()
a.detach()
a.data
a.clone()
a.to('cpu')
a.float()
a.size(0)
torch.zeros(8, 16)
torch.ones_like(a)
torch.arange(16)
torch.rand(8, 16)
torch.randn(8, 16)
torch.tensor(1.0)
torch.cat([a, b])
torch.stack([a, b])
torch.where(m, a, b)
a.masked_fill(m, 0.0)
a.clamp(0, 1)
torch.exp(a)
torch.tanh(a)
F.relu(a)
F.softmax(a, dim=-1)
F.cross_entropy(a, i)
F.one_hot(i, 10)
layer_norm(a)
embedding(i)
dropout(a)
relu(a)
two_layers(a)
conv(image)
pool(image)
with torch.no_grad(): pass
s.item()
""".strip().splitlines()


def _names(torch: Any) -> dict[str, Any]:
    """What the texts speak of."""
    nn = torch.nn
    a, i = torch.ones(8, WIDTH), torch.zeros(8, dtype=torch.long)
    return {
        "torch": torch, "F": nn.functional, "a": a, "b": torch.ones(8, WIDTH), "m": a > 2, "i": i,
        "v": torch.ones(WIDTH), "w": torch.ones(WIDTH, WIDTH), "x": torch.ones(2, 8, WIDTH), "s": torch.ones(()),
        "image": torch.ones(2, 3, 8, 8), "layer_norm": nn.LayerNorm(WIDTH), "embedding": nn.Embedding(10, WIDTH),
        "dropout": nn.Dropout(0.5), "relu": nn.ReLU(), "conv": nn.Conv2d(3, 4, 3, padding=1), "pool": nn.MaxPool2d(2),
        "two_layers": nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU()),
    }  # fmt: skip


def task(torch: Any, text: str) -> Callable[[], None]:
    """A function that makes a call CALLS times, in a segment of its own."""
    names = _names(torch)
    exec(f"def call(count):\n for _ in range(count):\n  {text}", names)
    return _repeated(names["call"], torch.__name__ == "alight")


def _repeated(call: Callable[[int], None], is_alight: bool) -> Callable[[], None]:
    def repeated() -> None:
        call(CALLS)
        if is_alight:  # nobody holds what is pending, so little is computed
            thread.recorder.flush("benchmark")

    return repeated
