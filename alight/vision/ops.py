"""Boxes and regions of images: torchvision's `ops`.

In: boxes (n, 4) as corners x1, y1, x2, y2, and feature maps (n, c, h, w). Out: areas, overlaps, the boxes that stay,
pooled regions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import alight as torch
from alight import nn
from alight.errors import fail, not_implemented
from alight.nn import functional as F

Tensor = torch.Tensor
FORMATS = ("xyxy", "xywh", "cxcywh")
ROTATED = {"xywhr", "cxcywhr", "xyxyxyxy"}


def box_area(boxes: Tensor) -> Tensor:
    """The area of each box.

    >>> import alight as torch
    >>> from alight.vision.ops import box_area
    >>> box_area(torch.tensor([[0.0, 0.0, 2.0, 3.0]]))
    tensor([6.])
    """
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def box_convert(boxes: Tensor, in_fmt: str, out_fmt: str) -> Tensor:
    """Boxes as corners ("xyxy"), corner and size ("xywh") or centre and size ("cxcywh").

    >>> import alight as torch
    >>> from alight.vision.ops import box_convert
    >>> box_convert(torch.tensor([[1.0, 2.0, 4.0, 6.0]]), "xyxy", "cxcywh")
    tensor([[2.5000, 4.0000, 3.0000, 4.0000]])
    """
    if {in_fmt, out_fmt} & ROTATED:
        not_implemented("rotated boxes", "boxes along the axes: xyxy, xywh, cxcywh")
    if in_fmt not in FORMATS or out_fmt not in FORMATS:
        fail(
            ValueError,
            f"Unsupported Bounding Box Conversions for given in_fmt {in_fmt} and out_fmt {out_fmt}",
        )
    if in_fmt == out_fmt:
        return boxes.clone()
    first, second = boxes[..., :2], boxes[..., 2:]
    if in_fmt == "xywh":
        second = first + second
    elif in_fmt == "cxcywh":
        first, second = first - second / 2, first + second / 2
    if out_fmt == "xywh":
        second = second - first
    elif out_fmt == "cxcywh":
        first, second = (first + second) / 2, second - first
    return torch.cat([first, second], dim=-1)


def clip_boxes_to_image(boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Boxes (*, 4) cut off at the edges of an image of `size` = (height, width).

    >>> import alight as torch
    >>> from alight.vision import ops
    >>> ops.clip_boxes_to_image(torch.tensor([[-1., 2., 9., 5.]]), (4, 6))
    tensor([[0., 2., 6., 4.]])
    """
    height, width = size
    x, y = boxes[..., 0::2].clamp(0, width), boxes[..., 1::2].clamp(0, height)
    return torch.stack((x, y), dim=boxes.dim()).reshape(boxes.shape)


def remove_small_boxes(boxes: Tensor, min_size: float) -> Tensor:
    """Indices of the boxes (n, 4) with both sides of `min_size` at least.

    >>> import alight as torch
    >>> from alight.vision import ops
    >>> ops.remove_small_boxes(torch.tensor([[0., 0., 1., 9.], [0., 0., 5., 5.]]), 2)
    tensor([1])
    """
    sides = boxes[:, 2:] - boxes[:, :2]
    return torch.where((sides >= min_size).all(dim=1))[0]


def _overlaps(boxes1: Tensor, boxes2: Tensor) -> tuple[Tensor, Tensor]:
    """Areas of the intersection and of the union of each pair."""
    low = torch.max(boxes1[:, None, :2], boxes2[:, :2])
    high = torch.min(boxes1[:, None, 2:], boxes2[:, 2:])
    sides = (high - low).clamp(min=0)
    inter = sides[:, :, 0] * sides[:, :, 1]
    return inter, box_area(boxes1)[:, None] + box_area(boxes2) - inter


