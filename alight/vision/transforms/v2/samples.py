"""Transforms of samples: which parts of a sample are images, and the transforms that have no older form.

In: one sample, or its parts as several arguments. Out: the sample in the same structure. All random numbers are drawn
once for a sample, so that several images of one sample come out alike.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import alight
from alight import nn
from alight.errors import fail
from alight.vision import pictures
from alight.vision.transforms import stacks
from alight.vision.transforms.random import whole
from alight.vision.transforms.v2 import boxes
from alight.vision.transforms.v2 import functional as F
from alight.vision.transforms.v2.boxes import MOVES, applied, on_mask, size_of
from alight.vision.tv_tensors import BoundingBoxes, Image, Mask, TVTensor, Video, plain, wrap


def _leaves(sample: Any) -> list[Any]:
    if isinstance(sample, dict):
        return [leaf for value in sample.values() for leaf in _leaves(value)]
    if isinstance(sample, list | tuple):
        return [leaf for value in sample for leaf in _leaves(value)]
    return [sample]


def _rebuilt(sample: Any, leaves: Any) -> Any:
    """A structure like `sample` with other leaves."""
    if isinstance(sample, dict):
        return type(sample)((key, _rebuilt(value, leaves)) for key, value in sample.items())
    if isinstance(sample, list | tuple):
        parts = [_rebuilt(value, leaves) for value in sample]
        return type(sample)(*parts) if hasattr(sample, "_fields") else type(sample)(parts)
    return next(leaves)


def _images(leaves: list[Any], moves: bool = False) -> list[bool]:
    """Which leaves are images: all pictures, images and videos, or else the first plain tensor.

    Boxes and masks are with them where a transform `moves` pixels.
    """
    images = [pictures.is_picture(leaf) or isinstance(leaf, (Image, Video)) for leaf in leaves]
    marks = [
        image or (moves and isinstance(leaf, (BoundingBoxes, Mask)))
        for image, leaf in zip(images, leaves, strict=True)
    ]
    if not any(images):
        tensors = [number for number, leaf in enumerate(leaves) if is_plain(leaf)]
        for number in tensors[:1]:
            marks[number] = True
    return marks


def is_plain(leaf: Any) -> bool:
    """Whether a leaf is a tensor that does not say what it shows."""
    return isinstance(leaf, alight.Tensor) and not isinstance(leaf, TVTensor)


class Transform(nn.Module):
    """Base of transforms of samples: subclasses say what becomes of an image in `transform(inpt, params)`.

    `make_params(flat_inputs)` draws what all images of a sample have in common.

    >>> class Halve(Transform):
    ...     def transform(self, inpt, params):
    ...         return inpt / 2
    >>> Halve()({"image": alight.ones(1, 2, 2), "label": 3})["label"]
    3
    """

    moves = False  # whether it moves pixels, so that boxes and masks go along

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """What is drawn at random, given the images; nothing here."""
        return {}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One image, transformed."""
        raise NotImplementedError

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        leaves = _leaves(sample)
        marks = self._marked(leaves)
        params = self.make_params([leaf for leaf, mark in zip(leaves, marks, strict=True) if mark])
        done = [
            self._done(leaf, params) if mark else leaf
            for leaf, mark in zip(leaves, marks, strict=True)
        ]
        return _rebuilt(sample, iter(done))

    def _done(self, leaf: Any, params: dict[str, Any]) -> Any:
        """A leaf, transformed, as what it was."""
        if isinstance(leaf, BoundingBoxes) or not isinstance(leaf, TVTensor):
            return self.transform(leaf, params)
        if isinstance(leaf, Mask):
            return on_mask(lambda mask: self.transform_mask(mask, params), leaf)
        made = self.transform(plain(leaf), params)
        return wrap(made, like=leaf) if is_plain(made) else made

    def transform_mask(self, mask: Any, params: dict[str, Any]) -> Any:
        """A mask (*, h, w) as a plain tensor, transformed: as an image, unless a subclass says otherwise."""
        return self.transform(mask, params)

    def _marked(self, leaves: list[Any]) -> list[bool]:
        return _images(leaves, self.moves)

    def extra_repr(self) -> str:
        """The options, as given."""
        plain = (bool, int, float, str, tuple, list)
        return ", ".join(
            f"{name}={value}"
            for name, value in vars(self).items()
            if not name.startswith("_") and name != "training" and isinstance(value, plain)
        )


