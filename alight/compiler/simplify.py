"""Simplify: the same values from fewer nodes.

    %1: f32[] = full() value=2.0              %2: f32[4] = full() value=2.0
    %2: f32[1] = reshape(%1)          ->      %3: f32[4] = mul(%0, %2)
    %3: f32[4] = expand(%2)
    %4: f32[4] = mul(%0, %3)

Constants move through movement, equal nodes become one, chains of movement become short, gathers that name their own
row lose the index for it, the place of a largest element becomes two reductions. Nothing here changes a bit of any result.
"""

from __future__ import annotations

from collections.abc import Callable
from math import frexp, prod
from typing import Any

from alight.compiler import pooling, volumes
from alight.dtypes import bool_, float32, float64, int64
from alight.ir.program import Builder, Node, Program, Value, _static_key
from alight.primitives import (
    And,
    ArgMax,
    Concat,
    Convert,
    DotGeneral,
    Equal,
    Expand,
    Full,
    Index,
    Iota,
    IsNan,
    LessEqual,
    Max,
    Min,
    Mul,
    Not,
    Or,
    Permute,
    Reshape,
    Select,
    Slice,
    Sub,
    Sum,
)
from alight.primitives.arithmetic import kept_shape

LARGE_SUM = 1 << 15  # elements from which a sum is worth dividing
FEWEST_PARTS, SMALLEST_PART = 16, 128

Rule = Callable[["Rewriter", Node, list[Value]], Any]


def simplify(program: Program) -> Program:
    """An equivalent program; inputs and outputs keep their number and order."""
    return Rewriter(program).run()


class Rewriter:
    """Builds the new program node by node; `made` knows the node behind each new value."""

    def __init__(self, program: Program) -> None:
        self.program, self.builder = program, Builder()
        self.value: dict[int, Value] = {}  # old value -> new one
        self.made: dict[int, Node] = {}  # new value -> the node that makes it
        self.known: dict[Any, tuple[int, ...]] = {}  # what a node computes -> its outputs
        self.checked: set[int] = (
            set()
        )  # indices that a gather reads, and finds out of range if they are

    def run(self) -> Program:
        program, builder = self.program, self.builder
        for i in program.inputs:
            self.value[i] = builder.input(program.types[i])
        with builder.active():
            for node in program.nodes:
                inputs = [self.value[i] for i in node.inputs]
                builder.line = node.line
                rule = _RULES.get(node.primitive.name)
                found = rule(self, node, inputs) if rule else None
                outs: Any = found if isinstance(found, list) else (found,)
                if found is None:
                    outs = self.emit(node.primitive, inputs, node.statics)
                self.value.update(zip(node.outputs, outs, strict=True))
        return builder.finish([self.value[i] for i in program.outputs])

    def emit(
        self, primitive: Any, inputs: list[Value], statics: dict[str, Any]
    ) -> tuple[Value, ...]:
        """A node, or the one that computes the same already."""
        key = _static_key(Node(primitive, tuple(x.id for x in inputs), statics, ()))
        outs = self.known.get(key)
        if outs is None:
            before = len(self.builder.nodes)
            made = primitive(*inputs, **statics)
            values = made if isinstance(made, tuple) else (made,)
            for node in self.builder.nodes[before:]:
                for out in node.outputs:
                    self.made[out] = node
                if node.primitive is Index:
                    self.checked.update(node.inputs[1:])
            outs = self.known[key] = tuple(value.id for value in values)
        return tuple(self.builder.value(i) for i in outs)

    def one(self, primitive: Any, *inputs: Value, **statics: Any) -> Value:
        """A node of one output."""
        return self.emit(primitive, list(inputs), statics)[0]

    def constant_of(self, x: Value) -> Any:
        """The number that all elements of x are, or None."""
        node = self.made.get(x.id)
        return node.statics["value"] if node is not None and node.primitive is Full else None

    def part(self, x: Value, axis: int, start: int, stop: int) -> Value:
        """Places start to stop - 1 of an axis."""
        starts = tuple(start if i == axis else 0 for i in range(x.ndim))
        stops = tuple(stop if i == axis else size for i, size in enumerate(x.shape))
        return self.one(Slice, x, starts=starts, stops=stops, steps=(1,) * x.ndim)

    def full(self, like: Value, number: Any, shape: tuple[int, ...]) -> Value:
        """A constant of a shape."""
        return self.one(Full, shape=shape, value=number, dtype=like.dtype, device=like.type.device)


def _detach(r: Rewriter, node: Node, x: list[Value]) -> Value:
    return x[0]


def _reshape(r: Rewriter, node: Node, x: list[Value]) -> Value | None:
    number = r.constant_of(x[0])
    if number is not None:
        return r.full(x[0], number, node.statics["shape"])
    inner = r.made.get(x[0].id)
    if inner is not None and inner.primitive is Reshape:
        return r.one(Reshape, r.builder.value(inner.inputs[0]), shape=node.statics["shape"])
    return None


