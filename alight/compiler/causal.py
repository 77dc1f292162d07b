"""Causal scores: where no row sees a column behind its own number, the columns behind it need not be computed.

In: `Scores`. Out: whether every exit is the same without them. A value's elements above the diagonal are followed from
the mask on: minus infinity under a maximum, then exponentials and products that are zero. Masks are compared numbers of
rows and columns, as `is_causal=True` and `torch.tril` of truth values make them.
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
        taken = _above_of(scores, node, labels)
        if taken is not None:
            number = _number(scores, inputs[taken])
            return NONE if number == -inf else ZERO if number == 0 else held[taken]
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


def below(scores: Scores, node: Any, labels: Labels) -> int | None:
    """Which input of a select is taken wherever the column's number is not larger than the row's; None if unknown."""
    found = _reach(scores, node.inputs[0], labels)
    if found is None:
        return None
    up_to, last = found
    return 1 if up_to and last >= 0 else 2 if not up_to and last >= 0 else None


def _above_of(scores: Scores, node: Any, labels: Labels) -> int | None:
    """The same wherever the column's number is larger."""
    found = _reach(scores, node.inputs[0], labels)
    if found is None:
        return None
    up_to, last = found
    return 2 if up_to and last <= 0 else 1 if not up_to and last <= 0 else None


def _reach(scores: Scores, value: int, labels: Labels) -> tuple[bool, int] | None:
    """A mask that is true, or false, exactly where column - row <= a number: which of the two, and that number."""
    node = scores.maker.get(value)
    if node is None:
        return None
    name, inputs = node.primitive.name, node.inputs
    if name in ("reshape", "expand", "permute"):
        inner = _labels_behind(scores, node, labels)
        return None if inner is None else _reach(scores, inputs[0], inner)
    if name == "not" or (name == "select" and _number(scores, inputs[1]) is not None):
        flips = True if name == "not" else _flips(scores, node)
        found = None if flips is None else _reach(scores, inputs[0], labels)
        return None if found is None else (found[0] != flips, found[1])
    if name not in ("less", "less_equal"):
        return None
    one, two = (_line(scores, i, labels) for i in inputs)
    if one is None or two is None:
        return None
    column, row, number = (a - b for a, b in zip(one, two, strict=True))
    strict = name == "less"
    if (column, row) == (1, -1):  # column - row + number <= 0, or < 0
        return True, -number - strict
    if (column, row) == (-1, 1):  # column - row >= number, or > number
        return False, number - (not strict)
    return None


def _flips(scores: Scores, node: Any) -> bool | None:
    """Whether a select between two truth values is the opposite of its condition."""
    if scores.types[node.outputs[0]].dtype.kind != "b":
        return None
    chosen = [_number(scores, i) for i in node.inputs[1:]]
    return {(1, 0): False, (0, 1): True}.get(tuple(chosen))  # type: ignore[arg-type]


def _line(scores: Scores, value: int, labels: Labels) -> tuple[int, int, int] | None:
    """Whole numbers that are a column's and a row's, so many times each, plus a number."""
    node = scores.maker.get(value)
    if node is None or scores.types[value].dtype.kind != "i":
        return None
    name = node.primitive.name
    if name == "full":
        return 0, 0, node.statics["value"]
    if name == "iota":
        label = labels[node.statics["axis"]]
        return (1, 0, 0) if label == COLUMNS else (0, 1, 0) if label == ROWS else None
    if name in ("reshape", "expand", "permute"):
        inner = _labels_behind(scores, node, labels)
        return None if inner is None else _line(scores, node.inputs[0], inner)
    if name not in ("add", "sub"):
        return None
    one, two = (_line(scores, i, labels) for i in node.inputs)
    if one is None or two is None:
        return None
    sign = 1 if name == "add" else -1
    column, row, number = (a + sign * b for a, b in zip(one, two, strict=True))
    return column, row, number


def _labels_behind(scores: Scores, node: Any, labels: Labels) -> Labels | None:
    try:
        return inputs_of(node, scores.types, labels)[0]
    except UnfitError:
        return None


__all__ = ["below", "sees_only_before"]
