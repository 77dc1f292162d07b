"""Convolutional networks: cross-correlation, residual blocks, training on a device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import alight as torch
from alight import nn
from alight.lessons.classification import accuracy
from alight.lessons.devices import try_all_gpus
from alight.lessons.figures import Animator
from alight.lessons.measures import Accumulator, Timer
from alight.nn import functional as F

Tensor = torch.Tensor


def corr2d(X: Tensor, K: Tensor) -> Tensor:
    """The cross-correlation of two matrices.

    >>> import alight as torch
    >>> from alight.lessons import corr2d
    >>> corr2d(torch.arange(9.0).reshape(3, 3), torch.tensor([[0.0, 1.0], [2.0, 3.0]]))
    tensor([[19., 25.],
            [37., 43.]])
    """
    h, w = K.shape
    Y = torch.zeros((X.shape[0] - h + 1, X.shape[1] - w + 1))
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = (X[i : i + h, j : j + w] * K).sum()
    return Y


def evaluate_accuracy_gpu(net: nn.Module, data_iter: Iterable[Any], device: Any = None) -> float:
    """The share of right predictions on a data set, computed where the model is.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> net = torch.nn.Linear(2, 2, bias=False)
    >>> net.weight.data = torch.eye(2)
    >>> d2l.evaluate_accuracy_gpu(net, [(torch.eye(2), torch.tensor([0, 1]))])
    1.0
    """
    if isinstance(net, nn.Module):
        net.eval()
        device = device or next(iter(net.parameters())).device
    metric = Accumulator(2)
    with torch.no_grad():
        for X, y in data_iter:
            X = [x.to(device) for x in X] if isinstance(X, list) else X.to(device)
            y = y.to(device)
            metric.add(accuracy(net(X), y), y.numel())
    return float(metric[0] / metric[1])


def _init_xavier(m: nn.Module) -> None:
    if type(m) in (nn.Linear, nn.Conv2d):
        nn.init.xavier_uniform_(m.weight)


def train_ch6(
    net: nn.Module,
    train_iter: Any,
    test_iter: Iterable[Any],
    num_epochs: int,
    lr: float,
    device: Any,
) -> None:
    """Train a convolutional network with plain gradient descent; prints the result.

    Weights begin as Xavier's initialisation has them. A figure shows loss and accuracies.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> net, data = torch.nn.Linear(2, 2), [(torch.eye(2), torch.tensor([0, 1]))]
    >>> d2l.train_ch6(net, data, data, 1, 0.1, torch.device("cpu"))  # doctest: +ELLIPSIS
    training on cpu
    loss ..., train acc ..., test acc ...
    ... examples/sec on cpu
    >>> d2l.plt.close("all")
    """
    net.apply(_init_xavier)
    print("training on", device)
    net.to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    loss = nn.CrossEntropyLoss()
    animator = Animator(
        xlabel="epoch", xlim=[1, num_epochs], legend=["train loss", "train acc", "test acc"]
    )
    timer, num_batches = Timer(), len(train_iter)
    every = max(num_batches // 5, 1)
    timer.times.clear()
    metric, train_l, train_acc, test_acc = Accumulator(3), 0.0, 0.0, 0.0
    for epoch in range(num_epochs):
        metric = Accumulator(3)  # sum of losses, right predictions, samples
        net.train()
        for i, (X, y) in enumerate(train_iter):
            timer.start()
            optimizer.zero_grad()
            X, y = X.to(device), y.to(device)
            y_hat = net(X)
            l = loss(y_hat, y)  # noqa: E741  (the notes' name)
            l.backward()
            optimizer.step()
            with torch.no_grad():
                metric.add(l * X.shape[0], accuracy(y_hat, y), X.shape[0])
            timer.stop()
            train_l, train_acc = metric[0] / metric[2], metric[1] / metric[2]
            if (i + 1) % every == 0 or i == num_batches - 1:
                animator.add(epoch + (i + 1) / num_batches, (train_l, train_acc, None))
        test_acc = evaluate_accuracy_gpu(net, test_iter)
        animator.add(epoch + 1, (None, None, test_acc))
    print(f"loss {train_l:.3f}, train acc {train_acc:.3f}, test acc {test_acc:.3f}")
    print(f"{metric[2] * num_epochs / timer.sum():.1f} examples/sec on {device}")


class Residual(nn.Module):
    """Two 3 x 3 convolutions with batch normalisation, and a way around them (He et al. 2016).

    >>> import alight as torch
    >>> from alight.lessons import Residual
    >>> Residual(3, 6, use_1x1conv=True, strides=2)(torch.rand(4, 3, 6, 6)).shape
    torch.Size([4, 6, 3, 3])
    """

    def __init__(
        self, input_channels: int, num_channels: int, use_1x1conv: bool = False, strides: int = 1
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(
            input_channels, num_channels, kernel_size=3, padding=1, stride=strides
        )
        self.conv2 = nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1)
        self.conv3 = (
            nn.Conv2d(input_channels, num_channels, kernel_size=1, stride=strides)
            if use_1x1conv
            else None
        )
        self.bn1 = nn.BatchNorm2d(num_channels)
        self.bn2 = nn.BatchNorm2d(num_channels)

    def forward(self, X: Tensor) -> Tensor:
        """From (n, input channels, h, w) to (n, channels, h / strides, w / strides)."""
        Y = F.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        if self.conv3 is not None:
            X = self.conv3(X)
        return F.relu(Y + X)


def resnet18(num_classes: int, in_channels: int = 1) -> nn.Sequential:
    """The notes' ResNet-18 for small images: (n, in_channels, h, w) to (n, num_classes).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> d2l.resnet18(10, in_channels=3).eval()(torch.ones(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """

    def block(inputs: int, outputs: int, count: int, first: bool = False) -> nn.Sequential:
        layers: list[nn.Module] = []
        for i in range(count):
            if i == 0 and not first:
                layers.append(Residual(inputs, outputs, use_1x1conv=True, strides=2))
            else:
                layers.append(Residual(outputs, outputs))
        return nn.Sequential(*layers)

    net = nn.Sequential(
        nn.Conv2d(in_channels, 64, kernel_size=3, stride=1, padding=1),
        nn.BatchNorm2d(64),
        nn.ReLU(),
    )
    net.add_module("resnet_block1", block(64, 64, 2, first=True))
    net.add_module("resnet_block2", block(64, 128, 2))
    net.add_module("resnet_block3", block(128, 256, 2))
    net.add_module("resnet_block4", block(256, 512, 2))
    net.add_module("global_avg_pool", nn.AdaptiveAvgPool2d((1, 1)))
    net.add_module("fc", nn.Sequential(nn.Flatten(), nn.Linear(512, num_classes)))
    return net


