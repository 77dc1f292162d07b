"""Work on ranges of a large array by several threads; NumPy releases Python's lock inside its loops.

In: a task on a range [start, stop), and how long a range should be. Out: the tasks' results, in order of the ranges.
Meanwhile BLAS is held to one thread where its library lets itself be found: its own threads would only wait for ours.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

from alight import config


def thread_count() -> int:
    """Threads that a kernel may use."""
    if config.num_threads > 0:
        return config.num_threads
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def parallel(task: Callable[[int, int], Any], count: int, grain: int) -> list[Any]:
    """`task(start, stop)` for the ranges of about `grain` that `count` falls into.

    >>> parallel(lambda start, stop: stop - start, 10, 4)
    [4, 4, 2]
    """
    ranges = [(start, min(start + grain, count)) for start in range(0, count, grain)]
    threads = min(thread_count(), len(ranges))
    if threads < 2:
        return [task(start, stop) for start, stop in ranges]
    results: list[Any] = [None] * len(ranges)
    left = list(reversed(range(len(ranges))))

    def work() -> None:
        try:
            while True:
                i = left.pop()  # list.pop is atomic, so each range is taken once
                results[i] = task(*ranges[i])
        except IndexError:
            if left:
                raise  # the task's own

    with _blas.single():
        helpers = [_executor(threads - 1).submit(work) for _ in range(threads - 1)]
        work()
        for helper in helpers:
            helper.result()
    return results


_pool: tuple[int, int, Any] = (0, 0, None)  # process, threads, executor


def _executor(threads: int) -> Any:
    global _pool
    process, size, executor = _pool
    if process != os.getpid() or size < threads:  # a forked child has none of its parent's threads
        from concurrent.futures import ThreadPoolExecutor

        executor = ThreadPoolExecutor(threads, "alight")
        _pool = os.getpid(), threads, executor
    return executor


class _Blas:
    """The number of threads of the OpenBLAS in NumPy's wheel."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.library: Any = None
        self.users = 0
        self.before = 1

    def single(self) -> _Blas:
        return self

    def find(self) -> Any:
        """The library's functions to read and set its threads, or False."""
        try:
            import ctypes

            from numpy._core import _multiarray_umath

            library = ctypes.CDLL(
                _multiarray_umath.__file__
            )  # a look-up goes on to what it depends on
            get = library.scipy_openblas_get_num_threads64_
            return get, library.scipy_openblas_set_num_threads64_
        except (ImportError, AttributeError, OSError):
            return False

    def __enter__(self) -> None:
        with self.lock:
            if self.library is None:
                self.library = self.find()
            self.users += 1
            if self.library and self.users == 1:
                self.before = self.library[0]()
                self.library[1](1)

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.users -= 1
            if self.library and self.users == 0:
                self.library[1](self.before)


_blas = _Blas()
