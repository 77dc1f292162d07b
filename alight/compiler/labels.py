"""Labels: which axis of one value is which axis of another one.

In: a node and the labels of the axes of its output, or of one input. Out: those of its inputs, or of its output. A label
names an axis of the scores of an attention ("b0", "b1": batch, "r": rows, "c": columns); other axes have None.

    %2 = permute(%1) order=(0, 2, 1)       output (b0, c, None)   ->   input (b0, None, c)
"""

from __future__ import annotations

from collections.abc import Sequence

from alight.ir.primitive import ELEMENTWISE
from alight.ir.program import Node
from alight.ir.types import Shape, Type
from alight.primitives.contraction import free_axes

Labels = tuple[str | None, ...]

MOVES = frozenset({"reshape", "expand", "permute", "slice", "pad", "concat"})
CREATES = frozenset({"full", "iota", "random_bits"})


class UnfitError(Exception):
    """What cannot be done block by block."""


def is_local(node: Node) -> bool:
    """Whether a block of the output needs the same block of the inputs and nothing else."""
    name = node.primitive.name
    return node.primitive.kind == ELEMENTWISE or name in MOVES or name in CREATES


def through_reshape(labels: Labels, before: Shape, after: Shape) -> Labels:
    """Labels of the same elements under another shape; an axis with a label must stay whole.

    >>> through_reshape(("r", None), (6, 4), (1, 6, 2, 2))
    (None, 'r', None, None)
    """
    found: list[str | None] = [None] * len(after)
    for old, new in _groups(before, after):
        named = [i for i in old if labels[i] is not None]
        if not named:
            continue
        long_old, long_new = ([i for i in g if s[i] != 1] for g, s in ((old, before), (new, after)))
        if long_old != named or len(long_new) != 1:
            raise UnfitError("a reshape that cuts rows or columns")
        found[long_new[0]] = labels[named[0]]
    return tuple(found)


def _groups(before: Shape, after: Shape) -> list[tuple[list[int], list[int]]]:
    """The smallest groups of neighbouring axes of equal size."""
    groups, i, j = [], 0, 0
    while i < len(before) or j < len(after):
        one, two = list(range(i, min(i + 1, len(before)))), list(range(j, min(j + 1, len(after))))
        i, j = i + len(one), j + len(two)
        size_one, size_two = (s[g[0]] if g else 1 for g, s in ((one, before), (two, after)))
        while size_one != size_two:
            if size_one < size_two:
                one.append(i)
                size_one, i = size_one * before[i], i + 1
            else:
                two.append(j)
                size_two, j = size_two * after[j], j + 1
        groups.append((one, two))
    return groups


def inputs_of(node: Node, types: Sequence[Type], out: Labels) -> list[Labels]:
    """The labels of the inputs of a local node."""
    name, shape = node.primitive.name, types[node.outputs[0]].shape
    if name in CREATES:
        return [()] * len(node.inputs)
    given = types[node.inputs[0]].shape
    if name == "reshape":
        return [through_reshape(out, shape, given)]
    if name == "expand":
        same = zip(out, given, shape, strict=True)
        return [tuple(label if a == b else None for label, a, b in same)]
    if name == "permute":
        order = node.statics["order"]
        return [tuple(out[order.index(axis)] for axis in range(len(order)))]
    _stays_whole(node, out, given, shape)
    if name == "pad":
        return [out, *[()] * (len(node.inputs) - 1)]
    return [out] * len(node.inputs)


def output_of(node: Node, types: Sequence[Type], n: int, given: Labels) -> Labels:
    """The labels of the output of a local node, from those of input n."""
    name, before = node.primitive.name, types[node.inputs[n]].shape
    shape = types[node.outputs[0]].shape
    if name == "reshape":
        return through_reshape(given, before, shape)
    if name == "permute":
        return tuple(given[axis] for axis in node.statics["order"])
    if n and name == "pad":
        raise UnfitError("padding with scores")
    _stays_whole(node, given, before, shape)
    return given


def _stays_whole(node: Node, labels: Labels, before: Shape, after: Shape) -> None:
    """Refuse to cut or to lengthen an axis that has a label."""
    if node.primitive.kind == ELEMENTWISE or node.primitive.name == "expand":
        return
    for axis, label in enumerate(labels):
        if label is not None and before[axis] != after[axis]:
            raise UnfitError(f"{node.primitive.name} along an axis with a label")


def of_product(
    node: Node,
    types: Sequence[Type],
    x: Labels | None = None,
    y: Labels | None = None,
    out: Labels | None = None,
) -> tuple[Labels, Labels, Labels]:
    """The labels of both operands and of the result of a product, from those that are known."""
    (batch_x, batch_y), (sum_x, sum_y) = node.statics["batch"], node.statics["contract"]
    ranks = [len(types[i].shape) for i in node.inputs]
    free_x, free_y = free_axes(ranks[0], batch_x, sum_x), free_axes(ranks[1], batch_y, sum_y)
    count = len(batch_x) + len(free_x)
    # An index is (axis of x, axis of y, axis of the result); -1 where a value does not have it.
    indices = [(i, j, n) for n, (i, j) in enumerate(zip(batch_x, batch_y, strict=True))]
    indices += [(i, -1, n) for n, i in enumerate(free_x, len(batch_x))]
    indices += [(-1, j, n) for n, j in enumerate(free_y, count)]
    indices += [(i, j, -1) for i, j in zip(sum_x, sum_y, strict=True)]
    ends = [ranks[0], ranks[1], count + len(free_y)]
    found: list[list[str | None]] = [[None] * end for end in ends]
    for index in indices:
        names = {
            known[axis]
            for known, axis in zip((x, y, out), index, strict=True)
            if known is not None and axis >= 0
        } - {None}
        if len(names) > 1:
            raise UnfitError("a product of rows with columns")
        for labels, axis in zip(found, index, strict=True):
            if axis >= 0 and names:
                labels[axis] = next(iter(names))
    one, two, three = map(tuple, found)
    return one, two, three


__all__ = [
    "CREATES", "Labels", "UnfitError", "inputs_of", "is_local", "of_product", "output_of", "through_reshape",
]  # fmt: skip
