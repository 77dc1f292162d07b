"""Damaged and malicious files: a clear error, nothing run, no memory beyond what the file holds."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import pickle
import random
import struct
import subprocess
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from alight.errors import UnpicklingError
from alight.io import load

EXPECTED = (RuntimeError, EOFError, NotImplementedError)  # UnpicklingError is a RuntimeError


def archive(content: bytes, records: dict[str, bytes] | None = None) -> io.BytesIO:
    """A checkpoint with this pickle."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("archive/data.pkl", content)
        for name, record in (records or {}).items():
            made.writestr(f"archive/{name}", record)
    file.seek(0)
    return file


def checkpoint() -> bytes:
    weights = torch.arange(6.0).view(2, 3)
    file = io.BytesIO()
    torch.save(
        {
            "w": weights,
            "row": weights[0],
            "half": torch.ones(3).bfloat16(),
            "epoch": 3,
            "lr": 0.1,
            "names": ["a", "b"],
        },
        file,
    )
    return file.getvalue()


class Evil:
    """Runs a command when an ordinary unpickler reads it."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("function", "argument"),
    [
        (os.system, "touch here"),
        (eval, "1/0"),
        (exec, "raise SystemExit"),
        (getattr, "x"),
        (open, "here"),
        (__import__, "os"),
        (bytearray, 10**12),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
def test_nothing_runs(
    function: Any, argument: Any, protocol: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    evil = pickle.dumps({"a": Evil(function, argument)}, protocol)
    with pytest.raises(UnpicklingError) as error:
        load(archive(evil), weights_only=False)
    assert os.listdir(tmp_path) == []
    if function is os.system and protocol >= 2:
        assert "GLOBAL posix.system was not an allowed global" in str(error.value)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


STORAGE = b"((" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu") + b"K\x06tQ"


def tensor(offset: bytes, shape: bytes, strides: bytes) -> bytes:
    """A pickle of one tensor over a storage of six floats."""
    rest = b"\x89ccollections\nOrderedDict\n)R"
    return (
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n"
        + STORAGE
        + offset
        + shape
        + strides
        + rest
        + b"tR."
    )


def number(value: int) -> bytes:
    content = pickle.encode_long(value)
    return b"\x8a" + bytes([len(content)]) + content


OUTSIDE = {
    "beyond the end": (number(0), b"K\x07\x85", b"K\x01\x85"),
    "offset beyond": (number(6), b"K\x01\x85", b"K\x01\x85"),
    "negative offset": (number(-1), b"K\x01\x85", b"K\x01\x85"),
    "huge stride": (number(0), b"K\x02\x85", number(2**62) + b"\x85"),
    "negative stride": (number(5), b"K\x02\x85", number(-1) + b"\x85"),
    "wrapping product": (
        number(0),
        number(2**33) + number(2**33) + b"\x86",
        number(2**31) + b"K\x01\x86",
    ),
    "beyond 64 bits": (number(2**70), b"K\x01\x85", b"K\x01\x85"),
    "overlapping": (number(0), b"K\x03" * 3 + b"\x87", b"K\x01" * 3 + b"\x87"),
    "fewer strides": (number(0), b"K\x02K\x03\x86", b"K\x01\x85"),
    "sizes that are text": (number(0), text("ab") + b"\x85", b"K\x01\x85"),
    "sizes in a list": (number(0), b"](K\x02e", b"K\x01\x85"),
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_tensors_stay_inside_their_storage(name: str) -> None:
    with pytest.raises((UnpicklingError, NotImplementedError)):
        load(archive(tensor(*OUTSIDE[name]), {"data/0": bytes(24)}))


def test_the_same_pickle_unharmed() -> None:
    found = load(
        archive(tensor(number(0), b"K\x02K\x03\x86", b"K\x03K\x01\x86"), {"data/0": bytes(24)})
    )
    assert found.tolist() == [[0, 0, 0], [0, 0, 0]]


BOMBS = {
    "long text": b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"a.",
    "long bytes": b"\x80\x05\x8e" + struct.pack("<Q", 2**40) + b"a.",
    "long integer": b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"a.",
    "a tuple of tuples as a key": b"\x80\x02}" + b"N" + b"q\x00h\x00\x86" * 200 + b"Ns.",
    "a bytearray by its size": b"\x80\x02c__builtin__\nbytearray\n" + number(2**40) + b"\x85R.",
    "a numpy array": pickle.dumps(np.zeros(3), 2).replace(b"K\x03\x85q", number(2**40) + b"\x85q"),
    "numpy objects": pickle.dumps(np.array([Evil(os.system, "true")]), 2),
    "a numpy dtype": b"\x80\x02cnumpy\ndtype\n" + text("S99999999999") + b"\x89\x88\x87R.",
    "a storage": tensor(number(0), number(2**40) + b"\x85", b"K\x01\x85").replace(
        b"K\x06tQ", number(2**40) + b"tQ"
    ),
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_is_bounded_by_the_file(name: str) -> None:
    file = archive(BOMBS[name], {"data/0": bytes(24)})
    tracemalloc.start()
    try:
        with pytest.raises(EXPECTED):
            load(file)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x02Nr\xff\xff\xff\xff0j\xff\xff\xff\xff.",
        b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.",
    ],
    ids=["memo", "frame"],
)
def test_large_numbers_that_cost_nothing(content: bytes) -> None:
    assert load(archive(content)) is None


MALFORMED = {
    "empty": b"",
    "no stop": b"\x80\x02N",
    "two objects": b"\x80\x02NN.",
    "nothing": b"\x80\x02.",
    "open mark": b"\x80\x02(N.",
    "pop of nothing": b"\x80\x020.",
    "items without a mark": b"\x80\x02]e.",
    "fills a number": b"\x80\x02K\x01Na.",
    "an odd dict": b"\x80\x02}(Nu.",
    "recall of nothing": b"\x80\x02h\x07.",
    "call of a number": b"\x80\x02K\x01)R.",
    "call of a tensor class": b"\x80\x02ctorch\nTensor\n)R.",
    "arguments in a list": b"\x80\x02ccollections\nOrderedDict\n]R.",
    "state for a list": b"\x80\x02]}b.",
    "state for a class": b"\x80\x02ccollections\nOrderedDict\n}b.",
    "a future protocol": b"\x80\x09N.",
    "text protocol": b"(dp0\n.",
    "a list as a key": b"\x80\x02}]Ns.",
    "no utf-8": b"\x80\x02X\x01\x00\x00\x00\xff.",
    "an unknown storage": b"\x80\x02(" + text("storage") + b"tQ.",
    "a module": b"\x80\x02ctorch\n\n.",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_pickles(name: str) -> None:
    with pytest.raises(UnpicklingError, match="Weights only load failed"):
        load(archive(MALFORMED[name]))


def test_dtypes_that_alight_has_not() -> None:
    file = io.BytesIO()
    torch.save(torch.zeros(3).to(torch.float8_e4m3fn), file)
    file.seek(0)
    with pytest.raises(
        UnpicklingError, match=r"alight has nothing that stands for torch\.float8_e4m3fn"
    ):
        load(file)


def test_archives_that_lie() -> None:
    content = checkpoint()
    with pytest.raises(EOFError, match="Ran out of input"):
        load(io.BytesIO())
    for cut in (1, 3, 10, 100, len(content) // 2, len(content) - 1):
        with pytest.raises(EXPECTED):
            load(io.BytesIO(content[:cut]))
    with pytest.raises(RuntimeError, match=r"more than one data\.pkl"):
        two = archive(b"\x80\x02N.")
        with zipfile.ZipFile(two, "a") as made:
            made.writestr("other/data.pkl", b"\x80\x02N.")
        two.seek(0)
        load(two)
    compressed = io.BytesIO()
    with zipfile.ZipFile(compressed, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("archive/data.pkl", b"\x80\x02N." + bytes(10**6))
    compressed.seek(0)
    with pytest.raises(RuntimeError, match="is compressed"):
        load(compressed)
    with pytest.raises(RuntimeError, match="Invalid magic number"):
        load(io.BytesIO(b"not a checkpoint"))


def test_other_formats_say_what_to_do() -> None:
    scripted = archive(b"\x80\x02N.", {"constants.pkl": b"\x80\x02)."})
    with pytest.raises(NotImplementedError, match="TorchScript"):
        load(scripted)


def same(found: Any) -> bool:
    """Whether nothing that the pickle says was changed."""
    return isinstance(found, dict) and found.keys() == {"w", "row", "half", "epoch", "lr", "names"}


def legacy_checkpoint() -> bytes:
    file = io.BytesIO()
    content = torch.load(io.BytesIO(checkpoint()))
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def mutated(content: bytes, draw: random.Random) -> bytes:
    """`content` with a few bytes changed, and sometimes a piece cut out or said twice."""
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 8])):
        changed[draw.randrange(len(changed))] = draw.choice([0, 1, 0x7F, 0xFF, draw.randrange(256)])
    if draw.random() < 0.2:
        start = draw.randrange(len(changed))
        del changed[start : start + draw.randrange(1, 64)]
    elif draw.random() < 0.1:
        start = draw.randrange(len(changed))
        changed[start:start] = changed[start : start + draw.randrange(1, 64)]
    return bytes(changed)


def load_mutated(count: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each mutated file gives an error of ours or data; nothing runs, and memory stays bounded."""

    def forbidden(*arguments: Any, **options: Any) -> None:
        raise SystemExit("a file has run something")

    for module, name in ((os, "system"), (subprocess, "Popen"), (builtins, "eval")):
        monkeypatch.setattr(module, name, forbidden)
    draw = random.Random(seed)
    sources = [checkpoint(), legacy_checkpoint()]
    tracemalloc.start()
    try:
        for number in range(count):
            content = mutated(draw.choice(sources), draw)
            with contextlib.suppress(*EXPECTED):
                found = load(io.BytesIO(content), weights_only=number % 2 == 0)
                assert same(found) or content.startswith(b"\x80")  # old files have no checksum
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()


def test_mutated_files(monkeypatch: pytest.MonkeyPatch) -> None:
    load_mutated(400, 0, monkeypatch)


@pytest.mark.slow
def test_ten_thousand_mutated_files(monkeypatch: pytest.MonkeyPatch) -> None:
    load_mutated(10_000, 1, monkeypatch)


def test_mutated_pickles() -> None:
    """The same behind a correct checksum, where the pickle itself is wrong."""
    with zipfile.ZipFile(io.BytesIO(checkpoint())) as opened:
        content = opened.read("archive/data.pkl")
        records = {
            name.removeprefix("archive/"): opened.read(name)
            for name in opened.namelist()
            if "/data/" in name
        }
    draw = random.Random(1)
    tracemalloc.start()
    try:
        for _ in range(600):
            changed = bytearray(content)
            for _ in range(draw.choice([1, 1, 2, 4])):
                changed[draw.randrange(len(changed))] = draw.choice(
                    [*b"().0RbQ}]NtK", draw.randrange(256)]
                )
            with contextlib.suppress(*EXPECTED):
                load(archive(bytes(changed), records))
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
