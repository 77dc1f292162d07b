"""Narrow: a product of which only a part is read is computed in that part alone.

    %2: f32[1,64,512] = dot_general(%0, %1)             %3: f32[1,1,128] = slice(%0)
    %3: f32[1,1,512] = slice(%2)                ->      %4: f32[1,1,512] = dot_general(%3, %1)

The last token's logits of a language model need the last layer for one row. In: a program. Out: the same values from
smaller ones; every place that was checked still is. Demand goes from the results to the inputs: of each value, a *box*,
which is for each axis where it begins (a number, or a value known when the program runs) and how long it is. What is read
in two places is computed from the first to the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from alight.compiler.simplify import Rewriter
from alight.dtypes import int64
from alight.ir.primitive import ELEMENTWISE, REDUCTION
from alight.ir.program import Node, Program, Value, prune
from alight.ir.types import Shape
from alight.primitives import DotGeneral, DynamicSlice, Expand, Full, Reshape, Slice
from alight.primitives.contraction import free_axes


class Span(NamedTuple):
    """A part of one axis: from `start` on, or from where the value `by` says."""

    start: int
    size: int
    by: int | None = None


Box = tuple[Span, ...]


def narrow(program: Program) -> Program:
    """An equivalent program; the same one if every product is read as a whole."""
    wanted = Demand(program)
    for node in program.nodes:
        out = node.outputs[0]
        if node.primitive is DotGeneral and wanted.boxes.get(out) != whole(
            program.types[out].shape
        ):
            made = _Narrower(program, wanted)
            smaller = prune(made.run())
            return smaller if made.asked <= made.looked else program
    return program


def whole(shape: Shape) -> Box:
    """All of a value."""
    return tuple(Span(0, size) for size in shape)


class Demand:
    """What is read of each value of a program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.inputs = frozenset(program.inputs)
        self.boxes: dict[int, Box] = {}
        for i in program.outputs:
            self._need(i, whole(program.types[i].shape))
        for node in reversed(program.nodes):
            if not any(out in self.boxes for out in node.outputs):
                continue
            box, needed = self.of(node, self.boxes.get(node.outputs[0]))
            for out in node.outputs:
                self.boxes[out] = box if len(node.outputs) == 1 else self._all(out)
            for i, part in zip(node.inputs, needed, strict=True):
                self._need(i, part)

    def of(self, node: Node, box: Box | None) -> tuple[Box, list[Box]]:
        """What a node that is asked for `box` computes, which may be more, and what it reads of its inputs for that."""
        shapes = [self.program.types[i].shape for i in node.inputs]
        shape = self.program.types[node.outputs[0]].shape
        rule = _rule(node)
        if rule is None or box is None or len(node.outputs) != 1:
            return whole(shape), [whole(one) for one in shapes]
        return rule(node, box, shape, shapes)

    def _all(self, value: int) -> Box:
        return whole(self.program.types[value].shape)

    def _need(self, value: int, box: Box) -> None:
        before, shape = self.boxes.get(value), self.program.types[value].shape
        if value in self.inputs:
            box = whole(shape)
        elif before is not None:
            box = tuple(map(_joined, before, box, shape))
        self.boxes[value] = box


def _joined(a: Span, b: Span, extent: int) -> Span:
    """The least part that has both."""
    if a == b:
        return a
    if a.by is not None or b.by is not None:
        return Span(0, extent)
    start = min(a.start, b.start)
    return Span(start, max(a.start + a.size, b.start + b.size) - start)


# -- rules: what a node computes when asked for a box, and what it reads -----------------------------------------------

Found = tuple[Box, list[Box]]
Rule = Callable[[Node, Box, Shape, list[Shape]], Found]


def _elementwise(node: Node, box: Box, shape: Shape, shapes: list[Shape]) -> Found:
    return box, [box] * len(shapes)


def _expand(node: Node, box: Box, shape: Shape, shapes: list[Shape]) -> Found:
    (given,) = shapes
    return box, [tuple(Span(0, 1) if n == 1 else span for n, span in zip(given, box, strict=True))]


def _permute(node: Node, box: Box, shape: Shape, shapes: list[Shape]) -> Found:
    order = node.statics["order"]
    return box, [tuple(box[order.index(axis)] for axis in range(len(order)))]


