"""Operations of neural networks, filed by the sections of torch.nn.functional's documentation."""

from alight.ops.nn import (
    activation,
    attention,
    convolution,
    cross_entropy,
    distance,
    dropout,
    loss,
    margin_loss,
    normalization,
    pooling,
    resampling,
    softmax,
    sparse,
)

__all__ = [
    "activation", "attention", "convolution", "cross_entropy", "distance", "dropout", "loss", "margin_loss",
    "normalization", "pooling", "resampling", "softmax", "sparse",
]  # fmt: skip
