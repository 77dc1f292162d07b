"""safetensors files: the same bytes as the safetensors package writes, and no file believed."""

from __future__ import annotations

import contextlib
import json
import random
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch as oracle
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import alight
from alight import dtypes
from alight.io import safetensors
from alight.io.elements import host_array, tensor_over

HELD = [of for of in safetensors.NAMES if of is not dtypes.uint32] + [dtypes.uint32]


def pair(of: dtypes.dtype, shape: tuple[int, ...]) -> tuple[alight.Tensor, torch.Tensor]:
    """The same tensor here and there."""
    count = int(np.prod(shape))
    there = torch.arange(count, dtype=torch.int64).remainder(3).view(shape)
    there = there.to(getattr(torch, of.name))
    array = (there.float() if of is dtypes.bfloat16 else there).numpy().copy()
    return tensor_over(array, of), there


@pytest.mark.parametrize("of", HELD, ids=lambda of: of.name)
def test_every_dtype_crosses(of: dtypes.dtype) -> None:
    here, there = pair(of, (2, 3))
    content = safetensors.save({"x": here})
    assert content == oracle.save({"x": there})
    found = safetensors.load(content)["x"]
    assert found.dtype is of
    np.testing.assert_array_equal(host_array(found), host_array(here))
    assert torch.equal(oracle.load(content)["x"], there)


@settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=5).filter(lambda name: name != "__metadata__"),
        st.tuples(st.sampled_from(HELD), st.lists(st.integers(0, 3), max_size=3)),
        max_size=5,
    )
)
def test_files_are_the_same(described: dict[str, Any]) -> None:
    tensors = {name: pair(of, tuple(shape)) for name, (of, shape) in described.items()}
    content = safetensors.save({name: here for name, (here, _) in tensors.items()})
    if not any("\ud800" <= letter <= "\udfff" for letter in "".join(described)):
        expected = oracle.load(content)
        assert {name: tuple(one.shape) for name, one in expected.items()} == {
            name: tuple(there.shape) for name, (_, there) in tensors.items()
        }
        assert all(torch.equal(expected[name], there) for name, (_, there) in tensors.items())
    found = safetensors.load(oracle.save({name: there for name, (_, there) in tensors.items()}))
    assert found.keys() == tensors.keys()
    for name, (here, _) in tensors.items():
        np.testing.assert_array_equal(host_array(found[name]), host_array(here))


def test_files_and_metadata(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    here, there = pair(dtypes.float32, (3,))
    safetensors.save_file({"x": here}, path, {"format": "pt"})
    assert torch.equal(oracle.load_file(path)["x"], there)
    assert safetensors.load_metadata(path) == {"format": "pt"}
    oracle.save_file({"x": there}, path)
    assert safetensors.load_file(path)["x"].tolist() == there.tolist()
    assert safetensors.load_metadata(path) == {}


def test_loaded_tensors_are_their_own_memory() -> None:
    found = safetensors.load(
        safetensors.save({name: pair(dtypes.float32, (2,))[0] for name in "ab"})
    )
    found["a"].fill_(7)
    assert found["a"].tolist() == [7, 7] and found["b"].tolist() == [0, 1]


def test_views_are_written_row_by_row() -> None:
    whole = alight.from_numpy(np.arange(6, dtype=np.float32).reshape(2, 3))
    assert safetensors.load(safetensors.save({"x": whole.t()}))["x"].tolist() == [
        [0, 3],
        [1, 4],
        [2, 5],
    ]


def test_what_cannot_be_written() -> None:
    whole = pair(dtypes.float32, (4,))[0]
    with pytest.raises(RuntimeError, match="Some tensors share memory"):
        safetensors.save({"a": whole, "b": whole.view(2, 2)})
    with pytest.raises(TypeError, match=r"no dtype torch\.complex128"):
        safetensors.save({"a": pair(dtypes.complex128, (2,))[0]})
    with pytest.raises(ValueError, match=r"expected torch\.Tensor but received"):
        safetensors.save({"a": 3})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="texts by name"):
        safetensors.save({}, {"a": 3})  # type: ignore[dict-item]


