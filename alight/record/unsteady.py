"""Places where a path goes on differently each time: the segment ends before them.

In: new steps where a known path branches. Out: places, each a line and a step's name, before which a segment is cut.
What precedes and what follows such a place are then paths of their own: a path for each way that either can go, not for
each combination. Segments of a program that changes everywhere become as short as single operations.
"""

from __future__ import annotations

from typing import Any

from alight.record.sources import Line, user_line

BRANCHES = 32  # of a path at one place, from which it is taken to change for ever
FORGIVEN = 200  # flushes that make up for one branch


def note(recorder: Any, line: Line) -> None:
    """A known path with work pending goes on in a new way at `line`."""
    place = line, recorder.doing
    count, lap = recorder.branches.get(place, (0.0, recorder.lap))
    count = max(0.0, count - (recorder.lap - lap) / FORGIVEN) + 1
    recorder.branches[place] = count, recorder.lap
    if count >= BRANCHES:
        recorder.unsteady.add(place)


def cut_before(recorder: Any) -> None:
    """Run what is pending if the step that is about to be taken is at such a place."""
    if recorder.here.counts.nodes and (user_line(), recorder.doing) in recorder.unsteady:
        recorder.flush("the path keeps changing here")
