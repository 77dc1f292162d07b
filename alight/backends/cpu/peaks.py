"""What one core of this machine can do at most, measured once a process: the yardstick of a kernel's time.

In: nothing. Out: `Peaks`, multiply-adds in registers and bytes to and from memory. Takes about 30 ms.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from alight.backends.cpu import cache as objects
from alight.backends.cpu import jit
from alight.backends.cpu.code import Code, Value, vector
from alight.backends.cpu.target import host
from alight.backends.cpu.tiles import multiply_add

ROUNDS = 20_000
COPIED = 64 << 20  # bytes: more than caches hold


class Peaks(NamedTuple):
    """Of one thread."""

    gflops: float  # float32
    gflops_double: float
    gigabytes: float  # a second, read and written


@cache
def peaks() -> Peaks:
    """Measured now, or earlier in this process."""
    return Peaks(multiply_adds("float"), multiply_adds("double"), _copy())


def multiply_adds(element: str, repeats: int = 12) -> float:
    """GFLOP/s of independent multiply-adds in registers; `element` is float or double."""
    target = host()
    lanes = target.lanes({"float": 4, "double": 8}[element])
    type, count = vector(element, lanes), 24 if target.registers >= 32 else 12
    code = Code("peak", [("ptr", "memory")])
    x = code.load(type, code["memory"])

    def body(_: Any, values: list[Value]) -> list[Value]:
        return [multiply_add(code, target, x, x, value) for value in values]

    sums = code.fold(code.integer(0), code.integer(ROUNDS), 1, [x] * count, body)
    for i, value in enumerate(sums):
        code.store(value, code.element(code["memory"], i * target.vector_bytes, 1))
    text = jit.module_text([code.finish()], code.declared.values(), target)
    module = jit.link(objects.object_code(text), ["peak"])
    run = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(module.addresses["peak"])
    memory = np.zeros(64 * 25, np.uint8)
    start = memory.ctypes.data + -memory.ctypes.data % 64
    return 2.0 * ROUNDS * count * lanes / _least(lambda: run(start), repeats) / 1e9


def _copy() -> float:
    source, target = np.ones(COPIED, np.uint8), np.zeros(COPIED, np.uint8)
    return 2.0 * COPIED / _least(lambda: np.copyto(target, source), 8) / 1e9


def _least(call: Callable[[], object], repeats: int) -> float:
    best = float("inf")
    for _ in range(repeats):
        before = time.thread_time()
        call()
        best = min(best, time.thread_time() - before)
    return best
