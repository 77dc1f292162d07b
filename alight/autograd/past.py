"""A flushed segment that a backward pass goes back through.

In: cotangents of some of its values. Out: gradients of the tensors that entered it. It is swept in pieces that end where
Python has to run: at a tensor with hooks, a node with hooks, the call of an `autograd.Function`; at every step while
anomalies are looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from alight.autograd.frames import (
    SECOND_TIME,
    Found,
    gradient_meta,
    second_time,
    used_up,
)
from alight.autograd.modes import anomaly, no_recording
from alight.autograd.overwritten import check_past
from alight.backends.base import backend_of, view_buffer
from alight.errors import fail
from alight.primitives.arithmetic import fresh
from alight.record import unsteady
from alight.record.history import History, active_inputs, sweep
from alight.record.meta import Meta
from alight.record.sources import user_line
from alight.record.trie import Position, Tape
from alight.tensor import Tensor, new_handle, wrap
from alight.transforms.reverse import active_values


class Stop(NamedTuple):
    """Where a sweep stops: before node number `at`, for a hooked value, a step, or the call of a Function."""

    at: int
    rank: int  # of two stops at one place, the lower comes first
    run: Callable[[], int]  # what is done there; the node number to go on from


class PastFrame:
    """A history and the cotangents that have reached it."""

    def __init__(
        self,
        recorder: Any,
        history: History,
        retain: bool,
        create_graph: bool,
        wanted: Sequence[Tensor],
    ) -> None:
        self.recorder, self.history = recorder, history
        self.retain, self.create_graph = retain, create_graph
        self.cotangents: dict[int, Tensor] = {}
        self.whole: dict[
            int, Tensor
        ] = {}  # gradients of wanted values, kept when the sweep passes them
        self.wanted = {
            tensor._history.value: tensor
            for tensor in wanted
            if tensor._history is not None and tensor._history.history is history
        }
        for ref, value in history.views if wanted else ():
            for tensor in wanted:
                if ref() is tensor:
                    self.wanted[value] = tensor

        self.wanted_ids = {id(one) for one in wanted}
        # nothing that is wanted lies before this segment
        self.closed = bool(wanted) and len(self.wanted_ids) == len(self.wanted)

    def give(self, value: int, gradient: Tensor) -> None:
        """Add to the cotangent of a value."""
        held = self.cotangents.get(value)
        self.cotangents[value] = gradient if held is None else held + gradient

    def sweep(self) -> list[Found]:
        """Take the cotangents back to what entered this segment."""
        history, tape = self.history, self.history.tape
        found: list[Found] = []
        outputs = list(self.cotangents)
        end = len(tape.nodes)
        for stop in self._stops():
            if stop.at <= end:
                self.piece(stop.at, end)
                end = stop.run()
        self.piece(0, end)
        for value, tensor in self.wanted.items():
            entered, _ = history.inputs.get(value, (None, None))
            gradient = self.whole.get(value, self.cotangents.get(value))
            if gradient is not None and entered is not tensor:
                found.append((tensor, None, gradient))
        for value, (tensor, entry) in () if self.closed else history.inputs.items():
            if value in self.cotangents:
                found.append((tensor, entry, self.cotangents[value]))
        if not self.retain:
            traversed, made = self._used_up(outputs)
            history.freed.update(traversed)
            history.freed_at = history.freed_at or user_line()
            for call in tape.functions:
                if call.start in history.freed:
                    history.calls[call.number].release()
            if history.owed <= made:
                history.values.clear()
                history.packed.clear()
                history.holders.clear()
        return found

    def _used_up(self, outputs: Sequence[int]) -> tuple[frozenset[int], frozenset[int]]:
        """The nodes that a pass uses up, and the values that they made."""
        tape, ends = self.history.tape, self._ends()
        key = "used up", tuple(outputs), None if ends is None else tuple(ends)
        found = self.history.position.sweeps.get(key)
        if found is None:
            nodes = used_up(tape, len(tape.nodes), outputs, ends)
            made = frozenset(out for i in nodes for out in tape.nodes[i].outputs)
            found = self.history.position.sweeps[key] = frozenset(nodes), made
        return found  # type: ignore[no-any-return]

    def _ends(self) -> list[int] | None:
        """Values at which a pass to what is wanted ends; None where all leaves are."""
        if not self.wanted_ids:
            return None
        inputs = () if self.closed else self.history.inputs.items()
        return [
            *self.wanted,
            *(v for v, (one, entry) in inputs if entry is not None or id(one) in self.wanted_ids),
        ]

    # -- where Python runs ---------------------------------------------------------------------------------------------

    def _stops(self) -> list[Stop]:
        """Places where Python runs, from last to first."""
        history, tape = self.history, self.history.tape
        waiting = history.hooked or history.retained or self.wanted or history.node_hooks
        if not (waiting or tape.functions or anomaly.enabled):
            return []
        makers = {out: i for i, node in enumerate(tape.nodes) for out in node.outputs}
        stops = [
            Stop(makers[value] + 1, 0, lambda value=value: self._hook(value, makers[value] + 1))  # type: ignore[misc]
            for value in dict.fromkeys((*history.hooked, *history.retained, *self.wanted))
            if value in makers
        ]
        stops += [Stop(call.stop, 1, lambda call=call: self._call(call)) for call in tape.functions]  # type: ignore[misc]
        called = {call.start for call in tape.functions}
        for step in history.position.path() if anomaly.enabled else history.node_hooks:
            start = 0 if step.parent is None else step.parent.counts.nodes
            if step.counts.nodes > start and start not in called:
                stops.append(Stop(step.counts.nodes, 1, lambda step=step: self._step(step)))  # type: ignore[misc]
        return sorted(stops, key=lambda stop: (-stop.at, stop.rank))

    def _hook(self, value: int, at: int) -> int:
        """Run the hooks of a tensor on its whole gradient."""
        if value not in self.cotangents:
            return at
        hooked, retained = self.history.hooked.get(value), self.history.retained.get(value)
        with no_recording(self.create_graph):
            hooks = {} if hooked is None else hooked._hooks or {}
            for hook in list(hooks.values()):
                self.cotangents[value] = hooked_gradient(hook, self.cotangents[value])
            if retained is not None:
                held, gradient = retained._grad, self.cotangents[value]
                retained._grad = gradient if held is None else held + gradient
        if value in self.wanted:
            self.whole[value] = self.cotangents[value]
        return at

    def _step(self, step: Position) -> int:
        """Sweep the nodes of one step alone: for hooks on its backward node, and in the search for NaN."""
        parent = step.parent
        assert parent is not None
        history = self.history
        made = [value for value, _ in history.tape.slots[parent.counts.slots : step.counts.slots]]
        given = [self.cotangents.pop(value, None) for value in made]
        if all(gradient is None for gradient in given):
            return step.counts.nodes
        hooks = list(history.node_hooks.get(step, {}).values())
        given = _run_hooks([hook for kind, hook in hooks if kind == "pre"], given)
        others = self.cotangents
        self.cotangents = {v: g for v, g in zip(made, given, strict=True) if g is not None}
        self.piece(parent.counts.nodes, step.counts.nodes)
        found, self.cotangents = self.cotangents, others
        read = values_read(history, step)
        gradients = [None if value is None else found.get(value) for value in read]
        gradients = _run_hooks([hook for kind, hook in hooks if kind == "post"], gradients, given)
        if anomaly.enabled and anomaly.check_nan:
            _refuse_nan(step, gradients)
        found.update(
            (v, g) for v, g in zip(read, gradients, strict=True) if v is not None and g is not None
        )
        for value, gradient in found.items():
            self.give(value, gradient)
        return parent.counts.nodes

    def _call(self, call: Any) -> int:
        """Run the backward of an `autograd.Function`."""
        from alight.autograd.function import call_backward

        given = [self.cotangents.pop(value, None) for value in call.outputs]
        if all(gradient is None for gradient in given):
            return call.start
        if call.start in self.history.freed:
            second_time(self.history.tape, self.history)
        with no_recording(self.create_graph):
            gradients = call_backward(call, self.history.calls[call.number], given, self.history)
        for value, gradient in zip(call.inputs, gradients, strict=True):
            if gradient is not None:
                self.give(value, gradient)
        return call.start

    # -- a piece ---------------------------------------------------------------------------------------------------------

    def piece(self, start: int, stop: int) -> None:
        """Sweep nodes [start, stop): cotangents of values made there become cotangents of what they read."""
        if not self.cotangents or start >= stop:
            return
        history, tape = self.history, self.history.tape
        outputs = tuple(sorted(self.cotangents))
        key = outputs, start, stop
        found = history.position.sweeps.get(key)
        if found is None:
            earlier = {out for node in tape.nodes[:start] for out in node.outputs}
            active = _active(history)
            wrt = [*active_inputs(tape), *(value for value in active if value in earlier)]
            found = history.position.sweeps[key] = sweep(tape, list(outputs), wrt, start, stop)
        if found.program.number < 0 and history.position.plan is None:  # its path passes
            found.program.number_apart()
        stale = check_past(found, history, start, lambda: second_time(tape, history))
        given = [self.cotangents[value] for value in outputs]
        saved: list[Any] = []
        if self.create_graph or stale or history.packed or self.recorder.transforming:
            given += [
                self._as_it_is_now(v) if v in stale else self._residual(v) for v in found.residuals
            ]
        else:
            saved = [saved_buffer(history, value) for value in found.residuals]
        gradients = run_program(self.recorder, found.program, given, self.create_graph, saved)
        self.cotangents = dict(zip(found.reached, gradients, strict=True))

    def _as_it_is_now(self, value: int) -> Tensor:
        """A saved value whose memory was written unnoticed: what lies there now."""
        history = self.history
        program, _ = history.memory.path(value)
        root, _, _, numbers = history.versions[value]
        buffer = root.flush("backward reads what .data wrote")
        return wrap(view_buffer(program, [buffer, *numbers]), Meta(history.tape.types[value]))

    def _residual(self, value: int) -> Tensor:
        """A tensor that stands for a saved value; with its own past where a second derivative may be asked."""
        history = self.history
        if self.create_graph and value in history.inputs:
            return history.inputs[value][0]
        holder = history.holders.get(value)
        if holder is None:
            if value in history.packed:
                holder = history.holders[value] = history.packed[value].tensor()
                return holder
            meta = Meta(history.tape.types[value])
            holder = history.holders[value] = wrap(saved_buffer(history, value), meta)
        if self.create_graph and holder._history is None and value in _active(history):
            holder._history = history.entry(value)
            holder._meta = holder._meta.replace(requires_grad=True, leaf=False, origin="saved")
        return holder


def saved_buffer(history: History, value: int) -> Any:
    """The buffer of a saved value."""
    buffer = history.values.get(value)
    if buffer is None:
        second_time(history.tape, history)
    if buffer.__class__ in (int, float, bool, complex):
        type = history.tape.types[value]
        buffer = backend_of(type.device).from_host(buffer, type.dtype)
    return buffer


def _active(history: History) -> set[int]:
    """Values of a history that gradients flow through."""
    tape = history.tape
    active = history.position.sweeps.get("active")
    if active is None:
        active = history.position.sweeps["active"] = active_values(
            tape.types,
            tape.nodes,
            active_inputs(tape),
            tape.marked("blocked"),
            tape.regions,
            tape.functions,
        )
    return active


def values_read(history: History, step: Position) -> list[int | None]:
    """The values that a step read, one for each edge of its node."""
    from alight.autograd.graph import Segment

    if history.segment is None:
        history.segment = Segment(history=history)
    segment = history.segment
    slots = history.tape.slots
    return [
        None if slot is None else slots[slot - segment.offset][0] for slot in segment.read(step)
    ]


# -- hooks -------------------------------------------------------------------------------------------------------------


def hooked_gradient(hook: Callable[..., Any], gradient: Tensor) -> Tensor:
    """What a tensor's hook makes of its gradient."""
    replaced = hook(gradient)
    if replaced is None:
        return gradient
    name = getattr(hook, "__name__", type(hook).__name__)
    if not isinstance(replaced, Tensor):
        fail(
            TypeError,
            f"hook '{name}' has changed the type of value (was torch.Tensor got {type(replaced).__name__})",
        )
    if replaced.shape != gradient.shape:
        fail(RuntimeError, f"hook '{name}' has changed the size of value")
    return replaced


