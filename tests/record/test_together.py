"""The small programs of one flush become one, once a loop has gone round often."""

from __future__ import annotations

import numpy as np
import pytest

import alight as torch
from alight import config
from alight.compiler.hot import background
from alight.record.recorder import thread
from alight.record.together import EVERY, united
from tests.record.paths import forgotten


@pytest.fixture(autouse=True)
def compiled_at_once(monkeypatch):
    monkeypatch.setattr(config, "hot", 0)
    monkeypatch.setattr(config, "tier", 1)
    recorder = forgotten()
    recorder.log = []
    yield
    recorder.log = None
    forgotten()


def plan_of_last_flush():
    return thread.recorder.log[-1][1]


def updates(laps):
    """Hand-written steps of three parameters, which have nothing to do with each other."""
    parameters = [torch.full(shape, 2.0).requires_grad_() for shape in ((3,), (2, 5), (4, 1))]
    counts = []
    for _ in range(laps):
        loss = sum((p * p).sum() for p in parameters)
        loss.backward()
        loss.item()
        with torch.no_grad():
            for p in parameters:
                p -= 0.01 * p.grad
                p.grad.zero_()
        counts.append(len(plan_of_last_flush().runs))
        background.wait()
    return counts, [p.tolist() for p in parameters]


def test_updates_of_single_parameters_become_one_program():
    counts, values = updates(2 * EVERY)
    assert counts[0] >= 3 and counts[-1] == 1
    for value in values:
        np.testing.assert_allclose(value, 2.0 * 0.98 ** (2 * EVERY), rtol=1e-4)


def parts(x, y, places):
    """Two values that have nothing to do with each other."""
    return x.exp() * 2, y[places] + 1


def test_one_that_fails_leaves_the_other_its_value():
    x, y = torch.ones(3), torch.arange(4.0)
    inside, outside = torch.tensor([1, 3]), torch.tensor([1, 4])
    for _ in range(EVERY + 2):
        a, b = parts(x, y, inside)
        a.tolist()
        background.wait()
    assert len(plan_of_last_flush().runs) == 1
    np.testing.assert_allclose(a.tolist(), 2 * np.exp([1.0] * 3), rtol=1e-6)
    assert b.tolist() == [2.0, 4.0]
    a, b = parts(x, y, outside)
    with pytest.raises(IndexError, match=r"out of (range|bounds)"):
        b.tolist()
    np.testing.assert_allclose(a.tolist(), 2 * np.exp([1.0] * 3), rtol=1e-6)


def test_somebody_who_holds_more_gets_a_plan_of_its_own():
    x, y = torch.ones(3), torch.arange(4.0)
    for lap in range(EVERY + 5):
        middle = x + lap
        a, b = middle.exp(), y + lap
        if lap <= EVERY:
            del middle
        b.tolist()
        background.wait()
    assert middle.tolist() == [EVERY + 5.0] * 3
    np.testing.assert_allclose(a.tolist(), np.exp([EVERY + 5.0] * 3), rtol=1e-5)


def test_what_several_read_is_one_input():
    x = torch.ones(3)
    forgotten().log = []
    a, b = x + 1, x * 2
    a.tolist()
    (one,) = [run for run in plan_of_last_flush().runs if run.program.nodes]
    program, feeds = united([one, one])
    assert feeds == one.feeds and len(program.inputs) == len(one.program.inputs)
    assert len(program.outputs) == 2 * len(one.program.outputs)
    assert b.tolist() == [2.0] * 3
