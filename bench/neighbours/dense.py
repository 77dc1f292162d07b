"""Models of tables and latent spaces: embeddings, factorisation, metric learning, generative networks."""

from __future__ import annotations

from typing import Any

from bench.neighbours import Step, Variation, classified, trained
from bench.neighbours.small import stack


def embedding_bag(mode: str) -> Variation:
    """Bags of words of a fixed length."""

    def make(torch: Any) -> Step:
        nn = torch.nn
        torch.manual_seed(0)
        net = nn.Sequential(
            nn.EmbeddingBag(2000, 64, mode=mode), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)
        )
        return classified(torch, net, torch.randint(0, 2000, (100, 30)), 4)

    return make


def ragged_bags(torch: Any) -> Step:
    """Bags of several lengths, given by offsets."""
    nn = torch.nn
    torch.manual_seed(0)
    bag, head = nn.EmbeddingBag(1000, 64), nn.Linear(64, 4)
    words, offsets = torch.randint(0, 1000, (500,)), torch.arange(0, 500, 10)
    y = torch.randint(0, 4, (50,))
    trainer = torch.optim.SGD([*bag.parameters(), *head.parameters()], lr=0.5)

    def step() -> Any:
        loss = torch.nn.functional.cross_entropy(head(bag(words, offsets)), y)
        trainer.zero_grad()
        loss.backward()
        trainer.step()
        return loss.item()

    return step


def factorisation(rank: int, optimizer: str) -> Variation:
    """Users times films, with biases."""

    def make(torch: Any) -> Step:
        nn = torch.nn
        torch.manual_seed(0)

        class Factors(nn.Module):  # type: ignore[misc, name-defined]
            def __init__(self) -> None:
                super().__init__()
                self.user, self.item = nn.Embedding(943, rank), nn.Embedding(1682, rank)
                self.user_bias, self.item_bias = nn.Embedding(943, 1), nn.Embedding(1682, 1)

            def forward(self, u: Any, i: Any) -> Any:
                product = (self.user(u) * self.item(i)).sum(1)
                return product + self.user_bias(u).squeeze(1) + self.item_bias(i).squeeze(1)

        users, items = torch.randint(0, 943, (512,)), torch.randint(0, 1682, (512,))
        stars = torch.randint(1, 6, (512,)).to(torch.get_default_dtype())
        return trained(
            torch, Factors(), (users, items), lambda out: ((out - stars) ** 2).mean(), optimizer=optimizer
        )  # fmt: skip

    return make


def siamese(torch: Any) -> Step:
    """One network on three inputs, triplet margin loss."""
    net = stack(torch, [100, 128, 32])
    a, p, n = (torch.randn(64, 100) for _ in range(3))
    loss_of = torch.nn.TripletMarginLoss()
    trainer = torch.optim.Adam(net.parameters())

    def step() -> Any:
        loss = loss_of(net(a), net(p), net(n))
        trainer.zero_grad()
        loss.backward()
        trainer.step()
        return loss.item()

    return step


def contrastive(torch: Any) -> Step:
    """Two views, cosine similarities, cross-entropy along the diagonal."""
    functional = torch.nn.functional
    net, (a, b) = stack(torch, [100, 128, 64]), (torch.randn(128, 100) for _ in range(2))
    labels = torch.arange(128)
    trainer = torch.optim.Adam(net.parameters())

    def step() -> Any:
        x, y = functional.normalize(net(a), dim=1), functional.normalize(net(b), dim=1)
        loss = functional.cross_entropy(x @ y.T / 0.1, labels)
        trainer.zero_grad()
        loss.backward()
        trainer.step()
        return loss.item()

    return step


def gan(torch: Any) -> Step:
    """Two networks, two optimizers."""
    generator, critic = (
        stack(torch, [16, 128, 128, 100], "LeakyReLU"),
        stack(torch, [100, 128, 1], "LeakyReLU"),
    )
    loss_of = torch.nn.BCEWithLogitsLoss()
    first = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    second = torch.optim.Adam(critic.parameters(), lr=2e-4, betas=(0.5, 0.999))
    real, noise = torch.randn(64, 100), torch.randn(64, 16)
    ones, zeros = torch.ones(64, 1), torch.zeros(64, 1)

    def step() -> Any:
        second.zero_grad()
        made = generator(noise)
        judged = loss_of(critic(real), ones) + loss_of(critic(made.detach()), zeros)
        judged.backward()
        second.step()
        first.zero_grad()
        fooled = loss_of(critic(made), ones)
        fooled.backward()
        first.step()
        return judged.item() + fooled.item()

    return step


