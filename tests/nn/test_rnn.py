"""Recurrent layers and packed sequences against PyTorch: initial weights, values, gradients, errors."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import alight
from alight.primitives import Scan
from alight.record.recorder import thread

LIBRARIES = (alight, torch)
KINDS = ("RNN", "LSTM", "GRU")
SETTINGS: list[dict[str, Any]] = [
    {},
    {"num_layers": 2, "bidirectional": True},
    {"bias": False, "batch_first": True},
    {"dtype": "float64", "num_layers": 3},
]
CASES = [(kind, setting) for kind in KINDS for setting in SETTINGS]
CASES += [("RNN", {"nonlinearity": "relu"}), ("LSTM", {"proj_size": 2, "bidirectional": True})]
CASES += [("LSTM", {"proj_size": 3, "bias": False, "num_layers": 2})]


def made(kind: str, setting: dict[str, Any]) -> list[Any]:
    """A layer of each library from the same seed."""
    layers = []
    for library in LIBRARIES:
        library.manual_seed(0)
        given = dict(setting)
        if "dtype" in given:
            given["dtype"] = getattr(library, given["dtype"])
        layers.append(getattr(library.nn, kind)(3, 4, **given))
    return layers


def drawn(*shape: int, like: str = "float32") -> list[Any]:
    """The same random tensor in each library, as leaves."""
    array = np.random.default_rng(sum(shape)).standard_normal(shape).astype(like)
    return [library.tensor(array).requires_grad_() for library in LIBRARIES]


def flat(value: Any) -> list[Any]:
    """All tensors of a structure."""
    if isinstance(value, (alight.Tensor, torch.Tensor)):
        return [value]
    return [one for part in value if part is not None for one in flat(part)]


def assert_same(ours: Any, theirs: Any, tolerance: float = 1e-5) -> None:
    """Equal structure and values."""
    left, right = flat(ours), flat(theirs)
    assert len(left) == len(right)
    for a, b in zip(left, right, strict=True):
        assert tuple(a.shape) == tuple(b.shape) and str(a.dtype) == str(b.dtype)
        np.testing.assert_allclose(
            np.array(a.tolist()), np.array(b.tolist()), rtol=tolerance, atol=tolerance
        )


def assert_same_gradients(
    outs: list[Any], leaves: list[list[Any]], create_graph: bool = False, tolerance: float = 1e-5
) -> Any:
    """Equal gradients of the sum of squares of all results."""
    grads = []
    for library, out, wrt in zip(LIBRARIES, outs, leaves, strict=True):
        total = sum((one * one).sum() for one in flat(out) if one.requires_grad)
        grads.append(library.autograd.grad(total, wrt, create_graph=create_graph))
    assert_same(*grads, tolerance=tolerance)
    return grads


@pytest.mark.filterwarnings("ignore:LSTM with projections")  # PyTorch's
@pytest.mark.parametrize(("kind", "setting"), CASES)
def test_layers(kind: str, setting: dict[str, Any]) -> None:
    layers = made(kind, setting)
    ours, theirs = layers
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
    xs = drawn(5, 2, 3, like=setting.get("dtype", "float32"))
    outs = [layer(x) for layer, x in zip(layers, xs, strict=True)]
    assert_same(*outs)
    leaves = [[x, *layer.parameters()] for layer, x in zip(layers, xs, strict=True)]
    assert_same_gradients(outs, leaves)
    single = [layer(x[:, 0]) for layer, x in zip(layers, xs, strict=True)]
    assert_same(*single)


@pytest.mark.parametrize("kind", KINDS)
def test_given_states_and_second_gradients(kind: str) -> None:
    setting = {"num_layers": 2, "dtype": "float64"}
    layers = made(kind, setting)
    xs, hs, cs = (
        drawn(3, 2, 3, like="float64"),
        drawn(2, 2, 4, like="float64"),
        drawn(2, 2, 4, like="float64"),
    )
    outs = []
    for layer, x, h, c in zip(layers, xs, hs, cs, strict=True):
        outs.append(layer(x, (h, c) if kind == "LSTM" else h))
    assert_same(*outs, tolerance=1e-9)
    leaves = [
        [x, h, *([c] if kind == "LSTM" else []), *layer.parameters()]
        for layer, x, h, c in zip(layers, xs, hs, cs, strict=True)
    ]
    first = assert_same_gradients(outs, leaves, create_graph=True)
    assert_same_gradients(first, leaves)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [[3, 1, 5], [5, 5, 5], [1, 1, 2]])
def test_packed_sequences(kind: str, lengths: list[int]) -> None:
    layers = made(kind, {"num_layers": 2, "bidirectional": True})
    xs = drawn(3, 5, 3)
    results, leaves = [], []
    for library, layer, x in zip(LIBRARIES, layers, xs, strict=True):
        rnn = library.nn.utils.rnn
        given = rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        output, hidden = layer(given)
        results.append([list(given), list(output), hidden, rnn.pad_packed_sequence(output)])
        leaves.append([x, *layer.parameters()])
    assert_same(*results)
    assert_same_gradients([result[1:] for result in results], leaves)


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("bias", [True, False])
def test_cells(kind: str, bias: bool) -> None:
    cells = made(kind, {"bias": bias})
    assert repr(cells[0]) == repr(cells[1])
    xs, hs = drawn(2, 3), drawn(2, 4)
    outs = []
    for cell, x, h in zip(cells, xs, hs, strict=True):
        state = (h, h * 2) if kind == "LSTMCell" else h
        outs.append(
            [
                cell(x, state),
                cell(x),
                cell(x[0]),
                cell(cell(x, state)[0][:, :3] if kind == "LSTMCell" else x),
            ]
        )
    assert_same(*outs)
    leaves = [[x, h, *cell.parameters()] for cell, x, h in zip(cells, xs, hs, strict=True)]
    assert_same_gradients(outs, leaves)
    relu = [library.nn.RNNCell(3, 4, nonlinearity="relu", bias=False) for library in LIBRARIES]
    assert repr(relu[0]) == repr(relu[1])


def test_functions() -> None:
    xs, hs = drawn(5, 2, 3), drawn(1, 2, 4)
    for kind in KINDS:
        layers = made(kind, {})
        outs = []
        for library, layer, x, h in zip(LIBRARIES, layers, xs, hs, strict=True):
            name = {"RNN": "rnn_tanh"}.get(kind, kind.lower())
            state = [h, h] if kind == "LSTM" else h
            weights = list(layer.parameters())
            call = getattr(library, name)
            sizes = library.tensor([2, 1, 1])
            outs.append(
                [
                    call(x, state, weights, True, 1, 0.0, True, False, False),
                    call(x[:2].reshape(4, 3), sizes, state, weights, True, 1, 0.0, True, False),
                ]
            )
        assert_same(*outs)


def test_sequences_of_different_lengths() -> None:
    found = []
    for library in LIBRARIES:
        rnn = library.nn.utils.rnn
        parts = [library.arange(4.0), library.ones(2), library.zeros(3) - 1]
        grid = rnn.pad_sequence([library.ones(2, 3), library.ones(1, 3)])
        packed = rnn.pack_sequence(parts, enforce_sorted=False)
        found.append(
            [
                rnn.pad_sequence(parts), rnn.pad_sequence(parts, True, 9.0, "left"), grid, list(packed),
                rnn.unpack_sequence(packed), rnn.unpad_sequence(grid, library.tensor([2, 1])),
                rnn.pad_packed_sequence(packed, True, -1.0, 6), rnn.invert_permutation(library.tensor([1, 2, 0])),
            ]
        )  # fmt: skip
        assert packed.double().data.dtype is library.float64 and packed.to("cpu") is packed
    assert_same(*found)
    texts = [repr(library.nn.utils.rnn.pack_sequence([library.ones(2)])) for library in LIBRARIES]
    assert texts[0] == texts[1]


def error(call: Any, library: Any) -> tuple[str, str]:
    """The type and first line of what a call raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            call(library)
    except Exception as raised:
        return type(raised).__name__, str(raised).split("\n")[0]
    return "none", ""


