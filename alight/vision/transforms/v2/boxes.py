"""Boxes and masks under the transforms that move pixels.

In: a box or mask, and what a transform does with the image. Out: the box around the same thing, the mask of it.
"""

from __future__ import annotations

import copy
from typing import Any

import alight
from alight.errors import fail, not_implemented
from alight.vision import tv_tensors
from alight.vision.ops import box_convert
from alight.vision.transforms import geometry
from alight.vision.transforms.images import InterpolationMode, get_dimensions
from alight.vision.tv_tensors import BoundingBoxes, Mask, TVTensor, box_format, plain, wrap

# -- boxes by themselves -----------------------------------------------------------------------------------------------


def _corners(boxes: Any) -> Any:
    """A plain tensor (n, 4) of corners; floats where moving may need them."""
    return box_convert(plain(boxes), boxes.format.value.lower(), "xyxy")


def moved(corners: Any, like: Any, canvas_size: tuple[int, int], cut: bool = True) -> Any:
    """Corners as boxes like others, in an image of another size; cut at its edges unless clamping_mode is None."""
    if cut and like.clamping_mode is not None:
        x, y = (
            corners[..., 0::2].clamp(0, canvas_size[1]),
            corners[..., 1::2].clamp(0, canvas_size[0]),
        )
        corners = alight.stack([x[..., 0], y[..., 0], x[..., 1], y[..., 1]], -1)  # type: ignore[operator]
    made = box_convert(corners, "xyxy", like.format.value.lower()).to(like.dtype)
    return wrap(made, like=like, canvas_size=tuple(canvas_size))


def convert_bounding_box_format(
    inpt: Any, old_format: Any = None, new_format: Any = None, inplace: bool = False
) -> Any:
    """Boxes (n, 4) in another format; of a plain tensor `old_format` says which it has.

    Errors: TypeError without new_format, ValueError where old_format is missing or too much.

    >>> import alight as torch
    >>> convert_bounding_box_format(torch.tensor([[1, 2, 5, 6]]), "XYXY", "XYWH")
    tensor([[1, 2, 4, 4]])
    """
    if new_format is None:
        fail(TypeError, "convert_bounding_box_format() missing 1 required argument: 'new_format'")
    new = box_format(new_format)
    if isinstance(inpt, BoundingBoxes):
        if old_format is not None:
            fail(ValueError, "For bounding box tv_tensor inputs, `old_format` must not be passed.")
        made = box_convert(plain(inpt), inpt.format.value.lower(), new.value.lower())
        return wrap(made.to(inpt.dtype), like=inpt, format=new)
    if old_format is None:
        fail(ValueError, "For pure tensor inputs, `old_format` has to be passed.")
    made = box_convert(inpt, box_format(old_format).value.lower(), new.value.lower())
    made = made.to(inpt.dtype)
    return inpt.copy_(made) if inplace else made


def clamp_bounding_boxes(
    inpt: Any, format: Any = None, canvas_size: Any = None, clamping_mode: str | None = "auto"
) -> Any:
    """Boxes (n, 4) cut at the edges of their image.

    Errors: ValueError for a plain tensor without format, canvas_size and clamping_mode, and for boxes with them.

    >>> from alight.vision.tv_tensors import BoundingBoxes
    >>> clamp_bounding_boxes(BoundingBoxes([[-1, 2, 50, 6]], format="XYXY", canvas_size=(8, 10)))[0]
    tensor([ 0,  2, 10,  6])
    """
    if clamping_mode not in (None, "soft", "hard", "auto"):
        fail(ValueError, f"clamping_mode must be soft, hard, auto or None, got {clamping_mode}")
    if not isinstance(inpt, BoundingBoxes):
        if format is None or canvas_size is None or clamping_mode == "auto":
            fail(
                ValueError,
                "For pure tensor inputs, `format`, `canvas_size` and `clamping_mode` have to be passed.",
            )
        boxes = BoundingBoxes(inpt, format=format, canvas_size=canvas_size)
        return plain(clamp_bounding_boxes(boxes, clamping_mode=clamping_mode))
    if format is not None or canvas_size is not None:
        fail(
            ValueError,
            "For bounding box tv_tensor inputs, `format` and `canvas_size` must not be passed.",
        )
    mode = inpt.clamping_mode if clamping_mode == "auto" else clamping_mode
    like = wrap(plain(inpt), like=inpt, clamping_mode=mode)
    if mode is None:
        return inpt.clone()
    return wrap(moved(_corners(inpt), like, inpt.canvas_size), like=inpt)


