"""torch.nn.utils: gradients, parameters as vectors, packed sequences, parametrizations."""

from __future__ import annotations

from alight.nn.utils import rnn

__all__ = ["rnn"]
