"""The benchmark's own rows with other numbers: widths, channels, lengths, batches, parts."""

from __future__ import annotations

from typing import Any

from alight.bench.rows import ROWS, Row, made
from bench.neighbours import Step, Variation, classified, trained


def row(name: str, **settings: Any) -> Variation:
    """A row of the benchmark with other settings."""

    def make(torch: Any) -> Step:
        before = ROWS[name]
        ROWS[name] = Row(before.file, {**before.settings, **settings}, 0)
        try:
            return made(name, torch, lambda f: f, ROWS[name].settings)
        finally:
            ROWS[name] = before

    return make


def normalised(
    batch: int, channels: int, size: int, activation: str = "ReLU", window: int = 3, **conv: Any
) -> Variation:
    """Convolutions with batch norm, as conv-bn has them, and classes."""

    def make(torch: Any) -> Step:
        nn = torch.nn
        torch.manual_seed(0)
        layers = []
        for _ in range(3):
            layers += [
                nn.Conv2d(channels, channels, window, padding=window // 2, bias=False, **conv),
                nn.BatchNorm2d(channels), getattr(nn, activation)(),
            ]  # fmt: skip
        net = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 10))
        return classified(torch, net, torch.randn(batch, channels, size, size))

    return make


def scratch(cell: str, hidden: int, steps: int, batch: int, optimizer: str = "") -> Variation:
    """Recurrent networks of single products in a loop of Python, as the notes write them."""

    def make(torch: Any) -> Step:
        torch.manual_seed(0)
        gates = {"rnn": 1, "gru": 3, "lstm": 4}[cell]
        weights = [
            [(torch.randn(n, hidden) * 0.1).requires_grad_() for n in (28, hidden)]
            + [torch.zeros(hidden, requires_grad=True)]
            for _ in range(gates)
        ]
        out = (torch.randn(hidden, 28) * 0.1).requires_grad_()
        params = [*(p for gate in weights for p in gate), out]
        x = torch.nn.functional.one_hot(torch.randint(0, 28, (steps, batch)), 28)
        x, y = x.to(out.dtype), torch.randint(0, 28, (steps * batch,))
        trainer = getattr(torch.optim, optimizer)(params, lr=1e-3) if optimizer else None

        def logits() -> Any:
            h, c, found = torch.zeros(batch, hidden), torch.zeros(batch, hidden), []
            for one in x:
                h, c = _CELLS[cell](torch, weights, one, h, c)
                found.append(h @ out)
            return torch.cat(found)

        def step() -> Any:
            loss = torch.nn.functional.cross_entropy(logits(), y)
            if trainer is not None:
                trainer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(params, 1.0)
                trainer.step()
                return loss.item()
            grads = torch.autograd.grad(loss, params)
            with torch.no_grad():
                for p, g in zip(params, grads, strict=True):
                    p -= 0.5 * g
            return loss.item()

        return step

    return make


def _gate(weights: Any, x: Any, h: Any) -> Any:
    a, b, c = weights
    return x @ a + h @ b + c


def _rnn(t: Any, w: Any, x: Any, h: Any, c: Any) -> Any:
    return t.tanh(_gate(w[0], x, h)), c


def _gru(t: Any, w: Any, x: Any, h: Any, c: Any) -> Any:
    z, r = t.sigmoid(_gate(w[0], x, h)), t.sigmoid(_gate(w[1], x, h))
    new = t.tanh(_gate(w[2], x, r * h))
    return z * h + (1 - z) * new, c


def _lstm(t: Any, w: Any, x: Any, h: Any, c: Any) -> Any:
    i, f, o = (t.sigmoid(_gate(one, x, h)) for one in w[:3])
    c = f * c + i * t.tanh(_gate(w[3], x, h))
    return o * t.tanh(c), c


_CELLS = {"rnn": _rnn, "gru": _gru, "lstm": _lstm}


def language(width: int, heads: int, layers: int, batch: int, length: int, dropout: float = 0.0, tied: bool = False) -> Variation:  # fmt: skip
    """A decoder of nn.TransformerEncoderLayer with a causal mask."""

    def make(torch: Any) -> Step:
        nn = torch.nn
        torch.manual_seed(0)

        class Words(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.word, self.place = nn.Embedding(200, width), nn.Embedding(length, width)
                layer = nn.TransformerEncoderLayer(
                    width, heads, 4 * width, dropout, "gelu", batch_first=True, norm_first=True
                )
                self.body = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
                self.head = nn.Linear(width, 200, bias=False)
                if tied:
                    self.head.weight = self.word.weight

            def forward(self, ids: Any) -> Any:
                x = self.word(ids) + self.place(torch.arange(length))
                mask = nn.Transformer.generate_square_subsequent_mask(length)
                return self.head(self.body(x, mask=mask, is_causal=True)).reshape(-1, 200)

        ids, y = (
            torch.randint(0, 200, (batch, length)),
            torch.randint(0, 200, (batch * length,)),
        )
        loss = torch.nn.functional.cross_entropy
        return trained(torch, Words(), ids, lambda out: loss(out, y), optimizer="AdamW")

    return make


def rows() -> dict[str, Variation]:
    """The variations by name."""
    found: dict[str, Variation] = {
        "convnet batch 100": row("convnet", batch=100),
        "convnet batch 10": row("convnet", batch=10),
        "conv-bn 48 channels batch 10": row("conv-bn", batch=10, channels=48, size=13),
        "rnn-scratch hidden 100": row("rnn-scratch", hidden=100, steps=15),
        "gpt width 96": row("gpt", layers=2, width=96, heads=6, batch=7, length=50),
        "encoder width 72": row("encoder", width=72, length=60, batch=5),
        "vae batch 37": row("vae", batch=37),
        "unet batch 1": row("unet", batch=1, size=48),
        "unet batch 3": row("unet", batch=3, size=32),
        "conv-bn 17 channels": normalised(9, 17, 15),
        "conv-bn 32 channels leaky": normalised(50, 32, 8, "LeakyReLU"),
        "conv-bn 96 channels": normalised(4, 96, 10, "SiLU"),
        "conv-bn 7x7": normalised(16, 12, 20, window=7),
        "conv-bn circular": normalised(16, 12, 20, padding_mode="circular"),
        "rnn scratch Adam": scratch("rnn", 50, 20, 16, "Adam"),
        "gru scratch": scratch("gru", 64, 15, 32),
        "lstm scratch": scratch("lstm", 64, 15, 32),
        "lstm scratch Adam": scratch("lstm", 100, 10, 20, "Adam"),
        "words transformer": language(96, 4, 2, 8, 40),
        "words transformer tied": language(64, 8, 3, 5, 33, tied=True),
        "words transformer dropout": language(96, 4, 2, 8, 40, 0.1),
    }
    return found
