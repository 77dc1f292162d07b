"""Pooling: the gradient of largest elements, from the place of each window's largest element, and large windows.

That place is found once and kept as a small number; every element then asks the windows that cover it whether it is
theirs. Windows of many elements that lie side by side are axes of their own, and what is asked of them are reductions.
Rules of `simplify`.

    window_max_scatter(%ct, %x)   ->   %i: i32[...] = convert(window_arg_max(%x))
                                       fold(select(equal(%i, place), %ct, 0))
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

from alight.compiler.trace import TAPS
from alight.dtypes import int32, int64
from alight.ir.program import Node, Value
from alight.ir.types import Shape
from alight.primitives import (
    Add,
    Convert,
    Equal,
    Expand,
    Fold,
    Index,
    IndexAdd,
    Iota,
    IsNan,
    Less,
    Max,
    Min,
    Mul,
    Reshape,
    Select,
    WindowArgMax,
    WindowMax,
    Windows,
    WindowSum,
)

if TYPE_CHECKING:
    from alight.compiler.simplify import Rewriter


def window_max(r: Rewriter, node: Node, inputs: list[Value]) -> Value | None:
    """The largest element of each of many: a reduction."""
    tiles = _Tiles.of(inputs[0], node.statics)
    if tiles is None:
        return _axis_by_axis(r, node, inputs[0])
    return r.one(Max, r.one(Reshape, inputs[0], shape=tiles.shape), axes=tiles.axes)


def window_sum(r: Rewriter, node: Node, inputs: list[Value]) -> Value | None:
    """The sum of each of many, where windows overlap."""
    return None if _Tiles.of(inputs[0], node.statics) else _axis_by_axis(r, node, inputs[0])


def fold(r: Rewriter, node: Node, inputs: list[Value]) -> Value | None:
    """What all places of a large window are given alike: along one axis, then along the next."""
    (ct,) = inputs
    s = node.statics
    count = len(s["stride"])
    window, made = ct.shape[ct.ndim - count :], r.made.get(ct.id)
    if not _is_large(window) or made is None or made.primitive is not Expand:
        return None
    alike = r.builder.value(made.inputs[0])
    if any(n != 1 for n in alike.shape[ct.ndim - count :]):
        return None
    first = ct.ndim - 2 * count
    found = r.one(Expand, alike, shape=(*ct.shape[: ct.ndim - count], *(1 for _ in window)))
    found = r.one(Reshape, found, shape=ct.shape[: ct.ndim - count])
    for axis, only in _each_axis(s, window):
        found = _folded(r, found, first + axis, s["shape"][first + axis], axis, only)
    return found


def _folded(r: Rewriter, x: Value, at: int, extent: int, axis: int, only: dict[str, Any]) -> Value:
    """One axis of a fold: each place is given the sum of the windows that cover it, which are windows of those."""
    (window, step, dilation) = (only[name][axis] for name in ("window", "stride", "dilation"))
    reach = (window - 1) * dilation
    low = reach - only["padding"][axis][0]
    high = extent - x.shape[at] - low + reach
    if step == 1 and low >= 0 and high >= 0:
        pads = tuple((low, high) if i == axis else (0, 0) for i in range(len(only["window"])))
        return r.one(WindowSum, x, **{**only, "padding": pads})
    shape = (*x.shape[:at], extent, *x.shape[at + 1 :])
    kept = (*x.shape, *(1 for _ in only["window"]))
    rest = {name: only[name] for name in ("stride", "padding", "dilation")}
    wide = _spread(r, x, kept, (*x.shape, *only["window"]))
    return r.one(Fold, wide, shape=shape, **rest)


def _is_large(window: Shape) -> bool:
    """Whether a window has too many elements to be written out, along more than one axis."""
    return prod(window) > TAPS and sum(n > 1 for n in window) > 1


def _each_axis(s: dict[str, Any], window: Shape) -> Iterator[tuple[int, dict[str, Any]]]:
    """The axes of a window, and what a window along each of them alone is, the last axis first."""
    for axis in reversed(range(len(window))):

        def at(values: Any, other: Any, axis: int = axis) -> tuple[Any, ...]:
            return tuple(value if i == axis else other for i, value in enumerate(values))

        yield axis, {
            "window": at(window, 1), "stride": at(s["stride"], 1), "padding": at(s["padding"], (0, 0)),
            "dilation": at(s["dilation"], 1),
        }  # fmt: skip


def _axis_by_axis(r: Rewriter, node: Node, x: Value) -> Value | None:
    """Large windows of sums or largest elements, along one axis after the other."""
    if not _is_large(node.statics["window"]):
        return None
    for _, only in _each_axis(node.statics, node.statics["window"]):
        x = r.one(node.primitive, x, **only)
    return x


def window_arg_max(r: Rewriter, node: Node, inputs: list[Value]) -> Value | None:
    """The first place of the largest of many elements, or the last one of what is no number."""
    (x,) = inputs
    tiles = _Tiles.of(x, node.statics)
    if tiles is None:
        return _place_axis_by_axis(r, node, x)
    parts = r.one(Reshape, x, shape=tiles.shape)
    top = _spread(r, r.one(Max, parts, axes=tiles.axes), tiles.kept, tiles.shape)
    places = _places(r, x, tiles.spatial, int64)
    own = tiles.spread(r, places)
    past = r.full(own, prod(tiles.spatial), tiles.shape)
    first = r.one(Min, r.one(Select, r.one(Equal, parts, top), own, past), axes=tiles.axes)
    if not x.dtype.is_floating_point:
        return first
    none = r.full(own, -1, tiles.shape)
    last = r.one(Max, r.one(Select, r.one(IsNan, parts), own, none), axes=tiles.axes)
    return r.one(Select, r.one(Less, last, r.full(last, 0, last.shape)), first, last)


def window_max_scatter(r: Rewriter, node: Node, inputs: list[Value]) -> Value | None:
    """Gradients go where a window's largest element is."""
    ct, x = inputs
    s = node.statics
    window = s["window"]
    spatial = x.shape[x.ndim - len(window) :]
    tiles = _Tiles.of(x, s)
    if tiles is None and (prod(window) > TAPS or max(s["dilation"]) > 1):
        return _scattered(r, ct, _asked(r, node, x), x, x.ndim - len(window))
    best = r.one(Convert, _asked(r, node, x), dtype=int32)
    places = _places(r, x, spatial, int32)
    if tiles is not None:
        given = _given(r, ct, best, tiles.spread(r, places), tiles.kept, tiles.shape)
        return r.one(Reshape, given, shape=x.shape)
    shape, kept = (*ct.shape, *window), (*ct.shape, *(1 for _ in window))
    own = r.one(Windows, places, **s)
    own = _spread(r, own, (1,) * (len(shape) - own.ndim) + own.shape, shape)
    rest = {name: s[name] for name in ("stride", "padding", "dilation")}
    return r.one(Fold, _given(r, ct, best, own, kept, shape), shape=x.shape, **rest)