def vae(hidden: int, latent: int) -> Variation:
    """A variational autoencoder; its noise is given, so that values can be compared."""

    def make(torch: Any) -> Step:
        nn, functional = torch.nn, torch.nn.functional
        torch.manual_seed(0)
        encode, mean = nn.Linear(300, hidden), nn.Linear(hidden, latent)
        spread, decode = nn.Linear(hidden, latent), stack(torch, [latent, hidden, 300])
        parts = nn.ModuleList([encode, mean, spread, decode])
        trainer = torch.optim.Adam(parts.parameters())
        x, noise = torch.rand(100, 300), torch.randn(100, latent)

        def step() -> Any:
            h = functional.relu(encode(x))
            m, v = mean(h), spread(h)
            out = decode(m + noise * torch.exp(0.5 * v))
            fit = functional.binary_cross_entropy_with_logits(out, x, reduction="sum")
            loss = (fit - 0.5 * torch.sum(1 + v - m.pow(2) - v.exp())) / 100
            trainer.zero_grad()
            loss.backward()
            trainer.step()
            return loss.item()

        return step

    return make


def wide_and_deep(torch: Any) -> Step:
    """Categories embedded and joined with numbers."""
    nn = torch.nn
    torch.manual_seed(0)

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.tables = nn.ModuleList(nn.Embedding(n, 8) for n in (10, 100, 37, 500))
            self.body = stack(torch, [45, 64, 32, 1])

        def forward(self, kinds: Any, numbers: Any) -> Any:
            parts = [table(kinds[:, n]) for n, table in enumerate(self.tables)]
            return self.body(torch.cat([*parts, numbers], 1)).squeeze(1)

    kinds = torch.stack([torch.randint(0, n, (200,)) for n in (10, 100, 37, 500)], 1)
    numbers, y = torch.randn(200, 13), torch.randint(0, 2, (200,)).to(torch.get_default_dtype())
    loss = torch.nn.functional.binary_cross_entropy_with_logits
    return trained(
        torch, Net(), (kinds, numbers), lambda out: loss(out, y), optimizer="Adam", clip=1.0
    )


def q_learning(torch: Any) -> Step:
    """A network and its slowly following copy."""
    net, target = stack(torch, [8, 64, 64, 4]), stack(torch, [8, 64, 64, 4])
    x, y, reward = torch.randn(64, 8), torch.randn(64, 8), torch.randn(64)
    actions = torch.randint(0, 4, (64, 1))
    trainer = torch.optim.RMSprop(net.parameters(), lr=1e-3)

    def step() -> Any:
        with torch.no_grad():
            wanted = reward + 0.9 * target(y).max(1)[0]
        value = net(x).gather(1, actions).squeeze(1)
        loss = torch.nn.functional.smooth_l1_loss(value, wanted)
        trainer.zero_grad()
        loss.backward()
        trainer.step()
        with torch.no_grad():
            for slow, fast in zip(target.parameters(), net.parameters(), strict=True):
                slow.mul_(0.99).add_(fast, alpha=0.01)
        return loss.item()

    return step


def mixture(torch: Any) -> Step:
    """Four experts, all computed, weighted by a gate."""
    nn = torch.nn
    torch.manual_seed(0)

    class Mixture(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.gate = nn.Linear(50, 4)
            self.experts = nn.ModuleList(stack(torch, [50, 64, 10], "Tanh") for _ in range(4))

        def forward(self, x: Any) -> Any:
            weights = self.gate(x).softmax(1)
            return (torch.stack([one(x) for one in self.experts], 1) * weights.unsqueeze(2)).sum(1)

    return classified(torch, Mixture(), torch.randn(128, 50))


def rows() -> dict[str, Variation]:
    """The variations by name."""
    found: dict[str, Variation] = {f"bag {mode}": embedding_bag(mode) for mode in ("mean", "sum", "max")}  # fmt: skip
    found["bag offsets"] = ragged_bags
    found["matrix factorisation"] = factorisation(30, "SGD")
    found["matrix factorisation Adam"] = factorisation(64, "Adam")
    found.update({"siamese": siamese, "contrastive": contrastive, "GAN": gan, "mixture": mixture})
    found["VAE odd"] = vae(150, 10)
    found["wide and deep"] = wide_and_deep
    found["Q-learning"] = q_learning
    return found
