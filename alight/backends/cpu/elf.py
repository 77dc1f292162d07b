"""Linking without LLVM: an ELF object for x86-64 placed in memory, in less time than it takes to import a linker.

In: an object file as `jit.object_code` makes it, and addresses of what it calls. Out: memory that may be executed, and
the addresses of its functions. Our code is made for the large code model, so every reference is a whole address: one
kind of relocation. None is returned for anything else, and LLVM's own linker takes over (`jit.link`).
"""

from __future__ import annotations

import ctypes
import mmap
import struct
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, NamedTuple

_HEADER = struct.Struct("<4sBBB9xHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QIIq")
RELOCATABLE, X86_64 = 1, 62
SYMBOLS, RELOCATIONS, NO_BITS = 2, 4, 8  # types of sections
ALLOCATED = 0x2  # flag of a section that is part of the program
ADDRESS = 1  # R_X86_64_64, the relocation
UNDEFINED, RESERVED = 0, 0xFF00  # numbers of sections that are none


class Section(NamedTuple):
    """A section header."""

    name: int
    type: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    alignment: int
    entry: int


class Placed:
    """Memory that holds a module's code; unmapped with its last reference."""

    def __init__(self, memory: mmap.mmap, start: Any, addresses: dict[str, int]) -> None:
        self._memory, self._start, self.addresses = memory, start, addresses


def place(code: bytes, names: Iterable[str], symbols: Mapping[str, int]) -> Placed | None:
    """The object in memory and the addresses of the functions `names`; None if it is not of the kind known here."""
    try:
        return _place(code, list(names), symbols)
    except (struct.error, LookupError, OSError, ValueError, AttributeError):
        return None


def _place(code: bytes, names: list[str], symbols: Mapping[str, int]) -> Placed | None:
    magic, bits, order, _, kind, machine, *_, at, _, _, _, _, entry, count, _ = _header(code)
    if not sys.platform.startswith("linux") or (magic, bits, order) != (b"\x7fELF", 2, 1):
        return None
    if kind != RELOCATABLE or machine != X86_64 or entry != _SECTION.size:
        return None
    sections = [Section(*_SECTION.unpack_from(code, at + n * entry)) for n in range(count)]
    places, size = _layout(sections)
    memory = mmap.mmap(-1, max(size, 1), prot=mmap.PROT_READ | mmap.PROT_WRITE)
    start = ctypes.c_char.from_buffer(memory)
    base = ctypes.addressof(start)
    for n, to in places.items():
        section = sections[n]
        if section.type != NO_BITS:
            memory[to : to + section.size] = code[section.offset : section.offset + section.size]
    (table,) = (section for section in sections if section.type == SYMBOLS)
    found = _symbols(code, table, sections[table.link])
    for section in sections:
        if section.type != RELOCATIONS or section.info not in places:
            continue
        for offset, kind, symbol, addend in _RELOCATION.iter_unpack(_bytes_of(code, section)):
            if kind != ADDRESS:
                return None
            name, where, value = found[symbol]
            to = (
                symbols.get(name) or _outside(name)
                if where == UNDEFINED
                else base + places[where] + value
            )
            struct.pack_into("<q", memory, places[section.info] + offset, to + addend)
    _make_executable(base, len(memory))
    defined = {
        name: base + places[where] + value for name, where, value in found if where in places
    }
    return Placed(memory, start, {name: defined[name] for name in names})


def _header(code: bytes) -> tuple[Any, ...]:
    return _HEADER.unpack_from(code)


def _bytes_of(code: bytes, section: Section) -> bytes:
    return code[section.offset : section.offset + section.size]


def _layout(sections: list[Section]) -> tuple[dict[int, int], int]:
    """Where each section of the program comes to lie, and how many bytes they take."""
    places, end = {}, 0
    for n, section in enumerate(sections):
        if section.flags & ALLOCATED and section.size:
            alignment = max(section.alignment, 1)
            places[n] = end = -(-end // alignment) * alignment
            end += section.size
    return places, end


def _symbols(code: bytes, table: Section, strings: Section) -> list[tuple[str, int, int]]:
    """Name, section and value of each symbol."""
    text = _bytes_of(code, strings)
    found = []
    for name, _, _, section, value, _ in _SYMBOL.iter_unpack(_bytes_of(code, table)):
        if section >= RESERVED:
            section = -1  # a file's name
        found.append((text[name : text.index(b"\0", name)].decode(), section, value))
    return found


@cache
def _process() -> ctypes.CDLL:
    return ctypes.CDLL(None)


@cache
def _outside(name: str) -> int:
    """The address of a function of the process; AttributeError if it has none."""
    address = ctypes.cast(getattr(_process(), name), ctypes.c_void_p).value
    if address is None:
        raise AttributeError(name)
    return address


def _make_executable(base: int, size: int) -> None:
    protect = _process().mprotect
    protect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if protect(base, size, mmap.PROT_READ | mmap.PROT_EXEC):
        raise OSError("code may not be executed here")
