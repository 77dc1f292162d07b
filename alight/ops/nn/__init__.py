"""Operations of neural networks, filed by the sections of torch.nn.functional's documentation."""

from alight.ops.nn import (
    activation,
    convolution,
    cross_entropy,
    dropout,
    loss,
    normalization,
    pooling,
    softmax,
    sparse,
)

__all__ = [
    "activation", "convolution", "cross_entropy", "dropout", "loss", "normalization", "pooling", "softmax", "sparse",
]  # fmt: skip
