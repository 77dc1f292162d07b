"""What a backward pass sweeps: the pending segment, and histories of flushed ones.

In: cotangents of some of a frame's values. Out: gradients of the tensors that entered it. The pending frame is one
recorded step, found again by its key. A past frame is swept in pieces that end where Python has to run: at a
tensor with hooks, and at the call of an `autograd.Function`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alight.errors import fail
from alight.ir.program import Value
from alight.primitives.arithmetic import constant
from alight.record.history import History, active_inputs, sweep
from alight.record.meta import Meta
from alight.record.trie import Tape
from alight.tensor import Tensor, new_handle, wrap
from alight.transforms.reverse import Backward, active_values

Found = tuple[Tensor, Any, Tensor]  # tensor, the entry of its own history or None, its gradient

SECOND_TIME = (
    "Trying to backward through the graph a second time (or directly access saved tensors after they have already been "
    "freed). Saved intermediate values of the graph are freed when you call .backward() or autograd.grad(). Specify "
    "retain_graph=True if you need to backward through the graph a second time or if you need to access saved tensors "
    "after calling backward."
)


def sweep_pending(
    recorder: Any,
    roots: Sequence[tuple[Tensor, Tensor | None]],
    wanted: Sequence[Tensor],
    retain: bool,
    create_graph: bool,
) -> list[Found]:
    """Take cotangents of pending tensors back to what entered the segment: one step of the path."""
    for _, gradient in roots:
        if gradient is not None:
            recorder.enter(gradient)
    key = (
        "backward", retain, create_graph,
        tuple([(t._slot, None if g is None else g._slot) for t, g in roots]),
        tuple([t._slot for t in wanted]),
    )  # fmt: skip
    position = recorder.here.children.get(key)
    if position is None:
        targets: list[int] = []
        position = recorder.extend(
            key,
            "backward",
            lambda tape: _trace(recorder, tape, roots, wanted, retain, create_graph, targets),
        )
        position.targets = tuple(targets)
    recorder.here = position
    found, slot = [], position.slot
    for i, target in enumerate(position.targets):
        gradient = new_handle(position.metas[i], slot + i)
        recorder.handles.append(gradient)
        tensor = recorder.handles[target]
        found.append((tensor, tensor._history, gradient))
    return found


def _trace(
    recorder: Any,
    tape: Tape,
    roots: Sequence[tuple[Tensor, Tensor | None]],
    wanted: Sequence[Tensor],
    retain: bool,
    create_graph: bool,
    targets: list[int],
) -> None:
    """Append the backward program to the tape; a slot for each gradient, `targets` says whose."""
    # a slot is asked for by value: an entered tensor's, or the one of a tensor that the user wants a gradient of
    slot_of = {mark[1]: mark[2] for mark in tape.marks if mark[0] in ("leaf", "past")}
    for tensor in wanted:
        slot = tensor._slot - recorder.offset
        if 0 <= slot < len(tape.slots):
            slot_of[tape.slots[slot][0]] = slot
    outputs = [recorder.argument(tape, tensor) for tensor, _ in roots]
    cotangents = []
    for out, (_, gradient) in zip(outputs, roots, strict=True):
        given = (
            constant(out, 1, out.shape) if gradient is None else recorder.argument(tape, gradient)
        )
        cotangents.append(given)
    nodes = len(tape.nodes)
    found = sweep(tape, [out.id for out in outputs], list(slot_of))
    _check(found, tape, tape.marked("freed"), None)
    results = tape.inline(found.program, [*cotangents, *(tape.value(i) for i in found.residuals)])
    if not retain:
        tape.marks.extend(
            ("freed", i) for i in _ancestors(tape, nodes, [out.id for out in outputs])
        )
    differentiable = create_graph and _depends(tape, found, cotangents)
    for value, result in zip(found.reached, results, strict=True):
        targets.append(slot_of[value])
        if not differentiable:
            tape.marks.append(("blocked", result.id))
        tape.slots.append((result.id, _gradient_meta(result, differentiable)))


def _gradient_meta(result: Value, differentiable: bool) -> Meta:
    return Meta(
        result.type,
        None,
        differentiable,
        not differentiable,
        "gradient" if differentiable else None,
    )


def _depends(tape: Tape, found: Backward, cotangents: Iterable[Value]) -> bool:
    """Whether gradients depend, differentiably, on anything that requires one."""
    active = active_values(
        tape.types, tape.nodes, active_inputs(tape), tape.marked("blocked"), tape.regions
    )
    return any(value in active for value in found.residuals) or any(
        ct.id in active for ct in cotangents
    )


def _ancestors(tape: Tape, nodes: int, outputs: Sequence[int]) -> list[int]:
    """Numbers of the nodes below `nodes` that gradients of `outputs` go through."""
    active = active_values(
        tape.types,
        tape.nodes[:nodes],
        active_inputs(tape),
        tape.marked("blocked"),
        tape.regions,
        tape.functions,
    )
    rules = {rule.stop: rule for rule in (*tape.regions, *tape.functions) if rule.stop <= nodes}
    wanted, found, inside = set(outputs), [], 0
    for i in range(nodes - 1, -1, -1):
        rule = rules.get(i + 1)
        if rule is not None and not wanted.isdisjoint(rule.outputs):  # its nodes are taken together
            wanted.update(value for value in rule.inputs if value in active)
            inside = max(inside, i + 1 - rule.start)
        node = tape.nodes[i]
        if inside or not wanted.isdisjoint(node.outputs):
            if not inside:
                wanted.update(value for value in node.inputs if value in active)
            found.append(i)
        inside = max(inside - 1, 0)
    return found


def _check(found: Backward, tape: Tape, freed: set[int], history: History | None) -> None:
    """PyTorch's errors: a graph used twice, a value that backward needs and somebody wrote over."""
    writes = {mark[1]: mark for mark in tape.marks if mark[0] == "written"}
    for value in found.residuals:
        readers = found.readers[value]
        if any(reader in freed for reader in readers):
            fail(RuntimeError, SECOND_TIME, try_="backward(retain_graph=True) the first time")
        mark = writes.get(value)
        if mark is not None and any(reader < mark[2] for reader in readers):
            _overwritten(tape, value, min(readers), mark[3])
        if history is not None and value in history.versions:
            tensor, version = history.versions[value]
            if tensor._writes != version:
                origin = tensor._meta.origin
                _overwritten(tape, value, min(readers), origin, tensor._writes, version)


