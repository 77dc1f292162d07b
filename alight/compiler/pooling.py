"""Pooling: the gradient of largest elements, from the place of each window's largest element.

That place is found once and kept as a small number; every element then asks the windows that cover it whether it is
theirs. A rule of `simplify`.

    window_max_scatter(%ct, %x)   ->   %i: i32[...] = convert(window_arg_max(%x))
                                       fold(select(equal(%i, place), %ct, 0))
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from alight.compiler.trace import TAPS
from alight.dtypes import int32
from alight.ir.program import Node, Value
from alight.ir.types import Shape
from alight.primitives import (
    Convert,
    Equal,
    Expand,
    Fold,
    Iota,
    Reshape,
    Select,
    WindowArgMax,
    Windows,
)

if TYPE_CHECKING:
    from alight.compiler.simplify import Rewriter


def window_max_scatter(r: Rewriter, node: Node, inputs: list[Value]) -> Value | None:
    """Gradients go where a window's largest element is."""
    ct, x = inputs
    s = node.statics
    window = s["window"]
    if prod(window) > TAPS or max(s["dilation"]) > 1:
        return None  # the interpreter's
    spatial = x.shape[x.ndim - len(window) :]
    best = r.one(Convert, r.one(WindowArgMax, x, **s), dtype=int32)
    shape = (*ct.shape, *window)
    places = r.one(Iota, shape=(prod(spatial),), axis=0, dtype=int32, device=x.type.device)
    own = r.one(Windows, r.one(Reshape, places, shape=spatial), **s)
    own = _spread(r, own, (1,) * (len(shape) - own.ndim) + own.shape, shape)
    kept = (*ct.shape, *(1 for _ in window))
    hit = r.one(Equal, _spread(r, best, kept, shape), own)
    given = r.one(Select, hit, _spread(r, ct, kept, shape), r.full(ct, 0, shape))
    rest = {name: s[name] for name in ("stride", "padding", "dilation")}
    return r.one(Fold, given, shape=x.shape, **rest)


def _spread(r: Rewriter, x: Value, kept: Shape, shape: Shape) -> Value:
    return r.one(Expand, r.one(Reshape, x, shape=kept), shape=shape)


__all__ = ["window_max_scatter"]
