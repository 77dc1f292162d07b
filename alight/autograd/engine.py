"""The backward pass: from tensors with cotangents to gradients of leaves, as recorded steps.

A pass sweeps *frames*: the pending segment first, then histories of flushed segments, newest first. Each frame is
swept in pieces, from its end to its start: a piece ends where Python has to run (a hooked tensor, a `Function`).
Without such places the pending frame is one piece, and on a known path the whole sweep is one look-up.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from alight.autograd.frames import sweep_pending
from alight.autograd.known import sweep_past
from alight.autograd.modes import anomaly, no_recording
from alight.autograd.past import PastFrame, hooked_gradient
from alight.errors import fail
from alight.record.recorder import thread
from alight.record.trie import Position
from alight.tensor import Tensor

new = object.__new__

NO_GRAD_FN = "element 0 of tensors does not require grad and does not have a grad_fn"


def backward(
    tensors: Sequence[Tensor],
    gradients: Sequence[Any] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Accumulate gradients into the leaves that `tensors` depend on (or only into `inputs`)."""
    if thread.recorder.transforming:
        fail(
            RuntimeError,
            "backward() called inside a functorch transform. This is not supported, please use functorch.grad or "
            "functorch.vjp instead or call backward() outside of functorch transforms.",
        )
    wanted = None
    if inputs is not None:
        wanted = [inputs] if isinstance(inputs, Tensor) else list(inputs)
        if not wanted:
            fail(RuntimeError, "`inputs` argument to `backward()` cannot be empty.")
    retain = bool(create_graph if retain_graph is None else retain_graph)
    found = run(tensors, gradients, wanted, retain, create_graph)
    for tensor, gradient in found:
        accumulate(tensor, gradient, create_graph)


def known_backward(tensor: Tensor) -> bool:
    """Take the steps of an ordinary `loss.backward()` if the path has them: no hooks, one segment, pending or flushed."""
    recorder = thread.recorder
    if recorder.hooked or recorder.calls or anomaly.enabled or recorder.saved_hooks:
        return False
    if tensor._slot < 0 and tensor._history is not None:
        found = sweep_past(recorder, tensor)
        if found is not None:
            _hand_out(recorder, *found)
        return found is not None
    if recorder.pasts:
        return False
    position = recorder.here.children.get(("backward", False, False, ((tensor._slot, None),), ()))
    if position is None:
        return False
    recorder.here = position
    _hand_out(recorder, map(recorder.handles.__getitem__, position.targets), position)
    return True


def _hand_out(recorder: Any, leaves: Iterable[Any], position: Position) -> None:
    """Give leaves the gradients that a step has made."""
    slot = position.slot
    gradients = []
    waiting: list[tuple[Tensor, Tensor]] = []
    held: list[Tensor] = []
    added: list[Tensor] = []
    for leaf, meta in zip(leaves, position.metas):  # noqa: B905  (a keyword costs as much as a round)
        gradient = new(Tensor)
        gradient._slot, gradient._meta = slot, meta
        slot += 1
        gradients.append(gradient)
        if leaf._watched:
            waiting.append((leaf, gradient))
        elif leaf._grad is None:
            leaf._grad = gradient
        elif leaf._grad._meta.type == meta.type and not leaf._grad._meta.requires_grad:
            held.append(leaf._grad)
            added.append(gradient)
        else:
            waiting.append((leaf, gradient))
    recorder.handles.extend(gradients)
    if held:
        _add_all(held, added)
    for leaf, gradient in waiting:
        accumulate(leaf, run_hooks(leaf, gradient), False)


def _add_all(held: list[Tensor], added: list[Tensor]) -> None:
    """Add gradients to those that are there, in one step."""
    if len(set(map(id, held))) == len(held) and all(one._base is None for one in held):
        thread.recorder.compound("accumulate", None, added, held, (), _sums)
        return
    with no_recording():
        for one, gradient in zip(held, added, strict=True):
            one.add_(gradient)


def _sums(added: list[Any], held: list[Any], _: Any) -> list[Any]:
    return [one + gradient for one, gradient in zip(held, added, strict=True)]


def grad(
    outputs: Sequence[Tensor],
    inputs: Sequence[Tensor],
    grad_outputs: Sequence[Any] | None,
    retain_graph: bool | None,
    create_graph: bool,
    allow_unused: bool,
    materialize: bool,
) -> tuple[Tensor | None, ...]:
    """Gradients of the sum of `outputs` with respect to each of `inputs`."""
    for i, tensor in enumerate(inputs):
        if not tensor.requires_grad:
            fail(
                RuntimeError,
                "One of the differentiated Tensors does not require grad",
                facts=[f"inputs[{i}] is {tensor._meta.type}"],
                try_="requires_grad=True, or .requires_grad_(), before it is used",
            )
    if not inputs:
        fail(RuntimeError, "`inputs` argument to `grad()` cannot be empty.")
    retain = create_graph if retain_graph is None else retain_graph
    found = {
        id(tensor): gradient
        for tensor, gradient in run(outputs, grad_outputs, inputs, retain, create_graph)
    }
    results = []
    for i, tensor in enumerate(inputs):
        gradient = found.get(id(tensor))
        if gradient is None and materialize:
            gradient = tensor.new_zeros(tensor.shape)
        elif gradient is None and not allow_unused:
            fail(
                RuntimeError,
                f"The differentiated Tensor at index {i} appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior.",
                facts=[f"inputs[{i}] is {tensor._meta.type}"],
                try_="the tensor that the outputs were computed from: a copy or a view made later is another one",
            )
        results.append(gradient)
    return tuple(results)


