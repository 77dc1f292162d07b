"""What a backward pass sweeps: the pending segment, and histories of flushed ones.

In: cotangents of some of a frame's values. Out: gradients of the tensors that entered it. The pending frame is one
recorded step, found again by its key; past frames are in `past.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from alight.autograd.names import origin_of_gradient
from alight.autograd.overwritten import check_pending
from alight.errors import fail
from alight.ir.program import Value
from alight.primitives.arithmetic import constant, fresh
from alight.record.history import History, active_inputs, sweep
from alight.record.memory import Memory
from alight.record.meta import Meta
from alight.record.sources import user_line
from alight.record.trie import Tape
from alight.tensor import Tensor, new_handle
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
    nodes, known = len(tape.nodes), len(tape.types)
    found = sweep(tape, [out.id for out in outputs], list(slot_of))
    stale = check_pending(recorder, found, tape, lambda: second_time(tape, None))
    _check_leaves(recorder, tape, found, wanted)
    residuals = [_as_it_is_now(tape, i, stale.get(i)) for i in found.residuals]
    results = tape.inline(found.program, [*cotangents, *residuals])
    if not retain:
        line = user_line()
        tape.marks.extend(
            ("freed", i, line)
            for i in used_up(
                tape, nodes, [out.id for out in outputs], _values(recorder, tape, wanted)
            )
        )
    differentiable = create_graph and _depends(tape, found, cotangents)
    for value, result in zip(found.reached, results, strict=True):
        targets.append(slot_of[value])
        if differentiable and result.id < known:  # the gradient that was given: a tensor of its own
            result = fresh(result)
        if not differentiable:
            tape.marks.append(("blocked", result.id))
        tape.slots.append((result.id, gradient_meta(result, differentiable)))


def _as_it_is_now(tape: Tape, value: int, root: int | None) -> Value:
    """A residual; what its memory shows by now where that was written unnoticed and holds another `root` value."""
    if root is None:
        return tape.value(value)
    program, read = Memory(tape).path(value)
    return tape.inline(program, [tape.value(i) for i in (root, *read[1:])])[0]


def gradient_meta(result: Value, differentiable: bool) -> Meta:
    return Meta(
        result.type,
        None,
        differentiable,
        not differentiable,
        origin_of_gradient(result) if differentiable else None,
    )


def _depends(tape: Tape, found: Backward, cotangents: Iterable[Value]) -> bool:
    """Whether gradients depend, differentiably, on anything that requires one."""
    active = active_values(
        tape.types, tape.nodes, active_inputs(tape), tape.marked("blocked"), tape.regions
    )
    return any(value in active for value in found.residuals) or any(
        ct.id in active for ct in cotangents
    )


def ancestors(tape: Tape, nodes: int, outputs: Sequence[int]) -> list[int]:
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


def _check_leaves(recorder: Any, tape: Tape, found: Backward, wanted: Sequence[Tensor]) -> None:
    """PyTorch's error where a pass ends at a computed tensor whose graph an earlier pass has used up."""
    leaves = {mark[1]: mark[2] for mark in tape.marks if mark[0] == "leaf"}
    for value in found.reached:
        tensor = recorder.handles[leaves[value]] if value in leaves else None
        if tensor is not None and not tensor.is_leaf and all(tensor is not one for one in wanted):
            second_time(tape, None)


def _values(recorder: Any, tape: Tape, wanted: Sequence[Tensor]) -> list[int] | None:
    """The values of wanted tensors; None where no or not all of them are in this segment."""
    slots = [tensor._slot - recorder.offset for tensor in wanted]
    if not slots or not all(0 <= slot < len(tape.slots) for slot in slots):
        return None
    return [tape.slots[slot][0] for slot in slots]


def used_up(
    tape: Tape, nodes: int, outputs: Sequence[int], wanted: Sequence[int] | None
) -> list[int]:
    """Numbers of the nodes that a pass from `outputs` uses up: those on the way to what is wanted (None: to all)."""
    found = ancestors(tape, nodes, outputs)
    if wanted is None:
        return found
    rules = tape.marked("blocked"), tape.regions, tape.functions
    reached = active_values(tape.types, tape.nodes[:nodes], wanted, *rules).difference(wanted)
    return [i for i in found if not reached.isdisjoint(tape.nodes[i].outputs)]


def second_time(tape: Tape, history: History | None) -> NoReturn:
    """PyTorch's error for a graph that is used up, with the line that used it."""
    marked = (mark[2] for mark in tape.marks if mark[0] == "freed")
    line = history.freed_at if history is not None else None
    line = line or next(marked, None)
    facts = [f"{line}  {line.text}  used it up"] if line is not None else []
    fail(RuntimeError, SECOND_TIME, facts, "backward(retain_graph=True) the first time")