ERRORS: list[Any] = [
    lambda lib: lib.nn.RNN(0, 4), lambda lib: lib.nn.GRU(3, 0), lambda lib: lib.nn.LSTM(3, 4, 0),
    lambda lib: lib.nn.RNN(3, 4, proj_size=2), lambda lib: lib.nn.GRU(3, 4, proj_size=2),
    lambda lib: lib.nn.LSTM(3, 4, proj_size=4), lambda lib: lib.nn.LSTM(3, 4, proj_size=-1),
    lambda lib: lib.nn.RNN(3, 4, dropout=2), lambda lib: lib.nn.RNN(3, 4, nonlinearity="x"),
    lambda lib: lib.nn.RNN(3.0, 4), lambda lib: lib.nn.GRU(3, 4.0),
    *(
        lambda lib, kind=kind, call=call: call(lib, getattr(lib.nn, kind)(3, 4))
        for kind in KINDS
        for call in (
            lambda lib, m: m(lib.zeros(5, 2, 4)), lambda lib, m: m(lib.zeros(5)), lambda lib, m: m(lib.zeros(5, 2, 3, 1)),
            lambda lib, m: m(lib.zeros(5, 2, 3).double()), lambda lib, m: m(lib.zeros(0, 2, 3)),
        )
    ),
    lambda lib: lib.nn.RNN(3, 4)(lib.zeros(5, 2, 3), lib.zeros(1, 3, 4)),
    lambda lib: lib.nn.RNN(3, 4)(lib.zeros(5, 3), lib.zeros(1, 2, 4)),
    lambda lib: lib.nn.RNN(3, 4)(lib.zeros(5, 2, 3), lib.zeros(1, 4)),
    lambda lib: lib.nn.LSTM(3, 4)(lib.zeros(5, 2, 3), (lib.zeros(1, 2, 4), lib.zeros(1, 3, 4))),
    lambda lib: lib.nn.LSTM(3, 4)(lib.zeros(5, 2, 3), (lib.zeros(1, 4), lib.zeros(1, 4))),
    lambda lib: lib.nn.LSTM(3, 4)(lib.zeros(5, 3), (lib.zeros(1, 2, 4), lib.zeros(1, 4))),
    *(
        lambda lib, kind=kind, call=call: call(lib, getattr(lib.nn, kind)(3, 4))
        for kind in ("RNNCell", "GRUCell", "LSTMCell")
        for call in (lambda lib, m: m(lib.zeros(2, 4)), lambda lib, m: m(lib.zeros(2, 2, 3)))
    ),
    lambda lib: lib.nn.RNNCell(3, 4)(lib.zeros(2, 3), lib.zeros(3, 4)),
    lambda lib: lib.nn.GRUCell(3, 4)(lib.zeros(2, 3), lib.zeros(2, 5)),
    lambda lib: lib.nn.LSTMCell(3, 4)(lib.zeros(2, 3), lib.zeros(2, 4)),
    lambda lib: lib.nn.utils.rnn.pack_padded_sequence(lib.zeros(3, 2), [1, 3]),
    lambda lib: lib.nn.utils.rnn.pack_padded_sequence(lib.zeros(3, 2), [3, 0]),
    lambda lib: lib.nn.utils.rnn.pack_padded_sequence(lib.zeros(3, 2), [3]),
    lambda lib: lib.nn.utils.rnn.pack_padded_sequence(lib.zeros(3, 2), lib.tensor([[3, 1]])),
    lambda lib: lib.nn.utils.rnn.pad_sequence([]), lambda lib: lib.nn.utils.rnn.pad_sequence(3),
    lambda lib: lib.nn.utils.rnn.pad_sequence([lib.zeros(2, 3), lib.zeros(2, 4)]),
    lambda lib: lib.nn.utils.rnn.pad_sequence([lib.zeros(2)], padding_side="up"),
    lambda lib: lib.nn.utils.rnn.pad_packed_sequence(lib.nn.utils.rnn.pack_sequence([lib.zeros(3)]), total_length=2),
    lambda lib: lib.nn.utils.rnn.PackedSequence(lib.zeros(3)),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_errors(number: int) -> None:
    raised = error(ERRORS[number], alight)
    assert raised == error(ERRORS[number], torch)
    assert raised[0] != "none"


def test_dropout_between_layers() -> None:
    alight.manual_seed(0)
    with pytest.warns(UserWarning, match="expects num_layers greater than 1"):
        alight.nn.GRU(3, 4, dropout=0.5)
    layer = alight.nn.GRU(3, 64, num_layers=2, dropout=0.5)
    x = alight.randn(4, 8, 3)
    first, second = layer(x)[0], layer(x)[0]
    assert not alight.equal(first, second)
    layer.eval()
    first, second = layer(x)[0], layer(x)[0]
    assert alight.equal(first, second)
    layer.train().dropout = 1.0
    zeroed = alight.nn.GRU(3, 64, num_layers=2)
    zeroed.load_state_dict(layer.state_dict())
    zeroed.weight_ih_l1.data.zero_()
    assert alight.allclose(layer(x)[0], zeroed(x)[0])


def test_a_layer_is_one_scan_each_way() -> None:
    layer = alight.nn.LSTM(3, 4, num_layers=2)
    x = alight.randn(5, 2, 3)
    (layer(x)[0].sum() * 1).backward()
    nodes = thread.recorder.here.tape.nodes
    scans = [node for node in nodes if node.primitive is Scan]
    assert [node.statics["reverse"] for node in scans] == [False, False, True, True]
    assert all(node.statics["carry_count"] == 2 for node in scans)


def test_copies_and_exchange() -> None:
    ours = made("LSTM", {"num_layers": 2})[0]
    x = alight.randn(4, 2, 3)
    again = copy.deepcopy(ours)
    assert alight.equal(again(x)[0], ours(x)[0])
    again.weight_hh_l0.data.zero_()
    assert not alight.equal(again(x)[0], ours(x)[0])
    assert [len(part) for part in ours.all_weights] == [4, 4]
    ours.flatten_parameters()
    assert ours.double()(x.double())[0].dtype is alight.float64