def train_batch_ch13(
    net: nn.Module,
    X: Any,
    y: Tensor,
    loss: Callable[..., Tensor],
    trainer: torch.optim.Optimizer,
    devices: Sequence[Any],
) -> tuple[Tensor, float]:
    """One step; the sum of losses and the number of right predictions.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> net, loss = torch.nn.Linear(2, 2), torch.nn.CrossEntropyLoss(reduction="none")
    >>> trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    >>> _, right = d2l.train_batch_ch13(net, torch.eye(2), torch.tensor([0, 1]), loss, trainer, ["cpu"])
    >>> 0 <= right <= 2
    True
    """
    X = [x.to(devices[0]) for x in X] if isinstance(X, list) else X.to(devices[0])
    y = y.to(devices[0])
    net.train()
    trainer.zero_grad()
    pred = net(X)
    errors = loss(pred, y)
    errors.sum().backward()
    trainer.step()
    return errors.sum(), accuracy(pred, y)


def train_ch13(
    net: nn.Module,
    train_iter: Any,
    test_iter: Iterable[Any],
    loss: Callable[..., Tensor],
    trainer: torch.optim.Optimizer,
    num_epochs: int,
    devices: Sequence[Any] | None = None,
) -> None:
    """Train an image classifier with an optimizer of one's own; prints the result.

    A figure shows loss and accuracies.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> net, data = torch.nn.Linear(2, 2), [(torch.eye(2), torch.tensor([0, 1]))]
    >>> loss = torch.nn.CrossEntropyLoss(reduction="none")
    >>> trainer = torch.optim.Adam(net.parameters(), lr=0.01)
    >>> d2l.train_ch13(net, data, data, loss, trainer, 1, ["cpu"])  # doctest: +ELLIPSIS
    loss ..., train acc ..., test acc ...
    ... examples/sec on ['cpu']
    >>> d2l.plt.close("all")
    """
    devices = devices or try_all_gpus()
    timer, num_batches = Timer(), len(train_iter)
    timer.times.clear()
    every = max(num_batches // 5, 1)
    animator = Animator(
        xlabel="epoch",
        xlim=[1, num_epochs],
        ylim=[0, 1],
        legend=["train loss", "train acc", "test acc"],
    )
    net.to(devices[0])
    metric, test_acc = Accumulator(4), 0.0
    for epoch in range(num_epochs):
        metric = Accumulator(4)  # sum of losses, right predictions, samples, values in the labels
        for i, (features, labels) in enumerate(train_iter):
            timer.start()
            errors, right = train_batch_ch13(net, features, labels, loss, trainer, devices)
            metric.add(errors, right, labels.shape[0], labels.numel())
            timer.stop()
            if (i + 1) % every == 0 or i == num_batches - 1:
                shown = metric[0] / metric[2], metric[1] / metric[3], None
                animator.add(epoch + (i + 1) / num_batches, shown)
        test_acc = evaluate_accuracy_gpu(net, test_iter)
        animator.add(epoch + 1, (None, None, test_acc))
    train_loss, train_acc = metric[0] / metric[2], metric[1] / metric[3]
    print(f"loss {train_loss:.3f}, train acc {train_acc:.3f}, test acc {test_acc:.3f}")
    print(f"{metric[2] * num_epochs / timer.sum():.1f} examples/sec on {list(map(str, devices))}")
