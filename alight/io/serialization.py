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
from alight.io import archive, files, legacy, pickling, unpickling
from alight.io.allowed import Allowed, full_name
from alight.io.legacy import Moved
from alight.io.program_classes import ProgramAllowed
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
    files.check_folder(f)
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
    """What a checkpoint holds, from a path or an open file.

    PyTorch's zip and legacy formats alike. map_location moves tensors: a device, a dictionary
    of devices, or a function of a storage and its device. mmap=True maps the file instead of
    reading it.

    Errors: UnpicklingError for what is not allowed, RuntimeError for a damaged file, FileNotFoundError
    where there is none.
    Differs: nothing that a file names is imported or run, with `weights_only=False` neither.
    That allows besides modules saved whole, and objects of classes that the program has defined
    or imported; they are made without their constructors. Other classes are built after
    `torch.serialization.add_safe_globals`.

    >>> import io
    >>> import alight as torch
    >>> file = io.BytesIO()
    >>> torch.save({"w": torch.ones(2)}, file)
    >>> _ = file.seek(0)
    >>> torch.load(file)
    {'w': tensor([1., 1.])}
    """
    if pickle_module not in (None, pickle):
        not_implemented("another pickle_module", "leaving the argument out")
    kind = ProgramAllowed if weights_only is False else Allowed
    loading = _Loading(kind(_safe_globals), map_location, bool(mmap))
    if files.is_path(f):
        with open(os.fspath(f), "rb") as file:  # type: ignore[arg-type]
            return loading.read(file, os.fspath(f))  # type: ignore[arg-type]
    if mmap:
        fail(ValueError, "f must be a file path in order to use the mmap argument")
    _check_seekable(f)
    return loading.read(f, str(getattr(f, "name", "the file given")))  # type: ignore[arg-type]


def _check_seekable(f: Any) -> None:
    try:
        f.seek(f.tell())
    except (OSError, AttributeError) as error:
        fail(
            AttributeError if isinstance(error, AttributeError) else io.UnsupportedOperation,
            f"{error}. You can only torch.load from a file that is seekable. Please pre-load the data into a buffer "
            "like io.BytesIO and try to load from it instead.",
        )


class _Loading:
    """How one file is to be read."""

    def __init__(self, allowed: Allowed, map_location: MapLocation, mmap: bool) -> None:
        self.allowed, self.map_location, self.mmap = allowed, map_location, mmap

    def read(self, file: IO[bytes], name: str) -> Any:
        """What an open file holds, whatever its format."""
        start = file.read(64)
        file.seek(-len(start), os.SEEK_CUR)
        if not start:
            fail(EOFError, "Ran out of input", [f"{name} is empty"])
        if archive.is_legacy(start):
            if self.mmap:
                fail(
                    RuntimeError,
                    "mmap can only be used with files saved with "
                    "`torch.save(_use_new_zipfile_serialization=True), please torch.save your checkpoint with this "
                    "option in order to use mmap.",
                )
            return legacy.read(file, self.allowed, self._moved, name)
        if not archive.is_zip(start):
            fail(
                RuntimeError,
                "Invalid magic number; corrupt file?",
                [f"{name} does not begin as a checkpoint does"],
                "alight.io.safetensors.load_file for safetensors",
            )
        return self._of_archive(archive.Reader(file, name), name)

    def _of_archive(self, reader: archive.Reader, name: str) -> Any:
        if "constants.pkl" in reader:
            not_implemented(
                f"TorchScript archives, of which {name} is one", "saving a state_dict()"
            )
        storages = _Storages(reader, self._moved, name if self.mmap else None)
        content = reader.read("data.pkl").tobytes()
        found = unpickling.decode(content, self.allowed, storages.load, name)
        return found.typed() if isinstance(found, Storage) else found

    def _moved(self, storage: Storage, location: str) -> Storage:
        return _moved(storage, location, self.map_location)


class _Storages:
    """The storages of one file, each read when the first tensor asks for it."""

    def __init__(self, reader: archive.Reader, moved: Moved, mapped: str | None) -> None:
        self.reader, self.moved, self.mapped = reader, moved, mapped
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
            record = f"data/{key}"
            raw = self.reader.map(record, self.mapped) if self.mapped else self.reader.read(record)
            needed = count * (of.itemsize if of else 1)
            if needed > raw.size:
                raise ValueError(f"storage {key} claims {needed} bytes and has {raw.size}")
            storage = Storage(raw[:needed], of, CPU, self.big_endian)
            self.found[key] = self.moved(storage, location)
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

    >>> import alight as torch
    >>> from collections import Counter
    >>> torch.serialization.add_safe_globals([Counter])
    >>> torch.serialization.get_safe_globals()
    [<class 'collections.Counter'>]
    >>> torch.serialization.clear_safe_globals()
    """
    for entry in safe_globals:
        if not isinstance(entry, tuple):
            full_name(entry)  # complains where there is none
        if entry not in _safe_globals:
            _safe_globals.append(entry)


def get_safe_globals() -> list[Any]:
    """What `add_safe_globals` was given.

    >>> import alight as torch
    >>> torch.serialization.get_safe_globals()
    []
    """
    return list(_safe_globals)


def clear_safe_globals() -> None:
    """Forget what `add_safe_globals` was given.

    >>> import alight as torch
    >>> torch.serialization.clear_safe_globals()
    >>> torch.serialization.get_safe_globals()
    []
    """
    _safe_globals.clear()


@contextmanager
def safe_globals(allowed: list[Any]) -> Iterator[None]:
    """`add_safe_globals` for the length of a with block.

    >>> import alight as torch
    >>> from collections import Counter
    >>> with torch.serialization.safe_globals([Counter]):
    ...     print(torch.serialization.get_safe_globals())
    [<class 'collections.Counter'>]
    """
    before = get_safe_globals()
    add_safe_globals(allowed)
    try:
        yield
    finally:
        _safe_globals[:] = before


def get_unsafe_globals_in_checkpoint(f: files.Place) -> list[str]:
    """The names that a checkpoint uses and that `load` would refuse, in the order of the alphabet.

    >>> import io, alight as torch
    >>> file = io.BytesIO()
    >>> torch.save({"size": torch.Size([2])}, file)
    >>> _ = file.seek(0)
    >>> get_unsafe_globals_in_checkpoint(file)
    []
    """
    if files.is_path(f):
        with open(os.fspath(f), "rb") as file:  # type: ignore[arg-type]
            return get_unsafe_globals_in_checkpoint(file)
    reader = archive.Reader(f, str(getattr(f, "name", "the file given")))  # type: ignore[arg-type]
    allowed = Allowed(_safe_globals)
    names = unpickling.globals_of(reader.read("data.pkl").tobytes())
    return sorted(name for name in names if not allowed.has(name))
