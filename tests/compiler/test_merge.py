"""Loops over time: what is written out is merged into large products, what is put together is put together in place."""

from __future__ import annotations

import numpy as np
import pytest

import alight as torch
from alight import nn
from alight.backends.cpu.kernels import machine
from alight.backends.cpu.native import Native
from alight.backends.cpu.target import host
from alight.backends.interpreter.plan import compile_program
from alight.compiler.merge import merge
from alight.compiler.pipeline import plan
from alight.compiler.simplify import simplify
from docs.listings import flushes


def program_of(run):
    """The largest program of what a function records."""
    with flushes() as log:
        run()
    return max(log, key=lambda program: len(program.nodes))


def by_hand(steps, hidden=24, batch=5, vocab=7, unbound=False):
    """The step of a recurrent network whose loop is written in Python."""
    w_xh, w_hh, w_hq = (
        (torch.randn(*shape) * 0.3).requires_grad_()
        for shape in ((vocab, hidden), (hidden, hidden), (hidden, vocab))
    )
    b_h, b_q = torch.zeros(hidden, requires_grad=True), torch.zeros(vocab, requires_grad=True)
    x, y = torch.randn(steps, batch, vocab), torch.randint(0, vocab, (steps * batch,))

    def run():
        state, outputs = torch.zeros(batch, hidden), []
        rows = (x * 2).unbind() if unbound else x
        for t in range(steps):
            state = torch.tanh(rows[t] @ w_xh + state @ w_hh + b_h)
            outputs.append(state @ w_hq + b_q)
        loss = nn.functional.cross_entropy(torch.cat(outputs), y)
        grads = torch.autograd.grad(loss, [w_xh, w_hh, w_hq, b_h, b_q])
        return [loss, *grads][-1].sum().item(), [one.sum().item() for one in grads]

    return run


def cells(kind, steps=5, dtype=torch.float32, batch=3, hidden=8):
    """The same with a cell of the library, a head at every step, and gradients of everything."""
    cell, head = getattr(nn, kind)(6, hidden).to(dtype), nn.Linear(hidden, 2).to(dtype)
    x = torch.randn(steps, batch, 6, dtype=dtype, requires_grad=True)

    def run():
        h = c = torch.zeros(batch, hidden, dtype=dtype)
        outputs = []
        for one in x:
            if kind == "LSTMCell":
                h, c = cell(one, (h, c))
            else:
                h = cell(one, h)
            outputs.append(head(h))
        loss = torch.stack(outputs).square().mean() + (c * h).sum()
        parameters = [x, *cell.parameters(), *head.parameters()]
        total = sum(one.sum() for one in torch.autograd.grad(loss, parameters))
        return total.item()

    return run


def layer(kind, width=8, batch=3, **options):
    """A training step of a layer of the library."""
    net = getattr(nn, kind)(6, width, **options)
    x = torch.randn(7, batch, 6, requires_grad=True)

    def run():
        loss = net(x)[0].square().mean()
        return sum(one.sum() for one in torch.autograd.grad(loss, [x, *net.parameters()])).item()

    return run


PROGRAMS = {
    "by hand": lambda: by_hand(5),
    "by hand, batch 1": lambda: by_hand(4, batch=1),
    "by hand, unbound": lambda: by_hand(5, unbound=True),
    "RNNCell": lambda: cells("RNNCell"),
    "GRUCell": lambda: cells("GRUCell"),
    "LSTMCell": lambda: cells("LSTMCell"),
    "LSTMCell, float64": lambda: cells("LSTMCell", dtype=torch.float64, batch=1),
    "RNN": lambda: layer("RNN"),
    "GRU": lambda: layer("GRU", bidirectional=True),
    "GRU, no bias": lambda: layer("GRU", bias=False, num_layers=2),
    "LSTM": lambda: layer("LSTM", num_layers=2),
    "LSTM, projected": lambda: layer("LSTM", proj_size=3),
    "RNN, portions": lambda: layer("RNN", batch=32),
    "GRU, portions": lambda: layer("GRU", batch=16, bidirectional=True),
    "GRU, portions without bias": lambda: layer("GRU", batch=18, bias=False),
    "LSTM, portions": lambda: layer("LSTM", batch=34, num_layers=2),
    "LSTM, portions, projected": lambda: layer("LSTM", batch=16, proj_size=3),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_compiled_loops_give_what_the_interpreter_gives(name):
    program = program_of(PROGRAMS[name]())
    rng = np.random.default_rng(0)
    arguments = []
    for i in program.inputs:
        of = program.types[i]
        if of.dtype.is_floating_point:
            arguments.append((rng.standard_normal(of.shape) * 0.5).astype(of.dtype.name))
        else:
            arguments.append(rng.integers(0, 2, of.shape).astype(of.dtype.name))
    want, found = compile_program(program)(list(arguments)), Native(program)(list(arguments))
    for a, b in zip(want, found, strict=True):
        exact = a.dtype == np.float64
        np.testing.assert_allclose(
            b, a, rtol=1e-10 if exact else 2e-4, atol=1e-12 if exact else 1e-5
        )


def made_plan(run):
    return plan(program_of(run), machine(host()))


def test_a_written_out_loop_has_one_product_for_each_step_and_direction():
    short, long = (made_plan(by_hand(steps)) for steps in (6, 12))
    products = [sum(kernel.kind == "product" for kernel in made.kernels) for made in (short, long)]
    assert products[1] - products[0] == 2 * 6
    different = [len({kernel.key() for kernel in made.kernels}) for made in (short, long)]
    assert different[0] == different[1]


def test_the_rows_of_one_value_are_not_put_together_again():
    merged = merge(simplify(program_of(by_hand(6, unbound=True))))
    maker = {out: node for node in merged.nodes for out in node.outputs}
    for node in merged.nodes:
        if node.primitive.name == "concat":
            names = {maker[i].primitive.name for i in node.inputs if i in maker}
            assert not names & {"slice", "reshape"}
    products = [node for node in merged.nodes if node.primitive.name == "dot_general"]
    assert sum(merged.types[node.outputs[0]].shape == (6 * 5, 24) for node in products) == 2


@pytest.mark.parametrize("width", [8, 160])
@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_a_step_of_a_layer_is_a_product_and_a_loop_each_way(kind, width):
    kernels = made_plan(layer(kind, width, batch=32)).kernels
    bodies = [kernel.inner.plan for kernel in kernels if kernel.kind == "scan"]
    assert len(bodies) == 2
    assert all(len(body.kernels) <= 2 for body in bodies)
    copies = {"concat", "slice", "permute", "detach"}
    assert not [k for k in kernels if {node.primitive.name for node in k.nodes} <= copies]


def test_what_depends_on_itself_is_not_merged():
    w = torch.randn(4, 4)

    def run():
        x = torch.ones(2, 4)
        for _ in range(5):
            x = torch.tanh(x @ w)
        return x.sum().item()

    program = simplify(program_of(run))
    assert merge(program) is program
