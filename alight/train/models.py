"""The models of the main job, each for images of one channel.

In: the images' side length and the number of classes. Out: a module from (n, 1, side, side) to (n, classes).
`softmax`, `mlp` and `lenet` are the models of the notes, with their initialisation; `convnet` is the default.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alight import nn


def softmax(side: int, classes: int) -> nn.Module:
    """Softmax regression: one linear layer on the pixels."""
    return nn.Sequential(nn.Flatten(), nn.Linear(side * side, classes)).apply(_small_normal)


def mlp(side: int, classes: int) -> nn.Module:
    """One hidden layer of 256 rectified units."""
    hidden = 256
    return nn.Sequential(
        nn.Flatten(), nn.Linear(side * side, hidden), nn.ReLU(), nn.Linear(hidden, classes)
    ).apply(_small_normal)


def lenet(side: int, classes: int) -> nn.Module:
    """LeNet-5 with sigmoids and average pooling (LeCun et al. 1998)."""
    after_pools = (side // 2 - 4) // 2
    return nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2),
        nn.Sigmoid(),
        nn.AvgPool2d(2, 2),
        nn.Conv2d(6, 16, 5),
        nn.Sigmoid(),
        nn.AvgPool2d(2, 2),
        nn.Flatten(),
        nn.Linear(16 * after_pools**2, 120),
        nn.Sigmoid(),
        nn.Linear(120, 84),
        nn.Sigmoid(),
        nn.Linear(84, classes),
    ).apply(_xavier)


def convnet(side: int, classes: int) -> nn.Module:
    """Three blocks of convolution, pooling, batch norm and ReLU with 16, 32 and 64 channels, then one linear layer.

    Pooling comes first, so that batch norm and ReLU see a quarter of the numbers: a step takes a fifth less time.
    """
    layers: list[nn.Module] = []
    inputs = 1
    for outputs in (16, 32, 64):
        layers += [
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]
        inputs = outputs
    after_pools = side // 2 // 2 // 2
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs * after_pools**2, classes))


def _small_normal(module: Any) -> None:
    """Weights of linear layers from N(0, 0.01)."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)


def _xavier(module: Any) -> None:
    """Weights uniform within the bounds of Glorot and Bengio (2010)."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        nn.init.xavier_uniform_(module.weight)


MODELS: dict[str, Callable[[int, int], nn.Module]] = {
    "convnet": convnet,
    "lenet": lenet,
    "mlp": mlp,
    "softmax": softmax,
}
