"""`save` and `load`: PyTorch's checkpoints, both ways.

In: tensors and plain data, or a file. Out: a file that `torch.load` reads, or what a file holds. A
file is written whole or not at all; reading one builds tensors and plain data, and never runs
anything that it names.
"""

from __future__ import annotations

import io
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from alight.device import CPU, device
from alight.dtypes import dtype
from alight.errors import fail, not_implemented
from alight.io import archive, files, pickling, unpickling
from alight.io.allowed import Allowed, full_name
from alight.io.tensors import UNTYPED, Saving, Storage

FORMAT_VERSION = b"3\n"

MapLocation = None | str | device | Mapping[str, Any] | Callable[[Storage, str], Storage | None]

_safe_globals: list[Any] = []


def save(
    obj: Any,
    f: files.Place,
    pickle_module: Any = None,
    pickle_protocol: int = 2,
    _use_new_zipfile_serialization: bool = True,
    _disable_byteorder_record: bool = False,
) -> None:
    """Write `obj`, mostly a state_dict, to a path or an open binary file, as a checkpoint of
    PyTorch's.

    Tensors that share memory share it again when they are loaded. A file of that name is replaced
    in one step.
    Differs: protocol 2 is written whatever `pickle_protocol` says, for every reader takes it.
    Errors: pickle.PicklingError for functions and classes that no module holds.

    >>> import io, alight as torch
    >>> file = io.BytesIO()
    >>> torch.save({"weight": torch.ones(2), "epoch": 3}, file)
    >>> _ = file.seek(0)
    >>> torch.load(file)
    {'weight': tensor([1., 1.]), 'epoch': 3}
    """
    if pickle_module not in (None, pickle):
        not_implemented("another pickle_module", "leaving the argument out")
    if not _use_new_zipfile_serialization:
        not_implemented(
            "the format of PyTorch before 1.6", "leaving _use_new_zipfile_serialization out"
        )
    if not files.is_path(f) and not hasattr(f, "write"):
        fail(
            AttributeError,
            f"expected 'f' to be string, path, or a file-like object with a 'write' attribute, not {f!r}",
        )
    saving = Saving()
    content = pickling.encode(obj, saving.describe)
    folder = Path(f).stem if files.is_path(f) else "archive"  # type: ignore[arg-type]
    files.write(f, lambda file: _write_archive(file, folder, content, saving))


def _write_archive(file: IO[bytes], folder: str, content: bytes, saving: Saving) -> None:
    writer = archive.Writer(file, folder)
    writer.write("data.pkl", content)
    writer.write("byteorder", b"little")
    for key, storage in enumerate(saving.contents()):
        writer.write(f"data/{key}", storage)
    writer.write("version", FORMAT_VERSION)
    writer.close()


def load(
    f: files.Place,
    map_location: MapLocation = None,
    pickle_module: Any = None,
    *,
    weights_only: bool | None = None,
    mmap: bool | None = None,
    **pickle_load_args: Any,
) -> Any:
    """What a checkpoint holds, from a path or an open binary file.

    `map_location` moves storages: a device for all, a dict from device to device, or a function of
    a storage and its device's name. Differs: `weights_only=False` runs no code of the file's
    either; classes of your own are built only after `torch.serialization.add_safe_globals`. With
    `mmap` the file is read all the same.
    Errors: UnpicklingError naming what a file asks for and may not have; RuntimeError for a damaged
    file.

    See `save` for an example.
    """
    if pickle_module not in (None, pickle):
        not_implemented("another pickle_module", "leaving the argument out")
    if files.is_path(f):
        with open(os.fspath(f), "rb") as file:  # type: ignore[arg-type]
            return _load(file, os.fspath(f), map_location)  # type: ignore[arg-type]
    _check_seekable(f)
    return _load(f, str(getattr(f, "name", "the file given")), map_location)  # type: ignore[arg-type]


def _check_seekable(f: Any) -> None:
    try:
        f.seek(f.tell())
    except (OSError, AttributeError) as error:
        fail(
            AttributeError if isinstance(error, AttributeError) else io.UnsupportedOperation,
            f"{error}. You can only torch.load from a file that is seekable. Please pre-load the data into a buffer "
            "like io.BytesIO and try to load from it instead.",
        )


