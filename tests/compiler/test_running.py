"""Running sums and products are compiled: the interpreter's values, with what is done with them; reversed reads."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from alight.backends.cpu.kernels import machine
from alight.backends.cpu.target import host
from alight.compiler.pipeline import plan
from alight.ir.text import parse
from tests.compiler.test_tiers import agree, both

SHAPES = {
    "rows": ((5, 37), 1),
    "whole vectors": ((3, 2, 64), 2),
    "columns": ((9, 21), 0),
    "between": ((3, 17, 2, 19), 1),
    "one number": ((50,), 0),
    "last of one": ((30, 1), 0),
    "a short row": ((40, 3), 1),
}
NAMES = [
    (name, dtype) for name in ("cum_sum", "cum_prod") for dtype in ("f32", "f64", "i32", "i64")
]
NAMES += [("log_cum_sum_exp", "f32"), ("log_cum_sum_exp", "f64")]


def arguments(program):
    random = np.random.default_rng(0)
    of = {"f32": np.float32, "f64": np.float64, "i32": np.int32, "i64": np.int64}
    kinds = [str(program.types[i]).split("[")[0] for i in program.inputs]
    return [
        (random.standard_normal(program.types[i].shape) * (1 if kind[0] == "f" else 3)).astype(
            of[kind]
        )
        for i, kind in zip(program.inputs, kinds, strict=True)
    ]


@pytest.mark.parametrize(("name", "dtype"), NAMES)
@pytest.mark.parametrize("shape", SHAPES)
def test_running(name, shape, dtype):
    extents, axis = SHAPES[shape]
    x = f"{dtype}[{','.join(map(str, extents))}]"
    program = parse(f"""
program(%0: {x}, %1: {x}) {{
  %2: {x} = flip(%0) axes=({axis},)
  %3: {x} = {name}(%2) axis={axis}
  %4: {x} = mul(%3, %1)
  %5: {x} = {name}(%1) axis={axis}
  %6: {x} = flip(%5) axes=({len(extents) - 1},)
  return %3, %4, %6
}}
""")
    kernels = plan(program, machine(host())).kernels
    assert "interpreter" not in {kernel.kind for kernel in kernels}
    assert any(len(kernel.nodes) > 1 for kernel in kernels if kernel.kind == "running")
    agree(program, arguments(program))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", ("f32", "f64"))
def test_recurrences(shape, dtype):
    extents, axis = SHAPES[shape]
    x = f"{dtype}[{','.join(map(str, extents))}]"
    program = parse(f"""
program(%0: {x}, %1: {x}) {{
  %2: {x} = flip(%1) axes=({axis},)
  %3: {x} = recurrence(%0, %2) axis={axis}
  %4: {x} = tanh(%3)
  return %4
}}
""")
    assert [kernel.kind for kernel in plan(program, machine(host())).kernels] == ["running"]
    agree(program, arguments(program))


def test_as_exact_as_pytorch():
    x = np.random.default_rng(0).random((4, 4001), np.float32)
    for axis in (0, 1):
        at = x if axis else np.ascontiguousarray(x.T)
        shape = ",".join(map(str, at.shape))
        program = parse(
            f"program(%0: f32[{shape}]) {{\n  %1: f32[{shape}] = cum_sum(%0) axis={axis}\n  return %1\n}}"
        )
        _, (found,) = both(program, [at])
        exact = np.cumsum(at.astype(np.float64), axis)
        theirs = abs(torch.tensor(at).cumsum(axis).numpy() - exact).max()
        assert abs(found - exact).max() <= 4 * theirs


def test_infinities_and_nan():
    rows = np.array(
        [[-np.inf, -np.inf, 1, 2], [1, np.inf, np.inf, 2], [3, np.nan, 1, np.inf]], np.float32
    )
    program = parse(
        "program(%0: f32[3,4]) {\n  %1: f32[3,4] = log_cum_sum_exp(%0) axis=1\n  return %1\n}"
    )
    _, (found,) = both(program, [rows])
    wanted = torch.tensor(rows).logcumsumexp(1).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
