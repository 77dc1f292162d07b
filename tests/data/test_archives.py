"""Published data sets: found where they lie, downloaded whole or not at all, told about where they are missing."""

import dataclasses
import gzip
import hashlib
import http.server
import threading

import numpy as np
import pytest

from alight import config
from alight.vision import archives, datasets, idx

IMAGES = np.random.RandomState(0).randint(0, 256, (20, 28, 28)).astype(np.uint8)
LABELS = (np.arange(20) % 10).astype(np.uint8)


def as_idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


CONTENT = {
    f"{half}-{what}.gz": as_idx(array)
    for half in ("train", "t10k")
    for what, array in (("images-idx3-ubyte", IMAGES), ("labels-idx1-ubyte", LABELS))
}
PACKED = {name: gzip.compress(content) for name, content in CONTENT.items()}


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A small archive, looked for below `tmp_path` only; each test adds its mirrors."""
    monkeypatch.setattr(config, "data_dir", str(tmp_path / "cache"))
    files = {name: (md5(PACKED[name]), md5(content)) for name, content in CONTENT.items()}
    return archives.Archive("Small-MNIST", "small-mnist", "SmallMNIST/raw", (), files)


class Server(http.server.ThreadingHTTPServer):
    """Serves PACKED; `cut` lets each answer end after so many bytes."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.cut, self.requests, self.files = None, [], dict(PACKED)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        content = self.server.files.get(self.path.strip("/"))
        begin = int(self.headers.get("Range", "bytes=0-")[6:-1])
        self.server.requests.append((self.path, begin))
        if content is None:
            return self.send_error(404)
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin:][: self.server.cut])

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()


def quiet(text):
    pass


def test_download(archive, server, tmp_path):
    archive = dataclasses.replace(archive, mirrors=("http://127.0.0.1:1/", server.address))
    for name, content in CONTENT.items():
        assert archives.load(archive, name, report=quiet) == content
        assert archives.load(archive, name, report=quiet) == content
    assert len(server.requests) == 4
    kept = sorted(path.name for path in (tmp_path / "cache" / "small-mnist").iterdir())
    assert kept == sorted(PACKED)


def test_a_broken_download_is_resumed(archive, server):
    name = "train-images-idx3-ubyte.gz"
    size = len(PACKED[name])
    server.cut = size // 3 + 1
    archive = dataclasses.replace(archive, mirrors=(server.address,))
    assert archives.load(archive, name, report=quiet) == CONTENT[name]
    assert [begin for _, begin in server.requests] == [0, server.cut, 2 * server.cut]


def test_a_wrong_file_is_not_kept(archive, server, tmp_path):
    name = "train-labels-idx1-ubyte.gz"
    server.files[name] = b"<html>sorry</html>"
    archive = dataclasses.replace(archive, mirrors=(server.address,))
    with pytest.raises(archives.DataNotFoundError, match="the md5 differs"):
        archives.load(archive, name, report=quiet)
    assert not list((tmp_path / "cache" / "small-mnist").iterdir())


def test_without_network_one_line_says_what_to_do(archive):
    archive = dataclasses.replace(archive, mirrors=("http://127.0.0.1:1/",))
    with pytest.raises(archives.DataNotFoundError) as error:
        archives.load(archive, "train-images-idx3-ubyte.gz", report=quiet)
    text = str(error.value)
    assert "\n" not in text
    assert all(name in text for name in PACKED)
    assert str(archives.cache_folder() / "small-mnist") in text


@pytest.mark.parametrize("form", ["published", "compressed anew", "unpacked"])
@pytest.mark.parametrize("place", ["small-mnist", "SmallMNIST/raw", "."])
def test_local_copies(archive, tmp_path, form, place):
    folder = tmp_path / "cache" / place
    folder.mkdir(parents=True)
    for name, content in CONTENT.items():
        if form == "unpacked":
            (folder / name.removesuffix(".gz")).write_bytes(content)
        else:
            packed = PACKED[name] if form == "published" else gzip.compress(content, 1, mtime=5)
            (folder / name).write_bytes(packed)
    images, labels = datasets.read_split(archive, train=True, download=False)
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)


def test_another_file_of_the_same_name_is_passed_over(archive, tmp_path):
    (tmp_path / "cache" / "small-mnist").mkdir(parents=True)
    for name, content in CONTENT.items():
        (tmp_path / "cache" / "small-mnist" / name).write_bytes(gzip.compress(content[:-1] + b"?"))
        (tmp_path / "cache" / name).write_bytes(PACKED[name])
    images, _ = datasets.read_split(archive, train=False, download=False)
    np.testing.assert_array_equal(images, IMAGES)


def test_a_missing_dataset_is_pytorchs_error(archive, monkeypatch, tmp_path):
    monkeypatch.setattr(datasets.FashionMNIST, "archive", archive)
    with pytest.raises(
        RuntimeError, match=r"Dataset not found\. You can use download=True to download it"
    ):
        datasets.FashionMNIST(tmp_path)


def test_download_into_root(archive, server, monkeypatch, tmp_path):
    archive = dataclasses.replace(archive, mirrors=(server.address,))
    monkeypatch.setattr(datasets.FashionMNIST, "archive", archive)
    dataset = datasets.FashionMNIST(tmp_path / "root", train=False, download=True)
    assert len(dataset) == 20 and dataset.targets.tolist() == LABELS.tolist()
    assert (tmp_path / "root" / "SmallMNIST" / "raw" / "t10k-images-idx3-ubyte.gz").is_file()


@pytest.mark.parametrize(
    "raw", [b"", b"\0\0\x08\x01\0\0\0\x05abc", b"hello", as_idx(LABELS) + b"x"], ids=len
)
def test_damaged_idx(raw):
    with pytest.raises(RuntimeError, match=r"idx file|cut short"):
        idx.parse(raw, "some file")


def test_idx_of_other_dtypes():
    numbers = np.array([[1.5, -2.0]], ">f4")
    raw = (
        bytes([0, 0, 0x0D, 2]) + (1).to_bytes(4, "big") + (2).to_bytes(4, "big") + numbers.tobytes()
    )
    np.testing.assert_array_equal(idx.parse(raw, "numbers"), numbers)


def test_real_archives_name_four_files():
    for archive in (archives.MNIST, archives.FASHION_MNIST):
        assert set(archive.files) == set(PACKED)
        assert all(len(known) == 32 for sums in archive.files.values() for known in sums)
