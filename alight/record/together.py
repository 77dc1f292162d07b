"""Tensors that enter segments together: parameters, buffers, an optimizer's state.

In: tensors that entered a segment, and entered it again the next time. Out: one step in place of one for each. A
company forms by itself, at a position that is flushed again and again; its members know it. It parts when one of them
is not what it was: frozen, made a view, shared with NumPy, pending in another thread, or gone.
"""

from __future__ import annotations

import weakref
from functools import partial
from itertools import groupby
from typing import Any

from alight.record.specialized import copy_of
from alight.record.trie import Position

SMALLEST = 2  # tensors that are worth a company
MOST_KINDS = 1000
_kinds: dict[tuple[Any, ...], Kind] = {}


def _gather(refs: list[Any], metas: list[Any], members: list[Any], buffers: list[Any]) -> bool:
    """Look whether every member is what it was; add them and their buffers to the lists."""
    for ref, meta in zip(refs, metas, strict=True):
        tensor = ref()
        if tensor is None or tensor._slot != -1 or tensor._meta is not meta:
            return False
        members.append(tensor)
        buffers.append(tensor._buffer)
    return True


def _place(members: list[Any], slot: int) -> None:
    for tensor in members:
        tensor._slot = slot
        slot += 1


class Rank:
    """The members of one class, with functions of their own: see specialized.py."""

    __slots__ = ("gather", "metas", "place", "start", "stop")

    def __init__(self, metas: list[Any], start: int) -> None:
        self.metas, self.start, self.stop = metas, start, start + len(metas)
        self.gather, self.place = copy_of(_gather), copy_of(_place)


class Kind:
    """What the members of a company are, in order. Companies of one kind take one path: models of the same layers."""

    __slots__ = ("grads", "ranks")

    def __init__(self, classes: list[tuple[type, Any]]) -> None:
        self.ranks: list[Rank] = []
        for _, group in groupby(classes, lambda pair: pair[0]):
            start = self.ranks[-1].stop if self.ranks else 0
            self.ranks.append(Rank([meta for _, meta in group], start))
        self.grads = [i for i, (_, meta) in enumerate(classes) if meta.requires_grad]


class Company:
    """Some tensors, held weakly, that enter as one step where `position.gathers` is their kind."""

    __slots__ = ("kind", "members", "ranks")

    def __init__(self, tensors: list[Any], kind: Kind) -> None:
        self.kind = kind
        self.members = [weakref.ref(tensor) for tensor in tensors]
        self.ranks = [(rank, self.members[rank.start : rank.stop]) for rank in kind.ranks]
        for tensor in tensors:
            tensor._company = self

    def part(self) -> None:
        """From now on each enters by itself."""
        for ref in self.members:
            tensor = ref()
            if tensor is not None and tensor._company is self:
                tensor._company = None

    def enter(self, recorder: Any) -> bool:
        """Give every member a slot; False, and no company any more, if one of them is not what it was."""
        members: list[Any] = []
        buffers: list[Any] = []
        for rank, refs in self.ranks:
            if not rank.gather(refs, rank.metas, members, buffers):
                self.part()
                return False
        kind = self.kind
        position = recorder.here.children.get(kind)
        if position is None:
            position = recorder.extend(kind, "enter", partial(_trace, recorder, members))
        recorder.handles += members
        for rank, _ in self.ranks:
            some = members if len(self.ranks) == 1 else members[rank.start : rank.stop]
            rank.place(some, position.slot + rank.start)
        recorder.inputs += buffers
        if kind.grads:
            recorder.leaves += [members[i] for i in kind.grads]
        recorder.here = position
        return True


def _trace(recorder: Any, members: list[Any], tape: Any) -> None:
    for tensor in members:
        recorder.trace_enter(tape, tensor)


def leave(tensor: Any) -> None:
    """Called where a tensor becomes something else: a view, or shared with NumPy."""
    if tensor._company is not None:
        tensor._company.part()


def observe(recorder: Any, end: Position) -> None:
    """At the end of a segment that was run 1, 3, 7, ... times: note who entered; a run later: unite who is still there.

    Rarely, since where the tensors are others each time, as batches of data are, nothing comes of it.
    """
    found = _entered(recorder, end)
    if end.entered is None:
        end.entered = [weakref.ref(tensor) for _, tensor in found]
        return
    before = {id(ref()) for ref in end.entered}
    end.entered = None
    again = [(position, tensor) for position, tensor in found if id(tensor) in before]
    for position, tensor in again:
        if tensor._company is not None:  # united on another path
            assert position.parent is not None
            position.parent.gathers = tensor._company.kind
            return
    if len(again) >= SMALLEST and again[0][0].parent is not None:
        again[0][0].parent.gathers = _unite([tensor for _, tensor in again])


def _unite(tensors: list[Any]) -> Kind:
    """Make a company of some tensors."""
    tensors = sorted(tensors, key=lambda tensor: type(tensor).__name__)
    classes = [(type(tensor), tensor._meta) for tensor in tensors]
    if len(_kinds) > MOST_KINDS:
        _kinds.clear()
    kind = _kinds.setdefault(tuple((cls, meta.number) for cls, meta in classes), Kind(classes))
    Company(tensors, kind)
    return kind


def _entered(recorder: Any, end: Position) -> list[tuple[Position, Any]]:
    """The steps by which single plain tensors entered, and the tensors."""
    found = []
    for position in end.path():
        if position.name == "enter" and position.key.__class__ is int:
            tensor = recorder.handles[position.slot - recorder.offset]
            if tensor._base is None and not tensor._shared:
                found.append((position, tensor))
    return found
