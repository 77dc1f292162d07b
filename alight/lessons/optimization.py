"""Optimization: paths on a surface, and training on the notes' airfoil table."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import alight as torch
from alight import nn
from alight.data import DataLoader
from alight.lessons.downloads import download
from alight.lessons.figures import Animator, pyplot, set_figsize
from alight.lessons.measures import Timer
from alight.lessons.regression import evaluate_loss, linreg, load_array, squared_loss

Tensor = torch.Tensor
Numbers = tuple[float, ...]


def train_2d(
    trainer: Callable[..., Numbers], steps: int = 20, f_grad: Callable[..., Any] | None = None
) -> list[tuple[float, float]]:
    """The path of a two-dimensional descent from (-5, -2); `trainer` takes and gives x1, x2 and
    two states.

    Prints the last place.

    >>> from alight import lessons as d2l
    >>> path = d2l.train_2d(lambda x1, x2, s1, s2: (x1 / 2, x2 / 2, s1, s2), steps=2)
    epoch 2, x1: -1.250000, x2: -0.500000
    >>> path
    [(-5.0, -2.0), (-2.5, -1.0), (-1.25, -0.5)]
    """
    x1, x2, s1, s2 = -5.0, -2.0, 0.0, 0.0
    results = [(x1, x2)]
    for _ in range(steps):
        more = () if f_grad is None else (f_grad,)
        x1, x2, s1, s2 = trainer(x1, x2, s1, s2, *more)
        results.append((x1, x2))
    print(f"epoch {steps}, x1: {float(x1):f}, x2: {float(x2):f}")
    return results


def show_trace_2d(f: Callable[..., Any], results: Iterable[Any]) -> None:
    """The path of a descent, over the contours of `f`.

    >>> from alight import lessons as d2l
    >>> d2l.show_trace_2d(lambda x1, x2: x1**2 + x2**2, [(-5, -2), (-2, -1), (0, 0)])
    >>> d2l.plt.close("all")
    """
    set_figsize()
    plt = pyplot()
    plt.plot(*zip(*results, strict=True), "-o", color="#ff7f0e")
    x1, x2 = torch.meshgrid(
        torch.arange(-5.5, 1.0, 0.1), torch.arange(-3.0, 1.0, 0.1), indexing="ij"
    )
    plt.contour(x1.numpy(), x2.numpy(), f(x1, x2).numpy(), colors="#1f77b4")
    plt.xlabel("x1")
    plt.ylabel("x2")


def get_data_ch11(batch_size: int = 10, n: int = 1500) -> tuple[DataLoader[Any], int]:
    """A loader of the airfoil table, each column standardised, and its number of features.

    DataNotFoundError where the file is neither here nor to be had.

    >>> from alight import lessons as d2l
    >>> callable(d2l.get_data_ch11)  # data_iter, features = d2l.get_data_ch11(10)
    True
    """
    import numpy as np

    table = np.genfromtxt(download("airfoil"), dtype=np.float32, delimiter="\t")
    data = torch.from_numpy((table - table.mean(axis=0)) / table.std(axis=0))
    loader = load_array((data[:n, :-1], data[:n, -1]), batch_size, is_train=True)
    return loader, data.shape[1] - 1


def train_ch11(
    trainer_fn: Callable[..., Any],
    states: Any,
    hyperparams: dict[str, Any],
    data_iter: Any,
    feature_dim: int,
    num_epochs: int = 2,
) -> tuple[list[float], list[float]]:
    """Linear regression with an optimizer written by hand; prints the loss.

    The optimizer is trainer_fn(parameters, states, hyperparams). Gives the times and losses of
    a figure that shows them.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> def descend(params, states, hyperparams):
    ...     for p in params:
    ...         p.data -= hyperparams["lr"] * p.grad
    ...         p.grad.zero_()
    >>> data = [(torch.ones(100, 2), torch.ones(100))] * 2
    >>> _ = d2l.train_ch11(descend, None, {"lr": 0.1}, data, 2)  # doctest: +ELLIPSIS
    loss: ..., ... sec/epoch
    >>> d2l.plt.close("all")
    """
    w = torch.normal(mean=0.0, std=0.01, size=(feature_dim, 1), requires_grad=True)
    b = torch.zeros((1), requires_grad=True)

    def net(X: Tensor) -> Tensor:
        return linreg(X, w, b)

    def step(X: Tensor, y: Tensor) -> None:
        squared_loss(net(X), y).mean().backward()
        trainer_fn([w, b], states, hyperparams)

    return _descend(net, squared_loss, step, data_iter, num_epochs, scale=1.0)


def train_concise_ch11(
    trainer_fn: Callable[..., Any],
    hyperparams: dict[str, Any],
    data_iter: Any,
    num_epochs: int = 4,
) -> None:
    """Linear regression with an optimizer of the library; prints the loss.

    >>> import alight as torch
    >>> from alight import lessons as d2l
    >>> data = [(torch.ones(100, 5), torch.ones(100))] * 2
    >>> d2l.train_concise_ch11(torch.optim.SGD, {"lr": 0.01}, data)  # doctest: +ELLIPSIS
    loss: ..., ... sec/epoch
    >>> d2l.plt.close("all")
    """
    net = nn.Sequential(nn.Linear(5, 1))
    for m in net:
        nn.init.normal_(m.weight, std=0.01)
    optimizer = trainer_fn(net.parameters(), **hyperparams)
    loss = nn.MSELoss(reduction="none")

    def step(X: Tensor, y: Tensor) -> None:
        optimizer.zero_grad()
        out = net(X)
        loss(out, y.reshape(out.shape)).mean().backward()
        optimizer.step()

    _descend(net, loss, step, data_iter, num_epochs, scale=0.5)  # MSELoss has no factor of 1/2


def _descend(
    net: Callable[..., Tensor],
    loss: Callable[..., Tensor],
    step: Callable[[Tensor, Tensor], None],
    data_iter: Any,
    num_epochs: int,
    scale: float,
) -> tuple[list[float], list[float]]:
    animator = Animator(xlabel="epoch", ylabel="loss", xlim=[0, num_epochs], ylim=[0.22, 0.35])
    n, timer = 0, Timer()
    timer.times.clear()
    timer.start()
    for _ in range(num_epochs):
        for X, y in data_iter:
            step(X, y)
            n += X.shape[0]
            if n % 200 == 0:
                timer.stop()
                reached = evaluate_loss(net, data_iter, loss) * scale
                animator.add(n / X.shape[0] / len(data_iter), (reached,))
                timer.start()
    losses = animator.Y[0] if animator.Y else [float("nan")]
    average = timer.avg() if timer.times else float("nan")
    print(f"loss: {losses[-1]:.3f}, {average:.3f} sec/epoch")
    return timer.cumsum(), losses
