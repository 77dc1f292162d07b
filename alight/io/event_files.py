"""Event files, which TensorBoard reads: records, each with a checksum, of messages in protocol-buffer form.

A message is written as bytes by its fields, `field(number, value)`, so that no package is needed. The numbers are
those of TensorFlow's event.proto, summary.proto and tensor.proto.
"""

from __future__ import annotations

import functools
import os
import socket
import struct
import time
import weakref
from collections.abc import Iterable, Iterator

VARINT, DOUBLE, LENGTH, FLOAT = 0, 1, 2, 5  # how a field's value is written


class Single(float):
    """A number to be written with 32 bits."""


def varint(number: int) -> bytes:
    """A whole number, seven bits a byte, the lowest first.

    >>> varint(300)
    b'\\xac\\x02'
    """
    number &= (1 << 64) - 1
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def field(number: int, value: int | float | str | bytes) -> bytes:
    """One field of a message: a whole number, a number, a text, or bytes (another message, for one).

    >>> field(1, 150), field(2, "testing")
    (b'\\x08\\x96\\x01', b'\\x12\\x07testing')
    """
    if isinstance(value, Single):
        return varint(number << 3 | FLOAT) + struct.pack("<f", value)
    if isinstance(value, float):
        return varint(number << 3 | DOUBLE) + struct.pack("<d", value)
    if isinstance(value, int):
        return varint(number << 3 | VARINT) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | LENGTH) + varint(len(content)) + content


def doubles(number: int, values: Iterable[float]) -> bytes:
    """A field that holds many numbers.

    >>> len(doubles(6, [1.0, 2.0]))
    18
    """
    row = list(values)
    return field(number, struct.pack(f"<{len(row)}d", *row))


@functools.cache
def _crc_table() -> list[int]:
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)  # Castagnoli's polynomial, reversed
        table.append(byte)
    return table


def checksum(content: bytes) -> int:
    """CRC-32C of bytes.

    >>> hex(checksum(b"123456789"))
    '0xe3069283'
    """
    table, crc = _crc_table(), 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def _masked(content: bytes) -> bytes:
    crc = checksum(content)  # rotated and shifted, for a checksum of checksums would be weak
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def record(content: bytes) -> bytes:
    """Bytes with their length before them, and a checksum of each.

    >>> len(record(b"event"))
    21
    """
    length = struct.pack("<Q", len(content))
    return length + _masked(length) + content + _masked(content)


def records(content: bytes) -> Iterator[bytes]:
    """What the records of a file hold; ValueError where a checksum is wrong or the file ends early.

    >>> list(records(record(b"one") + record(b"two")))
    [b'one', b'two']
    """
    place = 0
    while place < len(content):
        header = content[place : place + 8]
        end = place + 12 + (struct.unpack("<Q", header)[0] if len(header) == 8 else 0)
        inner, rest = content[place + 12 : end], content[end : end + 4]
        if content[place + 8 : place + 12] != _masked(header) or rest != _masked(inner):
            raise ValueError(f"the record at byte {place} is damaged")
        yield inner
        place = end + 4


_written = 0  # files of this process, for their names


class EventFile:
    """A new event file in a folder: events are added, and reach the disk by and by.

    Written at once is what waits when it is more than `max_queue` events, or has waited for `flush_secs` seconds.

    >>> import os, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = EventFile(folder)
    ...     file.add(field(2, 7))
    ...     file.flush()
    ...     [name[:20] for name in os.listdir(folder)]
    ['events.out.tfevents.']
    """

    def __init__(
        self, folder: str, max_queue: int = 10, flush_secs: float = 120, suffix: str = ""
    ) -> None:
        global _written
        os.makedirs(folder, exist_ok=True)
        who = f"{socket.gethostname()}.{os.getpid()}.{_written}"
        _written += 1
        self.path = os.path.join(
            folder, f"events.out.tfevents.{int(time.time()):010d}.{who}{suffix}"
        )
        self._max_queue, self._flush_secs = max_queue, flush_secs
        self._flushed, self._waiting = time.monotonic(), list[bytes]()
        weakref.finalize(self, _append, self.path, self._waiting)  # also where the program ends
        self.add(field(3, "brain.Event:2"))  # the version of the format
        self.flush()

    def add(self, content: bytes, walltime: float | None = None, step: int | None = None) -> None:
        """One event; `content` is what it holds beside its time and its step."""
        event = field(1, float(time.time() if walltime is None else walltime))
        if step is not None:
            event += field(2, int(step))
        self._waiting.append(record(event + content))
        late = time.monotonic() - self._flushed > self._flush_secs
        if late or len(self._waiting) > self._max_queue:
            self.flush()

    def flush(self) -> None:
        """Write what is waiting."""
        _append(self.path, self._waiting)
        self._flushed = time.monotonic()


def _append(path: str, waiting: list[bytes]) -> None:
    if waiting:
        with open(path, "ab") as file:
            file.write(b"".join(waiting))
        waiting.clear()
