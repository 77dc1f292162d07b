"""torch.nn.utils: clipping of gradients, parameters as vectors, packed sequences, parametrizations, fused layers."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from alight.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from alight.nn.utils.gradients import (
    clip_grad_norm,
    clip_grad_norm_,
    clip_grad_value_,
    clip_grads_with_norm_,
    get_total_norm,
)

_LATER = (
    "convert_parameters", "fusion", "parametrizations", "parametrize", "prune", "rnn", "stateless",
)  # fmt: skip
_HOME = {
    "fuse_conv_bn_eval": "fusion",
    "fuse_conv_bn_weights": "fusion",
    "fuse_linear_bn_eval": "fusion",
    "fuse_linear_bn_weights": "fusion",
    "skip_init": "fusion",
    "convert_conv2d_weight_memory_format": "fusion",
    "convert_conv3d_weight_memory_format": "fusion",
    "remove_spectral_norm": "norms",
    "remove_weight_norm": "norms",
    "spectral_norm": "norms",
    "weight_norm": "norms",
}


def __getattr__(name: str) -> Any:
    if name in _HOME:
        found = getattr(import_module(f"alight.nn.utils.{_HOME[name]}"), name)
        globals()[name] = found  # also where a file of the same name has come in
        return found
    if name in _LATER:
        return import_module(f"alight.nn.utils.{name}")
    raise AttributeError(f"module 'alight.nn.utils' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*__all__, *_LATER})


__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
    "parameters_to_vector",
    "rnn",
    "vector_to_parameters",
    *_HOME,
]
