"""The zip container of PyTorch's checkpoints: named records, stored without compression.

In: records, or a file. Out: a file, or records whose claimed sizes were checked against what the
file holds. Records start at multiples of 64 bytes, as in PyTorch's own files, so that readers may
map them into memory.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from typing import IO, Any, NoReturn

import numpy as np

from alight.errors import fail
from alight.io.elements import Bytes

ALIGNMENT = 64
FIRST_DATE = (1980, 1, 1, 0, 0, 0)  # a constant, so that equal contents make equal files
ZIP64_LIMIT = zipfile.ZIP64_LIMIT
LOCAL_HEADER = 30  # bytes before the name (APPNOTE.TXT 4.3.7)
ZIP64_FIELD = 20
CHUNK = 1 << 20
BROKEN = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, KeyError, IndexError, NotImplementedError,
    OverflowError, UnicodeError, ValueError,
)  # fmt: skip


class Writer:
    """Writes records into a zip file under one folder."""

    def __init__(self, file: IO[bytes], folder: str) -> None:
        self.zip = zipfile.ZipFile(file, "w", zipfile.ZIP_STORED)
        self.folder = folder

    def write(self, name: str, content: bytes | Bytes) -> None:
        """Add one record."""
        view = memoryview(content) if isinstance(content, bytes) else content.data
        info = zipfile.ZipInfo(f"{self.folder}/{name}", FIRST_DATE)
        info.file_size = view.nbytes
        zip64 = view.nbytes > ZIP64_LIMIT // 2
        info.extra = self._padding(len(info.filename.encode()), zip64)
        with self.zip.open(info, "w", force_zip64=zip64) as record:
            for start in range(0, view.nbytes, CHUNK):
                record.write(view[start : start + CHUNK])

    def _padding(self, name_length: int, zip64: bool) -> bytes:
        """An extra field of PyTorch's kind ("FB") that moves the content to the next multiple of
        64."""
        assert self.zip.fp is not None
        field = 4  # its own header
        start = self.zip.fp.tell() + LOCAL_HEADER + name_length + ZIP64_FIELD * zip64 + field
        fill = -start % ALIGNMENT
        return b"FB" + struct.pack("<H", fill) + b"Z" * fill

    def close(self) -> None:
        """Write the directory; without it the file is no archive."""
        self.zip.close()


class Reader:
    """Reads records of the one folder in a zip file, none larger than the file."""

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        try:
            self.zip = zipfile.ZipFile(file)
            start = file.tell()
            self.file_size = file.seek(0, 2)
            file.seek(start)
        except BROKEN as error:
            self._broken("failed finding central directory", error)
        self.records = {info.filename: info for info in self.zip.infolist()}
        self._check_sizes()
        self.folder = self._find_folder()

    def _check_sizes(self) -> None:
        claimed = 0
        for info in self.records.values():
            if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
                self._broken(f"record {info.filename!r} is compressed", None)
            if info.flag_bits & 1:
                self._broken(f"record {info.filename!r} is encrypted", None)
            claimed += info.file_size
        if claimed > self.file_size:
            self._broken(
                f"records claim {claimed} bytes, the file has {self.file_size}: it is cut off or was tampered with",
                None,
            )

    def _find_folder(self) -> str:
        found = [
            name for name in self.records if name.count("/") == 1 and name.endswith("/data.pkl")
        ]
        if len(found) != 1:
            what = "file not found: data.pkl" if not found else "more than one data.pkl"
            self._broken(what, None)
        return found[0].removesuffix("data.pkl")

    def __contains__(self, name: str) -> bool:
        return self.folder + name in self.records

    def read(self, name: str) -> Bytes:
        """The content of one record, its checksum verified."""
        info = self.records.get(self.folder + name)
        if info is None:
            self._broken(f"file not found: {self.folder}{name}", None)
        content = np.empty(info.file_size, np.uint8)
        view, done = content.data, 0
        try:
            with self.zip.open(info) as record:
                while block := record.read(CHUNK):
                    view[done : done + len(block)] = block
                    done += len(block)
        except BROKEN as error:
            self._broken(f"file {info.filename} in archive is damaged", error)
        if done != info.file_size:
            self._broken(f"file {info.filename} in archive is cut off", None)
        return content

    def map(self, name: str, path: str) -> Bytes:
        """The content of one record, as memory that is read from the file when it is looked at.

        Writes to it stay in memory. Its checksum is not verified, for that would read it all.
        """
        info = self.records.get(self.folder + name)
        if info is None:
            self._broken(f"file not found: {self.folder}{name}", None)
        with open(path, "rb") as file:
            file.seek(info.header_offset)
            head = file.read(LOCAL_HEADER)
        if len(head) < LOCAL_HEADER or head[:4] != b"PK\x03\x04":
            self._broken(f"file {info.filename} in archive is damaged", None)
        start = info.header_offset + LOCAL_HEADER + sum(struct.unpack("<HH", head[26:30]))
        if start + info.file_size > self.file_size:
            self._broken(f"file {info.filename} in archive is cut off", None)
        if not info.file_size:
            return np.empty(0, np.uint8)
        return np.asarray(np.memmap(path, np.uint8, "c", start, (info.file_size,)))

    def _broken(self, what: str, error: Exception | None) -> NoReturn:
        facts = [f"reading {self.name}"]
        if error is not None:
            facts.append(f"{type(error).__name__}: {error}")
        fail(
            RuntimeError,
            f"PytorchStreamReader failed reading zip archive: {what}",
            facts,
            try_="an older checkpoint: this file is damaged or incomplete",
        )


def is_zip(start: bytes) -> bool:
    """Whether a file that begins so is a zip file."""
    return start[:4] == b"PK\x03\x04"


def is_legacy(start: bytes) -> bool:
    """Whether a file that begins so was written by PyTorch before 1.6: its magic number,
    pickled."""
    magic: Any = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
    return start[:1] == b"\x80" and start[2:].startswith(magic)