def _expand(r: Rewriter, node: Node, x: list[Value]) -> Value | None:
    number = r.constant_of(x[0])
    return None if number is None else r.full(x[0], number, node.statics["shape"])


def _permute(r: Rewriter, node: Node, x: list[Value]) -> Value | None:
    number, order = r.constant_of(x[0]), node.statics["order"]
    if number is not None:
        return r.full(x[0], number, tuple(x[0].shape[i] for i in order))
    inner = r.made.get(x[0].id)
    if inner is not None and inner.primitive is Permute:
        whole = tuple(inner.statics["order"][i] for i in order)
        return r.one(Permute, r.builder.value(inner.inputs[0]), order=whole)
    return None


def _convert(r: Rewriter, node: Node, x: list[Value]) -> Value | None:
    number, to = r.constant_of(x[0]), node.statics["dtype"]
    if number is None or to.is_complex or to.kind == "u":
        return None
    if to is bool_:
        number = bool(number)
    elif to.kind == "i":
        if not isinstance(number, (bool, int)):
            return None
        number = int(number)
    return r.one(Full, shape=x[0].shape, value=number, dtype=to, device=x[0].type.device)


def _mul(r: Rewriter, node: Node, x: list[Value]) -> Value | None:
    if r.constant_of(x[0]) == 1 and x[0].dtype is not bool_:
        return x[1]
    if r.constant_of(x[1]) == 1 and x[1].dtype is not bool_:
        return x[0]
    return None


def _div(r: Rewriter, node: Node, x: list[Value]) -> Value | None:
    """By a power of two: the product with its inverse is the same number."""
    number = r.constant_of(x[1])
    if number == 1:
        return x[0]
    if (
        isinstance(number, (int, float))
        and number
        and abs(frexp(number)[0]) == 0.5
        and abs(number) < 2.0**100
    ):
        return r.one(Mul, x[0], r.full(x[1], 1 / number, x[1].shape))
    return None


def _sum(r: Rewriter, node: Node, x: list[Value]) -> Value | None:
    """A sum over an axis of extent 1 is a reshape; one over everything is made in parts, which threads can share."""
    axes, shape = node.statics["axes"], x[0].shape
    if all(shape[i] == 1 for i in axes):
        kept = tuple(size for i, size in enumerate(shape) if i not in axes)
        return r.one(Reshape, x[0], shape=kept)
    if len(axes) == len(shape) and x[0].size >= LARGE_SUM:
        lead = 1
        while lead < len(shape) and prod(shape[:lead]) < FEWEST_PARTS:
            lead += 1
        if lead < len(shape) and prod(shape[:lead]) * SMALLEST_PART <= x[0].size:
            parts = r.one(Sum, x[0], axes=tuple(range(lead, len(shape))))
            return r.one(Sum, parts, axes=tuple(range(lead)))
    return None


def _dot_general(r: Rewriter, node: Node, x: list[Value]) -> Value | None:
    """Leading or trailing zeros of a concatenation that is summed over: nothing is multiplied by them."""
    for side in (0, 1):
        made = r.made.get(x[side].id)
        axes = node.statics["contract"][side]
        if made is None or made.primitive is not Concat or made.statics["axis"] not in axes:
            continue
        axis = made.statics["axis"]
        pieces = [r.builder.value(i) for i in made.inputs]
        start, stop = 0, x[side].shape[axis]
        while len(pieces) > 1 and r.constant_of(pieces[0]) == 0:
            start += pieces.pop(0).shape[axis]
        while len(pieces) > 1 and r.constant_of(pieces[-1]) == 0:
            stop -= pieces.pop().shape[axis]
        if stop - start == x[side].shape[axis]:
            continue
        given = list(x)
        given[side] = r.one(Concat, *pieces, axis=axis) if len(pieces) > 1 else pieces[0]
        other = node.statics["contract"][1 - side][axes.index(axis)]
        given[1 - side] = r.part(x[1 - side], other, start, stop)
        return r.one(DotGeneral, *given, **node.statics)
    return None


def _own_rows(r: Rewriter, ids: list[Value], axes: tuple[int, ...]) -> int | None:
    """The one position in `ids` that is not the place's own index along its axis, if there is just one.

    grid() in primitives/gather.py makes such indices: take_along_dim, gather, the target's logit in a loss.
    """
    others = []
    for n, (i, axis) in enumerate(zip(ids, axes, strict=True)):
        node = r.made.get(i.id)
        own = node is not None and node.primitive is Iota and node.statics["axis"] == axis
        if not own:
            others.append(n)
    return others[0] if len(others) == 1 and axes == tuple(range(len(axes))) else None


