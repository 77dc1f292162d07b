"""The disk cache: what was stored comes back whole or not at all."""

from __future__ import annotations

import errno
import itertools
import os
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from alight import config
from alight.backends.cpu import cache as c
from alight.backends.cpu import jit
from alight.backends.cpu.cache import Cache
from alight.backends.cpu.code import Code
from alight.backends.cpu.target import host, processor
from alight.cli import main

ROOT = Path(__file__).parents[2]
CODE = bytes(range(256)) * 20


def made(folder: Path, machine: str = "here", **options: Any) -> Cache:
    return Cache(folder / "objects", machine, **options)


def only_file(cache: Cache) -> Path:
    (found,) = [Path(path) for path, _, _ in cache._files()]
    return found


def test_what_is_stored_is_loaded(tmp_path: Path) -> None:
    first = made(tmp_path)
    assert not first.reason and first.load("key") is None
    first.store("key", CODE)
    first.store("empty", b"")
    again = made(tmp_path)
    assert again.load("key") == CODE and again.load("empty") == b"" and again.load("other") is None
    assert stat.S_IMODE(os.stat(tmp_path / "objects").st_mode) == 0o700


def test_another_machine_or_version_does_not_see_it(tmp_path: Path) -> None:
    made(tmp_path, "avx512").store("key", CODE)
    other = made(tmp_path, "avx2")
    assert other.load("key") is None
    other.store("key", b"other")
    assert made(tmp_path, "avx512").load("key") == CODE and other.load("key") == b"other"
    # Nor if the file of one machine lies where the other looks.
    first, second = made(tmp_path, "avx512")._path("key"), other._path("key")
    second.write_bytes(first.read_bytes())
    assert other.load("key") is None


def test_a_file_cut_anywhere_is_a_miss(tmp_path: Path) -> None:
    cache = made(tmp_path)
    cache.store("key", CODE)
    path = only_file(cache)
    whole = path.read_bytes()
    for length in [*range(0, 200, 7), len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:length])
        assert cache.load("key") is None, length
        assert not path.exists()  # it will be written anew
    path.write_bytes(whole + b"x")
    assert cache.load("key") is None
    cache.store("key", CODE)
    assert cache.load("key") == CODE


def test_a_flipped_bit_anywhere_is_a_miss(tmp_path: Path) -> None:
    cache = made(tmp_path)
    cache.store("key", CODE)
    path = only_file(cache)
    whole = path.read_bytes()
    for at in [*range(120), *range(120, len(whole), 97), len(whole) - 1]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        path.write_bytes(damaged)
        assert cache.load("key") is None, at


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = made(tmp_path)
    tried = []

    def full(path: Path, data: bytes) -> None:
        tried.append(path)
        path.write_bytes(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(c, "_write", full)
    for n in range(10):
        cache.store(f"key{n}", CODE)
    assert len(tried) == c.FAILURES and "No space left" in cache.reason
    assert list(cache._files()) == []  # nothing half written stays
    assert cache.load("key5") == CODE  # memory serves this process


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "objects").write_text("a file is in the way")
    cache = made(tmp_path)
    assert cache.reason
    cache.store("key", CODE)
    assert cache.load("key") == CODE and cache.clear() == 0


def test_a_folder_without_permissions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path).store("key", CODE)
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    cache = made(tmp_path)
    assert "cannot be written" in cache.reason and cache.load("key") is None
    cache.store("key", CODE)
    assert cache.load("key") == CODE


def test_permissions_taken_away_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = made(tmp_path)
    cache.store("key", CODE)

    def refused(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    assert cache.load("key") is None
    cache.store("other", CODE)
    assert cache.load("key") is None


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="owners are POSIX's")
def test_what_others_can_write_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = made(tmp_path)
    cache.store("key", CODE)
    path = only_file(cache)
    os.chmod(path, 0o666)
    assert cache.load("key") is None
    os.chmod(path, 0o600)
    assert cache.load("key") == CODE
    os.chmod(tmp_path / "objects", 0o777)
    assert "others can write" in made(tmp_path).reason
    os.chmod(tmp_path / "objects", 0o700)
    elsewhere = tmp_path / "elsewhere"
    os.rename(path, elsewhere)
    os.symlink(elsewhere, path)
    assert cache.load("key") is None
    os.unlink(path)
    os.rename(elsewhere, path)
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    if os.stat(path).st_uid != 0:
        assert cache.load("key") is None


