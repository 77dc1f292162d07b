"""Writing files whole or not at all.

In: a path or file object and a function that writes. Out: the file, replaced in one step.
Whatever goes wrong, an older file of that name stays as it was.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from alight.errors import fail

Place = str | os.PathLike[str] | IO[bytes]


def is_path(place: Any) -> bool:
    """Whether `place` names a file, as opposed to being an open one."""
    return isinstance(place, (str, os.PathLike))


def check_folder(place: Any) -> None:
    """PyTorch's error where the folder of a path is not there."""
    folder = os.path.dirname(place) if is_path(place) else ""
    if folder and not os.path.isdir(folder):
        fail(
            RuntimeError,
            f"Parent directory {folder} does not exist.",
            try_=f"os.makedirs({folder!r}, exist_ok=True) before it",
        )


def write(place: Any, fill: Callable[[IO[bytes]], None]) -> None:
    """Let `fill` write to `place`, a path or an open file."""
    if not is_path(place):
        fill(place)
        return
    path = Path(os.path.realpath(place))  # a link stays, what it points to is replaced
    if path.exists() and not path.is_file():  # a pipe or a device cannot be replaced
        with path.open("wb") as file:
            fill(file)
        return
    _replace(path, fill)


def _replace(path: Path, fill: Callable[[IO[bytes]], None]) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _mode(path))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
    _sync_folder(path.parent)


def _mode(path: Path) -> int:
    """Permissions of the file that is replaced, or those of a new file; mkstemp's are the owner's
    alone."""
    with contextlib.suppress(OSError):
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable, where the system lets a folder be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
