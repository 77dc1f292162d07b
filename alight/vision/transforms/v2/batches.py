"""Transforms of whole batches: MixUp (Zhang et al. 2018) and CutMix (Yun et al. 2019).

In: a batch of images (n, c, h, w) and its labels, class numbers (n,) or probabilities (n, classes). Out: each image
mixed with the one before it, and labels of probabilities mixed alike.
"""

from __future__ import annotations

import math
from typing import Any

import alight
from alight import nn
from alight.distributions import Beta
from alight.errors import fail
from alight.nn.functional import one_hot
from alight.vision.transforms.random import whole


class _Mixture(nn.Module):
    def __init__(
        self, *, alpha: float = 1.0, num_classes: int | None = None, labels_getter: Any = "default"
    ) -> None:
        super().__init__()
        self.alpha = float(alpha)
        self.num_classes = num_classes
        self._labels_getter = labels_getter
        start = alight.tensor([self.alpha])
        self._dist = Beta(start, start)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        if not isinstance(sample, list | tuple) or len(sample) < 2 or sample[0].dim() < 4:
            fail(
                ValueError,
                "Expected a batch of images (n, c, h, w) with its labels, not a single sample",
                try_="it after the DataLoader: images, labels = mixup(images, labels)",
            )
        images, labels, *rest = sample
        if not labels.is_floating_point():
            labels = self._probabilities(labels)
        share, images = self._mix(images)
        labels = labels.roll(1, 0) * (1.0 - share) + labels * share
        return type(sample)([images, labels, *rest])

    def _probabilities(self, labels: Any) -> Any:
        if self.num_classes is None:
            fail(
                ValueError,
                "num_classes must be passed if the labels are index-based (shape (batch_size,))",
            )
        return one_hot(labels, num_classes=self.num_classes).float()

    def _mix(self, images: Any) -> tuple[float, Any]:
        raise NotImplementedError

    def _share(self) -> float:
        return float(self._dist.sample(()))

    def extra_repr(self) -> str:
        """The options."""
        return f"alpha={self.alpha}, num_classes={self.num_classes}"


class MixUp(_Mixture):
    """Weighted sums of images; the weight comes from Beta(alpha, alpha).

    >>> images, labels = MixUp(num_classes=3)(alight.rand(2, 1, 4, 4), alight.tensor([0, 2]))
    >>> labels.shape
    torch.Size([2, 3])
    """

    def _mix(self, images: Any) -> tuple[float, Any]:
        share = self._share()
        return share, images.roll(1, 0) * (1.0 - share) + images * share


class CutMix(_Mixture):
    """A window of the one image in the other; its share of the area is about 1 - Beta(alpha, alpha)."""

    def _mix(self, images: Any) -> tuple[float, Any]:
        height, width = images.shape[-2:]
        half = 0.5 * math.sqrt(1.0 - self._share())
        x, y = whole(0, width), whole(0, height)
        across, down = int(half * width), int(half * height)
        left, right = max(x - across, 0), min(x + across, width)
        top, bottom = max(y - down, 0), min(y + down, height)
        mixed = images.clone()
        mixed[..., top:bottom, left:right] = images.roll(1, 0)[..., top:bottom, left:right]
        return 1.0 - (right - left) * (bottom - top) / (width * height), mixed
