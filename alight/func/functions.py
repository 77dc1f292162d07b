"""`autograd.Function` inside a transformed function: the user's backward becomes a gradient rule of the program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alight.autograd.function import Function, run_forward, user_gradients
from alight.autograd.modes import no_recording
from alight.errors import fail
from alight.ir.program import Value
from alight.primitives import Detach
from alight.primitives.arithmetic import constant
from alight.record.meta import Meta
from alight.record.trie import Tape
from alight.tensor import Tensor, new_handle
from alight.transforms.reverse import Region
from alight.transforms.traced import Traced, inline

_NO_SETUP = (
    "In order to use an autograd.Function with functorch transforms (vmap, grad, jvp, jacrev, ...), it must override the "
    "setup_context staticmethod. For more details, please see "
    "https://pytorch.org/docs/main/notes/extending.func.html"
)


def apply(capture: Any, cls: Any, ctx: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Record the forward, and the user's backward as its rule."""
    if cls.setup_context is Function.setup_context:
        fail(
            RuntimeError,
            _NO_SETUP,
            try_="forward(...) without ctx, and setup_context(ctx, inputs, output)",
        )
    with no_recording():
        result = run_forward(cls, ctx, args, kwargs)
    if not (capture.grad_enabled and any(ctx.needs_input_grad)):
        return result
    outputs = list(result) if isinstance(result, tuple) else [result]
    through = [
        i for i, out in enumerate(outputs)
        if isinstance(out, Tensor) and out.dtype.is_differentiable and id(out) not in ctx._not_differentiable
    ]  # fmt: skip
    inputs = [a for a, need in zip(args, ctx.needs_input_grad, strict=True) if need]
    places = [i for i, need in enumerate(ctx.needs_input_grad) if need]
    backward, free = _captured_backward(ctx, outputs, through, places)
    for tensor in (*inputs, *(outputs[i] for i in through), *free):
        capture.enter(tensor)
    key = (
        "function", cls, id(backward), tuple(t._slot for t in inputs), tuple(outputs[i]._slot for i in through),
        tuple(t._slot for t in free),
    )  # fmt: skip
    wanted = [outputs[i] for i in through]
    before = capture.here
    position = capture.extend(
        key, cls.__name__, lambda tape: _trace(capture, tape, cls, inputs, wanted, free, backward)
    )
    before.children.pop(key, None)  # the user's backward is captured anew at each call
    capture.here = position
    for n, i in enumerate(through):
        outputs[i] = new_handle(position.metas[n], position.slot + n)
        capture.handles.append(outputs[i])
    return tuple(outputs) if isinstance(result, tuple) else outputs[0]


def _captured_backward(
    ctx: Any, outputs: Sequence[Any], through: Sequence[int], places: Sequence[int]
) -> tuple[tuple[Traced, list[bool], list[Any]], list[Tensor]]:
    """The user's backward as a function of cotangents, then of the tensors that it reads besides."""
    from alight.func.capture import Recording, capturing
    from alight.ops.operation import TORCH

    given = [
        TORCH["zeros"](one.shape, dtype=one.dtype, device=one.device)
        if isinstance(one, Tensor)
        else None
        for one in outputs
    ]
    cotangents: list[Any] = [given[i] for i in through]
    with capturing() as inner:
        for i, one in zip(through, cotangents, strict=True):
            given[i] = inner.argument_for(one)
        found = user_gradients(ctx, given)
        gradients = [found[i] for i in places]
        present = [one for one in gradients if one is not None]
        recording = Recording(inner, present)
        traced = inner.traced(present)
    sources = recording.given()
    free = [one for one in sources[len(through) :] if isinstance(one, Tensor)]
    numbers = [None if isinstance(one, Tensor) else one for one in sources[len(through) :]]
    return (traced, [one is not None for one in gradients], numbers), free


def _trace(
    capture: Any,
    tape: Tape,
    cls: Any,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    free: Sequence[Tensor],
    backward: tuple[Traced, list[bool], list[Any]],
) -> None:
    traced, present, numbers = backward
    start = len(tape.nodes)
    values = [Detach(capture.argument(tape, one)) for one in outputs]
    ids = tuple(capture.argument(tape, one).id for one in (*inputs, *free))

    def vjp(ct: Any, out: Any, *read: Value) -> tuple[Value | None, ...]:
        cts = ct if isinstance(ct, tuple) else (ct,)
        more = iter(read[len(inputs) :])
        scalar = traced.inputs[len(cts) :]
        given = [
            next(more) if number is None else constant(cts[0], number, dtype=traced.types[id].dtype)
            for number, id in zip(numbers, scalar, strict=True)
        ]
        found, _ = inline(cts[0].builder, traced, [*cts, *given])
        results = iter(found)
        grads = [next(results) if one else None for one in present]
        return (*grads, *(None,) * len(free))

    tape.regions.append(Region(start, len(tape.nodes), ids, tuple(v.id for v in values), vjp))
    for value in values:
        tape.slots.append(
            (value.id, Meta(value.type, None, True, False, cls.__name__ + "Backward"))
        )
