"""Convolution and pooling agree with PyTorch, gradients, ties and NaN included."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from alight.primitives import (
    Conv,
    ConvData,
    ConvFilter,
    Fold,
    WindowArgMax,
    WindowMax,
    WindowMaxGather,
    WindowMaxScatter,
    Windows,
    WindowSum,
)
from tests.primitives.applied import applied

random = np.random.default_rng(0)
EXTENTS = (9, 8, 7)


def normal(*shape: int) -> Any:
    return random.standard_normal(shape)


@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("channels", [(4, 6, 1), (4, 6, 2), (3, 6, 3), (32, 34, 2)])
@pytest.mark.parametrize(("stride", "pad", "dilation"), list(product((1, 2), (0, 1, 2), (1, 2))))
def test_convolution(
    rank: int, channels: tuple[int, int, int], stride: int, pad: int, dilation: int
) -> None:
    c, o, groups = channels
    x, w = normal(3, c, *EXTENTS[:rank]), normal(o, c // groups, *(3, 2, 3)[:rank])
    tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, w))
    conv = getattr(torch.nn.functional, f"conv{rank}d")
    y = conv(tx, tw, stride=stride, padding=pad, dilation=dilation, groups=groups)
    ct = normal(*y.shape)
    y.backward(torch.tensor(ct))
    statics: dict[str, Any] = {
        "stride": (stride,) * rank,
        "padding": ((pad, pad),) * rank,
        "dilation": (dilation,) * rank,
        "groups": groups,
    }
    np.testing.assert_allclose(applied(Conv, x, w, **statics)[0], y.detach(), atol=1e-10)
    in_x = applied(ConvData, ct, w, shape=x.shape, **statics)[0]
    np.testing.assert_allclose(in_x, tx.grad, atol=1e-10)
    in_w = applied(ConvFilter, x, ct, shape=w.shape, **statics)[0]
    np.testing.assert_allclose(in_w, tw.grad, atol=1e-10)


def test_many_threads_and_parts() -> None:
    x, w = normal(64, 16, 20, 20).astype("f4"), normal(24, 16, 3, 3).astype("f4")
    statics: dict[str, Any] = {"stride": (1, 1), "padding": ((1, 1),) * 2, "dilation": (1, 1)}
    statics["groups"] = 1
    tx, tw = (torch.tensor(a, requires_grad=True) for a in (x, w))
    y = torch.nn.functional.conv2d(tx, tw, padding=1)
    ct = normal(*y.shape).astype("f4")
    y.backward(torch.tensor(ct))
    np.testing.assert_allclose(applied(Conv, x, w, **statics)[0], y.detach(), atol=1e-4)
    in_x = applied(ConvData, ct, w, shape=x.shape, **statics)[0]
    np.testing.assert_allclose(in_x, tx.grad, atol=1e-4)
    in_w = applied(ConvFilter, x, ct, shape=w.shape, **statics)[0]
    np.testing.assert_allclose(in_w, tw.grad, rtol=1e-3, atol=1e-2)


def pool_statics(rank: int, window: int, stride: int, pad: int, dilation: int) -> dict[str, Any]:
    return {
        "window": (window,) * rank,
        "stride": (stride,) * rank,
        "padding": ((pad, pad),) * rank,
        "dilation": (dilation,) * rank,
    }


POOLS = list(product((1, 2, 3), (2, 3), (1, 2, 3), (0, 1), (1, 2)))


@pytest.mark.parametrize("pool", POOLS)
def test_max_pooling(pool: tuple[int, ...]) -> None:
    rank, window, stride, pad, dilation = pool
    statics = pool_statics(*pool)
    x = normal(5, 3, *EXTENTS[:rank]).round(1)  # rounded: with ties
    x[1] = -np.inf
    x[0, 0].flat[3:6] = np.nan
    tx = torch.tensor(x, requires_grad=True)
    max_pool = getattr(torch.nn.functional, f"max_pool{rank}d")
    y, ids = max_pool(tx, window, stride, pad, dilation, return_indices=True)
    ct, g = normal(*y.shape), normal(*x.shape)
    y.backward(torch.tensor(ct))
    np.testing.assert_array_equal(applied(WindowMax, x, **statics)[0], y.detach())
    np.testing.assert_array_equal(applied(WindowArgMax, x, **statics)[0], ids)
    np.testing.assert_allclose(applied(WindowMaxScatter, ct, x, **statics)[0], tx.grad, atol=1e-12)
    taken = np.take_along_axis(g.reshape(5, 3, -1), ids.numpy().reshape(5, 3, -1), 2)
    np.testing.assert_array_equal(
        applied(WindowMaxGather, g, x, **statics)[0], taken.reshape(y.shape)
    )


@pytest.mark.parametrize("pool", POOLS)
def test_windows_fold_and_sum(pool: tuple[int, ...]) -> None:
    rank, window, stride, pad, dilation = pool
    statics = pool_statics(*pool)
    x = normal(5, 3, *EXTENTS[:rank])
    windows = applied(Windows, x, **statics)[0]
    total = windows.sum(tuple(range(-rank, 0)))
    np.testing.assert_allclose(applied(WindowSum, x, **statics)[0], total, atol=1e-12)
    ct = normal(*windows.shape)
    del statics["window"]
    folded = applied(Fold, ct, shape=x.shape, **statics)[0]
    assert np.isclose((folded * x).sum(), (ct * windows).sum())
    if rank == 2:
        unfolded = torch.nn.functional.unfold(torch.tensor(x), window, dilation, pad, stride)
        columns = windows.transpose(0, 1, 4, 5, 2, 3).reshape(unfolded.shape)
        np.testing.assert_array_equal(columns, unfolded)


def test_half_precision_adds_in_single() -> None:
    x = np.full((1, 1, 4096), 1.0, np.float16)
    statics: dict[str, Any] = {"stride": (1,), "padding": ((0, 0),), "dilation": (1,)}
    ones = np.ones((1, 1, 4096), np.float16)
    assert applied(Conv, x, ones, groups=1, **statics)[0].item() == 4096
    assert applied(WindowSum, x, window=(4096,), **statics)[0].item() == 4096
