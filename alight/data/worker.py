"""Data workers: the random streams that PyTorch gives to each, and the ways in which alight lets them work.

In: a loader with `num_workers` > 0. Out: its batches, in its order.
A user's own dataset runs in processes (`alight/data/processes.py`). Where the samples lie in arrays, threads make
the batches ahead if they are slow to make (`InThreads`). All else runs in the calling thread (`InTurns`): arrays
that are quickly copied, and datasets on systems where a process cannot be forked.
The invariant: every random number, and the split of an iterable dataset, is what PyTorch's processes give.
"""

from __future__ import annotations

import collections
import contextlib
import random
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

import alight
from alight.data import collate
from alight.data.dataset import ArrayAccess
from alight.data.fetching import END, Fetch, fetcher


class WorkerInfo(NamedTuple):
    """What a dataset may know of the worker that it runs in: id, num_workers, seed, dataset.

    >>> from alight.data.worker import WorkerInfo
    >>> WorkerInfo(id=0, num_workers=2, seed=7, dataset=None).id
    0
    """

    id: int
    num_workers: int
    seed: int
    dataset: Any


_current = threading.local()


def get_worker_info() -> WorkerInfo | None:
    """The worker that is making a batch now, a WorkerInfo; None outside of workers.

    >>> import alight as torch
    >>> class Split(torch.utils.data.IterableDataset):
    ...     def __iter__(self):
    ...         info = torch.utils.data.get_worker_info()
    ...         part, parts = (0, 1) if info is None else (info.id, info.num_workers)
    ...         return iter(range(part, 4, parts))
    >>> list(Split())
    [0, 1, 2, 3]
    """
    return getattr(_current, "info", None)


class Worker:
    """One worker's random state: alight's, Python's and NumPy's."""

    def __init__(self, info: WorkerInfo) -> None:
        self.info = info
        self._engine = alight.Generator().manual_seed(info.seed).engine
        self._python = random.Random(info.seed).getstate()
        # The hash of (worker, base seed) that PyTorch seeds NumPy with is NumPy's own SeedSequence.
        base = info.seed - info.id
        entropy = [info.id, base & 0xFFFFFFFF, base >> 32, 0]
        words = np.random.SeedSequence(entropy).generate_state(4)
        self._numpy: Any = np.random.RandomState(words).get_state()

    def begin(self) -> None:
        """Draw from this worker's streams, and be this worker for `get_worker_info`, from now on."""
        alight.random.default_generator.engine = self._engine
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        _current.info = self.info

    @contextlib.contextmanager
    def drawing(self) -> Iterator[None]:
        """Draw from this worker's stream of alight's alone, inside the block."""
        generator = alight.random.default_generator
        outside = generator.engine
        generator.engine = self._engine
        try:
            yield
        finally:
            generator.engine = outside

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Be this worker inside the block only; the streams are set aside while others run."""
        generator = alight.random.default_generator
        outside = generator.engine, random.getstate(), np.random.get_state()
        self.begin()
        try:
            yield
        finally:
            self._python, self._numpy = random.getstate(), np.random.get_state()
            _current.info = None
            generator.engine = outside[0]
            random.setstate(outside[1])
            np.random.set_state(outside[2])


@dataclass(frozen=True)
class Failure:
    """An error in a worker, to be raised where the batch is asked for."""

    kind: type[BaseException]
    text: str
    worker: int

    @classmethod
    def of(cls, error: BaseException, worker: int) -> Failure:
        """What is known of `error` now, its traceback as text."""
        return cls(type(error), "".join(traceback.format_exception(error)), worker)

    def throw(self) -> None:
        """Raise an error of the same type, with PyTorch's sentence and the worker's traceback."""
        sentence = f"Caught {self.kind.__name__} in DataLoader worker process {self.worker}."
        text = f"{sentence}\nOriginal {self.text}"
        if self.kind is KeyError:
            raise KeyError(_Readable(text))
        try:
            error = self.kind(text)
        except Exception:  # a type that is not made of one text
            raise RuntimeError(text) from None
        raise error


class _Readable(str):
    """A text that KeyError, which prints its argument's repr, shows with its line breaks."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class Plan(NamedTuple):
    """What all ways of working share."""

    loader: Any
    arrays: ArrayAccess | None
    base_seed: int

    def worker(self, number: int) -> Worker:
        """The streams of worker `number`."""
        loader = self.loader
        info = WorkerInfo(number, loader.num_workers, self.base_seed + number, loader.dataset)
        return Worker(info)

    def start(self, worker: Worker) -> Fetch:
        """What a worker does first; its fetcher."""
        if self.loader.worker_init_fn is not None:
            self.loader.worker_init_fn(worker.info.id)
        return self.fetcher()

    def fetcher(self) -> Fetch:
        """A fetcher, which begins an iterable dataset from its first sample."""
        return fetcher(self.loader, self.arrays)

    @property
    def ahead(self) -> int:
        """How many index batches are handed out before the first batch is asked for."""
        return int(self.loader.num_workers * (self.loader.prefetch_factor or 1))


