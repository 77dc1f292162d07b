"""Maximum pooling is compiled: values, places and gradients of the interpreter, with ties and NaN."""

from __future__ import annotations

import numpy as np
import pytest

from alight.backends.cpu.kernels import machine
from alight.backends.cpu.target import host
from alight.compiler.pipeline import plan
from alight.ir.text import parse
from tests.compiler.test_tiers import agree

# shape, window, stride, padding, places
POOLS = {
    "side by side": ((3, 5, 8, 6), (2, 2), (2, 2), ((0, 0), (0, 0)), (4, 3)),
    "a rest left out": ((20, 4, 9, 7), (2, 3), (2, 3), ((0, 0), (0, 0)), (4, 2)),
    "overlapping": ((4, 18, 9, 9), (3, 3), (2, 2), ((1, 1), (1, 1)), (5, 5)),
    "each place": ((2, 3, 6, 7), (3, 3), (1, 1), ((1, 1), (1, 1)), (6, 7)),
    "far apart": ((2, 3, 9, 9), (2, 2), (4, 3), ((0, 0), (0, 0)), (2, 3)),
    "whole planes": ((3, 5, 12, 10), (12, 10), (12, 10), ((0, 0), (0, 0)), (1, 1)),
    "large parts": ((2, 3, 20, 27), (10, 9), (10, 9), ((0, 0), (0, 0)), (2, 3)),
}


def program_of(name, dtype):
    """Largest elements, their places, and the gradient of a random cotangent."""
    shape, window, stride, padding, places = POOLS[name]
    statics = f"window={window} stride={stride} padding={padding} dilation=(1, 1)"
    x = f"{dtype}[{','.join(map(str, shape))}]"
    out = f"[{','.join(map(str, (*shape[:2], *places)))}]"
    return parse(f"""
program(%0: {x}, %1: {dtype}{out}) {{
  %2: {dtype}{out} = window_max(%0) {statics}
  %3: i64{out} = window_arg_max(%0) {statics}
  %4: {x} = window_max_scatter(%1, %0) {statics}
  return %2, %3, %4
}}
""")


@pytest.mark.parametrize("name", POOLS)
@pytest.mark.parametrize("dtype", ("f32", "f64"))
def test_pools(name, dtype):
    program = program_of(name, dtype)
    kinds = [kernel.kind for kernel in plan(program, machine(host())).kernels]
    assert "interpreter" not in kinds
    random = np.random.default_rng(0)
    of = {"f32": np.float32, "f64": np.float64}[dtype]
    x, ct = (random.standard_normal(program.types[i].shape).astype(of) for i in program.inputs)
    agree(program, (x, ct))
    agree(program, (np.round(x), ct))  # ties
    x[random.random(x.shape) < 0.1] = np.nan
    agree(program, (x, ct))
    agree(program, (np.full_like(x, -np.inf), ct))