def box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union of each pair, (n, m).

    >>> import alight as torch
    >>> from alight.vision.ops import box_iou
    >>> box_iou(torch.tensor([[0.0, 0.0, 2.0, 2.0]]), torch.tensor([[1.0, 0.0, 3.0, 2.0]]))
    tensor([[0.3333]])
    """
    inter, union = _overlaps(boxes1, boxes2)
    return inter / union


def generalized_box_iou(boxes1: Tensor, boxes2: Tensor) -> Tensor:
    """Intersection over union, less the share of the hull that neither box covers (Rezatofighi et
    al. 2019).

    (n, 4) and (m, 4) to (n, m).

    >>> import alight as torch
    >>> from alight.vision import ops
    >>> ops.generalized_box_iou(torch.tensor([[0., 0., 1., 1.]]), torch.tensor([[1., 0., 2., 1.]]))
    tensor([[0.]])
    """
    inter, union = _overlaps(boxes1, boxes2)
    low = torch.min(boxes1[:, None, :2], boxes2[:, :2])
    high = torch.max(boxes1[:, None, 2:], boxes2[:, 2:])
    sides = (high - low).clamp(min=0)
    hull = sides[:, :, 0] * sides[:, :, 1]
    return inter / union - (hull - union) / hull


def nms(boxes: Tensor, scores: Tensor, iou_threshold: float) -> Tensor:
    """Indices of the boxes that stay, from the highest score on: none overlaps a better one by more.

    >>> import alight as torch
    >>> from alight.vision.ops import nms
    >>> boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9], [5.0, 5.0, 6.0, 6.0]])
    >>> nms(boxes, torch.tensor([0.8, 0.9, 0.1]), 0.5)
    tensor([1, 2])
    """
    corners = boxes.detach().numpy()
    order = np.argsort(-scores.detach().numpy(), kind="stable")
    area = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    kept = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(best)
        low = np.maximum(corners[best, :2], corners[rest, :2])
        high = np.minimum(corners[best, 2:], corners[rest, 2:])
        inter = np.prod(np.clip(high - low, 0, None), axis=1)
        order = rest[inter / (area[best] + area[rest] - inter) <= iou_threshold]
    return torch.from_numpy(np.array(kept, np.int64))


def batched_nms(boxes: Tensor, scores: Tensor, idxs: Tensor, iou_threshold: float) -> Tensor:
    """`nms` for each category of `idxs` by itself; indices from the highest score on.

    Boxes (n, 4), scores (n,), idxs (n,), to indices (kept,).

    >>> import alight as torch
    >>> from alight.vision import ops
    >>> boxes = torch.tensor([[0., 0., 2., 2.], [0., 0., 2., 2.]])
    >>> ops.batched_nms(boxes, torch.tensor([0.5, 0.9]), torch.tensor([0, 1]), 0.5)
    tensor([1, 0])
    """
    if boxes.numel() == 0:
        return torch.empty((0,), dtype=torch.int64)
    apart = idxs.to(boxes) * (boxes.max() + 1)
    return nms(boxes + apart[:, None], scores, iou_threshold)


def _regions(boxes: Any) -> list[tuple[int, list[float]]]:
    """The image and the corners of each region, from (k, 5) or a list of (k, 4)."""
    if isinstance(boxes, Sequence):
        return [(n, row) for n, rows in enumerate(boxes) for row in rows.tolist()]
    return [(int(row[0]), row[1:]) for row in boxes.tolist()]


def roi_pool(input: Tensor, boxes: Any, output_size: Any, spatial_scale: float = 1.0) -> Tensor:
    """The largest values of regions, each cut into `output_size` bins (Girshick 2015), (k, c, bins, bins).

    `boxes` is (k, 5) with the image's number first, or a list of (k, 4), one for each image.

    >>> import alight as torch
    >>> from alight.vision.ops import roi_pool
    >>> x = torch.arange(16.0).reshape(1, 1, 4, 4)
    >>> roi_pool(x, torch.tensor([[0.0, 0.0, 0.0, 20.0, 20.0]]), (2, 2), 0.1)
    tensor([[[[ 5.,  6.],
              [ 9., 10.]]]])
    """
    rows, columns = (output_size,) * 2 if isinstance(output_size, int) else output_size
    pooled = [
        _pooled_region(input[image], [_rounded(c * spatial_scale) for c in corners], rows, columns)
        for image, corners in _regions(boxes)
    ]
    return torch.stack(pooled) if pooled else input.new_empty((0, input.shape[1], rows, columns))


def _rounded(value: float) -> int:
    """To the nearest whole number, halves away from zero, as C's round."""
    return int(np.floor(abs(value) + 0.5)) * (1 if value >= 0 else -1)


