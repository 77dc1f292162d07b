"""Code that serves many shapes: functions whose text differs in numbers only share one, which is given those numbers.

In: the functions of a program, as `step.step_text` writes them for its shapes. Out: the same functions linked, each
made once for all numbers that were seen to change. A program whose operations were compiled for two other shapes before
takes this way (`alight.backends.cpu.build`), so that sentences of every length cost no compilation each.

    define void @own(ptr %args, ...)                  define void @own(ptr %args, ..., ptr %shape)
      ...                                               %shape.0 = load i64, ptr %shape
      %v7 = mul i64 %thread, 37           ->            ...
                                                        %v7 = mul i64 %thread, %shape.0

That is safe by construction: with the numbers that a text had, the general function is that text. A text of another
form (another tile, a ragged end where there was none) is a function of its own.
"""

from __future__ import annotations

import re
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from alight.backends.cpu import cache, jit
from alight.backends.cpu.step import Part

MOST_BYTES = 32 << 20  # of forms that are kept, about
MOST_LEAVES = 1000  # linked functions that are kept

_NAME = re.compile(r"@((?:k\d+_|step)\w+)")
_BINARY = "add|sub|mul|sdiv|udiv|srem|urem|and|or|xor|shl|lshr|ashr|fadd|fsub|fmul|fdiv|icmp|fcmp"
_LINE = re.compile(
    rf"^  (?:%\S+ = )?(?:{_BINARY}|select|phi|getelementptr|insertelement|store|call) .*$"
)
_LITERAL = r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?|0x[0-9A-Fa-f]+"
# A mask; a whole number in all lanes; a constant vector, which stays; a number after its type, a comma or in a phi.
_OPERAND = re.compile(
    rf"(<i1 [^<>]*>)|(<\d+ x (?:i64|i32)>) (?:%\S+, )?(splat \(i\d+ -?\d+\))|<[^<>]*>|splat \([^)]*\)|\b(i64|i32|float|double) ({_LITERAL})(?=[,)]|$)|(?:(?<=, )|(?<=\[ ))({_LITERAL})(?=,|$)"
)
_TYPE = re.compile(r"= (?:phi|[a-z]+(?: [a-z]+)*?) (i64|i32|float|double) ")
_CALL = re.compile(r"^(.*)call void @(c\d+)\((.*)\)$")


class Number(NamedTuple):
    """A number in a text, and its type: a vector's if all lanes have it; a constant mask is one too, of type `mask`."""

    type: str
    text: str

    def bits(self) -> int:
        """As the 64-bit word that the function loads it from."""
        if self.type in ("i64", "i32"):
            return int(self.text)
        if self.type.startswith("<"):
            return int(self.text[:-1].split()[-1])
        if self.type == "mask":
            lanes = self.text.split(", ")
            return sum(1 << n for n, lane in enumerate(lanes) if "true" in lane)
        value = float(self.text) if not self.text.startswith("0x") else 0.0
        if self.text.startswith("0x"):  # LLVM writes both as a double's bits
            (value,) = struct.unpack(">d", bytes.fromhex(self.text[2:].rjust(16, "0")))
        word = struct.pack("<f", value) if self.type == "float" else struct.pack("<d", value)
        return int.from_bytes(word, "little")


class Function(NamedTuple):
    """A function's text with its numbers taken out."""

    pieces: tuple[str, ...]  # between the numbers
    numbers: tuple[Number, ...]
    callees: tuple[str, ...]  # names as they were; `c0`, `c1`, ... in the text


def taken_apart(text: str, name: str) -> Function:
    """The text of a module with one function, its names made its own and its numbers taken out."""
    callees: list[str] = []

    def renamed(match: re.Match[str]) -> str:
        if match[1] == name:
            return "@own"
        if match[1] not in callees:
            callees.append(match[1])
        return f"@c{callees.index(match[1])}"

    text = _NAME.sub(renamed, text)
    pieces, numbers, end, start = [], [], 0, 0
    for line in text.split("\n"):
        for first, last, number in _numbers_of(line):
            pieces.append(text[end : start + first])
            numbers.append(number)
            end = start + last
        start += len(line) + 1
    return Function((*pieces, text[end:]), tuple(numbers), tuple(callees))


