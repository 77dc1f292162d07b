"""Tensors that one step alone reads and writes, again and again: an optimizer's state. They enter and leave as one.

In: plain tensors. Out: a `Kept`, which holds their buffers. Each of them has a slot in a range of the Kept's own, as if
it were pending in another thread: whoever meets one asks the owner of that slot, which lets it go with its value. Then it
is a tensor like any other, until the next step takes it back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import ref


class Kept:
    """The buffers of tensors that only their owner's step has to do with, from step to step."""

    def __init__(self, tensors: Sequence[Any], first_slot: int) -> None:
        self.types = tuple([tensor._meta.type for tensor in tensors])
        self.key = tuple([tensor._meta.number for tensor in tensors])  # in the key of the step
        self.slots = [*range(first_slot, first_slot + len(tensors))]
        self.buffers: Sequence[Any] = [tensor._buffer for tensor in tensors]
        self.refs = [*map(ref, tensors)]  # weakly: they hold it, as long as it has their values
        self.steps = 0  # writes since, into each
        self.recorder: Any = None  # where new values are pending
        for tensor, slot in zip(tensors, self.slots, strict=True):
            tensor._kept, tensor._slot, tensor._buffer = self, slot, None

    def is_whole(self, slots: list[int], recorder: Any) -> bool:
        """Whether tensors with these slots are all that were kept, ready for a step of `recorder`."""
        return slots == self.slots and self.recorder is None and not recorder.transforming

    def tensors(self) -> list[Any]:
        """All of them, also those that were let go."""
        return [one() for one in self.refs]

    def enter(self, recorder: Any) -> None:
        """A step of `recorder` reads the tensors, and will give them new values."""
        recorder.inputs.extend(self.buffers)
        recorder.held.append(self)
        self.steps += 1
        self.recorder = recorder

    def settle(self, buffers: Sequence[Any], failed: bool) -> None:
        """The values are there; None for those that a failure left as they were."""
        if failed:
            both = zip(buffers, self.buffers, strict=True)
            buffers = [old if new is None else new for new, old in both]
        self.recorder, self.buffers = None, buffers

    def peek(self, tensor: Any) -> Any:
        """Let one of the tensors go; its buffer."""
        at, recorder = tensor._slot - self.slots[0], self.recorder
        if recorder is None:
            buffer = self.buffers[at]
        elif recorder.is_current():
            recorder.flush("a step's state is used")
            buffer = self.buffers[at]
        else:
            buffer = recorder.peek_kept(self, at)
        tensor._kept, tensor._slot, tensor._buffer = None, -1, buffer
        tensor._writes += self.steps
        return buffer


def keep(recorder: Any, tensors: Sequence[Any]) -> Kept | None:
    """A new Kept of these tensors; None where one of them is more than a plain tensor."""
    for tensor in tensors:
        if tensor._kept is not None:
            tensor._kept.peek(tensor)
    if recorder.transforming or not all(map(_is_plain, tensors)):
        return None
    if len(set(map(id, tensors))) < len(tensors):
        return None
    return Kept(tensors, recorder.new_range())


def writes_of(tensor: Any) -> int:
    """How often a tensor's memory was written, by the steps that it is kept for too."""
    kept: Kept | None = tensor._kept
    return int(tensor._writes if kept is None else tensor._writes + kept.steps)


def _is_plain(tensor: Any) -> bool:
    """Whether a tensor is its buffer, and nothing depends on it."""
    is_own = tensor._slot == tensor.__class__._slot == -1  # a subclass may look at each use
    is_bare = tensor._base is None and tensor._history is None
    is_viewed = bool(tensor._views) and any(one() is not None for one in tensor._views)
    is_known = tensor._buffer is not None and not tensor._shared
    return is_own and is_bare and is_known and not (is_viewed or tensor._meta.requires_grad)
