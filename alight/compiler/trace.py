"""What each primitive is at coordinates: from values of a program to the expressions of a nest.

A rule takes the tracer, a node and the coordinates of one element of its output, and says which elements of its inputs
that one is made of. Values that lie in memory are loaded; a value that cannot be had at these coordinates (a reduction
of another nest, a product of matrices) raises `NotHereError`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import product
from math import ceil, prod
from typing import Any

from alight.compiler.affine import ZERO, Affine, linear, row_major
from alight.compiler.nest import Apply, Inside, Load, Looked, Nest, Random
from alight.dtypes import bool_, dtype, int32, int64
from alight.ir.primitive import ELEMENTWISE
from alight.ir.program import Node
from alight.ir.types import Shape, Type
from alight.primitives import Add as AddPrimitive
from alight.primitives import And, Convert, IsNan, Less, Maximum, Not, Select

Coordinates = tuple[Affine, ...]
TAPS = 64  # elements of a window that are written out one by one


class NotHereError(Exception):
    """A value cannot be computed at these coordinates in this nest."""


class Tracer:
    """Asks for values of a program at coordinates of a nest."""

    def __init__(
        self,
        nest: Nest,
        nodes: Mapping[int, Node],
        types: Sequence[Type],
        strides: Mapping[int, tuple[int, ...]],
    ) -> None:
        self.nest, self.nodes, self.types = nest, nodes, types
        self.strides = strides  # of the values that lie in memory
        self.reduced: dict[
            int, tuple[Coordinates, int]
        ] = {}  # reductions of this nest: where, and the expression
        self.computed: set[int] = (
            set()
        )  # values computed here though they lie in memory as well: they are stored here
        self.guard: tuple[
            tuple[Affine, int, int], ...
        ] = ()  # ranges outside of which nothing may be read
        self.given: dict[
            int, Callable[[Coordinates], int]
        ] = {}  # values that the kernel has at hand in registers

    def ask(self, value: int, at: Coordinates) -> int:
        """The expression of one element."""
        if value in self.given:
            return self.given[value](at)
        if value in self.strides and value not in self.computed:
            return self.load(value, at)
        if value in self.reduced:
            where, expression = self.reduced[value]
            if where != at:
                raise NotHereError(value)
            return expression
        node = self.nodes.get(value)
        if node is None:
            raise NotHereError(value)
        if node.primitive.kind == ELEMENTWISE:
            return self.apply(
                node.primitive,
                *(self.ask(i, at) for i in node.inputs),
                of=self.types[value].dtype,
                **node.statics,
            )
        rule = RULES.get(node.primitive.name)
        if rule is None:
            raise NotHereError(value)
        return rule(self, node, at)

    def load(self, value: int, at: Coordinates) -> int:
        """An element from memory."""
        index = linear(at, self.strides[value])
        return self.nest.make(Load(value, index, self.guard), (), self.types[value].dtype)

    def inside(
        self, ranges: Sequence[tuple[Affine, int, int]], inner: Callable[[], int], outer: int
    ) -> int:
        """`inner()` where all numbers lie in their ranges, and `outer` where one does not: nothing is read there."""
        kept = []
        for number, low, high in ranges:
            least, most = self.nest.bounds(number)
            if least >= high or most < low:
                return outer
            if least < low or most >= high:
                kept.append((number, low, high))
        if not kept:
            return inner()
        before, self.guard = self.guard, tuple(dict.fromkeys((*self.guard, *kept)))
        try:
            found = inner()
        finally:
            self.guard = before
        return self.nest.make(
            Inside(tuple(kept)), (found, outer), self.nest.expressions[found].dtype
        )

    def apply(self, primitive: Any, *inputs: int, of: dtype, **statics: Any) -> int:
        """An element-wise primitive on expressions."""
        return self.nest.make(Apply(primitive, tuple(sorted(statics.items()))), inputs, of)

    def type(self, node: Node, n: int = 0) -> Type:
        """The type of an input."""
        return self.types[node.inputs[n]]


def reshaped(nest: Nest, at: Coordinates, out: Shape, into: Shape) -> Coordinates:
    """Coordinates in shape `into` of the element that has coordinates `at` in shape `out`; row-major orders agree."""
    result: list[Affine] = []
    i = j = 0
    while j < len(into):
        # The smallest groups of axes of equal size on both sides.
        axes_out: list[int] = []
        axes_in = [j]
        size_in, size_out = into[j], 1
        j += 1
        while size_out != size_in or (
            i < len(out) and out[i] == 1 and size_out == size_in and not axes_out
        ):
            if size_out < size_in:
                axes_out.append(i)
                size_out *= out[i]
                i += 1
            elif size_out > size_in:
                axes_in.append(j)
                size_in *= into[j]
                j += 1
            else:
                axes_out.append(i)
                i += 1
        left = linear([at[k] for k in axes_out], row_major([out[k] for k in axes_out]))
        steps = row_major([into[k] for k in axes_in])
        for k, step in zip(axes_in, steps, strict=True):
            if into[k] == 1:
                result.append(ZERO)
                continue
            whole = nest.quotient(left, step)
            result.append(whole)
            left = left + whole * -step
    return tuple(result)


# -- movement ----------------------------------------------------------------------------------------------------------


def _reshape(t: Tracer, node: Node, at: Coordinates) -> int:
    x = t.type(node)
    if x.size == 0:
        raise NotHereError(node.outputs[0])
    return t.ask(node.inputs[0], reshaped(t.nest, at, node.statics["shape"], x.shape))


def _expand(t: Tracer, node: Node, at: Coordinates) -> int:
    shape = t.type(node).shape
    return t.ask(
        node.inputs[0], tuple(ZERO if size == 1 else c for c, size in zip(at, shape, strict=True))
    )


def _permute(t: Tracer, node: Node, at: Coordinates) -> int:
    order = node.statics["order"]
    return t.ask(node.inputs[0], tuple(at[order.index(axis)] for axis in range(len(order))))


def _slice(t: Tracer, node: Node, at: Coordinates) -> int:
    starts, steps = node.statics["starts"], node.statics["steps"]
    return t.ask(
        node.inputs[0],
        tuple(c * step + start for c, step, start in zip(at, steps, starts, strict=True)),
    )


def _flip(t: Tracer, node: Node, at: Coordinates) -> int:
    axes, shape = node.statics["axes"], t.type(node).shape
    return t.ask(
        node.inputs[0], tuple(c * -1 + (shape[k] - 1) if k in axes else c for k, c in enumerate(at))
    )


def _pad(t: Tracer, node: Node, at: Coordinates) -> int:
    low, shape = node.statics["low"], t.type(node).shape
    moved = tuple(c + -before for c, before in zip(at, low, strict=True))
    of = t.type(node).dtype
    fill = t.ask(node.inputs[1], ()) if len(node.inputs) == 2 else t.nest.number(0, of)
    return _within(t, node.inputs[0], moved, shape, fill)


def _within(t: Tracer, value: int, at: Coordinates, shape: Shape, fill: int) -> int:
    """An element, or `fill` where the coordinates lie outside the shape."""
    ranges = [(c, 0, size) for c, size in zip(at, shape, strict=True)]
    return t.inside(ranges, lambda: t.ask(value, at), fill)


def _concat(t: Tracer, node: Node, at: Coordinates) -> int:
    axis, end = node.statics["axis"], t.types[node.outputs[0]].shape[node.statics["axis"]]
    found: int | None = None
    for value in reversed(node.inputs):
        size = t.types[value].shape[axis]
        start, end = end - size, end - size
        if size == 0:
            continue
        moved = (*at[:axis], at[axis] + -start, *at[axis + 1 :])
        if found is None:
            if t.nest.bounds(moved[axis])[1] < 0:
                continue
            found = t.inside(
                [(moved[axis], 0, size)],
                partial(t.ask, value, moved),
                t.nest.number(0, t.types[value].dtype),
            )
            continue
        found = t.inside([(moved[axis], 0, size)], partial(t.ask, value, moved), found)
    assert found is not None
    return found


# -- creation ----------------------------------------------------------------------------------------------------------


def _full(t: Tracer, node: Node, at: Coordinates) -> int:
    return t.nest.number(node.statics["value"], node.statics["dtype"])


def _iota(t: Tracer, node: Node, at: Coordinates) -> int:
    place, of = t.nest.place(at[node.statics["axis"]]), node.statics["dtype"]
    return place if of is int64 else t.apply(Convert, place, of=of, dtype=of)


def _random_bits(t: Tracer, node: Node, at: Coordinates) -> int:
    shape = node.statics["shape"]
    index = linear(at, row_major(shape))
    inputs = [t.ask(i, ()) for i in node.inputs]
    return t.nest.make(Random(index), inputs, t.types[node.outputs[0]].dtype)


# -- gathers -----------------------------------------------------------------------------------------------------------


def _index(t: Tracer, node: Node, at: Coordinates) -> int:
    x, axes = t.type(node), node.statics["axes"]
    rank = len(t.types[node.inputs[1]].shape)
    spot, rest = at[:rank], iter(at[rank:])
    found = {
        axis: t.nest.looked(t.ask(i, spot), x.shape[axis])
        for axis, i in zip(axes, node.inputs[1:], strict=True)
    }
    made = t.ask(
        node.inputs[0],
        tuple(found[axis] if axis in found else next(rest) for axis in range(x.ndim)),
    )
    return _checked(t, made, [(number, 0, x.shape[axis]) for axis, number in found.items()])


def _checked(t: Tracer, made: int, ranges: Sequence[tuple[Affine, int, int]]) -> int:
    """An element that was looked up. Its coordinates are checked where they are used; one that the element does not
    depend on, as of a constant, is used here."""
    looked = t.nest.looked_at(made)
    unused = tuple(
        (number, low, high)
        for number, low, high in ranges
        if any(isinstance(t.nest.atoms[a], Looked) and a not in looked for a, _ in number.terms)
    )
    if not unused:
        return made
    return t.nest.make(Inside(unused), (made, made), t.nest.expressions[made].dtype)


def _dynamic_slice(t: Tracer, node: Node, at: Coordinates) -> int:
    x, sizes = t.type(node), node.statics["sizes"]
    starts = [
        t.nest.looked(t.ask(i, ()), size - part + 1)
        for i, size, part in zip(node.inputs[1:], x.shape, sizes, strict=True)
    ]
    made = t.ask(node.inputs[0], tuple(start + c for start, c in zip(starts, at, strict=True)))
    spans = zip(starts, x.shape, sizes, strict=True)
    return _checked(t, made, [(start, 0, size - part + 1) for start, size, part in spans])


# -- windows -----------------------------------------------------------------------------------------------------------


def _taps(node: Node) -> list[Shape]:
    if prod(node.statics["window"]) > TAPS:
        raise NotHereError(node.outputs[0])
    return list(product(*(range(size) for size in node.statics["window"])))


def _tap(node: Node, place: Sequence[Affine], k: Sequence[Any]) -> Coordinates:
    """Where in x the window at `place` has its element k."""
    s = node.statics
    rows = zip(place, k, s["stride"], s["padding"], s["dilation"], strict=True)
    return tuple(
        p * stride + (i * d if isinstance(i, Affine) else Affine(i * d)) + -low
        for p, i, stride, (low, _), d in rows
    )


def _windows(t: Tracer, node: Node, at: Coordinates) -> int:
    x, count = t.type(node), len(node.statics["window"])
    lead, place, k = at[: x.ndim - count], at[x.ndim - count : x.ndim], at[x.ndim :]
    whole = (*lead, *_tap(node, place, k))
    return _within(t, node.inputs[0], whole, x.shape, t.nest.number(0, x.dtype))


def _window_sum(t: Tracer, node: Node, at: Coordinates) -> int:
    x, count = t.type(node), len(node.statics["window"])
    lead, place = at[: x.ndim - count], at[x.ndim - count :]
    total: int | None = None
    for k in _taps(node):
        whole = (*lead, *_tap(node, place, k))
        one = _within(t, node.inputs[0], whole, x.shape, t.nest.number(0, x.dtype))
        total = one if total is None else t.apply(AddPrimitive, total, one, of=x.dtype)
    assert total is not None
    return total


def _window_max(t: Tracer, node: Node, at: Coordinates) -> int:
    x, count = t.type(node), len(node.statics["window"])
    lead, place = at[: x.ndim - count], at[x.ndim - count :]
    lowest = t.nest.number("lowest", x.dtype)
    best: int | None = None
    for k in _taps(node):
        one = _within(t, node.inputs[0], (*lead, *_tap(node, place, k)), x.shape, lowest)
        best = one if best is None else t.apply(Maximum, best, one, of=x.dtype)
    assert best is not None
    return best


def _covering(
    t: Tracer, node: Node, spatial: Coordinates, window: Shape, out: Shape
) -> list[tuple[Coordinates, Coordinates, list[Any]]]:
    """The windows that may cover a place: each as its own place, the tap in it, and the ranges in which it exists."""
    s = node.statics
    if (
        any(d != 1 for d in s["dilation"])
        or prod(ceil(w / st) for w, st in zip(window, s["stride"], strict=True)) > TAPS
    ):
        raise NotHereError(node.outputs[0])
    choices = []
    for y, w, stride, (low, _), extent in zip(
        spatial, window, s["stride"], s["padding"], out, strict=True
    ):
        last = t.nest.quotient(y + low, stride)
        ways = []
        for back in range(ceil(w / stride)):
            p = last + -back
            k = y + low + p * -stride
            ways.append((p, k, [(p, 0, extent), (k, 0, w)]))
        choices.append(ways)
    return [
        (
            tuple(p for p, _, _ in way),
            tuple(k for _, k, _ in way),
            [one for _, _, r in way for one in r],
        )
        for way in product(*choices)
    ]


def _fold(t: Tracer, node: Node, at: Coordinates) -> int:
    ct, count = t.type(node), len(node.statics["stride"])
    rank = len(node.statics["shape"])
    lead, spatial = at[: rank - count], at[rank - count :]
    out, window = ct.shape[rank - count : rank], ct.shape[rank:]
    zero = t.nest.number(0, ct.dtype)
    total: int | None = None
    for place, k, ranges in _covering(t, node, spatial, window, out):
        one = t.inside(ranges, partial(t.ask, node.inputs[0], (*lead, *place, *k)), zero)
        total = one if total is None else t.apply(AddPrimitive, total, one, of=ct.dtype)
    return zero if total is None else total


def _beats(t: Tracer, best: int, one: int) -> int:
    """Whether a later element of a window takes the maximum's place: it is larger, or NaN."""
    wins = t.apply(Less, best, one, of=bool_)
    if not t.nest.expressions[one].dtype.is_floating_point:
        return wins
    return t.apply(AddPrimitive, wins, t.apply(IsNan, one, of=bool_), of=bool_)


