"""In which order nests are walked: turned copies read each line of memory while it is near."""

from __future__ import annotations

import numpy as np
import pytest

import alight
from alight import config
from alight.compiler.affine import linear
from alight.compiler.nest import Load, Nest
from alight.compiler.schedule import schedule
from alight.dtypes import float32


def turned(shape: tuple[int, ...], read: tuple[int, ...]) -> Nest:
    """A row-major copy of what lies with the strides `read`."""
    nest = Nest(shape)
    at = tuple(nest.axis(i) for i in range(len(shape)))
    row_major = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
    loaded = nest.make(Load(0, linear(at, read)), (), float32)
    nest.store(1, linear(at, row_major), loaded)
    return nest


def test_a_turned_copy_walks_squares():
    made = schedule(turned((64, 48), (1, 64)), 16)
    assert made.nest.extents == (64, 3, 16)  # rows written, runs of a row, a run
    assert (made.outer, made.vector) == ((1, 0), 2)  # runs, then rows, whose vectors share lines


def test_axes_are_merged_before_they_are_cut():
    made = schedule(turned((16, 8, 4, 12), (1, 768, 192, 16)), 16)  # images innermost
    assert made.nest.extents == (16, 24, 16)
    assert (made.outer, made.vector) == ((1, 0), 2)


def test_a_ragged_axis_is_not_cut():
    made = schedule(turned((16, 5, 7), (1, 112, 16)), 16)
    assert (made.nest.extents, made.outer, made.vector) == ((16, 35), (0,), 1)
    made = schedule(turned((16, 5, 7), (1, 120, 16)), 16)
    assert (made.nest.extents, made.outer, made.vector) == ((16, 5, 7), (1, 0), 2)


def test_other_nests_stay_as_they_are():
    made = schedule(turned((64, 48), (48, 1)), 16)
    assert (made.nest.extents, made.outer, made.vector) == ((3072,), (), 0)
    made = schedule(turned((64, 48), (0, 1)), 16)
    assert (made.nest.extents, made.outer, made.vector) == ((64, 48), (0,), 1)


SHAPES = [((48, 64), (1, 0)), ((5, 35), (1, 0)), ((3, 16, 8, 4), (0, 3, 1, 2)), ((6, 7, 32), (2, 0, 1))]  # fmt: skip


@pytest.mark.parametrize(("shape", "order"), SHAPES)
def test_turned_copies(shape, order, monkeypatch):
    monkeypatch.setattr(config, "hot", 0)
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    other = np.float32(np.linspace(-1, 1, x.size)).reshape(x.transpose(order).shape)
    for _ in range(3):
        made = alight.from_numpy(x).permute(order) * 2 + alight.from_numpy(other)
        np.testing.assert_array_equal(made.numpy(), x.transpose(order) * 2 + other)
