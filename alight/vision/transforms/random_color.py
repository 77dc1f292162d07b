"""Colours changed at random: jitter, grey, and operations that happen with a probability."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import alight
from alight.errors import fail
from alight.vision.transforms import functional as F
from alight.vision.transforms.images import (
    get_dimensions,
)
from alight.vision.transforms.random import happens, uniform

Range = float | Sequence[float] | None


class ColorJitter:
    """Brightness, contrast, saturation and hue changed at random, in random order.

    A number x draws the factor between 1 - x and 1 + x, hue between -x and x; a pair gives the
    bounds. ValueError for negative ones, or hues outside [-0.5, 0.5].

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.ColorJitter(brightness=0.2, hue=0.1)(torch.ones(3, 2, 4)).shape
    torch.Size([3, 2, 4])
    """

    def __init__(
        self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0
    ) -> None:
        self.brightness = self._range(brightness, "brightness")
        self.contrast = self._range(contrast, "contrast")
        self.saturation = self._range(saturation, "saturation")
        self.hue = self._range(hue, "hue", 0.0, (-0.5, 0.5))

    @staticmethod
    def _range(
        value: Any, name: str, center: float = 1.0, bound: tuple[float, float] = (0.0, math.inf)
    ) -> tuple[float, float] | None:
        if isinstance(value, int | float):
            if value < 0:
                fail(ValueError, f"If {name} is a single number, it must be non negative.")
            low, high = center - float(value), center + float(value)
            low = max(low, 0.0) if center else low
        elif isinstance(value, tuple | list) and len(value) == 2:
            low, high = float(value[0]), float(value[1])
        else:
            fail(TypeError, f"{name} should be a single number or a list/tuple with length 2.")
        if not bound[0] <= low <= high <= bound[1]:
            fail(ValueError, f"{name} values should be between {bound}, but got {[low, high]}.")
        return None if low == high == center else (low, high)

    @staticmethod
    def get_params(
        brightness: Any, contrast: Any, saturation: Any, hue: Any
    ) -> tuple[Any, float | None, float | None, float | None, float | None]:
        """The order, and the four factors; None for what stays."""
        order = alight.randperm(4)
        b, c, s, h = (
            None if bounds is None else uniform(bounds[0], bounds[1])
            for bounds in (brightness, contrast, saturation, hue)
        )
        return order, b, c, s, h

    def __call__(self, img: Any) -> Any:
        order, *factors = self.get_params(self.brightness, self.contrast, self.saturation, self.hue)
        functions = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for index in order.tolist():
            factor = factors[index]
            if factor is not None:
                img = functions[index](img, factor)
        return img

    def __repr__(self) -> str:
        return (
            f"ColorJitter(brightness={self.brightness}, contrast={self.contrast}, "
            f"saturation={self.saturation}, hue={self.hue})"
        )


class RandomGrayscale:
    """With probability `p` the image in grey, in as many channels as it had.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomGrayscale(p=1.0)(torch.ones(3, 2, 4)).shape
    torch.Size([3, 2, 4])
    """

    def __init__(self, p: float = 0.1) -> None:
        self.p = p

    def __call__(self, img: Any) -> Any:
        channels = get_dimensions(img)[0]
        return F.rgb_to_grayscale(img, channels) if happens(self.p) else img

    def __repr__(self) -> str:
        return f"RandomGrayscale(p={self.p})"


class _Sometimes:
    """With probability `p` a function of the image, with the options that `options` names."""

    function: Callable[..., Any]
    options: tuple[str, ...] = ()
    p: float

    def __call__(self, img: Any) -> Any:
        if not happens(self.p):
            return img
        return type(self).function(img, *(getattr(self, name) for name in self.options))

    def __repr__(self) -> str:
        shown = [f"{name}={getattr(self, name)}" for name in (*self.options, "p")]
        return f"{type(self).__name__}({','.join(shown)})"


class RandomInvert(_Sometimes):
    """With probability `p` white for black.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomInvert(p=1.0)(torch.tensor([[[0.0, 1.0]]]))
    tensor([[[1., 0.]]])
    """

    function = staticmethod(F.invert)

    def __init__(self, p: float = 0.5) -> None:
        self.p = p


class RandomAutocontrast(_Sometimes):
    """With probability `p` each channel stretched from black to white.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomAutocontrast(p=1.0)(torch.tensor([[[0.25, 0.75]]]))
    tensor([[[0., 1.]]])
    """

    function = staticmethod(F.autocontrast)

    def __init__(self, p: float = 0.5) -> None:
        self.p = p


class RandomEqualize(_Sometimes):
    """With probability `p` 8-bit values spread evenly.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomEqualize(p=1.0)(torch.zeros(1, 2, 2, dtype=torch.uint8)).shape
    torch.Size([1, 2, 2])
    """

    function = staticmethod(F.equalize)

    def __init__(self, p: float = 0.5) -> None:
        self.p = p


class RandomPosterize(_Sometimes):
    """With probability `p` fewer bits a value.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomPosterize(bits=1, p=1.0)(torch.tensor([[[200, 100]]], dtype=torch.uint8))
    tensor([[[128,   0]]], dtype=torch.uint8)
    """

    function = staticmethod(F.posterize)
    options = ("bits",)

    def __init__(self, bits: int, p: float = 0.5) -> None:
        self.bits = bits
        self.p = p


class RandomSolarize(_Sometimes):
    """With probability `p` values from `threshold` up inverted.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomSolarize(0.5, p=1.0)(torch.tensor([[[0.25, 1.0]]]))
    tensor([[[0.2500, 0.0000]]])
    """

    function = staticmethod(F.solarize)
    options = ("threshold",)

    def __init__(self, threshold: float, p: float = 0.5) -> None:
        self.threshold = threshold
        self.p = p


class RandomAdjustSharpness(_Sometimes):
    """With probability `p` another sharpness: 0 blurs, 1 leaves, 2 sharpens.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomAdjustSharpness(2.0, p=1.0)(torch.ones(1, 4, 4)).shape
    torch.Size([1, 4, 4])
    """

    function = staticmethod(F.adjust_sharpness)
    options = ("sharpness_factor",)

    def __init__(self, sharpness_factor: float, p: float = 0.5) -> None:
        self.sharpness_factor = sharpness_factor
        self.p = p
