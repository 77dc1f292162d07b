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
    """Elements put to zero with probability p while training, the others divided by 1 - p.

    Any shape to the same shape; in evaluation the input itself (Srivastava et al. 2014).
    ValueError where p is not between 0 and 1.

    >>> import alight as torch
    >>> dropout = torch.nn.Dropout(0.5)
    >>> (dropout(torch.ones(1000)) == 0).float().mean().item() > 0.4
    True
    >>> dropout.eval()(torch.ones(2))
    tensor([1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.dropout."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Whole channels of sequences put to zero with probability p while training.

    The others are divided by 1 - p. (n, c, length) or (c, length) to the same shape; in
    evaluation the input itself.

    >>> import alight as torch
    >>> torch.nn.Dropout1d(0.5)(torch.ones(4, 3, 2)).shape
    torch.Size([4, 3, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.dropout1d."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Whole channels of images put to zero with probability p while training.

    The others are divided by 1 - p. (n, c, height, width) or (c, height, width) to the same
    shape; in evaluation the input itself (Tompson et al. 2015).

    >>> import alight as torch
    >>> y = torch.nn.Dropout2d(0.5)(torch.ones(4, 3, 2, 2))
    >>> ((y == 0) | (y == 2)).all()
    tensor(True)
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.dropout2d."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Whole channels of volumes put to zero with probability p while training.

    The others are divided by 1 - p. (n, c, depth, height, width) or without n, to the same
    shape; in evaluation the input itself.

    >>> import alight as torch
    >>> torch.nn.Dropout3d(0.5)(torch.ones(4, 3, 2, 2, 2)).shape
    torch.Size([4, 3, 2, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.dropout3d."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """Dropout for networks of SELU: what is dropped takes selu's lowest value.

    All is scaled so that mean and variance stay (Klambauer et al. 2017). Any shape to the same
    shape; in evaluation the input itself.

    >>> import alight as torch
    >>> torch.nn.AlphaDropout(0.5).eval()(torch.tensor([1., 2.]))
    tensor([1., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.alpha_dropout."""
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """AlphaDropout of whole channels: (n, c, *) to the same shape; in evaluation the input itself.

    >>> import alight as torch
    >>> torch.nn.FeatureAlphaDropout(0.5)(torch.ones(4, 3, 2, 2)).shape
    torch.Size([4, 3, 2, 2])
    """

    def forward(self, input: Tensor) -> Tensor:
        """functional.feature_alpha_dropout."""
        return F.feature_alpha_dropout(input, self.p, self.training)
