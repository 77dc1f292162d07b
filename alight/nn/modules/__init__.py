"""torch.nn.modules: PyTorch's file names for the layers, as other names of alight's modules."""

from __future__ import annotations

import sys
from importlib import import_module

from alight.nn import *  # noqa: F403

_FILES = {
    "activation": "activation",
    "adaptive": "adaptive",
    "batchnorm": "norm",
    "channelshuffle": "flatten",
    "container": "container",
    "conv": "conv",
    "distance": "padding",
    "dropout": "dropout",
    "flatten": "flatten",
    "fold": "flatten",
    "instancenorm": "norm",
    "lazy": "linear",
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

# Names that PyTorch has in another of its files, or under another name.
_ALSO = {
    "activation": ("attention", "MultiheadAttention"),
    "linear": ("attention", "NonDynamicallyQuantizableLinear"),
    "loss": (
        "margin_loss",
        "MarginRankingLoss HingeEmbeddingLoss CosineEmbeddingLoss SoftMarginLoss MultiLabelSoftMarginLoss MultiMarginLoss TripletMarginLoss TripletMarginWithDistanceLoss MultiLabelMarginLoss",
    ),
}
for _name, (_file, _others) in _ALSO.items():
    for _other in _others.split():
        setattr(
            import_module(f"alight.nn.{_FILES[_name]}"),
            _other,
            getattr(import_module(f"alight.nn.{_file}"), _other),
        )
