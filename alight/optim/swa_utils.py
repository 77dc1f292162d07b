"""Averages of a model's weights along its training: AveragedModel, the statistics of its layers, SWALR."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import Any

from alight.autograd.modes import no_grad
from alight.errors import fail
from alight.nn.module import Module
from alight.nn.norm import _BatchNorm
from alight.ops.operation import TORCH
from alight.optim.lr_scheduler import LRScheduler

Tensor = Any
Average = Callable[[Tensor, Tensor, Tensor], Tensor]


def get_ema_avg_fn(decay: float = 0.999) -> Average:
    """The average that keeps `decay` of its past at each update: a function for AveragedModel's
    avg_fn.

    ValueError for a decay outside [0, 1].

    >>> import alight as torch
    >>> average = torch.optim.swa_utils.get_ema_avg_fn(0.9)
    >>> average(torch.tensor([1.0]), torch.tensor([0.0]), 1)
    tensor([0.9000])
    """
    _check_decay(decay)

    def average(averaged: Tensor, current: Tensor, count: Any) -> Tensor:
        return decay * averaged + (1 - decay) * current

    return average


def get_swa_avg_fn() -> Average:
    """The average in which all updates weigh the same: a function for AveragedModel's avg_fn.

    >>> import alight as torch
    >>> average = torch.optim.swa_utils.get_swa_avg_fn()
    >>> average(torch.tensor([1.0]), torch.tensor([0.0]), torch.tensor(1))
    tensor([0.5000])
    """

    def average(averaged: Tensor, current: Tensor, count: Any) -> Tensor:
        return averaged + (current - averaged) / (count + 1)

    return average


def _of_lists(average: Average) -> Callable[[Sequence[Tensor], Sequence[Tensor], Any], None]:
    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Any) -> None:
        with no_grad():
            for mean, now in zip(averaged, current, strict=True):
                mean.copy_(average(mean, now, count))

    return update


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[..., None]:
    """`get_ema_avg_fn` for lists of parameters, which change in place: for AveragedModel's
    multi_avg_fn.

    >>> import alight as torch
    >>> average, past = torch.optim.swa_utils.get_ema_multi_avg_fn(0.9), torch.ones(1)
    >>> average([past], [torch.zeros(1)], 1)
    >>> past
    tensor([0.9000])
    """
    return _of_lists(get_ema_avg_fn(decay))


def get_swa_multi_avg_fn() -> Callable[..., None]:
    """`get_swa_avg_fn` for lists of parameters, which change in place: for AveragedModel's
    multi_avg_fn.

    >>> import alight as torch
    >>> average, past = torch.optim.swa_utils.get_swa_multi_avg_fn(), torch.ones(1)
    >>> average([past], [torch.zeros(1)], torch.tensor(1))
    >>> past
    tensor([0.5000])
    """
    return _of_lists(get_swa_avg_fn())


def _check_decay(decay: float) -> None:
    if not 0.0 <= decay <= 1.0:
        fail(
            ValueError,
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range.",
            try_="0.999",
        )


class AveragedModel(Module):
    """A copy of a model whose parameters are averages of the model's (Izmailov et al. 2018).

    update_parameters(model) takes the model's parameters in; the first update copies them.
    avg_fn(average, parameter, updates) is the average, of all updates if none is given;
    use_buffers averages the buffers as well. Buffers of batch norms: update_bn. `module` is the
    copy, n_averaged counts.

    >>> import alight as torch
    >>> model = torch.nn.Linear(2, 1, bias=False)
    >>> average = torch.optim.swa_utils.AveragedModel(model)
    >>> for value in (1.0, 3.0):
    ...     _ = torch.nn.init.constant_(model.weight, value)
    ...     average.update_parameters(model)
    >>> average.module.weight
    Parameter containing:
    tensor([[2., 2.]], requires_grad=True)
    """

    def __init__(
        self, model: Module, device: Any = None, avg_fn: Average | None = None, multi_avg_fn: Any = None,
        use_buffers: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        self.register_buffer("n_averaged", TORCH["tensor"](0, device=device))
        self.avg_fn, self.multi_avg_fn, self.use_buffers = avg_fn, multi_avg_fn, use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The averaged model's result."""
        return self.module(*args, **kwargs)

    def _tensors(self, model: Module) -> list[Tensor]:
        found = list(model.parameters())
        return [*found, *model.buffers()] if self.use_buffers else found

    def update_parameters(self, model: Module) -> None:
        """Take the model's parameters into the averages.

        >>> import alight as torch
        >>> model = torch.nn.Linear(2, 1)
        >>> average = torch.optim.swa_utils.AveragedModel(model)
        >>> average.update_parameters(model)
        >>> average.n_averaged
        tensor(1)
        """
        averaged = [one.detach() for one in self._tensors(self.module)]
        current = [one.detach() for one in self._tensors(model)]
        count = int(self.n_averaged)
        if count == 0:
            for mean, now in zip(averaged, current, strict=True):
                mean.copy_(now)
        elif self.avg_fn is not None:
            _of_lists(self.avg_fn)(averaged, current, self.n_averaged)
        else:
            (self.multi_avg_fn or get_swa_multi_avg_fn())(averaged, current, self.n_averaged)
        if not self.use_buffers:
            for mean, now in zip(self.module.buffers(), model.buffers(), strict=True):
                mean.detach().copy_(now.detach())
        self.n_averaged += 1


