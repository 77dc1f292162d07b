"""GFLOP/s of the generated kernels on one thread, beside NumPy's library and this machine's peak.

    python bench/kernels.py             # all of them
    python bench/kernels.py product     # matrix products; also: forward, data, filter

Times are the least of many short repetitions, ours and the library's alternating in one process; a kernel of more than
a few milliseconds is timed by the processor time of its thread. NumPy's library runs on one thread.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OPENBLAS_NUM_THREADS"] = "1"
for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
    os.environ.pop(name, None)
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np  # noqa: E402

from alight.backends.cpu import contraction, convolution, jit  # noqa: E402
from alight.backends.cpu.code import Code  # noqa: E402
from alight.backends.cpu.peaks import multiply_adds  # noqa: E402
from alight.backends.cpu.target import host  # noqa: E402
from alight.backends.cpu.threads import library  # noqa: E402

SECONDS = 0.3  # a shape
PRODUCTS = [
    (256, 784, 256, "NN"), (256, 784, 256, "NT"), (784, 256, 256, "TN"), (256, 256, 10, "NN"),
    (256, 256, 10, "NT"), (256, 256, 10, "TN"), (256, 10, 256, "NN"), (32, 256, 256, "NN"),
    (32, 256, 256, "NT"), (4, 64, 64, "NN"), (4, 64, 64, "NT"), (32, 64, 64, "NN"),
    (32, 64, 64, "NT"), (64, 32, 64, "TN"), (1, 256, 256, "NN"), (1, 256, 256, "NT"),
    (28, 256, 256, "NN"), (1024, 128, 384, "NN"), (1024, 128, 384, "NT"), (128, 1024, 384, "TN"),
    (1024, 512, 128, "NN"), (1024, 1024, 1024, "NN"), (1024, 1024, 1024, "NT"),
    (1024, 1024, 1024, "TN"),
]  # fmt: skip
# name: batch, inputs, outputs, size, window, stride, padding, groups
CONVOLUTIONS = {
    "LeNet, first": (256, 1, 6, 28, 5, 1, 2, 1),
    "LeNet, second": (256, 6, 16, 14, 5, 1, 0, 1),
    "1 to 16, 3x3": (256, 1, 16, 28, 3, 1, 1, 1),
    "16 to 32, 3x3": (256, 16, 32, 14, 3, 1, 1, 1),
    "32 to 64, 3x3": (256, 32, 64, 7, 3, 1, 1, 1),
    "64 to 64, 3x3": (32, 64, 64, 16, 3, 1, 1, 1),
    "3 to 64, 7x7, stride 2": (16, 3, 64, 64, 7, 2, 3, 1),
    "64 to 128, 1x1": (32, 64, 128, 16, 1, 1, 0, 1),
    "64 to 128, 3x3, stride 2": (32, 64, 128, 16, 3, 2, 1, 1),
    "depthwise, 64": (32, 64, 64, 16, 3, 1, 1, 64),
    "64 to 64, one image": (1, 64, 64, 56, 3, 1, 1, 1),
    "256 to 256, one image": (1, 256, 256, 14, 3, 1, 1, 1),
    "LeNet, first, one image": (1, 1, 6, 28, 5, 1, 2, 1),
    "LeNet, second, one image": (1, 6, 16, 14, 5, 1, 0, 1),
    "depthwise, one image": (1, 64, 64, 16, 3, 1, 1, 64),
}


def aligned(array: np.ndarray) -> np.ndarray:
    """A copy that starts on a cache line."""
    memory = np.zeros(array.size + 64 // array.itemsize, array.dtype)
    start = (-memory.ctypes.data % 64) // array.itemsize
    memory[start : start + array.size] = array.ravel()
    return memory[start : start + array.size]


def compiled(emit: Callable, arrays: list[np.ndarray]) -> tuple[Callable[[], None], float]:
    """A call of the kernel, and the milliseconds that making it took."""
    before = time.thread_time()
    parameters = [("ptr", "args"), ("i64", "thread"), ("i64", "threads"), ("ptr", "team")]
    code = Code("kernel", parameters)
    pointers = [code.load("ptr", code.element(code["args"], i, 8)) for i in range(len(arrays))]
    emit(code, pointers)
    text = jit.module_text([code.finish()], code.declared.values(), host())
    symbols = library().symbols if "alight_barrier" in text else None
    module = jit.link(jit.object_code(text), ["kernel"], symbols)
    took = (time.thread_time() - before) * 1e3
    kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
    function = kind(module.addresses["kernel"])
    args = (ctypes.c_void_p * len(arrays))(*[a.ctypes.data for a in arrays])

    def call(keep: object = (module, arrays)) -> None:
        function(args, 0, 1, None)

    return call, took


def least(calls: list[Callable[[], object]], operations: float) -> list[float]:
    """The least seconds of each call, alternating."""
    clock = time.thread_time if operations > 2e8 else time.perf_counter
    best = [float("inf")] * len(calls)
    end = time.perf_counter() + SECONDS * len(calls)
    several = max(1, int(2e6 / operations))
    while time.perf_counter() < end:
        for i, call in enumerate(calls):
            for _ in range(several):
                before = clock()
                call()
                best[i] = min(best[i], clock() - before)
    return best


def peak(element: str) -> float:
    """GFLOP/s of independent multiply-adds in registers."""
    return multiply_adds(element)


def bench_product(m: int, k: int, n: int, layout: str, element: str, best: float) -> None:
    """One line of the table."""
    dtype = {"float": np.float32, "double": np.float64}[element]
    a_strides = (k, 1) if layout[0] == "N" else (1, m)
    b_strides = (n, 1) if layout[1] == "N" else (1, k)
    product = contraction.Product(element, (), m, n, k, a_strides, b_strides, (n, 1))
    random = np.random.default_rng(0)
    a, b, c = (
        aligned(random.standard_normal(size).astype(dtype)) for size in (m * k, k * n, m * n)
    )
    scratch = np.zeros(contraction.scratch_bytes(product, host(), 1) // 4 + 16, np.float32)

    def emit(code: Code, pointers: list) -> None:
        contraction.emit_product(code, product, host(), *pointers)

    call, took = compiled(emit, [a, b, c, aligned(scratch)])
    left = a.reshape(m, k) if layout[0] == "N" else a.reshape(k, m).T
    right = b.reshape(k, n) if layout[1] == "N" else b.reshape(n, k).T
    out = np.empty((m, n), dtype)
    operations = 2.0 * m * n * k
    own, other = least([call, lambda: np.matmul(left, right, out=out)], operations)
    assert np.allclose(c.reshape(m, n), out, rtol=1e-3, atol=1e-2)
    name = f"{m} x {k} x {n} {layout} {'' if element == 'float' else element}"
    print(
        f"{name:36} {operations / own / 1e9:7.1f} {operations / other / 1e9:7.1f}"
        f" {other / own:6.2f}x {100 * operations / own / 1e9 / best:5.0f} %  {took:5.1f} ms"
    )


def bench_convolution(name: str, which: str, best: float) -> None:
    """One line of the table."""
    batch, inputs, outputs, size, window, stride, padding, groups = CONVOLUTIONS[name]
    out_size = (size + 2 * padding - window) // stride + 1
    each, taps = inputs // groups, window * window
    row_major = (each * taps, taps, window, 1)
    conv = convolution.Convolution(
        "float", batch, groups, inputs, outputs, (size, size), (window, window),
        (out_size, out_size), (stride, stride), ((padding, padding),) * 2, (1, 1),
        (), row_major, (),
    )  # fmt: skip
    order = convolution.preferred_order(conv, host())

    def strides(channels: int, side: int) -> tuple[int, ...]:
        return {
            "batch": (1, side * side * batch, side * batch, batch),
            "channels": (channels * side * side, 1, side * channels, channels),
            "rows": (channels * side * side, side * side, side, 1),
        }[order]

    conv = conv._replace(x=strides(inputs, size), out=strides(outputs, out_size))
    if order == "channels":
        conv = conv._replace(w=(1, outputs, window * each * outputs, each * outputs))
    random = np.random.default_rng(0)
    arrays = {
        "x": random.standard_normal(batch * inputs * size * size),
        "w": random.standard_normal(outputs * each * taps),
        "out": random.standard_normal(batch * outputs * out_size * out_size),
    }
    emit, roles = {
        "forward": (convolution.emit_forward, ("x", "w", "out")),
        "data": (convolution.emit_data_gradient, ("out", "w", "x")),
        "filter": (convolution.emit_filter_gradient, ("x", "out", "w")),
    }[which]
    bytes = convolution.scratch_bytes(conv, which, host(), 1)
    memory = [aligned(arrays[role].astype(np.float32)) for role in roles]
    memory.append(aligned(np.zeros(bytes // 4 + 16, np.float32)))
    call, took = compiled(lambda code, pointers: emit(code, conv, host(), *pointers), memory)
    operations = 2.0 * batch * outputs * each * taps * out_size * out_size
    (own,) = least([call], operations)
    rate = operations / own / 1e9
    print(f"{name:28} {which:8} {rate:7.1f} {100 * rate / best:5.0f} %  {took:5.1f} ms")


def main() -> None:
    """Print the tables."""
    wanted = sys.argv[1:] or ["product", "forward", "data", "filter"]
    best = {element: peak(element) for element in ("float", "double")}
    print(f"peak of one core: {best['float']:.0f} GFLOP/s, double {best['double']:.0f}\n")
    if "product" in wanted:
        print(f"{'m x k x n':36} {'own':>7} {'NumPy':>7} {'ratio':>7} {'peak':>7}  compile")
        for shape in PRODUCTS:
            bench_product(*shape, "float", best["float"])
        for shape in PRODUCTS[:8]:
            bench_product(*shape, "double", best["double"])
    for which in ("forward", "data", "filter"):
        if which in wanted:
            print(f"\n{'convolution':37} {'own':>7} {'peak':>7}  compile")
            for name in CONVOLUTIONS:
                bench_convolution(name, which, best["float"])


if __name__ == "__main__":
    main()
