"""Transforms: a stack gives what its images give one by one, and the values and draws are torchvision's.

torchvision itself is not needed: its few lines are written here with PyTorch and Pillow.
"""

import numpy as np
import pytest
import torch
from PIL import Image

import alight
from alight.vision import datasets, transforms, utils

GREY = np.random.RandomState(0).randint(0, 256, (28, 28)).astype(np.uint8)
COLOUR = np.random.RandomState(1).randint(0, 256, (30, 21, 3)).astype(np.uint8)

BUILDERS = {
    "to tensor": lambda: transforms.ToTensor(),
    "flip": lambda: transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()]),
    "tensor flip": lambda: transforms.Compose(
        [transforms.ToTensor(), transforms.RandomVerticalFlip(0.3)]
    ),
    "crop": lambda: transforms.Compose(
        [transforms.RandomCrop(16, padding=(1, 2)), transforms.ToTensor()]
    ),
    "several": lambda: transforms.Compose(
        [
            transforms.RandomHorizontalFlip(),
            transforms.RandomCrop(20, padding=4, padding_mode="reflect"),
            transforms.RandomVerticalFlip(),
            transforms.ToTensor(),
            transforms.RandomCrop((18, 17)),
            transforms.Normalize((0.5,), (0.25,)),
        ]
    ),
    "no room to move": lambda: transforms.Compose(
        [transforms.RandomCrop(28), transforms.ToTensor()]
    ),
    "resize": lambda: transforms.Compose(
        [transforms.Resize(32), transforms.CenterCrop(30), transforms.ToTensor()]
    ),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_a_stack_is_its_images(name):
    images = np.random.RandomState(2).randint(0, 256, (9, 28, 28)).astype(np.uint8)
    transform = BUILDERS[name]()
    assert transforms.has_stack_form(transform)
    alight.manual_seed(3)
    one_by_one = np.stack([transform(Image.fromarray(image)).numpy() for image in images])
    state = alight.get_rng_state().tolist()
    alight.manual_seed(3)
    together = transforms.transform_stack(transform, transforms.Stack(images, False))
    assert together.is_tensor
    np.testing.assert_array_equal(together.images, one_by_one)
    assert together.images.dtype == one_by_one.dtype
    assert alight.get_rng_state().tolist() == state


@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_to_tensor(pixels):
    channels = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    wanted = torch.from_numpy(channels.copy()).to(torch.float32).div(255)
    for given in (pixels, Image.fromarray(pixels)):
        got = transforms.ToTensor()(given)
        assert str(got.dtype) == "torch.float32"
        np.testing.assert_array_equal(got.numpy(), wanted.numpy())
    unscaled = transforms.PILToTensor()(Image.fromarray(pixels))
    np.testing.assert_array_equal(unscaled.numpy(), channels)


def test_floats_are_not_scaled():
    pixels = np.arange(6.0).reshape(2, 3)
    got = transforms.ToTensor()(pixels)
    assert got.tolist() == [pixels.tolist()]
    assert str(got.dtype) == "torch.float64"


def test_normalize():
    x = torch.rand(3, 4, 5)
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    columns = [torch.tensor(v).view(-1, 1, 1) for v in (mean, std)]
    got = transforms.Normalize(mean, std)(alight.from_numpy(x.numpy().copy()))
    np.testing.assert_array_equal(got.numpy(), ((x - columns[0]) / columns[1]).numpy())


def test_random_draws_are_torchvisions():
    torch.manual_seed(11)
    alight.manual_seed(11)
    flip = transforms.RandomHorizontalFlip(0.4)
    crop = transforms.RandomCrop(20, padding=2)
    padded = np.pad(GREY, 2)
    for _ in range(20):
        mirrored = GREY[:, ::-1] if torch.rand(1) < 0.4 else GREY
        np.testing.assert_array_equal(np.array(flip(Image.fromarray(GREY))), mirrored)
        top, left = (int(torch.randint(0, 13, size=(1,))) for _ in range(2))
        np.testing.assert_array_equal(
            np.array(crop(Image.fromarray(GREY))), padded[top : top + 20, left : left + 20]
        )


@pytest.mark.parametrize(
    "size, wanted", [(15, (21, 15)), ((12, 40), (12, 40)), (21, (30, 21))], ids=str
)
def test_resize(size, wanted):
    picture = Image.fromarray(COLOUR)
    got = np.array(transforms.Resize(size)(picture))
    np.testing.assert_array_equal(
        got, np.array(picture.resize(wanted[::-1], Image.Resampling.BILINEAR))
    )


def test_functions_of_the_user_see_one_image():
    doubled = transforms.Compose([transforms.ToTensor(), transforms.Lambda(lambda x: x * 2)])
    assert not transforms.has_stack_form(doubled)
    dataset = datasets.ArrayImages(GREY[None], np.array([3]), transform=doubled)
    image, label = dataset[0]
    np.testing.assert_array_equal(image.numpy(), 2 * transforms.ToTensor()(GREY).numpy())
    assert label == 3
    assert dataset.__arrays__() is None


def test_there_and_back():
    for pixels in (GREY, COLOUR):
        picture = transforms.ToPILImage()(transforms.ToTensor()(pixels))
        np.testing.assert_array_equal(np.array(picture), pixels)


def test_errors():
    with pytest.raises(ValueError, match="Required crop size"):
        transforms.RandomCrop(40)(Image.fromarray(GREY))
    with pytest.raises(TypeError, match="pic should be PIL Image or ndarray"):
        transforms.ToTensor()([1, 2])
    with pytest.raises(ValueError, match="std evaluated to zero"):
        transforms.Normalize((0.5,), (0.0,))(alight.zeros(1, 2, 2))


def test_printed_form():
    composed = transforms.Compose([transforms.RandomHorizontalFlip(), transforms.ToTensor()])
    assert repr(composed) == "Compose(\n    RandomHorizontalFlip(p=0.5)\n    ToTensor()\n)"


def test_grid():
    images = alight.ones(3, 1, 4, 5)
    grid = utils.make_grid(images, nrow=2, padding=1)
    assert tuple(grid.shape) == (3, 11, 13)
    assert float(grid.sum()) == 3 * 3 * 4 * 5
    spread = utils.make_grid(alight.arange(12.0).reshape(1, 3, 2, 2), normalize=True)
    assert (float(spread.min()), float(spread.max())) == (0.0, 1.0)


def test_saved_grid(tmp_path):
    utils.save_image(alight.ones(2, 3, 4, 4), tmp_path / "grid.png", padding=1)
    with Image.open(tmp_path / "grid.png") as picture:
        pixels = np.array(picture)
    assert pixels.shape == (6, 11, 3)
    assert (pixels[1, 1] == 255).all() and (pixels[0, 0] == 0).all()


def test_fake_data_is_the_same_every_time():
    dataset = datasets.FakeData(4, (3, 8, 8), transform=transforms.ToTensor())
    torch.manual_seed(2)
    noise = torch.randn(3, 8, 8).mul(255).to(torch.int64).to(torch.uint8)
    image, label = dataset[2]
    np.testing.assert_array_equal(np.round(image.numpy() * 255), noise.numpy())
    assert label == int(torch.randint(0, 10, (1,)))
    assert len(dataset) == 4
    with pytest.raises(IndexError):
        dataset[4]
