"""Recurrent networks, attention, text."""

from __future__ import annotations

from typing import Any

from bench.neighbours import Step, Variation, classified, forward, squared, trained


def recurrent(
    cell: str, width: int, batch: int = 32, length: int = 35, train: bool = True, **settings: Any
) -> Variation:
    """A recurrent layer on random inputs."""

    def make(torch: Any) -> Step:
        torch.manual_seed(0)
        net = getattr(torch.nn, cell)(width, width, **settings)
        shape = (batch, length, width) if settings.get("batch_first") else (length, batch, width)
        x = torch.randn(*shape)
        return squared(torch, net, x) if train else forward(torch, net, x)

    return make


def language(cell: str, dropout: float = 0.0, layers: int = 1, clip: float = 1.0) -> Variation:
    """Words embedded, a recurrent network, words again."""

    def make(torch: Any) -> Step:
        nn = torch.nn
        torch.manual_seed(0)

        class Words(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.table = nn.Embedding(500, 64)
                self.body = getattr(nn, cell)(
                    64, 100, num_layers=layers, dropout=dropout, batch_first=True
                )
                self.head = nn.Linear(100, 500)

            def forward(self, ids: Any) -> Any:
                return self.head(self.body(self.table(ids))[0]).reshape(-1, 500)

        ids, y = torch.randint(0, 500, (20, 25)), torch.randint(0, 500, (500,))
        loss = torch.nn.functional.cross_entropy
        return trained(torch, Words(), ids, lambda out: loss(out, y), optimizer="Adam", clip=clip)

    return make


def cells(kind: str) -> Variation:
    """A loop over time with a cell."""

    def make(torch: Any) -> Step:
        nn = torch.nn
        torch.manual_seed(0)

        class Loop(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.cell, self.head = getattr(nn, kind)(20, 50), nn.Linear(50, 10)

            def forward(self, x: Any) -> Any:
                state = None
                for one in x.unbind(1):
                    state = self.cell(one, state)
                return self.head(state[0] if isinstance(state, tuple) else state)

        return classified(torch, Loop(), torch.randn(32, 15, 20))

    return make


def seq2seq(torch: Any) -> Step:
    """An encoder, and a decoder that attends to it at every step."""
    nn = torch.nn
    torch.manual_seed(0)

    class Pair(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.source, self.target = nn.Embedding(100, 32), nn.Embedding(100, 32)
            self.encoder = nn.GRU(32, 64, batch_first=True)
            self.decoder, self.head = nn.GRUCell(96, 64), nn.Linear(64, 100)

        def forward(self, a: Any, b: Any) -> Any:
            memory, state = self.encoder(self.source(a))
            state, out = state[0], []
            for one in self.target(b).unbind(1):
                weights = (memory @ state.unsqueeze(2)).softmax(1)
                state = self.decoder(torch.cat([one, (weights * memory).sum(1)], 1), state)
                out.append(self.head(state))
            return torch.stack(out, 1).reshape(-1, 100)

    a, b = torch.randint(0, 100, (16, 12)), torch.randint(0, 100, (16, 10))
    y = torch.randint(0, 100, (160,))
    loss = torch.nn.functional.cross_entropy
    return trained(torch, Pair(), (a, b), lambda out: loss(out, y), optimizer="Adam")


def encoder(
    width: int, heads: int, batch: int, length: int, layers: int = 1, train: bool = True, mask: str = "", **settings: Any
) -> Variation:  # fmt: skip
    """nn.TransformerEncoderLayer, or several."""

    def make(torch: Any) -> Step:
        nn = torch.nn
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, 0.0, batch_first=True, **settings
        )
        net = (
            layer
            if layers == 1
            else nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        )
        x = torch.randn(batch, length, width)
        masks = {
            "": None,
            "causal": torch.triu(torch.full((length, length), float("-inf")), 1),
            "padding": torch.arange(length) >= torch.arange(batch)[:, None] % 7 + length // 2,
        }
        name = (
            "src_key_padding_mask" if mask == "padding" else "src_mask" if layers == 1 else "mask"
        )

        def run(x: Any) -> Any:
            return net(x, **({name: masks[mask]} if mask else {}))

        if not train:
            return forward(torch, net, x)
        trainer = torch.optim.AdamW(net.parameters(), lr=1e-3)

        def step() -> Any:
            loss = (run(x) ** 2).mean()
            trainer.zero_grad()
            loss.backward()
            trainer.step()
            return loss.item()

        return step

    return make


def attention(torch: Any) -> Step:
    """nn.MultiheadAttention of one sequence to another."""
    torch.manual_seed(0)
    net = torch.nn.MultiheadAttention(60, 5, batch_first=True)
    q, kv = torch.randn(10, 20, 60), torch.randn(10, 31, 60)
    return squared(torch, net, (q, kv, kv), optimizer="Adam")


def transformer(torch: Any) -> Step:
    """nn.Transformer: two layers on each side, a causal mask in the decoder."""
    nn = torch.nn
    torch.manual_seed(0)
    net = nn.Transformer(64, 4, 2, 2, 128, 0.0, batch_first=True)
    a, b = torch.randn(8, 20, 64), torch.randn(8, 17, 64)
    mask = nn.Transformer.generate_square_subsequent_mask(17)
    trainer = torch.optim.Adam(net.parameters(), lr=1e-4)

    def step() -> Any:
        loss = (net(a, b, tgt_mask=mask) ** 2).mean()
        trainer.zero_grad()
        loss.backward()
        trainer.step()
        return loss.item()

    return step


def text_cnn(torch: Any) -> Step:
    """Windows of several widths over embedded words, the largest of each."""
    nn = torch.nn
    torch.manual_seed(0)

    class Text(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(1000, 50)
            self.convs = nn.ModuleList(nn.Conv1d(50, 40, k) for k in (3, 4, 5))
            self.head = nn.Linear(120, 2)

        def forward(self, ids: Any) -> Any:
            x = self.table(ids).transpose(1, 2)
            return self.head(torch.cat([torch.relu(c(x)).max(2)[0] for c in self.convs], 1))

    return classified(torch, Text(), torch.randint(0, 1000, (50, 40)), 2, optimizer="Adam")


def classifier(torch: Any) -> Step:
    """Words, an LSTM in both directions, the mean over time."""
    nn = torch.nn
    torch.manual_seed(0)

    class Reader(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(1000, 50, padding_idx=0)
            self.body = nn.LSTM(50, 64, bidirectional=True, batch_first=True)
            self.head = nn.Linear(128, 2)

        def forward(self, ids: Any) -> Any:
            return self.head(self.body(self.table(ids))[0].mean(1))

    return classified(torch, Reader(), torch.randint(0, 1000, (32, 40)), 2, optimizer="Adam")


def vision(torch: Any) -> Step:
    """A vision transformer, one layer."""
    nn = torch.nn
    torch.manual_seed(0)

    class Vision(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.cut = nn.Conv2d(3, 96, 4, 4)
            self.first = nn.Parameter(torch.zeros(1, 1, 96))
            self.place = nn.Parameter(torch.randn(1, 65, 96) * 0.02)
            self.body = nn.TransformerEncoderLayer(
                96, 3, 192, 0.0, "gelu", batch_first=True, norm_first=True
            )
            self.head = nn.Linear(96, 10)

        def forward(self, x: Any) -> Any:
            x = self.cut(x).flatten(2).transpose(1, 2)
            x = torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1) + self.place
            return self.head(self.body(x)[:, 0])

    return classified(torch, Vision(), torch.randn(8, 3, 32, 32), optimizer="AdamW")


def rows() -> dict[str, Variation]:
    """The variations by name."""
    found: dict[str, Variation] = {}
    for cell in ("RNN", "GRU", "LSTM"):
        name = cell.lower()
        found[f"{name} hidden 64 batch 1"] = recurrent(cell, 64, 1)
        found[f"{name} hidden 100"] = recurrent(cell, 100)
        found[f"{name} two layers batch 64"] = recurrent(cell, 64, 64, 20, num_layers=2)
        found[f"{name} both directions"] = recurrent(
            cell, 64, 10, 20, bidirectional=True, batch_first=True
        )
        found[f"infer {name} batch 1"] = recurrent(cell, 128, 1, 20, train=False)
        found[f"words {name}"] = language(cell)
        found[f"{cell}Cell"] = cells(f"{cell}Cell")
    found["rnn relu hidden 512"] = recurrent("RNN", 512, 16, 20, nonlinearity="relu")
    found["lstm no bias hidden 512"] = recurrent("LSTM", 512, 16, 10, bias=False)
    found["words lstm dropout"] = language("LSTM", 0.3, 2, 0.0)
    found["seq2seq"] = seq2seq
    found["encoder layer width 64"] = encoder(64, 4, 16, 50)
    found["encoder layer width 100"] = encoder(100, 5, 7, 33)
    found["encoder causal"] = encoder(128, 8, 8, 64, mask="causal")
    found["encoder padding mask"] = encoder(64, 2, 16, 40, mask="padding")
    found["encoder norm first gelu"] = encoder(96, 6, 4, 100, norm_first=True, activation="gelu")
    found["encoder two layers"] = encoder(64, 4, 8, 30, 2)
    for batch in (1, 32):
        found[f"infer encoder batch {batch}"] = encoder(128, 4, batch, 50, 2, train=False)
    found.update({"attention": attention, "transformer": transformer, "text CNN": text_cnn, "reader": classifier, "vision transformer": vision})  # fmt: skip
    return found
