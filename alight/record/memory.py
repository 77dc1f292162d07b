"""Which memory the values of a tape show, and what was written into it: what backward must not overlook.

In: a tape. Out: for each value, the *root value* that it is a view of, and the writes since then. A tensor's memory is
a chain of root values, each made of the one before by a write; a view is a value made of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alight.ir.program import Builder, Program
from alight.record.trie import Tape
from alight.record.views import link_strides

# Inside an operation these show an argument's memory, as the views do that PyTorch's operations take of it.
_MOVES = {"reshape", "permute", "expand", "slice"}


class Write(NamedTuple):
    """One write into some memory."""

    start: int  # number of the step's first node
    value: int  # the root value that it made
    silent: bool  # through x.data: the version stays
    through_view: bool


class Memory:
    """The memory of each value of a tape."""

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.slots: dict[int, int] = {}  # value -> its first slot
        for i, (value, _) in enumerate(tape.slots):
            self.slots.setdefault(value, i)
        # value -> what it is a view of, the program from there, the numbers that this takes
        self.views = {mark[1]: mark[2:] for mark in tape.marks if mark[0] == "shows"}
        self.inside = {
            node.outputs[0]: node
            for node in tape.nodes
            if node.primitive.name in _MOVES and node.outputs[0] not in self.slots
        }
        self.first: dict[int, int] = {}  # root value -> the first one of the same memory
        self.version: dict[int, int] = {}  # root value -> how many writes led to it
        self.writes: dict[int, list[Write]] = {}  # first root value -> all writes
        for mark in tape.marks:
            if mark[0] == "written":
                _, old, start, new, silent, through_view = mark
                first = self.first[new] = self.first.get(old, old)
                writes = self.writes.setdefault(first, [])
                writes.append(Write(start, new, silent, through_view))
                self.version[new] = len(writes)
        # (saved value, slot of the memory's owner, the numbers that say where it lies there): see memory_of
        self.roots: list[tuple[int, int, tuple[int, ...]]] = []
        self.known: dict[int, int | None] = {}  # value -> its root value

    def shown(self, value: int) -> int | None:
        """The tensor's value that a value shows: itself, or what an operation reshaped; None for intermediate results."""
        link = self._inside(value)
        if link is None or not link.nodes:
            return None if link is None else value
        at = link.inputs[0]  # PyTorch copies where strides allow no view
        strides = link_strides(link, self.tape.slots[self.slots[at]][1])
        return None if strides is None else at

    def _inside(self, value: int) -> Program | None:
        """The movement of elements by which an operation made a value of a tensor's; None where it is none."""
        at, nodes = value, []
        while at not in self.slots:
            if at not in self.inside:
                return None
            nodes.append(self.inside[at])
            at = nodes[-1].inputs[0]
        return Program(self.tape.types, [at], nodes[::-1], [value])

    def root(self, value: int) -> int | None:
        """The root value that a value is a view of; None for what no tensor shows."""
        if value in self.known:
            return self.known[value]
        at = self.shown(value)
        while at is not None and at in self.views:
            at = self.views[at][0]
        self.known[value] = at
        return at

    def later(self, value: int, readers: Sequence[int]) -> list[Write]:
        """Writes into a value's memory after it was saved; none for a copy that the writing step keeps for itself."""
        root = self.root(value)
        if root is None:
            return []
        writes = self.writes.get(self.first.get(root, root), [])[self.version.get(root, 0) :]
        return writes if writes and min(readers) < writes[0].start else []

    def path(self, value: int) -> tuple[Program, list[int]]:
        """What a value is of its root value, as a program; and the values that it takes: the root's first."""
        inside, tape = self._inside(value), self.tape
        assert inside is not None
        at, links = inside.inputs[0], []
        while at in self.views:
            viewed, link, numbers = self.views[at]
            links.append((link, numbers))
            at = viewed
        builder, read = Builder(), [at]
        shown = builder.input(tape.types[at])
        for link, numbers in reversed(links):
            read.extend(numbers)
            places = [builder.input(tape.types[number]) for number in numbers]
            (shown,) = builder.inline(link, [shown, *places])
        (shown,) = builder.inline(inside, [shown])
        return builder.finish([shown]), read


def memory_of(tape: Tape, saved: Sequence[int], sources: dict[int, tuple[str, int]]) -> Memory:
    """The memory of a tape that grows no more; `roots` says where each saved value lies in some tensor's memory."""
    if tape.memory is None:
        memory = tape.memory = Memory(tape)
        for value in saved:
            root = memory.root(value)
            if root is not None:
                numbers = [] if value == root else memory.path(value)[1][1:]
                places = tuple([sources[i][1] for i in numbers if i in sources])
                memory.roots.append((value, memory.slots[root], places))
    found: Memory = tape.memory
    return found