def _overwritten(
    tape: Tape, value: int, reader: int, writer: str | None, found: int = 1, expected: int = 0
) -> None:
    from alight.autograd.graph import backward_name
    from alight.ops.arguments import scalar_type_name

    type, line = tape.types[value], tape.nodes[reader].line
    maker = writer
    if writer in (None, "CopySlices"):  # written through a view: PyTorch names what made the tensor
        maker = next(
            (meta.origin for held, meta in tape.slots if held == value and meta.origin), None
        )
    what = (
        f", which is output 0 of {backward_name(maker).removesuffix('Backward0')}," if maker else ""
    )
    fail(
        RuntimeError,
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[torch.{scalar_type_name(type.dtype)}Tensor {list(type.shape)}]{what} is at version {found}; expected version "
        f"{expected} instead. Hint: enable anomaly detection to find the operation that failed to compute its gradient, "
        "with torch.autograd.set_detect_anomaly(True, check_nan=False).",
        facts=[f"{line}  {getattr(line, 'text', '')}  needs the old value in backward"],
        try_="y = y + 1 in place of y += 1, or .clone() before the write",
    )


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
        self.wanted = {
            tensor._history.value: tensor
            for tensor in wanted
            if tensor._history is not None and tensor._history.history is history
        }

    def give(self, value: int, gradient: Tensor) -> None:
        """Add to the cotangent of a value."""
        held = self.cotangents.get(value)
        self.cotangents[value] = gradient if held is None else held + gradient

    def sweep(self) -> list[Found]:
        """Take the cotangents back to what entered this segment."""
        history, tape = self.history, self.history.tape
        found: list[Found] = []
        outputs = list(self.cotangents)
        stop = len(tape.nodes)
        for boundary, value, call in self._stops():
            self._piece(boundary, stop)
            stop = boundary
            if call is not None:
                self._call(call)
                stop = call.start
            elif value in self.cotangents:
                self._hook(value)
        self._piece(0, stop)
        for value, tensor in self.wanted.items():
            if value in self.cotangents and value not in history.inputs:
                found.append((tensor, None, self.cotangents[value]))
        for value, (tensor, entry) in history.inputs.items():
            if value in self.cotangents:
                found.append((tensor, entry, self.cotangents[value]))
        if not self.retain:
            traversed = _ancestors(tape, len(tape.nodes), outputs)
            history.freed.update(traversed)
            if history.owed.issubset({out for i in traversed for out in tape.nodes[i].outputs}):
                history.values.clear()
                history.holders.clear()
        return found

    def _stops(self) -> list[tuple[int, int | None, Any]]:
        """Places where Python runs, from last to first: (node number, hooked value, function call)."""
        places: list[tuple[int, int | None, Any]] = []
        makers = {out: i for i, node in enumerate(self.history.tape.nodes) for out in node.outputs}
        for value in (*self.history.hooked, *self.wanted):
            if value in makers:
                places.append((makers[value] + 1, value, None))
        places.extend((call.stop, None, call) for call in self.history.tape.functions)
        return sorted(places, key=lambda place: -place[0])

    def _piece(self, start: int, stop: int) -> None:
        """Sweep nodes [start, stop): cotangents of values made there become cotangents of what they read."""
        if not self.cotangents or start >= stop:
            return
        history, tape = self.history, self.history.tape
        outputs = tuple(self.cotangents)
        key = outputs, start, stop
        found = history.position.sweeps.get(key)
        if found is None:
                    earlier = {out for node in tape.nodes[:start] for out in node.outputs}
            active = active_values(
                tape.types,
                tape.nodes,
                active_inputs(tape),
                tape.marked("blocked"),
                tape.regions,
                tape.functions,
            )
            wrt = [*active_inputs(tape), *(value for value in active if value in earlier)]
            found = history.position.sweeps[key] = sweep(tape, list(outputs), wrt, start, stop)
        _check(found, tape, {i - start for i in history.freed}, history)
        given = [
            *(self.cotangents[value] for value in outputs),
            *(self._residual(v) for v in found.residuals),
        ]
        gradients = run_program(
            self.recorder, found.program, given, self.create_graph, (history.position, key)
        )
        self.cotangents = dict(zip(found.reached, gradients, strict=True))

    def _residual(self, value: int) -> Tensor:
        """A tensor that stands for a saved value; with its own past where a second derivative may be asked."""
        history = self.history
        if self.create_graph and value in history.inputs:
            return history.inputs[value][0]
        holder = history.holders.get(value)
        if holder is None:
            buffer = history.values.get(value)
            if buffer is None:
                fail(RuntimeError, SECOND_TIME, try_="backward(retain_graph=True) the first time")
            type = history.tape.types[value]
            if type.shape == () and isinstance(buffer, (int, float, bool, complex)):
                from alight.backends.base import backend_of

                buffer = backend_of(type.device).from_host(buffer, type.dtype)
            holder = history.holders[value] = wrap(buffer, Meta(type))
        if self.create_graph and holder._history is None and _is_active(history, value):
            holder._history = history.entry(value)
            holder._meta = holder._meta.replace(requires_grad=True, leaf=False, origin="saved")
        return holder

    def _hook(self, value: int) -> None:
        from alight.autograd.engine import no_recording

        tensor = self.history.hooked.get(value)
        if tensor is None:
            return
        with no_recording(self.create_graph):
            for hook in list((tensor._hooks or {}).values()):
                replaced = hook(self.cotangents[value])
                if replaced is not None:
                    self.cotangents[value] = replaced
            if tensor._retains_grad:
                held = tensor._grad
                tensor._grad = (
                    self.cotangents[value] if held is None else held + self.cotangents[value]
                )

    def _call(self, call: Any) -> None:
        """Run the backward of an `autograd.Function`."""
        from alight.autograd.engine import no_recording
        from alight.autograd.function import call_backward

        given = [self.cotangents.pop(value, None) for value in call.outputs]
        if all(gradient is None for gradient in given):
            return
        with no_recording(self.create_graph):
            gradients = call_backward(call, self.history.calls[call.number], given)
        for value, gradient in zip(call.inputs, gradients, strict=True):
            if gradient is not None:
                self.give(value, gradient)


def _is_active(history: History, value: int) -> bool:
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
    return value in active


def run_program(
    recorder: Any, program: Any, given: Sequence[Tensor], create_graph: bool, name: Any
) -> list[Tensor]:
    """Record a program on tensors as one step."""
    for tensor in given:
        recorder.enter(tensor)
    key = "program", name, create_graph, tuple([tensor._slot for tensor in given])
    position = recorder.here.children.get(key)
    if position is None:

        def trace(tape: Tape) -> None:
            values = [recorder.argument(tape, tensor) for tensor in given]
            differentiable = create_graph and any(tensor.requires_grad for tensor in given)
            for result in tape.inline(program, values):
                if not differentiable:
                    tape.marks.append(("blocked", result.id))
                tape.slots.append((result.id, _gradient_meta(result, differentiable)))

        position = recorder.extend(key, "backward", trace)
    recorder.here = position
    made = []
    for i, meta in enumerate(position.metas):
        tensor = new_handle(meta, position.slot + i)
        recorder.handles.append(tensor)
        made.append(tensor)
    recorder.settle(position)
    return made
