"""torch.nn.modules: PyTorch's file names for the layers, as other names of alight's modules."""

from __future__ import annotations

import sys
from importlib import import_module

from alight.nn import *  # noqa: F403

_FILES = {
    "activation": "activation",
    "batchnorm": "norm",
    "container": "container",
    "conv": "conv",
    "distance": "padding",
    "dropout": "dropout",
    "flatten": "flatten",
    "fold": "flatten",
    "instancenorm": "norm",
    "linear": "linear",
    "loss": "loss",
    "module": "module",
    "normalization": "norm",
    "padding": "padding",
    "pixelshuffle": "flatten",
    "pooling": "pooling",
    "rnn": "rnn",
    "sparse": "sparse",
    "transformer": "transformer",
    "upsampling": "padding",
}

for _name, _file in _FILES.items():
    globals()[_name] = sys.modules[f"{__name__}.{_name}"] = import_module(f"alight.nn.{_file}")
