"""The format of PyTorch before 1.6, read only: pickles one after the other, then the storages' bytes.

In: a file that begins with the format's magic number. Out: what it holds. The tensors come before the memory that
they need, so the file's main pickle is gone through twice: first for the storages' types and sizes alone, then,
when their bytes have been read, in earnest. All sizes are checked against the file's.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import IO, Any, NamedTuple, NoReturn

import numpy as np

from alight.device import CPU
from alight.dtypes import dtype
from alight.errors import fail, not_implemented
from alight.io.allowed import Allowed
from alight.io.tensors import REBUILD, Storage
from alight.io.unpickling import decode

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

Moved = Callable[[Storage, str], Storage]


class Claim(NamedTuple):
    """What a pickle says of a storage: its elements' type, their number, and its device."""

    of: dtype
    length: int
    location: str


class _Survey(Allowed):
    """Goes through a pickle as `allowed` would, without making a tensor."""

    def __init__(self, allowed: Allowed) -> None:
        super().__init__()
        self.allowed = allowed
        self.find = allowed.find  # type: ignore[method-assign]

    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        if any(function is rebuild for rebuild in REBUILD.values()):
            return None
        return self.allowed.call(function, arguments)

    def new(self, kind: Any, arguments: tuple[Any, ...]) -> Any:
        made = self.allowed.new(kind, arguments)
        return made if isinstance(made, dict | list) else None

    def build(self, obj: Any, state: Any) -> None:
        """Leave objects empty: their state lacks its tensors."""


def read(file: IO[bytes], allowed: Allowed, moved: Moved, name: str) -> Any:
    """The object in `file`; `moved` puts a storage on the device where it belongs."""
    content = file.read()
    stream = io.BytesIO(content)
    plain = Allowed()
    magic = decode(stream, plain, _no_storage, name)
    version = decode(stream, plain, _no_storage, name)
    if magic != MAGIC_NUMBER or version != PROTOCOL_VERSION:
        fail(RuntimeError, f"Invalid protocol version: {version}", [f"in {name}"])
    system = decode(stream, plain, _no_storage, name)
    big_endian = isinstance(system, dict) and system.get("little_endian") is False
    start = stream.tell()
    claims: dict[str, Claim] = {}
    decode(stream, _Survey(allowed), lambda identity: _claim(identity, claims), name)
    keys = decode(stream, plain, _no_storage, name)
    storages = _storages(stream, keys, claims, big_endian, name)
    for key, storage in storages.items():
        storages[key] = moved(storage, claims[key].location)
    stream.seek(start)
    return decode(stream, allowed, lambda identity: _found(identity, storages), name)


def _no_storage(identity: tuple[Any, ...]) -> NoReturn:
    raise ValueError("a storage before the object that it belongs to")


def _claim(identity: tuple[Any, ...], claims: dict[str, Claim]) -> Any:
    """Note what is said of a storage; nothing stands for it yet."""
    kind = identity[0] if identity else None
    if kind == "module" and len(identity) == 4:
        return identity[1]  # a class, beside its source text, which is not looked at
    if kind != "storage" or len(identity) != 6:
        raise ValueError("something kept outside the pickle that is no storage")
    _, of, key, location, count, view = identity
    if view is not None:
        not_implemented("a storage that is a part of another one", "saving with PyTorch once more")
    plain = type(key) is str and type(location) is str and type(count) is int and count >= 0
    if not plain or not isinstance(of, dtype):
        raise ValueError("a storage without a type, a key, a device and a size")
    claim = Claim(of, count, location)
    if claims.setdefault(key, claim) != claim:
        raise ValueError(f"storage {key} is said to be two things")
    return None


def _storages(
    stream: io.BytesIO, keys: Any, claims: dict[str, Claim], big_endian: bool, name: str
) -> dict[str, Storage]:
    """The storages' bytes, each behind its number of elements."""
    if type(keys) is not list or set(map(str, keys)) != set(claims) or len(keys) != len(claims):
        _damaged("the list of storages is not that of the tensors", name)
    order = ">q" if big_endian else "<q"
    found = {}
    for key in keys:
        claim, head = claims[key], stream.read(8)
        count = struct.unpack(order, head)[0] if len(head) == 8 else -1
        if count != claim.length:
            _damaged(f"storage {key} holds {count} elements where {claim.length} are due", name)
        left = len(stream.getbuffer()) - stream.tell()
        size = count * claim.of.itemsize
        if size > left:
            _damaged(f"storage {key} claims {size} bytes, the file has {left}", name)
        raw = np.frombuffer(stream.read(size), np.uint8).copy()
        found[key] = Storage(raw, claim.of, CPU, big_endian)
    return found


def _found(identity: tuple[Any, ...], storages: dict[str, Storage]) -> Any:
    return identity[1] if identity[0] == "module" else storages[identity[2]]


def _damaged(what: str, name: str) -> NoReturn:
    fail(
        RuntimeError,
        "unexpected EOF, expected more bytes. The file might be corrupted.",
        [what, f"reading {name}"],
        try_="an older checkpoint: this file is damaged or incomplete",
    )
