"""Time of each kernel of a compiled program, measured one by one.

In: a `Native` and arguments. Out: for each kernel its time on one thread, the least of a few runs. The order and the
data are those of a real step, so that caches hold what they hold there.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from alight.backends.cpu.native import Native, arenas
from alight.compiler.kernel import Kernel

_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)


class Timed(NamedTuple):
    """One kernel and its time in seconds."""

    kernel: Kernel
    name: str
    seconds: float


def profile(native: Native, arguments: Sequence[Any], rounds: int = 5) -> list[Timed]:
    """The time of each kernel; the interpreter's own come as 0."""
    program, memory = native.plan.program, native.plan.memory
    arrays = [
        np.ascontiguousarray(given, of).reshape(shape)
        for given, (shape, of) in zip(arguments, native.in_types, strict=True)
    ]
    results = [np.empty(shape, of) for shape, of in native.out_types]
    arena = arenas.take(memory.size)
    place: dict[int, int] = {}
    for value, array in zip([*program.inputs, *program.outputs], [*arrays, *results], strict=True):
        place.setdefault(value, array.ctypes.data)
    start = arena.ctypes.data
    best = [float("inf")] * len(native.names)

    def where(value: int) -> int:
        whole, at = memory.parts.get(value, (value, 0))
        return place[whole] + at if whole in place else start + memory.values[value]

    try:
        for _ in range(rounds):
            for n, (kernel, name) in enumerate(zip(native.plan.kernels, native.names, strict=True)):
                if not name:
                    best[n] = 0.0
                    continue
                starts = dict(kernel.starts)
                pointers = [where(v) + starts.get(v, 0) for v in kernel.values]
                pointers += [start, start + memory.scratch.get(n, 0)]
                table = np.array(pointers, np.uint64)
                run = _KERNEL(native.addresses[name])
                before = time.thread_time()
                run(table.ctypes.data, 0, 1, None)
                best[n] = min(best[n], time.thread_time() - before)
    finally:
        arenas.give_back(arena)
    return [Timed(*row) for row in zip(native.plan.kernels, native.names, best, strict=True)]
