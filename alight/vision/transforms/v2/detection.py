"""Transforms that have no older form: of images with boxes, of scales, of colours, of videos.

In: a sample, as for the other transforms of v2. Random numbers are drawn in torchvision's order.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from typing import Any

import alight
from alight.errors import fail
from alight.vision import pictures
from alight.vision.ops import box_convert, box_iou
from alight.vision.transforms.images import InterpolationMode, get_dimensions
from alight.vision.transforms.random import uniform, whole
from alight.vision.transforms.v2 import boxes
from alight.vision.transforms.v2 import functional as F
from alight.vision.transforms.v2.boxes import size_of, valid_boxes
from alight.vision.transforms.v2.samples import Transform, is_plain
from alight.vision.tv_tensors import BoundingBoxes, Mask, Video, box_format, plain, wrap

BILINEAR, NEAREST = InterpolationMode.BILINEAR, InterpolationMode.NEAREST


class _OnBoxes(Transform):
    def _marked(self, leaves: list[Any]) -> list[bool]:
        return [isinstance(leaf, BoundingBoxes) for leaf in leaves]


class ConvertBoundingBoxFormat(_OnBoxes):
    """Boxes in another format: "XYXY", "XYWH" or "CXCYWH".

    >>> made = ConvertBoundingBoxFormat("XYWH")(
    ...     BoundingBoxes([[1, 2, 5, 6]], format="XYXY", canvas_size=(8, 10))
    ... )
    >>> made[0], made.format.value
    (tensor([1, 2, 4, 4]), 'XYWH')
    """

    def __init__(self, format: Any) -> None:
        super().__init__()
        self.format = box_format(format)

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Boxes in the format."""
        return boxes.convert_bounding_box_format(inpt, new_format=self.format)


