"""Data workers: the random streams and iterators that PyTorch gives to each worker process.

In: a loader with `num_workers` > 0. Out: for each worker a place where its batches are made.
Differs: the workers are visited in turn by the loader's own thread, so that nothing is copied or started; the
invariant is that every random number, and the split of an iterable dataset, is what PyTorch's processes give.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

import alight


class WorkerInfo(NamedTuple):
    """What a dataset may know of the worker that it runs in."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_current = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """The worker that is making a batch now; None outside of workers.

    >>> get_worker_info() is None
    True
    """
    return getattr(_current, "info", None)


class Worker:
    """One worker's random state: alight's, Python's and NumPy's, set aside while others run."""

    def __init__(self, info: WorkerInfo) -> None:
        self.info = info
        self._engine = alight.Generator().manual_seed(info.seed).engine
        self._python = random.Random(info.seed).getstate()
        # The hash of (worker, base seed) that PyTorch seeds NumPy with is NumPy's own SeedSequence.
        base = info.seed - info.id
        entropy = [info.id, base & 0xFFFFFFFF, base >> 32, 0]
        words = np.random.SeedSequence(entropy).generate_state(4)
        self._numpy: Any = np.random.RandomState(words).get_state()

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Draw from this worker's streams, and be this worker for `get_worker_info`, inside the block."""
        generator = alight.random.default_generator
        outside = generator.engine, random.getstate(), np.random.get_state()
        generator.engine = self._engine
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        _current.info = self.info
        try:
            yield
        finally:
            self._python, self._numpy = random.getstate(), np.random.get_state()
            _current.info = None
            generator.engine = outside[0]
            random.setstate(outside[1])
            np.random.set_state(outside[2])
