"""torch.optim: optimizers and learning-rate schedules."""

from __future__ import annotations

from alight.optim import lr_scheduler, optimizer
from alight.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from alight.optim.adaptive import Adadelta, Adagrad, RMSprop
from alight.optim.optimizer import Optimizer
from alight.optim.sgd import SGD

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "Optimizer", "RAdam", "RMSprop", "lr_scheduler",
    "optimizer",
]  # fmt: skip
