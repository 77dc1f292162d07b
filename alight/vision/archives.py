"""Published data sets: which files they are, where a copy may lie, and how to fetch one.

In: an archive and the folders to look in. Out: the contents of its files, checked by their md5.
A local copy is used where there is one; a download goes to `name.part`, is resumed where it broke off, checked,
and only then renamed, so that a file under its own name is always whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from alight import config
from alight.vision import idx

TIMEOUT = 5.0  # seconds: an absent network is noticed soon, a slow one still answers
CHUNK = 1 << 18
ATTEMPTS = 4  # times that one mirror may break off before the next is asked

Report = Callable[[str], None]


@dataclass(frozen=True)
class Archive:
    """A data set as it was published: its files with the md5 that each may have, packed or unpacked."""

    title: str
    folder: str  # in the cache
    torch_folder: str  # below the `root` that a program names, where torchvision keeps it
    mirrors: tuple[str, ...]
    files: dict[str, tuple[str, ...]]


class DataNotFoundError(RuntimeError):
    """A data set is neither on this machine nor to be had."""


FASHION_MNIST = Archive(
    title="Fashion-MNIST",
    folder="fashion-mnist",
    torch_folder="FashionMNIST/raw",
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    files={
        "train-images-idx3-ubyte.gz": (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        ),
        "train-labels-idx1-ubyte.gz": (
            "25c81989df183df01b3e8a0aad5dffbe",
            "9018921c3c673c538a1fc5bad174d6f9",
        ),
        "t10k-images-idx3-ubyte.gz": (
            "bef4ecab320f06d8554ea6380940ec79",
            "8181f5470baa50b63fa0f6fddb340f0a",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "bb300cfdad3c16e7a12a480ee83cd310",
            "15d484375f8d13e6eb1aabb0c3f46965",
        ),
    },
)

MNIST = Archive(
    title="MNIST",
    folder="mnist",
    torch_folder="MNIST/raw",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    files={
        "train-images-idx3-ubyte.gz": ("f68b3c2dcbeaaa9fbdd348bbdeb94873",),
        "train-labels-idx1-ubyte.gz": ("d53e105ee54ea40749a09fcbcd1e9432",),
        "t10k-images-idx3-ubyte.gz": (
            "9fb629c4189551a2d022fa330f9573f3",
            "2646ac647ad5339dbf082846283269ea",
        ),
        "t10k-labels-idx1-ubyte.gz": (
            "ec29112dd5afa0611ce80d1b7f02629c",
            "27ae3e4e09519cfbb04c329615203637",
        ),
    },
)


KMNIST = Archive(
    title="Kuzushiji-MNIST",
    folder="kmnist",
    torch_folder="KMNIST/raw",
    mirrors=("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
    files={
        "train-images-idx3-ubyte.gz": ("bdb82020997e1d708af4cf47b453dcf7",),
        "train-labels-idx1-ubyte.gz": ("e144d726b3acfaa3e44228e80efcd344",),
        "t10k-images-idx3-ubyte.gz": ("5c965bf0a639b31b8f53240b1b52f4d7",),
        "t10k-labels-idx1-ubyte.gz": ("7320c461ea6c1c855c0b718fb2a4b134",),
    },
)

_TORONTO = ("https://www.cs.toronto.edu/~kriz/",)
CIFAR10 = Archive(
    title="CIFAR-10",
    folder="cifar-10",
    torch_folder=".",
    mirrors=_TORONTO,
    files={"cifar-10-python.tar.gz": ("c58f30108f718f92721af3b95e74349a",)},
)
CIFAR100 = Archive(
    title="CIFAR-100",
    folder="cifar-100",
    torch_folder=".",
    mirrors=_TORONTO,
    files={"cifar-100-python.tar.gz": ("eb9058c3a382ffc7106e4002c42a8d85",)},
)


def cache_folder() -> Path:
    """Where downloads are kept: `ALIGHT_DATA`, else the user's cache folder."""
    if config.data_dir:
        return Path(config.data_dir)
    home = Path.home()
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "alight"
    if sys.platform == "win32":
        return home / "AppData" / "Local" / "alight" / "Cache"
    return home / ".cache" / "alight"


