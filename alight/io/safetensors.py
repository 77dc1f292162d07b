"""The safetensors format: 8 bytes of header length, a JSON header, the elements one after another.

In: tensors by name, or a file. Out: a file, written whole or not at all, or tensors of their own
memory. A header is checked in full before anything is allocated: the tensors must fill the file
exactly, without gaps or overlaps. Format: https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import io
import json
import os
import struct
from collections.abc import Mapping
from typing import IO, Any, NamedTuple, NoReturn

import numpy as np

from alight import dtypes
from alight.device import device as Device
from alight.dtypes import dtype
from alight.errors import fail
from alight.io import files
from alight.io.elements import from_bytes, host_array, tensor_over, to_bytes
from alight.record.owners import root_of
from alight.tensor import Tensor

MAX_HEADER = 100_000_000  # bytes, the format's own bound
ALIGNMENT = 8
LIMIT = 2**63
DTYPES = {
    "BOOL": dtypes.bool_,
    "U8": dtypes.uint8,
    "I8": dtypes.int8,
    "I16": dtypes.int16,
    "I32": dtypes.int32,
    "U16": dtypes.uint16,
    "U32": dtypes.uint32,
    "U64": dtypes.uint64,
    "I64": dtypes.int64,
    "F16": dtypes.float16,
    "BF16": dtypes.bfloat16,
    "F32": dtypes.float32,
    "F64": dtypes.float64,
    "C64": dtypes.complex64,
}
NAMES = {of: name for name, of in DTYPES.items()}


class Entry(NamedTuple):
    """One tensor of a file: where its bytes begin and end after the header."""

    name: str
    dtype: dtype
    shape: tuple[int, ...]
    begin: int
    end: int


def save_file(
    tensors: Mapping[str, Tensor],
    filename: str | os.PathLike[str],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write tensors by name to a file, with texts by name as `metadata`, in the safetensors
    format.

    RuntimeError for a tensor that shares another's memory, ValueError for what is no tensor.

    >>> import os, tempfile
    >>> import alight as torch
    >>> from alight.io import safetensors
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "w.safetensors")
    ...     safetensors.save_file({"w": torch.ones(2)}, path)
    ...     safetensors.load_file(path)
    {'w': tensor([1., 1.])}
    """
    order, header = _layout(tensors, metadata)
    files.write(filename, lambda file: _write(file, order, tensors, header))