def _slice(node: Node, box: Box, shape: Shape, shapes: list[Shape]) -> Found:
    made, read = [], []
    s = node.statics
    for k, span in enumerate(box):
        start, stop, extent = s["starts"][k], s["stops"][k], shapes[0][k]
        if s["steps"][k] != 1 or (span.by is not None and stop - start != extent):
            span = Span(0, shape[k])
            read.append(Span(start, stop - start))
        else:
            read.append(span if span.by is not None else Span(start + span.start, span.size))
        made.append(span)
    return tuple(made), [tuple(read)]


def _dynamic_slice(node: Node, box: Box, shape: Shape, shapes: list[Shape]) -> Found:
    made, read = [], []
    for span, start, size, extent in zip(box, node.inputs[1:], shape, shapes[0], strict=True):
        moves = size != extent
        made.append(Span(0, size) if moves else span)
        read.append(Span(0, size, start) if moves else span)
    return tuple(made), [tuple(read), *[()] * (len(shapes) - 1)]


def _reshape(node: Node, box: Box, shape: Shape, shapes: list[Shape]) -> Found:
    """Axes that stay what they are keep their parts; where axes are split or merged, all of them is taken."""
    (given,) = shapes
    made, read = list(whole(shape)), list(whole(given))
    for axes, others in _groups(shape, given):
        long = [i for i in axes if shape[i] != 1]
        if len(long) == 1 and [given[j] for j in others if given[j] != 1] == [shape[long[0]]]:
            made[long[0]] = box[long[0]]
            (j,) = (j for j in others if given[j] != 1)
            read[j] = box[long[0]]
    return tuple(made), [tuple(read)]


def _groups(a: Shape, b: Shape) -> list[tuple[list[int], list[int]]]:
    """The smallest runs of axes of equal size in two shapes of one size."""
    found = []
    i = j = 0
    while i < len(a) or j < len(b):
        axes: tuple[list[int], list[int]] = ([], [])
        size_a = size_b = 1
        while True:
            if i < len(a) and (size_a < size_b or not axes[0] or a[i] == 1):
                axes[0].append(i)
                size_a *= a[i]
                i += 1
            elif j < len(b) and (size_b < size_a or not axes[1] or b[j] == 1):
                axes[1].append(j)
                size_b *= b[j]
                j += 1
            else:
                break
        found.append(axes)
    return found


def _reduction(node: Node, box: Box, shape: Shape, shapes: list[Shape]) -> Found:
    rest, axes = iter(box), node.statics["axes"]
    read = tuple(Span(0, size) if k in axes else next(rest) for k, size in enumerate(shapes[0]))
    return box, [read]


def _dot_general(node: Node, box: Box, shape: Shape, shapes: list[Shape]) -> Found:
    batch, contract = node.statics["batch"], node.statics["contract"]
    lead = len(batch[0])
    read, at = [], lead
    for side, given in enumerate(shapes):
        part = list(whole(given))
        for n, axis in enumerate(batch[side]):
            part[axis] = box[n]
        for axis in free_axes(len(given), batch[side], contract[side]):
            part[axis] = box[at]
            at += 1
        read.append(tuple(part))
    return box, read


def _concat(node: Node, box: Box, shape: Shape, shapes: list[Shape]) -> Found:
    axis = node.statics["axis"]
    made = tuple(Span(0, shape[k]) if k == axis else span for k, span in enumerate(box))
    read = [
        tuple(Span(0, given[k]) if k == axis else span for k, span in enumerate(box))
        for given in shapes
    ]
    return made, read


_RULES: dict[str, Rule] = {
    "expand": _expand,
    "permute": _permute,
    "slice": _slice,
    "dynamic_slice": _dynamic_slice,
    "reshape": _reshape,
    "dot_general": _dot_general,
    "concat": _concat,
}


def _rule(node: Node) -> Rule | None:
    if node.primitive.kind == ELEMENTWISE:
        return _elementwise
    if node.primitive.kind == REDUCTION and "axes" in node.statics:
        return _reduction
    return _RULES.get(node.primitive.name)


# -- the new program ---------------------------------------------------------------------------------------------------