def of_v1(transform: type) -> type[Transform]:
    """A transform of single images as one of samples."""

    class OnSamples(Transform):
        moves = transform.__name__ in MOVES

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__()
            self._one = transform(*args, **kwargs)

        def forward(self, *inputs: Any) -> Any:
            sample = inputs if len(inputs) > 1 else inputs[0]
            leaves = _leaves(sample)
            before, done = None, []
            for leaf, mark in zip(leaves, self._marked(leaves), strict=True):
                if mark and before is not None:  # the same draws for every image
                    alight.set_rng_state(before)
                elif mark:
                    before = alight.get_rng_state()
                done.append(applied(self._one, leaf) if mark else leaf)
            return _rebuilt(sample, iter(done))

        def __repr__(self) -> str:
            return repr(self._one)

        def __getattr__(self, name: str) -> Any:
            if name == "_one":
                raise AttributeError(name)
            return getattr(self._one, name)

    OnSamples.__name__ = OnSamples.__qualname__ = transform.__name__
    OnSamples.__module__, OnSamples.__doc__ = __name__, transform.__doc__
    return OnSamples


class RandomCrop(Transform):
    """A window of `size` at a random place, after padding if asked for; one draw for each axis that has room.

    >>> RandomCrop(4, padding=1)(alight.zeros(3, 5, 5)).shape
    torch.Size([3, 4, 4])
    """

    moves = True

    def __init__(
        self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0, padding_mode: str = "constant"
    ) -> None:  # fmt: skip
        super().__init__()
        self.size = stacks.pair(size)
        self.padding = padding
        self.pad_if_needed = pad_if_needed
        self.fill = fill
        self.padding_mode = padding_mode

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The padding, and the window: top, left, height and width."""
        height, width = size_of(flat_inputs)
        left, top, right, bottom = sides(self.padding)
        height, width = height + top + bottom, width + left + right
        down, across = max(self.size[0] - height, 0), max(self.size[1] - width, 0)
        if self.pad_if_needed:
            left, top, right, bottom = left + across, top + down, right + across, bottom + down
            height, width = height + 2 * down, width + 2 * across
        elif down or across:
            padded = "padded " if self.padding is not None else ""
            fail(
                ValueError,
                f"Required crop size {tuple(self.size)} is larger than {padded}input image size {(height, width)}.",
                try_="pad_if_needed=True",
            )
        places = [
            whole(0, room + 1) if room > 0 else 0
            for room in (height - self.size[0], width - self.size[1])
        ]
        return {"padding": [left, top, right, bottom], "window": [*places, *self.size]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The window of one image, or of boxes."""
        if isinstance(inpt, BoundingBoxes):
            return boxes.crop(boxes.pad(inpt, params["padding"]), *params["window"])
        if any(params["padding"]):
            inpt = F.pad(inpt, params["padding"], self.fill, self.padding_mode)
        return F.crop(inpt, *params["window"])


def sides(padding: Any) -> list[int]:
    """left, top, right, bottom."""
    if padding is None:
        return [0, 0, 0, 0]
    given = [padding] if isinstance(padding, int) else list(padding)
    return given if len(given) == 4 else (given * 4)[:4]


