"""Dropout layers: elements, or whole channels, put to zero at random while training."""

from __future__ import annotations

from typing import Any

from alight.errors import fail
from alight.nn import functional as F
from alight.nn.module import Module

Tensor = Any


class _DropoutNd(Module):
    """Common part of the dropout layers."""

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            fail(
                ValueError,
                f"dropout probability has to be between 0 and 1, but got {p}",
                try_="p=0.5",
            )
        self.p, self.inplace = p, inplace

    def extra_repr(self) -> str:
        """Probability and whether the input is overwritten."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Elements put to zero with probability p, the others divided by 1 - p; nothing in evaluation.

    >>> import alight as torch
    >>> torch.nn.Dropout(0.5).eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.dropout."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Whole channels of (n, c, length)."""

    def forward(self, input: Tensor) -> Tensor:
        """functional.dropout1d."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Whole channels of (n, c, height, width)."""

    def forward(self, input: Tensor) -> Tensor:
        """functional.dropout2d."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Whole channels of (n, c, depth, height, width)."""

    def forward(self, input: Tensor) -> Tensor:
        """functional.dropout3d."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout that keeps the mean and variance of selu's results."""

    def forward(self, input: Tensor) -> Tensor:
        """functional.alpha_dropout."""
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """AlphaDropout of whole channels."""

    def forward(self, input: Tensor) -> Tensor:
        """functional.feature_alpha_dropout."""
        return F.feature_alpha_dropout(input, self.p, self.training)
