"""Scores: the matrices of an attention that need never be whole, and what is computed from them.

In: a program with a product whose rows go through a softmax. Out: `Scores`: which values are as large as the scores
("wide": they have rows and columns), and which values are made of those and are small again ("exits"): maxima and sums
of rows, the mixture of values, the gradients of queries, keys and values. `stream` computes the exits block by block.

An exit has a level: those of level 1 read what is made of exits of level 0. Forward is level 0, backward is level 1; the
scores are computed again there from queries and keys, the softmax from the maxima and sums of rows (Rabe and Staats,
"Self-attention does not need O(n^2) memory", 2021; Dao et al., "FlashAttention", 2022).
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from alight.compiler.labels import (
    Labels,
    UnfitError,
    inputs_of,
    is_local,
    of_product,
    output_of,
)
from alight.compiler.trace import REDUCTIONS
from alight.ir.program import Node, Program
from alight.primitives.contraction import free_axes

ROWS, COLUMNS = "r", "c"


def is_wide(labels: Labels) -> bool:
    """Whether a value is as large as the scores."""
    return ROWS in labels and COLUMNS in labels


class Scores:
    """What hangs on one product `seed`, whose axes have the given labels.

    In `squares`, blocks of rows and columns, a sum over columns is there only when all of them are done; else a block has
    all columns, and the sum of a row can be used in it at once.
    """

    def __init__(self, program: Program, seed: Node, labels: Labels, squares: bool = False) -> None:
        self.program, self.types, self.seed = program, program.types, seed
        self.squares = squares
        self.maker = {out: node for node in program.nodes for out in node.outputs}
        self.shape = self.types[seed.outputs[0]].shape
        self.extents = {
            label: size for label, size in zip(labels, self.shape, strict=True) if label is not None
        }
        self.wide: dict[int, Labels] = {seed.outputs[0]: labels}
        self.exits: dict[int, Labels] = {}
        for node in program.nodes:
            if node is not seed:
                self._follow(node)
        if any(value in self.wide for value in program.outputs):
            raise UnfitError("the scores themselves are wanted")
        self.base, self.inner = self._levels()

    @property
    def batch(self) -> list[str]:
        """The labels that are walked one by one, outermost first."""
        return [label for label in self.extents if label not in (ROWS, COLUMNS)]

    # -- what is wide --------------------------------------------------------------------------------------------------

    def _follow(self, node: Node) -> None:
        given = [(n, self.wide[i]) for n, i in enumerate(node.inputs) if i in self.wide]
        if not given:
            return
        out, name = node.outputs[0], node.primitive.name
        if is_local(node):
            found = {output_of(node, self.types, n, labels) for n, labels in given}
            if len(found) != 1:
                raise UnfitError("scores that meet their transposed selves")
            (labels,) = found
            if not is_wide(labels):
                raise UnfitError("a part of the scores")
            self.wide[out] = labels
            return
        if name in REDUCTIONS:
            axes, before = node.statics["axes"], given[0][1]
            labels = tuple(label for i, label in enumerate(before) if i not in axes)
        elif name == "dot_general" and len(given) == 1:
            before = given[0][1]
            x, y = (before, None) if given[0][0] == 0 else (None, before)
            labels = of_product(node, self.types, x, y)[2]
        else:
            raise UnfitError(f"{name} of scores")
        lost = {label for label in before if label is not None} - set(labels)
        for label in lost - {ROWS, COLUMNS}:
            raise MixedError(label)
        if ROWS in lost and name in REDUCTIONS and name != "sum":
            raise UnfitError(f"{name} over rows")
        if lost:
            self.exits[out] = labels
        elif name in REDUCTIONS:
            self.wide[out] = labels
        else:
            raise UnfitError("a product that keeps rows and columns")

    # -- levels --------------------------------------------------------------------------------------------------------

    def _levels(self) -> tuple[dict[int, int], dict[int, int]]:
        """For each value the level from which it is there as a whole, and the one in which a block of it can be made."""
        base = dict.fromkeys(self.program.inputs, 0)
        inner = dict(base)
        for node in self.program.nodes:
            whole = max((base[i] for i in node.inputs), default=0)
            block = max((inner[i] for i in node.inputs), default=0)
            for out in node.outputs:
                if out in self.wide:
                    base[out], inner[out] = block + 1, block
                elif out in self.exits:
                    running = node.primitive.name == "max" or not self.squares
                    summed = ROWS not in self.exits[out] or not running
                    base[out], inner[out] = block + 1, block + summed
                else:
                    base[out], inner[out] = whole, block if is_local(node) else whole
        return base, inner

    def level(self, value: int) -> int:
        """The level of an exit."""
        return self.base[value] - 1

    def product_labels(self, node: Node, out: Labels) -> tuple[Labels, Labels]:
        """The labels of a product's operands."""
        given = [self.wide.get(i) for i in node.inputs]
        x, y, _ = of_product(node, self.types, given[0], given[1], out)
        return x, y


