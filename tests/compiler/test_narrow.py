"""Products of which only a part is read are computed in that part: values, checks, and how much is computed."""

from __future__ import annotations

import numpy as np
import pytest
import torch as oracle

import alight as torch
from alight import nn
from alight.backends.cpu.kernels import machine
from alight.backends.cpu.native import Native
from alight.backends.cpu.target import host
from alight.backends.interpreter import backend as _interpreter  # noqa: F401  its kernels
from alight.backends.interpreter.plan import compile_program
from alight.compiler.narrow import narrow
from alight.compiler.pipeline import plan
from alight.compiler.simplify import simplify
from alight.ir.text import parse
from docs.listings import flushes

HEAD = "program(%0: f32[2,6,8], %1: f32[5,8], %2: i64[], %3: i64[], %4: f32[5]) {\n"
PRODUCT = "%10: f32[2,6,5] = dot_general(%0, %1) batch=((), ()) contract=((2,), (1,))\n"
BIAS = """%11: f32[1,1,5] = reshape(%4) shape=(1, 1, 5)
  %12: f32[2,6,5] = expand(%11) shape=(2, 6, 5)
  %13: f32[2,6,5] = add(%10, %12)
"""
ZERO = "%20: i64[] = full() shape=() value=0 dtype=int64 device=cpu\n"
# what follows the product: its text, the shape that is multiplied afterwards
CASES = {
    "last row": ("%14: f32[2,1,5] = slice(%10) starts=(0, 5, 0) stops=(2, 6, 5) steps=(1, 1, 1)\nreturn %14", (2, 1, 5)),
    "a row that a value names": (BIAS + ZERO + "%14: f32[2,1,5] = dynamic_slice(%13, %20, %2, %20) sizes=(2, 1, 5)\nreturn %14", (2, 1, 5)),
    "an image and a row": (BIAS + ZERO + "%14: f32[1,1,5] = dynamic_slice(%13, %2, %3, %20) sizes=(1, 1, 5)\nreturn %14", (1, 1, 5)),
    "two parts": (
        BIAS + "%14: f32[2,2,5] = slice(%13) starts=(0, 1, 0) stops=(2, 3, 5) steps=(1, 1, 1)\n"
        "%15: f32[2,2,5] = slice(%13) starts=(0, 3, 0) stops=(2, 5, 5) steps=(1, 1, 1)\n%16: f32[2,2,5] = mul(%14, %15)\nreturn %16",
        (2, 4, 5),
    ),
    "two rows that values name": (
        BIAS + ZERO + "%14: f32[2,1,5] = dynamic_slice(%13, %20, %2, %20) sizes=(2, 1, 5)\n"
        "%15: f32[2,1,5] = dynamic_slice(%13, %20, %3, %20) sizes=(2, 1, 5)\n%16: f32[2,1,5] = mul(%14, %15)\nreturn %16",
        (2, 6, 5),
    ),
    "every second column": (BIAS + "%14: f32[2,2,3] = slice(%13) starts=(0, 4, 0) stops=(2, 6, 5) steps=(1, 1, 2)\nreturn %14", (2, 2, 5)),
    "through softmax and movement": (
        "%11: f32[2,6] = max(%10) axes=(2,)\n%12: f32[2,6,1] = reshape(%11) shape=(2, 6, 1)\n%13: f32[2,6,5] = expand(%12) shape=(2, 6, 5)\n"
        "%14: f32[2,6,5] = sub(%10, %13)\n%15: f32[6,2,5] = permute(%14) order=(1, 0, 2)\n%16: f32[6,10] = reshape(%15) shape=(6, 10)\n"
        "%17: f32[1,10] = slice(%16) starts=(2, 0) stops=(3, 10) steps=(1, 1)\n%18: f32[10] = reshape(%17) shape=(10,)\nreturn %18",
        (2, 1, 5),
    ),
    "joined columns": (
        "%11: f32[2,6,10] = concat(%10, %10) axis=2\n%12: f32[2,6,1] = slice(%11) starts=(0, 0, 4) stops=(2, 6, 5) steps=(1, 1, 1)\n"
        "%13: f32[1,6,1] = slice(%12) starts=(1, 0, 0) stops=(2, 6, 1) steps=(1, 1, 1)\nreturn %13",
        (1, 6, 5),
    ),
    "all of it": (BIAS + "%14: f32[2,6] = sum(%13) axes=(2,)\nreturn %14", (2, 6, 5)),
}  # fmt: skip


