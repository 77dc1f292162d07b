"""What a flushed segment keeps for a backward that comes later: its tape, and the values that gradients read."""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Hashable, Sequence
from typing import Any

from alight.ir.program import Value
from alight.record.memory import memory_of
from alight.record.trie import Position, Tape
from alight.transforms.reverse import Backward, Region, reverse

_serials = itertools.count()


class Entry:
    """A tensor's place in a history."""

    __slots__ = ("history", "value")

    def __init__(self, history: History, value: int) -> None:
        self.history, self.value = history, value


class History:
    """One flushed segment of which gradients may still be asked."""

    __slots__ = (
        "serial", "position", "tape", "values", "inputs", "calls", "owed", "versions", "freed", "freed_at", "hooked",
        "holders", "memory", "node_hooks", "packed", "retained", "scalars", "segment", "views",
    )  # fmt: skip

    def __init__(
        self, position: Position, tape: Tape, values: dict[int, Any], scalars: list[Any]
    ) -> None:
        self.serial = next(_serials)
        self.position, self.tape = position, tape
        self.values = values  # residual -> buffer
        self.scalars = scalars  # Python numbers that were given to the steps
        self.inputs: dict[
            int, tuple[Any, Any]
        ] = {}  # value -> (tensor that entered with it, its own history's entry)
        self.calls: Sequence[Any] = ()  # contexts of autograd.Function calls
        self.owed: frozenset[int] = frozenset()
        self.versions: dict[
            int, tuple[Any, int, int, Sequence[Any]]
        ] = {}  # residual -> (owner of the memory it lies in, its version and writes through .data then, where there)
        self.memory: Any = None  # which memory values show
        self.freed: set[int] = set()  # numbers of nodes whose residuals were given up
        self.freed_at: Any = None  # the line of the backward that gave them up
        self.hooked: dict[int, Any] = {}  # value -> tensor whose hooks want its gradient
        self.holders: dict[int, Any] = {}  # residual -> tensor to enter it with
        self.retained: dict[int, Any] = {}  # value -> tensor that keeps its gradient
        self.views: list[
            tuple[Any, int]
        ] = []  # views that take gradients, weakly, and their values
        self.packed: dict[int, Any] = {}  # residual -> what saved_tensors_hooks made of it
        self.node_hooks: Any = None  # step -> hooks on its backward node
        self.segment: Any = None  # the steps as a graph, if somebody has looked at a grad_fn

    @staticmethod
    def of_segment(recorder: Any, position: Position, plan: Any, buffers: list[Any]) -> History:
        """Keep what `plan` says of the segment that has just run on `buffers`: inputs, numbers and results."""
        values = dict(zip(plan.residuals, plan.saved(buffers)))  # noqa: B905  (as everywhere in a flush)
        history = History(position, plan.tape, values, recorder.scalars)
        handles = recorder.handles
        for kind, value, slot in plan.entered:
            tensor = handles[slot]
            history.inputs[value] = tensor, tensor._history if kind == "past" else None
        history.calls, history.owed = recorder.calls, plan.owed
        if plan.freed:
            history.freed.update(plan.freed)
        history.node_hooks, history.segment = recorder.node_hooks or {}, recorder.segment
        if history.segment is not None:
            history.segment.settle(history)
        history.memory = memory_of(plan.tape, plan.residuals, plan.sources)
        for value, slot, places in history.memory.roots:
            root = handles[slot]
            while root._base is not None:
                root = root._base
            numbers = [recorder.scalars[i] for i in places] if places else ()
            history.versions[value] = root, root._writes, root._unnoticed, numbers
        for i, value in plan.views:
            if handles[i]._slot == i + recorder.offset:
                history.add_view(handles[i], value)
        if recorder.hooked:
            history._note_hooks(recorder)
        return history

    def _note_hooks(self, recorder: Any) -> None:
        """Which values wait for their gradient, or keep it."""
        slots = self.tape.slots
        for slot, tensor in recorder.hooked_slots.items():
            if not tensor.is_leaf:
                self.hooked[slots[slot][0]] = tensor
        for tensor in recorder.retained:  # follows the tensor through writes, as hooks do not
            if recorder.owns(tensor) and not tensor.is_leaf:
                self.retained[slots[tensor._slot - recorder.offset][0]] = tensor

    def add_view(self, view: Any, value: int) -> None:
        """A view derives itself again in each segment that uses it; gradients are asked for by the tensor."""
        self.views.append((weakref.ref(view), value))
        view._history = self.entry(value)
        if view._hooks:
            self.hooked[value] = view
        if view._retains_grad:
            self.retained[value] = view

    def entry(self, value: int) -> Entry:
        """The place of one of its values."""
        return Entry(self, value)


def active_inputs(tape: Tape) -> list[int]:
    """Values at which a backward sweep through a tape ends: leaves, and entered tensors with a history."""
    return [mark[1] for mark in tape.marks if mark[0] in ("leaf", "past")]


def sweep(
    tape: Tape, outputs: list[int], wrt: list[int], start: int = 0, stop: int | None = None
) -> Backward:
    """Reverse mode through nodes [start, stop) of a tape."""
    stop = len(tape.nodes) if stop is None else stop
    regions = [
        region._replace(start=region.start - start, stop=region.stop - start)
        for region in tape.regions
        if start <= region.start and region.stop <= stop
    ]
    return reverse(
        tape.types, tape.nodes[start:stop], outputs, wrt, tape.marked("blocked"), regions
    )


def owed_residuals(
    tape: Tape, outputs: set[int], sweeps: dict[Hashable, Any]
) -> tuple[set[int], list[int]]:
    """Which of the alive `outputs` a later backward may start from, and the values that it would read.

    The sweep from all of them goes to `sweeps`: most passes are that one.
    """
    freed = {out for i in tape.marked("freed") for out in tape.nodes[i].outputs}
    owed = {value for value in outputs if value not in freed}
    if not owed:
        return set(), []
    wrt = active_inputs(tape)
    starts = owed
    while True:
        backward = _lenient_sweep(tape, starts, wrt)
        if backward.complete and not tape.functions:
            sweeps[tuple(sorted(starts)), 0, len(tape.nodes)] = backward
        # With create_graph, a later pass starts from what an earlier one read: svdvals reads U and V, std the mean.
        apart = {value for value in backward.residuals if value in backward.unswept}
        if not apart:
            return owed.difference(wrt), list(backward.residuals)
        starts = starts | apart


def _lenient_sweep(tape: Tape, outputs: set[int], wrt: list[int]) -> Backward:
    """Reverse mode through a whole tape, as far as its rules go."""
    crossing: list[Value] = []  # cotangents that Python code will take

    def python_code(ct: Any, out: Any, *inputs: Value) -> tuple[Value, ...]:
        crossing.extend(ct if isinstance(ct, tuple) else (ct,))
        return tuple(
            value.builder.input(value.type) for value in inputs
        )  # what it will give is not known

    walls = [
        Region(call.start, call.stop, call.inputs, call.outputs, python_code)
        for call in tape.functions
    ]
    return reverse(
        tape.types,
        tape.nodes,
        sorted(outputs),
        wrt,
        tape.marked("blocked"),
        [*tape.regions, *walls],
        crossing,
        lenient=True,
    )
