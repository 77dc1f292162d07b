"""LLVM IR as text, instruction by instruction.

In: calls of a kernel's emitter. Out: the text of one function. Text, because building objects and printing them again
costs several times as much. Values are names with their type; loops and conditions are `with` blocks; a `Variable`
lives on the stack until LLVM's `sroa` pass makes it a register.

    code = Code("scale", [("ptr", "x"), ("i64", "count")])
    with code.loop(code.integer(0), code["count"], 16) as i:
        at = code.element(code["x"], i, 4)
        code.store(code.op("fmul", code.load("<16 x float>", at), code.splat(2.0, "<16 x float>")), at)
    text = code.finish()
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import NamedTuple

# Contraction lets a multiplication and an addition become one instruction; nothing else about floats is relaxed.
FLOAT_OPS = frozenset({"fadd", "fsub", "fmul", "fdiv", "fneg", "frem"})
_VECTOR = re.compile(r"<(\d+) x (\w+)>")


class Value(NamedTuple):
    """An LLVM value: its text (a name or a constant) and its type."""

    text: str
    type: str

    @property
    def typed(self) -> str:
        """As an operand with its type in front."""
        return f"{self.type} {self.text}"


@cache
def element_type(type: str) -> str:
    """The type of a vector's lanes; a scalar type itself."""
    found = _VECTOR.match(type)
    return found[2] if found else type


@cache
def lanes(type: str) -> int:
    """How many lanes a type has; 1 for a scalar."""
    found = _VECTOR.match(type)
    return int(found[1]) if found else 1


@cache
def vector(type: str, count: int) -> str:
    """The type of `count` lanes; the scalar itself for 1.

    >>> vector("float", 16), vector("i64", 1)
    ('<16 x float>', 'i64')
    """
    return type if count == 1 else f"<{count} x {element_type(type)}>"


@cache
def like(type: str, element: str) -> str:
    """`element` with as many lanes as `type`."""
    return vector(element, lanes(type))


def number(value: float | int | bool, type: str) -> str:
    """A Python number as a constant of a scalar type."""
    if type in ("float", "double"):
        exact = (
            struct.unpack("f", struct.pack("f", _within_float(value)))[0]
            if type == "float"
            else float(value)
        )
        return f"0x{struct.unpack('<Q', struct.pack('<d', exact))[0]:016X}"
    if type == "half":
        return f"0xH{struct.unpack('<H', struct.pack('<e', value))[0]:04X}"
    if type == "i1":
        return "true" if value else "false"
    return str(int(value))


def _within_float(value: float) -> float:
    return (
        value
        if abs(value) <= 3.4028235677973366e38 or value != value
        else float("inf") * (1 if value > 0 else -1)
    )


class Variable:
    """A place on the stack that becomes a register: read and written by name across blocks."""

    __slots__ = ("code", "pointer", "type")

    def __init__(self, code: Code, pointer: Value, type: str) -> None:
        self.code, self.pointer, self.type = code, pointer, type

    def get(self) -> Value:
        """Its value here."""
        return self.code.op(f"load {self.type}, ptr {self.pointer.text}", type=self.type)

    def set(self, value: Value) -> None:
        """Give it another value from here on."""
        self.code.line(f"store {value.typed}, ptr {self.pointer.text}")


