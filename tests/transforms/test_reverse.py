"""Reverse mode as text: which cotangents arrive, what is kept for them, what blocks them, whose rule is used."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from alight import primitives as p
from alight.dtypes import complex128, dtype, float32, float64, int64
from alight.errors import InternalError
from alight.ir.program import Builder, Program, Value
from alight.ir.types import Type
from alight.ir.verify import verify
from alight.primitives.scan import CumMax
from alight.transforms.reverse import Backward, Region, reverse, vjp_program
from tests.primitives.applied import gradients, program_of


def build(formula: Callable[..., Any], count: int, of: dtype = float32) -> Program:
    """A program of `count` inputs of shape (2,)."""
    b = Builder()
    inputs = [b.input(Type((2,), of)) for _ in range(count)]
    with b.active():
        outputs = formula(*inputs)
    return b.finish(outputs if isinstance(outputs, (list, tuple)) else [outputs])


def backward(program: Program, **rest: Any) -> Backward:
    """From all outputs to all inputs."""
    found = reverse(program.types, program.nodes, program.outputs, program.inputs, **rest)
    verify(found.program)
    return found


def body(found: Backward) -> str:
    """The lines of the backward program, without types."""
    lines = str(found.program).splitlines()[1:-1]
    return "\n".join(line.strip().replace(": f32[2]", "") for line in lines)


def test_the_example_at_the_head_of_the_file() -> None:
    found = backward(build(p.Exp, 1))
    assert str(found.program) == (
        "program(%0: f32[2], %1: f32[2]) {\n  %2: f32[2] = mul(%0, %1)\n  return %2\n}"
    )
    assert found.residuals == (1,)
    assert found.reached == (0,)


def test_only_what_a_rule_reads_is_kept() -> None:
    program = build(lambda x, y: (x + y) * y, 2)  # %2 = x + y, %3 = %2 * y
    found = backward(program)
    assert set(found.residuals) == {1, 2}
    assert found.readers == {1: (1,), 2: (1,)}
    assert backward(build(lambda x, y: x + y, 2)).residuals == ()


def test_one_residual_serves_all_its_readers() -> None:
    found = backward(build(lambda x: p.Sin(x) * p.Cos(x), 1))
    assert sorted(found.residuals) == [0, 1, 2]
    assert len(found.readers[0]) == 2


def test_cotangents_of_all_uses_are_added() -> None:
    found = backward(build(lambda x: x + x + x, 1))
    assert body(found).count("add") == 2
    assert found.reached == (0,)


def test_one_value_as_two_outputs() -> None:
    found = backward(build(lambda x: (-x,) * 2, 1))
    assert body(found) == "%2 = add(%0, %1)\n%3 = neg(%2)\nreturn %3"


def test_an_input_that_is_an_output() -> None:
    program = build(lambda x, y: (x, -y), 2)
    assert body(backward(program)) == "%2 = neg(%1)\nreturn %0, %2"


def test_what_nothing_depends_on_is_not_reached() -> None:
    found = backward(build(lambda x, y: p.Exp(y), 2))
    assert found.reached == (1,)
    nothing = backward(build(lambda x: p.Detach(x), 1))
    assert nothing.reached == ()
    assert nothing.program.outputs == ()
    assert nothing.residuals == ()


def test_inner_values_may_be_wanted_and_given() -> None:
    program = build(lambda x: p.Exp(p.Sin(x) * 2), 1)
    sine = next(node.outputs[0] for node in program.nodes if node.primitive is p.Sin)
    found = vjp_program(program, [sine], [0])
    assert [node.primitive for node in found.program.nodes] == [p.Cos, p.Mul]
    found = vjp_program(program, program.outputs, [sine, 0])
    assert found.reached == (sine, 0)


def test_whole_numbers_pass_nothing_on() -> None:
    program = build(lambda x: p.Convert(p.Convert(x, dtype=int64), dtype=float32), 1)
    assert backward(program).reached == ()


def test_a_flat_function_has_a_gradient_of_zeros() -> None:
    found = backward(build(p.Floor, 1))
    assert found.reached == (0,)
    assert "full() shape=(2,) value=0" in body(found)


def test_several_outputs_of_one_node() -> None:
    program = build(lambda x: CumMax(x, axis=0), 1)
    values, places = program.outputs
    found = vjp_program(program, [values], [0])
    assert found.reached == (0,)
    assert found.residuals == (places,)
    assert vjp_program(program, [places], [0]).reached == ()


def test_complex_partials_are_conjugated() -> None:
    found = backward(build(p.Sin, 1, complex128))
    assert [node.primitive for node in found.program.nodes] == [p.Cos, p.Conj, p.Mul]


def test_lines_of_the_forward_nodes_are_kept() -> None:
    b = Builder()
    x = b.input(Type((2,), float32))
    with b.active():
        b.line = "a.py:1"
        y = p.Exp(x)
        b.line = "a.py:2"
        z = -y
    found = backward(b.finish([z]))
    assert [node.line for node in found.program.nodes] == ["a.py:2", "a.py:1"]


def test_a_cotangent_of_another_type_is_refused() -> None:
    program = build(lambda x: p.Exp(x), 1)

    def wrong(ct: Value, out: Value, x: Value) -> Value:
        return p.Convert(ct, dtype=float64)

    with pytest.raises(InternalError, match=r"cotangent f64\[2\]"):
        backward(program, regions=[Region(0, 1, (0,), (1,), wrong)])


# -- blocked values ------------------------------------------------------------------------------------------------------


def test_nothing_flows_through_blocked_values() -> None:
    program = build(lambda x: p.Sin(x) + p.Exp(x), 1)
    exp = next(node.outputs[0] for node in program.nodes if node.primitive is p.Exp)
    found = backward(program, blocked={exp})
    assert [node.primitive for node in found.program.nodes] == [p.Cos, p.Mul]
    assert backward(program, blocked={program.outputs[0]}).reached == ()


def test_a_blocked_value_can_be_wanted_itself() -> None:
    program = build(lambda x: p.Sin(p.Exp(x)), 1)
    exp = program.nodes[0].outputs[0]
    found = reverse(program.types, program.nodes, program.outputs, (exp, 0), blocked={exp})
    assert found.reached == (exp,)


# -- regions -------------------------------------------------------------------------------------------------------------


def square_plus(x: Value, y: Value) -> Value:
    """x * x + y."""
    return x * x + y


def rule(ct: Value, out: Value, x: Value, y: Value) -> tuple[Value | None, ...]:
    """Recognised by its division."""
    return ct / x, ct


def test_a_region_replaces_the_rules_of_its_nodes() -> None:
    program = build(square_plus, 2)
    found = backward(program, regions=[Region(0, 2, (0, 1), program.outputs, rule)])
    assert body(found) == "%2 = div(%0, %1)\nreturn %2, %0"
    assert found.residuals == (0,)
    assert found.readers == {0: (0,)}  # read by the region that starts at node 0


def test_a_region_may_read_its_result_and_give_one_gradient() -> None:
    program = build(p.Tanh, 1)
    region = Region(0, 1, (0,), (1,), lambda ct, out, x: ct / out)
    found = backward(program, regions=[region])
    assert body(found) == "%2 = div(%0, %1)\nreturn %2"
    assert found.residuals == (1,)


def test_none_gives_no_gradient() -> None:
    program = build(square_plus, 2)
    region = Region(0, 2, (0, 1), program.outputs, lambda ct, out, x, y: (None, ct))
    assert backward(program, regions=[region]).reached == (1,)


def test_the_outermost_region_counts() -> None:
    program = build(square_plus, 2)

    def never(*values: Value) -> Any:
        raise AssertionError

    inner = Region(0, 1, (0,), program.nodes[0].outputs, never)
    first = Region(1, 2, (2, 1), program.outputs, never)
    outer = Region(0, 2, (0, 1), program.outputs, rule)
    for regions in ([inner, outer, first], [outer, inner], [first, outer]):
        assert "div" in body(backward(program, regions=regions))


def test_nodes_around_a_region_keep_their_rules() -> None:
    b = Builder()
    x = b.input(Type((2,), float32))
    with b.active():
        program = b.finish([p.Cos(square_plus(p.Sin(x), x))])
    region = Region(1, 3, (1, 0), program.nodes[2].outputs, rule)
    found = backward(program, regions=[region])
    names = [node.primitive.name for node in found.program.nodes]
    assert names == ["sin", "neg", "mul", "div", "cos", "mul", "add"]


def test_a_region_with_several_results() -> None:
    program = build(lambda x: (p.Exp(x), p.Sin(x)), 1)
    seen = []

    def two(ct: tuple[Value, ...], out: tuple[Value, ...], x: Value) -> Value:
        seen.append((len(ct), len(out)))
        return ct[0] / out[1] + ct[1]

    region = Region(0, 2, (0,), program.outputs, two)
    assert body(backward(program, regions=[region])) == (
        "%3 = div(%0, %2)\n%4 = add(%3, %1)\nreturn %4"
    )
    exp_only = reverse(program.types, program.nodes, program.outputs[:1], (0,), regions=[region])
    assert "full() shape=(2,) value=0" in body(exp_only)  # where no cotangent came
    assert seen == [(2, 2), (2, 2)]


def test_a_region_makes_its_results_differentiable() -> None:
    program = build(
        lambda x: p.Detach(x) * 2, 1
    )  # straight through: the rule passes what Detach does not
    region = Region(0, 1, (0,), program.nodes[0].outputs, lambda ct, out, x: ct)
    assert backward(program).reached == ()
    assert backward(program, regions=[region]).reached == (0,)


def test_a_region_that_no_cotangent_reaches_does_not_run() -> None:
    program = build(lambda x: (p.Exp(x), p.Sin(x)), 1)
    region = Region(0, 1, (0,), program.outputs[:1], lambda *values: 1 / 0)
    found = reverse(program.types, program.nodes, program.outputs[1:], (0,), regions=[region])
    assert found.reached == (0,)


def test_values_that_are_also_needed_are_kept() -> None:
    program = build(square_plus, 2)
    wanted: list[Value] = []

    def asks(ct: Value, out: Value, x: Value, y: Value) -> tuple[Value, Value]:
        wanted.append(out)
        return ct, ct

    region = Region(0, 2, (0, 1), program.outputs, asks)
    found = backward(program, regions=[region], also_needed=wanted)
    assert found.residuals == program.outputs


def test_slices_that_cover_an_axis_are_joined_again() -> None:
    def parts(x: Any) -> Any:
        cut = [p.Slice(x, starts=(0, i), stops=(2, i + 2), steps=(1, 1)) for i in (0, 2, 4)]
        return p.Exp(cut[2]) * p.Sin(cut[0]) + p.Tanh(cut[1])

    x = np.random.default_rng(0).standard_normal((2, 6))
    program = program_of(parts, [x])
    names = [
        node.primitive
        for node in vjp_program(program, program.outputs, program.inputs).program.nodes
    ]
    assert names.count(p.Concat) == 1 and p.Pad not in names
    (grad,) = gradients(parts, [x], [np.ones((2, 2))])
    a, c = x[:, :2], x[:, 4:]
    expected = [np.exp(c) * np.cos(a), 1 - np.tanh(x[:, 2:4]) ** 2, np.exp(c) * np.sin(a)]
    np.testing.assert_allclose(grad, np.concatenate(expected, 1))
