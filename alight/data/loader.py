"""DataLoader: batches of a dataset, epoch after epoch.

In: a dataset and how to visit it. Out: an iterator of collated batches, drawn as PyTorch draws them: one 64-bit
base seed when the iterator is made, the sampler's order at its first index, then what the samples draw.
Where the dataset lies in arrays (`__arrays__`), a batch is one indexed copy instead of one Python call a sample.
Every `__next__` is a lap mark of the recorder.
"""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from importlib import import_module
from typing import Any, Generic, TypeVar

from alight import record
from alight.data import collate, fetching, sampler, worker
from alight.data.dataset import Dataset, IterableDataset
from alight.errors import fail

T_co = TypeVar("T_co", covariant=True)

FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class DataLoader(Generic[T_co]):
    """Batches of `dataset`; every `iter(loader)` is an epoch, and len(loader) the number of its
    batches.

    - batch_size: samples in a batch; None hands them out one by one
    - shuffle: a new random order every epoch, drawn from `generator`; `sampler` or
      `batch_sampler` give another order
    - drop_last: leave out a last batch that is smaller
    - collate_fn: makes a batch of a list of samples; default_collate if none is given
    - num_workers: how many make batches beside the program; worker_init_fn(number) is called in
      each, prefetch_factor batches wait for each, timeout is in seconds, persistent_workers
      keeps them for the next epoch

    ValueError for options that exclude each other, as shuffle and sampler, or a negative number
    of workers. What goes wrong in a worker is raised where its batch is asked for, with its
    traceback; RuntimeError where it died.

    Differs: workers are processes for a dataset of your own, on Linux or with a
    `multiprocessing_context`, and threads for arrays that are slow to transform; elsewhere the
    calling thread makes the batches with the workers' random streams. `pin_memory` is accepted
    and changes nothing.

    >>> import alight as torch
    >>> x, y = torch.arange(10.).reshape(5, 2), torch.tensor([0, 1, 0, 1, 0])
    >>> dataset = torch.utils.data.TensorDataset(x, y)
    >>> loader = torch.utils.data.DataLoader(dataset, batch_size=2)
    >>> for images, labels in loader:
    ...     print(images.shape, labels)
    torch.Size([2, 2]) tensor([0, 1])
    torch.Size([2, 2]) tensor([0, 1])
    torch.Size([1, 2]) tensor([0])
    >>> len(loader)
    3
    """

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Any = None,
        batch_sampler: Any = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], Any] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        self._iterable = isinstance(dataset, IterableDataset)
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        _check_context(num_workers, multiprocessing_context)
        if self._iterable:
            _check_iterable(shuffle, sampler, batch_sampler)
        _check_sampling(batch_size, shuffle, sampler, batch_sampler, drop_last)
        self._epoch: Epoch | None = None  # the one that persistent workers are at
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self.generator = generator
        self.batch_size = batch_size if batch_sampler is None else None
        self.drop_last = drop_last
        self.sampler = self._default_sampler(shuffle) if sampler is None else sampler
        self.batch_sampler = (
            self._default_batch_sampler() if batch_sampler is None else batch_sampler
        )
        default = collate.default_convert if self.batch_sampler is None else collate.default_collate
        self.collate_fn = default if collate_fn is None else collate_fn
        self.persistent_workers = persistent_workers
        self._ready = True

    def _default_sampler(self, shuffle: bool | None) -> Any:
        if self._iterable:
            return _Endless()
        if shuffle:
            return sampler.RandomSampler(self.dataset, generator=self.generator)  # type: ignore[arg-type]
        return sampler.SequentialSampler(self.dataset)  # type: ignore[arg-type]

    def _default_batch_sampler(self) -> Any:
        if self.batch_size is None:
            return None
        return sampler.BatchSampler(self.sampler, self.batch_size, self.drop_last)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in FIXED and "_ready" in self.__dict__:
            kind = type(self).__name__
            sentence = f"{name} attribute should not be set after {kind} is initialized"
            fail(ValueError, sentence, try_=f"a new {kind}")
        super().__setattr__(name, value)

    def __iter__(self) -> Iterator[Any]:
        if not self.persistent_workers:
            return Epoch(self)
        if self._epoch is None:
            self._epoch = Epoch(self)
        else:
            self._epoch.begin_again()
        return self._epoch

    def __len__(self) -> int:
        """The number of batches."""
        if not self._iterable:
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)
        count = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return count
        return count // self.batch_size if self.drop_last else -(-count // self.batch_size)