def _index_add(r: Rewriter, node: Node, x: list[Value]) -> Value | None:
    """Zeros with one element of each row set: a comparison with the index instead of a scatter."""
    base, updates, *ids = x
    axes = node.statics["axes"]
    if len(axes) != base.ndim or r.constant_of(base) != 0:
        return None
    other = _own_rows(r, ids, axes)
    if other is None or ids[other].shape[other] != 1 or ids[other].id not in r.checked:
        return None
    place = r.one(Iota, shape=base.shape, axis=other, dtype=int64, device=base.type.device)
    hit = r.one(Equal, place, r.one(Expand, ids[other], shape=base.shape))
    return r.one(Select, hit, r.one(Expand, updates, shape=base.shape), r.full(base, 0, base.shape))


def _scan(r: Rewriter, node: Node, x: list[Value]) -> list[Value] | None:
    """Results that a scan gives twice, or that are its inputs, are taken once, and inputs that its body does not read
    are not given; the body is simplified."""
    s = node.statics
    body, count = simplify(s["body"]), s["carry_count"]
    whole = count + s["constant_count"]
    stacked = {i: x[n] for n, i in enumerate(body.inputs) if n >= whole}
    kept: list[int] = list(range(count))  # numbers of the outputs that the new scan has
    first: dict[int, int] = {}
    for n, i in enumerate(body.outputs[count:], count):
        if i not in stacked and i not in first:
            first[i] = len(kept)
            kept.append(n)
    results = [body.outputs[n] for n in kept]
    read = {*results, *(i for node in body.nodes for i in node.inputs)}
    given = [n for n, i in enumerate(body.inputs) if n < count or i in read]
    if len(kept) == len(body.outputs) and len(given) == len(x) and body == s["body"]:
        return None
    smaller = Program(body.types, [body.inputs[n] for n in given], body.nodes, results)
    constants = sum(count <= n < whole for n in given)
    statics = {**s, "body": smaller, "constant_count": constants}
    outs = r.emit(node.primitive, [x[n] for n in given], statics)
    rest = [stacked[i] if i in stacked else outs[first[i]] for i in body.outputs[count:]]
    return [*outs[:count], *rest]


def _arg_extreme(r: Rewriter, node: Node, x: list[Value]) -> Value | None:
    """The first place that holds the extreme: the least of those places; a NaN is the extreme where there is one."""
    (axis,), (given,) = node.statics["axes"], x
    if given.dtype.is_complex or given.size == 0:
        return None
    if given.dtype is bool_:
        given = r.one(Convert, given, dtype=int64)
    shape, kept = given.shape, kept_shape(given.shape, (axis,))
    extreme = r.one(Max if node.primitive is ArgMax else Min, given, axes=(axis,))
    hit = r.one(Equal, given, _spread(r, extreme, kept, shape))
    if given.dtype.is_floating_point:
        hit = r.one(Or, hit, r.one(IsNan, given))
    place = r.one(Iota, shape=shape, axis=axis, dtype=int64, device=given.type.device)
    return r.one(Min, r.one(Select, hit, place, r.full(place, shape[axis], shape)), axes=(axis,))


def _spread(r: Rewriter, x: Value, kept: tuple[int, ...], shape: tuple[int, ...]) -> Value:
    return r.one(Expand, r.one(Reshape, x, shape=kept), shape=shape)


def _within(r: Rewriter, node: Node, x: list[Value]) -> Value | None:
    """A check of elements as one of indices: what lies outside is looked up at 1 in a table of one 0, x minus which is x.

    A program whose check fails is run again by the interpreter, which says what was wrong.
    """
    (given,) = x
    if given.dtype not in (float32, float64):
        return None
    low, high = (r.full(given, node.statics[name], given.shape) for name in ("low", "high"))
    inside = r.one(And, r.one(LessEqual, low, given), r.one(LessEqual, given, high))
    place = r.one(Convert, r.one(Not, inside), dtype=int64)
    table = r.one(Iota, shape=(1,), axis=0, dtype=int64, device=given.type.device)
    zero = r.one(Convert, r.one(Index, table, place, axes=(0,)), dtype=given.dtype)
    return r.one(Sub, given, zero)


_RULES: dict[str, Rule] = {
    "within": _within,
    "arg_max": _arg_extreme,
    "arg_min": _arg_extreme,
    "scan": _scan,
    "detach": _detach,
    "reshape": _reshape,
    "expand": _expand,
    "permute": _permute,
    "convert": _convert,
    "mul": _mul,
    "div": _div,
    "sum": _sum,
    "dot_general": _dot_general,
    "index_add": _index_add,
    "fold": pooling.fold,
    "window_max": pooling.window_max,
    "window_sum": pooling.window_sum,
    "window_arg_max": pooling.window_arg_max,
    "window_max_scatter": pooling.window_max_scatter,
    "conv": volumes.conv,
    "conv_data": volumes.conv_data,
    "conv_filter": volumes.conv_filter,
}

__all__ = ["simplify"]
