"""Batches put together from many tensors of data do not make new paths, and are what PyTorch makes of them."""

import random

import numpy as np
import pytest
import torch

import alight
from alight.record.recorder import thread


def memory(library, count=30):
    held = [library.tensor([float(i), 1.0]) for i in range(count)]
    return held, [(held[i], held[i + 1]) for i in range(count - 1)]


def test_which_tensors_are_the_same_is_no_part_of_the_path():
    _, pairs = memory(alight)
    w = alight.ones(2, requires_grad=True)
    draw = random.Random(0)

    def step():
        firsts, seconds = zip(*draw.sample(pairs, 12), strict=True)
        loss = ((alight.stack(firsts) * w).sum() + alight.cat(seconds).sum()) * 0.1
        loss.backward()
        w.grad = None
        return loss.item()

    for _ in range(3):
        step()
    before = thread.recorder.positions
    for _ in range(5):
        step()
    assert thread.recorder.positions == before


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_values(dim):
    found = []
    for library in (alight, torch):
        parts = [library.arange(6.0).reshape(2, 3) + i for i in range(9)]
        assert len([part.tolist() for part in parts]) == 9  # computed
        views = [part.t() for part in parts]
        array = np.ones((2, 3), np.float32)
        shared = [library.from_numpy(array)] * 8
        array[0, 0] = 7
        mixed = [*parts, library.ones(2, 3, dtype=library.int64)]
        made = [
            *(f(x, dim) for f in (library.cat, library.stack) for x in (parts, views, shared)),
            library.cat(mixed, dim),
        ]
        parts[0][0, 0] = -1
        made.append(library.cat(parts, dim))
        found.append(
            [(one.tolist(), str(one.dtype), one.stride(), one.requires_grad) for one in made]
        )
    assert found[0] == found[1]


def test_what_takes_gradients_or_is_pending_is_recorded():
    leaves = [alight.ones(2, requires_grad=True) for _ in range(9)]
    joined = alight.cat(leaves)
    joined.sum().backward()
    assert joined.requires_grad and leaves[8].grad.tolist() == [1, 1]
    with alight.no_grad():
        assert not alight.cat(leaves).requires_grad
    pending = [alight.ones(2) * i for i in range(9)]
    assert alight.stack(pending).sum().item() == 72


def test_errors_are_the_same():
    parts = [alight.ones(2) for _ in range(9)]
    assert len([part.tolist() for part in parts]) == 9
    with pytest.raises(RuntimeError, match="stack expects each tensor to be equal size"):
        alight.stack([*parts, alight.ones(3)])
    with pytest.raises(IndexError, match="Dimension out of range"):
        alight.cat(parts, 1)