class Code:
    """The text of one function as it is written."""

    def __init__(
        self, name: str, parameters: Sequence[tuple[str, str]], result: str = "void"
    ) -> None:
        self.name, self.result = name, result
        self.parameters = {label: Value(f"%{label}", type) for type, label in parameters}
        self.entry: list[str] = []  # stack places
        self.lines: list[str] = []
        self.declared: dict[str, str] = {}  # functions that are called: name -> declaration
        self.block = "entry"  # the label of the current block
        self._count = 0

    def __getitem__(self, name: str) -> Value:
        return self.parameters[name]

    # -- text ----------------------------------------------------------------------------------------------------------

    def fresh(self, stem: str = "") -> str:
        """A name that nothing has yet."""
        self._count += 1
        return f"%{stem}{self._count}" if stem else f"%v{self._count}"

    def line(self, text: str) -> None:
        """One instruction without a result."""
        self.lines.append(f"  {text}")

    def op(self, text: str, *operands: Value, type: str | None = None) -> Value:
        """One instruction with a result: `op("fadd", x, y)`, or its whole text and the result's type."""
        name = self.fresh()
        if operands:
            flags = " contract" if text in FLOAT_OPS else ""
            rest = ", ".join(operand.text for operand in operands)
            self.lines.append(f"  {name} = {text}{flags} {operands[0].type} {rest}")
            return Value(name, type or operands[0].type)
        assert type is not None
        self.lines.append(f"  {name} = {text}")
        return Value(name, type)

    def label(self, name: str) -> None:
        """Begin a block."""
        self.lines.append(f"{name[1:]}:")
        self.block = name[1:]

    def finish(self, returned: Value | None = None) -> str:
        """The whole function as text."""
        self.line("ret void" if returned is None else f"ret {returned.typed}")
        head = ", ".join(value.typed for value in self.parameters.values())
        body = "\n".join([*self.entry, *self.lines])
        return f"define {self.result} @{self.name}({head}) #0 {{\nentry:\n{body}\n}}\n"

    # -- numbers -------------------------------------------------------------------------------------------------------

    def constant(self, value: float | int | bool, type: str) -> Value:
        """A constant; the same in all lanes of a vector type."""
        element = element_type(type)
        text = number(value, element)
        if element == type:
            return Value(text, type)
        return Value(f"splat ({element} {text})", type)

    def integer(self, value: int) -> Value:
        """An i64 constant."""
        return Value(str(value), "i64")

    def integer32(self, value: int) -> Value:
        """An i32 constant."""
        return Value(str(value), "i32")

    def null(self) -> Value:
        """The pointer to nothing."""
        return Value("null", "ptr")

    def lane_numbers(self, type: str) -> Value:
        """0, 1, 2, ... in the lanes of an integer vector type."""
        element = element_type(type)
        if element == type:
            return Value("0", type)
        return Value("<" + ", ".join(f"{element} {i}" for i in range(lanes(type))) + ">", type)

    def splat(self, value: Value | float, type: str) -> Value:
        """A scalar in every lane of a vector type."""
        if not isinstance(value, Value):
            return self.constant(value, type)
        count = lanes(type)
        if count == lanes(value.type):
            return value
        one = self.op(f"insertelement {type} poison, {value.typed}, i64 0", type=type)
        zeros = f"<{count} x i32> zeroinitializer"
        return self.op(f"shufflevector {one.typed}, {type} poison, {zeros}", type=type)

    def compare(self, predicate: str, x: Value, y: Value) -> Value:
        """`predicate` with its family: "icmp slt", "fcmp olt", ..."""
        return self.op(f"{predicate} {x.typed}, {y.text}", type=like(x.type, "i1"))

    def select(self, condition: Value, x: Value, y: Value) -> Value:
        """x where the condition holds, else y, lane by lane."""
        return self.op(f"select {condition.typed}, {x.typed}, {y.typed}", type=x.type)

    def cast(self, instruction: str, x: Value, element: str) -> Value:
        """One of LLVM's conversions ("sext", "fptosi", "bitcast", ...) to another element type."""
        type = like(x.type, element)
        return x if type == x.type else self.op(f"{instruction} {x.typed} to {type}", type=type)

    def call(self, result: str, name: str, *arguments: Value) -> Value:
        """Call a function or an intrinsic; it is declared where the module is put together."""
        self.declared[name] = f"declare {result} @{name}({', '.join(a.type for a in arguments)})"
        text = f"call {result} @{name}({', '.join(a.typed for a in arguments)})"
        if result == "void":
            self.line(text)
            return Value("", "void")
        return self.op(text, type=result)

    def intrinsic(self, stem: str, *arguments: Value) -> Value:
        """An overloaded intrinsic such as llvm.fma on the type of its first argument."""
        type = arguments[0].type
        return self.call(type, f"{stem}.{mangled(type)}", *arguments)

    def fma(self, x: Value, y: Value, z: Value) -> Value:
        """x * y + z in one rounding."""
        return self.intrinsic("llvm.fma", x, y, z)

    # -- memory --------------------------------------------------------------------------------------------------------

    def element(self, pointer: Value, index: Value | int, itemsize: int) -> Value:
        """The address of element `index`."""
        if isinstance(index, int):
            if index == 0:
                return pointer
            return self.op(f"getelementptr i8, {pointer.typed}, i64 {index * itemsize}", type="ptr")
        type = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}[itemsize]
        return self.op(f"getelementptr {type}, {pointer.typed}, i64 {index.text}", type="ptr")

    def load(self, type: str, pointer: Value, mask: Value | None = None) -> Value:
        """Read; with a mask, lanes outside it are zero and their memory is not touched."""
        align = _align(type)
        if mask is None:
            return self.op(f"load {type}, {pointer.typed}, align {align}", type=type)
        name = f"llvm.masked.load.{mangled(type)}.p0"
        self.declared[name] = f"declare {type} @{name}(ptr, i32, {mask.type}, {type})"
        return self.op(
            f"call {type} @{name}({pointer.typed}, i32 {align}, {mask.typed}, {type} zeroinitializer)",
            type=type,
        )

    def store(self, value: Value, pointer: Value, mask: Value | None = None) -> None:
        """Write; with a mask, only the lanes inside it."""
        align = _align(value.type)
        if mask is None:
            self.line(f"store {value.typed}, {pointer.typed}, align {align}")
            return
        name = f"llvm.masked.store.{mangled(value.type)}.p0"
        self.declared[name] = f"declare void @{name}({value.type}, ptr, i32, {mask.type})"
        self.line(f"call void @{name}({value.typed}, {pointer.typed}, i32 {align}, {mask.typed})")

    def prefetch(self, pointer: Value) -> None:
        """Ask for the cache line at an address, which need not be valid."""
        name = "llvm.prefetch.p0"
        self.declared[name] = f"declare void @{name}(ptr, i32, i32, i32)"
        self.line(f"call void @{name}({pointer.typed}, i32 0, i32 2, i32 1)")

    def array(self, type: str, count: int) -> Value:
        """Memory on the stack for the whole function."""
        name = self.fresh("stack")
        self.entry.append(f"  {name} = alloca {type}, i64 {count}, align 64")
        return Value(name, "ptr")

    def variable(self, value: Value) -> Variable:
        """A new variable with its first value."""
        name = self.fresh("var")
        self.entry.append(f"  {name} = alloca {value.type}")
        made = Variable(self, Value(name, "ptr"), value.type)
        made.set(value)
        return made

    # -- integers that addresses are made of ---------------------------------------------------------------------------

    def add(self, x: Value, y: Value | int) -> Value:
        """x + y of i64, constants folded."""
        y = self.integer(y) if isinstance(y, int) else y
        if y.text == "0":
            return x
        if x.text == "0":
            return y
        if _is_number(x) and _is_number(y):
            return self.integer(int(x.text) + int(y.text))
        return self.op("add", x, y)

    def mul(self, x: Value, y: Value | int) -> Value:
        """x * y of i64, constants folded."""
        y = self.integer(y) if isinstance(y, int) else y
        if _is_number(x) and _is_number(y):
            return self.integer(int(x.text) * int(y.text))
        if y.text == "1" or x.text == "0":
            return x
        if x.text == "1" or y.text == "0":
            return y
        return self.op("mul", x, y)

    def minimum(self, x: Value, y: Value) -> Value:
        """The smaller of two i64."""
        if _is_number(x) and _is_number(y):
            return self.integer(min(int(x.text), int(y.text)))
        return self.call("i64", "llvm.smin.i64", x, y)

    def maximum(self, x: Value, y: Value) -> Value:
        """The larger of two i64."""
        if _is_number(x) and _is_number(y):
            return self.integer(max(int(x.text), int(y.text)))
        return self.call("i64", "llvm.smax.i64", x, y)

    def share(self, count: Value, thread: Value, threads: Value) -> tuple[Value, Value]:
        """The part [first, last) of `count` pieces of work that a thread does."""
        first = self.op("sdiv", self.mul(count, thread), threads)
        last = self.op("sdiv", self.mul(count, self.add(thread, 1)), threads)
        return first, last

    # -- control -------------------------------------------------------------------------------------------------------

    @contextmanager
    def loop(self, start: Value, stop: Value, step: int | Value = 1) -> Iterator[Value]:
        """Run the block for start, start + step, ... below stop."""
        step = self.integer(step) if isinstance(step, int) else step
        before, head, body, after = (
            self.block,
            self.fresh("head"),
            self.fresh("body"),
            self.fresh("after"),
        )
        index, following = self.fresh("i"), self.fresh("next")
        self.line(f"br label {head}")
        self.label(head)
        at = len(self.lines)
        self.lines.append("")  # the phi, once the last block of the body is known
        inside = self.compare("icmp slt", Value(index, "i64"), stop)
        self.line(f"br {inside.typed}, label {body}, label {after}")
        self.label(body)
        yield Value(index, "i64")
        self.line(f"{following} = add nsw i64 {index}, {step.text}")
        self.lines[at] = (
            f"  {index} = phi i64 [ {start.text}, %{before} ], [ {following}, %{self.block} ]"
        )
        self.line(f"br label {head}")
        self.label(after)

    def fold(
        self,
        start: Value,
        stop: Value,
        step: int,
        initial: Sequence[Value],
        body: Callable[[Value, list[Value]], list[Value]],
    ) -> list[Value]:
        """A loop that carries values in registers: body(index, carried) gives the next ones; returns the last ones."""
        before, head, inside, after = (
            self.block,
            self.fresh("head"),
            self.fresh("body"),
            self.fresh("after"),
        )
        index, following = self.fresh("i"), self.fresh("next")
        carried = [Value(self.fresh("c"), value.type) for value in initial]
        self.line(f"br label {head}")
        self.label(head)
        at = len(self.lines)
        self.lines.extend([""] * (len(initial) + 1))  # the phis, once the body is known
        going = self.compare("icmp slt", Value(index, "i64"), stop)
        self.line(f"br {going.typed}, label {inside}, label {after}")
        self.label(inside)
        updated = body(Value(index, "i64"), carried)
        self.line(f"{following} = add nsw i64 {index}, {step}")
        pairs = zip(
            [Value(index, "i64"), *carried],
            [start, *initial],
            [following, *(v.text for v in updated)],
            strict=True,
        )
        for position, (phi, first, last) in enumerate(pairs):
            self.lines[at + position] = (
                f"  {phi.text} = phi {phi.type} [ {first.text}, %{before} ], [ {last}, %{self.block} ]"
            )
        self.line(f"br label {head}")
        self.label(after)
        return carried

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Run the block if the condition holds."""
        inside, after = self.fresh("then"), self.fresh("after")
        self.line(f"br {condition.typed}, label {inside}, label {after}")
        self.label(inside)
        yield
        self.line(f"br label {after}")
        self.label(after)

    def tail_mask(self, left: Value, type: str) -> Value:
        """The mask of the first `left` lanes (i64, may exceed the lanes) of a vector type."""
        count = lanes(type)
        wide = vector("i64", count)
        return self.compare("icmp slt", self.lane_numbers(wide), self.splat(left, wide))


def _is_number(value: Value) -> bool:
    return value.text.lstrip("-").isdigit()


@cache
def _align(type: str) -> int:
    return {"i1": 1, "i8": 1, "i16": 2, "half": 2, "bfloat": 2, "i32": 4, "float": 4}.get(
        element_type(type), 8
    )


@cache
def mangled(type: str) -> str:
    """A type as the names of intrinsics spell it.

    >>> mangled("<16 x float>"), mangled("i64")
    ('v16f32', 'i64')
    """
    element = element_type(type)
    short = {"float": "f32", "double": "f64", "half": "f16", "bfloat": "bf16", "ptr": "p0"}.get(
        element, element
    )
    return short if element == type else f"v{lanes(type)}{short}"
