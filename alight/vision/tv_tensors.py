"""torchvision's `tv_tensors`, which alight has not: images are plain tensors, boxes and masks are moved by hand.

In: one of its names. Out: an error that says what comes nearest.
"""

from __future__ import annotations

from typing import Any

_NEAREST = {
    "Image": "the plain tensor, which transforms.v2 takes for the image",
    "Video": "a tensor (frames, channels, height, width)",
    "Mask": "a channel of the image, or transforms.v2.functional with the same numbers for both",
    "BoundingBoxes": "torchvision.ops (box_convert, clip_boxes_to_image), with the boxes moved by hand",
    "BoundingBoxFormat": "torchvision.ops.box_convert, which takes 'xyxy', 'xywh' and 'cxcywh'",
    "KeyPoints": "a tensor of points, moved by hand",
    "wrap": "the plain tensor",
}


def __getattr__(name: str) -> Any:
    if name in _NEAREST:
        from alight.errors import not_implemented

        not_implemented(f"tv_tensors.{name}", _NEAREST[name])
    raise AttributeError(f"module 'torchvision.tv_tensors' has no attribute {name!r}")
