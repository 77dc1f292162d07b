"""Networks of images: LeNet's neighbours, normalisations, windows, one and three dimensions."""

from __future__ import annotations

from typing import Any

from bench.neighbours import Step, Variation, classified, forward, squared


def lenet(
    batch: int, activation: str = "Sigmoid", pool: str = "AvgPool2d", stride: int = 1, channels: tuple[int, int] = (6, 16),
    padding: int = 2, train: bool = True, bias: bool = True,
) -> Variation:  # fmt: skip
    """LeNet with other parts."""

    def make(torch: Any) -> Step:
        nn = torch.nn
        torch.manual_seed(0)
        act, pooled = getattr(nn, activation), getattr(nn, pool)
        a, b = channels
        net = nn.Sequential(
            nn.Conv2d(1, a, 5, padding=padding, stride=stride, bias=bias), act(), pooled(2),
            nn.Conv2d(a, b, 5 if stride == 1 else 3, bias=bias), act(), pooled(2), nn.Flatten(),
            nn.LazyLinear(120), act(), nn.Linear(120, 84), act(), nn.Linear(84, 10),
        )  # fmt: skip
        x = torch.randn(batch, 1, 28, 28)
        net(x)
        torch.manual_seed(2)
        for p in net.parameters():
            nn.init.uniform_(p, -0.1, 0.1)
        return classified(torch, net, x) if train else forward(torch, net, x)

    return make


def stacked(
    shape: tuple[int, ...], layers: Any, classes: int = 10, train: bool = True, **options: Any
) -> Variation:
    """Layers made by a function of nn, on images of a shape."""

    def make(torch: Any) -> Step:
        nn = torch.nn
        torch.manual_seed(0)
        net, x = nn.Sequential(*layers(nn)), torch.randn(*shape)
        if not train:
            return forward(torch, net, x)
        return (
            classified(torch, net, x, classes, **options)
            if classes
            else squared(torch, net, x, **options)
        )

    return make


def head(nn: Any, channels: int, classes: int = 10) -> list[Any]:
    """Averages of channels, then classes."""
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)]


def normalised(norm: str) -> Any:
    """Two convolutions, each with a normalisation."""

    def layers(nn: Any) -> list[Any]:
        make = {
            "group": lambda c: nn.GroupNorm(4, c), "instance": lambda c: nn.InstanceNorm2d(c, affine=True),
            "batch": nn.BatchNorm2d, "local": lambda c: nn.LocalResponseNorm(3),
        }[norm]  # fmt: skip
        return [
            nn.Conv2d(3, 24, 3, padding=1), make(24), nn.ReLU(), nn.Conv2d(24, 24, 3, padding=1), make(24), nn.ReLU(),
            *head(nn, 24),
        ]  # fmt: skip

    return layers


def small(nn: Any, pool: Any = None, activation: str = "ReLU", **conv: Any) -> list[Any]:
    """Two convolutions with something between."""
    act = getattr(nn, activation)
    return [
        nn.Conv2d(3, 20, 3, **conv), act(), *([pool] if pool else []), nn.Conv2d(20, 30, 3, **conv), act(), *head(nn, 30)
    ]  # fmt: skip


def autoencoder(nn: Any) -> list[Any]:
    """Down by strides, up by transposed convolutions."""
    return [
        nn.Conv2d(1, 16, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(),
        nn.ConvTranspose2d(32, 16, 3, stride=2, padding=1, output_padding=1), nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 3, stride=2, padding=1, output_padding=1), nn.Sigmoid(),
    ]  # fmt: skip


def upsampled(mode: str) -> Any:
    """Down by pooling, up by interpolation."""

    def layers(nn: Any) -> list[Any]:
        return [
            nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(),
            nn.Upsample(scale_factor=2, mode=mode), nn.Conv2d(16, 3, 3, padding=1),
        ]  # fmt: skip

    return layers


def generator(nn: Any) -> list[Any]:
    """DCGAN's generator, narrow."""
    return [
        nn.ConvTranspose2d(64, 64, 4, 1, 0, bias=False), nn.BatchNorm2d(64), nn.ReLU(True),
        nn.ConvTranspose2d(64, 32, 4, 2, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(True),
        nn.ConvTranspose2d(32, 3, 4, 2, 1, bias=False), nn.Tanh(),
    ]  # fmt: skip


def judge(nn: Any) -> list[Any]:
    """DCGAN's discriminator, narrow."""
    return [
        nn.Conv2d(3, 32, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, True),
        nn.Conv2d(32, 64, 4, 2, 1, bias=False), nn.BatchNorm2d(64), nn.LeakyReLU(0.2, True),
        nn.Conv2d(64, 2, 4, 1, 0, bias=False), nn.Flatten(), nn.Linear(50, 2),
    ]  # fmt: skip


def one_dimension(nn: Any) -> list[Any]:
    """Signals of one channel."""
    return [
        nn.Conv1d(1, 16, 7, stride=2, padding=3), nn.BatchNorm1d(16), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(16, 32, 5, padding=2), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 10),
    ]  # fmt: skip


def three_dimensions(nn: Any) -> list[Any]:
    """Volumes of one channel."""
    return [
        nn.Conv3d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(8, 16, 3, padding=1), nn.ReLU(),
        nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(16, 10),
    ]  # fmt: skip


def rows() -> dict[str, Variation]:
    """The variations by name."""
    found: dict[str, Variation] = {f"lenet batch {batch}": lenet(batch) for batch in (1, 10, 100)}
    found["max pool"] = lenet(64, "ReLU", "MaxPool2d")
    found["max pool tanh batch 7"] = lenet(7, "Tanh", "MaxPool2d")
    found["stride 2"] = lenet(64, "ReLU", "MaxPool2d", stride=2)
    found["odd channels"] = lenet(50, "ReLU", "AvgPool2d", channels=(7, 19), padding=0)
    found["conv no bias"] = lenet(64, "ReLU", "MaxPool2d", bias=False)
    for batch in (1, 32):
        found[f"infer lenet max batch {batch}"] = lenet(batch, "ReLU", "MaxPool2d", train=False)
    for norm in ("group", "instance", "batch", "local"):
        found[f"{norm} norm"] = stacked((16, 3, 20, 20), normalised(norm))
    image = (20, 3, 24, 24)
    found["dilation"] = stacked(image, lambda nn: small(nn, dilation=2))
    found["overlapping max pool"] = stacked(image, lambda nn: small(nn, nn.MaxPool2d(3, 2, 1)))
    found["overlapping average pool"] = stacked(image, lambda nn: small(nn, nn.AvgPool2d(3, 2, 1)))
    found["reflect padding"] = stacked(
        image, lambda nn: small(nn, padding=1, padding_mode="reflect")
    )
    for name in ("GELU", "SiLU", "PReLU"):
        found[f"conv {name.lower()}"] = stacked(
            image, lambda nn, name=name: small(nn, activation=name)
        )
    found["conv adam batch 3"] = stacked((3, 3, 31, 31), small, optimizer="AdamW")
    found["autoencoder"] = stacked((32, 1, 28, 28), autoencoder, 0)
    for mode in ("nearest", "bilinear"):
        found[f"upsample {mode}"] = stacked((8, 3, 32, 32), upsampled(mode), 0)
    found["DCGAN generator"] = stacked((32, 64, 1, 1), generator, 0, optimizer="Adam")
    found["DCGAN discriminator"] = stacked((32, 3, 32, 32), judge, 2, optimizer="Adam")
    found["conv1d"] = stacked((32, 1, 300), one_dimension)
    found["conv3d"] = stacked((4, 1, 16, 16, 16), three_dimensions)
    return found
