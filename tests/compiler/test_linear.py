"""Compiling is linear in nodes: a network four times as deep takes four times as many calls of Python functions."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

import alight as torch
from alight import nn
from alight.backends.base import programs
from alight.backends.cpu import cache
from alight.backends.cpu.build import plan_of
from alight.backends.cpu.step import step_text
from alight.backends.cpu.target import host
from alight.ir.program import Program
from tests.record.paths import forgotten


def step_of(depth: int) -> Program:
    """A training step of a network of so many layers, as a program."""
    forgotten()
    blocks = [m for _ in range(depth) for m in (nn.Linear(16, 16), nn.LayerNorm(16), nn.ReLU())]
    net = nn.Sequential(*blocks)
    trainer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(2):
        trainer.zero_grad()
        net(torch.ones(4, 16)).square().mean().backward()
        trainer.step()
    return max((run.program for run in programs.entries.values()), key=lambda one: len(one.nodes))


def calls_of(function: Callable[[], Any]) -> int:
    """How many functions written in Python are called."""
    count = 0

    def seen(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        function()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("part", ["plan", "text"])
def test_a_network_of_four_times_the_depth(part, tmp_path, monkeypatch):
    monkeypatch.setattr("alight.config.cache_dir", str(tmp_path))
    monkeypatch.setattr(cache, "_cache", None)
    calls = []
    for depth in (8, 32):
        program = step_of(depth)
        plan_of(program)  # what is remembered of types and names is no part of it
        made = plan_of(program)
        if part == "plan":
            calls.append(calls_of(lambda program=program: plan_of(program)))
        else:
            calls.append(calls_of(lambda made=made: step_text(made, host())))
    assert calls[1] < 4.6 * calls[0], calls
    forgotten()