def accumulate(tensor: Tensor, gradient: Tensor, create_graph: bool) -> None:
    """Add a gradient to `tensor.grad`, and run the hooks that wait for it."""
    if tensor._grad is None:
        tensor._grad = gradient
    elif create_graph:
        tensor._grad = tensor._grad + gradient
    else:
        with no_recording():
            tensor._grad.add_(gradient)
    if tensor._accumulate_hooks:
        for hook in list(tensor._accumulate_hooks.values()):
            hook(tensor)


def run(
    tensors: Sequence[Tensor],
    gradients: Sequence[Any] | None,
    wanted: Sequence[Tensor] | None,
    retain: bool,
    create_graph: bool,
) -> list[tuple[Tensor, Tensor]]:
    """One backward pass: (tensor, gradient) for each leaf reached, or for each of `wanted` that was."""
    recorder = thread.recorder
    tensors = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    gradients = (
        [gradients] if isinstance(gradients, Tensor) or gradients is None else list(gradients)
    )
    if len(gradients) == 1 and gradients[0] is None:
        gradients = gradients * len(tensors)
    if len(gradients) != len(tensors):
        fail(RuntimeError, f"got {len(tensors)} tensors and {len(gradients)} gradients")
    for tensor in tensors:
        if not tensor.requires_grad:
            fail(
                RuntimeError,
                NO_GRAD_FN,
                facts=[f"backward() was called on {tensor._meta}"],
                try_="requires_grad=True on the tensors to differentiate, before they are used",
            )
    roots = [
        (tensor, root_gradient(tensor, given))
        for tensor, given in zip(tensors, gradients, strict=True)
    ]
    if recorder.transforming:
        recorder.flush_outside("backward inside a function that is being transformed")
    if recorder.hooked or recorder.calls or recorder.saved_hooks or anomaly.enabled:
        # Python has to run in between: sweep in pieces, from a history
        recorder.flush("backward through hooks or a Function")
    for tensor in tensors:
        recorder.enter(tensor)
    results = _sweep_all(recorder, roots, wanted or (), retain, create_graph, wanted is None)
    if wanted is None:
        return [(tensor, run_hooks(tensor, gradient)) for tensor, gradient in results.values()]
    return [
        (tensor, run_hooks(tensor, results[id(tensor)][1]))
        for tensor in wanted
        if id(tensor) in results
    ]


def root_gradient(tensor: Tensor, given: Any) -> Tensor | None:
    """The cotangent that a pass starts from; None stands for one."""
    if given is None:
        if tensor._meta.type.size != 1:
            fail(
                RuntimeError,
                "grad can be implicitly created only for scalar outputs",
                facts=[f"the output is {tensor._meta.type}"],
                try_=".sum().backward(), or backward(gradient=...) of the same shape",
            )
        return None
    if given.shape != tensor.shape:
        fail(
            RuntimeError,
            f"Mismatch in shape: grad_output[0] has a shape of {given.shape} and output[0] has a shape of {tensor.shape}.",
            try_="torch.ones_like(output), or output.sum().backward()",
        )
    return given


def _sweep_all(
    recorder: Any,
    roots: Sequence[tuple[Tensor, Tensor | None]],
    wanted: Sequence[Tensor],
    retain: bool,
    create_graph: bool,
    all_leaves: bool,
) -> dict[int, tuple[Tensor, Tensor]]:
    """Sweep the pending segment, then the histories it leads to, newest first; gradients by id of the tensor."""
    wanted_ids = {id(tensor) for tensor in wanted}
    for tensor in wanted:
        if tensor._history is None and tensor._slot < 0:
            recorder.enter(tensor)
    results: dict[int, tuple[Tensor, Tensor]] = {}
    queue: dict[int, PastFrame] = {}
    found = sweep_pending(recorder, roots, wanted, retain, create_graph)
    while True:
        for tensor, entry, gradient in found:
            # what has a history is counted in its own frame, where more may come to it
            if entry is None and (all_leaves or id(tensor) in wanted_ids):
                held = results.get(id(tensor))
                results[id(tensor)] = tensor, gradient if held is None else held[1] + gradient
            if entry is not None:
                past = entry.history
                if past.serial not in queue:
                    queue[past.serial] = PastFrame(recorder, past, retain, create_graph, wanted)
                queue[past.serial].give(entry.value, gradient)
        if not queue:
            return results
        found = queue.pop(max(queue)).sweep()


def run_hooks(tensor: Tensor, gradient: Tensor) -> Tensor:
    """Hooks of a leaf, on its whole gradient."""
    if tensor._hooks and tensor.is_leaf:
        for hook in list(tensor._hooks.values()):
            gradient = hooked_gradient(hook, gradient)
    return gradient
