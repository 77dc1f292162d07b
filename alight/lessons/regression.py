"""Linear regression from scratch: data, model, loss and descent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import alight as torch
from alight.data import DataLoader, TensorDataset
from alight.lessons.measures import Accumulator

Tensor = torch.Tensor


def synthetic_data(w: Tensor, b: float, num_examples: int) -> tuple[Tensor, Tensor]:
    """Features from N(0, 1) and labels `Xw + b` with noise from N(0, 0.01), as (n, len(w)) and (n, 1).

    >>> import alight as torch
    >>> from alight.lessons import synthetic_data
    >>> X, y = synthetic_data(torch.tensor([2.0, -3.4]), 4.2, 5)
    >>> X.shape, y.shape
    (torch.Size([5, 2]), torch.Size([5, 1]))
    """
    X = torch.normal(0, 1, (num_examples, len(w)))
    y = torch.matmul(X, w) + b
    y += torch.normal(0, 0.01, y.shape)
    return X, y.reshape((-1, 1))


def linreg(X: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """The linear model `Xw + b`: (n, d), (d, 1) and (1,) to (n, 1).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> d2l.linreg(torch.ones(1, 2), torch.ones(2, 1), torch.ones(1))
    tensor([[3.]])
    """
    return torch.matmul(X, w) + b


def squared_loss(y_hat: Tensor, y: Tensor) -> Tensor:
    """Half the squared error, element by element.

    >>> import alight as torch
    >>> from alight.lessons import squared_loss
    >>> squared_loss(torch.tensor([3.0]), torch.tensor([1.0]))
    tensor([2.])
    """
    return (y_hat - y.reshape(y_hat.shape)) ** 2 / 2


def sgd(params: Iterable[Tensor], lr: float, batch_size: int) -> None:
    """A step of minibatch gradient descent in place, by lr * gradient / batch_size; the gradients
    are set to zero.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> w = torch.ones(1, requires_grad=True)
    >>> (4 * w).sum().backward()
    >>> d2l.sgd([w], lr=0.1, batch_size=2)
    >>> w, w.grad
    (tensor([0.8000], requires_grad=True), tensor([0.]))
    """
    with torch.no_grad():
        for param in params:
            gradient: Any = param.grad
            param -= lr * gradient / batch_size
            gradient.zero_()


def load_array(
    data_arrays: Sequence[Tensor], batch_size: int, is_train: bool = True
) -> DataLoader[Any]:
    """A loader over the rows of tensors, shuffled for training.

    >>> import alight as torch
    >>> from alight.lessons import load_array
    >>> batches = load_array((torch.ones(5, 2), torch.zeros(5)), 2, is_train=False)
    >>> [len(y) for X, y in batches]
    [2, 2, 1]
    """
    return DataLoader(TensorDataset(*data_arrays), batch_size, shuffle=is_train)


def evaluate_loss(
    net: Callable[..., Tensor], data_iter: Iterable[Any], loss: Callable[..., Tensor]
) -> float:
    """Mean loss of `net` over all elements of a data set of batches (X, y).

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> data = [(torch.ones(2, 1), torch.zeros(2, 1))]
    >>> d2l.evaluate_loss(torch.nn.Identity(), data, d2l.squared_loss)
    0.5
    """
    metric = Accumulator(2)
    for X, y in data_iter:
        out = net(X)
        errors = loss(out, y.reshape(out.shape))
        metric.add(errors.sum(), errors.numel())
    return float(metric[0] / metric[1])
