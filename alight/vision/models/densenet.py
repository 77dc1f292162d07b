"""Densely connected networks (Huang et al. 2017)."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from alight import cat, flatten, nn
from alight.nn import functional as F
from alight.vision.models.weights import initialised, members

DenseNet121_Weights = members("DenseNet121_Weights", IMAGENET1K_V1="densenet121-a639ec97.pth")
DenseNet161_Weights = members("DenseNet161_Weights", IMAGENET1K_V1="densenet161-8d451a50.pth")
DenseNet169_Weights = members("DenseNet169_Weights", IMAGENET1K_V1="densenet169-b2777c0a.pth")
DenseNet201_Weights = members("DenseNet201_Weights", IMAGENET1K_V1="densenet201-c1103571.pth")


class _DenseLayer(nn.Module):
    """`growth_rate` new channels from all that came before."""

    def __init__(
        self, num_input_features: int, growth_rate: int, bn_size: int, drop_rate: float
    ) -> None:
        super().__init__()
        inner = bn_size * growth_rate
        self.norm1 = nn.BatchNorm2d(num_input_features)
        self.relu1 = nn.ReLU(inplace=True)
        self.conv1 = nn.Conv2d(num_input_features, inner, kernel_size=1, stride=1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.relu2 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(inner, growth_rate, kernel_size=3, stride=1, padding=1, bias=False)
        self.drop_rate = float(drop_rate)

    def forward(self, inputs: Any) -> Any:
        """The new channels alone."""
        x = self.conv1(self.relu1(self.norm1(cat(inputs, 1))))
        x = self.conv2(self.relu2(self.norm2(x)))
        return F.dropout(x, p=self.drop_rate, training=self.training) if self.drop_rate else x


class _DenseBlock(nn.ModuleDict):
    """Layers each of which sees the outputs of all before it."""

    def __init__(
        self,
        num_layers: int,
        num_input_features: int,
        bn_size: int,
        growth_rate: int,
        drop_rate: float,
    ) -> None:
        super().__init__()
        for i in range(num_layers):
            inputs = num_input_features + i * growth_rate
            self.add_module(
                f"denselayer{i + 1}", _DenseLayer(inputs, growth_rate, bn_size, drop_rate)
            )

    def forward(self, init_features: Any) -> Any:
        """All channels, old and new."""
        features = [init_features]
        for layer in self.values():
            features.append(layer(features))
        return cat(features, 1)


class _Transition(nn.Sequential):
    """Fewer channels, and half the height and width."""

    def __init__(self, num_input_features: int, num_output_features: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(num_input_features)
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(
            num_input_features, num_output_features, kernel_size=1, stride=1, bias=False
        )
        self.pool = nn.AvgPool2d(kernel_size=2, stride=2)


class DenseNet(nn.Module):
    """A convolution of 7 x 7, four dense blocks with transitions between, one linear layer (Huang
    et al. 2017).

    Images (n, 3, h, w) to scores (n, num_classes).

    >>> import alight as torch
    >>> from alight.vision import models
    >>> net = models.DenseNet(4, (1, 1, 1, 1), num_init_features=8, num_classes=5)
    >>> net(torch.ones(2, 3, 32, 32)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        growth_rate: int = 32,
        block_config: tuple[int, int, int, int] = (6, 12, 24, 16),
        num_init_features: int = 64,
        bn_size: int = 4,
        drop_rate: float = 0,
        num_classes: int = 1000,
    ) -> None:
        super().__init__()
        first = [
            (
                "conv0",
                nn.Conv2d(3, num_init_features, kernel_size=7, stride=2, padding=3, bias=False),
            ),
            ("norm0", nn.BatchNorm2d(num_init_features)),
            ("relu0", nn.ReLU(inplace=True)),
            ("pool0", nn.MaxPool2d(kernel_size=3, stride=2, padding=1)),
        ]
        self.features = nn.Sequential(OrderedDict(first))
        channels = num_init_features
        for i, count in enumerate(block_config):
            block = _DenseBlock(count, channels, bn_size, growth_rate, drop_rate)
            self.features.add_module(f"denseblock{i + 1}", block)
            channels += count * growth_rate
            if i != len(block_config) - 1:
                self.features.add_module(f"transition{i + 1}", _Transition(channels, channels // 2))
                channels //= 2
        self.features.add_module("norm5", nn.BatchNorm2d(channels))
        self.classifier = nn.Linear(channels, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.Linear):
                nn.init.constant_(module.bias, 0)

    def forward(self, x: Any) -> Any:
        """(n, num_classes) for images (n, 3, h, w)."""
        out = F.relu(self.features(x), inplace=True)
        return self.classifier(flatten(F.adaptive_avg_pool2d(out, (1, 1)), 1))


def _densenet(
    growth: int,
    blocks: tuple[int, int, int, int],
    first: int,
    known: Any,
    weights: Any = None,
    progress: bool = True,
    pretrained: bool = False,
    **kwargs: Any,
) -> DenseNet:
    return initialised(
        DenseNet(growth, blocks, first, **kwargs), known, weights, progress, pretrained
    )  # type: ignore[no-any-return]


def densenet121(weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """DenseNet with 121 layers (Huang et al. 2017).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> net = models.densenet121(num_classes=10)
    >>> sum(parameter.numel() for parameter in net.parameters())
    6964106
    """
    return _densenet(32, (6, 12, 24, 16), 64, DenseNet121_Weights, weights, progress, **kwargs)


def densenet161(weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """DenseNet with 161 layers (Huang et al. 2017).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.DenseNet161_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V1'
    """
    return _densenet(48, (6, 12, 36, 24), 96, DenseNet161_Weights, weights, progress, **kwargs)


def densenet169(weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """DenseNet with 169 layers (Huang et al. 2017).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.DenseNet169_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V1'
    """
    return _densenet(32, (6, 12, 32, 32), 64, DenseNet169_Weights, weights, progress, **kwargs)


def densenet201(weights: Any = None, progress: bool = True, **kwargs: Any) -> DenseNet:
    """DenseNet with 201 layers (Huang et al. 2017).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.DenseNet201_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V1'
    """
    return _densenet(32, (6, 12, 48, 32), 64, DenseNet201_Weights, weights, progress, **kwargs)
