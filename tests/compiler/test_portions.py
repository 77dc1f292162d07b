"""Loops over time cut along the batch: what may be cut, threads that do not meet, results that do not depend on them."""

from __future__ import annotations

import numpy as np
import pytest

import alight as torch
from alight import nn
from alight.backends.cpu.kernels import machine
from alight.backends.cpu.native import Native
from alight.backends.cpu.target import host
from alight.backends.interpreter.plan import compile_program
from alight.compiler.pipeline import plan
from alight.compiler.portions import portion_count, portion_of
from alight.ir.text import parse
from tests.compiler.test_merge import layer, program_of

ELMAN = """program(%0: f32[32,8], %1: f32[8,8], %2: f32[32,8]) {
  %3: f32[32,8] = dot_general(%0, %1) batch=((), ()) contract=((1,), (0,))
  %4: f32[32,8] = add(%3, %2)
  %5: f32[32,8] = tanh(%4)
  return %5, %4
}"""
CENTRED = """program(%0: f32[32,8], %1: f32[8,8], %2: f32[32,8]) {
  %3: f32[32,8] = dot_general(%0, %1) batch=((), ()) contract=((1,), (0,))
  %4: f32[8] = sum(%3) axes=(0,)
  %5: f32[1,8] = reshape(%4) shape=(1, 8)
  %6: f32[32,8] = expand(%5) shape=(32, 8)
  %7: f32[32,8] = add(%6, %2)
  return %7
}"""
SUMMED = """program(%0: f32[8,8], %1: f32[8,8], %2: f32[32,8], %3: f32[32,8]) {
  %4: f32[8,8] = dot_general(%2, %3) batch=((), ()) contract=((0,), (0,))
  %5: f32[8,8] = add(%0, %4)
  return %5
}"""


def test_a_portion_has_its_own_rows_of_what_has_rows():
    body, cut = portion_of(parse(ELMAN), 1, 2)
    assert cut == (True, False, True)
    assert [body.types[i].shape for i in body.inputs] == [(16, 8), (8, 8), (16, 8)]
    assert [body.types[i].shape for i in body.outputs] == [(16, 8), (16, 8)]


@pytest.mark.parametrize("text", [CENTRED, SUMMED])
def test_rows_that_need_one_another_stay_together(text):
    assert portion_of(parse(text), 1, 2) is None


def test_rows_that_cannot_be_halved_stay_together():
    assert portion_of(parse(ELMAN), 1, 3) is None
    assert portion_count(parse(ELMAN), 3, 0, 1) == 1


def test_a_thread_has_enough_rows():
    body = parse(ELMAN)
    assert portion_count(body, 2, 1 << 10, 1 << 20) == 2
    assert portion_count(body, 8, 1 << 10, 1 << 20) == 1  # four rows each
    assert portion_count(body, 2, 1 << 21, 1 << 20) == 1  # weights from afar for sixteen rows


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_threads_do_not_meet_in_a_loop_over_time(kind):
    two = machine(host(), 2)
    loops = [k.inner for k in plan(program_of(layer(kind, batch=32)), two).kernels if k.inner]
    assert [(loop.portions, bool(loop.apart)) for loop in loops] == [(2, True)] * 2
    loops = [k.inner for k in plan(program_of(layer(kind, batch=5)), two).kernels if k.inner]
    assert [loop.portions for loop in loops] == [0] * 2


@pytest.mark.parametrize("kind", ["GRU", "LSTM"])
def test_results_do_not_depend_on_the_number_of_threads(kind):
    program = program_of(layer(kind, 64, batch=32))
    rng = np.random.default_rng(1)
    arguments = [rng.standard_normal(program.types[i].shape, np.float32) for i in program.inputs]
    compiled, before = Native(program), torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append([np.array(one) for one in compiled(list(arguments))])
    finally:
        torch.set_num_threads(before)
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_sequences_of_different_lengths_are_cut_along_the_batch():
    net, x = nn.LSTM(6, 8), torch.randn(7, 32, 6, requires_grad=True)
    lengths = [7, 7, *range(6, 1, -1), *[1] * 25]

    def run():
        rows = nn.utils.rnn.pack_padded_sequence(x, lengths)
        loss = net(rows)[0].data.square().mean()
        torch.autograd.grad(loss, list(net.parameters()))[0].sum().item()

    program = program_of(run)
    rng = np.random.default_rng(2)
    sizes = np.array([sum(length > t for length in lengths) for t in range(7)])
    arguments = []
    for of in (program.types[i] for i in program.inputs):
        made = rng.standard_normal(of.shape, np.float32) * np.float32(0.5)
        arguments.append(made if of.dtype.is_floating_point else sizes)
    compiled = Native(program)
    assert [k.inner.portions for k in compiled.plan.kernels if k.inner] == [2, 2]
    want, found = compile_program(program)(list(arguments)), compiled(list(arguments))
    for a, b in zip(want, found, strict=True):
        np.testing.assert_allclose(b, a, rtol=2e-4, atol=1e-5)
