"""Known architectures, made small: VGG, AlexNet, NiN, GoogLeNet, ResNet, DenseNet, MobileNet, squeeze and excitation."""

from __future__ import annotations

from typing import Any

from bench.neighbours import Step, Variation, classified, forward
from bench.neighbours.images import head, stacked


def vgg(nn: Any) -> list[Any]:
    """Pairs of 3x3 convolutions."""
    layers = []
    for a, b in ((3, 16), (16, 32), (32, 64)):
        layers += [
            nn.Conv2d(a, b, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(b, b, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        ]
    return [*layers, nn.Flatten(), nn.Linear(1024, 128), nn.ReLU(), nn.Linear(128, 10)]  # fmt: skip


def alexnet(nn: Any) -> list[Any]:
    """A large first window, overlapping pooling."""
    return [
        nn.Conv2d(3, 24, 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(24, 64, 5, padding=2), nn.ReLU(),
        nn.MaxPool2d(3, 2), nn.Conv2d(64, 96, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(864, 128), nn.ReLU(),
        nn.Linear(128, 10),
    ]  # fmt: skip


def nin(nn: Any) -> list[Any]:
    """Networks in networks: 1x1 convolutions behind each window."""
    layers = []
    for a, b, k, p in ((3, 32, 5, 2), (32, 48, 3, 1)):
        layers += [
            nn.Conv2d(a, b, k, padding=p),
            nn.ReLU(),
            nn.Conv2d(b, b, 1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2),
        ]
    return [*layers, nn.Conv2d(48, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()]  # fmt: skip


def inception(torch: Any) -> Any:
    """Four branches, joined."""
    nn = torch.nn

    class Inception(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Conv2d(32, 16, 1)
            self.three = nn.Sequential(nn.Conv2d(32, 24, 1), nn.ReLU(), nn.Conv2d(24, 32, 3, padding=1))  # fmt: skip
            self.five = nn.Sequential(nn.Conv2d(32, 4, 1), nn.ReLU(), nn.Conv2d(4, 8, 5, padding=2))
            self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(32, 8, 1))

        def forward(self, x: Any) -> Any:
            return torch.relu(torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1))  # fmt: skip

    return nn.Sequential(Inception(), nn.Conv2d(64, 32, 1), Inception(), *head(nn, 64))


def residual(torch: Any) -> Any:
    """A basic block, and one with a stride."""
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, a: int, b: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Conv2d(a, b, 3, stride, 1, bias=False)
            self.second = nn.Conv2d(b, b, 3, 1, 1, bias=False)
            self.norm1, self.norm2 = nn.BatchNorm2d(b), nn.BatchNorm2d(b)
            self.short = (
                nn.Sequential(nn.Conv2d(a, b, 1, stride, bias=False), nn.BatchNorm2d(b))
                if a != b
                else None
            )

        def forward(self, x: Any) -> Any:
            y = self.norm2(self.second(torch.relu(self.norm1(self.first(x)))))
            return torch.relu(y + (self.short(x) if self.short else x))

    return nn.Sequential(Block(32, 32, 1), Block(32, 48, 2), *head(nn, 48))


def dense(torch: Any) -> Any:
    """A block in which every layer sees all before it."""
    nn = torch.nn

    class Dense(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(
                nn.Sequential(nn.BatchNorm2d(c), nn.ReLU(), nn.Conv2d(c, 12, 3, padding=1))
                for c in (32, 44, 56, 68)
            )

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = torch.cat([x, layer(x)], 1)
            return x

    return nn.Sequential(Dense(), nn.AvgPool2d(2), *head(nn, 80))


def mobile(torch: Any) -> Any:
    """Inverted residuals: wide, depthwise, narrow."""
    nn = torch.nn

    class Inverted(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self, channels: int, wide: int, window: int) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(channels, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
                nn.Conv2d(wide, wide, window, 1, window // 2, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(),
                nn.Conv2d(wide, channels, 1, bias=False), nn.BatchNorm2d(channels),
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            return x + self.body(x)

    return nn.Sequential(Inverted(32, 96, 3), Inverted(32, 64, 5), *head(nn, 32))


def squeezed(torch: Any) -> Any:
    """Channels weighted by what they hold on average."""
    nn = torch.nn

    class Squeeze(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(32, 32, 3, padding=1, groups=4)
            self.gate = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), nn.Conv2d(32, 8, 1), nn.SiLU(), nn.Conv2d(8, 32, 1), nn.Sigmoid()
            )  # fmt: skip

        def forward(self, x: Any) -> Any:
            x = torch.nn.functional.silu(self.conv(x))
            return x * self.gate(x)

    return nn.Sequential(Squeeze(), Squeeze(), *head(nn, 32))


def patches(torch: Any) -> Any:
    """ConvNeXt's block: a large depthwise window, layer norm, two products."""
    nn = torch.nn

    class Block(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.window = nn.Conv2d(32, 32, 7, padding=3, groups=32)
            self.norm, self.up, self.down = nn.LayerNorm(32), nn.Linear(32, 128), nn.Linear(128, 32)
            self.scale = nn.Parameter(torch.full((32,), 0.1))

        def forward(self, x: Any) -> Any:
            y = self.norm(self.window(x).permute(0, 2, 3, 1))
            y = self.scale * self.down(torch.nn.functional.gelu(self.up(y)))
            return x + y.permute(0, 3, 1, 2)

    return nn.Sequential(Block(), Block(), *head(nn, 32))


def of(build: Any, shape: tuple[int, ...], train: bool = True, **options: Any) -> Variation:
    """A network that is built by a function of the library."""

    def make(torch: Any) -> Step:
        torch.manual_seed(0)
        net = build(torch)
        x = torch.randn(*shape)
        return classified(torch, net, x, **options) if train else forward(torch, net, x)

    return make


def rows() -> dict[str, Variation]:
    """The variations by name."""
    found: dict[str, Variation] = {
        "VGG": stacked((16, 3, 32, 32), vgg),
        "AlexNet": stacked((16, 3, 67, 67), alexnet),
        "NiN": stacked((16, 3, 32, 32), nin),
        "inception": of(inception, (16, 32, 14, 14)),
        "basic block": of(residual, (16, 32, 16, 16)),
        "basic block adam": of(residual, (8, 32, 15, 15), optimizer="Adam"),
        "dense block": of(dense, (16, 32, 14, 14)),
        "MobileNet block": of(mobile, (16, 32, 14, 14)),
        "squeeze and excitation": of(squeezed, (16, 32, 14, 14)),
        "ConvNeXt block": of(patches, (8, 32, 14, 14), optimizer="AdamW"),
    }
    for batch in (1, 32):
        found[f"infer VGG batch {batch}"] = stacked((batch, 3, 32, 32), vgg, train=False)
        found[f"infer basic block batch {batch}"] = of(residual, (batch, 32, 16, 16), False)
        found[f"infer MobileNet batch {batch}"] = of(mobile, (batch, 32, 14, 14), False)
    return found
