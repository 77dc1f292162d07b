"""The idx format, in which the MNIST family of data sets is published.

In: a file of it, gzip-compressed or plain. Out: an array of the size and dtype that its header states.
Layout (yann.lecun.com/exdb/mnist): two zero bytes, a dtype code, the number of dimensions, each size as a
big-endian 32-bit integer, then the elements, big-endian, in C order.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from alight.errors import fail

DTYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
GZIP_MAGIC = b"\x1f\x8b"


def plain_bytes(path: Path) -> bytes:
    """The file's content, decompressed where it is compressed."""
    raw = path.read_bytes()
    if not raw.startswith(GZIP_MAGIC):
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        fail(RuntimeError, f"{path} is damaged: {error}", try_=f"remove {path}")


def parse(raw: bytes, name: str) -> np.ndarray[Any, Any]:
    """The array in `raw`; `name` is for the error message."""
    if len(raw) < 4 or raw[0] or raw[1] or raw[2] not in DTYPES:
        fail(RuntimeError, f"{name} is not an idx file", [f"it begins with {raw[:4]!r}"])
    dtype, ndim = np.dtype(DTYPES[raw[2]]), raw[3]
    start = 4 + 4 * ndim
    shape = tuple(np.frombuffer(raw[4:start], ">u4").tolist())
    wanted = start + dtype.itemsize * math.prod(shape)
    if len(shape) != ndim or len(raw) != wanted:
        fail(
            RuntimeError,
            f"{name} is cut short or too long: {len(raw)} bytes where {wanted} are due",
        )
    return np.frombuffer(raw, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="))
