"""MobileNetV2 (Sandler et al. 2018)."""

from __future__ import annotations

from typing import Any

from alight import flatten, nn
from alight.errors import fail
from alight.nn import functional as F
from alight.vision.models.weights import initialised, members

MobileNet_V2_Weights = members(
    "MobileNet_V2_Weights",
    IMAGENET1K_V1="mobilenet_v2-b0353104.pth",
    IMAGENET1K_V2="mobilenet_v2-7ebf99e0.pth",
)

# Expansion, channels, blocks, stride of the first block.
STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


def _divisible(channels: float, divisor: int) -> int:
    """The nearest multiple of `divisor`, not less than nine tenths of `channels`."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


def _block(
    inputs: int, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution, batch normalisation, and a ReLU that ends at 6."""
    padding = (kernel - 1) // 2
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, padding, groups=groups, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """Many channels, each convolved by itself, between two convolutions of 1 x 1."""

    def __init__(self, inp: int, oup: int, stride: int, expand_ratio: int) -> None:
        super().__init__()
        if stride not in (1, 2):
            fail(ValueError, f"stride should be 1 or 2 instead of {stride}")
        self.stride = stride
        self.use_res_connect = stride == 1 and inp == oup
        hidden = round(inp * expand_ratio)
        layers: list[nn.Module] = [] if expand_ratio == 1 else [_block(inp, hidden, kernel=1)]
        layers += [
            _block(hidden, hidden, stride=stride, groups=hidden),
            nn.Conv2d(hidden, oup, 1, 1, 0, bias=False),
            nn.BatchNorm2d(oup),
        ]
        self.conv = nn.Sequential(*layers)
        self.out_channels = oup

    def forward(self, x: Any) -> Any:
        """With a way around where the shape stays."""
        return x + self.conv(x) if self.use_res_connect else self.conv(x)


class MobileNetV2(nn.Module):
    """Inverted residual blocks in seven stages, one linear layer (Sandler et al. 2018).

    Images (n, 3, h, w) to scores (n, num_classes).

    >>> import alight as torch
    >>> from alight.vision import models
    >>> net = models.MobileNetV2(num_classes=5, width_mult=0.25)
    >>> net(torch.ones(2, 3, 32, 32)).shape
    torch.Size([2, 5])
    """

    def __init__(
        self,
        num_classes: int = 1000,
        width_mult: float = 1.0,
        round_nearest: int = 8,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        inputs = _divisible(32 * width_mult, round_nearest)
        self.last_channel = _divisible(1280 * max(1.0, width_mult), round_nearest)
        features: list[nn.Module] = [_block(3, inputs, stride=2)]
        for expansion, channels, count, stride in STAGES:
            outputs = _divisible(channels * width_mult, round_nearest)
            for index in range(count):
                step = stride if index == 0 else 1
                features.append(InvertedResidual(inputs, outputs, step, expansion))
                inputs = outputs
        features.append(_block(inputs, self.last_channel, kernel=1))
        self.features = nn.Sequential(*features)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), nn.Linear(self.last_channel, num_classes)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d | nn.GroupNorm):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.zeros_(module.bias)

    def forward(self, x: Any) -> Any:
        """(n, num_classes) for images (n, 3, h, w)."""
        return self.classifier(flatten(F.adaptive_avg_pool2d(self.features(x), (1, 1)), 1))


def mobilenet_v2(
    weights: Any = None, progress: bool = True, pretrained: bool = False, **kwargs: Any
) -> MobileNetV2:
    """MobileNetV2 (Sandler et al. 2018).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> net = models.mobilenet_v2(num_classes=10)
    >>> sum(parameter.numel() for parameter in net.parameters())
    2236682
    """
    model = MobileNetV2(**kwargs)
    return initialised(model, MobileNet_V2_Weights, weights, progress, pretrained)  # type: ignore[no-any-return]