class _Narrower(Rewriter):
    """Builds every value in its box."""

    def __init__(self, program: Program, demand: Demand) -> None:
        super().__init__(program)
        self.demand = demand
        self.maker = {out: node for node in program.nodes for out in node.outputs}
        # Places (the value that names it, how many there are) that slices check, and that the new ones do.
        self.asked: set[tuple[int, int]] = set()
        self.looked: set[tuple[int, int]] = set()

    def run(self) -> Program:
        program, builder = self.program, self.builder
        for i in program.inputs:
            self.value[i] = builder.input(program.types[i])
        with builder.active():
            for node in program.nodes:
                if node.outputs[0] in self.demand.boxes:
                    self._made(node.outputs[0])
        return builder.finish([self.value[i] for i in program.outputs])

    def _made(self, value: int) -> Value:
        """A value in its box; where a part begins may be asked for before its turn."""
        if value not in self.value:
            node = self.maker[value]
            box, read = self.demand.of(node, self.demand.boxes[value])
            inputs = [self._part(i, part) for i, part in zip(node.inputs, read, strict=True)]
            self.builder.line = node.line
            outs = self._emitted(node, inputs, tuple(span.size for span in box))
            self.value.update(zip(node.outputs, outs, strict=True))
        return self.value[value]

    def _emitted(self, node: Node, inputs: list[Value], shape: Shape) -> Sequence[Value]:
        """A node in a smaller shape, its inputs being what it reads."""
        statics = node.statics
        if node.primitive is DynamicSlice:
            return (self._checked(node, inputs),)
        if node.primitive is Slice:
            (x,), steps = inputs, statics["steps"]
            stops = tuple(
                (n - 1) * step + 1 if step > 1 else n for n, step in zip(shape, steps, strict=True)
            )
            return (self.one(Slice, x, starts=(0,) * x.ndim, stops=stops, steps=steps),)
        if node.primitive in (Expand, Reshape):
            statics = {**statics, "shape": shape}
        return self.emit(node.primitive, inputs, statics)

    def _checked(self, node: Node, inputs: list[Value]) -> Value:
        """What a slice has read, and nothing more, except that it looks where all of an axis begins."""
        x, *starts = inputs
        rest: list[Value | None] = []
        for start, extent, size in zip(
            starts, self.program.types[node.inputs[0]].shape, node.statics["sizes"], strict=True
        ):
            rest.append(None if extent != size or self.constant_of(start) == 0 else start)
            if extent != size:
                self.asked.add((start.id, extent))
        return self._cut(x, [0] * x.ndim, rest, x.shape)

    def _part(self, value: int, box: Box) -> Value:
        """What is read of a value, from the part of it that is computed."""
        x, there = self._made(value), self.demand.boxes[value]
        if box == there:
            return x
        starts, moving = [], []
        for a, b in zip(box, there, strict=True):
            starts.append(0 if a.by is not None else a.start - b.start)
            moving.append(self._made(a.by) if a != b and a.by is not None else None)
        return self._cut(x, starts, moving, tuple(span.size for span in box))

    def _cut(self, x: Value, starts: list[int], moving: list[Value | None], sizes: Shape) -> Value:
        """The part of x that begins at `starts`, or where `moving` says; of what is repeated, fewer repetitions."""
        maker = self.made.get(x.id)
        if maker is not None and maker.primitive is Expand:
            inner = self.builder.value(maker.inputs[0])
            once = [size == 1 for size in inner.shape]
            starts = [0 if one else start for one, start in zip(once, starts, strict=True)]
            moving = [None if one else start for one, start in zip(once, moving, strict=True)]
            kept = tuple(1 if one else size for one, size in zip(once, sizes, strict=True))
            return self.one(Expand, self._cut(inner, starts, moving, kept), shape=sizes)
        stops = tuple(
            extent if by is not None else start + size
            for start, by, size, extent in zip(starts, moving, sizes, x.shape, strict=True)
        )
        x = self.one(Slice, x, starts=tuple(starts), stops=stops, steps=(1,) * x.ndim)
        if all(by is None for by in moving):
            return x
        zero = self.one(Full, shape=(), value=0, dtype=int64, device=x.type.device)
        self.looked.update(
            (by.id, extent) for by, extent in zip(moving, x.shape, strict=True) if by is not None
        )
        places = [zero if by is None else by for by in moving]
        return self.one(DynamicSlice, x, *places, sizes=sizes)