class ClampBoundingBoxes(_OnBoxes):
    """Boxes cut at the edges of their image.

    >>> ClampBoundingBoxes()(BoundingBoxes([[-1, 2, 50, 6]], format="XYXY", canvas_size=(8, 10)))[0]
    tensor([ 0,  2, 10,  6])
    """

    def __init__(self, clamping_mode: str | None = "auto") -> None:
        super().__init__()
        self.clamping_mode = clamping_mode

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Boxes that lie in the image."""
        return boxes.clamp_bounding_boxes(inpt, clamping_mode=self.clamping_mode)


def _default_labels(sample: Any) -> Any:
    """What a sample calls its labels: the value at a key that has "label" in it, of the last dict of a tuple."""
    if isinstance(sample, tuple | list):
        sample = sample[1] if len(sample) > 1 else sample[0]
    if not isinstance(sample, dict):
        fail(
            ValueError,
            "If labels_getter is 'default', then the input to forward() must be a dict or a tuple whose second element "
            f"is a dict, but got {type(sample)} instead",
            try_="labels_getter=None, or a function of the sample",
        )
    keys = [key for key in sample if isinstance(key, str) and "label" in key.lower()]
    if not keys:
        fail(
            ValueError,
            "Could not infer where the labels are in the sample. Try passing a callable as the labels_getter parameter? "
            "If there are no labels in the sample by design, pass labels_getter=None.",
        )
    exact = [key for key in keys if key.lower() == "labels"]
    return sample[(exact or keys)[0]]


class SanitizeBoundingBoxes(Transform):
    """A sample without boxes that are too small or lie outside; their labels and masks go as well.

    labels_getter: "default" looks for a key with "label" in a dict, None keeps labels, a function of
    the sample gives them, a text is the key. ValueError where labels and boxes are not as many.

    >>> found = BoundingBoxes([[1, 2, 5, 6], [3, 3, 3, 4]], format="XYXY", canvas_size=(8, 10))
    >>> SanitizeBoundingBoxes()({"boxes": found, "labels": alight.tensor([7, 8])})["labels"]
    tensor([7])
    """

    def __init__(
        self, min_size: float = 1.0, min_area: float = 1.0, labels_getter: Any = "default"
    ) -> None:
        super().__init__()
        if min_size < 1:
            fail(ValueError, f"min_size must be >= 1, got {min_size}.")
        if min_area < 1:
            fail(ValueError, f"min_area must be >= 1, got {min_area}.")
        self.min_size, self.min_area, self.labels_getter = min_size, min_area, labels_getter

    def _labels(self, sample: Any) -> tuple[Any, ...]:
        getter: Any = self.labels_getter
        if getter is None:
            return ()
        if getter == "default":
            getter = _default_labels
        elif isinstance(getter, str):
            key = getter
            getter = lambda sample: (sample[1] if isinstance(sample, tuple) else sample)[key]  # noqa: E731
        labels = getter(sample)
        found = (labels,) if isinstance(labels, alight.Tensor) else labels
        if found is None:
            return ()
        wrong = [one for one in found if not isinstance(one, alight.Tensor)]
        if not isinstance(found, tuple | list) or wrong:
            of = type(wrong[0]) if wrong else type(found)
            fail(
                ValueError,
                f"The labels in the input to forward() must be a tensor or None, got {of} instead.",
            )
        return tuple(found)

    def forward(self, *inputs: Any) -> Any:
        sample = inputs if len(inputs) > 1 else inputs[0]
        from alight.vision.transforms.v2.samples import _leaves, _rebuilt

        leaves, labels = _leaves(sample), self._labels(sample)
        found = next((leaf for leaf in leaves if isinstance(leaf, BoundingBoxes)), None)
        if found is None:
            fail(ValueError, "No bounding boxes were found in the sample")
        for label in labels:
            if len(label) != len(found):
                fail(
                    ValueError,
                    f"Number of boxes (shape={found.shape}) and must match the number of labels."
                    f"Found labels with shape={label.shape}).",
                )
        keep = valid_boxes(found, self.min_size, self.min_area)
        return _rebuilt(sample, (self._kept(leaf, keep, labels) for leaf in leaves))

    def _kept(self, leaf: Any, keep: Any, labels: tuple[Any, ...]) -> Any:
        if any(leaf is label for label in labels):
            return leaf[keep]
        if isinstance(leaf, BoundingBoxes) or (isinstance(leaf, Mask) and len(leaf) == len(keep)):
            return wrap(plain(leaf)[keep], like=leaf)
        return leaf


# -- windows and scales ------------------------------------------------------------------------------------------------


class RandomIoUCrop(Transform):
    """A random window that overlaps some box enough (Liu et al. 2016); boxes whose middle is outside become empty.

    TypeError for a sample without boxes and an image. Remove empty boxes with SanitizeBoundingBoxes.
    """

    moves = True

    def __init__(
        self, min_scale: float = 0.3, max_scale: float = 1.0, min_aspect_ratio: float = 0.5,
        max_aspect_ratio: float = 2.0, sampler_options: list[float] | None = None, trials: int = 40,
    ) -> None:  # fmt: skip
        super().__init__()
        self.min_scale, self.max_scale = min_scale, max_scale
        self.min_aspect_ratio, self.max_aspect_ratio = min_aspect_ratio, max_aspect_ratio
        self.options = sampler_options or [0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0]
        self.trials = trials

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The window, and which boxes have their middle in it; nothing where the sample stays as it is."""
        found = next((leaf for leaf in flat_inputs if isinstance(leaf, BoundingBoxes)), None)
        if found is None or all(isinstance(leaf, BoundingBoxes | Mask) for leaf in flat_inputs):
            fail(
                TypeError,
                "RandomIoUCrop() requires input sample to contain tensor or PIL images and bounding boxes. Sample can also "
                "contain masks.",
            )
        corners = box_convert(plain(found), found.format.value.lower(), "xyxy")
        while True:
            least = self.options[whole(0, len(self.options))]
            if least >= 1.0:
                return {}
            for _ in range(self.trials):
                params = self._window(size_of(flat_inputs), corners, least)
                if params:
                    return params

    def _window(self, size: tuple[int, int], corners: Any, least: float) -> dict[str, Any]:
        """A window at random; nothing where its shape, or what it overlaps, will not do."""
        height, width = size
        scale = (self.min_scale + (self.max_scale - self.min_scale) * alight.rand(2)).tolist()
        w, h = int(width * scale[0]), int(height * scale[1])
        if not self.min_aspect_ratio <= w / h <= self.max_aspect_ratio:
            return {}
        across, down = alight.rand(2).tolist()
        left, top = int((width - w) * across), int((height - h) * down)
        if w == 0 or h == 0:
            return {}
        x, y = 0.5 * (corners[:, 0] + corners[:, 2]), 0.5 * (corners[:, 1] + corners[:, 3])
        inside = (left < x) & (x < left + w) & (top < y) & (y < top + h)
        if not inside.any():
            return {}
        window = alight.tensor([[left, top, left + w, top + h]], dtype=corners.dtype)
        if float(box_iou(corners[inside], window).max()) < least:
            return {}
        return {"window": (top, left, h, w), "inside": inside}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The window of one image, or of boxes."""
        if not params:
            return inpt
        if not isinstance(inpt, BoundingBoxes):
            return F.crop(inpt, *params["window"])
        made = boxes.crop(inpt, *params["window"])
        return wrap(plain(made) * params["inside"].unsqueeze(-1).to(made.dtype), like=made)


class RandomZoomOut(Transform):
    """With probability `p` an image on a larger canvas filled with `fill`, `side_range` times as large at random.

    ValueError for a side_range below 1.

    >>> RandomZoomOut(side_range=(2.0, 2.0), p=1.0)(alight.ones(1, 2, 3)).shape
    torch.Size([1, 4, 6])
    """

    moves = True

    def __init__(
        self, fill: Any = 0, side_range: Sequence[float] = (1.0, 4.0), p: float = 0.5
    ) -> None:
        super().__init__()
        if not 0.0 <= p <= 1.0:
            fail(ValueError, "`p` should be a floating point value in the interval [0.0, 1.0].")
        if side_range[0] < 1.0 or side_range[0] > side_range[1]:
            fail(ValueError, f"Invalid side range provided {side_range}.")
        self.fill, self.side_range, self.p = fill, side_range, p

    def forward(self, *inputs: Any) -> Any:
        if alight.rand(1).item() >= self.p:
            return inputs if len(inputs) > 1 else inputs[0]
        return super().forward(*inputs)

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The padding: left, top, right, bottom."""
        height, width = size_of(flat_inputs)
        low, high = self.side_range
        ratio = (low + alight.rand(1) * (high - low)).item()
        across, down = alight.rand(2).tolist()
        w, h = int(width * ratio), int(height * ratio)
        left, top = int((w - width) * across), int((h - height) * down)
        return {"padding": [left, top, w - left - width, h - top - height]}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One image, or boxes, on the canvas."""
        if isinstance(inpt, BoundingBoxes):
            return boxes.pad(inpt, params["padding"])
        return F.pad(inpt, params["padding"], self.fill)


class _Scaled(Transform):
    """Images, masks and boxes in the size that make_params draws."""

    moves = True

    def __init__(self, interpolation: Any, antialias: bool | None) -> None:
        super().__init__()
        self.interpolation, self.antialias = interpolation, antialias

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One image, or boxes, in that size."""
        if isinstance(inpt, BoundingBoxes):
            return boxes.resize(inpt, params["size"])
        return F.resize(inpt, params["size"], self.interpolation, antialias=self.antialias)

    def transform_mask(self, mask: Any, params: dict[str, Any]) -> Any:
        """A mask in that size."""
        return F.resize(mask, params["size"], NEAREST)


