"""Places where a path goes on differently each time: the segment ends before them.

In: new steps where a known path branches. Out: places, each a line and a step's name, before which a segment is cut.
What precedes and what follows such a place are then paths of their own: a path for each way that either can go, not for
each combination. Segments of a program that changes everywhere become as short as single operations. Updates of many
tensors and sweeps through earlier segments are long, and the same whatever came before: they are cut off where they have
been recorded often.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from alight.record.sources import Line, user_line

ENTER, VIEW, MODE, COMPOUND = "enter", "view", "mode", "compound"
BRANCHES = 32  # of a path at one place, from which it is taken to change for ever
FORGIVEN = 200  # flushes that make up for one branch
PLACES = 10_000  # that are remembered
LONG = (COMPOUND, "program")  # an update of many tensors, a sweep through an earlier segment
REASON = "the path keeps changing here"


def note(recorder: Any, name: str, key: Hashable, line: Line) -> bool:
    """A step is new: whether the segment ends behind it, as it does where places change for ever.

    Its place is counted if it leaves a known path with work pending, or is long.
    """
    here = recorder.here
    leaves = recorder.turned or bool(here.counts.nodes and (here.children or here.cuts))
    kind = key[0] if key.__class__ is tuple else ENTER  # type: ignore[index]
    if kind in (ENTER, VIEW, MODE):  # for the step that follows
        recorder.turned = leaves
        return False
    recorder.turned = False
    place = line, kind if kind == "program" else name
    if leaves or (kind in LONG and here.counts.nodes):
        _count(recorder, place)
    return place in recorder.unsteady and kind not in (COMPOUND, "backward")


def _count(recorder: Any, place: tuple[Line, str]) -> None:
    count, lap = recorder.branches.get(place, (0.0, recorder.lap))
    count = max(0.0, count - (recorder.lap - lap) / FORGIVEN) + 1
    if len(recorder.branches) > PLACES:
        recorder.branches.clear()
        recorder.unsteady.clear()
    recorder.branches[place] = count, recorder.lap
    if count >= BRANCHES:
        recorder.unsteady.add(place)


def cut_before(recorder: Any, name: str) -> bool:
    """Run what is pending if the step that is about to be taken is at such a place; whether it was."""
    if not recorder.here.counts.nodes or (user_line(), name) not in recorder.unsteady:
        return False
    recorder.flush(REASON)
    return True
