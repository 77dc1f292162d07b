"""How long the interpreter will take for a program, about: whether to compile it before anybody has waited for it.

In: a program. Out: seconds, within a factor of three or so. Nothing else depends on them: a program that is taken for
shorter than it is waits for its second run.
"""

from __future__ import annotations

from math import prod

from alight.ir.primitive import CONTRACTION, MOVEMENT, REGISTRY, SCAN, WINDOW
from alight.ir.program import Node, Program

LONG_RUN = 0.01  # seconds of a run from which the second one is reason enough to compile, and mostly the first
LARGE = 1 << 20  # bytes from which it pays to write results over inputs: more than stays near
NODE = 3e-6  # seconds of Python for one primitive
ELEMENT = 1e-9  # for each element of a result
PRODUCT = 1 / 30e9  # for each multiply-add of a matrix product
CONVOLUTION = 1 / 20e9  # the same of a convolution


def interpreted_seconds(program: Program) -> float:
    """The seconds of a run.

    >>> from alight.ir.text import parse
    >>> interpreted_seconds(parse("program(%0: f32[9999,1000]) { %1: f32[9999,1000] = exp(%0) return %1 }")) > 0.005
    True
    """
    return sum(_seconds(node, program) for node in program.nodes)


def takes_long(program: Program) -> bool:
    """Whether a run will be long; quicker than `interpreted_seconds`, which counts what nodes read as well."""
    types, seconds, elements = program.types, 0.0, 0
    for node in program.nodes:
        kind = node.primitive.kind
        if kind in (CONTRACTION, WINDOW, SCAN):
            seconds += _seconds(node, program)
        elif kind != MOVEMENT:
            elements += prod(types[node.outputs[0]].shape)
    return seconds + elements * ELEMENT > LONG_RUN


def _seconds(node: Node, program: Program) -> float:
    kind, types = node.primitive.kind, program.types
    if "body" in node.statics:
        return float(node.statics["length"] * interpreted_seconds(node.statics["body"]))
    if kind == MOVEMENT:
        return NODE
    out = types[node.outputs[0]].size
    if kind == CONTRACTION:
        x = types[node.inputs[0]].shape
        return NODE + PRODUCT * out * prod(x[i] for i in node.statics["contract"][0])
    if kind == WINDOW and len(node.inputs) == 2:
        x, y = (types[i].shape for i in node.inputs)
        first, filters = {
            "conv": (out, y),
            "conv_data": (prod(x), y),
            "conv_filter": (prod(y), types[node.outputs[0]].shape),
        }.get(node.primitive.name, (0, ()))
        return NODE + CONVOLUTION * first * prod(filters[1:]) + ELEMENT * out
    largest = max((types[i].size for i in node.inputs), default=0)
    return NODE + ELEMENT * max(out, largest)


def may_run_again(program: Program) -> bool:
    """Whether nobody can tell if a run is broken off and begun anew: it calls nothing of the user's."""
    return all(REGISTRY.get(node.primitive.name) is node.primitive for node in program.nodes)
