"""AlexNet, as in Krizhevsky 2014 ("One weird trick")."""

from __future__ import annotations

from typing import Any

from alight import flatten, nn
from alight.vision.models.weights import initialised, members

AlexNet_Weights = members("AlexNet_Weights", IMAGENET1K_V1="alexnet-owt-7be5be79.pth")


class AlexNet(nn.Module):
    """Five convolutions and three linear layers (Krizhevsky 2014).

    Images (n, 3, h, w) to scores (n, num_classes).

    >>> from alight.vision import models
    >>> [name for name in models.list_models() if name.startswith("alex")]
    ['alexnet']
    """

    def __init__(self, num_classes: int = 1000, dropout: float = 0.5) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 64, kernel_size=11, stride=4, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(64, 192, kernel_size=5, padding=2),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(192, 384, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(256, 256, kernel_size=3, padding=1),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.avgpool = nn.AdaptiveAvgPool2d((6, 6))
        self.classifier = nn.Sequential(
            nn.Dropout(p=dropout),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(inplace=True),
            nn.Dropout(p=dropout),
            nn.Linear(4096, 4096),
            nn.ReLU(inplace=True),
            nn.Linear(4096, num_classes),
        )

    def forward(self, x: Any) -> Any:
        """(n, num_classes) for images (n, 3, h, w)."""
        return self.classifier(flatten(self.avgpool(self.features(x)), 1))


def alexnet(
    weights: Any = None, progress: bool = True, pretrained: bool = False, **kwargs: Any
) -> AlexNet:
    """AlexNet (Krizhevsky 2014).

    Images (n, 3, h, w) to scores (n, num_classes). `weights` asks for trained ones, by an
    enumeration's member, its name, or "DEFAULT"; other keywords go to the class.
    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight.vision import models
    >>> models.AlexNet_Weights.DEFAULT.name  # weights="DEFAULT"
    'IMAGENET1K_V1'
    """
    return initialised(AlexNet(**kwargs), AlexNet_Weights, weights, progress, pretrained)  # type: ignore[no-any-return]