def save(tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """What `save_file` would write, as bytes.

    >>> import alight as torch
    >>> from alight.io import safetensors
    >>> safetensors.load(safetensors.save({"w": torch.ones(2)}))
    {'w': tensor([1., 1.])}
    """
    order, header = _layout(tensors, metadata)
    file = io.BytesIO()
    _write(file, order, tensors, header)
    return file.getvalue()


def load_file(filename: str | os.PathLike[str], device: Any = "cpu") -> dict[str, Tensor]:
    """The tensors of a file, by name; RuntimeError where it is no safetensors file.

    >>> import os, tempfile
    >>> import alight as torch
    >>> from alight.io import safetensors
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "w.safetensors")
    ...     safetensors.save_file({"w": torch.ones(2)}, path)
    ...     sorted(safetensors.load_file(path))
    ['w']
    """
    with open(filename, "rb") as file:
        return _read(file, os.fspath(filename), Device(device))


def load(data: bytes, device: Any = "cpu") -> dict[str, Tensor]:
    """The tensors in the content of a file, by name.

    >>> import alight as torch
    >>> from alight.io import safetensors
    >>> safetensors.load(safetensors.save({"w": torch.ones(2)}))
    {'w': tensor([1., 1.])}
    """
    return _read(io.BytesIO(data), "the bytes given", Device(device))


def load_metadata(filename: str | os.PathLike[str]) -> dict[str, str]:
    """The texts that `save_file` was given as `metadata`.

    >>> import os, tempfile
    >>> import alight as torch
    >>> from alight.io import safetensors
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "w.safetensors")
    ...     safetensors.save_file({"w": torch.ones(2)}, path, {"epoch": "3"})
    ...     safetensors.load_metadata(path)
    {'epoch': '3'}
    """
    with open(filename, "rb") as file:
        return _read_header(file, os.fspath(filename))[1]


# -- writing ------------------------------------------------------------------------------------------------------


def _layout(
    tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None
) -> tuple[list[str], bytes]:
    """The names in the order of their bytes, and the header with its length before it."""
    _check(tensors)
    # Wide elements first, as other writers do, so that all are aligned.
    order = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    header: dict[str, Any] = {}
    if metadata is not None:
        if not all(isinstance(text, str) for pair in metadata.items() for text in pair):
            fail(TypeError, "metadata must be texts by name", try_="json.dumps for anything else")
        header["__metadata__"] = dict(metadata)
    begin = 0
    for name in order:
        tensor = tensors[name]
        end = begin + tensor.numel() * tensor.dtype.itemsize
        offsets = [begin, end]
        header[name] = {
            "dtype": NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": offsets,
        }
        begin = end
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return order, struct.pack("<Q", len(text)) + text


def _check(tensors: Mapping[str, Tensor]) -> None:
    owners: dict[int, str] = {}
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            fail(
                ValueError,
                f"Key `{name}` is invalid, expected torch.Tensor but received {type(tensor)}",
                try_="torch.save for anything but tensors",
            )
        if tensor.dtype not in NAMES:
            fail(
                TypeError,
                f"safetensors has no dtype {tensor.dtype!r}",
                [f"tensor {name!r}"],
                try_="torch.save",
            )
        other = owners.setdefault(id(root_of(tensor)), name)
        if other != name and tensor.numel():
            fail(
                RuntimeError,
                f"Some tensors share memory, this will lead to duplicate memory on disk and potential differences "
                f"when loading them again: {[{other, name}]}",
                try_=".clone() for one of them, or torch.save, which keeps the sharing",
            )


def _write(file: IO[bytes], order: list[str], tensors: Mapping[str, Tensor], header: bytes) -> None:
    file.write(header)
    for name in order:
        tensor = tensors[name]
        file.write(to_bytes(host_array(tensor), tensor.dtype).data)


# -- reading ------------------------------------------------------------------------------------------------------


def _read(file: IO[bytes], source: str, where: Device) -> dict[str, Tensor]:
    entries, _, start = _read_header(file, source)
    tensors = {}
    for entry in entries:
        file.seek(start + entry.begin)
        raw = np.empty(entry.end - entry.begin, np.uint8)
        if file.readinto(raw.data) != raw.size:  # type: ignore[attr-defined]
            _invalid(source, "the file became shorter while it was read")
        array = from_bytes(raw, entry.dtype).reshape(entry.shape)
        tensors[entry.name] = tensor_over(array, entry.dtype, where)
    return tensors


def _read_header(file: IO[bytes], source: str) -> tuple[list[Entry], dict[str, str], int]:
    """The checked entries in the order of the header, the metadata, and where the elements
    begin."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size < 8:
        _invalid(source, "HeaderTooSmall: the file has not even the 8 bytes of the header's length")
    (length,) = struct.unpack("<Q", file.read(8))
    if length > MAX_HEADER:
        _invalid(source, f"HeaderTooLarge: the header claims {length} bytes")
    if length > size - 8:
        _invalid(
            source,
            f"InvalidHeaderLength: the header claims {length} bytes, the file has {size - 8}",
        )
    header = _parse(file.read(length), source)
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(
        isinstance(text, str) for text in metadata.values()
    ):
        _invalid(source, "InvalidHeader: __metadata__ must be texts by name")
    entries = [_entry(name, description, source) for name, description in header.items()]
    _check_coverage(entries, size - 8 - length, source)
    return entries, metadata, 8 + length


def _parse(text: bytes, source: str) -> dict[str, Any]:
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        _invalid(source, f"invalid JSON in header: {error}")
    if text[:1] != b"{" or not isinstance(header, dict):
        _invalid(source, "InvalidHeaderStart: the header is no JSON object")
    return header


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice")
    return found


def _entry(name: str, description: Any, source: str) -> Entry:
    if not isinstance(description, dict) or set(description) != {"dtype", "shape", "data_offsets"}:
        _invalid(
            source,
            f"InvalidHeader: tensor {name!r} needs dtype, shape and data_offsets, nothing else",
        )
    of = DTYPES.get(description["dtype"]) if isinstance(description["dtype"], str) else None
    if of is None:
        _invalid(
            source, f"tensor {name!r} has the dtype {description['dtype']!r}, which alight has not"
        )
    shape, offsets = description["shape"], description["data_offsets"]
    if not _whole(shape) or not _whole(offsets) or len(offsets) != 2 or len(shape) > 64:
        _invalid(source, f"InvalidHeader: tensor {name!r} has no proper shape or data_offsets")
    needed = of.itemsize
    for extent in shape:
        needed *= extent
    if offsets[1] - offsets[0] != needed:
        _invalid(
            source,
            f"TensorInvalidInfo: tensor {name!r} of {of!r} {shape} needs {needed} bytes, "
            f"its data_offsets are {offsets}",
        )
    return Entry(name, of, tuple(shape), offsets[0], offsets[1])


def _whole(numbers: Any) -> bool:
    return isinstance(numbers, list) and all(
        type(number) is int and 0 <= number < LIMIT for number in numbers
    )


def _check_coverage(entries: list[Entry], size: int, source: str) -> None:
    """No byte may belong to no tensor or to two: nothing hides in a file, and nothing is read
    twice."""
    position = 0
    for entry in sorted(entries, key=lambda entry: (entry.begin, entry.end)):
        if entry.begin != position:
            _invalid(
                source,
                f"InvalidOffset: tensor {entry.name!r} begins at {entry.begin}, not at {position}",
            )
        position = entry.end
    if position != size:
        _invalid(
            source,
            f"incomplete metadata, file not fully covered: tensors need {position} bytes, the file has {size}",
        )


def _invalid(source: str, what: str) -> NoReturn:
    fail(
        RuntimeError,
        f"Error while deserializing header: {what}",
        [f"reading {source}"],
        try_="another copy of the file: this one is damaged or incomplete",
    )


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "load",
    "load_file",
    "load_metadata",
    "save",
    "save_file",
]
