"""Layouts: in which order the axes of each stored value lie in memory.

What goes in and out of a program is row-major. Between convolutions and pooling the compiler is free: with a batch of
at least a vector's lanes the batch lies innermost (channels, height, width, batch), so that every load is a whole
vector whatever the window; with a smaller batch the channels do. Where one convolution alone takes less than copies of
its images would, these stay row-major. Channels that would lie a multiple of 4096 bytes apart are moved a little
further apart if there are many: else their lines compete for the same few places of the caches.
"""

from __future__ import annotations

from alight.compiler.affine import ordered, row_major
from alight.compiler.convolutions import fast_order, is_by_rows, most_channels
from alight.compiler.fuse import Fusion
from alight.ir.program import Node, Program

CONVOLUTIONS = frozenset({"conv", "conv_data", "conv_filter"})
# Of what they read and write, the axes are not the same.
APART = frozenset({"reshape", "permute", "dot_general", "scan", "index", "index_add", "index_put"})


def layouts(fusion: Fusion, lanes: int) -> dict[int, tuple[int, ...]]:
    """Strides, in elements, of every stored value."""
    program = fusion.program
    outside = {*program.inputs, *program.outputs}
    images = set() if is_by_rows(program, lanes) else _images(program)
    most = most_channels(program)
    found = {}
    for value in fusion.stored:
        shape = program.types[value].shape
        if value in outside or value not in images:
            found[value] = row_major(shape)
            continue
        order = fast_order(len(shape), shape[0], lanes, shape[1], most)
        found[value] = ordered(shape, order)
        if order[0] == 1 and shape[1] >= MANY and not _is_flattened(fusion, value):
            found[value] = _apart(found[value], program.types[value].dtype.itemsize)
    return found


def _images(program: Program) -> set[int]:
    """What convolutions read and write, and what is computed from that or to that place by place: all of one order."""
    todo: list[int] = []
    touching: dict[int, list[Node]] = {}
    for node in program.nodes:
        name = node.primitive.name
        if name in CONVOLUTIONS:
            todo += node.inputs if name == "conv_filter" else (node.inputs[0], node.outputs[0])
        elif name not in APART:
            for value in {*node.inputs, *node.outputs}:
                touching.setdefault(value, []).append(node)
    found = set(todo)
    while todo:
        value = todo.pop()
        shape = program.types[value].shape
        for node in touching.get(value, ()):
            for other in (*node.inputs, *node.outputs):
                like = program.types[other].shape
                if other not in found and len(like) == len(shape) and like[:1] == shape[:1]:
                    found.add(other)
                    todo.append(other)
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