def places(archive: Archive, root: Path | None = None) -> Iterator[Path]:
    """The folders in which a copy of `archive` may lie, the nearest first."""
    bases = [cache_folder()] if root is None else [root, cache_folder()]
    for base in bases:
        yield from (base / archive.torch_folder, base / archive.folder, base)
    project = Path(__file__).resolve().parents[2]
    for base in (Path.cwd(), project):
        yield base.parent / "shared" / "data" / archive.folder


def copies(archive: Archive, name: str, root: Path | None = None) -> Iterator[Path]:
    """The files on this machine that may be `name`, packed or unpacked, the nearest first."""
    for place in places(archive, root):
        for candidate in (place / name, place / name.removesuffix(".gz")):
            with contextlib.suppress(OSError):
                if candidate.is_file():
                    yield candidate


def load(
    archive: Archive,
    name: str,
    root: Path | None = None,
    download: bool = True,
    report: Report = print,
) -> bytes:
    """The unpacked content of `archive`'s file `name`; raises `DataNotFoundError` where it cannot be had."""
    strangers = []
    for path in copies(archive, name, root):
        content = idx.plain_bytes(path)
        if _is_published(archive, name, path, content):
            return content
        strangers.append(str(path))
    if not download:
        other = f" ({', '.join(strangers)}: the md5 differs)" if strangers else ""
        raise DataNotFoundError(advice(archive, root) + other)
    return idx.plain_bytes(fetch(archive, name, root, report))


def _is_published(archive: Archive, name: str, path: Path, content: bytes) -> bool:
    """Whether `path` is the published file, or another compression of the same content."""
    known = archive.files[name]
    if _md5(content) in known:
        return True
    return path.suffix == ".gz" and _md5(path.read_bytes()) in known


def fetch(archive: Archive, name: str, root: Path | None = None, report: Report = print) -> Path:
    """Download one file of `archive`, from the first mirror that gives it whole."""
    folder = cache_folder() / archive.folder if root is None else root / archive.torch_folder
    target = folder / name
    part = folder / (name + ".part")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataNotFoundError(f"{advice(archive, root)} ({error})") from None
    reasons = []
    for mirror in archive.mirrors:
        try:
            _download(mirror + name, part, report)
        except (OSError, http.client.HTTPException) as error:
            reasons.append(str(getattr(error, "reason", error)))
            continue
        if _md5(part.read_bytes()) == archive.files[name][0]:
            os.replace(part, target)
            return target
        part.unlink()
        reasons.append(f"{mirror}: the md5 differs")
    raise DataNotFoundError(
        f"{advice(archive, root)} (download failed: {'; '.join(dict.fromkeys(reasons))})"
    )


def advice(archive: Archive, root: Path | None = None) -> str:
    """One line: which files are wanted, and where to put them."""
    folder = cache_folder() / archive.folder if root is None else root / archive.torch_folder
    return f"{archive.title} was not found: put {', '.join(archive.files)} into {folder}"


def _download(url: str, part: Path, report: Report) -> None:
    """Fill `part` from `url`, going on from where an earlier attempt broke off."""
    for attempt in range(ATTEMPTS):
        have = part.stat().st_size if part.exists() else 0
        try:
            _download_rest(url, part, have, report)
            return
        except urllib.error.HTTPError as error:
            if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise
            return  # there is nothing beyond what `part` holds; its md5 tells whether it is whole
        except (OSError, http.client.HTTPException):
            grown = part.exists() and part.stat().st_size > have
            if not grown or attempt == ATTEMPTS - 1:
                raise


def _download_rest(url: str, part: Path, have: int, report: Report) -> None:
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
        resumed = answer.status == http.HTTPStatus.PARTIAL_CONTENT
        left = int(answer.headers.get("Content-Length") or 0)
        report(f"{'resuming' if resumed else 'downloading'} {url} ({left / 1e6:.1f} MB)")
        received = 0
        with part.open("ab" if resumed else "wb") as file:
            while block := answer.read(CHUNK):
                file.write(block)
                received += len(block)
    if received < left:
        raise ConnectionError(f"{url} broke off after {received} of {left} bytes")


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