class ScaleJitter(_Scaled):
    """Images scaled to fit target_size, times a random number of `scale_range`.

    >>> ScaleJitter((4, 4), (1.0, 1.0))(alight.ones(1, 2, 2)).shape
    torch.Size([1, 4, 4])
    """

    def __init__(
        self, target_size: tuple[int, int], scale_range: tuple[float, float] = (0.1, 2.0), interpolation: Any = BILINEAR,
        antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__(interpolation, antialias)
        self.target_size, self.scale_range = target_size, scale_range

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The size."""
        height, width = size_of(flat_inputs)
        low, high = self.scale_range
        scale = low + alight.rand(1) * (high - low)
        ratio = (min(self.target_size[1] / height, self.target_size[0] / width) * scale).item()
        return {"size": (int(height * ratio), int(width * ratio))}


class RandomShortestSize(_Scaled):
    """Images whose shorter side is one of min_size, at random, and the longer at most max_size.

    >>> RandomShortestSize(4)(alight.ones(1, 2, 3)).shape
    torch.Size([1, 4, 6])
    """

    def __init__(
        self, min_size: int | Sequence[int], max_size: int | None = None, interpolation: Any = BILINEAR,
        antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__(interpolation, antialias)
        self.min_size = [min_size] if isinstance(min_size, int) else list(min_size)
        self.max_size = max_size

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The size."""
        height, width = size_of(flat_inputs)
        ratio = self.min_size[whole(0, len(self.min_size))] / min(height, width)
        if self.max_size is not None:
            ratio = min(ratio, self.max_size / max(height, width))
        return {"size": (int(height * ratio), int(width * ratio))}


class RandomResize(_Scaled):
    """Images whose shorter side has a random length, from min_size to below max_size.

    >>> RandomResize(4, 5)(alight.ones(1, 2, 3)).shape
    torch.Size([1, 4, 6])
    """

    def __init__(
        self, min_size: int, max_size: int, interpolation: Any = BILINEAR, antialias: bool | None = True
    ) -> None:  # fmt: skip
        super().__init__(interpolation, antialias)
        self.min_size, self.max_size = min_size, max_size

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The size."""
        return {"size": [whole(self.min_size, self.max_size)]}


# -- colours -----------------------------------------------------------------------------------------------------------


def _channels(flat_inputs: list[Any]) -> int:
    return int(get_dimensions(plain(flat_inputs[0]))[0])


def permute_channels(inpt: Any, permutation: Any) -> Any:
    """An image (*, c, h, w), or a picture, with its channels in another order.

    >>> permute_channels(alight.arange(2).reshape(2, 1, 1), [1, 0]).flatten()
    tensor([1, 0])
    """
    order = [int(one) for one in permutation]
    if pictures.is_picture(inpt):
        return F.to_pil_image(F.pil_to_tensor(inpt)[order], inpt.mode)
    made = plain(inpt)[..., order, :, :]
    return wrap(made, like=inpt)


class RandomChannelPermutation(Transform):
    """The channels of images in random order.

    >>> RandomChannelPermutation()(alight.ones(3, 2, 2)).shape
    torch.Size([3, 2, 2])
    """

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The order."""
        return {"permutation": alight.randperm(_channels(flat_inputs)).tolist()}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One image with its channels in that order."""
        return permute_channels(inpt, params["permutation"])


class RandomPhotometricDistort(Transform):
    """Brightness, contrast, saturation, hue and the order of channels, each changed with probability `p` (SSD).

    >>> RandomPhotometricDistort()(alight.ones(3, 2, 2)).shape
    torch.Size([3, 2, 2])
    """

    def __init__(
        self, brightness: tuple[float, float] = (0.875, 1.125), contrast: tuple[float, float] = (0.5, 1.5),
        saturation: tuple[float, float] = (0.5, 1.5), hue: tuple[float, float] = (-0.05, 0.05), p: float = 0.5,
    ) -> None:  # fmt: skip
        super().__init__()
        self.brightness, self.contrast, self.hue = brightness, contrast, hue
        self.saturation, self.p = saturation, p

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The factors, when the contrast comes, and the order of the channels; None for what stays."""
        drawn: dict[str, Any] = {}
        for name in ("brightness", "contrast", "saturation", "hue"):
            bounds = getattr(self, name)
            drawn[name] = uniform(*bounds) if alight.rand(1).item() < self.p else None
        drawn["contrast_first"] = alight.rand(()).item() < 0.5
        turned = alight.rand(1).item() < self.p
        drawn["order"] = alight.randperm(_channels(flat_inputs)).tolist() if turned else None
        return drawn

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One image, changed."""
        first = params["contrast_first"]
        steps: list[tuple[Callable[..., Any], Any]] = [
            (F.adjust_brightness, params["brightness"]),
            (F.adjust_contrast, params["contrast"] if first else None),
            (F.adjust_saturation, params["saturation"]),
            (F.adjust_hue, params["hue"]),
            (F.adjust_contrast, None if first else params["contrast"]),
            (permute_channels, params["order"]),
        ]
        for step, factor in steps:
            inpt = inpt if factor is None else step(inpt, factor)
        return inpt


class JPEG(Transform):
    """Images written as JPEG files and read again, of a `quality` from 1 to 100, or between two at random.

    Images are of bytes, (3, h, w) or (1, h, w). TypeError and ValueError for other qualities.

    >>> JPEG(50)(alight.zeros(3, 8, 8, dtype=alight.uint8)).shape
    torch.Size([3, 8, 8])
    """

    def __init__(self, quality: int | Sequence[int]) -> None:
        super().__init__()
        if isinstance(quality, bool):
            fail(TypeError, "quality can't be bool")
        pair = [quality, quality] if isinstance(quality, int) else list(quality)
        if len(pair) != 2 or not 1 <= pair[0] <= pair[1] <= 100:
            fail(ValueError, f"quality must be an integer from 1 to 100, got quality ={quality}")
        self.quality = pair

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:
        """The quality."""
        return {"quality": whole(self.quality[0], self.quality[1] + 1)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """One image, written and read."""
        stream = io.BytesIO()
        picture = inpt if pictures.is_picture(inpt) else F.to_pil_image(inpt)
        picture.save(stream, format="JPEG", quality=params["quality"])
        read = pictures.pillow().open(stream)
        read = read.copy()  # a plain picture, read whole
        return read if pictures.is_picture(inpt) else F.pil_to_tensor(read)


class UniformTemporalSubsample(Transform):
    """num_samples frames of videos (*, frames, c, h, w), from the first to the last at equal steps.

    >>> UniformTemporalSubsample(2)(alight.arange(3).reshape(3, 1, 1, 1)).flatten()
    tensor([0, 2])
    """

    def __init__(self, num_samples: int) -> None:
        super().__init__()
        self.num_samples = num_samples

    def _marked(self, leaves: list[Any]) -> list[bool]:
        marks = [isinstance(leaf, Video) for leaf in leaves]
        if not any(marks):
            marks = [is_plain(leaf) and leaf.ndim >= 4 for leaf in leaves]
        return marks

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """The frames of one video."""
        places = alight.linspace(0, inpt.shape[-4] - 1, self.num_samples).long()
        return inpt.index_select(-4, places)
