"""From an index batch to a batch: the fetcher of a loader, and the loop that needs no workers.

In: a loader, and what its sampler gives. Out: collated batches.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

from alight.data import collate
from alight.data.dataset import ArrayAccess, array_access

END = object()  # what a fetcher returns when its iterable has ended
Fetch = Callable[[Any], Any]


def arrays_of(loader: Any) -> ArrayAccess | None:
    """The whole-array access of the loader's dataset, where its batches are made in the default way."""
    if loader.batch_sampler is None or loader.collate_fn is not collate.default_collate:
        return None
    return array_access(loader.dataset)


def fetcher(loader: Any, arrays: ArrayAccess | None) -> Fetch:
    """A function from the sampler's next value to a batch, or to END."""
    if arrays is not None:
        return lambda index: collate.from_arrays(arrays(index))
    if loader._iterable:
        return _of_iterable(loader)
    if loader.batch_sampler is None:
        return lambda index: loader.collate_fn(loader.dataset[index])
    if callable(getattr(loader.dataset, "__getitems__", None)):
        return lambda index: loader.collate_fn(loader.dataset.__getitems__(index))
    return lambda index: loader.collate_fn([loader.dataset[i] for i in index])


def _of_iterable(loader: Any) -> Fetch:
    samples: Iterator[Any] = iter(loader.dataset)

    def fetch(index: Any) -> Any:
        if loader.batch_sampler is None:
            sample: Any = next(samples, END)
            return END if sample is END else loader.collate_fn(sample)
        batch = list(itertools.islice(samples, len(index)))
        if not batch or (loader.drop_last and len(batch) < len(index)):
            return END
        return loader.collate_fn(batch)

    return fetch


class AtOnce:
    """Batches made in the calling thread when they are asked for."""

    def __init__(self, loader: Any, arrays: ArrayAccess | None, indices: Iterator[Any]) -> None:
        self._indices = indices
        self._fetch = fetcher(loader, arrays)

    def __next__(self) -> Any:
        batch = self._fetch(next(self._indices))
        if batch is END:
            raise StopIteration
        return batch
