"""Data sets that are archives or folders: what they read, and what they say where something is missing."""

import gzip
import hashlib
import io
import os
import pickle
import struct
import tarfile

import numpy as np
import pytest
from PIL import Image

import alight
from alight.data import DataLoader
from alight.vision import archives, datasets, transforms
from alight.vision import io as vision_io
from alight.vision.archives import Archive


def old_text(value):
    """A Python 2 string, whose pickle is neither text nor bytes."""
    if len(value) < 256:
        return b"U" + bytes([len(value)]) + value
    return b"T" + struct.pack("<i", len(value)) + value


def old_pickle(data, labels):
    """A batch as CIFAR's files hold it, from Python 2."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        + old_text(b"b")
        + b"\x87R"
        b"(K\x01" + b"K" + bytes([len(data)]) + b"M\x00\x0c\x86"
        b"cnumpy\ndtype\n" + old_text(b"u1") + b"K\x00K\x01\x87R"
        b"(K\x03" + old_text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89" + old_text(data.tobytes()) + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + old_text(b"data") + array + old_text(b"labels") + numbers + b"u."


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """A small CIFAR-10: twelve pictures in two files, two to test."""
    rows = np.random.RandomState(0).randint(0, 256, (14, 3072)).astype(np.uint8)
    labels = [*range(10), 3, 1, 4, 1]
    parts = {"one": slice(0, 6), "two": slice(6, 12), "rest": slice(12, 14)}
    contents = {name: old_pickle(rows[part], labels[part]) for name, part in parts.items()}
    contents["meta"] = pickle.dumps({"label_names": ["plane", "car"]}, 2)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"small-cifar/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    digest = {name: hashlib.md5(content).hexdigest() for name, content in contents.items()}

    known = {"small.tar.gz": (hashlib.md5(packed.getvalue()).hexdigest(),)}
    members = {
        "archive": Archive("Small CIFAR", "small", ".", (), known),
        "base_folder": "small-cifar",
        "train_files": {name: digest[name] for name in ("one", "two")},
        "test_files": {"rest": digest["rest"]},
        "meta_files": {"meta": digest["meta"]},
    }
    small = type("Small", (datasets.CIFAR10,), members)
    monkeypatch.setattr(archives, "cache_folder", lambda: tmp_path / "cache")
    return small, contents, packed.getvalue(), rows, labels


@pytest.mark.parametrize("form", ["packed", "unpacked", "cached"])
def test_cifar(cifar, tmp_path, form):
    small, contents, packed, rows, labels = cifar
    if form == "unpacked":
        (tmp_path / "small-cifar").mkdir()
        for name, content in contents.items():
            (tmp_path / "small-cifar" / name).write_bytes(content)
    else:
        place = tmp_path / "cache" / "small" if form == "cached" else tmp_path
        place.mkdir(parents=True, exist_ok=True)
        (place / "small.tar.gz").write_bytes(packed)
    images = small(tmp_path)
    assert images.data.shape == (12, 32, 32, 3) and images.targets == labels[:12]
    np.testing.assert_array_equal(images.data[7].transpose(2, 0, 1).reshape(-1), rows[7])
    picture, label = images[7]
    assert picture.size == (32, 32) and picture.mode == "RGB" and label == labels[7]
    assert images.classes == ["plane", "car"] and images.class_to_idx == {"plane": 0, "car": 1}
    test = small(tmp_path, train=False, transform=transforms.ToTensor())
    assert len(test) == 2 and "Split: Test" in repr(test)
    ((batch, found),) = DataLoader(test, 2)
    assert batch.shape == (2, 3, 32, 32) and found.tolist() == labels[12:]
    np.testing.assert_allclose(batch[1].numpy().reshape(-1), rows[13] / np.float32(255))
    test.targets[0] = 9  # a list, which programs write to
    assert next(iter(DataLoader(test, 2)))[1].tolist() == [9, labels[13]]


def test_cifar_is_missing(cifar, tmp_path):
    with pytest.raises(
        RuntimeError, match=r"Dataset not found or corrupted\. You can use download"
    ):
        cifar[0](tmp_path)


def test_a_damaged_file_is_not_read(cifar, tmp_path):
    small, contents, _, _, _ = cifar
    (tmp_path / "small-cifar").mkdir()
    for name, content in contents.items():
        (tmp_path / "small-cifar" / name).write_bytes(content + b"more")
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        small(tmp_path)


@pytest.fixture
def folder(tmp_path):
    for name in ("cat", "dog"):
        for number in range(3):
            place = tmp_path / name / ("deep" if number == 2 else "")
            place.mkdir(parents=True, exist_ok=True)
            pixels = np.full((4, 5, 3), number * 40 + len(name), np.uint8)
            Image.fromarray(pixels).save(place / f"{number}.{'PNG' if number else 'bmp'}")
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    return tmp_path


def test_image_folder(folder):
    images = datasets.ImageFolder(folder, transform=transforms.ToTensor())
    assert images.classes == ["cat", "dog"] and images.class_to_idx == {"cat": 0, "dog": 1}
    assert images.targets == [0, 0, 0, 1, 1, 1] and len(images) == 6
    names = [os.path.relpath(path, folder) for path, _ in images.imgs]
    assert names[:3] == [os.path.join("cat", n) for n in ("0.bmp", "1.PNG", "deep/2.PNG")]
    image, label = images[5]
    assert image.shape == (3, 4, 5) and label == 1
    assert float(image[0, 0, 0]) == pytest.approx(83 / 255)
    batch, labels = next(iter(DataLoader(images, 4, num_workers=2)))
    assert batch.shape == (4, 3, 4, 5) and labels.tolist() == [0, 0, 0, 1]
    assert "Number of datapoints: 6" in repr(images)


def test_files_of_any_kind(folder):
    texts = datasets.DatasetFolder(
        str(folder), os.path.basename, is_valid_file=lambda p: p.endswith("txt"), allow_empty=True
    )
    assert texts[0] == ("notes.txt", 1) and len(texts) == 1


def test_folders_that_lack_something(folder):
    with pytest.raises(FileNotFoundError, match="Couldn't find any class folder in"):
        datasets.ImageFolder(folder / "cat" / "deep")
    (folder / "empty").mkdir()
    with pytest.raises(FileNotFoundError) as error:
        datasets.ImageFolder(folder)
    first = str(error.value).splitlines()[0]
    assert first.startswith("Found no valid file for the classes empty. Supported extensions are: ")
    assert len(datasets.ImageFolder(folder, allow_empty=True)) == 6
    with pytest.raises(ValueError, match="Both extensions and is_valid_file cannot be None"):
        datasets.DatasetFolder(folder, open)


def test_kmnist(tmp_path, monkeypatch):
    pixels = np.arange(2 * 784, dtype=np.uint8).reshape(2, 28, 28)
    files = {
        "train-images-idx3-ubyte": struct.pack(">iiii", 0x803, 2, 28, 28) + pixels.tobytes(),
        "train-labels-idx1-ubyte": struct.pack(">ii", 0x801, 2) + bytes([3, 7]),
    }
    known = {name + ".gz": (hashlib.md5(raw).hexdigest(),) for name, raw in files.items()}
    small = Archive("Small KMNIST", "kmnist", "KMNIST/raw", (), known)
    monkeypatch.setattr(datasets.KMNIST, "archive", small)
    (tmp_path / "KMNIST" / "raw").mkdir(parents=True)
    for name, raw in files.items():
        (tmp_path / "KMNIST" / "raw" / f"{name}.gz").write_bytes(gzip.compress(raw))
    images = datasets.KMNIST(tmp_path)
    assert len(images) == 2 and images[1][1] == 7 and images.classes[7] == "ya"
    np.testing.assert_array_equal(np.asarray(images[1][0]), pixels[1])


def test_images_as_tensors(tmp_path):
    pixels = np.random.RandomState(0).randint(0, 256, (3, 6, 5)).astype(np.uint8)
    path = tmp_path / "a.png"
    vision_io.write_png(alight.from_numpy(pixels), path)
    np.testing.assert_array_equal(vision_io.read_image(path).numpy(), pixels)
    grey = vision_io.read_image(str(path), vision_io.ImageReadMode.GRAY)
    assert grey.shape == (1, 6, 5) and grey.dtype is alight.uint8
    assert vision_io.read_image(path, mode="RGB_ALPHA").shape == (4, 6, 5)
    encoded = vision_io.encode_jpeg(alight.from_numpy(pixels))
    assert vision_io.decode_image(encoded).shape == (3, 6, 5)
    with pytest.raises(RuntimeError, match="cannot be read as an image"):
        vision_io.decode_image(alight.zeros(10, dtype=alight.uint8))
    with pytest.raises(RuntimeError, match="uint8"):
        vision_io.encode_png(alight.zeros(3, 2, 2))


def test_the_printed_form():
    """As torchvision prints it: only the first line of the transforms is moved in."""
    both = transforms.Compose([transforms.ToTensor()])
    data = datasets.FakeData(3, (3, 8, 8), transform=both, target_transform=transforms.Lambda(int))
    assert repr(data).splitlines() == [
        "Dataset FakeData",
        "    Number of datapoints: 3",
        "    StandardTransform",
        "Transform: Compose(",
        "               ToTensor()",
        "           )",
        "Target transform: Lambda()",
    ]
