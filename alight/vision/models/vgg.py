"""VGG networks (Simonyan and Zisserman 2015)."""

from __future__ import annotations

from typing import Any

from alight import flatten, nn
from alight.vision.models.weights import initialised, members

VGG11_Weights = members("VGG11_Weights", IMAGENET1K_V1="vgg11-8a719046.pth")
VGG11_BN_Weights = members("VGG11_BN_Weights", IMAGENET1K_V1="vgg11_bn-6002323d.pth")
VGG13_Weights = members("VGG13_Weights", IMAGENET1K_V1="vgg13-19584684.pth")
VGG13_BN_Weights = members("VGG13_BN_Weights", IMAGENET1K_V1="vgg13_bn-abd245e5.pth")
VGG16_Weights = members("VGG16_Weights", IMAGENET1K_V1="vgg16-397923af.pth")
VGG16_BN_Weights = members("VGG16_BN_Weights", IMAGENET1K_V1="vgg16_bn-6c64b313.pth")
VGG19_Weights = members("VGG19_Weights", IMAGENET1K_V1="vgg19-dcbb9e9d.pth")
VGG19_BN_Weights = members("VGG19_BN_Weights", IMAGENET1K_V1="vgg19_bn-c79401a0.pth")

# How many convolutions each of the five stages has, and their channels.
STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
CHANNELS = (64, 128, 256, 512, 512)


def make_layers(depth: int, batch_norm: bool = False) -> nn.Sequential:
    """The convolutions of a VGG of this depth."""
    layers: list[nn.Module] = []
    inputs = 3
    for count, outputs in zip(STAGES[depth], CHANNELS, strict=True):
        for _ in range(count):
            layers.append(nn.Conv2d(inputs, outputs, kernel_size=3, padding=1))
            if batch_norm:
                layers.append(nn.BatchNorm2d(outputs))
            layers.append(nn.ReLU(inplace=True))
            inputs = outputs
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


class VGG(nn.Module):
    """Convolutions of 3 x 3 in five stages, and three linear layers (Simonyan and Zisserman 2014).

    Images (n, 3, h, w) to scores (n, num_classes).

    >>> from alight.vision.models.vgg import VGG, make_layers
    >>> len(make_layers(16))  # VGG(make_layers(16)) is vgg16()
    31
    """

    def __init__(
        self,
        features: nn.Module,
        num_classes: int = 1000,
        init_weights: bool = True,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.features = features
        self.avgpool = nn.AdaptiveAvgPool2d((7, 7))
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, num_classes),
        )
        if init_weights:
            self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                if module.bias is not None:
                    nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 1)
                nn.init.constant_(module.bias, 0)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0, 0.01)
                nn.init.constant_(module.bias, 0)

    def forward(self, x: Any) -> Any:
        """(n, num_classes) for images (n, 3, h, w)."""
        return self.classifier(flatten(self.avgpool(self.features(x)), 1))


def _vgg(
    depth: int,
    batch_norm: bool,
    known: Any,
    weights: Any = None,
    progress: bool = True,
    pretrained: bool = False,
    **kwargs: Any,
) -> VGG:
    if weights is not None or pretrained:
        kwargs.setdefault("init_weights", False)
    model = VGG(make_layers(depth, batch_norm), **kwargs)
    return initialised(model, known, weights, progress, pretrained)  # type: ignore[no-any-return]


def vgg11(weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 11 layers (Simonyan and Zisserman 2014).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.VGG11_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V1'
    """
    return _vgg(11, False, VGG11_Weights, weights, progress, **kwargs)


def vgg11_bn(weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 11 layers and batch normalisation (Simonyan and Zisserman 2014).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.VGG11_BN_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V1'
    """
    return _vgg(11, True, VGG11_BN_Weights, weights, progress, **kwargs)


def vgg13(weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 13 layers (Simonyan and Zisserman 2014).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.VGG13_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V1'
    """
    return _vgg(13, False, VGG13_Weights, weights, progress, **kwargs)


def vgg13_bn(weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 13 layers and batch normalisation (Simonyan and Zisserman 2014).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.VGG13_BN_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V1'
    """
    return _vgg(13, True, VGG13_BN_Weights, weights, progress, **kwargs)


def vgg16(weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 16 layers (Simonyan and Zisserman 2014).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.VGG16_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V1'
    """
    return _vgg(16, False, VGG16_Weights, weights, progress, **kwargs)


def vgg16_bn(weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 16 layers and batch normalisation (Simonyan and Zisserman 2014).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.VGG16_BN_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V1'
    """
    return _vgg(16, True, VGG16_BN_Weights, weights, progress, **kwargs)


def vgg19(weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 19 layers (Simonyan and Zisserman 2014).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.VGG19_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V1'
    """
    return _vgg(19, False, VGG19_Weights, weights, progress, **kwargs)


def vgg19_bn(weights: Any = None, progress: bool = True, **kwargs: Any) -> VGG:
    """VGG with 19 layers and batch normalisation (Simonyan and Zisserman 2014).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.VGG19_BN_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V1'
    """
    return _vgg(19, True, VGG19_BN_Weights, weights, progress, **kwargs)