def _place_axis_by_axis(r: Rewriter, node: Node, x: Value) -> Value | None:
    """The place of the largest element of a large window: of all rows that have it, the first one's first (of NaN, the
    last one's last)."""
    window = node.statics["window"]
    if not _is_large(window):
        return None
    first = x.ndim - len(window)
    places: Value | None = None  # of x, for each element of what is left
    for _, only in _each_axis(node.statics, window):
        if prod(only["window"]) == 1 and only["stride"] == only["window"]:
            continue
        found = r.one(WindowArgMax, x, **only)
        if places is not None:
            ids = _numbered(r, found, first, prod(x.shape[first:]))
            flat = r.one(Reshape, places, shape=(prod(x.shape),))
            places = r.one(Reshape, r.one(Index, flat, ids, axes=(0,)), shape=found.shape)
        x = r.one(WindowMax, x, **only)
        places = found if places is None else places
    return places


def _scattered(r: Rewriter, ct: Value, best: Value, x: Value, first: int) -> Value:
    """Gradients added up at the places that windows name, window by window."""
    size = prod(x.shape)
    ids = _numbered(r, best, first, prod(x.shape[first:]))
    updates = r.one(Reshape, ct, shape=(prod(ct.shape),))
    found = r.one(IndexAdd, r.full(ct, 0, (size,)), updates, ids, axes=(0,))
    return r.one(Reshape, found, shape=x.shape)


