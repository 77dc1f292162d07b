"""Compile one emitter's code as a kernel of its own and call it, here or for another machine."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Sequence

import numpy as np

from alight.backends.cpu import jit
from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.target import Target, host
from alight.backends.cpu.threads import library

DTYPES = {"float": np.float32, "double": np.float64}
BASELINE = Target("", "x86-64", "", 16, 16, 32 << 10, 512 << 10)
AVX2 = Target("", "x86-64", "+avx2,+fma", 32, 16, 32 << 10, 512 << 10)
NEON = Target("aarch64-unknown-linux-gnu", "generic", "+neon", 16, 32, 64 << 10, 1 << 20)


def targets() -> list[Target]:
    """The host, and what this machine can run of the narrower ones."""
    machine = host()
    found = [machine]
    if machine.triple.startswith("x86"):
        found.append(BASELINE._replace(triple=machine.triple))
        if "+avx2" in machine.features.split(","):
            found.append(AVX2._replace(triple=machine.triple))
    return found


Emit = Callable[[Code, list[Value]], None]


def kernel_text(emit: Emit, pointers: int, target: Target) -> str:
    """The module of a kernel whose emitter gets the pointers that %args holds."""
    kernel = [("ptr", "args"), ("i64", "thread"), ("i64", "threads"), ("ptr", "team")]
    code = Code("kernel", kernel)
    emit(code, [code.load("ptr", code.element(code["args"], i, 8)) for i in range(pointers)])
    return jit.module_text([code.finish()], code.declared.values(), target)


def run_kernel(emit: Emit, arrays: Sequence[np.ndarray], target: Target, threads: int = 1) -> None:
    """Compile and run, each thread of the team in a thread of its own."""
    text = kernel_text(emit, len(arrays), target)
    symbols = library().symbols if "alight_barrier" in text else None
    module = jit.link(jit.object_code(text, target), ["kernel"], symbols)
    signature = ctypes.CFUNCTYPE(
        None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
    )
    call = signature(module.addresses["kernel"])
    args = (ctypes.c_void_p * len(arrays))(*[array.ctypes.data for array in arrays])
    team = np.zeros(512, np.int64)
    workers = [
        threading.Thread(target=call, args=(args, i, threads, team.ctypes.data))
        for i in range(1, threads)
    ]
    for worker in workers:
        worker.start()
    call(args, 0, threads, team.ctypes.data)
    for worker in workers:
        worker.join()


def placed(shape: Sequence[int], order: Sequence[int], gap: int = 0) -> tuple[int, ...]:
    """Element strides of a shape whose axes lie in memory as `order` says, outermost first, with gaps between rows."""
    strides, size = [0] * len(shape), 1
    for axis in reversed(order):
        strides[axis] = size
        size = size * max(1, shape[axis]) + gap
    return tuple(strides)


def filled(
    shape: Sequence[int], strides: Sequence[int], type: str, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Random memory of exactly the elements that are reached, and the view of it."""
    extent = 1 + sum(s * (e - 1) for s, e in zip(strides, shape, strict=True))
    extent = extent if 0 not in shape else 0
    memory = np.random.default_rng(seed).standard_normal(max(1, extent)).astype(DTYPES[type])
    steps = [s * memory.itemsize for s in strides]
    return memory, np.lib.stride_tricks.as_strided(memory, shape, steps)