def products(program):
    return [
        program.types[node.outputs[0]].shape
        for node in program.nodes
        if node.primitive.name == "dot_general"
    ]


def arguments(row=4, image=1):
    random = np.random.default_rng(0)
    x, w, b = (random.standard_normal(s).astype(np.float32) for s in ((2, 6, 8), (5, 8), 5))
    return [x, w, np.array(image if row is None else min(row, 1) * image), np.array(row or 0), b]


@pytest.mark.parametrize("case", CASES)
def test_parts_of_products(case):
    text, shape = CASES[case]
    program = simplify(parse(HEAD + "  " + PRODUCT + "  " + text + "\n}"))
    smaller = narrow(program)
    assert products(smaller) == [shape]
    given = arguments()
    (expected,) = compile_program(program)(given)
    for run in (compile_program(smaller), Native(program)):
        (found,) = run(given)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("case", ["a row that a value names", "an image and a row"])
def test_places_are_checked_as_before(case):
    program = simplify(parse(HEAD + "  " + PRODUCT + "  " + CASES[case][0] + "\n}"))
    given = arguments()
    given[2] = np.array(6)
    for run in (compile_program(narrow(program)), Native(program)):
        with pytest.raises(IndexError, match="out of range"):
            run(given)


def test_a_place_that_only_repetition_would_check_stays():
    text = BIAS.replace("add(%10, %12)", "mul(%12, %12)") + ZERO
    text += "%14: f32[2,1,5] = dynamic_slice(%13, %20, %2, %20) sizes=(2, 1, 5)\n"
    text += "%15: f32[2,1,5] = slice(%10) starts=(0, 5, 0) stops=(2, 6, 5) steps=(1, 1, 1)\n"
    text += "%16: f32[2,1,5] = add(%14, %15)\nreturn %16"
    program = simplify(parse(HEAD + "  " + PRODUCT + "  " + text + "\n}"))
    assert narrow(program) == program
    given = arguments()
    given[2] = np.array(6)
    with pytest.raises(IndexError, match="out of range"):
        Native(program)(given)


class Block(nn.Module):
    """A layer of a transformer over all tokens."""

    def __init__(self, width):
        super().__init__()
        self.norm, self.qkv = nn.LayerNorm(width), nn.Linear(width, 3 * width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        b, t, c = x.shape
        q, k, v = (
            one.view(b, t, 2, c // 2).transpose(1, 2)
            for one in self.qkv(self.norm(x)).split(c, dim=2)
        )
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + y.transpose(1, 2).reshape(b, t, c)
        return x + self.down(nn.functional.gelu(self.up(x)))


@pytest.mark.parametrize("at", ["last", "index"])
def test_the_last_layer_of_a_language_model_is_computed_for_one_token(at):
    net = nn.Sequential(Block(16), Block(16), nn.LayerNorm(16), nn.Linear(16, 11))
    x = torch.randn(2, 7, 16)
    with torch.no_grad(), flushes() as log:
        best = (net(x)[:, -1] if at == "last" else net(x)[1, 4]).argmax(-1)
        best.tolist()
    (program,) = log
    assert len(program.outputs) == 1  # nothing that only dead views show
    rows = [shape[-2] for shape in products(narrow(simplify(program))) if len(shape) == 3]
    # input, up and down of the first layer; of the second, all tokens for keys and values alone
    assert rows == [7, 7, 7, 7, 1, 1, 1]
    kernels = plan(program, machine(host())).kernels
    assert not any(kernel.kind == "interpreter" for kernel in kernels)


def test_a_row_written_at_a_place_is_code():
    def step(lib, x, at, value):
        for n in range(3):
            x[at + n] = value * n
        return x

    program = None
    with torch.no_grad(), flushes() as log:
        found = step(torch, torch.zeros(6, 4), 2, torch.ones(4)).tolist()
    (program,) = [p for p in log if len(p.nodes) > 2]
    assert found == step(oracle, oracle.zeros(6, 4), 2, oracle.ones(4)).tolist()
    kernels = plan(program, machine(host())).kernels
    assert not any(kernel.kind == "interpreter" for kernel in kernels)
