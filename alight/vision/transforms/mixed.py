"""Augmentation by mixtures and by bent images: AugMix (Hendrycks et al. 2020), ElasticTransform (Simard et al. 2003).

In: a PIL picture, or a tensor (..., c, h, w), of bytes for AugMix. Out: the same kind of image; the draws are
torchvision's, number for number.
"""

from __future__ import annotations

from typing import Any

import alight
from alight.errors import fail
from alight.vision import pictures
from alight.vision.transforms import functional as F
from alight.vision.transforms.images import InterpolationMode, get_dimensions, mode_name
from alight.vision.transforms.policies import Policy, Space, _evenly
from alight.vision.transforms.random import _filling, whole

_BINS = 10


class AugMix(Policy):
    """The image mixed with `mixture_width` copies of it, each after a chain of operations drawn at random.

    severity: up to which of 10 magnitudes. chain_depth: operations a chain, 1 to 3 of them where it is -1.
    alpha: how evenly the weights are spread. all_ops: changes of colour among the operations.

    >>> image = alight.zeros(3, 8, 8, dtype=alight.uint8)
    >>> AugMix()(image).shape
    torch.Size([3, 8, 8])

    Errors: ValueError for a severity that is not 1 to 10.
    """

    def __init__(
        self, severity: int = 3, mixture_width: int = 3, chain_depth: int = -1, alpha: float = 1.0, all_ops: bool = True,
        interpolation: Any = InterpolationMode.BILINEAR, fill: Any = None,
    ) -> None:  # fmt: skip
        if not 1 <= severity <= _BINS:
            fail(
                ValueError,
                f"The severity must be between [1, {_BINS}]. Got {severity} instead.",
            )
        self.severity = severity
        self.mixture_width = mixture_width
        self.chain_depth = chain_depth
        self.alpha = alpha
        self.all_ops = all_ops
        self.interpolation = interpolation
        self.fill = fill

    def __call__(self, img: Any) -> Any:
        is_picture = pictures.is_picture(img)
        batch = F.pil_to_tensor(img) if is_picture else img
        mix = self._mixed(batch, _filling(batch, self.fill) if self.fill is not None else None)
        mix = mix.to(batch.dtype)
        return F.to_pil_image(mix) if is_picture else mix

    def _mixed(self, img: Any, fill: Any) -> Any:
        """An image, or a batch of them, each with weights of its own."""
        count = img.shape[0] if img.dim() > 3 else 1
        column = [count, *[1] * (img.dim() - 1)] if img.dim() > 3 else [1] * img.dim()
        known = self._space(*img.shape[-2:])
        old_and_new = self._weights(2, count)
        weights = self._weights(self.mixture_width, count) * old_and_new[:, 1:]
        mix = old_and_new[:, 0].reshape(column) * img
        for copy in range(self.mixture_width):
            mix = mix + weights[:, copy].reshape(column) * self._chain(img, known, fill)
        return mix

    def _weights(self, number: int, count: int) -> Any:
        return alight._sample_dirichlet(alight.full((count, number), float(self.alpha)))

    def _chain(self, img: Any, known: Space, fill: Any) -> Any:
        depth = self.chain_depth if self.chain_depth > 0 else whole(1, 4)
        for _ in range(depth):
            name = list(known)[whole(0, len(known))]
            magnitudes, is_signed = known[name]
            magnitude = float(magnitudes[whole(0, self.severity)]) if magnitudes else 0.0
            if is_signed and whole(0, 2):
                magnitude = -magnitude
            img = self._apply(img, name, magnitude, fill)
        return img

    def _space(self, height: int, width: int) -> Space:
        """The operations with their magnitudes."""
        steps = range(_BINS)
        known: Space = {
            "ShearX": (_evenly(0.0, 0.3, _BINS), True),
            "ShearY": (_evenly(0.0, 0.3, _BINS), True),
            "TranslateX": (_evenly(0.0, width / 3.0, _BINS), True),
            "TranslateY": (_evenly(0.0, height / 3.0, _BINS), True),
            "Rotate": (_evenly(0.0, 30.0, _BINS), True),
            "Posterize": ([float(4 - round(step / ((_BINS - 1) / 4))) for step in steps], False),
            "Solarize": (_evenly(255.0, 0.0, _BINS), False),
            "AutoContrast": ([], False),
            "Equalize": ([], False),
        }
        colours = ("Brightness", "Color", "Contrast", "Sharpness") if self.all_ops else ()
        return known | {name: (_evenly(0.0, 0.9, _BINS), True) for name in colours}

    def __repr__(self) -> str:
        return (
            f"AugMix(severity={self.severity}, mixture_width={self.mixture_width}, chain_depth={self.chain_depth}, "
            f"alpha={self.alpha}, all_ops={self.all_ops}, interpolation={self.interpolation}, fill={self.fill})"
        )


# -- bent images


class ElasticTransform:
    """An image bent at random: `alpha` says how far, `sigma` how smoothly, for x and y.

    >>> ElasticTransform(alpha=30.0, sigma=1.0)(alight.zeros(3, 16, 16)).shape
    torch.Size([3, 16, 16])
    """

    def __init__(
        self,
        alpha: Any = 50.0,
        sigma: Any = 5.0,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        self.alpha = _two("alpha", alpha)
        self.sigma = _two("sigma", sigma)
        self.interpolation = interpolation
        self.fill = [float(fill)] if isinstance(fill, int | float) else [float(f) for f in fill]

    @staticmethod
    def get_params(alpha: list[float], sigma: list[float], size: list[int]) -> Any:
        """The displacement (1, h, w, 2) of each pixel."""
        shifts = []
        for far, smooth, length in zip(alpha, sigma, reversed(size), strict=True):
            shift = alight.rand([1, 1, *size]) * 2 - 1
            if smooth > 0.0:
                kernel = int(8 * smooth + 1) | 1
                shift = F.gaussian_blur(shift, [kernel, kernel], sigma)
            shifts.append(shift * far / length)
        return alight.cat(shifts, 1).permute(0, 2, 3, 1)

    def __call__(self, tensor: Any) -> Any:
        _, height, width = get_dimensions(tensor)
        displacement = self.get_params(self.alpha, self.sigma, [height, width])
        return F.elastic_transform(tensor, displacement, self.interpolation, self.fill)

    def __repr__(self) -> str:
        how = mode_name(self.interpolation)
        return (
            f"ElasticTransform(alpha={self.alpha}, sigma={self.sigma}, "
            f"interpolation=InterpolationMode.{how.upper().replace('-', '_')}, fill={self.fill})"
        )


def _two(name: str, value: Any) -> list[float]:
    """A number for both axes, or one for each."""
    if isinstance(value, int | float):
        return [float(value)] * 2
    values = [float(one) for one in value]
    if len(values) not in (1, 2):
        fail(ValueError, f"{name} is a sequence its length should be 2. Got {len(values)}")
    return values * (2 if len(values) == 1 else 1)
