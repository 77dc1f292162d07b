"""A scalar rule as a compiled loop over arrays, to compare with tier 0."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from alight.backends.cpu import jit
from alight.backends.cpu.code import Code, vector
from alight.backends.cpu.scalars import Scalars, Symbol, load_type
from alight.backends.cpu.target import Target, host
from alight.backends.interpreter.arrays import numpy_dtype
from alight.dtypes import dtype

LEVELS = {
    "host": lambda: host(),
    "avx2": lambda: host()._replace(
        cpu="haswell", features="+avx2,+fma,+f16c", vector_bytes=32, registers=16
    ),
    "baseline": lambda: host()._replace(cpu="x86-64", features="", vector_bytes=16, registers=16),
}
AARCH64 = Target("aarch64-unknown-linux-gnu", "neoverse-n1", "", 16, 32, 1 << 16, 1 << 20)

Rule = Callable[..., Symbol]


def text_of(rule: Rule, dtypes: Sequence[dtype], out: dtype, target: Target, count: int) -> str:
    """A module whose function `kernel(ptr args, i64 n)` applies the rule to vectors of `count` lanes."""
    code = Code("kernel", [("ptr", "args"), ("i64", "n")])
    b = Scalars(code, target)
    pointers = [code.load("ptr", code.element(code["args"], i, 8)) for i in range(len(dtypes) + 1)]
    with code.loop(code.integer(0), code["n"], count) as i:
        symbols = []
        for pointer, of in zip(pointers, dtypes, strict=False):
            at = code.element(pointer, i, numpy_dtype(of).itemsize)
            symbols.append(b.from_memory(code.load(vector(load_type(of), count), at), of))
        result = rule(b, *symbols)
        assert result.dtype is out, (result.dtype, out)
        value = b._operands((result, symbols[0]))[0]  # a constant result is repeated
        code.store(b.to_memory(value), code.element(pointers[-1], i, numpy_dtype(out).itemsize))
    return jit.module_text([code.finish()], code.declared.values(), target)


def compiled(
    rule: Rule, dtypes: Sequence[dtype], out: dtype, target: Target | None = None, count: int = 0
) -> Callable[..., np.ndarray]:
    """The rule as a function of arrays of one length."""
    target = target or host()
    count = count or target.lanes(max(numpy_dtype(of).itemsize for of in (*dtypes, out)))
    text = text_of(rule, dtypes, out, target, count)
    module = jit.link(jit.object_code(text, target), ["kernel"])
    call = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)(module.addresses["kernel"])

    def run(*arrays: Any) -> np.ndarray:
        size = len(arrays[0])
        whole = -(-size // count) * count
        padded = [np.resize(a, whole) for a in arrays]
        result = np.empty(whole, numpy_dtype(out))
        table = (ctypes.c_void_p * (len(padded) + 1))(
            *[a.ctypes.data for a in padded], result.ctypes.data
        )
        call(ctypes.addressof(table), whole)
        return result[:size]

    run.module = module  # type: ignore[attr-defined]  # keeps the code alive
    return run