def _window_arg_max(t: Tracer, node: Node, at: Coordinates) -> int:
    """The place that holds a window's maximum, numbered in the flattened spatial axes."""
    x, count = t.type(node), len(node.statics["window"])
    lead, place, spatial = at[: x.ndim - count], at[x.ndim - count :], x.shape[x.ndim - count :]
    steps, origin = row_major(spatial), (0,) * count
    first = linear(_tap(node, place, origin), steps)
    lowest = t.nest.number("lowest", x.dtype)
    best, winner, found = lowest, t.nest.number(0, int32), t.nest.number(False, bool_)
    always = False  # whether an element was met for sure
    for n, k in enumerate(_taps(node)):
        whole = (*lead, *_tap(node, place, k))
        one = _within(t, node.inputs[0], whole, x.shape, lowest)
        exists = _within_flag(t, whole, x.shape)
        if not always and exists is None and n == 0:
            best, always = one, True
            continue
        wins = _beats(t, best, one)
        if not always:  # padding is not an element: the first one that exists takes its place
            wins = t.apply(AddPrimitive, wins, t.apply(Not, found, of=bool_), of=bool_)
        if exists is not None:
            wins = t.apply(And, wins, exists, of=bool_)
            found = t.apply(AddPrimitive, found, exists, of=bool_)
        else:
            always = True
        distance = linear(_tap(node, place, k), steps).constant - first.constant
        winner = t.apply(Select, wins, t.nest.number(distance, int32), winner, of=int32)
        best = t.apply(Select, wins, one, best, of=x.dtype)
    start = t.apply(Convert, t.nest.place(first), of=int32, dtype=int32)
    whole_number = t.apply(AddPrimitive, start, winner, of=int32)
    return t.apply(Convert, whole_number, of=int64, dtype=int64)


