"""Random transforms of one image; their draws are torchvision's, number for number.

In: a PIL picture, or a tensor (..., c, h, w). Out: the same kind of image. Each `get_params` draws, each call applies.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import alight
from alight.errors import fail
from alight.vision.transforms import functional as F
from alight.vision.transforms.images import (
    InterpolationMode,
    get_dimensions,
    is_picture,
    mode_name,
)

Transform = Callable[[Any], Any]
ATTEMPTS = 10  # at a window of random size, before the middle is taken


def uniform(low: float, high: float) -> float:
    """A number from the default generator, as torchvision draws it."""
    return float(alight.empty(1).uniform_(float(low), float(high)).item())


def happens(p: float) -> bool:
    """True with probability `p`."""
    return float(alight.rand(1).item()) < p


def whole(low: int, high: int) -> int:
    """A whole number from `low` up to, not including, `high`."""
    return int(alight.randint(low, high, size=(1,)).item())


class _RandomTransforms:
    """Several transforms and a choice among them."""

    def __init__(self, transforms: Sequence[Transform]) -> None:
        if not isinstance(transforms, Sequence):
            fail(TypeError, "Argument transforms should be a sequence")
        self.transforms = transforms

    def __repr__(self) -> str:
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}({lines}\n)"


class RandomApply:
    """All of a list of transforms, with probability `p`; else the image as it is.

    >>> from alight.vision import transforms
    >>> transforms.RandomApply([transforms.Lambda(lambda x: x + 1)], p=1.0)(1)
    2
    """

    def __init__(self, transforms: Sequence[Transform], p: float = 0.5) -> None:
        self.transforms = transforms
        self.p = p

    def __call__(self, img: Any) -> Any:
        if self.p < float(alight.rand(1).item()):
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        lines = "".join(f"\n    {transform}" for transform in self.transforms)
        return f"{type(self).__name__}(\n    p={self.p}{lines}\n)"


class RandomOrder(_RandomTransforms):
    """All of a list of transforms, in random order.

    >>> from alight.vision import transforms
    >>> add = transforms.Lambda(lambda x: x + 1)
    >>> transforms.RandomOrder([add, add])(1)
    3
    """

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for index in order:
            img = self.transforms[index](img)
        return img


class RandomChoice(_RandomTransforms):
    """One of a list of transforms, with probabilities in proportion to `p`.

    >>> from alight.vision import transforms
    >>> transforms.RandomChoice([transforms.Lambda(lambda x: x + 1)])(1)
    2
    """

    def __init__(self, transforms: Sequence[Transform], p: Sequence[float] | None = None) -> None:
        super().__init__(transforms)
        self.p = p

    def __call__(self, img: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](img)

    def __repr__(self) -> str:
        return f"{super().__repr__()}(p={self.p})"


class RandomResizedCrop:
    """A window of random size and shape, scaled to `size` (Szegedy et al. 2015).

    `scale` bounds its share of the area, `ratio` its width over its height.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomResizedCrop(4)(torch.ones(3, 8, 8)).shape
    torch.Size([3, 4, 4])
    """

    def __init__(
        self,
        size: int | Sequence[int],
        scale: Sequence[float] = (0.08, 1.0),
        ratio: Sequence[float] = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR,
        antialias: bool | None = True,
    ) -> None:
        self.size = (size, size) if isinstance(size, int) else tuple(size)
        self.scale = scale
        self.ratio = ratio
        self.interpolation = interpolation
        self.antialias = antialias

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float]
    ) -> tuple[int, int, int, int]:
        """A random window: top, left, height and width."""
        _, height, width = get_dimensions(img)
        low, high = alight.log(alight.tensor(list(ratio))).tolist()  # type: ignore[operator]
        for _ in range(ATTEMPTS):
            target = height * width * uniform(scale[0], scale[1])
            aspect = float(np.exp(np.float32(uniform(low, high))))
            w = round(math.sqrt(target * aspect))
            h = round(math.sqrt(target / aspect))
            if 0 < w <= width and 0 < h <= height:
                return whole(0, height - h + 1), whole(0, width - w + 1), h, w
        if width / height < min(ratio):
            w, h = width, round(width / min(ratio))
        elif width / height > max(ratio):
            w, h = round(height * max(ratio)), height
        else:
            w, h = width, height
        return (height - h) // 2, (width - w) // 2, h, w

    def __call__(self, img: Any) -> Any:
        window = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *window, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale = tuple(round(s, 4) for s in self.scale)
        ratio = tuple(round(r, 4) for r in self.ratio)
        return (
            f"RandomResizedCrop(size={self.size}, scale={scale}, ratio={ratio}, "
            f"interpolation={mode_name(self.interpolation)}, antialias={self.antialias})"
        )


def _bounds(value: Any, name: str, sizes: Sequence[int] = (2,)) -> list[float]:
    """(-value, value) for a number, else the sequence itself."""
    if isinstance(value, int | float):
        if value < 0:
            fail(ValueError, f"If {name} is a single number, it must be positive.")
        return [-float(value), float(value)]
    if len(value) not in sizes:
        fail(ValueError, f"{name} should be a sequence of length {' or '.join(map(str, sizes))}.")
    return [float(one) for one in value]


def _filling(img: Any, fill: Any) -> Any:
    """A colour for each channel of a tensor; for a picture as it was given."""
    if is_picture(img):
        return fill
    channels = get_dimensions(img)[0]
    if isinstance(fill, int | float):
        return [float(fill)] * channels
    return [float(one) for one in fill]


class RandomRotation:
    """An image turned by a random angle, in degrees: between two, or up to one either way.

    ValueError for a negative number, or more than two.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomRotation((90, 90))(torch.tensor([[[1., 2.], [3., 4.]]]))
    tensor([[[2., 4.],
             [1., 3.]]])
    """

    def __init__(
        self,
        degrees: Any,
        interpolation: Any = InterpolationMode.NEAREST,
        expand: bool = False,
        center: Sequence[int] | None = None,
        fill: Any = 0,
    ) -> None:
        self.degrees = _bounds(degrees, "degrees")
        self.interpolation = interpolation
        self.expand = expand
        self.center = center
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(degrees: Sequence[float]) -> float:
        """The angle."""
        return uniform(degrees[0], degrees[1])

    def __call__(self, img: Any) -> Any:
        fill = _filling(img, self.fill)
        angle = self.get_params(self.degrees)
        return F.rotate(img, angle, self.interpolation, self.expand, self.center, fill)

    def __repr__(self) -> str:
        text = f"degrees={self.degrees}, interpolation={mode_name(self.interpolation)}, expand={self.expand}"
        text += f", center={self.center}" if self.center is not None else ""
        text += f", fill={self.fill}" if self.fill is not None else ""
        return f"RandomRotation({text})"


class RandomAffine:
    """An image turned, moved, scaled and sheared at random about its centre.

    translate are shares of width and height, from 0 to 1; ValueError outside.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomAffine(10, translate=(0.1, 0.1))(torch.ones(1, 8, 8)).shape
    torch.Size([1, 8, 8])
    """

    def __init__(
        self,
        degrees: Any,
        translate: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
        shear: Any = None,
        interpolation: Any = InterpolationMode.NEAREST,
        fill: Any = 0,
        center: Sequence[int] | None = None,
    ) -> None:
        self.degrees = _bounds(degrees, "degrees")
        if translate is not None and any(not 0.0 <= t <= 1.0 for t in translate):
            fail(ValueError, "translation values should be between 0 and 1")
        if scale is not None and any(s <= 0 for s in scale):
            fail(ValueError, "scale values should be positive")
        self.translate = translate
        self.scale = scale
        self.shear = None if shear is None else _bounds(shear, "shear", (2, 4))
        self.interpolation = interpolation
        self.fill = 0 if fill is None else fill
        self.center = center

    @staticmethod
    def get_params(
        degrees: Sequence[float],
        translate: Sequence[float] | None,
        scale_ranges: Sequence[float] | None,
        shears: Sequence[float] | None,
        img_size: Sequence[int],
    ) -> tuple[float, tuple[int, int], float, tuple[float, float]]:
        """Angle, shift, scale and shear for an image of `img_size` = (w, h)."""
        angle = uniform(degrees[0], degrees[1])
        shift = (0, 0)
        if translate is not None:
            reach = float(translate[0] * img_size[0]), float(translate[1] * img_size[1])
            shift = round(uniform(-reach[0], reach[0])), round(uniform(-reach[1], reach[1]))
        scale = 1.0 if scale_ranges is None else uniform(scale_ranges[0], scale_ranges[1])
        shear_x = shear_y = 0.0
        if shears is not None:
            shear_x = uniform(shears[0], shears[1])
            shear_y = uniform(shears[2], shears[3]) if len(shears) == 4 else 0.0
        return angle, shift, scale, (shear_x, shear_y)

    def __call__(self, img: Any) -> Any:
        fill = _filling(img, self.fill)
        _, height, width = get_dimensions(img)
        drawn = self.get_params(
            self.degrees, self.translate, self.scale, self.shear, [width, height]
        )
        return F.affine(img, *drawn, self.interpolation, fill, self.center)

    def __repr__(self) -> str:
        text = f"degrees={self.degrees}"
        text += f", translate={self.translate}" if self.translate is not None else ""
        text += f", scale={self.scale}" if self.scale is not None else ""
        text += f", shear={self.shear}" if self.shear is not None else ""
        nearest = mode_name(self.interpolation) == "nearest"
        text += "" if nearest else f", interpolation={mode_name(self.interpolation)}"
        text += f", fill={self.fill}" if self.fill != 0 else ""
        text += f", center={self.center}" if self.center is not None else ""
        return f"RandomAffine({text})"


class RandomPerspective:
    """With probability `p` an image seen from a random side.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.RandomPerspective(p=1.0)(torch.ones(1, 8, 8)).shape
    torch.Size([1, 8, 8])
    """

    def __init__(
        self,
        distortion_scale: float = 0.5,
        p: float = 0.5,
        interpolation: Any = InterpolationMode.BILINEAR,
        fill: Any = 0,
    ) -> None:
        self.p = p
        self.interpolation = interpolation
        self.distortion_scale = distortion_scale
        self.fill = 0 if fill is None else fill

    @staticmethod
    def get_params(
        width: int, height: int, distortion_scale: float
    ) -> tuple[list[list[int]], list[list[int]]]:
        """The four corners, and where they come to lie."""
        right, below = int(distortion_scale * (width // 2)), int(distortion_scale * (height // 2))
        near_x, near_y = (0, right + 1), (0, below + 1)
        far_x, far_y = (width - right - 1, width), (height - below - 1, height)
        sides = (near_x, near_y), (far_x, near_y), (far_x, far_y), (near_x, far_y)
        ends = [[whole(*across), whole(*down)] for across, down in sides]
        starts = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]]
        return starts, ends

    def __call__(self, img: Any) -> Any:
        fill = _filling(img, self.fill)
        if not happens(self.p):
            return img
        _, height, width = get_dimensions(img)
        starts, ends = self.get_params(width, height, self.distortion_scale)
        return F.perspective(img, starts, ends, self.interpolation, fill)

    def __repr__(self) -> str:
        return f"RandomPerspective(p={self.p})"


class RandomErasing:
    """With probability `p` a window of a tensor overwritten: with a number, one for each channel,
    or noise.

    (Zhong et al. 2017.) value="random" is noise; ValueError for another text.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> bool((transforms.RandomErasing(p=1.0)(torch.ones(1, 8, 8)) == 0).any())
    True
    """

    def __init__(
        self,
        p: float = 0.5,
        scale: Sequence[float] = (0.02, 0.33),
        ratio: Sequence[float] = (0.3, 3.3),
        value: Any = 0,
        inplace: bool = False,
    ) -> None:
        if isinstance(value, str) and value != "random":
            fail(ValueError, "If value is str, it should be 'random'")
        if not 0 <= p <= 1:
            fail(ValueError, "Random erasing probability should be between 0 and 1")
        if not 0 <= scale[0] <= scale[1] <= 1:
            fail(ValueError, "Scale should be between 0 and 1")
        self.p = p
        self.scale = scale
        self.ratio = ratio
        self.value = value
        self.inplace = inplace

    @staticmethod
    def get_params(
        img: Any, scale: Sequence[float], ratio: Sequence[float], value: list[float] | None = None
    ) -> tuple[int, int, int, int, Any]:
        """A random window (top, left, height, width) and its values; the image itself where none was found."""
        channels, height, width = img.shape[-3:]
        low, high = alight.log(alight.tensor(list(ratio))).tolist()  # type: ignore[operator]
        for _ in range(ATTEMPTS):
            area = height * width * uniform(scale[0], scale[1])
            aspect = float(np.exp(np.float32(uniform(low, high))))
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if not (h < height and w < width):
                continue
            if value is None:
                v = alight.empty([channels, h, w], dtype=alight.float32).normal_()
            else:
                v = alight.tensor(value)[:, None, None]  # type: ignore[operator]
            return whole(0, height - h + 1), whole(0, width - w + 1), h, w, v
        return 0, 0, height, width, img

    def __call__(self, img: Any) -> Any:
        if not happens(self.p):
            return img
        if isinstance(self.value, int | float):
            value: Any = [float(self.value)]
        elif isinstance(self.value, str):
            value = None
        else:
            value = [float(one) for one in self.value]
        if value is not None and len(value) not in (1, img.shape[-3]):
            fail(
                ValueError,
                "If value is a sequence, it should have either a single value or "
                f"{img.shape[-3]} (number of input channels)",
            )
        x, y, h, w, v = self.get_params(img, self.scale, self.ratio, value)
        return F.erase(img, x, y, h, w, v, self.inplace)

    def __repr__(self) -> str:
        return (
            f"RandomErasing(p={self.p}, scale={self.scale}, ratio={self.ratio}, "
            f"value={self.value}, inplace={self.inplace})"
        )


class GaussianBlur:
    """An image blurred by a Gaussian whose sigma is drawn between two.

    ValueError where kernel_size is not odd and positive.

    >>> import alight as torch
    >>> from alight.vision import transforms
    >>> transforms.GaussianBlur(3)(torch.ones(1, 5, 5)).shape
    torch.Size([1, 5, 5])
    """

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        self.kernel_size = (
            (kernel_size,) * 2 if isinstance(kernel_size, int) else tuple(kernel_size)
        )
        if any(size <= 0 or size % 2 == 0 for size in self.kernel_size):
            fail(ValueError, "Kernel size value should be an odd and positive number.")
        self.sigma = (sigma, sigma) if isinstance(sigma, int | float) else tuple(sigma)
        if not 0.0 < self.sigma[0] <= self.sigma[1]:
            fail(
                ValueError,
                f"sigma values should be positive and of the form (min, max). Got {sigma}",
            )

    @staticmethod
    def get_params(sigma_min: float, sigma_max: float) -> float:
        """The sigma."""
        return uniform(sigma_min, sigma_max)

    def __call__(self, img: Any) -> Any:
        sigma = self.get_params(self.sigma[0], self.sigma[1])
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])

    def __repr__(self) -> str:
        return f"GaussianBlur(kernel_size={self.kernel_size}, sigma={self.sigma})"
