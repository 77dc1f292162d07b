"""Convolutions that are quicker along rows than with copies of their images: no copies, the interpreter's values."""

from __future__ import annotations

import numpy as np
import pytest

from alight.backends.cpu.kernels import machine
from alight.backends.cpu.target import host
from alight.compiler.pipeline import plan
from alight.ir.text import parse
from alight.primitives.window import output_extents
from tests.compiler.test_tiers import agree

WIDE = machine(host()._replace(vector_bytes=64, registers=32))  # where numbers say what pays

# x, weights, stride, padding, dilation, groups
ALONE = {
    "depthwise": ((2, 24, 13, 19), (24, 1, 3, 3), 1, 1, 1, 24),
    "depthwise, a batch": ((17, 8, 12, 12), (8, 1, 5, 5), 1, 2, 1, 8),
    "depthwise, large, stride 2": ((1, 20, 20, 32), (20, 1, 7, 7), 2, 3, 1, 20),
    "depthwise, dilated": ((3, 18, 20, 20), (18, 1, 3, 3), 1, 2, 2, 18),
    "depthwise along one axis": ((3, 18, 70), (18, 1, 9), 1, 4, 1, 18),
    "single places": ((20, 24, 9, 11), (40, 24, 1, 1), 1, 0, 1, 1),
    "single places of one axis": ((2, 24, 50), (40, 24, 1), 1, 0, 1, 1),
    "a batch": ((16, 5, 18, 17), (12, 5, 3, 3), 1, 1, 1, 1),
    "a stem": ((16, 3, 33, 32), (24, 3, 3, 3), 2, 1, 1, 1),
    "groups": ((5, 32, 16, 16), (32, 8, 3, 3), 1, 1, 1, 4),
}
LINES = {
    "conv": "  %2: {out} = conv(%0, %1) {s}\n  %3: {out} = tanh(%2)\n  return %3",
    "result and ending": "  %2: {out} = conv(%0, %1) {s}\n  %3: {out} = tanh(%2)\n  return %2, %3",
}


def program_of(name, dtype, lines):
    """A convolution of that shape and what is done with it."""
    x, w, stride, padding, dilation, groups = ALONE[name]
    rank = len(x) - 2
    laid = (stride,) * rank, ((padding, padding),) * rank, (dilation,) * rank
    places = output_extents(x[2:], w[2:], *laid)
    s = f"stride={laid[0]} padding={laid[1]} dilation={laid[2]} groups={groups}"
    x, w, out = (f"{dtype}[{','.join(map(str, of))}]" for of in (x, w, (x[0], w[0], *places)))
    head = f"program(%0: {x}, %1: {w}) {{\n"
    return parse(head + lines.format(out=out, w=w, s=s, shape=ALONE[name][1]) + "\n}\n")


def arguments(program):
    random = np.random.default_rng(0)
    kinds = {"f32": np.float32, "f64": np.float64}
    return [
        random.standard_normal(program.types[i].shape).astype(kinds[str(program.types[i])[:3]])
        for i in program.inputs
    ]


@pytest.mark.parametrize("name", ALONE)
@pytest.mark.parametrize("dtype", ("f32", "f64"))
def test_no_copies_where_they_would_cost_more(name, dtype):
    program = program_of(name, dtype, LINES["conv"])
    (kernel,) = plan(program, WIDE).kernels
    assert kernel.kind in ("convolution", "product")
    agree(program, arguments(program))


@pytest.mark.parametrize("name", [*ALONE][::3])
def test_results_that_are_wanted_too(name):
    program = program_of(name, "f32", LINES["result and ending"])
    agree(program, arguments(program))


@pytest.mark.parametrize("name", ("depthwise", "depthwise, a batch", "a batch"))
def test_with_gradients_of_weights(name):
    lines = "  %2: {out} = conv(%0, %1) {s}\n  %3: {w} = conv_filter(%0, %2) shape={shape} {s}\n  return %2, %3"
    program = program_of(name, "f32", lines)
    agree(program, arguments(program))


def test_another_convolution_keeps_the_order_that_is_fast():
    text = """
program(%0: f32[16,8,12,12], %1: f32[8,8,1,1], %2: f32[8,1,3,3]) {
  %3: f32[16,8,12,12] = conv(%0, %1) stride=(1, 1) padding=((0, 0), (0, 0)) dilation=(1, 1) groups=1
  %4: f32[16,8,12,12] = conv(%3, %2) stride=(1, 1) padding=((1, 1), (1, 1)) dilation=(1, 1) groups=8
  return %4
}
"""
    program = parse(text)
    made = plan(program, WIDE)
    between = made.kernels[1].writes[0]
    assert made.strides[between][0] == 1  # the batch innermost
    agree(program, arguments(program))
