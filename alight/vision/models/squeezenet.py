"""SqueezeNet (Iandola et al. 2016)."""

from __future__ import annotations

from typing import Any

from alight import cat, flatten, nn
from alight.errors import fail
from alight.vision.models.weights import initialised, members

SqueezeNet1_0_Weights = members("SqueezeNet1_0_Weights", IMAGENET1K_V1="squeezenet1_0-b66bff10.pth")
SqueezeNet1_1_Weights = members("SqueezeNet1_1_Weights", IMAGENET1K_V1="squeezenet1_1-b8a52dc0.pth")


class Fire(nn.Module):
    """A convolution of 1 x 1 to few channels, then one of 1 x 1 and one of 3 x 3 side by side."""

    def __init__(
        self, inplanes: int, squeeze_planes: int, expand1x1_planes: int, expand3x3_planes: int
    ) -> None:
        super().__init__()
        self.inplanes = inplanes
        self.squeeze = nn.Conv2d(inplanes, squeeze_planes, kernel_size=1)
        self.squeeze_activation = nn.ReLU(inplace=True)
        self.expand1x1 = nn.Conv2d(squeeze_planes, expand1x1_planes, kernel_size=1)
        self.expand1x1_activation = nn.ReLU(inplace=True)
        self.expand3x3 = nn.Conv2d(squeeze_planes, expand3x3_planes, kernel_size=3, padding=1)
        self.expand3x3_activation = nn.ReLU(inplace=True)

    def forward(self, x: Any) -> Any:
        """Both expansions along the channels."""
        x = self.squeeze_activation(self.squeeze(x))
        small = self.expand1x1_activation(self.expand1x1(x))
        return cat([small, self.expand3x3_activation(self.expand3x3(x))], 1)


def _pool() -> nn.MaxPool2d:
    return nn.MaxPool2d(kernel_size=3, stride=2, ceil_mode=True)


class SqueezeNet(nn.Module):
    """Eight fire modules between two convolutions (Iandola et al. 2016).

    Images (n, 3, h, w) to scores (n, num_classes).

    >>> import alight as torch
    >>> from alight.vision import models
    >>> models.SqueezeNet(num_classes=5)(torch.ones(2, 3, 64, 64)).shape
    torch.Size([2, 5])
    """

    def __init__(self, version: str = "1_0", num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.num_classes = num_classes
        if version == "1_0":
            self.features = nn.Sequential(
                nn.Conv2d(3, 96, kernel_size=7, stride=2), nn.ReLU(inplace=True), _pool(),
                Fire(96, 16, 64, 64), Fire(128, 16, 64, 64), Fire(128, 32, 128, 128), _pool(),
                Fire(256, 32, 128, 128), Fire(256, 48, 192, 192), Fire(384, 48, 192, 192),
                Fire(384, 64, 256, 256), _pool(), Fire(512, 64, 256, 256),
            )  # fmt: skip
        elif version == "1_1":
            self.features = nn.Sequential(
                nn.Conv2d(3, 64, kernel_size=3, stride=2), nn.ReLU(inplace=True), _pool(),
                Fire(64, 16, 64, 64), Fire(128, 16, 64, 64), _pool(),
                Fire(128, 32, 128, 128), Fire(256, 32, 128, 128), _pool(),
                Fire(256, 48, 192, 192), Fire(384, 48, 192, 192),
                Fire(384, 64, 256, 256), Fire(512, 64, 256, 256),
            )  # fmt: skip
        else:
            fail(ValueError, f"Unsupported SqueezeNet version {version}: 1_0 or 1_1 expected")
        final = nn.Conv2d(512, num_classes, kernel_size=1)
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout), final, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d((1, 1))
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                if module is final:
                    nn.init.normal_(module.weight, mean=0.0, std=0.01)
                else:
                    nn.init.kaiming_uniform_(module.weight)
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0)

    def forward(self, x: Any) -> Any:
        """(n, num_classes) for images (n, 3, h, w)."""
        return flatten(self.classifier(self.features(x)), 1)


def squeezenet1_0(
    weights: Any = None, progress: bool = True, pretrained: bool = False, **kwargs: Any
) -> SqueezeNet:
    """SqueezeNet 1.0 (Iandola et al. 2016).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> net = models.squeezenet1_0(num_classes=10)
    >>> sum(parameter.numel() for parameter in net.parameters())
    740554
    """
    model = SqueezeNet("1_0", **kwargs)
    return initialised(model, SqueezeNet1_0_Weights, weights, progress, pretrained)  # type: ignore[no-any-return]


def squeezenet1_1(
    weights: Any = None, progress: bool = True, pretrained: bool = False, **kwargs: Any
) -> SqueezeNet:
    """SqueezeNet 1.1, with less than half the computation (Iandola et al. 2016).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> net = models.squeezenet1_1(num_classes=10)
    >>> sum(parameter.numel() for parameter in net.parameters())
    727626
    """
    model = SqueezeNet("1_1", **kwargs)
    return initialised(model, SqueezeNet1_1_Weights, weights, progress, pretrained)  # type: ignore[no-any-return]