def _run_hooks(
    hooks: Iterable[Callable[..., Any]], gradients: list[Any], *more: list[Any]
) -> list[Any]:
    """Let hooks of a node replace gradients."""
    for hook in hooks:
        replaced = hook(tuple(gradients), *(tuple(one) for one in more))
        if replaced is not None:
            gradients = list(replaced) if isinstance(replaced, (tuple, list)) else [replaced]
    return gradients


def _refuse_nan(step: Position, gradients: Sequence[Tensor | None]) -> None:
    from alight.autograd.names import backward_name

    for i, gradient in enumerate(gradients):
        if gradient is not None and gradient.isnan().any().item():
            name = backward_name(step.meta.origin or step.name)
            line = step.line
            place = f"{line}  {getattr(line, 'text', '')}"
            anomaly.warn(name, place)
            fail(
                RuntimeError,
                f"Function '{name}' returned nan values in its {i}th output.",
                facts=[f"recorded at {place}"],
                try_="a value inside the function's domain: x.clamp(min=1e-12) before sqrt or log",
            )


# -- running -----------------------------------------------------------------------------------------------------------


def call_node(node: Any, grads: Sequence[Any]) -> list[Tensor | None]:
    """Gradients of what a node read, from those of what it made: `node(grad)`."""
    from alight.autograd.graph import AccumulateGrad

    if isinstance(node, AccumulateGrad):
        from alight.autograd.engine import accumulate

        accumulate(node.variable, grads[0], False)
        return [None]
    segment, step = node._segment, node._step
    if segment is None:
        fail(RuntimeError, f"nothing is kept of this {node.name()} any more")
    recorder = segment.recorder
    if recorder is not None:
        recorder.flush("a backward node is called")
    if segment.history is None:
        fail(RuntimeError, SECOND_TIME)
    frame = PastFrame(recorder or _recorder(), segment.history, True, False, ())
    history = segment.history
    made = [value for value, _ in history.tape.slots[step.parent.counts.slots : step.counts.slots]]
    frame.cotangents = {v: g for v, g in zip(made, grads, strict=False) if g is not None}
    frame.piece(step.parent.counts.nodes, step.counts.nodes)
    return [None if v is None else frame.cotangents.get(v) for v in values_read(history, step)]


