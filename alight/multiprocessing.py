"""torch.multiprocessing: Python's own, with `spawn`. A tensor goes to another process as a copy of its elements."""

from __future__ import annotations

import multiprocessing as _python
import traceback
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from multiprocessing import Process, Queue, get_context
from typing import Any

from alight.errors import fail

Pool = _python.Pool
_strategy = "file_system"


class ProcessException(Exception):  # noqa: N818  (PyTorch's name)
    """A process of `spawn` failed."""

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, error_pid


class ProcessRaisedException(ProcessException):
    """A process of `spawn` raised an exception."""


class ProcessExitedException(ProcessException):
    """A process of `spawn` ended by itself."""

    def __init__(self, msg: str, error_index: int, error_pid: int, exit_code: int) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code


def get_sharing_strategy() -> str:
    """How tensors go to other processes: as copies, whatever this says.

    >>> import alight as torch
    >>> torch.multiprocessing.get_sharing_strategy()
    'file_system'
    """
    return _strategy


def set_sharing_strategy(new_strategy: str) -> None:
    """Remembered.

    >>> import alight as torch
    >>> before = torch.multiprocessing.get_sharing_strategy()
    >>> torch.multiprocessing.set_sharing_strategy("file_system")
    >>> torch.multiprocessing.get_sharing_strategy()
    'file_system'
    >>> torch.multiprocessing.set_sharing_strategy(before)
    """
    global _strategy
    if new_strategy not in get_all_sharing_strategies():
        fail(AssertionError, f"{new_strategy} is not one of {get_all_sharing_strategies()}")
    _strategy = new_strategy


def get_all_sharing_strategies() -> set[str]:
    """Names that set_sharing_strategy takes.

    >>> import alight as torch
    >>> sorted(torch.multiprocessing.get_all_sharing_strategies())
    ['file_descriptor', 'file_system']
    """
    return {"file_descriptor", "file_system"}


def _run(fn: Callable[..., Any], i: int, args: tuple[Any, ...], errors: Any) -> None:
    try:
        fn(i, *args)
    except KeyboardInterrupt:
        pass
    except Exception:
        errors.put(traceback.format_exc())
        raise SystemExit(1) from None


class SpawnContext:
    """The processes that `spawn(join=False)` has started."""

    def __init__(self, processes: list[Any], errors: list[Any]) -> None:
        self.processes, self._errors = processes, errors

    def pids(self) -> list[int]:
        """Their numbers."""
        return [process.pid for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait for all; the first failure is raised here and ends the others."""
        for i, process in enumerate(self.processes):
            process.join(timeout)
            if process.exitcode is None:
                return False
            if process.exitcode:
                for other in self.processes:
                    if other.is_alive():
                        other.terminate()
                self._raise(i, process)
        return True

    def _raise(self, i: int, process: Any) -> None:
        if not self._errors[i].empty():
            text = self._errors[i].get()
            raise ProcessRaisedException(
                f"\n\n-- Process {i} terminated with the following error:\n{text}", i, process.pid
            )
        raise ProcessExitedException(
            f"process {i} terminated with exit code {process.exitcode}",
            i,
            process.pid,
            process.exitcode,
        )


def start_processes(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> SpawnContext | None:  # fmt: skip
    """Run `fn(i, *args)` in `nprocs` processes."""
    context = get_context(start_method)
    processes, errors = [], []
    for i in range(nprocs):
        queue = context.SimpleQueue()
        process = context.Process(target=_run, args=(fn, i, args, queue), daemon=daemon)  # type: ignore[attr-defined]
        process.start()
        processes.append(process)
        errors.append(queue)
    started = SpawnContext(processes, errors)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable[..., Any], args: tuple[Any, ...] = (), nprocs: int = 1, join: bool = True, daemon: bool = False,
    start_method: str = "spawn",
) -> SpawnContext | None:  # fmt: skip
    """Run `fn(i, *args)` in `nprocs` fresh processes; what one raises is raised here.

    Errors: ProcessRaisedException with the other process's traceback.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)


__all__ = [
    "Pool", "Process", "ProcessException", "ProcessExitedException", "ProcessRaisedException", "Queue", "SpawnContext",
    "get_all_sharing_strategies", "get_context", "get_sharing_strategy", "set_sharing_strategy", "spawn",
    "start_processes",
]  # fmt: skip
