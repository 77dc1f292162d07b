"""Activations and softmax against PyTorch: values and gradients to second order, in every floating dtype."""

from __future__ import annotations

import pytest

from .rows import check, check_error, floats

X = floats(3, 4, low=-4, high=4)
ROWS = {
    "relu": (lambda F, x: F.relu(x), X),
    "leaky_relu": (lambda F, x: F.leaky_relu(x, 0.2), X),
    "leaky_relu default": (lambda F, x: F.leaky_relu(x), X),
    "elu": (lambda F, x: F.elu(x, 0.7), X),
    "elu default": (lambda F, x: F.elu(x), X),
    "selu": (lambda F, x: F.selu(x), X),
    "celu": (lambda F, x: F.celu(x, 1.3), X),
    "gelu": (lambda F, x: F.gelu(x), X),
    "gelu tanh": (lambda F, x: F.gelu(x, approximate="tanh"), X),
    "silu": (lambda F, x: F.silu(x), X),
    "mish": (lambda F, x: F.mish(x), X),
    "softplus": (lambda F, x: F.softplus(x), X),
    "softplus beta": (lambda F, x: F.softplus(x, 2, 3), X),
    "softsign": (lambda F, x: F.softsign(x), X),
    "hardtanh": (lambda F, x: F.hardtanh(x), X),
    "hardtanh limits": (lambda F, x: F.hardtanh(x, -0.5, 2.5), X),
    "relu6": (lambda F, x: F.relu6(x * 3), X),
    "hardsigmoid": (lambda F, x: F.hardsigmoid(x), X),
    "hardswish": (lambda F, x: F.hardswish(x), X),
    "logsigmoid": (lambda F, x: F.logsigmoid(x), X),
    "tanhshrink": (lambda F, x: F.tanhshrink(x), X),
    "hardshrink": (lambda F, x: F.hardshrink(x, 1.0), X),
    "softshrink": (lambda F, x: F.softshrink(x, 1.0), X),
    "threshold": (lambda F, x: F.threshold(x, 0.5, -1.0), X),
    "glu": (lambda F, x: F.glu(x, 1), X),
    "sigmoid": (lambda F, x: F.sigmoid(x), X),
    "tanh": (lambda F, x: F.tanh(x), X),
    "softmax": (lambda F, x: F.softmax(x, 1), X),
    "softmax first": (lambda F, x: F.softmax(x, dim=0), X),
    "softmax implicit": (lambda F, x: F.softmax(x), X),
    "log_softmax": (lambda F, x: F.log_softmax(x, -1), X),
    "log_softmax middle": (lambda F, x: F.log_softmax(x, 1), floats(2, 3, 4)),
    "softmin": (lambda F, x: F.softmin(x, 1), X),
}
COARSE = {
    "celu": 1e-7,
    "hardsigmoid": 1e-7,
}  # PyTorch rounds a constant to float32 in their gradients


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("name", ROWS)
def test_values_and_gradients(name, dtype):
    call, x = ROWS[name]
    order = (
        2 if dtype == "float64" and name != "hardsigmoid" else 1
    )  # PyTorch has no second gradient there
    check(call, [x], dtype, order, COARSE.get(name) if dtype == "float64" else None)


@pytest.mark.parametrize("weight", [floats(1), floats(4)])
def test_prelu(weight):
    check(lambda F, x, w: F.prelu(x, w), [X, weight], order=2)


@pytest.mark.parametrize(
    "name",
    [
        "relu",
        "leaky_relu",
        "elu",
        "selu",
        "celu",
        "silu",
        "mish",
        "hardtanh",
        "relu6",
        "hardsigmoid",
        "hardswish",
    ],
)
def test_in_place(name):
    def call(F, x):
        y = x * 1
        assert getattr(F, name)(y, inplace=True) is y
        return y

    check(call, [X], tolerance=COARSE.get(name))


def test_at_corners():
    import numpy as np

    corners = np.array([0.0, -3.0, 3.0, 6.0, 1.0, -1.0, 0.5, -0.5])
    for call, _ in ROWS.values():
        if call is not ROWS["glu"][0]:
            check(lambda F, x, call=call: call(F, x.reshape(2, 4)), [corners], tolerance=1e-7)


@pytest.mark.parametrize(
    "call",
    [
        lambda F, x: F.gelu(x, approximate="other"),
        lambda F, x: F.glu(x, 0),
        lambda F, x: F.softmax(x, 2),
        lambda F, x: F.elu(x.long()),
        lambda F, x: F.softmax(x.long(), 1),
        lambda F, x: F.prelu(x, x.sum(0)[:3]),
    ],
)
def test_errors(call):
    check_error(call, [X])