def file_of(header: Any, content: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def entry(dtype: Any = "F32", shape: Any = (2,), offsets: Any = (0, 8)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


EIGHT = bytes(8)
INVALID = {
    "empty": b"",
    "no header": bytes(7),
    "header too large": struct.pack("<Q", 2**63) + b"{}",
    "header too long": struct.pack("<Q", 100) + b"{}",
    "no JSON": file_of(b"{"),
    "no UTF-8": file_of(b'{"\xff": 1}'),
    "a list": file_of([]),
    "spaces first": file_of(b" {}"),
    "nested deeply": file_of(b'{"a":' + b"[" * 10**6),
    "a long number": file_of(b'{"a":' + b"1" * 10**5 + b"}"),
    "a name twice": file_of(b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},' * 1 + b'"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}', EIGHT),
    "metadata of numbers": file_of({"__metadata__": {"a": 1}}),
    "an unknown dtype": file_of({"a": entry("F4")}, EIGHT),
    "a dtype in a list": file_of({"a": entry(["F32"])}, EIGHT),
    "a missing field": file_of({"a": {"dtype": "F32", "shape": [2]}}, EIGHT),
    "a field too many": file_of({"a": {**entry(), "more": 1}}, EIGHT),
    "a negative extent": file_of({"a": entry(shape=[-2])}, EIGHT),
    "an extent that is no number": file_of({"a": entry(shape=["2"])}, EIGHT),
    "a true extent": file_of({"a": entry(shape=[2, True])}, EIGHT),
    "a huge extent": file_of({"a": entry(shape=[0, 2**64], offsets=[0, 0])}),
    "a product that wraps": file_of({"a": entry(shape=[2**62, 4], offsets=[0, 0])}),
    "one offset": file_of({"a": entry(offsets=[8])}, EIGHT),
    "offsets swapped": file_of({"a": entry(offsets=[8, 0])}, EIGHT),
    "offsets beyond the end": file_of({"a": entry(offsets=[8, 16])}, EIGHT),
    "too few bytes": file_of({"a": entry()}, EIGHT[:7]),
    "bytes of no tensor": file_of({"a": entry()}, EIGHT + b"x"),
    "a gap": file_of({"a": entry(), "b": entry(offsets=[16, 24])}, EIGHT * 3),
    "an overlap": file_of({"a": entry(), "b": entry(offsets=[4, 12])}, bytes(12)),
    "the same bytes twice": file_of({"a": entry(), "b": entry()}, EIGHT),
    "a terabyte": file_of({"a": entry(shape=[2**38], offsets=[0, 2**40])}, EIGHT),
}  # fmt: skip


@pytest.mark.parametrize("name", INVALID)
def test_invalid_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / "file.safetensors"
    path.write_bytes(INVALID[name])
    tracemalloc.start()
    try:
        with pytest.raises(RuntimeError, match="Error while deserializing header") as error:
            safetensors.load_file(path)
        assert str(path) in str(error.value)
        assert tracemalloc.get_traced_memory()[1] < len(INVALID[name]) * 20 + (1 << 20)
    finally:
        tracemalloc.stop()


def test_mutated_files() -> None:
    """Every change of some bytes gives an error of ours, or tensors that fill the file."""
    content = safetensors.save(
        {name: pair(dtypes.float32, (2, 2))[0] for name in "abc"}, {"k": "v"}
    )
    draw = random.Random(0)
    for _ in range(500):
        changed = bytearray(content)
        for _ in range(draw.choice([1, 1, 2, 8])):
            changed[draw.randrange(len(changed))] = draw.choice(
                [*b'0123456789"[]{},:-. ', draw.randrange(256)]
            )
        with contextlib.suppress(RuntimeError):
            safetensors.load(bytes(changed))
