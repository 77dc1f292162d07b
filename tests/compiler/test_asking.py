"""What a product's ending reads and writes is asked for ahead where it is larger than a part of the second cache."""

from __future__ import annotations

import numpy as np
import pytest

from alight.backends.cpu.kernels import kernel_code, machine
from alight.backends.cpu.target import host
from alight.compiler.pipeline import plan
from alight.ir.text import parse
from tests.compiler.test_tiers import agree


def update(size):
    """A weight's gradient, and the weight less that: both are wanted."""
    return parse(f"""
program(%0: f32[40,{size}], %1: f32[40,300], %2: f32[{size},300]) {{
  %3: f32[{size},300] = dot_general(%0, %1) batch=((), ()) contract=((0,), (0,))
  %4: f32[{size},300] = sub(%2, %3)
  return %3, %4
}}
""")


@pytest.mark.parametrize(("size", "asks"), [(301, True), (24, False)])
def test_updates_of_large_weights_ask_ahead(size, asks):
    target = host()._replace(l2_bytes=2 << 20)
    made = plan(update(size), machine(target, 1))
    (kernel,) = [kernel for kernel in made.kernels if kernel.kind == "product"]
    assert ("llvm.prefetch" in "".join(kernel_code(kernel, "k", made.types, target).lines)) is asks
    random = np.random.default_rng(0)
    agree(
        update(size),
        [random.standard_normal(s).astype("f4") for s in ((40, size), (40, 300), (size, 300))],
    )
