"""A program's work is shared among threads where that saves more than their meetings cost."""

from __future__ import annotations

import itertools

import pytest

import alight as torch
from alight import config
from alight.backends import base
from alight.backends.cpu import build

nn = torch.nn


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.setattr(config, "hot", 0)
    monkeypatch.setattr(build, "most_planned", lambda: 2)


def summary_of(run):
    """Of the largest program that `run` compiles."""
    before = set(map(id, base.programs.entries.values()))
    run()
    made = [hot.run for hot in base.programs.entries.values() if id(hot) not in before]
    return max((one.built.summary for one in made if hasattr(one, "built")), key=lambda s: s.arena)


def training_step(*sizes, batch):
    layers = [nn.Linear(a, b) for a, b in itertools.pairwise(sizes)]
    net = nn.Sequential(*[one for layer in layers for one in (layer, nn.Tanh())])
    trainer = torch.optim.Adam(net.parameters())
    x = torch.randn(batch, sizes[0])

    def step():
        loss = net(x).pow(2).mean()
        trainer.zero_grad()
        loss.backward()
        trainer.step()
        loss.item()

    return step


def test_a_small_step_runs_on_one_thread(two_threads):
    assert summary_of(training_step(5, 61, 61, 1, batch=32)).serial


def test_a_larger_step_is_shared(two_threads):
    assert not summary_of(training_step(300, 257, 10, batch=250)).serial


@pytest.mark.parametrize(("hidden", "serial"), [(17, True), (500, False)])
def test_each_step_of_a_recurrence_is_a_meeting(two_threads, hidden, serial):
    layer, x = nn.LSTM(23, hidden), torch.randn(21, 1, 23)
    assert summary_of(lambda: layer(x)[0].sum().item()).serial is serial