def test_the_folder_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chances = itertools.cycle([0.0, 0.5, 0.9])  # at the last of them nobody looks
    monkeypatch.setattr(c, "_chance", lambda: next(chances))
    cache = made(tmp_path, limit=100_000)
    now = time.time()
    for n in range(60):
        cache.store(f"key{n}", CODE)
        os.utime(cache._path(f"key{n}"), (now - 1e6 + n, now - 1e6 + n))
        if n % 5 == 0:
            assert cache.load("key0") == CODE  # used, so it stays
    total = sum(size for _, size, _ in cache._files())
    assert total <= 110_000
    assert cache.load("key0") == CODE and cache.load("key59") == CODE and cache.load("key5") is None


def test_what_interrupted_writers_left_goes(tmp_path: Path) -> None:
    cache = made(tmp_path, limit=1000)
    old, new = (tmp_path / "objects" / f".x{n}.object.1.1{c.ASIDE}" for n in range(2))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (1, 1))
    cache.store("key", CODE)
    assert not old.exists() and new.exists()


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(c, "MEMORY_LIMIT", 50_000)
    cache = Cache(None, "here")
    for n in range(100):
        cache.store(f"key{n}", CODE)
        cache.store(f"key{n}", CODE)
    assert sum(map(len, cache.memory.values())) == cache.memory_bytes <= 50_000
    assert cache.load("key99") == CODE and cache.load("key0") is None


WRITER = """
import sys
from pathlib import Path
from alight.backends.cpu.cache import Cache
cache = Cache(Path(sys.argv[1]), "here", limit=400_000)
wrong = 0
for n in range(300):
    key = f"key{n % 40}"
    expected = key.encode() * 1000
    found = cache.load(key)
    wrong += found not in (None, expected)
    if found is None:
        cache.store(key, expected)
print(wrong, cache.failures)
"""


def test_eight_processes_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path / "objects")]
    writers = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) for _ in range(8)
    ]
    assert [writer.communicate(timeout=100)[0] for writer in writers] == ["0 0\n"] * 8
    cache = made(tmp_path)
    assert all(not entry.fault for entry in cache.entries())
    assert not [path for path, _, _ in cache._files() if path.endswith(c.ASIDE)]


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The process's cache in a folder of the test's."""
    monkeypatch.setattr(config, "cache_dir", str(tmp_path))
    return tmp_path


def test_code_from_the_cache_runs(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = Code("answer", [], "i64")
    text = jit.module_text([code.finish(code.integer(42))], [], host())
    first = c.object_code(text)
    monkeypatch.setattr(jit, "object_code", lambda *args: pytest.fail("compiled again"))
    monkeypatch.setattr(c, "_cache", None)
    assert c.object_code(text) == first
    import ctypes

    module = jit.link(first, ["answer"])
    assert ctypes.CFUNCTYPE(ctypes.c_int64)(module.addresses["answer"])() == 42


def test_the_processor_is_part_of_the_key(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    c.store("key", CODE)
    assert c.load("key") == CODE
    here = c.machine_text()
    assert processor() in here
    monkeypatch.setattr(c, "_cache", None)
    monkeypatch.setattr(c, "machine_text", lambda: here.replace(processor(), "another"))
    assert c.load("key") is None


def test_the_command(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    c.store("one", CODE)
    c.store("two", CODE)
    made_elsewhere = Cache(c.default_folder(), "another machine")
    made_elsewhere.store("one", CODE)
    assert main(["cache", "show"]) == 0
    assert "entries  3, of this machine and these versions 2" in capsys.readouterr().out
    assert main(["cache", "verify"]) == 0
    c.cache()._path("one").write_bytes(b"nonsense")
    assert main(["cache", "verify"]) == 1
    assert "1 damaged" in capsys.readouterr().out
    assert main(["cache", "clear"]) == 0
    assert "3 entries removed" in capsys.readouterr().out
    assert list(c.cache().entries()) == []
