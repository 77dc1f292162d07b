"""Paths that never come again: they run once and leave nothing, and one that comes again after all is kept."""

import gc

import pytest
import torch as oracle

import alight
from alight import config
from alight.record.recorder import Recorder, thread


@pytest.fixture
def recorder(monkeypatch):
    """A recorder that knows no paths; nothing is compiled."""
    monkeypatch.setattr(config, "tier", 0)
    before = thread.recorder
    thread.recorder = Recorder()
    yield thread.recorder
    thread.recorder = before


class Graph:
    """A layer over the edges of a graph, and its training step."""

    def __init__(self, torch, read_loss):
        torch.manual_seed(0)
        self.torch, self.read_loss = torch, read_loss
        self.weight = torch.randn(4, 3, requires_grad=True)
        self.bias = torch.zeros(3, requires_grad=True)

    def step(self, nodes, edges):
        torch = self.torch
        x = torch.arange(nodes * 4.0).reshape(nodes, 4).sin()
        source, target = torch.arange(edges) % nodes, (torch.arange(edges) * 7) % nodes
        h = torch.relu(x @ self.weight + self.bias)
        seen = h[source].cos()
        first = seen[0]  # a view
        seen[1] += first * 2
        out = torch.zeros_like(h).index_add_(0, target, seen)
        loss = (out**2).mean()
        before = loss.item() if self.read_loss else None
        loss.backward()
        with torch.no_grad():
            for one in (self.weight, self.bias):
                one -= 0.05 * one.grad
                one.grad = None
        assert before is None or before == loss.item()
        return loss.item(), first.tolist(), out.sum().item()


@pytest.mark.parametrize("read_loss", [False, True])
def test_shapes_that_never_come_again_leave_nothing(recorder, read_loss):
    ours, theirs = Graph(alight, read_loss), Graph(oracle, read_loss)
    known = []
    for i in range(130):
        sizes = 5 + i, 20 + 3 * i
        for a, b in zip(ours.step(*sizes), theirs.step(*sizes), strict=True):
            assert a == pytest.approx(b, rel=1e-3, abs=1e-4)
        known.append(recorder.positions)
    assert ours.weight.tolist() == [pytest.approx(row, rel=1e-3) for row in theirs.weight.tolist()]
    assert known[-1] - known[-31] < 50  # a step takes some 25 new ones


def test_what_passed_and_comes_again_is_kept(recorder):
    def step(n):
        return (alight.ones(n) * 2).sum().item()

    for n in range(1, 100):
        step(n)
    passed = recorder.positions
    assert step(200) == 400 and recorder.positions == passed
    assert step(200) == 400 and recorder.positions > passed
    kept = recorder.positions
    assert step(200) == 400 and recorder.positions == kept


def test_shapes_that_come_again_are_kept_from_the_first_time(recorder):
    for n in [*range(1, 60)] * 2:
        alight.ones(n).sum().item()
        known = recorder.positions if n == 59 else 0
    for n in range(1, 60):
        alight.ones(n).sum().item()
    assert recorder.positions == known


def test_paths_that_passed_are_not_held(recorder):
    def step(n):
        x = alight.ones(n, requires_grad=True)
        loss = (x.exp() * x[None]).sum()
        loss.item()
        loss.backward()
        return x.grad.sum().item()

    for n in range(1, 100):
        step(n)
    gc.collect()
    before = len(gc.get_objects())
    for n in range(100, 160):
        step(n)
    gc.collect()
    assert len(gc.get_objects()) - before < 60 * 100  # about 1000 a step if paths stay


def test_errors_of_values_name_the_line(recorder):
    for n in range(1, 100):
        alight.arange(n).sum().item()
    table = alight.ones(3, 200)
    for n in (111, 112):
        with pytest.raises(IndexError, match="index 7 ") as caught:
            rows = table[alight.full((n,), 7)]  # here
            rows.sum().item()
        assert "recorded at test_passing.py" in str(caught.value)
