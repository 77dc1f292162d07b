"""The benchmark's programs, small: the same losses under PyTorch, the interpreter and compiled code."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from alight import config
from alight.backends.base import programs
from alight.bench.rows import ROWS, made
from alight.compiler.hot import Hot
from tests.record.paths import forgotten

SMALL = {
    "linreg": {}, "tiny-adam": {}, "softmax": {"batch": 40}, "mlp": {"batch": 40}, "mlp-accuracy": {"batch": 40},
    "lenet": {"batch": 17}, "convnet": {"batch": 18}, "conv-bn": {"batch": 16, "channels": 8, "size": 6},
    "rnn": {"length": 5, "batch": 3, "width": 20}, "gru": {"length": 5, "batch": 3, "width": 20},
    "lstm": {"length": 5, "batch": 3, "width": 20}, "rnn-scratch": {"hidden": 20, "steps": 5},
    "gpt": {"layers": 2, "width": 24, "batch": 3, "length": 10}, "encoder": {"width": 32, "length": 9, "batch": 2},
    "unet": {"batch": 2, "size": 16}, "infer-lenet": {}, "infer-gpt": {"layers": 1, "width": 24, "length": 10},
}  # fmt: skip
LONG = {"resnet18": {"batch": 2}, "unet": {"batch": 17, "size": 16}, "infer-resnet18": {}}


def losses(row, library, settings):
    """The first values of a row's step."""
    step = made(
        row, importlib.import_module(library), lambda f: f, {**ROWS[row].settings, **settings}
    )
    return [float(step()) for _ in range(4)]


def check(row, settings, monkeypatch, rtol=2e-3):
    expected = losses(row, "torch", settings)
    for tier in (0, 1):
        monkeypatch.setattr(config, "tier", tier)
        monkeypatch.setattr(config, "hot", 0)
        forgotten()
        found = losses(row, "alight", settings)
        np.testing.assert_allclose(
            found, expected, rtol=rtol, atol=1e-5, err_msg=f"{row} in tier {tier}"
        )
        if tier:
            largest = max(programs.entries.values(), key=lambda hot: len(hot.program.nodes))
            assert len(largest.program.nodes) > 5
            assert isinstance(largest, Hot) and largest.tier == 1, largest.reason
    forgotten()


@pytest.mark.parametrize("row", SMALL)
@pytest.mark.filterwarnings("ignore")
def test_row(row, monkeypatch):
    check(row, SMALL[row], monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("row", LONG)
def test_large_row(row, monkeypatch):
    check(row, LONG[row], monkeypatch, rtol=2e-2)  # many layers, few images: rounding grows
