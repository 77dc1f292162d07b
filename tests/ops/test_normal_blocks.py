"""Normal numbers of a size that is drawn often come from compiled code: the same bits, the same stream."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import alight
from alight import config
from alight.backends.cpu.native import Native
from alight.backends.interpreter import distributions
from alight.compiler.hot import background
from alight.ops import normal_blocks
from alight.ops.normal_blocks import OFTEN, normal_program


@pytest.fixture(autouse=True)
def nothing_drawn_so_far(monkeypatch):
    monkeypatch.setattr(config, "tier", 1)
    monkeypatch.setattr(distributions, "compiled_blocks", {})
    for name in ("_draws", "_jobs"):
        monkeypatch.setattr(normal_blocks, name, {})


def _bits(values):
    return np.asarray(values, np.float32).view(np.int32)


def test_compiled_blocks_have_the_bits_of_the_interpreters():
    size = 1 << 14
    run = Native(normal_program(size))
    rng = np.random.default_rng(0)
    for _ in range(4):
        u = rng.integers(0, 1 << 24, size).astype(np.float32) * np.float32(2.0**-24)
        u[:32] = 0.0  # where -0 would come out
        u[8:24] = np.float32(1 - 2.0**-24)
        expected = distributions._blocks_single(u, 0.0, 1.0)
        assert (_bits(run([u])[0]) == _bits(expected)).all()


@pytest.mark.parametrize("shape", [(16,), (37,), (8, 16), (1000,)], ids=str)
def test_a_size_that_is_drawn_often_keeps_its_stream(shape):
    alight.manual_seed(3)
    torch.manual_seed(3)
    for draw in range(OFTEN + 8):
        ours, theirs = alight.randn(*shape), torch.randn(*shape)
        assert (_bits(ours.numpy()) == _bits(theirs.numpy())).all(), draw
        background.wait()
    size = -(-shape[0] // 16) * 16 if len(shape) == 1 else 128
    assert size in distributions.compiled_blocks
    ours, theirs = alight.empty(*shape).normal_(1.0, 2.0), torch.empty(*shape).normal_(1.0, 2.0)
    assert (_bits(ours.numpy()) == _bits(theirs.numpy())).all()
    assert alight.rand(3).tolist() == torch.rand(3).tolist()
