"""Batching rules of primitives that name axes: movement, products, windows, indices, scans, transforms.

Each takes values of which some have the batch as axis 0, and gives outputs that all have it there.
"""

from __future__ import annotations

from typing import Any

from alight.dtypes import int64
from alight.ir.program import Builder, Node, Program, Value
from alight.ir.types import Shape
from alight.primitives import (
    Conv,
    ConvData,
    ConvFilter,
    DotGeneral,
    Index,
    IndexPut,
    Pad,
    Permute,
    Reshape,
    Scan,
    Select,
)
from alight.primitives.arithmetic import broadcast, constant
from alight.primitives.contraction import free_axes
from alight.primitives.create import Iota
from alight.transforms.batch import Batch, rule


def _shifted(axes: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(axis + 1 for axis in axes)


def _to_front(x: Value, axis: int) -> Value:
    """Axis `axis` as axis 0, the others in order."""
    return Permute(x, order=(axis, *(i for i in range(x.ndim) if i != axis)))


def _all(batch: Batch, values: list[Value], flags: list[bool]) -> list[Value]:
    return [batch.whole(value, flag) for value, flag in zip(values, flags, strict=True)]


# -- movement --------------------------------------------------------------------------------------------------------


@rule("reshape", "expand")
def _with_shape(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return node.primitive(values[0], shape=(batch.size, *node.statics["shape"]))


@rule("detach")
def _as_it_is(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return node.primitive(values[0])


@rule("permute")
def _permute(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return Permute(values[0], order=(0, *_shifted(node.statics["order"])))


@rule("slice")
def _slice(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    s = node.statics
    return node.primitive(
        values[0], starts=(0, *s["starts"]), stops=(batch.size, *s["stops"]), steps=(1, *s["steps"])
    )


@rule("pad")
def _pad(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    low, high = (0, *node.statics["low"]), (0, *node.statics["high"])
    x = batch.whole(values[0], flags[0])
    if len(values) == 1 or not flags[1]:
        return Pad(x, *values[1:], low=low, high=high)
    padded = Pad(x, low=low, high=high)  # a number of its own for each example
    inside = Pad(constant(x, True, x.shape, _bool()), low=low, high=high)
    fill = Reshape(values[1], shape=(batch.size,) + (1,) * (x.ndim - 1))
    return Select(inside, padded, broadcast(fill, padded.shape))


def _bool() -> Any:
    from alight.dtypes import bool_

    return bool_


@rule("flip")
def _flip(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return node.primitive(values[0], axes=_shifted(node.statics["axes"]))


@rule("concat")
def _concat(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return node.primitive(*_all(batch, values, flags), axis=node.statics["axis"] + 1)


# -- products ----------------------------------------------------------------------------------------------------------


@rule("dot_general")
def _dot(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    (x, y), (in_x, in_y) = values, flags
    (bx, by), (cx, cy) = node.statics["batch"], node.statics["contract"]
    if in_x:
        bx, cx = _shifted(bx), _shifted(cx)
    if in_y:
        by, cy = _shifted(by), _shifted(cy)
    if in_x and in_y:
        return DotGeneral(x, y, batch=((0, *bx), (0, *by)), contract=(cx, cy))
    out = DotGeneral(x, y, batch=(bx, by), contract=(cx, cy))
    # The batch is the first free axis of the operand that has it.
    place = len(bx) if in_x else len(bx) + len(free_axes(x.ndim, bx, cx))
    return _to_front(out, place)


# -- windows -----------------------------------------------------------------------------------------------------------


def _folded(batch: Batch, x: Value) -> Value:
    """The batch made part of the channels: (size, n, c, ...) as (n, size * c, ...)."""
    turned = Permute(x, order=(1, 0, *range(2, x.ndim)))
    return Reshape(turned, shape=(x.shape[1], batch.size * x.shape[2], *x.shape[3:]))


def _unfolded(batch: Batch, x: Value) -> Value:
    """The other way round: (n, size * c, ...) as (size, n, c, ...)."""
    n, channels = x.shape[:2]
    split = Reshape(x, shape=(n, batch.size, channels // batch.size, *x.shape[2:]))
    return Permute(split, order=(1, 0, *range(2, split.ndim)))


def _merged(x: Value) -> Value:
    """The batch made part of the examples: (size, n, ...) as (size * n, ...)."""
    return Reshape(x, shape=(x.shape[0] * x.shape[1], *x.shape[2:]))


def _parted(batch: Batch, x: Value) -> Value:
    return Reshape(x, shape=(batch.size, x.shape[0] // batch.size, *x.shape[1:]))


@rule("conv")
def _conv(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    (x, w), (in_x, in_w) = values, flags
    s = node.statics
    if not in_w:
        return _parted(batch, Conv(_merged(x), w, **s))
    if not in_x and s["groups"] == 1:  # all examples' filters as one longer list
        return _unfolded(batch, Conv(x, _merged(w), **s))
    # Filters of its own for each example: every example is a group of channels.
    x = batch.whole(x, in_x)
    groups = batch.size * s["groups"]
    return _unfolded(batch, Conv(_folded(batch, x), _merged(w), **{**s, "groups": groups}))


@rule("conv_data")
def _conv_data(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    (ct, w), (in_ct, in_w) = values, flags
    s, (n, c, *spatial) = node.statics, node.statics["shape"]
    if not in_w:
        out = ConvData(_merged(ct), w, **{**s, "shape": (batch.size * n, c, *spatial)})
        return _parted(batch, out)
    ct = batch.whole(ct, in_ct)
    more = {**s, "groups": batch.size * s["groups"], "shape": (n, batch.size * c, *spatial)}
    return _unfolded(batch, ConvData(_folded(batch, ct), _merged(w), **more))


@rule("conv_filter")
def _conv_filter(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    x, ct = _all(batch, values, flags)
    s, (o, *rest) = node.statics, node.statics["shape"]
    more = {**s, "groups": batch.size * s["groups"], "shape": (batch.size * o, *rest)}
    return _parted(batch, ConvFilter(_folded(batch, x), _folded(batch, ct), **more))


@rule(
    "windows",
    "window_sum",
    "window_max",
    "window_max_scatter",
    "window_max_gather",
    "window_arg_max",
)
def _window(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return node.primitive(*_all(batch, values, flags), **node.statics)  # leading axes are free


@rule("fold")
def _fold(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    shape = (batch.size, *node.statics["shape"])
    return node.primitive(values[0], **{**node.statics, "shape": shape})


# -- indices -----------------------------------------------------------------------------------------------------------


def _example_ids(batch: Batch, ids: Value) -> Value:
    """The example that each index belongs to."""
    return Iota(shape=ids.shape, axis=0, dtype=int64, device=ids.type.device)


@rule("index")
def _index(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    x, ids, axes = values[0], values[1:], node.statics["axes"]
    if flags[0] and not any(flags[1:]):
        return _to_front(Index(x, *ids, axes=_shifted(axes)), ids[0].ndim)
    ids = _all(batch, ids, flags[1:])
    if not flags[0]:
        return Index(x, *ids, axes=axes)
    return Index(x, _example_ids(batch, ids[0]), *ids, axes=(0, *_shifted(axes)))


@rule("index_add", "index_put", "scatter_reduce")
def _updates(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    base, updates, *ids = _all(batch, values, flags)
    statics = {**node.statics, "axes": (0, *_shifted(node.statics["axes"]))}
    return node.primitive(base, updates, _example_ids(batch, ids[0]), *ids, **statics)


def _zero(x: Value) -> Value:
    return constant(x, 0, dtype=int64)


def _places(batch: Batch, starts: list[Value], sizes: Shape, extents: Shape) -> list[Value]:
    """Indices of all elements of a part that begins somewhere else in each example: (size, *sizes) for each axis."""
    shape = (batch.size, *sizes)
    found = [Iota(shape=shape, axis=0, dtype=int64, device=starts[0].type.device)]
    for axis, start in enumerate(starts):
        step = Iota(shape=shape, axis=axis + 1, dtype=int64, device=start.type.device)
        column = Reshape(start, shape=(batch.size,) + (1,) * len(sizes))
        found.append(step + broadcast(column, shape))
    return found


@rule("dynamic_slice")
def _dynamic_slice(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    x, starts, sizes = values[0], values[1:], node.statics["sizes"]
    if not any(flags[1:]):
        return node.primitive(x, _zero(x), *starts, sizes=(batch.size, *sizes))
    x = batch.whole(x, flags[0])
    ids = _places(batch, _all(batch, starts, flags[1:]), sizes, x.shape[1:])
    return Index(x, *ids, axes=tuple(range(x.ndim)))


@rule("dynamic_update")
def _dynamic_update(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    x, updates = _all(batch, values[:2], flags[:2])
    starts = values[2:]
    if not any(flags[2:]):
        return node.primitive(x, updates, _zero(x), *starts)
    ids = _places(batch, _all(batch, starts, flags[2:]), updates.shape[1:], x.shape[1:])
    return IndexPut(x, updates, *ids, axes=tuple(range(x.ndim)))


# -- scans and library calls -------------------------------------------------------------------------------------------


@rule("cum_sum", "cum_prod", "cum_max", "cum_min", "log_cum_sum_exp")
def _cumulative(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return node.primitive(values[0], axis=node.statics["axis"] + 1)


@rule("recurrence")
def _recurrence(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return node.primitive(*_all(batch, values, flags), axis=node.statics["axis"] + 1)


@rule("sort")
def _sort(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return node.primitive(values[0], **{**node.statics, "axis": node.statics["axis"] + 1})


@rule("reinterpret")
def _reinterpret(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return node.primitive(values[0], **node.statics)


@rule("fft", "rfft", "irfft")
def _transform(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return node.primitive(values[0], **{**node.statics, "axes": _shifted(node.statics["axes"])})


@rule("solve", "triangular_solve")
def _solve(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return node.primitive(*_all(batch, values, flags), **node.statics)


@rule("scan")
def _scan(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    """The body on batches; carries always with the batch, steps with it as axis 1."""
    s = node.statics
    carries, whole = s["carry_count"], s["carry_count"] + s["constant_count"]
    body: Program = s["body"]
    body_flags = [True] * carries + flags[carries:]
    inner = Batch(Builder(), batch.size, batch.randomness)
    held = {
        id: (
            inner.builder.input(inner.with_batch(body.types[id]) if flag else body.types[id]),
            flag,
        )
        for id, flag in zip(body.inputs, body_flags, strict=True)
    }
    inner.nodes(body.nodes, held)
    with inner.builder.active():
        results = [inner.whole(*held[id]) for id in body.outputs]
    made = inner.builder
    step = Program(made.types, made.inputs, made.nodes, [value.id for value in results])
    inputs = [
        *_all(batch, values[:carries], flags[:carries]),
        *values[carries:whole],
        *(
            Permute(x, order=(1, 0, *range(2, x.ndim))) if flag else x
            for x, flag in zip(values[whole:], flags[whole:], strict=True)
        ),
    ]
    outs = Scan(*inputs, **{**s, "body": step})
    stacked = [Permute(out, order=(1, 0, *range(2, out.ndim))) for out in outs[carries:]]
    return (*outs[:carries], *stacked)