class MixedError(UnfitError):
    """A batch axis over which something is summed: it is not walked."""


def seeds(program: Program, least_bytes: int) -> Iterator[tuple[Node, Labels]]:
    """Products whose rows go through a maximum, as a softmax's do, with the labels of their axes."""
    maker = {out: node for node in program.nodes for out in node.outputs}
    seen = set()
    for node in program.nodes:
        if node.primitive.name != "max" or len(node.statics["axes"]) != 1:
            continue
        of = program.types[node.inputs[0]]
        if of.size * of.dtype.itemsize < least_bytes:
            continue
        (axis,) = node.statics["axes"]
        labels = tuple(COLUMNS if i == axis else None for i in range(of.ndim))
        found = _product_behind(program, maker, node.inputs[0], labels)
        if found is not None and found[0].outputs[0] not in seen:
            seen.add(found[0].outputs[0])
            yield found


def _product_behind(
    program: Program, maker: dict[int, Node], value: int, labels: Labels
) -> tuple[Node, Labels] | None:
    """The first product behind a value from which its axis of columns comes."""
    todo, seen = [(value, labels)], set()
    while todo:
        value, labels = todo.pop(0)
        node = maker.get(value)
        if node is None or value in seen or COLUMNS not in labels:
            continue
        seen.add(value)
        if node.primitive.name == "dot_general":
            found = _labels_of_scores(program, node, labels.index(COLUMNS))
            if found is not None:
                return node, found
        elif is_local(node):
            try:
                todo.extend(zip(node.inputs, inputs_of(node, program.types, labels), strict=True))
            except UnfitError:
                continue
    return None


def _labels_of_scores(program: Program, node: Node, columns: int) -> Labels | None:
    """The labels of a product's axes, given that of columns; None if it is not larger than its operands."""
    (batch, _), (summed, _) = node.statics["batch"], node.statics["contract"]
    x, y = (program.types[i] for i in node.inputs)
    out = program.types[node.outputs[0]]
    middle = len(batch) + len(free_axes(x.ndim, batch, summed))
    if columns < len(batch) or out.size < 2 * (x.size + y.size):
        return None
    others = range(middle, out.ndim) if columns < middle else range(len(batch), middle)
    rows = max(others, key=lambda i: out.shape[i], default=-1)
    if rows < 0 or out.shape[rows] < 2 or out.shape[columns] < 2:
        return None
    names: list[str | None] = [None] * out.ndim
    for n in range(len(batch)):
        names[n] = f"b{n}" if out.shape[n] != 1 else None
    names[rows], names[columns] = ROWS, COLUMNS
    return tuple(names)


def unlabelled(labels: Labels, label: str) -> Labels:
    """The labels without one of them."""
    return tuple(None if one == label else one for one in labels)


def wide_row(scores: Scores) -> int:
    """Elements of one row of scores of one batch."""
    walked = prod(size for label, size in scores.extents.items() if label != COLUMNS)
    return prod(scores.shape) // walked


__all__ = ["COLUMNS", "ROWS", "MixedError", "Scores", "is_wide", "seeds", "unlabelled", "wide_row"]
