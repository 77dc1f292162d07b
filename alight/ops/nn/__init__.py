"""Operations of neural networks, filed by the sections of torch.nn.functional's documentation."""

from alight.ops.nn import (
    activation,
    attention,
    convolution,
    cross_entropy,
    distance,
    dropout,
    loss,
    multihead,
    normalization,
    pooling,
    recurrent,
    resampling,
    softmax,
    sparse,
)

__all__ = [
    "activation", "attention", "convolution", "cross_entropy", "distance", "dropout", "loss", "multihead", "normalization", "pooling",
    "recurrent", "resampling", "softmax", "sparse",
]  # fmt: skip
