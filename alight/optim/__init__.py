"""torch.optim: optimizers and learning-rate schedules."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from alight.optim import lr_scheduler, optimizer
from alight.optim.adam import Adam, Adamax, AdamW, NAdam, RAdam
from alight.optim.adaptive import Adadelta, Adagrad, RMSprop
from alight.optim.optimizer import Optimizer
from alight.optim.sgd import SGD

__all__ = [
    "SGD", "Adadelta", "Adagrad", "Adam", "AdamW", "Adamax", "NAdam", "Optimizer", "RAdam", "RMSprop", "lr_scheduler",
    "optimizer", "ASGD", "Adafactor", "LBFGS", "Muon", "Rprop",
]  # fmt: skip

_LATER = {
    "ASGD": "averaging", "Adafactor": "matrices", "LBFGS": "lbfgs", "Muon": "matrices", "Rprop": "averaging",
}  # fmt: skip  # name -> its file


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(f"alight.optim.{_LATER[name]}"), name)
    if name == "swa_utils":
        return import_module("alight.optim.swa_utils")
    text = f"module 'alight.optim' has no attribute '{name}'"
    raise AttributeError(text, name=name, obj=sys.modules[__name__])


def __dir__() -> list[str]:
    return sorted({*__all__, "swa_utils"})
