"""torch.nn.init against PyTorch, and the numbers that every layer draws when it is made: values and place in the stream."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import alight
from tests.nn.test_rnn import LIBRARIES

pytestmark = pytest.mark.filterwarnings("ignore")

CALLS: list[tuple[str, tuple[int, ...], dict[str, Any]]] = [
    ("uniform_", (3, 4), {}), ("uniform_", (3, 4), {"a": -1, "b": 2}), ("normal_", (5, 7), {"mean": 1.0, "std": 2.0}),
    ("trunc_normal_", (40,), {}), ("trunc_normal_", (40,), {"a": 1.5, "b": 3.0}), ("constant_", (3,), {"val": 2.0}),
    ("ones_", (2,), {}), ("zeros_", (2,), {}), ("eye_", (3, 4), {}), ("dirac_", (4, 2, 3), {"groups": 2}),
    ("xavier_uniform_", (3, 4), {"gain": 2.0}), ("xavier_normal_", (3, 4, 5), {}),
    ("kaiming_uniform_", (3, 4), {"nonlinearity": "relu"}), ("kaiming_normal_", (3, 4), {"mode": "fan_out"}),
    ("orthogonal_", (4, 4), {}), ("orthogonal_", (6, 4), {}), ("orthogonal_", (3, 5), {"gain": 2.0}),
    ("sparse_", (6, 4), {"sparsity": 0.5}), ("kaiming_uniform_", (0, 3), {}),
    # errors
    ("eye_", (3,), {}), ("dirac_", (3,), {}), ("dirac_", (3, 2, 2), {"groups": 2}), ("xavier_uniform_", (3,), {}),
    ("kaiming_uniform_", (3, 3), {"mode": "x"}), ("kaiming_uniform_", (3, 3), {"nonlinearity": "x"}),
    ("orthogonal_", (3,), {}), ("sparse_", (3,), {"sparsity": 0.5}), ("xavier_normal_", (0, 3), {}),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CALLS)))
def test_functions(number: int) -> None:
    name, shape, settings = CALLS[number]
    found: list[Any] = []
    for library in LIBRARIES:
        library.manual_seed(3)
        x = library.zeros(*shape)
        try:
            assert getattr(library.nn.init, name)(x, **settings) is x
        except Exception as error:
            found.append((type(error).__name__, str(error).split("\n")[0]))
        else:
            found.append((x.tolist(), library.rand(2).tolist()))
    if isinstance(found[1][0], str):
        assert found[0] == found[1]
    else:
        np.testing.assert_allclose(found[0][0], found[1][0], rtol=1e-6, atol=1e-6)
        assert found[0][1] == found[1][1]


@pytest.mark.parametrize(
    "name", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu", "conv3d"]
)
def test_gains(name: str) -> None:
    assert alight.nn.init.calculate_gain(name) == torch.nn.init.calculate_gain(name)


LAYERS: list[Any] = [
    lambda n: n.Linear(5, 7), lambda n: n.Conv2d(3, 6, 3, groups=3), lambda n: n.ConvTranspose1d(4, 6, 3),
    lambda n: n.Embedding(5, 4, padding_idx=1), lambda n: n.EmbeddingBag(5, 4), lambda n: n.Bilinear(3, 4, 5),
    lambda n: n.LSTM(3, 4, 2, proj_size=2), lambda n: n.GRUCell(3, 4), lambda n: n.PReLU(3),
    lambda n: n.MultiheadAttention(4, 2, kdim=3, add_bias_kv=True), lambda n: n.Transformer(8, 2, 1, 1, 8),
    lambda n: n.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10], div_value=2.0), lambda n: n.BatchNorm2d(3),
    lambda n: n.LinearCrossEntropyLoss(3, 4, bias=True), lambda n: n.utils.spectral_norm(n.Linear(4, 5)),
    lambda n: n.utils.parametrizations.spectral_norm(n.Linear(4, 5)),
    lambda n: n.utils.parametrizations.orthogonal(n.Linear(4, 6)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(LAYERS)))
def test_layers_draw_the_same_numbers(number: int) -> None:
    states, after = [], []
    for library in LIBRARIES:
        library.manual_seed(1)
        states.append(LAYERS[number](library.nn).state_dict())
        after.append(library.rand(2).tolist())
    assert list(states[0]) == list(states[1]) and after[0] == after[1]
    for ours, theirs in zip(states[0].values(), states[1].values(), strict=True):
        np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=1e-6, atol=1e-6)
