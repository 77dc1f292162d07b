"""torch.optim: rules that update parameters from their gradients, and schedules of their learning rates.

One update is one recorded step for all parameters of a group: `Recorder.compound` takes the new values as a program.
"""

from alight.optim import lr_scheduler
from alight.optim.adam import Adam, AdamW, NAdam, RAdam
from alight.optim.adaptive import Adadelta, Adagrad, Adamax, RMSprop
from alight.optim.optimizer import Optimizer
from alight.optim.sgd import SGD

__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "SGD",
    "lr_scheduler",
]
