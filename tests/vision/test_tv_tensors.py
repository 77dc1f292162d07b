"""tv_tensors, and samples with boxes and masks under the transforms of v2: against what torchvision gave."""

import copy
import json
import pickle
from pathlib import Path

import pytest
from PIL import Image

import alight
from alight.vision import transforms, tv_tensors
from alight.vision.ops import box_convert
from alight.vision.transforms import v2
from tests.semantics.oracle import close
from tests.vision import boxes

EXPECTED = json.loads(Path(__file__).with_name("torchvision_boxes.json").read_text())


@pytest.fixture(scope="module")
def found():
    return dict(boxes.results(alight, v2, tv_tensors))


@pytest.mark.parametrize("case", EXPECTED)
def test_samples_are_torchvisions(case, found):
    ours = {name: json.loads(json.dumps(part)) for name, part in found[case].items()}
    for part in ours.values():
        part[0][1] = part[0][1].replace("alight.", "torch.")
    assert close(ours, EXPECTED[case], 1e-4), (
        f"\nalight:      {ours}\ntorchvision: {EXPECTED[case]}"
    )


def made():
    return tv_tensors.BoundingBoxes([[1, 2, 5, 6]], format="xywh", canvas_size=(8, 10))


def test_what_operations_give():
    found = made()
    assert type(found + 1) is alight.Tensor and type(found[0]) is alight.Tensor
    for kept in (found.clone(), found.to(alight.float32), found.detach(), copy.deepcopy(found)):
        assert type(kept) is tv_tensors.BoundingBoxes and kept.canvas_size == (8, 10)
        assert kept.format is tv_tensors.BoundingBoxFormat.XYWH
    assert found.add_(1) is found and found.tolist() == [[2, 3, 6, 7]]
    with tv_tensors.set_return_type("TVTensor"):
        assert type(found * 2) is tv_tensors.BoundingBoxes
    assert type(found * 2) is alight.Tensor
    image = tv_tensors.Image(Image.new("RGB", (4, 3)))
    assert image.shape == (3, 3, 4) and image.dtype is alight.uint8
    assert type(alight.stack([image, image])) is alight.Tensor
    again = pickle.loads(pickle.dumps(tv_tensors.Mask(alight.zeros(1, 1))))
    assert again.tolist() == [[0.0]]


def test_refused():
    for call, error in (
        (lambda: tv_tensors.BoundingBoxes([[[1]]], format="XYXY", canvas_size=(1, 1)), "Expected a 1D or 2D tensor"),
        (lambda: tv_tensors.BoundingBoxes([1], format="XYXY", canvas_size=(1, 1), clamping_mode="no"), "clamping_mode"),
        (lambda: v2.RandomZoomOut(side_range=(0.5, 2.0)), "Invalid side range"),
        (lambda: v2.SanitizeBoundingBoxes(min_size=0), "min_size must be >= 1"),
        (lambda: v2.SanitizeBoundingBoxes()(made(), 3), "'default'"),
        (lambda: v2.SanitizeBoundingBoxes()({"boxes": made()}), "Could not infer where the labels are"),
        (lambda: v2.SanitizeBoundingBoxes()({"boxes": made(), "labels": alight.ones(2)}), "must match the number"),
        (lambda: v2.JPEG(0), "quality must be an integer from 1 to 100"),
        (lambda: v2.functional.convert_bounding_box_format(made(), "XYXY", "XYWH"), "must not be passed"),
        (lambda: v2.functional.clamp_bounding_boxes(alight.ones(1, 4)), "have to be passed"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=error):
            call()
    with pytest.raises(TypeError, match="requires input sample to contain"):
        v2.RandomIoUCrop()(alight.zeros(3, 4, 4))
    for what in (
        lambda: tv_tensors.BoundingBoxes([1.0] * 5, format="XYWHR", canvas_size=(1, 1)),
        lambda: box_convert(alight.ones(1, 5), "cxcywhr", "xyxyxyxy"),
        lambda: tv_tensors.KeyPoints([1, 2], canvas_size=(1, 1)),
        lambda: v2.ClampKeyPoints,
        lambda: v2.SanitizeKeyPoints,
        lambda: v2.RandomPerspective(p=1.0)(tv_tensors.Image(alight.zeros(3, 8, 10)), made()),
    ):
        with pytest.raises(NotImplementedError):
            what()


def test_functions_take_boxes_and_masks():
    F, found = v2.functional, made()
    assert F.horizontal_flip(found).tolist() == [[4, 2, 5, 6]]
    assert F.crop(found, 1, 1, 5, 5).canvas_size == (5, 5)
    assert F.resize(found, [4, 5]).tolist() == [[0, 1, 2, 3]]
    assert F.pad(found, [1, 2]).tolist() == [[2, 4, 5, 6]] and F.get_size(found) == [8, 10]
    mask = tv_tensors.Mask(alight.tensor([[0, 7], [1, 2]]))
    assert F.resize(mask, [4, 4]).unique().tolist() == [0, 1, 2, 7]
    assert type(F.vertical_flip(mask)) is tv_tensors.Mask
    turned = v2.RandomRotation((25, 25), expand=True)
    image, moved = turned(tv_tensors.Image(alight.zeros(3, 8, 10)), found)
    assert tuple(image.shape[-2:]) == moved.canvas_size


def test_colours_and_frames():
    image = (alight.arange(48) * 5).reshape(3, 4, 4).to(alight.uint8)
    picture = transforms.functional.to_pil_image(image)
    for one in (image, picture, tv_tensors.Image(image)):
        alight.manual_seed(0)
        assert type(v2.RandomPhotometricDistort(p=1.0)(one)) is type(one)
        assert type(v2.JPEG((20, 90))(one)) is type(one)
        turned = v2.RandomChannelPermutation()(one)
        assert type(turned) is type(one)
    assert sorted(turned[:, 0, 0].tolist()) == image[:, 0, 0].tolist()
    again = v2.JPEG(100)(image).int() - image.int()
    assert 0 < again.abs().max() < 40
    video = tv_tensors.Video(alight.arange(5).reshape(5, 1, 1, 1))
    frames = v2.UniformTemporalSubsample(3)(video)
    assert frames.flatten().tolist() == [0, 2, 4] and type(frames) is tv_tensors.Video
    plain, named = v2.CenterCrop(2)(alight.zeros(3, 4, 4), tv_tensors.Image(alight.zeros(3, 4, 4)))
    assert plain.shape == (3, 4, 4) and named.shape == (3, 2, 2)