def update_bn(loader: Iterable[Any], model: Module, device: Any = None) -> None:
    """Compute the running statistics of the batch norms anew, over all batches of `loader`.

    A batch is an input of the model, or a list whose first element is one.

    >>> import alight as torch
    >>> model = torch.nn.Sequential(torch.nn.BatchNorm1d(2))
    >>> torch.optim.swa_utils.update_bn([torch.tensor([[1., 2.], [3., 6.]])], model)
    >>> model[0].running_mean
    tensor([2., 4.])
    """
    momenta = {}
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.reset_running_stats()
            momenta[module] = module.momentum
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.momentum = None
    with no_grad():
        for batch in loader:
            batch = batch[0] if isinstance(batch, (list, tuple)) else batch
            model(batch if device is None else batch.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """Anneals the rates of all groups to `swa_lr` within `anneal_epochs`, then leaves them there.

    anneal_strategy is "cos" or "linear"; ValueError for another.

    >>> import alight as torch
    >>> optimizer = torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=1.0)
    >>> scheduler = torch.optim.swa_utils.SWALR(optimizer, 0.5, 2, "linear")
    >>> rates = []
    >>> for _ in range(4):
    ...     rates += scheduler.get_last_lr()
    ...     optimizer.step()
    ...     scheduler.step()
    >>> rates
    [1.0, 0.75, 0.5, 0.5]
    """

    def __init__(
        self, optimizer: Any, swa_lr: Any, anneal_epochs: int = 10, anneal_strategy: str = "cos", last_epoch: int = -1
    ) -> None:  # fmt: skip
        if anneal_strategy not in ("cos", "linear"):
            fail(
                ValueError,
                f"anneal_strategy must by one of 'cos' or 'linear', instead got {anneal_strategy}",
            )
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            fail(
                ValueError,
                f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}",
            )
        self.anneal_epochs, self.anneal_strategy = anneal_epochs, anneal_strategy
        count = len(optimizer.param_groups)
        rates = list(swa_lr) if isinstance(swa_lr, (list, tuple)) else [swa_lr] * count
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["swa_lr"] = rate
        super().__init__(optimizer, last_epoch)

    def _share(self, t: float) -> float:
        return t if self.anneal_strategy == "linear" else (1 - math.cos(math.pi * t)) / 2

    def get_lr(self) -> list[float]:
        """The rates at this step."""
        step = self._step_count - 1
        span = max(1, self.anneal_epochs) if self.anneal_epochs == 0 else self.anneal_epochs
        before = self._share(max(0.0, min(1.0, (step - 1) / span)))
        now = self._share(max(0.0, min(1.0, step / span)))
        found = []
        for group in self.optimizer.param_groups:
            rate, target = group["lr"], group["swa_lr"]
            start = rate if before == 1 else (rate - before * target) / (1 - before)
            found.append(target * now + start * (1 - now))
        return found


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "AveragedModel",
    "SWALR",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]
