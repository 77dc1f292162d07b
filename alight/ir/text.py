"""Programs as text and back: the one format of documentation, tests and `explain`.

    program(%0: f32[2,3], %1: f32[3]) {
      %2: f32[1,3] = reshape(%1) shape=(1, 3)  # train.py:7
      %3: f32[2] = max(%0) axes=(1,)
      return %2, %3
    }

`parse(show(program)) == program`, and `show(parse(text))` is the text with its spaces put right. Statics are Python
literals, `inf` and `nan`, dtypes and devices by name, and programs (the bodies of loops). A comment is a node's line.
"""

from __future__ import annotations

import ast
import re
from typing import Any, NamedTuple, NoReturn

from alight.device import CPU, KINDS, device
from alight.dtypes import BY_NAME, BY_SHORT, dtype
from alight.errors import fail
from alight.ir.primitive import REGISTRY, Primitive
from alight.ir.program import Node, Program, Statics
from alight.ir.types import Type


def show(program: Program) -> str:
    """The program as text."""
    inputs = ", ".join(f"%{i}: {program.types[i]}" for i in program.inputs)
    lines = [f"program({inputs}) {{"]
    lines.extend("  " + show_node(program, node).replace("\n", "\n  ") for node in program.nodes)
    lines.append("  " + " ".join(["return", ", ".join(f"%{i}" for i in program.outputs)]).rstrip())
    return "\n".join([*lines, "}"])


def show_node(program: Program, node: Node) -> str:
    """One node as text: a line, and more of them where a static is a program."""
    outs = ", ".join(f"%{i}: {program.types[i]}" for i in node.outputs)
    call = f"{outs} = {node.primitive.name}({', '.join(f'%{i}' for i in node.inputs)})"
    known = [name for name in node.primitive.statics if name in node.statics]
    names = [*known, *(name for name in node.statics if name not in known)]
    statics = [f"{name}={show_static(node.statics[name])}" for name in names]
    line = _line_of(node)
    return " ".join([call, *statics, *([f" # {line}"] if line else [])])


def show_static(value: Any) -> str:
    """A static as text."""
    if isinstance(value, tuple):
        return f"({', '.join(map(show_static, value))}{',' * (len(value) == 1)})"
    if isinstance(value, Program):
        return show(value)
    if isinstance(value, dtype):
        return value.name
    if isinstance(value, device):
        return str(value)
    return repr(value)


def _line_of(node: Node) -> str:
    named = isinstance(node.line, str) or type(node.line).__str__ is not object.__str__
    return str(node.line).replace("\n", " ").strip() if named and node.line is not None else ""


def parse(text: str) -> Program:
    """The program that `text` shows; ValueError, with the place, where it shows none.

    >>> import alight.primitives
    >>> parse("program(%0: f32[2]) { %1: f32[2] = exp(%0) return %1 }")
    program(%0: f32[2]) {
      %1: f32[2] = exp(%0)
      return %1
    }
    """
    parser = _Parser(text)
    program = parser.program()
    parser.expect("end")
    return program


class _Token(NamedTuple):
    kind: str
    text: str
    start: int


_NUMBER = r"(?:inf|nan|\d+(?:\.\d*)?(?:e[+-]?\d+)?)"
_TOKENS = re.compile(
    rf"""(?P<space>\s+)
    |(?P<comment>\#[^\n]*)
    |(?P<string>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")
    |(?P<complex>\(-?{_NUMBER}[+-]{_NUMBER}j\)|-?{_NUMBER}j)
    |(?P<number>-?{_NUMBER}\b)
    |(?P<value>%\d+)
    |(?P<name>[A-Za-z_]\w*(?::\d+)?)
    |(?P<mark>[(){{}}\[\],=:@])""",
    re.VERBOSE,
)
_CONSTANTS = {"True": True, "False": False, "None": None}


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            _refuse(text, at, f"{text[at]!r} starts nothing known")
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(_Token(match.group() if kind == "mark" else kind, match.group(), at))
        at = match.end()
    return [*found, _Token("end", "the end", at)]


def _refuse(text: str, at: int, why: str) -> NoReturn:
    number, begin = text.count("\n", 0, at) + 1, text.rfind("\n", 0, at) + 1
    line = text[begin:].split("\n", 1)[0]
    fail(ValueError, f"this is not a program: {why}", facts=[f"line {number}: {line.strip()}"])


