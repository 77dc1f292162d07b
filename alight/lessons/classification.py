"""Softmax regression and multilayer perceptrons on Fashion-MNIST: data, accuracy, training, predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import alight as torch
from alight import nn
from alight.data import DataLoader
from alight.errors import fail
from alight.lessons.figures import Animator, show_images
from alight.lessons.measures import Accumulator
from alight.vision import datasets, transforms
from alight.vision.archives import cache_folder

Tensor = torch.Tensor
Net = Callable[..., Tensor]

TEXT_LABELS = [
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
]


def get_fashion_mnist_labels(labels: Iterable[Any]) -> list[str]:
    """The names of Fashion-MNIST's classes.

    >>> import alight as torch
    >>> from alight.lessons import get_fashion_mnist_labels
    >>> get_fashion_mnist_labels(torch.tensor([0, 9]))
    ['t-shirt', 'ankle boot']
    """
    return [TEXT_LABELS[int(label)] for label in labels]


def get_dataloader_workers() -> int:
    """How many workers read the images.

    >>> from alight import lessons as d2l
    >>> d2l.get_dataloader_workers() >= 0
    True
    """
    return 4


def load_data_fashion_mnist(
    batch_size: int, resize: int | tuple[int, int] | None = None
) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Loaders of Fashion-MNIST's training images, shuffled, and test images, scaled to `resize` if
    it is given.

    Batches are images (n, 1, 28, 28) from 0 to 1 and labels (n,). DataNotFoundError where the
    files are neither here nor to be had.

    >>> from alight import lessons as d2l
    >>> callable(d2l.load_data_fashion_mnist)  # train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    True
    """
    steps: list[Any] = [transforms.ToTensor()]
    if resize:
        steps.insert(0, transforms.Resize(resize))
    transform = transforms.Compose(steps)
    root = str(cache_folder())
    train, test = (
        datasets.FashionMNIST(root, train=half, transform=transform, download=True)
        for half in (True, False)
    )
    workers = get_dataloader_workers()
    return (
        DataLoader(train, batch_size, shuffle=True, num_workers=workers),
        DataLoader(test, batch_size, shuffle=False, num_workers=workers),
    )


def accuracy(y_hat: Tensor, y: Tensor) -> float:
    """How many predictions are right; `y_hat` holds classes, or a row of scores for each sample.

    >>> import alight as torch
    >>> from alight.lessons import accuracy
    >>> accuracy(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
    1.0
    """
    if y_hat.ndim > 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(dim=1)
    right = y_hat.type(y.dtype) == y
    return float(right.type(y.dtype).sum())


def evaluate_accuracy(net: Net, data_iter: Iterable[Any]) -> float:
    """The share of right predictions on a data set of batches (images, labels).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> data = [(torch.eye(2), torch.tensor([0, 1])), (torch.eye(2), torch.tensor([1, 1]))]
    >>> d2l.evaluate_accuracy(torch.nn.Identity(), data)
    0.75
    """
    if isinstance(net, nn.Module):
        net.eval()
    metric = Accumulator(2)  # right predictions, predictions
    with torch.no_grad():
        for X, y in data_iter:
            metric.add(accuracy(net(X), y), y.numel())
    return float(metric[0] / metric[1])


def train_epoch_ch3(
    net: Net, train_iter: Iterable[Any], loss: Callable[..., Tensor], updater: Any
) -> tuple[float, float]:
    """Train for an epoch; mean loss and accuracy. `updater` is an optimizer, or a function of the
    batch size.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> net, data = torch.nn.Linear(2, 2), [(torch.eye(2), torch.tensor([0, 1]))]
    >>> updater = torch.optim.SGD(net.parameters(), lr=0.1)
    >>> loss, accuracy = d2l.train_epoch_ch3(net, data, torch.nn.CrossEntropyLoss(), updater)
    >>> 0 <= accuracy <= 1
    True
    """
    if isinstance(net, nn.Module):
        net.train()
    metric = Accumulator(3)  # sum of losses, right predictions, samples
    for X, y in train_iter:
        y_hat = net(X)
        errors = loss(y_hat, y)
        if isinstance(updater, torch.optim.Optimizer):
            updater.zero_grad()
            errors.mean().backward()
            updater.step()
        else:
            errors.sum().backward()
            updater(X.shape[0])
        # A loss that is already a mean counts for every sample of its batch.
        total = errors.sum() if errors.numel() > 1 else errors * y.numel()
        metric.add(total.detach(), accuracy(y_hat, y), y.numel())
    return metric[0] / metric[2], metric[1] / metric[2]


def train_ch3(
    net: Net,
    train_iter: Iterable[Any],
    test_iter: Iterable[Any],
    loss: Callable[..., Tensor],
    num_epochs: int,
    updater: Any,
) -> None:
    """Train for `num_epochs` with a figure of loss and accuracies.

    AssertionError where the model has not learned: loss 0.5 or more, an accuracy of 0.7 or
    less.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> net, data = torch.nn.Linear(2, 2), [(9 * torch.eye(2), torch.tensor([0, 1]))]
    >>> updater = torch.optim.SGD(net.parameters(), lr=0.5)
    >>> d2l.train_ch3(net, data, data, torch.nn.CrossEntropyLoss(reduction="none"), 5, updater)
    >>> d2l.plt.close("all")
    """
    animator = Animator(
        xlabel="epoch",
        xlim=[1, num_epochs],
        ylim=[0.3, 0.9],
        legend=["train loss", "train acc", "test acc"],
    )
    train_metrics, test_acc = (float("nan"), float("nan")), float("nan")
    for epoch in range(num_epochs):
        train_metrics = train_epoch_ch3(net, train_iter, loss, updater)
        test_acc = evaluate_accuracy(net, test_iter)
        animator.add(epoch + 1, (*train_metrics, test_acc))
    train_loss, train_acc = train_metrics
    if not train_loss < 0.5:
        fail(AssertionError, f"{train_loss}", ["the training loss did not fall below 0.5"])
    for name, value in (("training", train_acc), ("test", test_acc)):
        if not 0.7 < value <= 1:
            fail(AssertionError, f"{value}", [f"the {name} accuracy did not rise above 0.7"])


def predict_ch3(net: Net, test_iter: Iterable[Any], n: int = 6) -> None:
    """Show the first `n` test images with their true class above the predicted one.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
    >>> d2l.predict_ch3(net, [(torch.rand(2, 1, 28, 28), torch.tensor([0, 9]))], n=2)
    >>> d2l.plt.close("all")
    """
    X, y = next(iter(test_iter))
    trues = get_fashion_mnist_labels(y)
    preds = get_fashion_mnist_labels(net(X).argmax(axis=1))
    titles = [f"{true}\n{pred}" for true, pred in zip(trues, preds, strict=True)]
    show_images(X[0:n].reshape((n, *X.shape[-2:])), 1, n, titles=titles[0:n])
