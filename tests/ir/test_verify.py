"""Each fault that verify finds, and how it shows the node."""

from __future__ import annotations

import pytest

from alight import primitives as p
from alight.dtypes import float32, float64
from alight.errors import InternalError
from alight.ir.program import Builder, Node, Program
from alight.ir.types import Type
from alight.ir.verify import verify
from alight.primitives.scan import Scan

F2 = Type((2,), float32)
EXP = Node(p.Exp, (0,), {}, (1,))


def test_well_formed() -> None:
    b = Builder()
    x = b.input(F2)
    with b.active():
        program = b.finish([p.Sum(p.Exp(x) * x, axes=(0,)) + 1])
    verify(program)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (Program([F2, F2], [0], [Node(p.Exp, (1,), {}, (1,))], [1]), "reads %1 before it is defined"),
        (Program([F2, F2], [0], [EXP, EXP], [1]), "defines %1, which is defined already"),
        (Program([F2, F2], [0, 0], [], [0]), "%0 is an input twice"),
        (Program([F2, F2], [0], [], [1]), "returns %1, which nothing defines"),
        (Program([F2], [0], [EXP], [1]), "%1 has no type"),
        (Program([F2, Type((3,), float32)], [0], [EXP], [1]), "has results .*, but infers"),
        (Program([F2, F2], [0], [Node(p.Exp, (0,), {"base": 2}, (1,))], [1]), "has the statics"),
        (Program([F2, Type((), float32)], [0], [Node(p.Sum, (0,), {"axes": [0]}, (1,))], [1]), "type list, which no text can show"),
        (Program([F2, F2], [0], [Node(p.Not, (0,), {}, (1,))], [1]), "not does not take f32"),
        (Program([F2, F2], [0], [Node(p.Permute, (0,), {"order": ("a",)}, (1,))], [1]), "cannot be"),
    ],
    ids=lambda value: "" if isinstance(value, Program) else value,
)  # fmt: skip
def test_faults(program: Program, expected: str) -> None:
    with pytest.raises(InternalError, match=expected):
        verify(program)


def test_nested_programs_are_checked() -> None:
    body = Program([F2, F2], [0], [Node(p.Exp, (0,), {}, (1,))], [1])
    wrong = Program([F2, F2], [0], [*body.nodes, *body.nodes], [1])
    statics = {"length": 3, "carry_count": 1, "constant_count": 0, "reverse": False}
    verify(Program([F2, F2], [0], [Node(Scan, (0,), {"body": body, **statics}, (1,))], [1]))
    with pytest.raises(InternalError, match="defined already"):
        verify(Program([F2, F2], [0], [Node(Scan, (0,), {"body": wrong, **statics}, (1,))], [1]))


def test_message_shows_the_node_among_its_neighbours() -> None:
    types = [F2] * 12
    nodes = [Node(p.Exp, (i,), {}, (i + 1,), f"a.py:{i}") for i in range(11)]
    types[6] = Type((2,), float64)
    with pytest.raises(InternalError) as caught:
        verify(Program(types, [0], nodes, [11]))
    assert str(caught.value) == (
        "exp has results [f64[2]], but infers [f32[2]]\n"
        "  this is alight's mistake, not your program's; please report it with this text\n"
        "     %4: f32[2] = exp(%3)  # a.py:3\n"
        "     %5: f32[2] = exp(%4)  # a.py:4\n"
        "  -> %6: f64[2] = exp(%5)  # a.py:5\n"
        "     %7: f32[2] = exp(%6)  # a.py:6\n"
        "     %8: f32[2] = exp(%7)  # a.py:7"
    )