class InTurns:
    """Workers that the calling thread visits in turn, so that nothing is copied or started."""

    def __init__(self, plan: Plan, indices: Iterator[Any]) -> None:
        self._plan = plan
        self._workers = [plan.worker(number) for number in range(plan.loader.num_workers)]
        self.reset(indices)

    def reset(self, indices: Iterator[Any]) -> None:
        """Begin an epoch; the streams of the workers go on."""
        self._indices = indices
        self._turns = list(self._workers)
        self._fetchers: dict[int, Fetch] = {}
        self._position = 0
        # PyTorch's queue of index batches is filled ahead, which starts the sampler now.
        ahead = [next(indices, END) for _ in range(self._plan.ahead)]
        self._queue = collections.deque(index for index in ahead if index is not END)

    def __next__(self) -> Any:
        while self._queue and self._turns:
            self._position %= len(self._turns)
            worker = self._turns[self._position]
            fetch = self._fetcher(worker)
            # No code of the user's runs where samples lie in arrays, so that two streams may stay as they are.
            streams = worker.active() if self._plan.arrays is None else worker.drawing()
            try:
                with streams:
                    batch = fetch(self._queue[0])
            except Exception as error:
                self._advance()
                Failure.of(error, worker.info.id).throw()
            if batch is not END:
                self._advance()
                return batch
            self._turns.pop(self._position)  # its iterable has ended
        raise StopIteration

    def _fetcher(self, worker: Worker) -> Fetch:
        if worker.info.id not in self._fetchers:
            with worker.active():
                self._fetchers[worker.info.id] = self._plan.start(worker)
        return self._fetchers[worker.info.id]

    def _advance(self) -> None:
        self._queue.popleft()
        following = next(self._indices, END)
        if following is not END:
            self._queue.append(following)
        self._position += 1


class InThreads:
    """Batches of arrays made ahead by threads; random words are drawn here, in order."""

    def __init__(self, plan: Plan, indices: Iterator[Any]) -> None:
        from alight.backends.interpreter.threads import thread_count

        self._plan = plan
        self._workers = [plan.worker(number) for number in range(plan.loader.num_workers)]
        count = min(plan.loader.num_workers, thread_count())
        self._pool = ThreadPoolExecutor(count, thread_name_prefix="alight-data")
        for worker in self._workers:
            with worker.active():
                plan.start(worker)
        self.reset(indices)

    def reset(self, indices: Iterator[Any]) -> None:
        """Begin an epoch; the streams of the workers go on."""
        self._indices = indices
        self._asked = 0
        self._queue: collections.deque[Future[Any]] = collections.deque()
        for _ in range(self._plan.ahead):
            self._ask()

    def _ask(self) -> None:
        """Let the next index batch be fetched."""
        index: Any = next(self._indices, END)
        if index is END:
            return
        worker = self._workers[self._asked % len(self._workers)]
        self._asked += 1
        assert self._plan.arrays is not None
        try:
            with worker.drawing():
                finish: Callable[[], Any] = self._plan.arrays.begin(index)
        except Exception as error:
            finish = _raiser(error)
        self._queue.append(self._pool.submit(_caught, finish, worker.info.id))

    def __next__(self) -> Any:
        if not self._queue:
            if not self._plan.loader.persistent_workers:
                self._pool.shutdown(wait=False)
            raise StopIteration
        found = self._queue.popleft().result()
        self._ask()
        if isinstance(found, Failure):
            found.throw()
        return collate.from_arrays(found)


def _raiser(error: Exception) -> Callable[[], Any]:
    def raise_it() -> Any:
        raise error

    return raise_it


def _caught(finish: Callable[[], Any], worker: int) -> Any:
    try:
        return finish()
    except Exception as error:
        return Failure.of(error, worker)
