"""The trie of recorded paths, and the tape that holds what each path computes.

A `Position` is where a path has got to; its `children` maps the key of the next step to the next position. The key is
(operation, slots of the inputs, static arguments); scalars that vary are not in it, only their Python type is.
A `Tape` is append-only; positions along a path share one and remember how far theirs reaches.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any, NamedTuple

from alight.ir.program import Builder, Value
from alight.ir.types import Type
from alight.record.meta import Meta
from alight.record.sources import Line
from alight.transforms.reverse import Region


class Counts(NamedTuple):
    """How far a tape is filled: lengths of its lists."""

    types: int
    nodes: int
    inputs: int
    slots: int
    buffers: int
    scalars: int
    regions: int
    functions: int
    marks: int
    bytes: int


class Argument(Value):
    """A value as the body of an operation receives it: with its tensor's meta, or as a Python number.

    `number` is the Python type of a scalar argument, None for a tensor. Scalars are weak in type promotion.
    """

    __slots__ = ("meta", "number")

    def __init__(
        self, id: int, type: Type, builder: Builder, meta: Meta | None, number: type | None
    ) -> None:
        super().__init__(id, type, builder)
        self.meta, self.number = meta, number


class Tape(Builder):
    """The program of a path as it grows, and what its slots, inputs and special values are."""

    def __init__(self) -> None:
        super().__init__()
        self.sources: list[
            tuple[str, int]
        ] = []  # of each program input: ("buffer" or "scalar", its number)
        self.slots: list[tuple[int, Meta]] = []  # value and meta of each slot
        self.regions: list[Region] = []
        self.functions: list[
            Any
        ] = []  # autograd.Function calls: FunctionCall, see alight.autograd.function
        self.marks: list[
            tuple[Any, ...]
        ] = []  # ("blocked", value), ("leaf", value), ("freed", node), ("shows", ...), ("written", ...): see memory.py
        self.memory: Any = None  # of a tape that grows no more: which memory its values show
        self.buffers = 0
        self.scalars = 0
        self.bytes = 0  # of all results so far

    def counts(self) -> Counts:
        """Where the tape ends now."""
        return Counts(
            len(self.types), len(self.nodes), len(self.inputs), len(self.slots), self.buffers, self.scalars,
            len(self.regions), len(self.functions), len(self.marks), self.bytes,
        )  # fmt: skip

    def truncate(self, to: Counts) -> None:
        """Drop what lies behind `to`: a step that failed leaves nothing."""
        del self.types[to.types :], self.nodes[to.nodes :], self.inputs[to.inputs :]
        del self.sources[to.inputs :], self.slots[to.slots :], self.regions[to.regions :]
        del self.functions[to.functions :], self.marks[to.marks :]
        self.buffers, self.scalars, self.bytes = to.buffers, to.scalars, to.bytes

    def prefix(self, to: Counts) -> Tape:
        """A tape of its own that ends at `to`."""
        copy = Tape()
        copy.types, copy.nodes = self.types[: to.types], self.nodes[: to.nodes]
        copy.inputs, copy.sources = self.inputs[: to.inputs], self.sources[: to.inputs]
        copy.slots, copy.regions = self.slots[: to.slots], self.regions[: to.regions]
        copy.functions, copy.marks = self.functions[: to.functions], self.marks[: to.marks]
        copy.buffers, copy.scalars, copy.bytes = to.buffers, to.scalars, to.bytes
        return copy

    def add_value(self, type: Type) -> Value:
        """A new value; its bytes count as pending."""
        self.bytes += type.bytes
        return super().add_value(type)

    def buffer_input(self, type: Type) -> Value:
        """A program input that is a tensor's buffer."""
        value = self.input(type)
        self.bytes -= type.bytes  # held already
        self.sources.append(("buffer", self.buffers))
        self.buffers += 1
        return value

    def scalar_input(self, type: Type) -> Value:
        """A program input that is a Python number given at the call."""
        value = self.input(type)
        self.sources.append(("scalar", self.scalars))
        self.scalars += 1
        return value

    def marked(self, kind: str) -> set[int]:
        """Values (or nodes) with marks of one kind."""
        return {mark[1] for mark in self.marks if mark[0] == kind}


class Step:
    """What a known step reads of a position: side by side in memory, of which a long path reads a lot."""

    __slots__ = ("children", "link", "meta", "slot")


