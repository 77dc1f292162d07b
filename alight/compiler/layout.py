"""Layouts: in which order the axes of each stored value lie in memory.

What goes in and out of a program is row-major. Between convolutions and pooling the compiler is free: with a batch of
at least a vector's lanes the batch lies innermost (channels, height, width, batch), so that every load is a whole
vector whatever the window; with a smaller batch the channels do.
"""

from __future__ import annotations

from alight.compiler.affine import ordered, row_major
from alight.compiler.convolutions import fast_order
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
    found = {}
    for value in fusion.stored:
        shape = program.types[value].shape
        free = value not in outside and len(shape) >= 3 and shape[0] in batches
        found[value] = (
            ordered(shape, fast_order(len(shape), shape[0], lanes, shape[1]))
            if free
            else row_major(shape)
        )
    return found
