"""Paths that are not expected to come again: run once, without a plan that lasts, and dropped.

In: a path that is new, at the flush that ends it. Out: whether it passes: its positions leave the trie, and what it
computes is interpreted straight away. That is so where a path leaves the known ones at a place from which many went
before, and hardly one of them came again, as where batches have any number of rows. A path that passed and comes after
all is known by its hash, and kept.
"""

from __future__ import annotations

from typing import Any

from alight.record.sources import Line
from alight.record.trie import Position

WATCHED = 32  # new paths from one place, by which it is judged
NEAR = 8  # the same while paths from other places pass
FEW = 2  # of them that came again are enough to keep the next
MANY = 8  # of those that passed that came again are enough to keep new ones from then on
HASHES = 4096  # of paths that passed, at each place
PLACES = 1000  # that are judged
MOST_BYTES = 1 << 27  # of all that a path makes: more is worth compiling, be it for one run


class _Origin:
    """A place from which new paths go."""

    __slots__ = ("again", "count", "kept", "passing", "seen", "watched")

    def __init__(self, watched: int) -> None:
        self.passing = False  # its new paths pass
        self.watched = watched  # new paths, when it is judged next
        self.count = 0  # of them, since it was last judged
        self.again = 0  # those of them that had passed before
        self.kept: list[Position] = []  # their ends, as long as they are kept
        self.seen: set[int] = set()  # hashes of the paths that passed


Origins = dict[tuple[Line | None, str], _Origin]


def passes(recorder: Any, end: Position) -> bool:
    """Whether the new path that ends here is not to be kept; it leaves the trie then."""
    fresh, recorder.fresh = recorder.fresh, None
    if fresh is None or end.counts.bytes > MOST_BYTES:
        return False
    new = [end]
    while new[-1] is not fresh:
        parent = new[-1].parent
        if parent is None:  # it was a step of a segment that was abandoned
            return False
        new.append(parent)
    origins: Origins = recorder.origins
    origin = origins.get((fresh.line, fresh.name))
    if origin is None:
        if len(origins) >= PLACES:
            origins.clear()
        origin = origins[fresh.line, fresh.name] = _Origin(NEAR if recorder.passing else WATCHED)
    if origin.count == origin.watched:
        _judge(recorder, origin)
    origin.count += 1
    if not origin.passing:
        origin.kept.append(end)
        return False
    mark = hash((id(fresh.parent), *[step.key for step in new]))
    if mark in origin.seen:
        origin.again += 1
        return False
    if len(origin.seen) >= HASHES:
        origin.seen.clear()
    origin.seen.add(mark)
    _drop(recorder, new)
    return True


def _judge(recorder: Any, origin: _Origin) -> None:
    """Decide on the next paths from a place by the last ones."""
    if origin.passing:
        origin.passing = origin.again < MANY
    else:
        origin.passing = sum(end.runs > 1 for end in origin.kept) < FEW
    recorder.passing = origin.passing
    origin.watched = WATCHED
    origin.count = origin.again = 0
    origin.kept = []


def _drop(recorder: Any, new: list[Position]) -> None:
    """Take new positions, from the last to the first, out of the trie."""
    first = new[-1]
    assert first.parent is not None
    for table in (first.parent.children, first.parent.cuts):
        if table.get(first.key) is first:
            del table[first.key]
    bytes = 0
    for position in new:
        bytes += position.weight
        position.children.clear()  # which know their parents
        position.cuts.clear()
    recorder.positions -= len(new)
    recorder.bytes -= bytes
