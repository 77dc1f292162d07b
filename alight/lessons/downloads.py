"""Files that the notes use: where they are published, and a copy on this machine.

In: a name of the table. Out: the path of a file whose SHA-1 is the published one. A copy is looked for in the given
folder, in `ALIGHT_DATA` and in the user's cache folder before anything is fetched; what is fetched appears whole or
not at all.
"""

from __future__ import annotations

import hashlib
import http.client
import tarfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

from alight.errors import fail
from alight.io import files
from alight.vision.archives import TIMEOUT, DataNotFoundError, cache_folder

DATA_URL = "http://d2l-data.s3-accelerate.amazonaws.com/"

DATA_HUB: dict[str, tuple[str, str | None]] = {
    "time_machine": (DATA_URL + "timemachine.txt", "090b5e7e70c295757f55df93cb0a180b9691891a"),
    "fra-eng": (DATA_URL + "fra-eng.zip", "94646ad1522d915e7b0f9296181140edcf86a4f5"),
    "airfoil": (DATA_URL + "airfoil_self_noise.dat", "76e5be1548fd8222e5074cf0faae75edff8cf93f"),
    "kaggle_house_train": (
        DATA_URL + "kaggle_house_pred_train.csv",
        "585e9cc93e70b39160e7921475f9bcd7d31219ce",
    ),
    "kaggle_house_test": (
        DATA_URL + "kaggle_house_pred_test.csv",
        "fa19780a7b011d9b009e8bff8e99922a8ee2eb90",
    ),
}


def download(name: str, cache_dir: str | None = None) -> str:
    """The path of the file `name` of DATA_HUB, or of a URL; fetched where this machine has no
    copy.

    >>> from alight import lessons as d2l
    >>> "time_machine" in d2l.DATA_HUB  # path = d2l.download("time_machine")
    True
    """
    url, digest = _published(name)
    folder = Path(cache_dir) if cache_dir else cache_folder() / "d2l"
    file_name = urllib.parse.urlparse(url).path.rpartition("/")[2]
    for path in _copies(folder, file_name):
        if path.is_file() and (digest is None or _sha1(path) == digest):
            return str(path)
    return str(_fetch(url, digest, folder / file_name))


def download_extract(name: str, folder: str | None = None) -> str:
    """Download an archive (zip or tar) and unpack it beside itself; the path of the unpacked
    folder.

    >>> from alight import lessons as d2l
    >>> callable(d2l.download_extract)  # folder = d2l.download_extract("fra-eng")
    True
    """
    packed = Path(download(name))
    inside = packed.parent
    if packed.suffix == ".zip":
        with zipfile.ZipFile(packed) as archive:
            archive.extractall(inside)  # zipfile keeps members inside the folder
    elif packed.suffix in (".tar", ".gz", ".tgz"):
        with tarfile.open(packed) as archive:
            archive.extractall(inside, filter="data")
    else:
        fail(AssertionError, "Only zip/tar files can be extracted.", [f"this is {packed.name}"])
    return str(inside / folder) if folder else str(packed.with_suffix("").with_suffix(""))


def download_all() -> None:
    """Download every file of DATA_HUB.

    >>> from alight import lessons as d2l
    >>> len(d2l.DATA_HUB) > 0  # d2l.download_all()
    True
    """
    for name in DATA_HUB:
        download(name)


def _published(name: str) -> tuple[str, str | None]:
    if name in DATA_HUB:
        return DATA_HUB[name]
    if name.startswith(("http://", "https://")):
        return name, None
    fail(AssertionError, f"{name} does not exist in DATA_HUB.", [f"it has {', '.join(DATA_HUB)}"])


def _copies(folder: Path, name: str) -> Iterator[Path]:
    cache = cache_folder()
    for place in (folder, Path("..", "data"), cache / "d2l", cache / "text", cache):
        yield place / name


def _sha1(path: Path) -> str:
    return hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()


def _fetch(url: str, digest: str | None, target: Path) -> Path:
    print(f"Downloading {target} from {url}...")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DataNotFoundError(
            f"{target.name} was not found: put it into {target.parent} (download failed: {reason})"
        ) from None
    if digest is not None and hashlib.sha1(content, usedforsecurity=False).hexdigest() != digest:
        raise DataNotFoundError(f"{url} is not the published file: its SHA-1 differs")
    target.parent.mkdir(parents=True, exist_ok=True)
    files.write(target, lambda file: file.writelines([content]))
    return target
