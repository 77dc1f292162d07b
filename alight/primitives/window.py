"""Windows: convolution and pooling over any number of spatial axes, which are always the last ones.

The inputs of convolution are x (n, c, *spatial) and w (o, c / groups, *kernel); of the others x (*lead, *spatial).
Output place p reads input places p * stride - low + k * dilation for each k in the window; what lies outside x
counts as zero (as the lowest number for a maximum). `padding` is a (low, high) pair for each spatial axis.
"""

from __future__ import annotations

from math import prod

from alight.dtypes import NUMERIC, REAL, dtype, int64
from alight.errors import internal
from alight.ir.primitive import NONE, WINDOW, Primitive
from alight.ir.program import Value
from alight.ir.types import Shape, Type
from alight.primitives.elementwise import Conj
from alight.primitives.movement import Expand, Reshape
from alight.primitives.reduction import Sum

Pair = tuple[Shape, dtype]
Padding = tuple[tuple[int, int], ...]

# Places from which windows that lie side by side are summed over axes: no long chain of additions, and quicker.
LARGE_WINDOW = 64

_CONV = ("stride", "padding", "dilation", "groups")
_POOL = ("window", "stride", "padding", "dilation")


def output_extents(
    spatial: Shape, window: Shape, stride: Shape, padding: Padding, dilation: Shape
) -> Shape:
    """How many places a window takes along each spatial axis.

    >>> output_extents((28,), (5,), (2,), ((1, 1),), (1,))
    (13,)
    """
    extents = []
    for size, k, s, (low, high), d in zip(spatial, window, stride, padding, dilation, strict=True):
        room = size + low + high - d * (k - 1) - 1
        if room < 0 or min(k, s, d) < 1 or min(low, high) < 0:
            internal(
                f"a window of {k}, stride {s}, dilation {d}, padding {low, high} on an axis of {size}"
            )
        extents.append(room // s + 1)
    return tuple(extents)


def _conj(x: Value) -> Value:
    return Conj(x) if x.dtype.is_complex else x


class Conv(Primitive):
    """Cross-correlation: out[n, o, p] = sum over c, k of x[n, c, p * stride - low + k * dilation] * w[o, c, k].

    Channels fall into `groups`: output channels of one group read the input channels of that group only.
    """

    kind, statics, accepts = WINDOW, _CONV, NUMERIC

    def infer(
        x: Type, w: Type, *, stride: Shape, padding: Padding, dilation: Shape, groups: int
    ) -> Pair:
        if x.dtype is not w.dtype or w.shape[1] * groups != x.shape[1] or w.shape[0] % groups:
            internal(f"convolution of {x} with {w} in {groups} groups")
        out = output_extents(x.shape[2:], w.shape[2:], stride, padding, dilation)
        return (x.shape[0], w.shape[0], *out), x.dtype

    def transpose(
        ct: Value,
        x: Value,
        w: Value,
        *,
        stride: Shape,
        padding: Padding,
        dilation: Shape,
        groups: int,
    ) -> tuple[Value, Value]:
        rest = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return ConvData(ct, _conj(w), shape=x.shape, **rest), ConvFilter(
            _conj(x), ct, shape=w.shape, **rest
        )


class ConvData(Primitive):
    """The transpose of Conv in x: spreads ct (n, o, *out) to `shape`, the shape of x. PyTorch's conv_transpose."""

    kind, statics, accepts = WINDOW, ("shape", *_CONV), NUMERIC

    def infer(
        ct: Type,
        w: Type,
        *,
        shape: Shape,
        stride: Shape,
        padding: Padding,
        dilation: Shape,
        groups: int,
    ) -> Pair:
        out = output_extents(shape[2:], w.shape[2:], stride, padding, dilation)
        if ct.shape != (shape[0], w.shape[0], *out) or shape[1] != w.shape[1] * groups:
            internal(f"transposed convolution of {ct} with {w} to {shape}")
        return shape, ct.dtype

    def transpose(
        g: Value,
        ct: Value,
        w: Value,
        *,
        shape: Shape,
        stride: Shape,
        padding: Padding,
        dilation: Shape,
        groups: int,
    ) -> tuple[Value, Value]:
        rest = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return Conv(g, _conj(w), **rest), ConvFilter(g, _conj(ct), shape=w.shape, **rest)


class ConvFilter(Primitive):
    """The transpose of Conv in w: correlates x (n, c, *spatial) with ct (n, o, *out); `shape` is that of w."""

    kind, statics, accepts = WINDOW, ("shape", *_CONV), NUMERIC

    def infer(
        x: Type,
        ct: Type,
        *,
        shape: Shape,
        stride: Shape,
        padding: Padding,
        dilation: Shape,
        groups: int,
    ) -> Pair:
        out = output_extents(x.shape[2:], shape[2:], stride, padding, dilation)
        if ct.shape != (x.shape[0], shape[0], *out) or x.shape[1] != shape[1] * groups:
            internal(f"filter gradient of {x} and {ct} to {shape}")
        return shape, x.dtype

    def transpose(
        g: Value,
        x: Value,
        ct: Value,
        *,
        shape: Shape,
        stride: Shape,
        padding: Padding,
        dilation: Shape,
        groups: int,
    ) -> tuple[Value, Value]:
        rest = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        return ConvData(_conj(ct), g, shape=x.shape, **rest), Conv(_conj(x), g, **rest)


def _split(x: Type, window: Shape) -> tuple[Shape, Shape]:
    """Leading and spatial extents."""
    at = x.ndim - len(window)
    return x.shape[:at], x.shape[at:]


class Windows(Primitive):
    """All windows side by side: x (*lead, *spatial) becomes (*lead, *out, *window)."""

    kind, statics = WINDOW, _POOL

    def infer(x: Type, *, window: Shape, stride: Shape, padding: Padding, dilation: Shape) -> Pair:
        lead, spatial = _split(x, window)
        return (
            *lead,
            *output_extents(spatial, window, stride, padding, dilation),
            *window,
        ), x.dtype

    def transpose(
        ct: Value, x: Value, *, window: Shape, stride: Shape, padding: Padding, dilation: Shape
    ) -> tuple[Value]:
        return (Fold(ct, shape=x.shape, stride=stride, padding=padding, dilation=dilation),)


class Fold(Primitive):
    """The transpose of Windows: adds ct (*lead, *out, *window) up where windows overlap; `shape` is that of x."""

    kind, statics, accepts = WINDOW, ("shape", "stride", "padding", "dilation"), NUMERIC

    def infer(ct: Type, *, shape: Shape, stride: Shape, padding: Padding, dilation: Shape) -> Pair:
        count = len(stride)
        window, lead = ct.shape[ct.ndim - count :], shape[: len(shape) - count]
        out = output_extents(shape[len(lead) :], window, stride, padding, dilation)
        if ct.shape != (*lead, *out, *window):
            internal(f"cannot fold {ct} to {shape}")
        return shape, ct.dtype

    def transpose(
        g: Value, ct: Value, *, shape: Shape, stride: Shape, padding: Padding, dilation: Shape
    ) -> tuple[Value]:
        window = ct.shape[ct.ndim - len(stride) :]
        return (Windows(g, window=window, stride=stride, padding=padding, dilation=dilation),)


class WindowSum(Primitive):
    """The sum of each window, for average pooling."""

    kind, statics, accepts = WINDOW, _POOL, NUMERIC

    def infer(x: Type, *, window: Shape, stride: Shape, padding: Padding, dilation: Shape) -> Pair:
        lead, spatial = _split(x, window)
        return (*lead, *output_extents(spatial, window, stride, padding, dilation)), x.dtype

    def transpose(
        ct: Value, x: Value, *, window: Shape, stride: Shape, padding: Padding, dilation: Shape
    ) -> tuple[Value]:
        repeated = Expand(Reshape(ct, shape=ct.shape + (1,) * len(window)), shape=ct.shape + window)
        return (Fold(repeated, shape=x.shape, stride=stride, padding=padding, dilation=dilation),)


class WindowMax(Primitive):
    """The largest element of each window, NaN if one is; padding never wins."""

    kind, statics, accepts = WINDOW, _POOL, REAL
    infer = WindowSum.infer

    def vjp(
        ct: Value,
        out: Value,
        x: Value,
        *,
        window: Shape,
        stride: Shape,
        padding: Padding,
        dilation: Shape,
    ) -> tuple[Value]:
        return (
            WindowMaxScatter(
                ct, x, window=window, stride=stride, padding=padding, dilation=dilation
            ),
        )


class WindowMaxScatter(Primitive):
    """Gives each ct (*lead, *out) to the place of its window's maximum in x, as WindowArgMax finds it."""

    kind, statics, accepts = WINDOW, _POOL, REAL

    def infer(
        ct: Type, x: Type, *, window: Shape, stride: Shape, padding: Padding, dilation: Shape
    ) -> Pair:
        lead, spatial = _split(x, window)
        if ct.shape != (*lead, *output_extents(spatial, window, stride, padding, dilation)):
            internal(f"cannot scatter {ct} into {x}")
        return x.shape, ct.dtype

    def transpose(
        g: Value,
        ct: Value,
        x: Value,
        *,
        window: Shape,
        stride: Shape,
        padding: Padding,
        dilation: Shape,
    ) -> tuple[Value, None]:
        rest = {"window": window, "stride": stride, "padding": padding, "dilation": dilation}
        return WindowMaxGather(g, x, **rest), None


class WindowMaxGather(Primitive):
    """The element of g (like x) at the place of each window's maximum in x: the transpose of WindowMaxScatter."""

    kind, statics, accepts = WINDOW, _POOL, REAL

    def infer(
        g: Type, x: Type, *, window: Shape, stride: Shape, padding: Padding, dilation: Shape
    ) -> Pair:
        lead, spatial = _split(x, window)
        if g.shape != x.shape:
            internal(f"cannot gather from {g} by {x}")
        return (*lead, *output_extents(spatial, window, stride, padding, dilation)), g.dtype

    def transpose(
        ct: Value,
        g: Value,
        x: Value,
        *,
        window: Shape,
        stride: Shape,
        padding: Padding,
        dilation: Shape,
    ) -> tuple[Value, None]:
        rest = {"window": window, "stride": stride, "padding": padding, "dilation": dilation}
        return WindowMaxScatter(ct, x, **rest), None


class WindowArgMax(Primitive):
    """Place of each window's maximum as an int64 index into the flattened spatial axes of x.

    The first of equal elements, but the last NaN if there are any, as in PyTorch's max_pool.
    """

    kind, statics, accepts = WINDOW, _POOL, REAL

    def infer(x: Type, *, window: Shape, stride: Shape, padding: Padding, dilation: Shape) -> Pair:
        lead, spatial = _split(x, window)
        if prod(spatial) == 0:
            internal(f"no maximum in {x}")
        return (*lead, *output_extents(spatial, window, stride, padding, dilation)), int64

    gradient = NONE


def window_sums(
    x: Value, *, window: Shape, stride: Shape, padding: Padding, dilation: Shape
) -> Value:
    """The sum of each window: a WindowSum, or a Sum of x in other axes where large windows cover it side by side."""
    lead, spatial = _split(x.type, window)
    side_by_side = all(size % k == 0 for size, k in zip(spatial, window, strict=True))
    plain = stride == window and not any(map(any, padding)) and max(dilation) == 1
    if not (side_by_side and plain and prod(window) > LARGE_WINDOW):
        return WindowSum(x, window=window, stride=stride, padding=padding, dilation=dilation)
    pairs = zip(spatial, window, strict=True)
    tiles = [extent for size, k in pairs for extent in (size // k, k)]
    axes = tuple(len(lead) + 2 * i + 1 for i in range(len(window)))
    return Sum(Reshape(x, shape=(*lead, *tiles)), axes=axes)
