"""Running results agree with PyTorch, NaN and infinities included; Scan agrees with a loop in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from alight.dtypes import float64
from alight.ir.program import Builder
from alight.ir.types import Type
from alight.primitives import CumMax, CumMin, CumSum, DotGeneral, LogCumSumExp, Scan, Tanh
from alight.primitives.scan import training_body
from alight.transforms.reverse import vjp_program
from tests.primitives.applied import applied, gradients, program_of
from tests.primitives.rows_scan import recurrence

random = np.random.default_rng(0)


@pytest.mark.parametrize(("ours", "theirs"), [(CumMax, torch.cummax), (CumMin, torch.cummin)])
def test_running_extremum(ours: Any, theirs: Any) -> None:
    x = random.standard_normal((3, 8, 2)).round()
    x[0, 2] = x[0, 4] = np.nan
    values, places = applied(ours, x, axis=1)
    expected = theirs(torch.tensor(x), 1)
    np.testing.assert_array_equal(values, expected.values)
    np.testing.assert_array_equal(places, expected.indices)


def test_small_integers_stay_small() -> None:
    assert applied(CumSum, np.array([100, 100], np.uint8), axis=0)[0].tolist() == [100, 200]


def test_logcumsumexp_far_out() -> None:
    x = random.standard_normal((3, 6))
    x[0, :2], x[1, 3], x[2, 0] = -np.inf, -np.inf, 800
    tx = torch.tensor(x, requires_grad=True)
    y = torch.logcumsumexp(tx, 1)
    ct = random.standard_normal(x.shape)
    y.backward(torch.tensor(ct))
    np.testing.assert_allclose(applied(LogCumSumExp, x, axis=1)[0], y.detach())
    (grad,) = gradients(LogCumSumExp, [x], [ct], axis=1)
    assert tx.grad is not None
    assert tx.grad[0, :2].isnan().all() and not grad[0, :2].any()  # ours is right there
    np.testing.assert_allclose(grad[0, 2:], tx.grad[0, 2:])
    np.testing.assert_allclose(grad[1:], tx.grad[1:])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("length", [4, 1, 0])
def test_scan_is_a_loop(length: int, reverse: bool) -> None:
    h, w, k = (random.standard_normal(shape) for shape in ((2, 3), (3, 3), (2, 3)))
    x = random.standard_normal((length, 2, 3))
    statics = {"length": length, "carry_count": 2, "constant_count": 2, "reverse": reverse}
    last, count, results, before = applied(
        Scan, h, np.int64(0), w, k, x, body=recurrence("gated"), **statics
    )
    expected, carries = np.empty_like(x), np.empty_like(x)
    for t in reversed(range(length)) if reverse else range(length):
        carries[t] = h
        h = np.tanh(h @ w * np.sin(x[t] * h) + k)
        expected[t] = np.exp(h) * x[t]
    assert count == length
    np.testing.assert_allclose(last, h)
    np.testing.assert_allclose(results, expected)
    np.testing.assert_allclose(before, carries)


@pytest.mark.parametrize(("kind", "scans"), [("elman", 1), ("gated", 2)])
def test_the_body_runs_again_only_where_needed(kind: str, scans: int) -> None:
    shapes = ((2, 3), (), (3, 3), (2, 3), (4, 2, 3))
    arrays = [np.zeros(shape, np.float64 if shape else np.int64) for shape in shapes]
    program = program_of(
        Scan,
        arrays,
        body=recurrence(kind),
        length=4,
        carry_count=2,
        constant_count=2,
        reverse=False,
    )
    outputs = [program.outputs[0], *program.outputs[2:]]
    nodes = vjp_program(program, outputs, [program.inputs[2]]).program.nodes
    assert sum(node.primitive is Scan for node in nodes) == scans


def test_the_gradient_of_a_weight_is_one_product_after_the_loop() -> None:
    arrays = [np.zeros(shape) for shape in ((2, 3), (3, 3), (2, 3), (4, 2, 3))]
    b = Builder()
    h, w, k, x = (b.input(Type(shape, float64)) for shape in ((2, 3), (3, 3), (2, 3), (2, 3)))
    with b.active():
        gates = DotGeneral(h, w, batch=((), ()), contract=((1,), (0,))) * 2 + x
        new = Tanh(gates) * 3 + k
    body = training_body(b.finish([new]), carry_count=1, constant_count=2)
    assert len(body.outputs) == 3  # the carry, again as a stack, and the tanh
    statics = {"length": 4, "carry_count": 1, "constant_count": 2, "reverse": False}
    program = program_of(Scan, arrays, body=body, **statics)
    nodes = vjp_program(program, program.outputs, [program.inputs[1]]).program.nodes
    (loop,) = [node for node in nodes if node.primitive is Scan]
    assert loop.statics["carry_count"] == 2  # the carry, and the sum for k; none for w
    products = [node for node in nodes if node.primitive is DotGeneral]
    assert [node.statics["contract"] for node in products] == [((0, 1), (0, 1))]
