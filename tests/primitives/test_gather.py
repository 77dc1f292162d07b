"""Gather and scatter agree with NumPy and PyTorch, and name an index that is out of range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from alight.primitives import DynamicSlice, Index, IndexAdd, ScatterReduce
from alight.primitives.gather import put_along, take_along
from tests.primitives.applied import applied, gradients

random = np.random.default_rng(0)
x = random.standard_normal((4, 5, 3))


def ids(*numbers: Any) -> Any:
    return np.array(numbers, np.int64)


def test_index_puts_the_indices_first() -> None:
    i, j = ids(0, 1, 1), ids(2, 0, 0)
    found = applied(Index, x, i, j, axes=(0, 2))[0]
    np.testing.assert_array_equal(found, x.transpose(0, 2, 1)[i, j])
    found = applied(Index, x, i, j, axes=(2, 0))[0]
    np.testing.assert_array_equal(found, x.transpose(2, 0, 1)[i, j])


def test_add_counts_every_update() -> None:
    table, rows = np.zeros((10, 3), np.float32), random.integers(0, 10, 1000)
    updates = random.standard_normal((1000, 3)).astype(np.float32)
    expected = torch.zeros(10, 3).index_add(0, torch.tensor(rows), torch.tensor(updates))
    np.testing.assert_allclose(
        applied(IndexAdd, table, updates, rows, axes=(0,))[0], expected, atol=1e-4
    )


def test_along_an_axis() -> None:
    places = random.integers(0, 5, (4, 2, 3))
    taken = applied(lambda v, i: take_along(v, i, 1), x, places)[0]
    np.testing.assert_array_equal(taken, np.take_along_axis(x, places, 1))
    put = applied(lambda v, i: put_along(v, i, 1, x.shape), taken, places)[0]
    expected = torch.zeros(4, 5, 3, dtype=torch.float64)
    expected.scatter_add_(1, torch.tensor(places), torch.tensor(taken))
    np.testing.assert_allclose(put, expected)


@pytest.mark.parametrize("reduce", ["prod", "amax", "amin"])
def test_reductions_with_zeros_and_ties(reduce: str) -> None:
    base, updates = x[0].round(), random.standard_normal((3, 3)).round()
    base[0], updates[1] = 0, [0, 0, 1]
    rows = ids(0, 1, 1)
    tb, tu = (torch.tensor(a, requires_grad=True) for a in (base, updates))
    places = torch.tensor(rows)[:, None].expand(3, 3)
    y = tb.scatter_reduce(0, places, tu, reduce)
    ct = random.standard_normal(y.shape)
    y.backward(torch.tensor(ct))
    statics: dict[str, Any] = {"axes": (0,), "reduce": reduce}
    np.testing.assert_allclose(
        applied(ScatterReduce, base, updates, rows, **statics)[0], y.detach()
    )
    in_base, in_updates = gradients(ScatterReduce, [base, updates, rows], [ct], **statics)
    np.testing.assert_allclose(in_base, tb.grad, atol=1e-12)
    np.testing.assert_allclose(in_updates, tu.grad, atol=1e-12)


def test_an_index_out_of_range() -> None:
    with pytest.raises(IndexError) as error:
        applied(Index, x, ids([0, 1], [1, 4]), axes=(0,))
    assert str(error.value).splitlines() == [
        "index out of range in self",
        "  index 4 at position [1, 1], but the table has rows 0 to 3",
        "  try a table of 5 rows, or smaller indices",
    ]
    with pytest.raises(IndexError, match="index -1, but the table has rows 0 to 4"):
        applied(Index, x, np.int64(-1), axes=(1,))
    with pytest.raises(IndexError, match="3 elements from 3 along axis 1 of extent 5"):
        applied(DynamicSlice, x, np.int64(1), np.int64(3), np.int64(0), sizes=(2, 3, 1))
