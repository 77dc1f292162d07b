"""AutoAugment (Cubuk et al. 2019): pairs of operations that a search found for a data set.

In: a PIL picture, or a uint8 tensor (..., c, h, w). Out: the same kind of image after one pair, drawn at random.
The tables are the paper's: an operation, its probability, and the number of its magnitude's bin where it has one.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import alight
from alight.vision.transforms.images import InterpolationMode, get_dimensions
from alight.vision.transforms.policies import Policy, space
from alight.vision.transforms.random import whole

IMAGENET = """
    Posterize 0.4 8 + Rotate 0.6 9
    Solarize 0.6 5 + AutoContrast 0.6
    Equalize 0.8 + Equalize 0.6
    Posterize 0.6 7 + Posterize 0.6 6
    Equalize 0.4 + Solarize 0.2 4
    Equalize 0.4 + Rotate 0.8 8
    Solarize 0.6 3 + Equalize 0.6
    Posterize 0.8 5 + Equalize 1
    Rotate 0.2 3 + Solarize 0.6 8
    Equalize 0.6 + Posterize 0.4 6
    Rotate 0.8 8 + Color 0.4 0
    Rotate 0.4 9 + Equalize 0.6
    Equalize 0 + Equalize 0.8
    Invert 0.6 + Equalize 1
    Color 0.6 4 + Contrast 1 8
    Rotate 0.8 8 + Color 1 2
    Color 0.8 8 + Solarize 0.8 7
    Sharpness 0.4 7 + Invert 0.6
    ShearX 0.6 5 + Equalize 1
    Color 0.4 0 + Equalize 0.6
    Equalize 0.4 + Solarize 0.2 4
    Solarize 0.6 5 + AutoContrast 0.6
    Invert 0.6 + Equalize 1
    Color 0.6 4 + Contrast 1 8
    Equalize 0.8 + Equalize 0.6
"""
CIFAR10 = """
    Invert 0.1 + Contrast 0.2 6
    Rotate 0.7 2 + TranslateX 0.3 9
    Sharpness 0.8 1 + Sharpness 0.9 3
    ShearY 0.5 8 + TranslateY 0.7 9
    AutoContrast 0.5 + Equalize 0.9
    ShearY 0.2 7 + Posterize 0.3 7
    Color 0.4 3 + Brightness 0.6 7
    Sharpness 0.3 9 + Brightness 0.7 9
    Equalize 0.6 + Equalize 0.5
    Contrast 0.6 7 + Sharpness 0.6 5
    Color 0.7 7 + TranslateX 0.5 8
    Equalize 0.3 + AutoContrast 0.4
    TranslateY 0.4 3 + Sharpness 0.2 6
    Brightness 0.9 6 + Color 0.2 8
    Solarize 0.5 2 + Invert 0
    Equalize 0.2 + AutoContrast 0.6
    Equalize 0.2 + Equalize 0.6
    Color 0.9 9 + Equalize 0.6
    AutoContrast 0.8 + Solarize 0.2 8
    Brightness 0.1 3 + Color 0.7 0
    Solarize 0.4 5 + AutoContrast 0.9
    TranslateY 0.9 9 + TranslateY 0.7 9
    AutoContrast 0.9 + Solarize 0.8 3
    Equalize 0.8 + Invert 0.1
    TranslateY 0.7 9 + AutoContrast 0.9
"""
SVHN = """
    ShearX 0.9 4 + Invert 0.2
    ShearY 0.9 8 + Invert 0.7
    Equalize 0.6 + Solarize 0.6 6
    Invert 0.9 + Equalize 0.6
    Equalize 0.6 + Rotate 0.9 3
    ShearX 0.9 4 + AutoContrast 0.8
    ShearY 0.9 8 + Invert 0.4
    ShearY 0.9 5 + Solarize 0.2 6
    Invert 0.9 + AutoContrast 0.8
    Equalize 0.6 + Rotate 0.9 3
    ShearX 0.9 4 + Solarize 0.3 3
    ShearY 0.8 8 + Invert 0.7
    Equalize 0.9 + TranslateY 0.6 6
    Invert 0.9 + Equalize 0.6
    Contrast 0.3 3 + Rotate 0.8 4
    Invert 0.8 + TranslateY 0 2
    ShearY 0.7 6 + Solarize 0.4 8
    Invert 0.6 + Rotate 0.8 4
    ShearY 0.3 7 + TranslateX 0.9 3
    ShearX 0.1 6 + Invert 0.6
    Solarize 0.7 2 + TranslateY 0.6 7
    ShearY 0.8 4 + Invert 0.8
    ShearX 0.7 9 + TranslateY 0.8 3
    ShearY 0.8 5 + AutoContrast 0.7
    ShearX 0.7 2 + Invert 0.1
"""


class AutoAugmentPolicy(Enum):
    """The data set that the pairs were found for.

    >>> from alight.vision import transforms
    >>> [policy.value for policy in transforms.AutoAugmentPolicy]
    ['imagenet', 'cifar10', 'svhn']
    """

    IMAGENET = "imagenet"
    CIFAR10 = "cifar10"
    SVHN = "svhn"


Step = tuple[str, float, int | None]


def _pairs(text: str) -> list[tuple[Step, ...]]:
    """The table's lines, each as two steps."""
    return [
        tuple(_step(part.split()) for part in line.split("+")) for line in text.split("\n")[1:-1]
    ]


def _step(words: list[str]) -> Step:
    return words[0], float(words[1]), int(words[2]) if len(words) > 2 else None


class AutoAugment(Policy):
    """One of 25 pairs of operations, each of the two with its own probability (Cubuk et al. 2019).

    For pictures, and tensors of uint8 (3, h, w) or (1, h, w).

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.AutoAugment()(torch.zeros(3, 8, 8, dtype=torch.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(
        self,
        policy: Any = AutoAugmentPolicy.IMAGENET,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = None,
    ) -> None:
        self.policy = AutoAugmentPolicy(policy)
        self.interpolation = interpolation
        self.fill = fill
        self.policies = _pairs(globals()[self.policy.name])

    @staticmethod
    def get_params(transform_num: int) -> tuple[int, Any, Any]:
        """Which pair, two probabilities, two signs."""
        number = whole(0, transform_num)
        return number, alight.rand((2,)), alight.randint(0, 2, (2,))

    def __call__(self, img: Any) -> Any:
        fill = self._fill(img)
        number, chances, signs = self.get_params(len(self.policies))
        _, height, width = get_dimensions(img)
        known = space(10, 0.3, (150.0 / 331.0 * width, 150.0 / 331.0 * height), 30.0, 0.9, 4)
        for step, chance, sign in zip(
            self.policies[number], chances.tolist(), signs.tolist(), strict=True
        ):
            name, p, bin_number = step
            if chance <= p:
                magnitudes, is_signed = known.get(name, ([], False))
                magnitude = magnitudes[bin_number] if bin_number is not None else 0.0
                if is_signed and sign == 0:
                    magnitude = -magnitude
                img = self._apply(img, name, magnitude, fill)
        return img

    def __repr__(self) -> str:
        return f"AutoAugment(policy={self.policy}, fill={self.fill})"
