"""Causal scores: where no row sees a column behind its own number, the columns behind it need not be computed.

In: `Scores`. Out: whether every exit is the same without them. A value's elements above the diagonal are followed from
the mask on: minus infinity under a maximum, then exponentials and products that are zero.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Any

from alight.compiler.labels import Labels, UnfitError, inputs_of
from alight.compiler.scores import COLUMNS, ROWS, Scores

NONE, ZERO = "none", "zero"  # what lies above the diagonal: minus infinity, or 0


def sees_only_before(scores: Scores, exits: Iterable[int]) -> bool:
    """Whether all of these exits can do without what lies above the diagonal."""
    above: dict[int, str | None] = {}
    for node in scores.program.nodes:
        value = node.outputs[0]
        if value in scores.wide:
            above[value] = _above(scores, node, above)
    for exit in exits:
        node = scores.maker[exit]
        held = {above.get(i) for i in node.inputs if i in scores.wide}
        if held != {NONE if node.primitive.name == "max" else ZERO}:
            return False
    return True


def _above(scores: Scores, node: Any, above: dict[int, str | None]) -> str | None:
    """What a wide value has above the diagonal."""
    name, inputs = node.primitive.name, node.inputs
    held = [above.get(i) for i in inputs]
    if name == "select":
        labels = scores.wide[node.outputs[0]]
        if is_causal(scores, inputs[0], labels):
            number = _number(scores, inputs[2])
            return NONE if number == -inf else ZERO if number == 0 else held[2]
        both = {ZERO if _number(scores, i) == 0 else above.get(i) for i in inputs[1:]}
        return both.pop() if len(both) == 1 else None
    if name == "sub" and held[0] == NONE and held[1] is None:
        return NONE
    if name == "exp":
        return ZERO if held[0] == NONE else None
    if name in ("mul", "div") and ZERO in (held if name == "mul" else held[:1]):
        return ZERO
    if name in ("add", "sub", "neg", "convert") and set(held) == {ZERO}:
        return ZERO
    return held[0] if name in ("reshape", "permute") else None


def _number(scores: Scores, value: int) -> Any:
    """The number that a constant is."""
    node = scores.maker.get(value)
    return node.statics["value"] if node is not None and node.primitive.name == "full" else None


def is_causal(scores: Scores, value: int, labels: Labels) -> bool:
    """Whether a mask is: number of the column <= number of the row."""
    node = scores.maker.get(value)
    while node is not None and node.primitive.name in ("reshape", "expand", "permute"):
        try:
            (labels,) = inputs_of(node, scores.types, labels)
        except UnfitError:
            return False
        node = scores.maker.get(node.inputs[0])
    if node is None or node.primitive.name not in ("less_equal", "greater_equal"):
        return False
    sides = [scores.maker.get(i) for i in node.inputs]
    names = [
        labels[side.statics["axis"]] if side is not None and side.primitive.name == "iota" else None
        for side in sides
    ]
    wanted = [COLUMNS, ROWS] if node.primitive.name == "less_equal" else [ROWS, COLUMNS]
    return names == wanted


__all__ = ["is_causal", "sees_only_before"]