class Epoch(Iterator[Any]):
    """One pass over a loader's dataset; with `persistent_workers` one pass after the other."""

    def __init__(self, loader: DataLoader[Any]) -> None:
        self._loader = loader
        self._arrays = fetching.arrays_of(loader)
        indices = self._index_batches()
        seed = sampler.draw_seed(sampler.engine_of(loader.generator))
        self._batches = self._ways_to_work(indices, seed)

    def __next__(self) -> Any:
        record.lap()
        return next(self._batches)

    def __len__(self) -> int:
        return len(self._loader)

    def begin_again(self) -> None:
        """The next epoch, by the same workers."""
        self._batches.reset(self._index_batches())

    def _index_batches(self) -> Iterator[Any]:
        """What the sampler gives, drawn when it is asked for."""
        loader = self._loader
        if self._arrays is not None:
            return sampler.index_arrays(loader.batch_sampler)
        return iter(loader.sampler if loader.batch_sampler is None else loader.batch_sampler)

    def _ways_to_work(self, indices: Iterator[Any], seed: int) -> Any:
        loader, arrays = self._loader, self._arrays
        if not loader.num_workers:
            return fetching.AtOnce(loader, arrays, indices)
        plan = worker.Plan(loader, arrays, seed)
        if arrays is not None:
            return (worker.InThreads if arrays.is_slow else worker.InTurns)(plan, indices)
        processes = import_module("alight.data.processes")  # few programs need multiprocessing
        if processes.are_possible(loader.multiprocessing_context):
            return processes.InProcesses(plan, indices)
        return worker.InTurns(plan, indices)


class _Endless(sampler.Sampler[None]):
    """The order of an iterable dataset, which has no indices."""

    def __iter__(self) -> Iterator[None]:
        return itertools.repeat(None)


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        sentence = "num_workers option should be non-negative; use num_workers=0 to disable multiprocessing."
        fail(ValueError, sentence)
    if timeout < 0:
        fail(ValueError, "timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        fail(
            ValueError,
            "prefetch_factor option could only be specified in multiprocessing."
            "let num_workers > 0 to enable multiprocessing, otherwise set prefetch_factor to None.",
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        fail(ValueError, "prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        fail(ValueError, "persistent_workers option needs num_workers > 0")


def _check_context(num_workers: int, context: Any) -> None:
    if context is None:
        return
    if num_workers == 0:
        fail(
            ValueError,
            "multiprocessing_context can only be used with multi-process loading (num_workers > 0), "
            f"but got num_workers={num_workers}",
        )
    known = multiprocessing.get_all_start_methods()
    if isinstance(context, str) and context not in known:
        fail(
            ValueError,
            f"multiprocessing_context option should specify a valid start method in {known!r}, "
            f"but got multiprocessing_context={context!r}",
        )


def _check_iterable(shuffle: bool | None, sampler: Any, batch_sampler: Any) -> None:
    options = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
    for name, value in options.items():
        if value is not None:
            start = "DataLoader with IterableDataset: expected unspecified"
            fail(ValueError, f"{start} {name} option, but got {name}={value}")


def _check_sampling(
    batch_size: int | None,
    shuffle: bool | None,
    sampler: Any,
    batch_sampler: Iterable[Any] | None,
    drop_last: bool,
) -> None:
    if sampler is not None and shuffle:
        fail(
            ValueError,
            "sampler option is mutually exclusive with shuffle",
            facts=["a sampler says in which order examples come, and so does shuffle"],
            try_="sampler=RandomSampler(dataset), or shuffle=True alone",
        )
    if batch_sampler is not None and (
        batch_size != 1 or shuffle or sampler is not None or drop_last
    ):
        fail(
            ValueError,
            "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and drop_last",
        )
    if batch_sampler is None and batch_size is None and drop_last:
        sentence = (
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )
        fail(ValueError, sentence)
