"""Steps like the benchmark's: their losses are PyTorch's, and what they compute is compiled."""

from __future__ import annotations

import pytest
import torch as oracle

import alight as torch
from alight.backends.cpu.kernels import machine
from alight.backends.cpu.target import host
from alight.compiler.pipeline import plan
from bench.neighbours import variations
from bench.neighbours.__main__ import _number, differs
from docs.listings import flushes

VARIATIONS = variations()
FEW = ("group norm", "max pool", "conv3d", "vision transformer", "bag max", "bilinear layer")
# What has no code: it sorts, adds up one by one, or computes with whole numbers.
INTERPRETED = {"sort", "cum_sum", "remainder"}


def losses(library, name):
    step = VARIATIONS[name](library)
    return [_number(step()) for _ in range(3)]


def interpreted(name):
    """Primitives of a step that are left to the interpreter, in its longest program."""
    step = VARIATIONS[name](torch)
    with flushes() as log:
        step()
    made = plan(max(log, key=lambda program: len(program.nodes)), machine(host()))
    nodes = [kernel.nodes[0] for kernel in made.kernels if kernel.kind == "interpreter"]
    return {node.primitive.name for node in nodes}


@pytest.mark.parametrize("name", FEW)
def test_a_few(name):
    assert interpreted(name) == set()
    assert not differs(name, losses(torch, name), losses(oracle, name))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in VARIATIONS if name not in FEW])
def test_all(name):
    if name != "CTC":  # an operation of one node is no program to plan
        assert interpreted(name) <= INTERPRETED
    assert not differs(name, losses(torch, name), losses(oracle, name))
