"""Maxima: which sums over columns may go on while the maximum of a row is not known yet.

In: `Scores` and the exits of one level. Out: `Running`: the maxima that are found on the way, and for each exit the
maximum that its sum is relative to. A sum of exp(x - m) that was taken with an older m is right once it is multiplied by
exp(old m - new m) (Milakov and Gimelshein, "Online normalizer calculation for softmax", 2018); a sum of what does not
depend on a maximum is right as it is. All else, as a softmax's second use of its sums, has no blocks of columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from alight.compiler.labels import UnfitError, is_local
from alight.compiler.scores import COLUMNS, ROWS, Scores
from alight.ir.program import Node

FREE = ""  # does not depend on a maximum
TOP, SHIFTED, SCALED = "top", "shifted", "scaled"  # is made of m; is x - m; is linear in exp(x - m)
Kind = tuple[str, int]
FREELY: Kind = (FREE, -1)
OF_TOPS = frozenset({"reshape", "expand", "permute", "select", "equal"})


class Running(NamedTuple):
    """How the exits of a level go on from block to block of columns."""

    maxima: tuple[int, ...]
    scale: dict[int, int]  # exits -> the maximum that they are relative to


def running(scores: Scores, level: int, wanted: Iterable[int]) -> Running:
    """How these exits go on; UnfitError where one of them cannot."""
    analysis = _Analysis(scores, level)
    scale = {}
    for value in wanted:
        kind, top = analysis.exit(value)
        if kind == SCALED:
            scale[value] = top
    return Running(tuple(analysis.maxima), scale)


class _Analysis:
    """Finds how values depend on the maxima of the level."""

    def __init__(self, scores: Scores, level: int) -> None:
        self.scores, self.level = scores, level
        self.maxima: dict[int, None] = {}
        self.known: dict[int, Kind] = {}

    def exit(self, value: int) -> Kind:
        """How a wanted exit depends on a maximum."""
        node, scores = self.scores.maker[value], self.scores
        name = node.primitive.name
        if name == "max":
            self._top(value, node)
            return FREELY
        if name not in ("sum", "dot_general"):
            raise UnfitError(f"{name} of blocks of columns")
        kinds = [self.of(i) for i in node.inputs]
        found = [kind for kind in kinds if kind != FREELY]
        if not found:
            return FREELY
        (wide,) = [i for i in node.inputs if i in scores.wide]
        lost = {label for label in scores.wide[wide] if label} - set(scores.exits[value])
        if found[0][0] != SCALED or len(found) > 1 or lost != {COLUMNS}:
            raise UnfitError("a sum that needs the last maximum")
        return found[0]

    def _top(self, value: int, node: Node) -> None:
        if ROWS not in self.scores.exits[value] or self.of(node.inputs[0]) != FREELY:
            raise UnfitError("a maximum of what needs another one")
        self.maxima[value] = None

    def of(self, value: int) -> Kind:
        """How a value depends on a maximum."""
        if value not in self.known:
            self.known[value] = self._found(value)
        return self.known[value]

    def _found(self, value: int) -> Kind:
        scores, node = self.scores, self.scores.maker.get(value)
        if node is None or (scores.base[value] <= self.level and value not in scores.wide):
            return FREELY
        if value in scores.exits:
            if node.primitive.name != "max":
                raise UnfitError("a sum over columns that blocks need")
            self._top(value, node)
            return TOP, value
        kinds = [self.of(i) for i in node.inputs]
        if all(kind == FREELY for kind in kinds):
            return FREELY
        if not is_local(node):
            raise UnfitError(f"{node.primitive.name} of what needs a maximum")
        return self._combined(node, kinds)

    def _combined(self, node: Node, kinds: list[Kind]) -> Kind:
        """How a local node depends on the one maximum that its inputs depend on."""
        name = node.primitive.name
        (top,) = (
            {kind for kind in kinds if kind != FREELY}
            if len(set(kinds) - {FREELY}) == 1
            else (FREELY,)
        )
        if top[0] == TOP and name in OF_TOPS:
            return top
        if top[0] == TOP and name == "sub" and kinds[0] == FREELY:
            if self.scores.maker[top[1]].inputs == node.inputs[:1]:
                return SHIFTED, top[1]
        if top[0] == SHIFTED and name == "exp":
            return SCALED, top[1]
        if top[0] == SCALED and self._is_linear(node, kinds):
            return top
        raise UnfitError(f"{name} of what needs a maximum")

    def _is_linear(self, node: Node, kinds: list[Kind]) -> bool:
        name = node.primitive.name
        if name in ("neg", "reshape", "permute", "add", "sub"):
            return FREELY not in kinds
        if name in ("mul", "div"):
            return kinds.count(FREELY) == 1 and (name == "mul" or kinds[1] == FREELY)
        if name != "select" or kinds[0] != FREELY:
            return False
        zeros = [self._is_zero(i) for i in node.inputs[1:]]
        return all(kind != FREELY or zero for kind, zero in zip(kinds[1:], zeros, strict=True))

    def _is_zero(self, value: int) -> bool:
        node = self.scores.maker.get(value)
        return node is not None and node.primitive.name == "full" and node.statics["value"] == 0


__all__ = ["Running", "running"]
