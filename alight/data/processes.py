"""Data workers that are processes: a user's dataset at work beside the training.

In: a loader whose dataset is Python code. Out: its batches, in its order. A worker is a fork of this process, so it
needs no pickled dataset and no guarded main module, unless the user asks for spawned ones. It gets index batches
through a pipe and answers with batches, whose arrays travel beside the pickle, uncopied. The invariant: a worker ends
when its loader's iterator is gone, when this process ends, and on Ctrl-C, without a word.
"""

from __future__ import annotations

import collections
import io
import multiprocessing
import os
import pickle
import queue
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Iterator
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, NamedTuple

import numpy as np

import alight
from alight import config, dtypes, record
from alight.data.fetching import END
from alight.data.worker import Failure, Plan
from alight.errors import fail
from alight.io.elements import host_array, tensor_over

BATCH, ENDED, AGAIN = "batch", "ended", "again"
PATIENCE = 2.0  # seconds that a worker may take to end by itself


def are_possible(context: Any) -> bool:
    """Whether workers can be processes: here they can be forked, or the user has asked for another way to start them.

    A spawned process runs the main module again, which few scripts are written for, so none is without being asked for.
    """
    if multiprocessing.current_process().daemon:
        return False
    return sys.platform == "linux" or context is not None


def context_of(loader: Any) -> Any:
    """How worker processes start."""
    context = loader.multiprocessing_context
    return (
        multiprocessing.get_context(context or "fork")
        if isinstance(context, str | None)
        else context
    )


class Shipped(NamedTuple):
    """What a spawned worker needs of a loader; it is pickled."""

    dataset: Any
    collate_fn: Any
    batch_sampler: Any  # None, or something else where samples are put into batches
    drop_last: bool
    num_workers: int
    worker_init_fn: Any
    iterable: bool

    @property
    def _iterable(self) -> bool:
        return self.iterable

    @classmethod
    def of(cls, loader: Any) -> Shipped:
        """The part of a loader that is code and data of the user's."""
        return cls(
            loader.dataset, loader.collate_fn, None if loader.batch_sampler is None else "batches",
            loader.drop_last, loader.num_workers, loader.worker_init_fn, loader._iterable,
        )  # fmt: skip


class Member:
    """One worker process and the way to it."""

    def __init__(self, plan: Plan, number: int, others: list[Member]) -> None:
        context = context_of(plan.loader)
        self.connection, theirs = context.Pipe()
        strangers = [self.connection, *(other.connection for other in others)]
        if context.get_start_method() != "fork":
            plan, strangers = plan._replace(loader=Shipped.of(plan.loader)), []
        self.process: BaseProcess = context.Process(
            target=_work, args=(plan, number, theirs, strangers), daemon=True
        )
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore"
            )  # a fork with BLAS threads: the child needs none of them
            self.process.start()
        theirs.close()
        self.has_ended = False
        self._due = 0  # answers still to come

    def ask(self, index: Any) -> None:
        """Send an index batch."""
        self._due += 1
        self._send(index)

    def begin_again(self) -> None:
        """Start a new epoch; what is left of an earlier one is thrown away."""
        while self._due:
            self.answer(0)
        self.has_ended = False
        self._send(AGAIN)

    def _send(self, message: Any) -> None:
        try:
            self.connection.send(message)
        except OSError:
            self.died()

    def answer(self, timeout: float) -> Any:
        """The next batch, ENDED, or a Failure."""
        ready = wait([self.connection, self.process.sentinel], timeout or None)
        if not ready:
            fail(RuntimeError, f"DataLoader timed out after {timeout:g} seconds")
        self._due -= 1
        try:
            return receive(self.connection)
        except (EOFError, OSError):
            self.died()

    def died(self) -> None:
        """PyTorch's error for a worker that is gone."""
        self.process.join(PATIENCE)
        code = self.process.exitcode
        reason = (
            f"by signal {signal.Signals(-code).name}" if code and code < 0 else f"with code {code}"
        )
        fail(
            RuntimeError,
            f"DataLoader worker (pid(s) {self.process.pid}) exited unexpectedly",
            [f"it ended {reason}"],
            try_="num_workers=0, which shows an error where it happens",
        )