def _load(file: IO[bytes], name: str, map_location: MapLocation) -> Any:
    start = file.read(64)
    file.seek(-len(start), os.SEEK_CUR)
    if not start:
        fail(EOFError, "Ran out of input", [f"{name} is empty"])
    if archive.is_legacy(start):
        not_implemented(
            f"the format of PyTorch before 1.6, in which {name} is",
            "torch.save(torch.load(path), path) with PyTorch once",
        )
    if not archive.is_zip(start):
        fail(
            RuntimeError,
            "Invalid magic number; corrupt file?",
            [f"{name} does not begin as a checkpoint does"],
            "alight.io.safetensors.load_file for safetensors",
        )
    reader = archive.Reader(file, name)
    if "constants.pkl" in reader:
        not_implemented(f"TorchScript archives, of which {name} is one", "saving a state_dict()")
    storages = _Storages(reader, map_location)
    content = reader.read("data.pkl").tobytes()
    return unpickling.decode(content, Allowed(_safe_globals), storages.load, name)


class _Storages:
    """The storages of one file, each read when the first tensor asks for it."""

    def __init__(self, reader: archive.Reader, map_location: MapLocation) -> None:
        self.reader, self.map_location = reader, map_location
        big = "byteorder" in reader and reader.read("byteorder").tobytes() == b"big"
        self.big_endian = big
        self.found: dict[str, Storage] = {}

    def load(self, identity: tuple[Any, ...]) -> Storage:
        """The storage that a pickle calls ("storage", its type, key, device, number of
        elements)."""
        if len(identity) != 5 or identity[0] != "storage":
            raise ValueError("something kept outside the pickle that is no storage")
        _, kind, key, location, count = identity
        if type(key) is not str or type(location) is not str or type(count) is not int or count < 0:
            raise ValueError("a storage without a key, a device and a size")
        of = kind if isinstance(kind, dtype) else None
        if of is None and kind != UNTYPED:
            raise ValueError("a storage without a type")
        if key not in self.found:
            raw = self.reader.read(f"data/{key}")
            needed = count * (of.itemsize if of else 1)
            if needed > raw.size:
                raise ValueError(f"storage {key} claims {needed} bytes and has {raw.size}")
            storage = Storage(raw[:needed], of, CPU, self.big_endian)
            self.found[key] = _moved(storage, location, self.map_location)
        return self.found[key]


def _moved(storage: Storage, location: str, map_location: MapLocation) -> Storage:
    """The storage on the device where it belongs."""
    if callable(map_location):
        moved = map_location(storage, location)
        moved = storage.to(location) if moved is None else moved
    elif isinstance(map_location, Mapping):
        moved = storage.to(map_location.get(location, location))
    else:
        moved = storage.to(location if map_location is None else map_location)
    kind = moved.device.type
    if kind not in ("cpu", "meta"):
        fail(
            RuntimeError,
            f"Attempting to deserialize object on a {kind.upper()} device but torch.{kind}.is_available() is False. "
            "If you are running on a CPU-only machine, please use torch.load with map_location=torch.device('cpu') "
            "to map your storages to the CPU.",
        )
    return moved


# -- classes of the user's
# ----------------------------------------------------------------------------------------


def add_safe_globals(safe_globals: list[Any]) -> None:
    """Let `load` build these classes, and call these functions, when a file names them.

    Each is a class or function, or a pair of one and the full name that files use for it.
    """
    for entry in safe_globals:
        if not isinstance(entry, tuple):
            full_name(entry)  # complains where there is none
        if entry not in _safe_globals:
            _safe_globals.append(entry)


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` was given."""
    return list(_safe_globals)


def clear_safe_globals() -> None:
    """Forget what `add_safe_globals` was given."""
    _safe_globals.clear()


@contextmanager
def safe_globals(allowed: list[Any]) -> Iterator[None]:
    """`add_safe_globals` for the length of a with block."""
    before = get_safe_globals()
    add_safe_globals(allowed)
    try:
        yield
    finally:
        _safe_globals[:] = before
