"""Which memory the values of a tape show, and what was written into it: what backward must not overlook.

In: a tape. Out: for each value, the *root value* that it is a view of, and the writes since then. A tensor's memory is
a chain of root values, each made of the one before by a write; a view is a value made of one of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alight.ir.program import Node, Program, prune
from alight.record.trie import Tape

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
        self.views = {mark[1]: mark[2] for mark in tape.marks if mark[0] == "shows"}
        self.inside = {
            node.outputs[0]: node.inputs[0]
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
        self._maker: dict[int, Node] = {}
        # (saved value, slot of the memory's owner, the numbers that say where it lies there): see memory_of
        self.roots: list[tuple[int, int, tuple[int, ...]]] = []

    def shown(self, value: int) -> int | None:
        """The tensor's value that a value shows: itself, or what an operation reshaped; None for intermediate results."""
        at: int | None = value
        while at is not None and at not in self.slots:
            at = self.inside.get(at)
        return at

    def root(self, value: int) -> int | None:
        """The root value that a value is a view of; None for what no tensor shows."""
        at = self.shown(value)
        while at in self.views:
            at = self.views[at]
        return at

    def later(self, value: int, readers: Sequence[int]) -> list[Write]:
        """Writes into a value's memory after it was saved; none for a copy that the writing step keeps for itself."""
        root = self.root(value)
        if root is None:
            return []
        writes = self.writes.get(self.first.get(root, root), [])[self.version.get(root, 0) :]
        return writes if writes and min(readers) < writes[0].start else []

    def path(self, value: int) -> tuple[Program, list[int]]:
        """What a value is of its root value, as a program; and the values that this reads: the root's first."""
        root = self.root(value)
        assert root is not None
        if not self._maker:
            self._maker = {out: node for node in self.tape.nodes for out in node.outputs}
        nodes, read, seen = [], [root], [value]
        for at in seen:  # grows while it is read
            node = self._maker.get(at)
            if at == root:
                continue
            if node is None or (at in self.slots and at not in self.views):
                read.append(at)
                continue
            nodes.append(node)
            seen.extend(i for i in node.inputs if i not in seen)
        nodes.sort(key=lambda node: node.outputs[0])
        return prune(Program(self.tape.types, read, nodes, [value])), read


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