class InProcesses:
    """The batches of forked workers."""

    def __init__(self, plan: Plan, indices: Iterator[Any]) -> None:
        self._plan = plan
        record.lap()  # nothing pending, so that no child runs it a second time
        self._members: list[Member] = []
        self._finish = weakref.finalize(self, _end, self._members, os.getpid())
        for number in range(plan.loader.num_workers):
            self._members.append(Member(plan, number, self._members))
        self._begin(indices)

    def reset(self, indices: Iterator[Any]) -> None:
        """Begin an epoch with the same workers."""
        for member in self._members:
            member.begin_again()
        self._begin(indices)

    def _begin(self, indices: Iterator[Any]) -> None:
        self._indices = indices
        self._turn = 0
        self._asked: collections.deque[Member] = (
            collections.deque()
        )  # whose answers are due, in order
        for _ in range(self._plan.ahead):
            self._ask()

    def _ask(self) -> None:
        """Give the next index batch to the next worker."""
        members = self._members
        for _ in members:
            member = members[self._turn % len(members)]
            self._turn += 1
            if not member.has_ended:
                index = next(self._indices, END)
                if index is not END:
                    self._asked.append(member)
                    member.ask(index)
                return

    def __next__(self) -> Any:
        while self._asked:
            member = self._next_member()
            if member.has_ended:
                continue
            found = member.answer(self._plan.loader.timeout)
            if isinstance(found, str) and found == ENDED:
                member.has_ended = True
                self._ask()
                continue
            self._ask()
            if isinstance(found, Failure):
                found.throw()
            return found[1]
        if not self._plan.loader.persistent_workers:
            self._finish()
        raise StopIteration

    def _next_member(self) -> Member:
        """The worker whose turn it is; with `in_order=False` one that is ready."""
        if self._plan.loader.in_order:
            return self._asked.popleft()
        ready = wait({m.connection for m in self._asked if not m.has_ended})
        found = next(member for member in self._asked if member.connection in ready)
        self._asked.remove(found)
        return found


def _end(members: list[Member], owner: int) -> None:
    """Let workers end; make those end that do not."""
    if os.getpid() != owner:  # a copy of the loader, in the fork of another loader
        return
    for member in members:
        member.connection.close()
    for member in members:
        member.process.join(PATIENCE)
        if member.process.is_alive():
            member.process.terminate()
            member.process.join()
    members.clear()


# -- in the worker


def _work(plan: Plan, number: int, connection: Connection, strangers: list[Connection]) -> None:
    """What a worker process does from its fork to its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the loader's process decides
    for stranger in strangers:
        stranger.close()
    config.tier, config.num_threads = 0, 1
    worker = plan.worker(number)
    worker.begin()
    tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(connection, tasks), daemon=True).start()
    speaker = threading.Thread(target=_speak, args=(connection, answers), daemon=True)
    speaker.start()
    fetch: Any = None
    while (task := tasks.get()) is not None:
        if isinstance(task, str) and task == AGAIN:
            fetch = None if fetch is None else plan.fetcher()
            continue
        try:
            fetch = plan.start(worker) if fetch is None else fetch
            batch = fetch(task)
            answer = packed(ENDED if batch is END else (BATCH, batch))
        except Exception as error:
            answer = packed(Failure.of(error, number))
        sys.stdout.flush()
        answers.put(answer)
    answers.put(None)
    speaker.join(PATIENCE)


def _listen(connection: Connection, tasks: queue.SimpleQueue[Any]) -> None:
    """Take index batches at once, so that the loader never waits to hand them over."""
    try:
        while True:
            tasks.put(connection.recv())
    except (EOFError, OSError):
        tasks.put(None)
    threading.Event().wait(PATIENCE)
    os._exit(0)  # a sample that takes longer is for nobody


def _speak(connection: Connection, answers: queue.SimpleQueue[Any]) -> None:
    """Hand over finished batches while the next ones are made."""
    try:
        while (answer := answers.get()) is not None:
            for part in answer:
                connection.send_bytes(part)
    except OSError:
        return  # nobody reads


# -- batches on their way


def packed(answer: Any) -> list[Any]:
    """An answer as messages: how many arrays, the pickle, each array's memory."""
    buffers: list[Any] = []
    file = io.BytesIO()
    pickler = _Pickler(file, 5, buffer_callback=lambda buffer: buffers.append(buffer.raw()))
    try:
        pickler.dump(answer)
    except Exception as error:
        if not isinstance(answer, Failure):
            raise
        return packed(Failure(RuntimeError, f"{answer.text}\n({error})", answer.worker))
    # An empty array needs no message, and a pipe has none of no bytes.
    sizes = np.array([buffer.nbytes for buffer in buffers], np.int64).tobytes()
    return [b"-" + sizes, file.getvalue(), *(buffer for buffer in buffers if buffer.nbytes)]


def receive(connection: Connection) -> Any:
    """What `packed` gave, at the other end."""
    sizes = np.frombuffer(connection.recv_bytes()[1:], np.int64)
    content = connection.recv_bytes()
    buffers = [np.empty(size, np.uint8) for size in sizes.tolist()]
    for buffer in buffers:
        if buffer.nbytes:
            connection.recv_bytes_into(buffer.data)
    return pickle.loads(content, buffers=buffers)


class _Pickler(pickle.Pickler):
    """Tensors travel as the arrays that hold their elements."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, alight.Tensor) and obj.device.type == "cpu":
            array = np.ascontiguousarray(host_array(obj))
            array = array.reshape(tuple(obj.shape))  # of no dimensions, too
            return _tensor, (array, obj.dtype.name, obj.requires_grad)
        return NotImplemented


def _tensor(array: np.ndarray[Any, Any], dtype: str, requires_grad: bool) -> Any:
    made = tensor_over(array, dtypes.BY_NAME[dtype])
    return made.requires_grad_() if requires_grad else made
