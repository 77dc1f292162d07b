"""Work on ranges of a large array by several threads; NumPy releases Python's lock inside its loops.

In: a task on a range [start, stop), and how long a range should be. Out: the tasks' results, in order of the ranges.
Meanwhile BLAS is held to one thread where its library lets itself be found: its own threads would only wait for ours.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from alight import config
from alight.backends.cores import available_cores


def thread_count() -> int:
    """Threads that a kernel may use."""
    if config.num_threads > 0:
        return config.num_threads
    return available_cores()


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
        while left:
            try:
                i = left.pop()  # list.pop is atomic, so each range is taken once
            except IndexError:  # another thread was faster
                return
            results[i] = task(*ranges[i])

    def help_out() -> None:
        with np.errstate(all="ignore"):  # a setting of each thread
            work()

    with _blas:
        helpers = [_executor(threads - 1).submit(help_out) for _ in range(threads - 1)]
        work()
        for helper in helpers:
            helper.result()
    return results


_pool: tuple[int, Any] = (0, None)  # threads, executor


def _executor(threads: int) -> Any:
    global _pool
    size, executor = _pool
    if size < threads:
        from concurrent.futures import ThreadPoolExecutor

        executor = ThreadPoolExecutor(threads, "alight")
        _pool = threads, executor
    return executor


class _SingleBlas:
    """While entered, the OpenBLAS of NumPy's wheel uses one thread."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.functions: tuple[Any, Any] | None = None  # to read and to set its number of threads
        self.users = self.before = 0

    def __enter__(self) -> None:
        with self.lock:
            if self.functions is None:
                self.functions = _find_openblas()
            read, write = self.functions
            if self.users == 0:
                self.before = read()
                write(1)
            self.users += 1

    def __exit__(self, *error: object) -> None:
        with self.lock:
            self.users -= 1
            if self.users == 0 and self.functions:
                self.functions[1](self.before)


def _find_openblas() -> tuple[Any, Any]:
    try:
        import ctypes

        module = import_module("numpy._core._multiarray_umath")
        library = ctypes.CDLL(str(module.__file__))  # a look-up goes on to what it depends on
        return library.scipy_openblas_get_num_threads64_, library.scipy_openblas_set_num_threads64_
    except (ImportError, AttributeError, OSError):  # another BLAS, or Windows: it keeps its threads
        return (lambda: 1), (lambda count: None)


_blas = _SingleBlas()


def _start_afresh() -> None:
    """A forked child has none of its parent's threads, and perhaps a lock that one of them held."""
    global _pool, _blas
    _pool, _blas = (0, None), _SingleBlas()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_start_afresh)
