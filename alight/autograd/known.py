"""The ordinary `loss.backward()` after the loss was read: one flushed segment, its steps known, no Python in between.

In: a tensor whose history lies in a flushed segment. Out: the leaves that it depends on, and the step at which their
gradients are made; None where anything is out of the ordinary, and `engine.run` does it piece by piece.
"""

from __future__ import annotations

from typing import Any

from alight.autograd.overwritten import is_unwritten
from alight.autograd.past import saved_buffer
from alight.record.history import History
from alight.record.sources import user_line
from alight.record.trie import Position
from alight.tensor import new_handle


def sweep_past(recorder: Any, tensor: Any) -> tuple[list[Any], Position] | None:
    """Take the steps of a pass from `tensor` through its history, the same that `engine.run` takes."""
    history, value = tensor._history.history, tensor._history.value
    if recorder.transforming or tensor._base is not None or not _is_ordinary(history):
        return None
    outputs = (value,)
    piece = outputs, 0, len(history.tape.nodes)
    sweeps = history.position.sweeps
    found, used_up = sweeps.get(piece), sweeps.get(("used up", outputs, None))
    if found is None or used_up is None or recorder.enter(tensor):
        return None
    slot = tensor._slot
    first = recorder.here.children.get(("backward", False, False, ((slot, None),), ()))
    if first is None or first.targets != (slot - recorder.offset,):
        return None
    key = "program", found.program.number, False, (first.slot,), len(found.residuals)
    last = first.children.get(key)
    entered = [history.inputs[value] for value in found.reached]
    leaves = [leaf for leaf, entry in entered if entry is None and not leaf._watched]
    if last is None or len(set(map(id, leaves))) < len(entered):
        return None
    saved = [saved_buffer(history, value) for value in found.residuals]
    recorder.handles.append(new_handle(first.meta, first.slot))  # the cotangent of the tensor
    recorder.inputs.extend(saved)
    recorder.here = last
    traversed, made = used_up
    history.freed.update(traversed)
    history.freed_at = user_line()
    if history.owed <= made:
        history.values.clear()
        history.holders.clear()
    return leaves, last


def _is_ordinary(history: History) -> bool:
    """Whether no hook or Function waits in a segment, no pass has used it, and nothing that it saved was written."""
    if history.hooked or history.retained or history.node_hooks or history.tape.functions:
        return False
    if history.packed or history.freed or history.memory.writes:
        return False
    return is_unwritten(history)