class Position(Step):
    """A place in the trie: what the last step made, and where each next step leads."""

    __slots__ = (
        "cuts", "parent", "key", "name", "line", "metas", "views", "told", "tape", "counts",
        "plan", "used", "depth", "misses", "targets", "sweeps", "cut", "runs", "writes_leaf", "reason", "flush_line",
        "weight",
    )  # fmt: skip

    def __init__(
        self, parent: Position | None, key: Hashable, name: str, tape: Tape, line: Line | None
    ) -> None:
        self.children: dict[Hashable, Position] = {}  # steps that a wrapper may take by itself
        self.cuts: dict[Hashable, Position] = {}  # steps after which the segment is flushed
        self.parent, self.key, self.name, self.line = parent, key, name, line
        self.slot = -1  # first slot that this step made, with the recorder's offset
        self.meta: Any = None  # its meta
        self.metas: tuple[Meta, ...] = ()  # metas of all slots that this step made
        self.writes_leaf = False  # of a step that writes: a leaf that takes gradients is among them
        self.link: Any = None  # for a view: the Program from the value viewed to this one; several of several views
        self.views: int = 0 if parent is None else parent.views  # made on the path up to here
        self.told: tuple[int, ...] | None = (
            None  # of a write: handles of views made on the path that show it
        )
        self.tape = tape
        self.counts = tape.counts()
        self.cut = False  # the segment is flushed here
        self.plan: Any = None  # what a flush here runs
        self.used = 0  # lap of the last flush through here
        self.depth: int = 0 if parent is None else parent.depth + 1
        self.targets: tuple[
            int, ...
        ] = ()  # of a backward step: handles whose gradients its slots are
        self.sweeps: dict[Hashable, Any] = {}  # backward programs of a segment that ended here
        self.runs = 0  # flushes that ended here
        self.reason = ""  # of the first of them
        self.flush_line: Line | None = None
        self.misses = 0  # new steps recorded below: why this place keeps changing
        self.weight = 0  # bytes that go with it, about

    def path(self) -> list[Position]:
        """Positions from the root to here."""
        steps = []
        at: Position | None = self
        while at is not None:
            steps.append(at)
            at = at.parent
        return steps[::-1]


# Bytes, measured: what memory grows by for each of many paths of one network.
POSITION_BYTES = 1700  # a position with its key, its table and its metas
NODE_BYTES = 700  # a node of a tape with its types
COPIED_BYTES = 30  # of a copied tape, for each value
PLAN_BYTES, PLANNED_BYTES = 1500, 1000  # a plan; a node of its programs, ready to be interpreted


def weight_of(position: Position, start: Counts, copied: bool) -> int:
    """Bytes of a position whose step began at `start` of its tape, on a tape of its own if it was copied for it."""
    counts = position.counts
    weight = POSITION_BYTES + NODE_BYTES * (counts.nodes - start.nodes)
    return weight + COPIED_BYTES * counts.types if copied else weight


def _below(root: Position) -> list[Position]:
    """All positions of a trie, parents before children."""
    order = [root]
    for position in order:  # grows while it is read
        order.extend(position.children.values())
        order.extend(position.cuts.values())
    return order


def forget(roots: Sequence[Position], most: int) -> tuple[int, int]:
    """Keep about `most` bytes of paths, those that a flush ended in last; how many positions and bytes were dropped.

    A path that is kept is kept whole.
    """
    weights: dict[int, int] = {}  # lap -> bytes of what was last used then
    orders = []
    for root in roots:
        order = _below(root)
        orders.append(order)
        for position in reversed(order):
            parent = position.parent
            if parent is not None:
                parent.used = max(parent.used, position.used)
        for position in order:
            weights[position.used] = weights.get(position.used, 0) + position.weight
    oldest, kept = 0, 0
    for lap in sorted(weights, reverse=True):
        kept += weights[lap]
        if kept > most and oldest:
            break
        oldest = lap
    dropped = bytes = 0
    for order in orders:
        for position in order[1:]:
            if position.used >= oldest:
                continue
            dropped, bytes = dropped + 1, bytes + position.weight
            assert position.parent is not None
            for table in (position.parent.children, position.parent.cuts):
                if table.get(position.key) is position:
                    del table[position.key]
    return dropped, bytes