def _pooled_region(image: Tensor, corners: list[int], rows: int, columns: int) -> Tensor:
    x1, y1, x2, y2 = corners
    height, width = max(y2 - y1 + 1, 1), max(x2 - x1 + 1, 1)
    lines = []
    for i in range(rows):
        top, bottom = _bin(i, height / rows, y1, image.shape[1])
        cells = []
        for j in range(columns):
            left, right = _bin(j, width / columns, x1, image.shape[2])
            empty = top >= bottom or left >= right
            cell = image[:, top:bottom, left:right]
            cells.append(image.new_zeros(image.shape[0]) if empty else cell.amax(dim=(1, 2)))
        lines.append(torch.stack(cells, dim=1))
    return torch.stack(lines, dim=1)


def _bin(number: int, size: float, start: int, end: int) -> tuple[int, int]:
    """Where a bin begins and ends, inside the image."""
    low, high = int(np.floor(number * size)) + start, int(np.ceil((number + 1) * size)) + start
    return min(max(low, 0), end), min(max(high, 0), end)


class RoIPool(nn.Module):
    """`roi_pool` as a layer: images (n, c, h, w) and regions (k, 5) to (k, c, *output_size).

    >>> import alight as torch
    >>> from alight.vision import ops
    >>> ops.RoIPool(2, 1.0)(torch.ones(1, 3, 8, 8), torch.tensor([[0., 0., 0., 7., 7.]])).shape
    torch.Size([1, 3, 2, 2])
    """

    def __init__(self, output_size: Any, spatial_scale: float) -> None:
        super().__init__()
        self.output_size = output_size
        self.spatial_scale = spatial_scale

    def forward(self, input: Tensor, rois: Any) -> Tensor:
        """(k, c, bins, bins)."""
        return roi_pool(input, rois, self.output_size, self.spatial_scale)


def sigmoid_focal_loss(
    inputs: Tensor, targets: Tensor, alpha: float = 0.25, gamma: float = 2, reduction: str = "none"
) -> Tensor:
    """Binary cross-entropy in which what is already right counts less (Lin et al. 2017).

    (*) and (*) to (*), with reduction="mean" or "sum" to a scalar; ValueError for another.

    >>> import alight as torch
    >>> from alight.vision import ops
    >>> ops.sigmoid_focal_loss(torch.tensor([0.0, 3.0]), torch.tensor([1.0, 1.0]))
    tensor([4.3322e-02, 2.7321e-05])
    """
    p = torch.sigmoid(inputs)
    error = F.binary_cross_entropy_with_logits(inputs, targets, reduction="none")
    right = p * targets + (1 - p) * (1 - targets)
    loss = error * (1 - right) ** gamma
    if alpha >= 0:
        loss = (alpha * targets + (1 - alpha) * (1 - targets)) * loss
    if reduction not in ("none", "mean", "sum"):
        fail(
            ValueError,
            f"Invalid Value for arg 'reduction': '{reduction} \n Supported reduction modes: 'none', 'mean', 'sum'",
        )
    return loss if reduction == "none" else getattr(loss, reduction)()


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "RoIPool",
    "batched_nms",
    "box_area",
    "box_convert",
    "box_iou",
    "clip_boxes_to_image",
    "generalized_box_iou",
    "nms",
    "remove_small_boxes",
    "roi_pool",
    "sigmoid_focal_loss",
]
