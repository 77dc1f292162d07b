"""transforms.v2: the older transforms on samples; new ones against what torchvision 0.28 gave for the same seeds."""

from collections import namedtuple

import numpy as np
import pytest
from PIL import Image

import alight
from alight.vision import transforms as v1
from alight.vision.transforms import v2

PIXELS = np.random.RandomState(0).randint(0, 256, (11, 14, 3)).astype(np.uint8)
SAME = {
    "ColorJitter": (0.4, 0.3, 0.2, 0.1), "RandomRotation": (30,), "RandomResizedCrop": (8,), "Resize": ((7, 20),),
    "GaussianBlur": (3,), "RandomHorizontalFlip": (), "RandomGrayscale": (0.5,), "CenterCrop": (6,), "Pad": (2,),
    "RandomPerspective": (0.5, 0.8), "ElasticTransform": (30.0, 0.5), "AugMix": (),
}  # fmt: skip


def tensor():
    return alight.from_numpy(PIXELS.transpose(2, 0, 1).copy())


def pixels(image):
    return np.asarray(image if isinstance(image, Image.Image) else image.numpy())


@pytest.mark.parametrize("name", SAME)
def test_as_the_older_one(name):
    for image in (Image.fromarray(PIXELS), tensor()):
        alight.manual_seed(3)
        expected = getattr(v1, name)(*SAME[name])(image)
        alight.manual_seed(3)
        found, label = getattr(v2, name)(*SAME[name])(image, 7)
        assert label == 7 and (pixels(found) == pixels(expected)).all()
    assert repr(getattr(v2, name)(*SAME[name])) == repr(getattr(v1, name)(*SAME[name]))


# (top, left) of the windows that torchvision 0.28 takes for seeds 0, 1, 2.
WINDOWS = {(7, 7): [(4, 7), (0, 3), (3, 7)], (11, 9): [(0, 2), (0, 1), (0, 0)]}
MIXED = [[0.8004164695739746, 0.0, 0.0, 0.0, 0.1995835304260254], [0.9375, 0.0, 0.0, 0.0, 0.0625]]


@pytest.mark.parametrize("size", WINDOWS)
def test_windows_are_torchvisions(size):
    found = []
    for seed in range(3):
        alight.manual_seed(seed)
        params = v2.RandomCrop(size).make_params([tensor()])
        found.append(tuple(params["window"][:2]))
    assert found == WINDOWS[size]


def test_a_usual_pipeline():
    alight.manual_seed(0)
    steps = [v2.ToImage(), v2.RandomCrop(8, padding=1), v2.ToDtype(alight.float32, scale=True)]
    found = v2.Compose([*steps, v2.Normalize([0.5] * 3, [0.5] * 3)])(Image.fromarray(PIXELS))
    assert found.shape == (3, 8, 8) and found.dtype is alight.float32
    assert found.min().item() >= -1 and found.max().item() <= 1


def test_samples_keep_their_structure_and_their_images_one_window():
    Sample = namedtuple("Sample", "image other name")
    first, second = Image.fromarray(PIXELS), Image.fromarray(PIXELS)
    sample = {"a": Sample(first, second, "x"), "labels": [1, alight.tensor([2, 3])]}
    found = v2.Compose([v2.RandomCrop(5), v2.RandomHorizontalFlip(), v2.ColorJitter(0.5)])(sample)
    assert isinstance(found["a"], Sample) and found["a"].name == "x"
    assert (pixels(found["a"].image) == pixels(found["a"].other)).all()
    assert found["labels"][1].tolist() == [2, 3]
    only_first, mask = v2.CenterCrop(4)(tensor(), tensor())
    assert only_first.shape == (3, 4, 4) and mask.shape == (3, 11, 14)


def test_conversions():
    image = v2.ToImage()(PIXELS)
    assert image.dtype is alight.uint8 and (image.numpy() == PIXELS.transpose(2, 0, 1)).all()
    scaled = v2.functional.to_dtype(image, alight.float32, scale=True)
    assert scaled.max().item() == PIXELS.max() / np.float32(255)
    assert v2.ToDtype(alight.float32)(image).max().item() == PIXELS.max()
    assert v2.RGB()(alight.zeros(1, 2, 2)).shape == (3, 2, 2)
    assert v2.ToTensor()(image) is image and v2.ToTensor()(PIXELS).shape == (3, 11, 14)
    assert v2.Lambda(lambda x: x + 1, int)(image, 1)[1] == 2


def test_mixtures():
    """Numbers that torchvision 0.28 gives."""
    alight.manual_seed(0)
    images, labels = v2.MixUp(alpha=0.7, num_classes=5)(
        alight.rand(4, 3, 8, 8), alight.tensor([0, 1, 2, 4])
    )
    np.testing.assert_allclose(labels[0].tolist(), MIXED[0], rtol=1e-5)
    alight.manual_seed(0)
    images, labels = v2.CutMix(alpha=0.7, num_classes=5)(
        alight.rand(4, 3, 8, 8), alight.tensor([0, 1, 2, 4])
    )
    np.testing.assert_allclose(labels[0].tolist(), MIXED[1], rtol=1e-5)
    with pytest.raises(ValueError, match="num_classes must be passed"):
        v2.MixUp()(images, alight.tensor([0, 1, 2, 4]))


def test_refused():
    with pytest.raises(
        ValueError,
        match=r"Required crop size \(20, 20\) is larger than input image size \(11, 14\)",
    ):
        v2.RandomCrop(20)(tensor())
