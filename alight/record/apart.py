"""Views with a history of their own: `d = x.detach()` that something with gradients was written into.

The elements of such a view are those of what it views, its gradients are not. So what it was when its history came to
be is kept by a hidden tensor; when the view derives itself again, gradients go on to that.
"""

from __future__ import annotations

from typing import Any

from alight.ir.program import Program, Value
from alight.primitives import Detach
from alight.record.owners import register_once
from alight.record.trie import Tape
from alight.transforms.reverse import Region


def is_apart(link: Program) -> bool:
    """Whether no gradient flows from a view to what it views."""
    return any(node.primitive is Detach for node in link.nodes)


def has_own_past(view: Any) -> bool:
    """Whether a view's gradients go elsewhere than its elements come from."""
    meta = view._meta
    if not meta.requires_grad or meta.leaf or view._base is None:
        return False
    return is_apart(view._link)


def keep(recorder: Any, view: Any) -> None:
    """Let a hidden tensor take a view's place in the segment, or in its history: the view is about to lose it."""
    meta = view._meta.replace(strides=None)
    if recorder.owns(view):
        own = view._own = view._hidden(meta, view._slot)
        register_once(view)
        recorder.handles[view._slot - recorder.offset] = own
    elif view._history is not None:
        own = view._own = view._hidden(meta)
        own._history = view._history


def enter_own(recorder: Any, view: Any) -> int | None:
    """Enter the hidden tensor of a view with a history of its own; its slot."""
    if view._history is not None:
        keep(recorder, view)
    own, view._own = view._own, None
    if own is None:
        return None
    recorder.enter(own)
    slot: int = own._slot
    return slot


def rejoin(tape: Tape, start: int, value: Value, own: int) -> None:
    """Have the gradients of a view, derived by the nodes from `start` on, go on to its `own` earlier value."""
    tape.regions.append(Region(start, len(tape.nodes), (own,), (value.id,), _pass_on))


def _pass_on(ct: Value, out: Value, own: Value) -> tuple[Value]:
    return (ct,)
