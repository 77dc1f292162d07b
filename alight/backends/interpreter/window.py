"""Convolution and pooling with NumPy.

Convolution copies windows into columns, a part of the batch at a time so that they stay in cache, and multiplies
matrices. Pooling walks over the places in the window: place k of every window is one strided slice of x.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from alight.backends.interpreter.arrays import Array
from alight.backends.interpreter.halves import in_single
from alight.backends.interpreter.kernels import Kernel, kernel
from alight.backends.interpreter.threads import parallel
from alight.ir.types import Type

Shape = tuple[int, ...]
Padding = tuple[tuple[int, int], ...]
Slices = tuple[Any, ...]  # an ellipsis, then a slice for each spatial axis
Types = Sequence[Type]
Statics = dict[str, Any]

COLUMN_BYTES = 1 << 20  # best of 2**17 to 2**21 on Zen 4 (L2 of 1 MB a core)
WIDE_WINDOW = 16  # places from which sums go along one axis after the other
POOL_BYTES = 1 << 18  # x, a result and a mask or two of such a part fit L2


class Geometry:
    """Where the windows of one node lie: extents and steps of its spatial axes."""

    def __init__(
        self, spatial: Shape, window: Shape, stride: Shape, padding: Padding, dilation: Shape
    ) -> None:
        self.spatial, self.window, self.stride = spatial, window, stride
        self.padding, self.dilation = padding, dilation
        reach = [d * (k - 1) + 1 for k, d in zip(window, dilation, strict=True)]
        self.out = tuple(
            (size + low + high - r) // s + 1
            for size, (low, high), r, s in zip(spatial, padding, reach, stride, strict=True)
        )
        self.overlaps = any(r > s for r, s in zip(reach, stride, strict=True))
        self.places = [
            self._slices(place) for place in product(*map(range, window))
        ]  # (outputs, inputs) for each place in the window, in row-major order

    def _slices(self, place: Shape) -> tuple[Slices, Slices]:
        """The outputs whose window has its `place` inside x, and the inputs that they find there."""
        outs, ins = [], []
        for size, k, s, (low, _), d, count in zip(
            self.spatial, place, self.stride, self.padding, self.dilation, self.out, strict=True
        ):
            offset = k * d - low  # output p reads input p * s + offset
            first = max(0, -(offset // s))
            stop = max(first, min(count, (size - 1 - offset) // s + 1))
            outs.append(slice(first, stop))
            last = (stop - 1) * s + offset
            ins.append(slice(first * s + offset, last + 1, s) if stop > first else slice(0, 0))
        return (..., *outs), (..., *ins)

    def pad(self, x: Array) -> Array:
        """x with zeros around its last axes."""
        if not any(map(any, self.padding)):
            return x
        lead = x.shape[: x.ndim - len(self.spatial)]
        sizes = (
            size + low + high for size, (low, high) in zip(self.spatial, self.padding, strict=True)
        )
        padded = np.zeros((*lead, *sizes), x.dtype)
        padded[self.inner] = x
        return padded

    @property
    def inner(self) -> Slices:
        """The part of a padded array that is not padding."""
        pairs = zip(self.spatial, self.padding, strict=True)
        return (..., *(slice(low, low + size) for size, (low, _) in pairs))

    def view(self, x: Array, window_first: bool) -> Array:
        """All windows of x (*lead, *spatial) as a read-only view, the axes in the window before or after `out`."""
        x = self.pad(x)
        at = x.ndim - len(self.spatial)
        lead, steps = x.strides[:at], x.strides[at:]
        out = tuple(step * s for step, s in zip(steps, self.stride, strict=True))
        window = tuple(step * d for step, d in zip(steps, self.dilation, strict=True))
        if window_first:
            shape, strides = self.window + self.out, window + out
        else:
            shape, strides = self.out + self.window, out + window
        return as_strided(x, (*x.shape[:at], *shape), (*lead, *strides), writeable=False)

    def fold(self, columns: Array, into: Array) -> None:
        """Add columns (*lead, *window, *out) to the places of `into` that they came from."""
        lead = (slice(None),) * (into.ndim - len(self.spatial))
        for place, (outs, ins) in zip(product(*map(range, self.window)), self.places, strict=True):
            into[ins] += columns[(*lead, *place, *outs[1:])]


def _columns(geometry: Geometry, x: Array, groups: int) -> Array:
    """Windows of x (n, c, *spatial) as matrices (n, groups, c / groups * window, out)."""
    n, c = x.shape[:2]
    shape = n, groups, c // groups * prod(geometry.window), prod(geometry.out)
    return np.ascontiguousarray(geometry.view(x, window_first=True)).reshape(shape)


def _grain(count: int, bytes_each: int, limit: int) -> int:
    """How many of `count` make a part of about `limit` bytes; small work is left in one part."""
    if 4 * count * bytes_each <= limit:
        return max(count, 1)
    return max(1, min(limit // bytes_each, -(-count // 2)))


class Convolution:
    """The three products of one convolution: forward, to its data, to its filter."""

    def __init__(self, x: Shape, w: Shape, itemsize: int, geometry: Geometry, groups: int) -> None:
        self.n, self.c, self.o = x[0], x[1], w[0]
        self.x_shape, self.w_shape, self.itemsize = x, w, itemsize
        self.geometry, self.groups = geometry, groups
        self.depth = prod(w[1:])  # rows of a group's column matrix
        self.places = prod(geometry.out)
        self.grain = _grain(self.n, groups * self.depth * self.places * itemsize, COLUMN_BYTES)

    def forward(self, x: Array, w: Array) -> Array:
        """Conv."""
        filters = w.reshape(self.groups, self.o // self.groups, self.depth)
        out = np.empty((self.n, self.groups, self.o // self.groups, self.places), x.dtype)

        def part(start: int, stop: int) -> None:
            np.matmul(
                filters, _columns(self.geometry, x[start:stop], self.groups), out=out[start:stop]
            )

        parallel(part, self.n, self.grain)
        return out.reshape(self.n, self.o, *self.geometry.out)

    def data(self, ct: Array, w: Array) -> Array:
        """ConvData: products, then columns added up where they came from."""
        geometry, groups = self.geometry, self.groups
        filters = w.reshape(groups, self.o // groups, self.depth).swapaxes(1, 2)
        ct = ct.reshape(self.n, groups, self.o // groups, self.places)
        result = np.zeros(self.x_shape, ct.dtype)

        def part(start: int, stop: int) -> None:
            columns = np.matmul(filters, ct[start:stop])
            geometry.fold(
                columns.reshape(-1, self.c, *geometry.window, *geometry.out), result[start:stop]
            )

        parallel(part, self.n, self.grain)
        return result

    def filter(self, x: Array, ct: Array) -> Array:
        """ConvFilter."""
        groups, each = self.groups, self.o // self.groups
        ct = ct.reshape(self.n, groups, each, self.places)

        def part(start: int, stop: int) -> Array:
            columns = _columns(self.geometry, x[start:stop], groups)
            if each <= self.places:
                return np.matmul(ct[start:stop], columns.swapaxes(2, 3)).sum(0, dtype=x.dtype)
            # The products of single images would be larger than their columns: join the images first.
            joined = columns.transpose(1, 2, 0, 3).reshape(groups, self.depth, -1)
            return np.matmul(
                ct[start:stop].transpose(1, 2, 0, 3).reshape(groups, each, -1),
                joined.swapaxes(1, 2),
            )

        parts = parallel(part, self.n, self.grain)
        return sum(parts, np.zeros((), x.dtype)).reshape(self.w_shape)

    def mirrored(self) -> Convolution | None:
        """The convolution of ct with turned filters that gives the data's cotangent, where that is faster."""
        geometry, c, o = self.geometry, self.c // self.groups, self.o // self.groups
        pairs = zip(self.w_shape[2:], geometry.dilation, geometry.padding, strict=True)
        padding = tuple((d * (k - 1) - low, d * (k - 1) - high) for k, d, (low, high) in pairs)
        # 16, 2: below, the columns of ct cost more than adding up. On Zen 4, bench of 1 to 64 channels.
        if c < 16 or o > 2 * c or set(geometry.stride) != {1} or min(map(min, padding)) < 0:
            return None
        stride, dilation = geometry.stride, geometry.dilation
        turned = Geometry(geometry.out, geometry.window, stride, padding, dilation)
        w_shape = (self.c, o, *self.w_shape[2:])
        return Convolution(
            (self.n, self.o, *geometry.out), w_shape, self.itemsize, turned, self.groups
        )


