"""Values that are checked when a program runs: compiled code checks them too, and the interpreter says what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from alight.backends.base import backend_of
from alight.backends.cpu.native import Native
from alight.device import CPU
from alight.ir.text import parse

TEXT = """
program(%0: {of}[{shape}]) {{
  %1: {of}[{shape}] = within(%0) low=0.0 high=1.0
  %2: {of}[{shape}] = mul(%1, %1)
  %3: {of}[] = sum(%2) axes=({axes},)
  return %2, %3
}}"""


@pytest.mark.parametrize("of", ["f32", "f64"])
@pytest.mark.parametrize("shape", [(1,), (37,), (5, 33)])
def test_a_range_is_checked_in_compiled_code(of, shape):
    axes = ", ".join(map(str, range(len(shape))))
    backend_of(CPU)  # the interpreter's kernels: they say what is wrong
    program = parse(TEXT.format(of=of, shape=",".join(map(str, shape)), axes=axes))
    native = Native(program)
    assert "interpreter" not in [kernel.kind for kernel in native.plan.kernels]
    dtype = {"f32": np.float32, "f64": np.float64}[of]
    x = np.random.default_rng(0).random(shape).astype(dtype)
    x.flat[0], x.flat[-1] = 1.0, -0.0
    squares, total = native([x])
    np.testing.assert_allclose(squares, x * x)
    np.testing.assert_allclose(total, (x * x).sum(), rtol=1e-5)
    for wrong in (-1e-6, 1.0001, np.nan, np.inf):
        for at in {0, x.size // 2, x.size - 1}:
            y = x.copy()
            y.flat[at] = wrong
            with pytest.raises(
                RuntimeError, match="all elements of input should be between 0 and 1"
            ):
                native([y])
    np.testing.assert_allclose(native([x])[0], x * x)
