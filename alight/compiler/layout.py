"""Layouts: in which order the axes of each stored value lie in memory.

What goes in and out of a program is row-major. Between convolutions and pooling the compiler is free: with a batch of
at least a vector's lanes the batch lies innermost (channels, height, width, batch), so that every load is a whole
vector whatever the window; with a smaller batch the channels do. Channels that would lie a multiple of 4096 bytes apart
are moved a little further apart if there are many: else their lines compete for the same few places of the caches.
"""

from __future__ import annotations

from alight.compiler.affine import ordered, row_major
from alight.compiler.convolutions import fast_order, most_channels
from alight.compiler.fuse import Fusion

CONVOLUTIONS = frozenset({"conv", "conv_data", "conv_filter"})


def layouts(fusion: Fusion, lanes: int) -> dict[int, tuple[int, ...]]:
    """Strides, in elements, of every stored value."""
    program = fusion.program
    outside = {*program.inputs, *program.outputs}
    batches = {
        program.types[i].shape[0]
        for node in program.nodes
        if node.primitive.name in CONVOLUTIONS
        for i in (node.outputs[0], node.inputs[0])
        if node.primitive.name != "conv_filter" or i == node.inputs[0]
    }
    most = most_channels(program)
    found = {}
    for value in fusion.stored:
        shape = program.types[value].shape
        if value in outside or len(shape) < 3 or shape[0] not in batches:
            found[value] = row_major(shape)
            continue
        order = fast_order(len(shape), shape[0], lanes, shape[1], most)
        found[value] = ordered(shape, order)
        if order[0] == 1 and shape[1] >= MANY and not _is_flattened(fusion, value):
            found[value] = _apart(found[value], program.types[value].dtype.itemsize)
    return found


PAGE, GAP = 4096, 256  # bytes
MANY = 32  # channels, more than a cache has places for lines at one distance


def _apart(strides: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    """The strides, with a gap between channels that lie outermost if they would compete for places in caches."""
    n, channel, *places = strides
    gap = GAP // itemsize if channel * itemsize % PAGE == 0 else 0
    return n, channel + gap, *places


def _is_flattened(fusion: Fusion, value: int) -> bool:
    """Whether a product takes the value as rows of numbers, which lie in no regular order with gaps."""
    todo, seen = [value], set()
    while todo:
        for node in fusion.users.get(todo.pop(), ()):
            if node.primitive.name == "dot_general":
                return True
            if fusion.is_free(node) and node.outputs[0] not in seen:
                seen.add(node.outputs[0])
                todo.append(node.outputs[0])
    return False


def extent(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    """Elements of memory from the first to the last one of a value.

    >>> extent((2, 3), (8, 1))
    11
    """
    if 0 in shape:
        return 0
    return 1 + sum((size - 1) * step for size, step in zip(shape, strides, strict=True))
