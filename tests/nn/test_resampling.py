"""Antialiased interpolation, random pooling, unpooling, and losses over sequences and many classes, as in PyTorch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import alight
from tests.nn.test_rnn import LIBRARIES, assert_same, assert_same_gradients, drawn


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize(
    "given",
    [{"size": (5, 7)}, {"size": (30, 11), "align_corners": True}, {"scale_factor": 0.4}, {"size": (9, 20)}],
)  # fmt: skip
def test_antialias(mode: str, given: dict[str, Any]) -> None:
    xs = drawn(2, 3, 9, 13)
    outs = [
        library.nn.functional.interpolate(x, mode=mode, antialias=True, **given)
        for library, x in zip(LIBRARIES, xs, strict=True)
    ]
    assert_same(*outs)
    assert_same_gradients([[out] for out in outs], [[x] for x in xs])


@pytest.mark.parametrize("count", [1, 2, 3])
def test_unpooling(count: int) -> None:
    xs, outs = drawn(2, 3, *[6] * count), []
    for library, x in zip(LIBRARIES, xs, strict=True):
        pool = getattr(library.nn, f"MaxPool{count}d")(2, return_indices=True)
        unpool = getattr(library.nn, f"MaxUnpool{count}d")(2)
        values, places = pool(x)
        outs.append(
            [values, unpool(values, places), unpool(values, places, output_size=[7] * count)]
        )
    assert_same(*outs)
    assert_same_gradients(outs, [[x] for x in xs])


def test_random_draws() -> None:
    found = []
    for library in LIBRARIES:
        library.manual_seed(0)
        F = library.nn.functional
        x = library.linspace(-2, 2, 72).reshape(1, 2, 6, 6)
        found.append(
            [
                F.fractional_max_pool2d(x, 2, output_size=3), F.rrelu(x, training=True), library.rand(2),
                F.fractional_max_pool3d(x.reshape(1, 1, 4, 6, 3), 2, output_size=(2, 4, 1), return_indices=True), library.rand(2),
            ]
        )  # fmt: skip
    assert_same(*found)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("blank", [0, 4])
def test_ctc(reduction: str, blank: int) -> None:
    xs, outs = drawn(6, 3, 5), []
    for library, x in zip(LIBRARIES, xs, strict=True):
        loss = library.nn.CTCLoss(blank, reduction)
        ctc = library.nn.functional.ctc_loss
        scores = x.log_softmax(2)
        padded = library.tensor([[1, 2, 2], [3, 1, 1], [2, 3, 1]])
        flat = library.tensor([1, 2, 2, 3, 2, 3])
        lengths = library.tensor([3, 1, 2])
        impossible = ctc(scores[:3], padded, [3, 3, 3], [3, 1, 3], blank, reduction, True)
        outs.append(
            [
                loss(scores, padded, library.tensor([6, 4, 5]), lengths), loss(scores, flat, [6, 6, 6], [3, 1, 2]), impossible,
                loss(scores[:, 0], padded[0], library.tensor([6]), library.tensor([3])),
            ]
        )  # fmt: skip
    assert_same(*outs)
    assert_same_gradients(outs, [[x] for x in xs])


def test_adaptive_softmax() -> None:
    layers, outs = [], []
    hs = drawn(4, 8)
    for library, h in zip(LIBRARIES, hs, strict=True):
        library.manual_seed(0)
        layer = library.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2.0)
        layers.append(layer)
        output, loss = layer(h, library.tensor([0, 6, 12, 19]))
        outs.append([output, loss, layer.log_prob(h), layer.predict(h)])
    assert_same(*outs)
    leaves = [[h, *layer.parameters()] for h, layer in zip(hs, layers, strict=True)]
    assert_same_gradients(outs, leaves, tolerance=5e-5)  # small ones are sums of numbers near 60
    with pytest.raises(RuntimeError, match="Target values should be in"):
        layers[0](alight.ones(1, 8), alight.tensor([20]))


def test_bytes_are_near() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 20, 30), dtype=np.uint8)
    for mode in ("bilinear", "bicubic"):
        ours = alight.nn.functional.interpolate(
            alight.tensor(image), size=(9, 40), mode=mode, antialias=True
        )
        theirs = torch.nn.functional.interpolate(
            torch.tensor(image), size=(9, 40), mode=mode, antialias=True
        )
        difference = np.abs(ours.numpy().astype(int) - theirs.numpy().astype(int))
        assert difference.max() <= 1 and (difference > 0).mean() < 0.05
