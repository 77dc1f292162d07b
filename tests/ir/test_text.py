"""Programs as text: exact round trip, and what parsing says about a bad text."""

from __future__ import annotations

from math import inf, nan

import pytest

from alight import primitives as p
from alight.device import device
from alight.dtypes import ALL, bfloat16, complex64, float32, int64, uint32
from alight.ir.program import Builder, Program
from alight.ir.text import parse, show
from alight.ir.types import Type
from alight.primitives.scan import CumMax, Scan

F23 = Type((2, 3), float32)


def example() -> Program:
    """Several outputs, a source line, statics of several kinds."""
    b = Builder()
    x = b.input(F23)
    with b.active():
        b.line = "train.py:3"
        values, places = CumMax(x, axis=1)
        b.line = None
        padded = p.Pad(values, low=(0, 1), high=(0, 0))
        best = p.ArgMax(padded, axes=(0,))
    return b.finish([best, places, x])


def test_format() -> None:
    assert show(example()) == (
        "program(%0: f32[2,3]) {\n"
        "  %1: f32[2,3], %2: i64[2,3] = cum_max(%0) axis=1  # train.py:3\n"
        "  %3: f32[2,4] = pad(%1) low=(0, 1) high=(0, 0)\n"
        "  %4: i64[4] = arg_max(%3) axes=(0,)\n"
        "  return %4, %2, %0\n"
        "}"
    )


def round_trip(program: Program) -> Program:
    again = parse(show(program))
    assert again == program
    assert show(again) == show(program)
    return again


def test_round_trip_keeps_lines() -> None:
    assert round_trip(example()).nodes[0].line == "train.py:3"


@pytest.mark.parametrize(
    "value",
    [0, 1, -7, True, False, 0.0, -0.0, 1.5, 1e-5, 1e16, -2.5e300, 5e-324, inf, -inf, nan, 2j,
     complex(-0.0, inf), complex(nan, -0.0)],
)  # fmt: skip
def test_numbers(value: object) -> None:
    b = Builder()
    with b.active():
        x = p.Full(shape=(), value=value, dtype=complex64, device=device("cpu"))
    (node,) = round_trip(b.finish([x])).nodes
    assert repr(node.statics["value"]) == repr(value)


@pytest.mark.parametrize("of", ALL, ids=lambda of: of.short)
def test_dtypes(of: object) -> None:
    b = Builder()
    x = b.input(Type((1, 0), of))  # type: ignore[arg-type]
    round_trip(b.finish([p.Convert(x, dtype=bfloat16), p.Convert(x, dtype=uint32)]))


def test_devices() -> None:
    b = Builder()
    x = b.input(Type((4,), float32, device("cuda:1")))
    with b.active():
        y = p.Iota(shape=(4,), axis=0, dtype=float32, device=device("cuda:1"))
    program = b.finish([x + y])
    assert "f32[4]@cuda:1" in show(program)
    assert "device=cuda:1" in show(program)
    round_trip(program)


def test_programs_inside_programs() -> None:
    inner = Builder()
    carry, step = inner.input(Type((3,), float32)), inner.input(Type((3,), float32))
    with inner.active():
        total = carry + step
    body = inner.finish([total, total])
    b = Builder()
    carry, xs = b.input(Type((3,), float32)), b.input(Type((5, 3), float32))
    outs = Scan(carry, xs, body=body, length=5, carry_count=1, constant_count=0, reverse=False)
    program = b.finish(outs)
    assert show(program) == (
        "program(%0: f32[3], %1: f32[5,3]) {\n"
        "  %2: f32[3], %3: f32[5,3] = scan(%0, %1) body=program(%0: f32[3], %1: f32[3]) {\n"
        "    %2: f32[3] = add(%0, %1)\n"
        "    return %2, %2\n"
        "  } length=5 carry_count=1 constant_count=0 reverse=False\n"
        "  return %2, %3\n"
        "}"
    )
    round_trip(program)


def test_empty_programs() -> None:
    round_trip(Program([], [], [], []))
    round_trip(Program([F23, Type((), int64), F23], [2], [], [2]))  # value 1 is nobody's


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "program was expected, not the end"),
        ("program(%0: f32[2]) { return %0 } x", "end was expected, not x"),
        ("program(%0 f32[2]) { return %0 }", ": was expected, not f32"),
        ("program() {\n  %0: f32[] = twist()\n  return\n}", "no primitive twist(.|\n)*line 2"),
        ("program(%0: f32[]) { %1: f32[] = exp(%0) a=[] return }", r"\[ is no static"),
        ("program(%0: f32[]) { %1: f32[] = exp(%0) a=$ }", "starts nothing known"),
        ("program(%0: f7[]) { return %0 }", "f7 is no type"),
    ],
)
def test_bad_text(text: str, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        parse(text)