def valid_boxes(boxes: Any, min_size: float, min_area: float) -> Any:
    """Which boxes (n, 4) are large enough and lie in their image."""
    corners, (height, width) = _corners(boxes), boxes.canvas_size
    w, h = corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]
    large = (w >= min_size) & (h >= min_size) & (w * h >= min_area)
    inside = (corners >= 0).all(dim=-1)
    inside = inside & (corners[:, 0::2] <= width).all(dim=-1)
    return large & inside & (corners[:, 1::2] <= height).all(dim=-1)


# -- boxes moved with their image --------------------------------------------------------------------------------------


def horizontal_flip(boxes: Any) -> Any:
    """Boxes in the mirror image."""
    c, width = _corners(boxes), boxes.canvas_size[1]
    turned = alight.stack([width - c[:, 2], c[:, 1], width - c[:, 0], c[:, 3]], -1)  # type: ignore[operator]
    return moved(turned, boxes, boxes.canvas_size, cut=False)


def vertical_flip(boxes: Any) -> Any:
    """Boxes in the image upside down."""
    c, height = _corners(boxes), boxes.canvas_size[0]
    turned = alight.stack([c[:, 0], height - c[:, 3], c[:, 2], height - c[:, 1]], -1)  # type: ignore[operator]
    return moved(turned, boxes, boxes.canvas_size, cut=False)


def crop(boxes: Any, top: int, left: int, height: int, width: int) -> Any:
    """Boxes in a window."""
    shift = alight.tensor([left, top, left, top])
    return moved(_corners(boxes) - shift.to(boxes.dtype), boxes, (height, width))


def pad(boxes: Any, padding: Any) -> Any:
    """Boxes in an image with more pixels on its sides."""
    from alight.vision.transforms.v2.samples import sides

    left, top, right, bottom = sides(padding)
    height, width = boxes.canvas_size
    return crop(boxes, -top, -left, height + top + bottom, width + left + right)


def resize(boxes: Any, size: Any, max_size: int | None = None) -> Any:
    """Boxes in a scaled image."""
    height, width = boxes.canvas_size
    new = geometry.resized_size(height, width, size, max_size)
    ratio = alight.tensor([new[1] / width, new[0] / height] * 2)
    corners = _corners(boxes)
    corners = corners if corners.is_floating_point() else corners.float()
    return moved(corners * ratio.to(corners.dtype), boxes, new, cut=False)


def affine(
    boxes: Any, angle: float, translate: Any, scale: float, shear: Any, center: Any = None, expand: bool = False
) -> Any:  # fmt: skip
    """The boxes, along the axes, around what the turned image shows of them."""
    height, width = boxes.canvas_size
    middle = [width * 0.5, height * 0.5] if center is None else list(center)
    a, b, tx, c, d, ty = geometry.affine_matrix(middle, angle, translate, scale, shear)
    matrix = alight.tensor([[a, c], [b, d], [tx, ty]])
    corners = _corners(boxes).float()
    x, y = corners[:, [0, 2, 2, 0]], corners[:, [1, 1, 3, 3]]
    points = alight.stack([x, y, alight.ones_like(x)], -1) @ matrix  # type: ignore[operator]
    found = alight.cat([points.amin(1), points.amax(1)], 1)  # type: ignore[operator]
    size = (height, width)
    if expand:
        frame = alight.tensor([[0.0, 0, 1], [0, height, 1], [width, height, 1], [width, 0, 1]])
        found = found - (frame @ matrix).amin(0).repeat(2)
        inverse = geometry._inverse_affine([0.0, 0.0], angle, [0.0, 0.0], 1.0, [0.0, 0.0])
        size = geometry._frame(inverse, height, width)
    return moved(found, boxes, size)


# -- by transform ------------------------------------------------------------------------------------------------------


