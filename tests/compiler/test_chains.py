"""Loops over time that are written out: threads do not meet in them, and results do not depend on their number."""

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
from tests.compiler.test_merge import by_hand, cells, program_of


def peephole(steps, batch=32, hidden=48):
    """An LSTM of one's own, whose gates see the cell."""
    wide = nn.Linear(6 + hidden, 4 * hidden)
    seen = (torch.randn(3, hidden) * 0.3).requires_grad_()
    x = torch.randn(steps, batch, 6)

    def run():
        h = c = torch.zeros(batch, hidden)
        for one in x:
            i, f, g, o = wide(torch.cat([one, h], dim=1)).chunk(4, dim=1)
            c = torch.sigmoid(f + seen[0] * c) * c + torch.sigmoid(i + seen[1] * c) * g.tanh()
            h = torch.sigmoid(o + seen[2] * c) * c.tanh()
        grads = torch.autograd.grad(h.square().sum(), [*wide.parameters(), seen])
        return sum(one.sum() for one in grads).item()

    return run


def normalised(steps, batch=32, hidden=64):
    """A step that mixes the rows of the batch."""
    w = torch.randn(hidden, hidden) * 0.1

    def run():
        h = torch.ones(batch, hidden)
        for _ in range(steps):
            h = torch.tanh(h @ w)
            h = h - h.mean(0)
        return h.sum().item()

    return run


LOOPS = {
    "by hand": lambda steps: by_hand(steps, hidden=64, batch=32),
    "by hand, batch 16, ragged": lambda steps: by_hand(steps, hidden=81, batch=16),
    "by hand, batch 128": lambda steps: by_hand(steps, hidden=32, batch=128),
    "LSTMCell": lambda steps: cells("LSTMCell", steps, batch=32, hidden=48),
    "GRUCell": lambda steps: cells("GRUCell", steps, batch=32, hidden=64),
    "GRUCell, float64": lambda steps: cells("GRUCell", steps, torch.float64, 16, 64),
    "peephole": peephole,
    "rows mixed": normalised,
}


def arguments_of(program):
    rng = np.random.default_rng(0)
    found = []
    for of in (program.types[i] for i in program.inputs):
        if of.dtype.is_floating_point:
            found.append((rng.standard_normal(of.shape) * 0.5).astype(of.dtype.name))
        else:
            found.append(rng.integers(0, 2, of.shape).astype(of.dtype.name))
    return found


@pytest.mark.parametrize("name", LOOPS)
def test_chains_give_what_the_interpreter_gives_on_any_number_of_threads(name):
    program = program_of(LOOPS[name](5))
    arguments = arguments_of(program)
    want, compiled = compile_program(program)(list(arguments)), Native(program)
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found = [np.array(one) for one in compiled(list(arguments))]
            for a, b in zip(want, found, strict=True):
                exact = a.dtype == np.float64
                np.testing.assert_allclose(
                    b, a, rtol=1e-10 if exact else 5e-4, atol=1e-11 if exact else 5e-5
                )
            if threads == 1:
                first = found
        for a, b in zip(first, found, strict=True):
            np.testing.assert_array_equal(a, b)
    finally:
        torch.set_num_threads(before)


def plan_for_two(run):
    return plan(program_of(run), machine(host(), 2))


@pytest.mark.parametrize("name", [*list(LOOPS)[:3], "LSTMCell"])
def test_a_loop_is_one_chain_each_way_however_long(name):
    found = []
    for steps in (6, 12):
        made = plan_for_two(LOOPS[name](steps))
        pairs = zip(made.kernels, made.phases, strict=True)
        found.append(len({(k.owned.chain, at) for k, at in pairs if k.owned}))
        products = [k for k in made.kernels if k.owned and k.kind == "product"]
        assert len(products) >= 2 * steps - 2
    assert found[0] == found[1] <= 3  # the first state may be there before


def test_meetings_do_not_grow_with_the_number_of_steps():
    short, long = (plan_for_two(LOOPS["by hand"](steps)).phases[-1] for steps in (6, 12))
    assert long == short < 20


def test_rows_that_are_mixed_are_no_chain():
    assert not [kernel for kernel in plan_for_two(normalised(6)).kernels if kernel.owned]


def test_memory_of_a_chain_does_not_grow_with_what_each_step_needs_for_itself():
    w = torch.randn(64, 64)

    def forward(steps):
        def run():
            h = torch.ones(32, 64)
            for _ in range(steps):
                h = torch.tanh(h @ w)
            return h.sum().item()

        return run

    short, long = (plan_for_two(forward(steps)).memory.size for steps in (8, 16))
    assert long == short


def test_one_thread_has_no_chains():
    made = plan(program_of(LOOPS["by hand"](6)), machine(host(), 1))
    assert not [kernel for kernel in made.kernels if kernel.owned]