def _within_flag(t: Tracer, at: Coordinates, shape: Shape) -> int | None:
    """Whether coordinates lie in the shape, as bool; None where they always do."""
    yes, no = t.nest.number(True, bool_), t.nest.number(False, bool_)
    flag = t.inside([(c, 0, size) for c, size in zip(at, shape, strict=True)], lambda: yes, no)
    return None if flag == yes else flag


def window_inputs(node: Node) -> tuple[int, ...]:
    """Inputs that are read several times for one output: better in memory than computed again for each tap."""
    return (
        node.inputs if node.primitive.name in ("window_sum", "window_max", "window_arg_max") else ()
    )


Rule = Callable[[Tracer, Node, Coordinates], int]
RULES: dict[str, Rule] = {
    "reshape": _reshape,
    "expand": _expand,
    "permute": _permute,
    "slice": _slice,
    "flip": _flip,
    "pad": _pad,
    "concat": _concat,
    "full": _full,
    "iota": _iota,
    "random_bits": _random_bits,
    "index": _index,
    "dynamic_slice": _dynamic_slice,
    "windows": _windows,
    "window_sum": _window_sum,
    "window_max": _window_max,
    "window_arg_max": _window_arg_max,
    "fold": _fold,
}
REDUCTIONS = frozenset({"sum", "prod", "max", "min"})

__all__ = ["REDUCTIONS", "RULES", "NotHereError", "Tracer", "reshaped", "window_inputs"]