def _recorder() -> Any:
    from alight.record.recorder import thread

    return thread.recorder


def run_program(
    recorder: Any,
    program: Any,
    given: Sequence[Tensor],
    create_graph: bool,
    saved: Sequence[Any] = (),
) -> list[Tensor]:
    """Record a program on tensors, and on buffers that nobody else uses, as one step."""
    if recorder.unsteady:
        unsteady.cut_before(recorder, "program")
    for tensor in given:
        recorder.enter(tensor)
    key = (
        "program",
        program.numbered(),
        create_graph,
        tuple([tensor._slot for tensor in given]),
        len(saved),
    )
    position = recorder.here.children.get(key) or recorder.here.cuts.get(key)
    if position is None:

        def trace(tape: Tape) -> None:
            values = [recorder.argument(tape, tensor) for tensor in given]
            inputs = program.inputs[len(given) :]
            values += [tape.buffer_input(program.types[i]) for i in inputs]
            differentiable = create_graph and any(tensor.requires_grad for tensor in given)
            known = len(tape.types)
            for result in tape.inline(program, values):
                if differentiable and result.id < known:
                    result = fresh(result)
                if not differentiable:
                    tape.marks.append(("blocked", result.id))
                tape.slots.append((result.id, gradient_meta(result, differentiable)))

        position = recorder.extend(key, "backward", trace)
    recorder.here = position
    recorder.inputs.extend(saved)
    made = []
    for i, meta in enumerate(position.metas):
        tensor = new_handle(meta, position.slot + i)
        recorder.handles.append(tensor)
        made.append(tensor)
    recorder.settle(position)
    return made
