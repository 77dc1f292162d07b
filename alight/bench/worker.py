"""One row under one library, in a process of its own: `python -m alight.bench.worker ROW LIBRARY THREADS SECONDS`.

Prints one line of JSON: median and quartiles of a step, the first steps, by how much a step was held up while others
were compiled, the last loss, peak memory.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from importlib import import_module
from time import perf_counter
from typing import Any

from alight.bench.rows import ROWS, made


def prepared(row: str, library: str, threads: int) -> Any:
    """The row's step under a library."""
    settings = ROWS[row].settings
    if library == "jax":
        return import_module("alight.bench.rows.jax_rows").make(row)
    torch: Any = import_module("alight" if library == "alight" else "torch")
    torch.set_num_threads(threads)
    compiled = torch.compile if library == "torch.compile" else lambda f: f
    return made(row, torch, compiled, settings)


def settle(step: Callable[[], Any]) -> float:
    """Run steps until one ran as machine code from beginning to end and nothing is left to compile.

    Returns by how much the longest one took longer than the shortest one meanwhile, the second apart, which may take
    new paths.
    """
    background = import_module("alight.compiler.hot").background
    programs = import_module("alight.backends.base").programs
    times: list[float] = []
    while True:
        interpreted, busy = runs_of(programs), background.pending
        start = perf_counter()
        step()
        times.append(perf_counter() - start)
        if not busy and not background.pending and runs_of(programs) == interpreted:
            break
    between = times[1:-1]
    return max(between) - min(between) if between else 0.0


def several(step: Callable[[], Any]) -> float:
    """A few steps of a library that does not say when it is ready."""
    for _ in range(5):
        step()
    return 0.0


def runs_of(programs: Any) -> int:
    """How many programs the interpreter has run so far."""
    return sum(hot.runs for hot in list(programs.entries.values()))


def measure(row: str, library: str, threads: int, seconds: float) -> dict[str, Any]:
    """Run until everything is compiled, then for `seconds`."""
    begin = perf_counter()
    step = prepared(row, library, threads)
    ready = perf_counter()
    step()
    first = perf_counter() - ready
    held = settle(step) if library == "alight" else several(step)
    settled = perf_counter() - ready
    for _ in range(3):
        step()
    times: list[float] = []
    until = perf_counter() + seconds
    while perf_counter() < until or len(times) < 5:
        start = perf_counter()
        value = step()
        times.append(perf_counter() - start)
    times.sort()
    return {
        "row": row, "library": library, "median": times[len(times) // 2], "low": times[len(times) // 4],
        "high": times[3 * len(times) // 4], "first": first, "settled": settled, "held": held, "made": ready - begin,
        "value": float(value), "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    }  # fmt: skip


if __name__ == "__main__":
    _, row, library, threads, seconds = sys.argv
    print(json.dumps(measure(row, library, int(threads), float(seconds))))
