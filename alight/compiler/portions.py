"""Portions: the body of a loop over time for some of its rows, where no row needs another one.

In: a body whose results all have one first axis, the rows (a batch, as a rule), and how many of them a portion has. Out:
the body for so few rows, and which of its inputs it takes its own rows of. Threads that each walk through time with
their own portion never meet on the way. What mixes rows (a normalisation over the batch) has no portions.

    return tanh(add(dot_general(%0, %1), %2))   of f32[32,8], f32[8,8], f32[32,8]   ->   of f32[16,8], f32[8,8], f32[16,8]
"""

from __future__ import annotations

from typing import Any, NamedTuple

from alight.compiler.labels import Labels, UnfitError, inputs_of, is_local, of_product
from alight.ir.primitive import REDUCTION
from alight.ir.program import Builder, Node, Program, Value, prune
from alight.ir.types import Type

ROWS = "r"
LEAST_ROWS = 8  # of a portion: below, each thread would read all weights for too few products
MANY_ROWS = 32  # from which weights may come from beyond a core's own caches


class Portion(NamedTuple):
    """A body for some rows."""

    body: Program
    cut: tuple[
        bool, ...
    ]  # of each input: whether the body takes the rows of a portion, or the whole


def portion_of(body: Program, carry_count: int, count: int) -> Portion | None:
    """The body for one of `count` equal portions of the rows; None where there are none."""
    whole = {body.types[i].shape[:1] for i in body.outputs}
    size = whole.pop()[0] if len(whole) == 1 and () not in whole else 0
    if size == 0 or size % count:
        return None
    try:
        return _Cut(body, size // count).run(carry_count)
    except UnfitError:
        return None


class _Cut:
    """Asks for the rows of the results, and of whatever these are made of."""

    def __init__(self, body: Program, rows: int) -> None:
        self.body, self.rows, self.types = body, rows, body.types
        self.maker: dict[int, Node] = {out: node for node in body.nodes for out in node.outputs}
        self.builder = Builder()
        self.known: dict[tuple[int, Labels], Value] = {}
        self.given: dict[int, tuple[Value, bool]] = {}  # inputs asked for, and whether cut

    def run(self, carry_count: int) -> Portion:
        """The new body; what is carried into the next step has the portion's rows alone, like the results."""
        with self.builder.active():
            made = [self._rows(i) for i in self.body.outputs]
            for i in self.body.inputs[:carry_count]:
                self._rows(i)
        for i in self.body.inputs:  # those that nothing is made of
            if i not in self.given:
                self.given[i] = self.builder.add_value(self.types[i]), False
        inputs = [self.given[i] for i in self.body.inputs]
        builder = self.builder
        program = Program(
            builder.types, [x.id for x, _ in inputs], builder.nodes, [x.id for x in made]
        )
        return Portion(prune(program), tuple(cut for _, cut in inputs))

    def _rows(self, value: int) -> Value:
        return self.ask(value, (ROWS, *(None,) * (len(self.types[value].shape) - 1)))

    def ask(self, value: int, labels: Labels) -> Value:
        """The rows of a portion of a value whose axis with a label they are; all of one without."""
        key = value, labels
        if key not in self.known:
            self.known[key] = self._made(value, labels)
        return self.known[key]

    def _made(self, value: int, labels: Labels) -> Value:
        node = self.maker.get(value)
        if node is None:
            return self._input(value, labels)
        statics = dict(node.statics)
        wanted: tuple[Labels, ...]
        if node.primitive.name == "dot_general":
            wanted = of_product(node, self.types, out=labels)[:2]
        elif node.primitive.kind == REDUCTION and "axes" in statics:
            rest = iter(labels)
            axes, rank = statics["axes"], len(self.types[node.inputs[0]].shape)
            wanted = (tuple(None if i in axes else next(rest) for i in range(rank)),)
        elif is_local(node) and ROWS not in labels:
            wanted = tuple((None,) * len(self.types[i].shape) for i in node.inputs)
        elif is_local(node):
            wanted = tuple(inputs_of(node, self.types, labels))
            self._cut(node, statics, labels)
        else:
            raise UnfitError(f"{node.primitive.name} of rows")
        inputs = [self.ask(i, of) for i, of in zip(node.inputs, wanted, strict=True)]
        self.builder.line = node.line
        return node.primitive(*inputs, **statics)  # type: ignore[call-arg,return-value]

    def _cut(self, node: Node, statics: dict[str, Any], labels: Labels) -> None:
        """The statics of a node whose result has fewer rows."""
        shape = self._shape(node.outputs[0], labels)
        if node.primitive.name in ("iota", "random_bits"):
            raise UnfitError("numbers of rows")
        if node.primitive.name == "slice":
            ends = zip(statics["stops"], labels, shape, strict=True)
            statics["stops"] = tuple(size if label else stop for stop, label, size in ends)
        elif "shape" in statics:
            statics["shape"] = shape

    def _shape(self, value: int, labels: Labels) -> tuple[int, ...]:
        whole = zip(labels, self.types[value].shape, strict=True)
        return tuple(self.rows if label else size for label, size in whole)

    def _input(self, value: int, labels: Labels) -> Value:
        cut = ROWS in labels
        if (cut and labels[0] != ROWS) or self.given.get(value, (None, cut))[1] != cut:
            raise UnfitError("rows that do not lie one behind the other")
        of = self.types[value]
        made = self.builder.add_value(Type(self._shape(value, labels), of.dtype, of.device))
        self.given[value] = made, cut
        return made


def portion_count(body: Program, threads: int, constant_bytes: int, cache_bytes: int) -> int:
    """Into how many portions a loop over time is cut for so many threads; 1 where they had better do each step together."""
    shape = body.types[body.outputs[0]].shape if body.outputs else ()
    rows = shape[0] // threads if shape and shape[0] % threads == 0 else 0
    enough = LEAST_ROWS if constant_bytes <= cache_bytes else MANY_ROWS
    return threads if rows >= enough else 1


__all__ = ["Portion", "portion_count", "portion_of"]