@lru_cache(maxsize=1 << 15)  # most lines of a function are the same for the next shape
def _numbers_of(line: str) -> tuple[tuple[int, int, Number], ...]:
    """Where a line has numbers that may become parameters."""
    if not _LINE.match(line):
        return ()
    found = []
    own = _TYPE.search(line)
    special = " call " in line and "@llvm." in line  # its i32 may have to be constants
    for one in _OPERAND.finditer(line):
        if one[1]:
            found.append((one.start(1), one.end(1), Number("mask", one[1])))
            continue
        if one[3]:
            found.append((one.start(3), one.end(3), Number(one[2], one[3])))
            continue
        of, at = (one[4], 5) if one[4] else (own[1] if own else "", 6)
        if of and one[at] is not None and not (special and of == "i32"):
            found.append((one.start(at), one.end(at), Number(of, one[at])))
    return tuple(found)


class Form:
    """One text without numbers: which of them vary, and the function that is given those."""

    def __init__(self, pieces: tuple[str, ...], numbers: tuple[Number, ...]) -> None:
        self.pieces = pieces
        self.groups: dict[
            int, int
        ] = {}  # number -> which parameter it is; equal so far, equal parameter
        self.first = numbers
        self.bytes = sum(map(len, pieces)) + 200 * len(numbers)
        self.key = ""
        self.code: bytes | None = None  # of the general function, once it is compiled

    def widen(self, numbers: tuple[Number, ...]) -> None:
        """Let every number vary that has another value now, apart from those that go with it."""
        fits = all(
            n in self.groups or a == b
            for n, (a, b) in enumerate(zip(self.first, numbers, strict=True))
        )
        chosen: dict[int, Number] = {}
        fits = fits and all(
            chosen.setdefault(group, numbers[n]) == numbers[n] for n, group in self.groups.items()
        )
        if fits:
            return
        known: dict[tuple[int, Number, Number], int] = {}
        groups = {}
        for n, (a, b) in enumerate(zip(self.first, numbers, strict=True)):
            if n in self.groups or a != b:
                key = self.groups.get(n, -1), a, b
                groups[n] = known.setdefault(key, len(known))
        self.groups, self.code = groups, None

    def words(self, numbers: tuple[Number, ...]) -> list[int]:
        """The parameters for these numbers."""
        found = [0] * len(set(self.groups.values()))
        for n, group in self.groups.items():
            found[group] = numbers[n].bits()
        return found

    def text(self, place: int | None) -> str:
        """The general function. A step finds its parameters in its table, at word `place`."""
        parts = [self.pieces[0]]
        for n, number in enumerate(self.first):
            group = self.groups.get(n)
            parts += [number.text if group is None else f"%shape.{group}", self.pieces[n + 1]]
        types = {group: _loaded_type(self.first[n]) for n, group in self.groups.items()}
        lines, calls = [], 0
        for line in "".join(parts).split("\n"):
            call = _CALL.match(line)
            if line.startswith("define ") and place is None:
                line = line.replace(") #0", ", ptr %shape) #0")
            elif line.startswith("declare void @c"):
                line = line.replace(")", ", ptr)")
            elif call:
                lines += _loaded(f"%shape.c{calls}", "ptr", calls)
                line = f"{call[1]}call void @{call[2]}({call[3]}, ptr %shape.c{calls})"
                calls += 1
            lines.append(line)
        at = lines.index("entry:") + 1
        head = [] if place is None else [
            f"  %shape.at = getelementptr i64, ptr %table, i64 {place}", "  %shape = load ptr, ptr %shape.at"
        ]  # fmt: skip
        for group, of in types.items():
            head += _loaded(f"%shape.{group}", of, calls + group)
        return "\n".join([*lines[:at], *head, *lines[at:]])


def _loaded_type(number: Number) -> str:
    """The type of the parameter that a number becomes."""
    return f"<{number.text.count('i1')} x i1>" if number.type == "mask" else number.type


def _loaded(name: str, of: str, word: int) -> list[str]:
    lines = [f"  {name}.at = getelementptr i64, ptr %shape, i64 {word}"]
    if not of.startswith("<"):
        return [*lines, f"  {name} = load {of}, ptr {name}.at"]
    if not of.endswith("x i1>"):
        one, zeros = of[1:-1].split(" x ")[1], of.replace(of[1:-1].split(" x ")[1], "i32")
        return [
            *lines,
            f"  {name}.one = load {one}, ptr {name}.at",
            f"  {name}.first = insertelement {of} poison, {one} {name}.one, i64 0",
            f"  {name} = shufflevector {of} {name}.first, {of} poison, {zeros} zeroinitializer",
        ]
    bits = f"i{of[1:].split()[0]}"
    return [
        *lines,
        f"  {name}.bits = load {bits}, ptr {name}.at",
        f"  {name} = bitcast {bits} {name}.bits to {of}",
    ]


