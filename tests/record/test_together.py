"""Tensors that enter segments together: when a company forms, when it parts, and that nothing else changes."""

import gc
import weakref

import numpy as np
import pytest

import alight as torch
from alight import nn
from alight.record.recorder import Recorder, thread


@pytest.fixture
def fresh(monkeypatch):
    """A recorder that knows no paths yet."""
    recorder = Recorder()
    monkeypatch.setattr(thread, "recorder", recorder)
    return recorder


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.BatchNorm1d(4), nn.Linear(4, 2))


def laps(net, count, optimizer=None):
    """Training on new batches; the losses."""
    optimizer = optimizer or torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for i in range(count):
        x = torch.arange(15, dtype=torch.float32).reshape(5, 3) / 10 + i
        loss = net(x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def enter_steps(recorder, task):
    """How many steps of entering a task takes."""
    seen = []
    flush = recorder.flush
    recorder.flush = lambda reason: (seen.append(recorder.here), flush(reason))
    task()
    del recorder.flush
    return [step.name for position in seen for step in position.path()].count("enter")


def test_what_enters_again_and_again_enters_at_once(fresh):
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    first = enter_steps(fresh, lambda: laps(net, 1, optimizer))
    laps(net, 6, optimizer)
    assert enter_steps(fresh, lambda: laps(net, 1, optimizer)) <= 3 < first
    assert {type(one._company) for one in net.parameters()} != {type(None)}


def test_losses_are_those_of_tensors_that_enter_alone(fresh, monkeypatch):
    together = laps(network(), 12)
    monkeypatch.setattr("alight.record.flush.observe", lambda recorder, end: None)
    alone = laps(network(), 12)
    assert together == pytest.approx(alone, rel=1e-3, abs=1e-6)


def test_a_second_model_of_the_same_layers_takes_the_same_path(fresh):
    laps(network(), 12)
    other = network()
    optimizer = torch.optim.SGD(other.parameters(), lr=0.1, momentum=0.9)
    laps(other, 12, optimizer)
    before = fresh.positions
    laps(other, 6, optimizer)
    assert fresh.positions == before


def freeze(net):
    net[0].weight.requires_grad_(False)


def share(net):
    net[0].weight.detach().numpy()[:] = 2.0


def replace_data(net):
    net[0].weight.data = torch.ones(4, 3)


def write(net):
    with torch.no_grad():
        net[0].weight[0] = 7.0


def widen(net):
    net.double()
    net.float()


@pytest.mark.parametrize("change", [freeze, share, replace_data, write, widen])
def test_a_change_of_one_member_counts(fresh, monkeypatch, change):
    def run():
        net = network()
        before = laps(net, 8)
        change(net)
        return [*before, *laps(net, 8)]

    together = run()
    monkeypatch.setattr("alight.record.flush.observe", lambda recorder, end: None)
    assert together == pytest.approx(run(), rel=1e-3, abs=1e-6)


def test_members_are_held_weakly(fresh):
    net = network()
    laps(net, 8)
    gone = weakref.ref(net[0].weight)
    kept = net[3].weight
    del net
    gc.collect()
    assert gone() is None
    assert np.isfinite((kept * 2).sum().item())


def test_data_forms_no_company(fresh):
    w = torch.ones(3, 2)
    for i in range(20):
        (torch.full((4, 3), float(i)) @ w).sum().item()
    assert w._company is None