def _numbered(r: Rewriter, places: Value, first: int, plane: int) -> Value:
    """Places of planes as places of all planes together, in a row; `first` axes number the planes."""
    lead = prod(places.shape[:first])
    shape = (lead, prod(places.shape[first:]))
    own = r.one(Reshape, places, shape=shape)
    number = r.one(Iota, shape=(lead, 1), axis=0, dtype=int64, device=places.type.device)
    start = r.one(Expand, r.one(Mul, number, r.full(number, plane, (lead, 1))), shape=shape)
    return r.one(Reshape, r.one(Add, own, start), shape=(prod(shape),))


class _Tiles:
    """Windows of many elements side by side: axes (*lead, *(count, size))."""

    def __init__(self, x: Value, window: Shape) -> None:
        first = x.ndim - len(window)
        lead, self.spatial = x.shape[:first], x.shape[first:]
        pairs = [(size // k, k) for size, k in zip(self.spatial, window, strict=True)]
        self.first = first
        self.shape = (*lead, *(extent for pair in pairs for extent in pair))
        self.kept = (*lead, *(extent for count, _ in pairs for extent in (count, 1)))
        self.axes = tuple(first + 2 * i + 1 for i in range(len(window)))

    @classmethod
    def of(cls, x: Value, s: dict[str, Any]) -> _Tiles | None:
        """Those of a pooling; None if they are small, overlap or leave something out."""
        window = s["window"]
        spatial = x.shape[x.ndim - len(window) :]
        whole = all(size % k == 0 for size, k in zip(spatial, window, strict=True))
        plain = (
            s["stride"] == window and max(s["dilation"]) == 1 and not any(map(any, s["padding"]))
        )
        return cls(x, window) if whole and plain and prod(window) > TAPS else None

    def spread(self, r: Rewriter, places: Value) -> Value:
        """Numbers of places in the plane, for every plane."""
        shape = (*(1 for _ in range(self.first)), *self.shape[self.first :])
        return _spread(r, places, shape, self.shape)


def _asked(r: Rewriter, node: Node, x: Value) -> Value:
    """Where each window's largest element is."""
    asked = Node(WindowArgMax, (x.id,), node.statics, ())
    return window_arg_max(r, asked, [x]) or r.one(WindowArgMax, x, **node.statics)


def _places(r: Rewriter, x: Value, spatial: Shape, of: Any) -> Value:
    """The number of each place of a plane."""
    numbers = r.one(Iota, shape=(prod(spatial),), axis=0, dtype=of, device=x.type.device)
    return r.one(Reshape, numbers, shape=spatial)


def _given(r: Rewriter, ct: Value, best: Value, own: Value, kept: Shape, shape: Shape) -> Value:
    """ct where a place is the best one of its window, else 0."""
    hit = r.one(Equal, _spread(r, best, kept, shape), own)
    return r.one(Select, hit, _spread(r, ct, kept, shape), r.full(ct, 0, shape))


def _spread(r: Rewriter, x: Value, kept: Shape, shape: Shape) -> Value:
    return r.one(Expand, r.one(Reshape, x, shape=kept), shape=shape)


__all__ = ["fold", "window_arg_max", "window_max", "window_max_scatter", "window_sum"]
