"""Body: the nodes that make the exits of one level from blocks of what is there as a whole.

In: `Scores`, a level and the extents of a block. Out: a program under way, its borders (what it reads from outside, in
which order of axes) and starts (where the block begins along an axis, which masks and random bits ask for).
"""

from __future__ import annotations

from math import prod
from typing import Any

from alight.compiler.labels import Labels, UnfitError, inputs_of, is_local
from alight.compiler.scores import COLUMNS, ROWS, Scores, is_wide
from alight.compiler.trace import REDUCTIONS
from alight.dtypes import int64
from alight.ir.program import Builder, Value
from alight.ir.types import Shape, Type
from alight.primitives import Convert, Expand, Full, Permute, RandomBits, Reshape

Order = tuple[int, ...]

# A value outside, the order of axes in which it comes (None: its own), and how its axes are then labelled.
Border = tuple[int, Order | None, Labels]


class Body:
    """The nodes that make the exits of one level from blocks of what is there as a whole."""

    def __init__(self, scores: Scores, level: int, rows: int, columns: int) -> None:
        self.scores, self.level, self.types = scores, level, scores.types
        self.sizes = {**dict.fromkeys(scores.batch, 1), ROWS: rows, COLUMNS: columns}
        self.walked = {*scores.batch, ROWS}  # labels along which a block may begin anywhere
        self.builder = Builder()
        self.known: dict[tuple[int, Labels], Value] = {}
        self.borders: dict[Border, Value] = {}
        self.starts: dict[str, Value] = {}

    def block(self, value: int, labels: Labels) -> Shape:
        """The shape of a block of a value."""
        shape = self.types[value].shape
        return tuple(self.sizes.get(x or "", size) for x, size in zip(labels, shape, strict=True))

    def start(self, label: str) -> Value:
        """Where the block begins along an axis, as a 0-d int64."""
        if label not in self.starts:
            device = self.types[self.scores.seed.outputs[0]].device
            self.starts[label] = self.builder.add_value(Type((), int64, device))
        return self.starts[label]

    def ask(self, value: int, labels: Labels) -> Value:
        """A block of a value."""
        key = value, labels
        if key not in self.known:
            self.known[key] = self._made(value, labels)
        return self.known[key]

    def _made(self, value: int, labels: Labels) -> Value:
        scores, node = self.scores, self.scores.maker.get(value)
        if scores.wide.get(value, labels) != labels:
            raise UnfitError("scores that meet their transposed selves")
        whole = self._is_whole(value)
        if node is not None and (is_wide(labels) or not whole):
            if value in scores.exits or (value in scores.wide and not is_local(node)):
                if scores.inner[value] > self.level:
                    raise UnfitError("a block that needs a sum over all blocks")
                return self.reduced(value, labels)
            if node.primitive.name == "dot_general" and is_wide(labels):
                x, y = scores.product_labels(node, labels)
                if not is_wide(x) and not is_wide(y):
                    return self.product(value, x, y)
            elif is_local(node):
                return self._local(value, labels)
        if not whole:
            raise UnfitError("what is needed is not there yet")
        return self._border(value, labels, None)

    def _is_whole(self, value: int) -> bool:
        return value not in self.scores.maker or self.scores.base[value] <= self.level

    def _border(self, value: int, labels: Labels, order: Order | None) -> Value:
        """A block of what is there outside, in an order of axes of our choice."""
        shape, of = self.block(value, labels), self.types[value]
        if order is not None:
            shape, labels = tuple(shape[i] for i in order), tuple(labels[i] for i in order)
        key = value, order, labels
        if key not in self.borders:
            self.borders[key] = self.builder.add_value(Type(shape, of.dtype, of.device))
        if order is None:
            return self.borders[key]
        back = tuple(order.index(i) for i in range(len(order)))
        return Permute(self.borders[key], order=back)  # type: ignore[call-arg,return-value]

    def reduced(self, value: int, labels: Labels) -> Value:
        """A block of an exit, or its share of one that is summed over rows."""
        node = self.scores.maker[value]
        if node.primitive.name in REDUCTIONS:
            inner = self.ask(node.inputs[0], self.scores.wide[node.inputs[0]])
            return node.primitive(inner, **node.statics)  # type: ignore[call-arg,return-value]
        return self.product(value, *self.scores.product_labels(node, labels))

    def product(self, value: int, x: Labels, y: Labels) -> Value:
        """A product of blocks; operands from outside come with their free axes side by side, as vectors want them."""
        node = self.scores.maker[value]
        rows = zip(node.inputs, (x, y), node.statics["contract"], strict=True)
        one, two = (self._operand(i, of, summed) for i, of, summed in rows)
        statics = node.statics
        if self.is_turned(value):
            one, two = two, one
            statics = {name: pair[::-1] for name, pair in statics.items()}
        return node.primitive(one, two, **statics)  # type: ignore[call-arg,return-value]

    def _operand(self, value: int, labels: Labels, summed: tuple[int, ...]) -> Value:
        last = len(labels) - 1
        narrow = not is_wide(labels) and self._is_whole(value) and last in summed
        free = [i for i in range(last) if i not in summed and self.types[value].shape[i] != 1]
        if not narrow or not free or ROWS in labels:
            return self.ask(value, labels)
        order = (*(i for i in range(last + 1) if i != free[-1]), free[-1])
        return self._border(value, labels, order)

    def is_turned(self, value: int) -> bool:
        """Whether an exit that is summed over rows comes with columns before the rest: its rows are then contiguous."""
        node, labels = self.scores.maker[value], self.scores.exits.get(value)
        turned = node.primitive.name == "dot_general" and labels is not None and ROWS not in labels
        return turned and node.inputs[1] in self.scores.wide

    def turned_order(self, value: int) -> Order | None:
        """The order in which the axes of a turned exit come; None for any other one."""
        if not self.is_turned(value):
            return None
        node = self.scores.maker[value]
        batch, rank = len(node.statics["batch"][0]), self.types[value].ndim
        middle = self.types[node.inputs[0]].ndim - len(node.statics["contract"][0])
        return (*range(batch), *range(middle, rank), *range(batch, middle))

    def _local(self, value: int, labels: Labels) -> Value:
        node = self.scores.maker[value]
        name, statics, shape = node.primitive.name, dict(node.statics), self.block(value, labels)
        rows = zip(node.inputs, inputs_of(node, self.types, labels), strict=True)
        inputs = [self.ask(i, of) for i, of in rows]
        if name == "random_bits":
            return self._random(value, labels, inputs[0], statics)
        if name == "slice":
            statics["stops"] = tuple(
                stop if label is None else size
                for stop, label, size in zip(statics["stops"], labels, shape, strict=True)
            )
        elif "shape" in statics:
            statics["shape"] = shape
        made: Any = node.primitive(*inputs, **statics)
        if name == "iota" and labels[statics["axis"]] in self.walked:
            start = Convert(self.start(labels[statics["axis"]] or ""), dtype=statics["dtype"])
            made = made + Expand(Reshape(start, shape=(1,) * len(shape)), shape=shape)
        return made  # type: ignore[no-any-return]

    def _random(self, value: int, labels: Labels, seed: Value, statics: Any) -> Value:
        """The bits of a block: numbers of its elements are those of the whole, less that of the first one."""
        whole, shape = self.types[value].shape, self.block(value, labels)
        cut = [i for i in range(len(shape)) if whole[i] != shape[i]]
        if any(shape[i] != 1 for i in range(max(cut, default=0))):
            raise UnfitError("random bits of a block that is not contiguous")
        first: Any = Full(shape=(), value=0, dtype=int64, device=statics["device"])
        for axis in cut:
            first = first + self.start(labels[axis] or "") * prod(whole[axis + 1 :])
        return RandomBits(seed, first, shape=shape, device=statics["device"])  # type: ignore[call-arg,return-value]


__all__ = ["Body", "Border", "Order"]
