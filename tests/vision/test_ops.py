"""Boxes and regions: torchvision's values, kept here as numbers."""

import numpy as np
import pytest

import alight
from alight.vision import ops

BOXES = alight.tensor(
    [[0.0, 0.0, 10.0, 10.0], [1.0, 1.0, 11.0, 11.0], [20.0, 5.0, 30.0, 9.0], [0.0, 0.0, 10.0, 9.0]]
)


def test_overlaps():
    iou = ops.box_iou(BOXES, BOXES[:2])
    expected = [[1, 81 / 119], [81 / 119, 1], [0, 0], [0.9, 72 / 118]]
    np.testing.assert_allclose(iou.numpy(), expected, rtol=1e-6)
    giou = ops.generalized_box_iou(BOXES[:1], BOXES[2:3])
    assert giou.item() == pytest.approx(-(300 - 140) / 300, rel=1e-6)


@pytest.mark.parametrize("there", ops.FORMATS)
@pytest.mark.parametrize("back", ops.FORMATS)
def test_forms_of_boxes(there, back):
    other = ops.box_convert(BOXES, "xyxy", there)
    third = ops.box_convert(other, there, back)
    assert (ops.box_convert(third, back, "xyxy") == BOXES).all()


def test_boxes_that_stay():
    scores = alight.tensor([0.9, 0.8, 0.7, 0.95])
    assert ops.nms(BOXES, scores, 0.5).tolist() == [3, 2]
    assert ops.nms(BOXES, scores, 0.65).tolist() == [3, 1, 2]
    classes = alight.tensor([0, 0, 0, 1])
    assert ops.batched_nms(BOXES, scores, classes, 0.5).tolist() == [3, 0, 2]
    assert ops.remove_small_boxes(BOXES, 5).tolist() == [0, 1, 3]
    clipped = ops.clip_boxes_to_image(BOXES, (8, 9))
    assert clipped.tolist()[:2] == [[0, 0, 9, 8], [1, 1, 9, 8]]


def test_regions_and_their_gradients():
    x = alight.arange(50.0).reshape(2, 1, 5, 5).requires_grad_()
    rois = alight.tensor([[0.0, 0.0, 0.0, 4.0, 4.0], [1.0, 1.0, 1.0, 2.0, 3.0]])
    out = ops.roi_pool(x, rois, (2, 2))
    assert out.tolist() == [[[[12, 14], [22, 24]]], [[[36, 37], [41, 42]]]]
    out.sum().backward()
    assert x.grad.sum().item() == 8 and x.grad[0, 0, 4, 4].item() == 1
    per_image = ops.RoIPool(1, 0.5)(x, [alight.zeros(0, 4), alight.tensor([[0.0, 0, 4, 4]])])
    assert per_image.tolist() == [[[[37]]]]


def test_focal_loss():
    scores, targets = alight.tensor([2.0, -1.0]), alight.tensor([1.0, 0.0])
    p = 1 / (1 + np.exp(-np.array([2.0, -1.0])))
    right = np.array([p[0], 1 - p[1]])
    expected = -np.log(right) * (1 - right) ** 2 * [0.25, 0.75]
    np.testing.assert_allclose(ops.sigmoid_focal_loss(scores, targets).numpy(), expected, rtol=1e-5)
    mean = ops.sigmoid_focal_loss(scores, targets, reduction="mean")
    assert mean.item() == pytest.approx(expected.mean(), rel=1e-5)
