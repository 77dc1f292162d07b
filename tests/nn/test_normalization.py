"""Normalisation, embedding, one-hot and dropout against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

import alight

from .rows import check, check_error, floats, ints

X4, W, B = floats(4, 6, 3, 2), floats(6, low=0.5), floats(6)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("shape", [(4, 6), (4, 6, 3), (4, 6, 3, 2), (2, 6, 2, 2, 3)])
def test_batch_norm(shape, dtype):
    def train(F, x, w, b, m, v):
        m, v = m.detach().clone(), v.detach().clone()
        y = F.batch_norm(x, m, v, w, b, training=True, momentum=0.2, eps=1e-3)
        return y, m, v

    arrays = [floats(*shape), W, B, B, W]
    order, limit = (2, 1e-7) if dtype == "float64" else (1, 2e-4)
    check(train, arrays, dtype, order, limit)
    check(
        lambda F, x, w, b, m, v: F.batch_norm(x, m.detach(), v.detach(), w, b),
        arrays,
        dtype,
        order,
        limit,
    )
    check(lambda F, x: F.batch_norm(x, None, None, training=True), arrays[:1], dtype, order, limit)


@pytest.mark.parametrize("shape", [(2,), (3, 2), (6, 3, 2)])
def test_layer_norm(shape):
    arrays = [X4, floats(*shape), floats(*shape, seed=1)]
    check(lambda F, x, w, b: F.layer_norm(x, shape, w, b), arrays, order=2, tolerance=1e-7)
    check(lambda F, x: F.layer_norm(x, shape), arrays[:1], order=2, tolerance=1e-7)
    check(lambda F, x, w, b: F.layer_norm(x, shape, w, b), arrays, "float32", tolerance=1e-4)
    if shape != (2,):  # of two elements, only rounding is left of the gradient
        check(lambda F, x, w, b: F.layer_norm(x, shape, w, b), arrays, "bfloat16", tolerance=6e-2)
    check(lambda F, x, w: F.rms_norm(x, shape, w), arrays[:2], order=2, tolerance=1e-7)
    check(lambda F, x: F.rms_norm(x, shape, eps=0.1), arrays[:1], order=2, tolerance=1e-7)


@pytest.mark.parametrize("groups", [1, 2, 3, 6])
def test_group_norm(groups):
    check(lambda F, x, w, b: F.group_norm(x, groups, w, b), [X4, W, B], order=2, tolerance=1e-7)
    check(lambda F, x: F.group_norm(x, groups), [X4], order=2, tolerance=1e-7)


def test_instance_norm():
    def train(F, x, w, b, m, v):
        m, v = m.detach().clone(), v.detach().clone()
        return F.instance_norm(x, m, v, w, b), m, v

    check(
        lambda F, x, w, b: F.instance_norm(x, weight=w, bias=b), [X4, W, B], order=2, tolerance=1e-7
    )
    check(train, [X4, W, B, B, W], tolerance=1e-8)
    check(
        lambda F, x, m, v: F.instance_norm(x, m.detach(), v.detach(), use_input_stats=False),
        [X4, B, W],
        tolerance=1e-8,
    )


def test_by_norms():
    check(lambda F, x: F.normalize(x), [X4], order=2)
    check(lambda F, x: F.normalize(x, p=1, dim=0), [X4])
    check(lambda F, x: F.normalize(x, p=3.0, dim=-1), [X4])
    check(lambda F, x: F.normalize(x * 0, dim=-1), [X4])
    check(lambda F, x: F.local_response_norm(x, 3), [X4])
    check(lambda F, x: F.local_response_norm(x, 4, 1e-2, 0.5, 2.0), [X4])


@pytest.mark.parametrize(
    "call",
    [
        lambda F, x: F.batch_norm(x, None, None),
        lambda F, x: F.batch_norm(x[:1, :, 0, 0], None, None, training=True),
        lambda F, x: F.batch_norm(x, x[0, :3, 0, 0], x[0, :3, 0, 0]),
        lambda F, x: F.layer_norm(x, (3,)),
        lambda F, x: F.group_norm(x, 4),
        lambda F, x: F.layer_norm(x, (2,), x[0, 0, 0, :1]),
    ],
)
def test_norm_errors(call):
    check_error(call, [X4])


IDS = ints(3, 4, high=5)


def test_embedding():
    table = floats(5, 2)
    check(lambda F, i, w: F.embedding(i, w), [IDS, table], order=2)
    check(lambda F, i, w: F.embedding(i, w, padding_idx=2), [IDS, table])
    check(lambda F, i, w: F.embedding(i, w, padding_idx=-1, scale_grad_by_freq=True), [IDS, table])
    check(lambda F, i, w: F.embedding(i.int(), w), [IDS, table])

    def limited(F, i, w):
        held = w.detach().clone()
        return F.embedding(i, held, max_norm=1.0), held

    check(limited, [IDS, table], tolerance=1e-6)
    check(lambda F, i, w: F.one_hot(i, 7), [IDS, table])
    check(lambda F, i, w: F.one_hot(i), [IDS, table])


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bag(mode):
    table, starts = floats(5, 2), np.array([0, 0, 0, 0, 2, 2])
    check(lambda F, i, w: F.embedding_bag(i, w, mode=mode), [IDS, table])
    check(lambda F, i, w, o: F.embedding_bag(i.reshape(-1), w, o, mode=mode), [IDS, table, starts])
    check(lambda F, i, w: F.embedding_bag(i, w, mode=mode, padding_idx=1), [IDS, table])


@pytest.mark.parametrize(
    "call",
    [
        lambda F, i, w: F.embedding(i + 3, w),
        lambda F, i, w: F.embedding(i.float(), w),
        lambda F, i, w: F.one_hot(i.int()),
        lambda F, i, w: F.one_hot(i, 3),
        lambda F, i, w: F.one_hot(i, 0),
        lambda F, i, w: F.embedding(i, w, padding_idx=5),
    ],
)
def test_embedding_errors(call):
    check_error(call, [IDS, floats(5, 2)])


# -- dropout: masks are ours, so its properties are what can be checked ---------------------------------------------------


def test_dropout():
    F = alight.nn.functional
    alight.manual_seed(0)
    x = alight.ones(200, 300, requires_grad=True)
    y = F.dropout(x, 0.3)
    y.sum().backward()
    kept = (y != 0).float()
    assert abs(kept.mean().item() - 0.7) < 0.01
    assert alight.allclose(y, kept / 0.7) and alight.allclose(x.grad, y)
    assert F.dropout(x, 0.3, training=False) is x and F.dropout(x, 0.0) is x
    assert F.dropout(x, 1.0).sum().item() == 0
    alight.manual_seed(0)
    assert alight.equal(F.dropout(x, 0.3), y)
    assert not alight.equal(F.dropout(x, 0.3), y)


def test_dropout_of_channels():
    F = alight.nn.functional
    y = F.dropout2d(alight.ones(50, 20, 3, 3), 0.5)
    per_channel = y.sum((2, 3))
    assert set(per_channel.flatten().tolist()) == {0.0, 18.0}
    assert abs((per_channel > 0).float().mean().item() - 0.5) < 0.1


def test_alpha_dropout_keeps_mean_and_variance():
    alight.manual_seed(1)
    x = alight.randn(100_000)
    y = alight.nn.functional.alpha_dropout(x, 0.2, training=True)
    assert abs(y.mean().item()) < 0.02 and abs(y.std().item() - 1) < 0.02


@pytest.mark.parametrize("p", [-0.1, 1.1])
def test_dropout_error(p):
    check_error(lambda F, x: F.dropout(x, p), [X4])


def test_dropout_takes_64_bits_and_none_where_idle():
    alight.manual_seed(0)
    stream = alight.rand(4).tolist()
    alight.manual_seed(0)
    x = alight.ones(5)
    alight.nn.functional.dropout(x, 0.5)
    assert alight.rand(1).item() == stream[2]
    alight.nn.functional.dropout(x, 0.0)
    alight.nn.functional.dropout(x, 0.5, training=False)
    assert alight.rand(1).item() == stream[3]
