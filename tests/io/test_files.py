"""Files are written whole or not at all."""

from __future__ import annotations

import io
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import alight
from alight.io import load, safetensors, save

OLD, NEW = {"a": 1}, {"a": alight.from_numpy(np.ones(1000, np.float32))}


class Unsavable:
    """Its pickling breaks off."""

    def __reduce__(self) -> Any:
        raise ZeroDivisionError


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model.pt"
    save(OLD, path)
    with pytest.raises(ZeroDivisionError):
        save([Unsavable()], path)
    with pytest.raises(pickle.PicklingError, match="not found as"):
        save(lambda: None, path)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        save(NEW, path)
    with pytest.raises(OSError, match="No space"):
        safetensors.save_file(NEW, path)
    assert load(path) == OLD
    assert os.listdir(tmp_path) == ["model.pt"]


def test_a_killed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    save(OLD, path)
    program = (
        "import os, alight, numpy as np; from alight.io import save\n"
        "os.replace = lambda *_: os._exit(9)\n"
        f"save({{'a': alight.from_numpy(np.ones(10))}}, {str(path)!r})"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    assert load(path) == OLD


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "target.pt", tmp_path / "link.pt"
    save(OLD, target)
    plain = tmp_path / "plain"
    plain.touch()
    assert stat.S_IMODE(target.stat().st_mode) == stat.S_IMODE(plain.stat().st_mode)
    target.chmod(0o640)
    link.symlink_to(target)
    save(NEW, link)
    assert link.is_symlink() and stat.S_IMODE(target.stat().st_mode) == 0o640
    assert load(target)["a"].numpy().sum() == 1000


def test_open_files_and_pipes(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    save(NEW, buffer)
    buffer.seek(0)
    assert torch.load(buffer)["a"].sum() == 1000
    with (tmp_path / "file.pt").open("wb") as file:
        save(NEW, file)
    with (tmp_path / "file.pt").open("rb") as file:
        assert load(file)["a"].numpy().sum() == 1000
    read, write = os.pipe()
    with os.fdopen(write, "wb") as out:
        save(OLD, out)
    with os.fdopen(read, "rb") as into:
        content = into.read()
    assert torch.load(io.BytesIO(content)) == load(io.BytesIO(content)) == OLD


def test_a_file_that_cannot_seek() -> None:
    read, write = os.pipe()
    os.close(write)
    with os.fdopen(read, "rb") as file, pytest.raises(io.UnsupportedOperation, match="is seekable"):
        load(file)


def test_what_is_no_file() -> None:
    with pytest.raises(AttributeError, match="'write' attribute"):
        save(OLD, 3)  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError):
        load("there/is/no/such/file.pt")
    with pytest.raises(RuntimeError, match="Parent directory there/is/no/such does not exist"):
        save(OLD, "there/is/no/such/folder.pt")
