"""Transforms give torchvision's images and take torchvision's random numbers."""

from pathlib import Path

import numpy as np
import pytest

import alight
from alight.vision import transforms
from tests.vision import cases

# PyTorch scales 8-bit tensors with 16-bit weights, alight with floats, and AugMix cuts off what is near whole numbers:
# a step of one in a few pixels.
COARSE = {"resize bicubic", "resized crop", "AugMix, long"}


@pytest.fixture(scope="module")
def kept():
    with np.load(Path(__file__).with_name("torchvision.npz")) as file:
        return cases.unpacked(dict(file))


@pytest.fixture(scope="module")
def ours():
    return dict(cases.results(transforms, alight))


def test_the_table_is_the_recorded_one(ours, kept):
    assert list(ours) == list(kept)


@pytest.mark.parametrize("name", cases.CASES)
def test_as_torchvision(name, ours, kept):
    share = 0.05 if name in COARSE else 0.01
    for key, theirs in kept.items():
        if not key.startswith(f"{name}/"):
            continue
        found = ours[key]
        assert found.shape == theirs.shape and found.dtype == theirs.dtype, key
        if theirs.dtype == np.uint8:
            # One step where a float is rounded from another side: seldom, and never more.
            apart = np.abs(found.astype(int) - theirs)
            assert apart.max() <= 1 and (apart > 0).mean() <= share, key
        else:
            np.testing.assert_allclose(found, theirs, rtol=1e-5, atol=2e-6, err_msg=key)