class Piece(NamedTuple):
    """A function of a program: its code, whom it calls, and the numbers of this program's shapes."""

    key: str  # of its code in the cache
    callees: tuple[int, ...]  # pieces that are its c0, c1, ...
    calls: tuple[int, ...]  # the piece that each of its calls is for
    words: tuple[int, ...]


class Linked(NamedTuple):
    """The step of a program made of general functions, and what must be kept for it."""

    step: int
    words: int  # where the step's parameters lie
    kept: tuple[object, ...]
    pieces: tuple[Piece, ...]


_leaves: OrderedDict[str, jit.Module] = OrderedDict()  # functions that call no other, by key


def joined(
    pieces: Sequence[Piece], code_of: Callable[[str], bytes | None], symbols: dict[str, int]
) -> Linked | None:
    """Pieces linked, those that are called first, the step last; None if the code of one is not there."""
    addresses: list[int] = []
    words: list[np.ndarray] = []
    modules = []
    for piece in pieces:
        module = _leaves.get(piece.key)
        if module is None:
            code = code_of(piece.key)
            if code is None:
                return None
            callees = {f"c{n}": addresses[one] for n, one in enumerate(piece.callees)}
            module = jit.link(code, ["own"], {**symbols, **callees})
            if not callees:
                _leaves[piece.key] = module
                while len(_leaves) > MOST_LEAVES:
                    _leaves.popitem(last=False)
        modules.append(module)
        addresses.append(module.addresses["own"])
        own = [*(words[one].ctypes.data for one in piece.calls), *piece.words]
        words.append(np.array([word & 0xFFFFFFFFFFFFFFFF for word in own], np.uint64))
    return Linked(addresses[-1], words[-1].ctypes.data, (*modules, *words), tuple(pieces))


class Forms:
    """All forms of this process, the least recently used dropped first."""

    def __init__(self) -> None:
        self.entries: OrderedDict[tuple[tuple[str, ...], int | None], Form] = OrderedDict()
        self.lock = threading.Lock()
        self.bytes = 0
        self.compiled = 0

    def of(self, function: Function, place: int | None) -> Form:
        """The form of a function, general enough for its numbers; of a step by where its table has the parameters."""
        key = function.pieces, place
        found = self.entries.get(key)
        if found is None:
            found = self.entries[key] = Form(function.pieces, function.numbers)
            self.bytes += found.bytes
        self.entries.move_to_end(key)
        while self.bytes > MOST_BYTES and len(self.entries) > 1:
            self.bytes -= self.entries.popitem(last=False)[1].bytes
        found.widen(function.numbers)
        return found

    def linked(
        self, parts: Sequence[Part], symbols: dict[str, int], place: int, go_on: Callable[[], None]
    ) -> Linked:
        """Functions in modules of their own, in the order in which they call one another; the last is the step."""
        with self.lock:
            return self._linked(parts, symbols, place, go_on)

    def _linked(
        self, parts: Sequence[Part], symbols: dict[str, int], place: int, go_on: Callable[[], None]
    ) -> Linked:
        number: dict[str, int] = {}
        codes: dict[str, bytes] = {}
        pieces = []
        for part in parts:
            go_on()
            (name,) = part.names
            function = taken_apart(part.text, name)
            own_place = place if part is parts[-1] else None
            form = self.of(function, own_place)
            if form.code is None:
                self._compile(form, own_place)
            assert form.code is not None
            codes[form.key] = form.code
            callees = tuple(number[one] for one in function.callees)
            order = re.findall(r"call void @c(\d+)\(", "".join(function.pieces))
            calls = tuple(callees[int(n)] for n in order)
            pieces.append(Piece(form.key, callees, calls, tuple(form.words(function.numbers))))
            number[name] = len(number)
        linked = joined(pieces, codes.get, symbols)
        assert linked is not None
        return linked

    def _compile(self, form: Form, place: int | None) -> None:
        text = form.text(place)
        form.key = cache.key_of(text)
        known = cache.load(form.key)
        self.compiled += known is None
        form.code = known or cache.object_code(text)


forms = Forms()
