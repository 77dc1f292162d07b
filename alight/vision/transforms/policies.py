"""Augmentation without a search: RandAugment (Cubuk et al. 2020), TrivialAugment (Müller and Hutter 2021).

In: a PIL picture, or a uint8 tensor (..., c, h, w). Out: the same kind of image after operations drawn at random;
the draws are torchvision's, number for number.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from alight.errors import fail
from alight.vision.transforms import functional as F
from alight.vision.transforms.images import InterpolationMode, get_dimensions
from alight.vision.transforms.random import _filling, whole

# Each operation's magnitudes, one for each bin, and whether their sign is drawn.
Space = dict[str, tuple[list[float], bool]]

_COLOURS: dict[str, Callable[[Any, float], Any]] = {
    "Brightness": lambda img, m: F.adjust_brightness(img, 1.0 + m),
    "Color": lambda img, m: F.adjust_saturation(img, 1.0 + m),
    "Contrast": lambda img, m: F.adjust_contrast(img, 1.0 + m),
    "Sharpness": lambda img, m: F.adjust_sharpness(img, 1.0 + m),
    "Posterize": lambda img, m: F.posterize(img, int(m)),
    "Solarize": F.solarize,
    "AutoContrast": lambda img, m: F.autocontrast(img),
    "Equalize": lambda img, m: F.equalize(img),
    "Invert": lambda img, m: F.invert(img),
    "Identity": lambda img, m: img,
}


def _evenly(start: float, end: float, count: int) -> list[float]:
    """As PyTorch's linspace rounds: from each end to the middle, each float32 rounded once."""
    first, last = np.float32(start), np.float32(end)
    step = np.float64((last - first) / np.float32(count - 1))
    at = np.arange(count)
    values = np.where(at < count // 2, first + step * at, last - step * (count - 1 - at))
    return values.astype(np.float32).tolist()


def space(
    bins: int, shear: float, shifts: tuple[float, float], turn: float, colour: float, bits: int
) -> Space:
    """The operations with their magnitudes in `bins` steps: up to which shear, shift, angle, colour and loss of bits."""

    def up_to(most: float) -> list[float]:
        return _evenly(0.0, most, bins)

    nothing: list[float] = []
    coarse: list[float] = [8 - round(number / ((bins - 1) / bits)) for number in range(bins)]
    return {
        "Identity": (nothing, False),
        "ShearX": (up_to(shear), True),
        "ShearY": (up_to(shear), True),
        "TranslateX": (up_to(shifts[0]), True),
        "TranslateY": (up_to(shifts[1]), True),
        "Rotate": (up_to(turn), True),
        **{
            name: (up_to(colour), True) for name in ("Brightness", "Color", "Contrast", "Sharpness")
        },
        "Posterize": (coarse, False),
        "Solarize": (_evenly(255.0, 0.0, bins), False),
        "AutoContrast": (nothing, False),
        "Equalize": (nothing, False),
    }


class Policy:
    """What both policies share: applying an operation by name."""

    interpolation: Any
    fill: Any

    def _apply(self, img: Any, name: str, magnitude: float, fill: Any) -> Any:
        if name in _COLOURS:
            return _COLOURS[name](img, magnitude)
        if name == "Rotate":
            return F.rotate(img, magnitude, self.interpolation, fill=fill)
        shear, shift, center = [0.0, 0.0], [0, 0], None
        axis = 0 if name.endswith("X") else 1
        if name.startswith("Shear"):
            shear[axis], center = math.degrees(math.atan(magnitude)), [0, 0]
        else:
            shift[axis] = int(magnitude)
        return F.affine(img, 0.0, shift, 1.0, shear, self.interpolation, fill, center)

    def _fill(self, img: Any) -> Any:
        return None if self.fill is None else _filling(img, self.fill)


class RandAugment(Policy):
    """`num_ops` operations drawn at random, all of one magnitude (Cubuk et al. 2020).

    For pictures, and tensors of uint8 (3, h, w) or (1, h, w).

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandAugment()(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        num_ops: int = 2,
        magnitude: int = 9,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        if not 0 <= magnitude < num_magnitude_bins:
            fail(
                ValueError,
                f"magnitude {magnitude} is not one of the bins 0 to {num_magnitude_bins - 1}",
            )
        self.num_ops = num_ops
        self.magnitude = magnitude
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def __call__(self, img: Any) -> Any:
        fill = self._fill(img)
        _, height, width = get_dimensions(img)
        for _ in range(self.num_ops):
            most = 150.0 / 331.0 * width, 150.0 / 331.0 * height
            known = space(self.num_magnitude_bins, 0.3, most, 30.0, 0.9, 4)
            name = list(known)[whole(0, len(known))]
            magnitudes, is_signed = known[name]
            magnitude = float(magnitudes[self.magnitude]) if magnitudes else 0.0
            if is_signed and whole(0, 2):
                magnitude = -magnitude
            img = self._apply(img, name, magnitude, fill)
        return img

    def __repr__(self) -> str:
        return (
            f"RandAugment(num_ops={self.num_ops}, magnitude={self.magnitude}, "
            f"num_magnitude_bins={self.num_magnitude_bins}, interpolation={self.interpolation}, fill={self.fill})"
        )


class TrivialAugmentWide(Policy):
    """One operation and one magnitude, both drawn at random (Müller and Hutter 2021).

    For pictures, and tensors of uint8 (3, h, w) or (1, h, w).

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.TrivialAugmentWide()(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        num_magnitude_bins: int = 31,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        self.num_magnitude_bins = num_magnitude_bins
        self.interpolation = interpolation
        self.fill = fill

    def __call__(self, img: Any) -> Any:
        fill = self._fill(img)
        known = space(self.num_magnitude_bins, 0.99, (32.0, 32.0), 135.0, 0.99, 6)
        name = list(known)[whole(0, len(known))]
        magnitudes, is_signed = known[name]
        magnitude = float(magnitudes[whole(0, len(magnitudes))]) if magnitudes else 0.0
        if is_signed and whole(0, 2):
            magnitude = -magnitude
        return self._apply(img, name, magnitude, fill)

    def __repr__(self) -> str:
        return (
            f"TrivialAugmentWide(num_magnitude_bins={self.num_magnitude_bins}, "
            f"interpolation={self.interpolation}, fill={self.fill})"
        )