class _Parser:
    """Recursive descent over the tokens; a token's kind is its own text for punctuation marks."""

    def __init__(self, text: str) -> None:
        self.text, self.tokens, self.at = text, _tokens(text), 0

    @property
    def here(self) -> _Token:
        return self.tokens[self.at]

    def refuse(self, why: str) -> NoReturn:
        _refuse(self.text, self.here.start, why)

    def accept(self, kind: str) -> str | None:
        """The text of the next token, taken if it is of this kind."""
        if self.here.kind != kind:
            return None
        self.at += 1
        return self.tokens[self.at - 1].text

    def expect(self, kind: str, text: str | None = None) -> str:
        """The text of the next token, which must be of this kind."""
        if self.here.kind != kind or (text is not None and self.here.text != text):
            self.refuse(f"{text or kind} was expected, not {self.here.text}")
        self.at += 1
        return self.tokens[self.at - 1].text

    def value(self) -> int:
        return int(self.expect("value")[1:])

    def values(self, close: str) -> list[int]:
        """Values with commas between them, up to a token that is left in place."""
        found: list[int] = []
        while self.here.kind != close:
            if found:
                self.expect(",")
            found.append(self.value())
        return found

    def typed_value(self, types: dict[int, Type]) -> int:
        """`%3: f32[2]`, entered in `types`."""
        i = self.value()
        self.expect(":")
        types[i] = self.type_of_value()
        return i

    def type_of_value(self) -> Type:
        of = BY_SHORT.get(self.here.text)
        if of is None:
            self.refuse(f"{self.here.text} is no type of elements")
        self.at += 1
        self.expect("[")
        shape: list[int] = []
        while self.here.kind != "]":
            if shape:
                self.expect(",")
            shape.append(int(self.expect("number")))
        self.expect("]")
        where = device(self.expect("name")) if self.accept("@") else CPU
        return Type(tuple(shape), of, where)

    def program(self) -> Program:
        types: dict[int, Type] = {}
        inputs: list[int] = []
        nodes: list[Node] = []
        self.expect("name", "program")
        self.expect("(")
        while self.here.kind != ")":
            if inputs:
                self.expect(",")
            inputs.append(self.typed_value(types))
        self.expect(")")
        self.expect("{")
        while self.here.kind == "value":
            nodes.append(self.node(types))
        self.expect("name", "return")
        outputs = self.values("}")
        self.expect("}")
        every = [types.get(i) for i in range(max(types, default=-1) + 1)]
        return Program(every, inputs, nodes, outputs)  # type: ignore[arg-type]  # gaps stay None

    def node(self, types: dict[int, Type]) -> Node:
        outputs = [self.typed_value(types)]
        while self.accept(","):
            outputs.append(self.typed_value(types))
        self.expect("=")
        primitive = self.primitive()
        self.expect("(")
        inputs = self.values(")")
        self.expect(")")
        statics: Statics = {}
        while self.here.kind == "name" and self.here.text != "return":
            name = self.expect("name")
            self.expect("=")
            statics[name] = self.static()
        comment = self.accept("comment")
        line = comment[1:].strip() if comment else None
        return Node(primitive, tuple(inputs), statics, tuple(outputs), line)

    def primitive(self) -> type[Primitive]:
        found = REGISTRY.get(self.here.text)
        if found is None:
            self.refuse(f"there is no primitive {self.here.text}, or its file is not imported")
        self.at += 1
        return found

    def static(self) -> Any:
        token = self.here
        if token.text == "program":
            return self.program()
        self.at += 1
        if token.kind == "number":
            number = float(token.text)
            whole = token.text.lstrip("-").isdigit()
            return int(token.text) if whole else number
        if token.kind == "complex":
            return complex(token.text)
        if token.kind == "string":
            return ast.literal_eval(token.text)
        if token.kind == "(":
            return self.statics()
        if token.text in _CONSTANTS:
            return _CONSTANTS[token.text]
        if token.text in BY_NAME:
            return BY_NAME[token.text]
        if token.kind == "name" and token.text.partition(":")[0] in KINDS:
            return device(token.text)
        self.at -= 1
        self.refuse(f"{token.text} is no static")

    def statics(self) -> tuple[Any, ...]:
        """The rest of a tuple."""
        items: list[Any] = []
        while not self.accept(")"):
            items.append(self.static())
            if not self.accept(","):
                self.expect(")")
                break
        return tuple(items)
