"""Values of views that are parts are read by one index."""

import pytest
import torch as oracle

import alight
from alight.backends.interpreter.parts import part_of

PLACES = {
    "element": (1, 2, 3),
    "from the end": (-1, -2, -3),
    "row": (0,),
    "range": (slice(1, 3), 2),
    "steps": (slice(None), slice(1, 4, 2), slice(None, None, 3)),
    "steps and an element": (slice(None, None, 2), 1),
    "new axes": (None, 1, None, slice(2, 4)),
    "nothing": (slice(2, 2),),
    "rest": (..., 2),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_part_read_alone(name):
    ours = alight.arange(60.0).reshape(3, 4, 5)
    theirs = oracle.arange(60.0).reshape(3, 4, 5)
    ours.tolist()
    part = ours[PLACES[name]]
    assert part_of(part._link) is not None
    assert part.tolist() == theirs[PLACES[name]].tolist()
    part += 1
    theirs[PLACES[name]] += 1
    assert ours.tolist() == theirs.tolist()


def test_other_views_are_interpreted():
    """A transpose is no part, and a view of a view is read link by link."""
    ours, theirs = alight.arange(12.0).reshape(3, 4), oracle.arange(12.0).reshape(3, 4)
    ours.tolist()
    assert part_of(ours.t()._link) is None
    assert ours.t()[1:, 2].tolist() == theirs.t()[1:, 2].tolist()
    assert ours.unfold(1, 2, 1)[1, 2].tolist() == theirs.unfold(1, 2, 1)[1, 2].tolist()