def _turn(w: Array, groups: int) -> Array:
    """Filters (o, c, *kernel) with the two channel axes swapped inside each group and the kernel reversed."""
    o, c = w.shape[:2]
    w = w.reshape(groups, o // groups, c, *w.shape[2:]).swapaxes(1, 2)
    w = np.flip(w, tuple(range(3, w.ndim)))
    return w.reshape(groups * c, o // groups, *w.shape[3:])


def _convolution(x: Type, w: Shape, statics: dict[str, Any]) -> Convolution:
    geometry = Geometry(
        x.shape[2:], w[2:], statics["stride"], statics["padding"], statics["dilation"]
    )
    return Convolution(x.shape, w, x.dtype.itemsize, geometry, statics["groups"])


@kernel("conv")
def conv(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Columns of x times filters."""
    run = _convolution(types_in[0], types_in[1].shape, statics).forward
    return in_single(types_in, types_out, run)


@kernel("conv_data")
def conv_data(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Columns of ct times turned filters, or filters times ct added up."""
    convolution = _convolution(types_out[0], types_in[1].shape, statics)
    mirrored, groups = convolution.mirrored(), convolution.groups
    if mirrored is None:
        return in_single(types_in, types_out, convolution.data)
    return in_single(types_in, types_out, lambda ct, w: mirrored.forward(ct, _turn(w, groups)))


@kernel("conv_filter")
def conv_filter(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """ct times columns of x."""
    run = _convolution(types_in[0], types_out[0].shape, statics).filter
    return in_single(types_in, types_out, run)


def _geometry(x: Type, statics: Statics) -> Geometry:
    window = statics["window"]
    spatial = x.shape[x.ndim - len(window) :]
    return Geometry(spatial, window, statics["stride"], statics["padding"], statics["dilation"])


def _over_planes(step: Callable[..., None], geometry: Geometry, *arrays: Array) -> None:
    """`step` on parts of arrays (*lead, *extents) with their leading axes made one."""
    count = len(geometry.spatial)
    planes = prod(arrays[0].shape[: arrays[0].ndim - count])
    flat = [a.reshape(planes, *a.shape[a.ndim - count :]) for a in arrays]
    plane = max(a[:1].nbytes for a in flat)
    parallel(lambda i, j: step(*(a[i:j] for a in flat)), planes, _grain(planes, plane, POOL_BYTES))


def _new(type: Type, like: Array) -> Array:
    return np.empty(type.shape, like.dtype)


@kernel("windows")
def windows(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """A view of x, padded first where needed."""
    geometry = _geometry(types_in[0], statics)
    return lambda x: geometry.view(x, window_first=False)


@kernel("fold")
def fold(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Slices added up."""
    x, count = types_out[0], len(statics["stride"])
    window = types_in[0].shape[types_in[0].ndim - count :]
    geometry = _geometry(x, {**statics, "window": window})

    def run(ct: Array) -> Array:
        result = np.zeros(x.shape, ct.dtype)
        for place, (outs, ins) in zip(product(*map(range, window)), geometry.places, strict=True):
            result[ins] += ct[(*outs, *place)]
        return result

    return in_single(types_in, types_out, run)


@kernel("window_sum")
def window_sum(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Slices added up; of large windows along one axis after the other, which takes fewer additions."""
    geometry = _geometry(types_in[0], statics)
    if prod(statics["window"]) > WIDE_WINDOW and types_in[0].dtype.is_floating_point:
        walks = list(_by_axis(types_in[0], statics))
    else:
        walks = [geometry]

    def step(out: Array, x: Array) -> None:
        for walk in walks:
            into = out if walk is walks[-1] else np.empty((len(x), *walk.out), x.dtype)
            into.fill(0)
            for outs, ins in walk.places:
                into[outs] += x[ins]
            x = into

    def run(x: Array) -> Array:
        out = _new(types_out[0], x)
        _over_planes(step, geometry, out, x)
        return out

    return in_single(types_in, types_out, run)


def _by_axis(x: Type, statics: Statics) -> Iterator[Geometry]:
    """Windows along one axis each, which together are those of a node."""
    count = len(statics["window"])
    spatial = x.shape[x.ndim - count :]
    for axis in range(count):
        one, apart = [1] * count, [(0, 0)] * count
        window, stride, dilation, padding = [*one], [*one], [*one], [*apart]
        for name, values in (("window", window), ("stride", stride), ("dilation", dilation)):
            values[axis] = statics[name][axis]
        padding[axis] = statics["padding"][axis]
        walk = Geometry(spatial, tuple(window), tuple(stride), tuple(padding), tuple(dilation))
        yield walk
        spatial = walk.out


def _lowest(dtype: Any) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _maximum(geometry: Geometry, out: Array, x: Array) -> None:
    out.fill(_lowest(x.dtype))
    for outs, ins in geometry.places:
        part = out[outs]
        np.maximum(part, x[ins], out=part)


@kernel("window_max")
def window_max(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """The maximum of slices."""
    geometry = _geometry(types_in[0], statics)

    def run(x: Array) -> Array:
        out = _new(types_out[0], x)
        _over_planes(lambda *part: _maximum(geometry, *part), geometry, out, x)
        return out

    return run


def _winners(geometry: Geometry, x: Array) -> Iterator[tuple[Slices, Slices, Array]]:
    """For each place in the window: its slices, and whether it is the one that holds the maximum."""
    top = np.empty(x.shape[:1] + geometry.out, x.dtype)
    _maximum(geometry, top, x)
    has_nan = x.dtype.kind == "f" and bool(np.isnan(top).any())
    taken = np.zeros(top.shape, bool)
    of_nan: list[Array] = []
    if has_nan:  # PyTorch takes the last NaN of a window: give those away first, from the end
        for outs, ins in reversed(geometry.places):
            of_nan.append(np.isnan(x[ins]) & ~taken[outs])
            taken[outs] |= of_nan[-1]
    for outs, ins in geometry.places:
        hit = x[ins] == top[outs]
        free = taken[outs]
        np.greater(hit, free, out=hit)
        np.logical_or(hit, free, out=free)
        if has_nan:
            hit |= of_nan.pop()
        yield outs, ins, hit


def _chosen(values: Array, hit: Array) -> Array:
    """The bits of `values` where `hit`, else zero: 5 times as fast as `where`, and infinities stay out of it."""
    bits = np.dtype(f"i{values.itemsize}")
    mask = np.negative(hit.view(np.int8)).astype(bits)
    return np.bitwise_and(values.view(bits), mask, out=mask)


def _bits(x: Array) -> Array:
    return x.view(np.dtype(f"i{x.itemsize}"))


@kernel("window_max_scatter")
def window_max_scatter(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """ct where a place holds the maximum, slice by slice."""
    geometry = _geometry(types_in[1], statics)

    def step(result: Array, ct: Array, x: Array) -> None:
        for outs, ins, hit in _winners(geometry, x):
            chosen = _chosen(ct[outs], hit)
            if geometry.overlaps:
                result[ins] += chosen.view(ct.dtype)
            else:
                _bits(result)[ins] = chosen

    def run(ct: Array, x: Array) -> Array:
        result = np.zeros(x.shape, ct.dtype)
        _over_planes(step, geometry, result, ct, x)
        return result

    return in_single(types_in, types_out, run)


@kernel("window_max_gather")
def window_max_gather(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Elements of g where x has the maximum, slice by slice."""
    geometry = _geometry(types_in[1], statics)

    def step(out: Array, g: Array, x: Array) -> None:
        for outs, ins, hit in _winners(geometry, x):
            _bits(out)[outs] |= _chosen(g[ins], hit)

    def run(g: Array, x: Array) -> Array:
        out = np.zeros(types_out[0].shape, g.dtype)
        _over_planes(step, geometry, out, g, x)
        return out

    return run


@kernel("window_arg_max")
def window_arg_max(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Numbers of places in the flattened plane where x has the maximum."""
    geometry = _geometry(types_in[0], statics)
    numbers = np.arange(prod(geometry.spatial)).reshape(1, *geometry.spatial)

    def step(out: Array, x: Array) -> None:
        for outs, ins, hit in _winners(geometry, x):
            out[outs] |= _chosen(numbers[ins], hit)

    def run(x: Array) -> Array:
        out = np.zeros(types_out[0].shape, np.int64)
        _over_planes(step, geometry, out, x)
        return out

    return run
