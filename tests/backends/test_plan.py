"""The interpreter's plans: right on random programs, no memory shared, no input or constant written, little kept."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from alight import primitives as p
from alight.backends.interpreter import backend  # noqa: F401  (registers all kernels)
from alight.backends.interpreter.arrays import round_bfloat16
from alight.backends.interpreter.once import run_once
from alight.backends.interpreter.plan import compile_program
from alight.dtypes import bfloat16, bool_, dtype, float32, float64, int64
from alight.ir.program import Builder, Program, Value
from alight.ir.types import Type
from alight.ir.verify import verify
from alight.primitives.arithmetic import constant

Arrays = list[Any]


# -- random programs against a naive evaluator ---------------------------------------------------------------------------

NAIVE: dict[Any, Callable[..., Any]] = {
    p.Add: np.add, p.Sub: np.subtract, p.Mul: np.multiply, p.Neg: np.negative, p.Tanh: np.tanh, p.Sin: np.sin,
    p.Maximum: np.maximum, p.Less: np.less, p.Select: np.where,
    p.Convert: lambda x, dtype: x.astype(dtype.name),
    p.Detach: lambda x: x,
    p.Reshape: lambda x, shape: x.reshape(shape),
    p.Permute: lambda x, order: x.transpose(order),
    p.Expand: lambda x, shape: np.broadcast_to(x, shape),
    p.Flip: lambda x, axes: np.flip(x, axes),
    p.Slice: lambda x, starts, stops, steps: x[tuple(map(slice, starts, stops, steps))],
    p.Pad: lambda x, low, high: np.pad(x, list(zip(low, high, strict=True))),
    p.Concat: lambda *xs, axis: np.concatenate(xs, axis),
    p.Sum: lambda x, axes: np.sum(x, axes),
    p.Max: lambda x, axes: np.max(x, axes),
    p.Full: lambda shape, value, dtype, device: np.full(shape, value, dtype.name),
    p.Sort: lambda x, axis, descending: (np.sort(x, axis), np.argsort(x, axis, kind="stable")),
    p.DotGeneral: lambda x, y, batch, contract: np.tensordot(x, y, contract),
}  # fmt: skip


def naive(program: Program, arrays: Arrays) -> Arrays:
    """Each node alone, on copies of its inputs."""
    env = dict(zip(program.inputs, map(np.asarray, arrays), strict=True))
    for node in program.nodes:
        results = NAIVE[node.primitive](*(env[i].copy() for i in node.inputs), **node.statics)
        if len(node.outputs) == 1:
            results = (results,)
        env.update(zip(node.outputs, results, strict=True))
    return [env[i] for i in program.outputs]


class Generator:
    """A random program over the primitives of `NAIVE`, in float64."""

    def __init__(self, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.builder = Builder()
        shapes = [(2, 3), (2, 3), (3,), (1, 3), (), (3, 2)]
        self.values = [self.builder.input(Type(shape, float64)) for shape in shapes]
        self.inputs = list(self.values)

    def program(self) -> Program:
        with self.builder.active():
            for _ in range(self.random.integers(1, 25)):
                made = self.step()
                self.values.extend(made if isinstance(made, tuple) else (made,))
        usable = [value for value in self.values if value.dtype is not bool_]
        count = self.random.integers(1, 5)
        return self.builder.finish([self.one_of(usable[-8:]) for _ in range(count)])

    def one_of(self, options: Any) -> Any:
        return options[self.random.integers(len(options))]

    def step(self) -> Any:
        x = self.one_of([v for v in self.values if v.dtype is float64 and v.size <= 64])
        same = self.one_of([v for v in self.values if v.type == x.type])
        axis = int(self.random.integers(x.ndim)) if x.ndim else 0
        options: list[Callable[[], Any]] = [
            lambda: p.Tanh(x),
            lambda: p.Sin(x),
            lambda: -x,
            lambda: p.Detach(x),
            lambda: p.Add(x, same),
            lambda: p.Mul(same, x),
            lambda: p.Maximum(x, same),
            lambda: p.Select(p.Less(x, same), x, -same),
            lambda: x * 0.5 + 1,
            lambda: p.Convert(p.Less(x, same), dtype=float64),
            lambda: p.Reshape(x, shape=(1, *x.shape)),
            lambda: constant(x, float(self.random.integers(3)), x.shape),
            lambda: p.Sum(x, axes=tuple(range(x.ndim))),
        ]
        if x.ndim:
            options += [
                lambda: p.Permute(x, order=tuple(reversed(range(x.ndim)))),
                lambda: p.Flip(x, axes=(axis,)),
                lambda: p.Sum(x, axes=(axis,)),
                lambda: p.Concat(x, same, x, axis=axis),
                lambda: p.Pad(x, low=(1,) * x.ndim, high=(0,) * x.ndim),
                lambda: p.Reshape(x, shape=(x.size,)),
                lambda: self.slice(x),
            ]
        if 1 in x.shape:
            wide = tuple(3 if size == 1 else size for size in x.shape)
            options += [
                lambda: p.Expand(x, shape=wide),
                lambda: p.Tanh(p.Expand(x, shape=wide)),
            ] * 3
        if x.size and x.ndim:
            options += [
                lambda: p.Max(x, axes=(axis,)),
                lambda: p.Sort(x, axis=axis, descending=False),
                lambda: p.DotGeneral(x, same, batch=((), ()), contract=((axis,), (axis,))),
            ]
        return self.one_of(options)()

    def slice(self, x: Value) -> Value:
        starts = tuple(int(self.random.integers(size + 1)) for size in x.shape)
        return p.Slice(x, starts=starts, stops=x.shape, steps=(1,) * x.ndim)


@pytest.mark.parametrize("seed", range(300))
def test_random_programs(seed: int) -> None:
    generator = Generator(seed)
    program = generator.program()
    verify(program)
    arrays: Arrays = [
        np.asarray(generator.random.standard_normal(v.shape)) for v in generator.inputs
    ]
    before = [x.copy() for x in arrays]
    expected = naive(program, before)
    run = compile_program(program)
    for run_it in (run, run, partial(run_once, program)):
        results = run_it(arrays)
        for result, truth, i in zip(results, expected, program.outputs, strict=True):
            assert result.shape == program.types[i].shape, program
            np.testing.assert_allclose(result, truth, rtol=1e-12, atol=1e-12, err_msg=str(program))
        check_no_sharing(results, arrays, program)
        for result in results:
            result[...] = 99  # the next run must not see this
        for x, copy in zip(arrays, before, strict=True):
            np.testing.assert_array_equal(x, copy, err_msg=str(program))


def check_no_sharing(results: Arrays, arrays: Arrays, program: Program) -> None:
    for n, result in enumerate(results):
        for other in (*results[:n], *arrays):
            assert not np.shares_memory(result, other), program


# -- aliases -------------------------------------------------------------------------------------------------------------


def build(formula: Callable[..., Any], *types: Type) -> Program:
    b = Builder()
    inputs = [b.input(type) for type in types]
    with b.active():
        outputs = formula(*inputs)
    return b.finish(outputs if isinstance(outputs, (list, tuple)) else [outputs])


F23 = Type((2, 3), float64)

SHARING: dict[str, Callable[[Value], Any]] = {
    "the input itself": lambda x: x,
    "an input twice": lambda x: (x, x),
    "a view of the input": lambda x: p.Permute(x, order=(1, 0)),
    "a view of a view": lambda x: p.Reshape(p.Flip(x, axes=(0,)), shape=(6,)),
    "detached": lambda x: (p.Detach(x), x),
    "a temporary and its view": lambda x: (y := p.Exp(x), p.Reshape(y, shape=(6,))),
    "two views of a temporary": lambda x: [
        p.Slice(p.Exp(x) + 0, starts=(0, a), stops=(2, a + 2), steps=(1, 1)) for a in (0, 1)
    ],
    "a view whose base goes on": lambda x: (
        y := p.Exp(x), p.Reshape(y, shape=(6,)), p.Tanh(y), p.Tanh(p.Tanh(y)),
    ),
    "the same twice": lambda x: (p.Exp(x),) * 2,
    "an expanded constant": lambda x: p.Expand(constant(x, 2, (1, 1)), shape=(2, 3)),
    "a constant twice": lambda x: (constant(x, 2, (2, 3)),) * 2,
    "an expanded sum": lambda x: p.Expand(p.Reshape(p.Sum(x, axes=(0, 1)), shape=(1, 1)), shape=(2, 3)),
    "both results of a sort": lambda x: (*p.Sort(x, axis=0, descending=False), p.Sort(x, axis=0, descending=True)[0]),
    "the bits": lambda x: p.Bitcast(x, dtype=int64),
    "a copy that changes nothing": lambda x: p.Round(p.Convert(p.Convert(x, dtype=int64), dtype=int64)),
}  # fmt: skip


@pytest.mark.parametrize("formula", SHARING.values(), ids=SHARING)
def test_outputs_share_no_memory(formula: Callable[[Value], Any]) -> None:
    program = build(formula, F23)
    run = compile_program(program)
    x = np.arange(6.0).reshape(2, 3)
    first = run([x])
    check_no_sharing(first, [x], program)
    kept = [result.copy() for result in first]
    second = run([x])
    check_no_sharing([*first, *second], [x], program)
    for result in first:
        assert result.flags.writeable
        result[...] = 0
    for result, copy in zip(run([x]), kept, strict=True):
        np.testing.assert_array_equal(result, copy)
    np.testing.assert_array_equal(x, np.arange(6.0).reshape(2, 3))


def test_read_only_inputs_are_not_written() -> None:
    x = np.arange(6.0).reshape(2, 3)
    x.flags.writeable = False
    (result,) = compile_program(build(lambda x: p.Tanh(x * 2) + x, F23))([x])
    np.testing.assert_allclose(result, np.tanh(x * 2) + x)


def test_one_array_as_two_inputs() -> None:
    x = np.arange(6.0).reshape(2, 3)
    (result,) = compile_program(build(lambda x, y: p.Exp(x) * y - x, F23, F23))([x, x])
    np.testing.assert_allclose(result, np.exp(x) * x - x)


def test_results_are_contiguous_in_order_where_copied() -> None:
    program = build(lambda x: p.Permute(x, order=(1, 0)), F23)
    (result,) = compile_program(program)([np.arange(6.0).reshape(2, 3)])
    assert result.flags.c_contiguous


def test_views_share_memory_when_asked_to() -> None:
    program = build(lambda x: p.Permute(p.Slice(x, starts=(0, 1), stops=(2, 3), steps=(1, 1)), order=(1, 0)), F23)  # fmt: skip
    x = np.arange(6.0).reshape(2, 3)
    (view,) = compile_program(program, copy_outputs=False)([x])
    assert np.shares_memory(view, x)


# -- numbers as inputs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of", "number", "expected"),
    [(float32, 0.1, np.float32), (float64, 2, np.float64), (int64, 3, np.int64), (bool_, True, np.bool_)],
)  # fmt: skip
def test_python_numbers_are_inputs_without_axes(of: dtype, number: Any, expected: Any) -> None:
    program = build(lambda x, s: (p.Add(s, s), p.Expand(p.Reshape(s, shape=(1,)), shape=(3,)), p.Convert(s, dtype=float32), x), F23, Type((), of))  # fmt: skip
    results = compile_program(program)([np.zeros((2, 3)), number])
    assert [type(result) for result in results] == [np.ndarray] * 4
    assert results[0].dtype == results[1].dtype == expected
    assert results[0].shape == ()
    assert results[2].dtype == np.float32
    from_array = compile_program(program)([np.zeros((2, 3)), np.array(number, expected)])
    for result, other in zip(results, from_array, strict=True):
        np.testing.assert_array_equal(result, other)


def test_results_without_axes_are_arrays() -> None:
    scalar = Type((), float32)
    program = build(lambda x, y: (x + y, -x, p.Sin(x) * y, p.Select(p.Less(x, y), x, y), x), scalar, scalar)  # fmt: skip
    results = compile_program(program)([1.5, 2.0])
    assert all(type(r) is np.ndarray and r.shape == () and r.dtype == np.float32 for r in results)
    assert all(r.flags.writeable for r in results)


# -- memory --------------------------------------------------------------------------------------------------------------

LONG = Type((1 << 18,), float64)  # 2 MiB


def peak(program: Program, arrays: Arrays) -> float:
    """The most memory that a run allocated, in units of `LONG`, its results included."""
    run = compile_program(program)
    run(arrays)
    tracemalloc.start()
    try:
        results = run(arrays)
        used = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    del results
    return used / LONG.bytes


def test_dying_temporaries_are_written_over() -> None:
    program = build(lambda x: p.Tanh(p.Sin(x * 2) + 1) - x, LONG)
    assert peak(program, [np.zeros(LONG.shape)]) < 1.1


def test_dying_temporaries_are_let_go() -> None:
    def formula(x: Value) -> Value:
        for _ in range(8):
            x = p.CumSum(x, axis=0)
        return x

    assert peak(build(formula, LONG), [np.zeros(LONG.shape)]) < 2.1


def test_a_spread_scalar_is_left_to_broadcasting() -> None:
    def formula(x: Value, s: Value) -> Value:
        return p.Exp(p.Expand(p.Reshape(s, shape=(1,)), shape=LONG.shape)) * x + 1

    program = build(formula, LONG, Type((), float64))
    assert peak(program, [np.ones(LONG.shape), 2.0]) < 1.1
    (result,) = compile_program(program)([np.ones(LONG.shape), 2.0])
    assert result[7] == np.exp(2.0) + 1


def test_a_spread_value_that_is_summed_is_spread_first() -> None:
    def formula(s: Value) -> tuple[Value, Value]:
        wide = p.Exp(p.Expand(p.Reshape(s, shape=(1, 1)), shape=(4, 5)))
        return p.Sum(wide, axes=(0,)), wide + wide

    total, twice = compile_program(build(formula, Type((), float64)))([0.0])
    np.testing.assert_array_equal(total, np.full(5, 4.0))
    np.testing.assert_array_equal(twice, np.full((4, 5), 2.0))


# -- bfloat16 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "formula",
    [
        lambda x, s: x + s,
        lambda x, s: x * s * s - x,
        lambda x, s: p.Tanh(p.Exp(x) / (x * x + 1)),
        lambda x, s: p.Sum(x, axes=(0, 1)) * s,
        lambda x, s: p.Erf(x),
        lambda x, s: constant(x, 1.2345, (2,)),
        lambda x, s: p.DotGeneral(x, x, batch=((), ()), contract=((0,), (0,))) + s,
        lambda x, s: s + s,
        lambda x, s: s,
        lambda x, s: p.Convert(p.Convert(x, dtype=float64) * 1.2345, dtype=bfloat16),
        lambda x, s: p.Prod(x, axes=(1,)),
        lambda x, s: p.Pow(p.Abs(x), x),
    ],
)
def test_bfloat16_results_are_rounded(formula: Callable[..., Any]) -> None:
    program = build(formula, Type((2, 3), bfloat16), Type((), bfloat16))
    x = round_bfloat16(np.random.default_rng(0).standard_normal((2, 3)).astype(np.float32))
    (result,) = compile_program(program)([x, 0.001])
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, round_bfloat16(result))


def test_bfloat16_rounds_to_nearest_even() -> None:
    eps = 2.0**-8  # half of the distance between 1 and the next number
    x = np.array(
        [1 + eps, 1 + 3 * eps, 1 + 1.01 * eps, -1 - eps, np.inf, np.nan, 3.4e38], np.float32
    )
    expected = np.array([1, 1 + 4 * eps, 1 + 2 * eps, -1, np.inf, np.nan, np.inf], np.float32)
    np.testing.assert_array_equal(round_bfloat16(x), expected)


# -- errors --------------------------------------------------------------------------------------------------------------


def test_an_error_names_its_node() -> None:
    def formula(x: Value, y: Value) -> Value:
        x.builder.line = "train.py:3"
        return p.FloorDiv(x + 1, y) * 2

    whole = Type((2,), int64)
    program = build(formula, whole, whole)
    with pytest.raises(RuntimeError, match="ZeroDivisionError") as caught:
        compile_program(program)([np.array([1, 2]), np.array([1, 0])])
    node = program.nodes[caught.value.node_number]  # type: ignore[attr-defined]
    assert node.primitive is p.FloorDiv and node.line == "train.py:3"


def test_arithmetic_warns_nobody() -> None:
    program = build(lambda x: p.Log(x) / p.Convert(p.Exp(x * 1000), dtype=float32) + p.Sqrt(-x), Type((3,), float32))  # fmt: skip
    compile_program(program)([np.array([-1, 0, 5], np.float32)])  # warnings are errors here
