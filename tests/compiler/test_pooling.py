"""Maximum pooling is compiled: values, places and gradients of the interpreter, with ties and NaN."""

from __future__ import annotations

import numpy as np
import pytest

from alight.backends.cpu.kernels import machine
from alight.backends.cpu.target import host
from alight.compiler.pipeline import plan
from alight.ir.text import parse
from alight.primitives.window import output_extents
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


LARGE = {
    "each place": ((2, 3, 21, 19), (9, 9), (1, 1), ((4, 4), (4, 4)), (1, 1)),
    "no padding": ((1, 2, 20, 22), (13, 11), (1, 1), ((0, 0), (0, 0)), (1, 1)),
    "in steps": ((2, 2, 31, 26), (9, 8), (2, 3), ((4, 3), (0, 4)), (1, 1)),
    "dilated": ((1, 3, 33, 30), (9, 8), (1, 2), ((8, 8), (2, 3)), (2, 1)),
    "more padding than window": ((2, 2, 9, 10), (9, 9), (1, 1), ((12, 9), (0, 10)), (1, 1)),
    "volumes": ((2, 9, 10, 11), (5, 4, 5), (1, 1, 1), ((2, 2), (0, 1), (2, 2)), (1, 1, 1)),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_windows_that_overlap_go_axis_by_axis(name):
    shape, window, stride, padding, dilation = LARGE[name]
    count = len(window)
    lead, spatial = shape[: len(shape) - count], shape[len(shape) - count :]
    places = output_extents(spatial, window, stride, padding, dilation)
    rest = f"stride={stride} padding={padding} dilation={dilation}"
    x, out, ones, wide = (
        f"f32[{','.join(map(str, extents))}]"
        for extents in (
            shape,
            (*lead, *places),
            (*lead, *places, *(1 for _ in window)),
            (*lead, *places, *window),
        )
    )
    program = parse(f"""
program(%0: {x}, %1: {out}) {{
  %2: {out} = window_sum(%0) window={window} {rest}
  %3: {out} = window_max(%0) window={window} {rest}
  %4: {ones} = reshape(%1) shape={(*lead, *places, *(1 for _ in window))}
  %5: {wide} = expand(%4) shape={(*lead, *places, *window)}
  %6: {x} = fold(%5) shape={shape} {rest}
  %7: {out.replace("f32", "i64")} = window_arg_max(%0) window={window} {rest}
  %8: {x} = window_max_scatter(%1, %0) window={window} {rest}
  return %2, %3, %6, %7, %8
}}
""")
    assert "interpreter" not in {k.kind for k in plan(program, machine(host())).kernels}
    random = np.random.default_rng(0)
    given = [random.standard_normal(program.types[i].shape).astype("f4") for i in program.inputs]
    agree(program, given)
    given[0] = np.round(given[0])  # ties
    agree(program, given)
    given[0][random.random(shape) < 0.05] = np.nan
    agree(program, given)