def _flip(one: Any, boxes: Any, shape: tuple[int, ...], flipped: Any) -> Any:
    """Flip boxes if `one`, with the draws that are next, flips two pixels."""
    return flipped(boxes) if int(one(alight.arange(2).reshape(shape)).flatten()[0]) else boxes


def _center_crop(one: Any, boxes: Any) -> Any:
    (height, width), (h, w) = boxes.canvas_size, one.size
    more = [max(w - width, 0), max(h - height, 0)]
    if any(more):
        sides = [more[0] // 2, more[1] // 2, (more[0] + 1) // 2, (more[1] + 1) // 2]
        boxes = pad(boxes, sides)
        height, width = boxes.canvas_size
    return crop(boxes, round((height - h) / 2.0), round((width - w) / 2.0), h, w)


def _resized_crop(one: Any, boxes: Any) -> Any:
    canvas = alight.empty(1, *boxes.canvas_size)
    window = one.get_params(canvas, one.scale, one.ratio)
    return resize(crop(boxes, *window), one.size)


def _rotation(one: Any, boxes: Any) -> Any:
    angle = one.get_params(one.degrees)
    return affine(boxes, -angle, [0.0, 0.0], 1.0, [0.0, 0.0], one.center, one.expand)


def _affine(one: Any, boxes: Any) -> Any:
    size = list(boxes.canvas_size)[::-1]
    angle, shift, scale, shear = one.get_params(
        one.degrees, one.translate, one.scale, one.shear, size
    )
    return affine(boxes, angle, shift, scale, shear, one.center)


MOVES: dict[
    str, Any
] = {  # what pixels' transforms, of the class that single images have, do with boxes
    "RandomHorizontalFlip": lambda one, boxes: _flip(one, boxes, (1, 1, 2), horizontal_flip),
    "RandomVerticalFlip": lambda one, boxes: _flip(one, boxes, (1, 2, 1), vertical_flip),
    "Resize": lambda one, boxes: resize(boxes, one.size, one.max_size),
    "CenterCrop": _center_crop,
    "Pad": lambda one, boxes: pad(boxes, one.padding),
    "RandomResizedCrop": _resized_crop,
    "RandomRotation": _rotation,
    "RandomAffine": _affine,
    "RandomPerspective": None,
    "ElasticTransform": None,
    "FiveCrop": None,
    "TenCrop": None,
}


def applied(one: Any, leaf: Any) -> Any:
    """A transform of single images on one of the things that move with images."""
    name = type(one).__name__
    if isinstance(leaf, BoundingBoxes):
        rule = MOVES[name]
        if rule is None:
            not_implemented(f"v2.{name} of boxes", "RandomAffine or RandomResizedCrop")
        return rule(one, leaf)
    if isinstance(leaf, Mask):
        one = copy.copy(one)
        if hasattr(one, "interpolation"):
            one.interpolation = InterpolationMode.NEAREST
        return on_mask(one, leaf)
    made = one(plain(leaf))
    if not isinstance(leaf, TVTensor):
        return made
    if isinstance(made, tuple):
        return tuple(wrap(part, like=leaf) for part in made)
    return wrap(made, like=leaf) if isinstance(made, alight.Tensor) else made


def on_mask(transform: Any, mask: Any) -> Any:
    """A transform of images on a mask (*, h, w), whose values it keeps."""
    flat = plain(mask)
    made = transform(flat.unsqueeze(0) if flat.ndim == 2 else flat)
    if isinstance(made, tuple):
        return tuple(wrap(part[0] if flat.ndim == 2 else part, like=mask) for part in made)
    return wrap(made[0] if flat.ndim == 2 else made, like=mask)


def size_of(leaves: list[Any]) -> tuple[int, int]:
    """Height and width of what a sample shows."""
    for leaf in leaves:
        if isinstance(leaf, BoundingBoxes):
            return tuple(leaf.canvas_size)  # type: ignore[return-value]
        return tuple(get_dimensions(plain(leaf))[1:])  # type: ignore[return-value]
    fail(TypeError, "No image, video, mask or bounding box was found in the sample")


__all__ = ["clamp_bounding_boxes", "convert_bounding_box_format", "tv_tensors"]
