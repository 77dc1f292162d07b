"""On Fashion-MNIST itself, where a copy lies on this machine: PyTorch's numbers from the same seed."""

import numpy as np
import pytest

import alight
from alight.data import DataLoader
from alight.train import images, loop, recipe
from alight.vision import archives, transforms

FILES = archives.FASHION_MNIST.files
PRESENT = all(any(archives.copies(archives.FASHION_MNIST, name)) for name in FILES)
pytestmark = pytest.mark.skipif(not PRESENT, reason="no copy of Fashion-MNIST on this machine")


@pytest.fixture(scope="module")
def data():
    return images.load()


def test_the_images_are_the_published_ones(data):
    assert (len(data.train), len(data.test), data.title) == (60000, 10000, "Fashion-MNIST")
    pixels = data.train.data.numpy() / 255
    assert pixels.mean() == pytest.approx(0.2860, abs=5e-5)
    assert pixels.std() == pytest.approx(0.3530, abs=5e-5)
    assert np.bincount(data.test.targets.numpy()).tolist() == [1000] * 10
    data.test.transform = transforms.ToTensor()
    batch, labels = next(iter(DataLoader(data.test, 4)))
    assert batch.shape == (4, 1, 28, 28) and labels.tolist() == [9, 2, 1, 1]


def test_softmax_regression_learns_as_under_pytorch(data, monkeypatch):
    """PyTorch's first epochs from seed 0, measured: loss 0.7859, 0.5689; test accuracy 0.7857, 0.8106."""
    monkeypatch.setattr(alight.config, "hot", 0)
    training = loop.Training(recipe.choose("softmax", {}, data.recipe), data)
    for _ in range(2):
        assert training.run_epoch(lambda *progress: None, lambda: False)
        training.finish_epoch()
    assert [row["train_loss"] for row in training.rows] == pytest.approx([0.7859, 0.5689], abs=2e-4)
    found = [row["test_accuracy"] for row in training.rows]
    assert found == pytest.approx([0.7857, 0.8106], abs=5e-4)
