"""The table of primitives that are run by a function of their own: all kinds but the element-wise one.

    @kernel("flip")
    def flip(types_in, types_out, statics):
        axes = statics["axes"]
        return lambda x: np.flip(x, axes)

A maker is called once for each node of a plan; what it returns is called at each run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from alight.ir.types import Type

Kernel = Callable[..., Any]
Maker = Callable[[Sequence[Type], Sequence[Type], dict[str, Any]], Kernel]

KERNELS: dict[str, Maker] = {}


def kernel(name: str) -> Callable[[Maker], Maker]:
    """Register the maker of a primitive's kernel under the primitive's name."""

    def register(maker: Maker) -> Maker:
        KERNELS[name] = maker
        return maker

    return register
