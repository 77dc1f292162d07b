"""`autograd.Function`: an operation whose gradient the user writes in Python.

    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x): return 2 * x
        @staticmethod
        def backward(ctx, grad): return 2 * grad

`apply` records the forward without gradients and marks the nodes as one call; a backward pass stops there and runs
the user's `backward` on tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from alight.autograd.engine import no_recording
from alight.errors import fail
from alight.primitives import Detach
from alight.record.meta import Meta
from alight.record.recorder import thread
from alight.record.trie import Tape
from alight.tensor import Tensor, new_handle


class FunctionCall(NamedTuple):
    """Where a call stands on a tape; `number` finds its context among the calls of the segment."""

    start: int
    stop: int
    inputs: tuple[int, ...]  # values of the inputs that require gradients
    outputs: tuple[int, ...]
    number: int
    positions: tuple[int, ...]  # of those inputs among the arguments


class FunctionCtx:
    """What forward leaves for backward."""

    def __init__(self, cls: type[Function], needs_input_grad: tuple[bool, ...]) -> None:
        self._function = cls
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[tuple[Any, int], ...] = ()
        self._not_differentiable: set[int] = set()
        self._dirty: set[int] = set()
        self._materialize = True
        self._outputs: list[tuple[Any, Any, Any]] = []  # (shape, dtype, device) of each output

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for backward; writing to one of them before that is an error."""
        self._saved = tuple(
            (one, one._version if isinstance(one, Tensor) else 0) for one in tensors
        )

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to save_for_backward."""
        for tensor, version in self._saved:
            if isinstance(tensor, Tensor) and tensor._version != version:
                fail(
                    RuntimeError,
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"[{tensor._meta.type}] is at version {tensor._version}; expected version {version} instead.",
                )
        return tuple(tensor for tensor, _ in self._saved)

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these outputs take no gradient."""
        self._not_differentiable.update(id(one) for one in tensors)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say that these inputs were written in place."""
        self._dirty.update(id(one) for one in tensors)

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward sees zeros (the default) or None for outputs without a gradient."""
        self._materialize = value


class Function:
    """Base class of operations with a gradient of their own: define `forward(ctx, ...)` and `backward(ctx, ...)`.

    >>> import alight as torch
    >>> class Cube(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (x,) = ctx.saved_tensors
    ...         return grad * 3 * x ** 2
    >>> x = torch.tensor(2., requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward, and let backward give the gradient."""
        recorder = thread.recorder
        needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        ctx = FunctionCtx(cls, needs)
        recording = recorder.grad_enabled and any(needs)
        given = (
            tuple(a.detach() if need else a for a, need in zip(args, needs, strict=True))
            if recording
            else args
        )
        with no_recording():
            result = _forward(cls, ctx, given, kwargs)
        _keep_inputs(ctx, args, given)
        if not recording:
            return result
        outputs = result if isinstance(result, tuple) else (result,)
        made = _record_call(recorder, cls, ctx, args, needs, outputs)
        return tuple(made) if isinstance(result, tuple) else made[0]

    @staticmethod
    def vjp(ctx: FunctionCtx, *grads: Any) -> Any:
        """Another name of backward."""
        raise NotImplementedError("define backward(ctx, *grads)")


def _forward(
    cls: type[Function], ctx: FunctionCtx, given: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    setup = getattr(cls, "setup_context", None)
    if setup is None:
        return cls.forward(ctx, *given, **kwargs)
    result = cls.forward(*given, **kwargs)
    setup(ctx, tuple(given), result)
    return result


def _keep_inputs(ctx: FunctionCtx, args: Sequence[Any], given: Sequence[Any]) -> None:
    """Saved inputs are the user's own tensors, so that a second derivative reaches them."""
    own = {
        id(inner): outer
        for inner, outer in zip(given, args, strict=True)
        if isinstance(inner, Tensor)
    }
    ctx._saved = tuple(
        (own.get(id(one), one), own[id(one)]._version if id(one) in own else version)
        for one, version in ctx._saved
    )


def _record_call(
    recorder: Any,
    cls: type[Function],
    ctx: FunctionCtx,
    args: Sequence[Any],
    needs: Sequence[bool],
    outputs: Sequence[Any],
) -> list[Any]:
    """One step: each differentiable output is its value behind a wall that only the user's backward passes."""
    inputs = [a for a, need in zip(args, needs, strict=True) if need]
    positions = tuple(i for i, need in enumerate(needs) if need)
    through = [
        i for i, out in enumerate(outputs)
        if isinstance(out, Tensor) and out.dtype.is_differentiable and id(out) not in ctx._not_differentiable
    ]  # fmt: skip
    for tensor in (*inputs, *(outputs[i] for i in through)):
        recorder.enter(tensor)
    key = (
        "function", cls, positions,
        tuple([t._slot for t in inputs]), tuple([outputs[i]._slot for i in through]), len(recorder.calls),
    )  # fmt: skip
    number = len(recorder.calls)
    position = recorder.here.children.get(key)
    if position is None:

        def trace(tape: Tape) -> None:
            start = len(tape.nodes)
            values = [Detach(recorder.argument(tape, outputs[i])) for i in through]
            ids = tuple(recorder.argument(tape, t).id for t in inputs)
            outs = tuple(value.id for value in values)
            tape.functions.append(
                FunctionCall(start, len(tape.nodes), ids, outs, number, positions)
            )
            for value in values:
                tape.slots.append((value.id, Meta(value.type, None, True, False, cls.__name__)))

        position = recorder.extend(key, cls.__name__, trace)
    recorder.here = position
    recorder.calls.append(ctx)
    ctx._outputs = [(outputs[i].shape, outputs[i].dtype, outputs[i].device) for i in through]
    made = list(outputs)
    for n, i in enumerate(through):
        tensor = new_handle(position.metas[n], position.slot + n)
        recorder.handles.append(tensor)
        made[i] = tensor
    recorder.settle(position)
    return made


def call_backward(call: FunctionCall, ctx: FunctionCtx, given: list[Any]) -> list[Any]:
    """Run the user's backward; a gradient or None for each input of `call`."""
    from alight.ops.operation import TORCH

    if ctx._materialize:
        given = [
            TORCH["zeros"](shape, dtype=dtype, device=device) if gradient is None else gradient
            for gradient, (shape, dtype, device) in zip(given, ctx._outputs, strict=True)
        ]
    cls = ctx._function
    result = cls.backward(ctx, *given)
    gradients = result if isinstance(result, tuple) else (result,)
    expected = len(ctx.needs_input_grad)
    if len(gradients) < expected or any(one is not None for one in gradients[expected:]):
        fail(
            RuntimeError,
            f"function {cls.__name__}Backward returned an incorrect number of gradients (expected {expected}, got "
            f"{len(gradients)})",
            try_="one value for each argument of forward, None for those without a gradient",
        )
    return [gradients[i] for i in call.positions]


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a backward that itself is not to be differentiated."""

    def wrapper(ctx: Any, *grads: Any) -> Any:
        with no_recording():
            return backward(ctx, *grads)

    return wrapper