class ToImage(Transform):
    """A picture, an array (h, w, c) or a tensor as a `tv_tensors.Image` (c, h, w) of its own dtype."""

    def _marked(self, leaves: list[Any]) -> list[bool]:
        marks = _images(leaves)
        return marks if any(marks) else [type(leaf).__name__ == "ndarray" for leaf in leaves]

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One image as a tensor."""
        return F.to_image(inpt)

    def _done(self, leaf: Any, params: dict[str, Any]) -> Any:
        return F.to_image(leaf)


class ToTensor(Transform):
    """Pictures and arrays (h, w, c) as float32 tensors from 0 to 1; tensors stay. ToImage and ToDtype have replaced it."""

    def _marked(self, leaves: list[Any]) -> list[bool]:
        return [pictures.is_picture(leaf) or type(leaf).__name__ == "ndarray" for leaf in leaves]

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One image as a tensor."""
        return F.to_tensor(inpt)


class ToDtype(Transform):
    """Images in another dtype; with `scale`, 0 to 255 of bytes and 0 to 1 of floats are the same.

    >>> ToDtype(alight.float32, scale=True)(alight.full((1, 1, 1), 255, dtype=alight.uint8)).item()
    1.0
    """

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        if not isinstance(dtype, dict | alight.dtype):
            fail(ValueError, f"dtype must be a dict or a torch.dtype, got {type(dtype)} instead")
        self.dtype = dtype
        self.scale = scale

    def _marked(self, leaves: list[Any]) -> list[bool]:
        if not isinstance(self.dtype, dict):
            return _images(leaves)
        return [isinstance(leaf, alight.Tensor) for leaf in leaves]

    def _done(self, leaf: Any, params: dict[str, Any]) -> Any:
        of: Any = self.dtype
        if isinstance(of, dict):
            of = of.get(type(leaf), of.get("others"))
        if of is None or not isinstance(leaf, alight.Tensor):
            return leaf
        scales = self.scale and not isinstance(leaf, (BoundingBoxes, Mask))
        made = F.to_dtype(plain(leaf), of, scales)
        return wrap(made, like=leaf) if isinstance(leaf, TVTensor) else made


class ConvertImageDtype(ToDtype):
    """ToDtype with scale=True, under its older name."""

    def __init__(self, dtype: Any = alight.float32) -> None:
        super().__init__(dtype, scale=True)


class ToPureTensor(Transform):
    """Images, videos, masks and boxes as plain tensors."""

    def _marked(self, leaves: list[Any]) -> list[bool]:
        return [isinstance(leaf, TVTensor) for leaf in leaves]

    def _done(self, leaf: Any, params: dict[str, Any]) -> Any:
        return plain(leaf)


class Identity(Transform):
    """The sample as it is."""

    def _marked(self, leaves: list[Any]) -> list[bool]:
        return [False] * len(leaves)


class RGB(Transform):
    """Images in three channels: grey ones three times."""

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One image in colour."""
        if pictures.is_picture(inpt):
            return inpt.convert("RGB")
        return inpt if inpt.shape[-3] == 3 else inpt.expand(*inpt.shape[:-3], 3, *inpt.shape[-2:])


class GaussianNoise(Transform):
    """Normal noise added to images of floats, cut to 0 to 1 if `clip`."""

    def __init__(self, mean: float = 0.0, sigma: float = 0.1, clip: bool = True) -> None:
        super().__init__()
        self.mean, self.sigma, self.clip = mean, sigma, clip

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One image with noise."""
        if not isinstance(inpt, alight.Tensor) or not inpt.is_floating_point():
            fail(
                ValueError,
                f"Input tensor is expected to be in uint8 or float dtype, got dtype={getattr(inpt, 'dtype', type(inpt))}",
                try_="ToDtype(torch.float32, scale=True) before it",
            )
        noisy = inpt + self.mean + alight.randn_like(inpt) * self.sigma
        return noisy.clamp(0, 1) if self.clip else noisy


class Lambda(Transform):
    """A function of each part of the sample that has one of `types`; of all parts where none is given."""

    def __init__(self, lambd: Callable[[Any], Any], *types: type) -> None:
        super().__init__()
        self.lambd = lambd
        self.types = types or (object,)

    def _marked(self, leaves: list[Any]) -> list[bool]:
        return [isinstance(leaf, self.types) for leaf in leaves]

    def _done(self, leaf: Any, params: dict[str, Any]) -> Any:
        return self.lambd(leaf)
