"""Who views a tensor's memory: the tensor that owns it knows, by weak references, and tells its views of writes.

Most views are made by a step of a segment and gone by its end. They are not listed with the owner unless somebody may hold
them then: until then the path says which handles they are.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any
from weakref import ref

from alight.ir.program import Program
from alight.record.trie import Position


def root_of(tensor: Any) -> Any:
    """The tensor that owns the memory."""
    while tensor._base is not None:
        tensor = tensor._base
    return tensor


def attach(view: Any, base: Any, link: Program, numbers: tuple[Any, ...]) -> None:
    """Make `view` a view of `base`, at once."""
    view._base, view._link, view._numbers = base, link, numbers
    register(view)


def attach_made(recorder: Any) -> None:
    """Let the owners of memory know of the views that the steps of the pending segment have made so far."""
    at, known, steps = recorder.here, recorder.attached, []
    recorder.attached = at.views
    while at.views != known:
        if at.link is not None:
            steps.append(at)
        at = at.parent
    for step in reversed(steps):
        for view in recorder.handles[slice(*made_by(step, recorder.offset))]:
            if view._base is not None:
                register(view)


def made_by(step: Position, offset: int) -> tuple[int, int]:
    """The numbers of the first view that a step made, and of the handle behind the last."""
    first = step.slot - offset
    return first, first + (len(step.link) if step.link.__class__ is tuple else 1)


def register(view: Any) -> None:
    """Let the owner of the memory know of a view of it."""
    root = view._base
    while root._base is not None:  # `root_of`, without a call
        root = root._base
    views = root._views
    if views is None:
        root._views = [ref(view)]
        return
    count = len(views)
    if count > 32 and count & (count - 1) == 0:  # at 64, 128, ...
        views = root._views = [one for one in views if one() is not None]
    views.append(ref(view))


def register_once(view: Any) -> None:
    """The same of a view of which the owner may know."""
    if not any(one() is view for one in root_of(view)._views or ()):
        register(view)


def views_made(recorder: Any, owners: Sequence[Any]) -> tuple[int, ...]:
    """The handles of views that steps of the pending segment have made of the memory that some tensors own."""
    handles, roots = recorder.handles, set(map(id, owners))
    steps = [step for step in recorder.here.path() if step.link is not None]
    made = itertools.chain(*(range(*made_by(step, recorder.offset)) for step in steps))
    return tuple(
        i for i in made if handles[i]._base is not None and id(root_of(handles[i])) in roots
    )


def lasting(recorder: Any, watched: Sequence[Any]) -> tuple[int, ...]:
    """The handles of views that steps of a segment made and that somebody may hold: those that a plan does not watch."""
    handles = recorder.handles
    dead = {id(handles[i]) for one in watched for i in one.places}
    steps = [step for step in recorder.here.path() if step.link is not None]
    made = itertools.chain(*(range(*made_by(step, recorder.offset)) for step in steps))
    return tuple(i for i in made if handles[i]._base is not None and id(handles[i]) not in dead)


def attach_lasting(recorder: Any, places: Sequence[int]) -> None:
    """Let the owners of memory know of the views that outlive the segment which made them."""
    if recorder.attached:  # of some already
        attach_made(recorder)
        return
    for i in places:
        register(recorder.handles[i])


def attach_all(views: Sequence[Any], base: Any) -> None:
    """Let the owner of the memory know of several new views of `base`."""
    root = root_of(base)
    if root._views is None:
        root._views = []
    elif len(root._views) > 32:
        root._views = [one for one in root._views if one() is not None]
    root._views.extend(map(ref, views))
