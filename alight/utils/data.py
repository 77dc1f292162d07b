"""torch.utils.data: all of alight.data under PyTorch's name, and under those of its files."""

import sys

import alight.data
from alight.data import *  # noqa: F403
from alight.data import __all__  # noqa: F401

for _name in ("dataloader", "dataset", "distributed", "sampler"):
    globals()[_name] = sys.modules[f"{__name__}.{_name}"] = alight.data
