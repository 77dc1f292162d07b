"""Arrays that compiled code reads and writes begin with a cache line, and are still let go and shared as NumPy's own."""

from __future__ import annotations

import numpy as np
import pytest

import alight
from alight import config
from alight.backends.interpreter.arrays import address_of, aligned
from alight.record.flush import USUAL


def _line(tensor: alight.Tensor) -> int:
    tensor.flush("test")
    return address_of(tensor._buffer) % 64


def _unaligned(*shape: int) -> alight.Tensor:
    """A tensor that begins 16 bytes behind a cache line."""
    made = alight.zeros(*shape)
    assert made.sum().item() == 0
    block = aligned((made.numel() + 16,), np.dtype(np.float32))
    block[...] = 1.0
    made._buffer = block[4 : 4 + made.numel()].reshape(shape).view()
    return made


@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (0, 4), (1000,)])
def test_an_aligned_array_is_an_array(shape: tuple[int, ...]) -> None:
    array = aligned(shape, np.dtype(np.float64))
    assert array.shape == shape and array.dtype == np.float64 and type(array) is np.ndarray
    assert array.flags.c_contiguous and array.flags.writeable and address_of(array) % 64 == 0
    assert array.view().base is array  # so that a count of its holders counts the views


def test_results_of_compiled_code_are_aligned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "hot", 0)
    x = alight.ones(300)
    for extra in range(3):
        y = x * 2 + extra
        assert y.sum().item() == 300 * (2 + extra)
        assert _line(y) == 0


def test_what_a_path_reads_each_time_is_moved_once() -> None:
    x = _unaligned(40, 50)
    assert _line(x) == 16
    for step in range(USUAL + 2):
        assert (x * 3).sum().item() == 6000
        assert _line(x) == (16 if step < USUAL - 1 else 0)
    place = x.data_ptr()
    for _ in range(USUAL + 2):
        assert (x * 3).sum().item() == 6000
    assert x.data_ptr() == place


def test_an_address_that_was_given_out_lasts() -> None:
    x = _unaligned(40, 50)
    row, place = x[0], x.data_ptr()
    for _ in range(USUAL + 2):
        assert (x * 3).sum().item() == 6000
    assert x.data_ptr() == row.data_ptr() == place
    shared = _unaligned(40, 50)
    shown = shared.numpy()
    assert shared.data_ptr() == address_of(shown)


def test_memory_shared_with_numpy_stays_where_it_is() -> None:
    x = _unaligned(40, 50)
    shown = x.numpy()
    for step in range(USUAL + 2):
        shown[...] = step
        assert (x * 3).sum().item() == 6000 * step
    assert np.shares_memory(shown, x.numpy())


def test_a_view_follows_what_it_views() -> None:
    x = _unaligned(40, 50)
    row = x[3]
    for _ in range(USUAL + 2):
        assert (x * 3).sum().item() == 6000
        x.fill_(1.0)
        row.fill_(50.0)
        assert x.sum().item() == 39 * 50 + 2500
        x.fill_(1.0)
        assert row.sum().item() == 50


def test_an_array_handed_out_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "hot", 0)
    x, held = alight.ones(300), []
    for extra in range(6):
        held.append((x * 2 + extra).numpy())
    for extra, array in enumerate(held):
        assert (array == 2 + extra).all()


def test_writes_through_numpy_reach_a_compiled_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "hot", 0)
    w = alight.ones(300)
    for _ in range(4):
        w.add_(1.0)
        shown = w.numpy()
        assert (shown == 2.0).all()
        shown[...] = 1.0
        assert w.sum().item() == 300.0
        w.add_(1.0)
        assert (shown == 2.0).all()
        shown[...] = 1.0
