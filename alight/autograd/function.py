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

import functools
import re
import weakref
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from alight.autograd.frames import SECOND_TIME
from alight.autograd.modes import no_recording
from alight.errors import fail
from alight.primitives import Detach
from alight.record import owners, views
from alight.record.meta import Meta
from alight.record.recorder import thread
from alight.record.trie import Tape
from alight.tensor import Tensor, new_handle, wrap


class FunctionCall(NamedTuple):
    """Where a call stands on a tape; `number` finds its context among the calls of the segment."""

    start: int
    stop: int
    inputs: tuple[int, ...]  # values of the inputs that require gradients
    outputs: tuple[int, ...]
    number: int
    positions: tuple[int, ...]  # of those inputs among the arguments


class _Saved(NamedTuple):
    """One argument of save_for_backward."""

    tensor: Any
    version: int
    output: int  # its number among the results, -1 for any other tensor
    shown: Any  # weak reference to the tensor that the user got for that result


class FunctionCtx:
    """What forward leaves for backward.

    >>> import alight as torch
    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 2 * x * g
    >>> x = torch.tensor(3., requires_grad=True)
    >>> Square.apply(x).backward()
    >>> x.grad
    tensor(6.)
    """

    def __init__(self, cls: type[Function], needs_input_grad: tuple[bool, ...]) -> None:
        self._function = cls
        self.needs_input_grad = needs_input_grad
        self._saved: tuple[_Saved, ...] | None = ()
        self._not_differentiable: set[int] = set()
        self._dirty: dict[int, Tensor] = {}
        self._materialize = True
        self._inputs: tuple[Meta, ...] = ()  # of the inputs that require gradients
        self._outputs: list[Meta | None] = []  # of each result, None for what is no tensor
        self._through: list[int] = []  # results that gradients come back through
        self._place: Any = None  # while backward runs: the history and the call

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for backward; writing to one of them before that is an error.

        Errors: TypeError for what is neither a tensor nor None.
        """
        for i, one in enumerate(tensors):
            if one is not None and not isinstance(one, Tensor):
                fail(
                    TypeError,
                    f"save_for_backward can only save variables, but argument {i} is of type {type(one).__name__}",
                    try_="ctx.name = value for anything else",
                )
        hooks = thread.recorder.saved_hooks
        if hooks:
            from alight.autograd.saved import Packed

            self._saved = tuple(
                _Saved(None if one is None else Packed(one, hooks[-1]), 0, -1, None)
                for one in tensors
            )
            return
        self._saved = tuple(
            _Saved(one, 0 if one is None else one._version, -1, None) for one in tensors
        )

    save_for_forward = save_for_backward

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to save_for_backward."""
        if self._saved is None:
            fail(RuntimeError, SECOND_TIME, try_="backward(retain_graph=True) the first time")
        return tuple(self._unpacked(one) for one in self._saved)

    saved_variables = saved_tensors

    def _unpacked(self, saved: _Saved) -> Any:
        tensor, version, output, shown = saved
        if tensor is None:
            return None
        if not isinstance(tensor, Tensor):
            return tensor.tensor()  # behind saved_tensors_hooks
        held = tensor if output < 0 else shown()
        if held is not None and held._version != version:
            _refuse_written(held, version, self._function.__name__ if output >= 0 else "")
        if output >= 0 and self._place is not None and thread.recorder.grad_enabled:
            history, call = self._place
            again = wrap(
                tensor.flush("a saved result"), tensor._meta.replace(requires_grad=True, leaf=False)
            )
            again._history = history.entry(call.outputs[self._through.index(output)])
            return again
        return tensor

    def mark_non_differentiable(self, *tensors: Tensor) -> None:
        """Say that these outputs take no gradient."""
        self._not_differentiable.update(id(one) for one in tensors)

    def mark_dirty(self, *tensors: Tensor) -> None:
        """Say that these inputs were written in place."""
        self._dirty.update((id(one), one) for one in tensors)

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward sees zeros (the default) or None for outputs without a gradient."""
        self._materialize = value

    def release(self) -> None:
        """Give up what was saved: backward has run for the last time."""
        self._saved = None


def _refuse_written(tensor: Tensor, version: int, made_by: str) -> None:
    from alight.autograd.names import backward_name
    from alight.ops.arguments import scalar_type_name

    origin = made_by or tensor._meta.origin
    name = re.sub(r"Backward\d*$", "", made_by or backward_name(origin or ""))
    what = f", which is output 0 of {name}," if origin else ""
    fail(
        RuntimeError,
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"[torch.{scalar_type_name(tensor.dtype)}Tensor {list(tensor.shape)}]{what} is at version {tensor._version}; "
        f"expected version {version} instead. Hint: enable anomaly detection to find the operation that failed to "
        "compute its gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False).",
        try_=".clone() before the write",
    )


class Function:
    """Base class of operations with a gradient of their own: define `forward(ctx, ...)` and `backward(ctx, ...)`.

    Or `forward(...)` without ctx and `setup_context(ctx, inputs, output)`, which torch.func wants.

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

    generate_vmap_rule = False
    setup_context: Any = None

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the results; to be defined."""
        fail(
            NotImplementedError,
            "You must implement the forward function for custom autograd.Function.",
        )

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """A gradient for each argument of forward, from those of the results; to be defined."""
        fail(
            NotImplementedError,
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD.",
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Any:
        """A tangent for each result; never called: forward mode goes through `backward`."""
        fail(
            NotImplementedError,
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD.",
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward, and let backward give the gradient."""
        recorder = thread.recorder
        needs = tuple(isinstance(a, Tensor) and a.requires_grad for a in args)
        ctx = FunctionCtx(cls, needs)
        if recorder.transforming:
            return recorder.apply_function(cls, ctx, args, kwargs)
        recording = recorder.grad_enabled and any(needs)
        with no_recording():
            result = run_forward(cls, ctx, args, kwargs)
        outputs = list(result) if isinstance(result, tuple) else [result]
        _check_dirty(ctx, args, outputs, recording)
        if recording:
            made = _record_call(recorder, cls, ctx, args, needs, outputs)
        else:
            inputs = {id(one) for one in args} - set(ctx._dirty)
            made = [
                one.detach() if id(one) in inputs and isinstance(one, Tensor) else one
                for one in outputs
            ]
        return tuple(made) if isinstance(result, tuple) else made[0]


InplaceFunction = NestedIOFunction = Function


def run_forward(
    cls: type[Function], ctx: FunctionCtx, args: Sequence[Any], kwargs: dict[str, Any]
) -> Any:
    """The user's forward, in either of its two forms."""
    if cls.setup_context is None:
        return cls.forward(ctx, *args, **kwargs)
    result = cls.forward(*args, **kwargs)
    cls.setup_context(ctx, tuple(args), result)
    return result


def _check_dirty(
    ctx: FunctionCtx, args: Sequence[Any], outputs: Sequence[Any], recording: bool
) -> None:
    if not ctx._dirty:
        return
    results = {id(one) for one in outputs}
    if any(one not in results for one in ctx._dirty):
        fail(
            RuntimeError,
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that are "
            "modified inplace must all be outputs of the Function.",
        )
    if recording and any(one.requires_grad and one.is_leaf for one in ctx._dirty.values()):
        fail(
            RuntimeError,
            "a leaf Variable that requires grad has been used in an in-place operation.",
            try_="x.clone() before the call",
        )


def _record_call(
    recorder: Any,
    cls: type[Function],
    ctx: FunctionCtx,
    args: Sequence[Any],
    needs: Sequence[bool],
    outputs: list[Any],
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
    dirty = tuple(id(outputs[i]) in ctx._dirty for i in through)
    number = len(recorder.calls)
    key = (
        "function", cls, positions, tuple([t._slot for t in inputs]),
        tuple([outputs[i]._slot for i in through]), number, dirty,
    )  # fmt: skip
    position = recorder.here.children.get(key)
    if position is None:
        position = recorder.extend(
            key,
            cls.__name__,
            lambda tape: _trace_call(
                recorder, tape, cls, inputs, [outputs[i] for i in through], positions, dirty, number
            ),
        )
    recorder.here = position
    recorder.calls.append(ctx)
    ctx._inputs = tuple(tensor._meta for tensor in inputs)
    ctx._outputs = [one._meta if isinstance(one, Tensor) else None for one in outputs]
    ctx._through = through
    if position.told is None:
        position.told = owners.views_made(recorder, [owners.root_of(outputs[i]) for i in through])
    made, at = list(outputs), 0
    for i, written in zip(through, dirty, strict=True):
        if written:
            at = views.rebind(recorder, outputs[i], position, at)
            continue
        made[i] = new_handle(position.metas[at], position.slot + at)
        recorder.handles.append(made[i])
        at += 1
    _know_outputs(ctx, outputs, made)
    recorder.settle(position)
    return made


def _trace_call(
    recorder: Any,
    tape: Tape,
    cls: type[Function],
    inputs: Sequence[Tensor],
    through: Sequence[Tensor],
    positions: tuple[int, ...],
    dirty: Sequence[bool],
    number: int,
) -> None:
    start = len(tape.nodes)
    values = [Detach(recorder.argument(tape, one)) for one in through]
    ids = tuple(recorder.argument(tape, one).id for one in inputs)
    outs = tuple(value.id for value in values)
    tape.functions.append(FunctionCall(start, len(tape.nodes), ids, outs, number, positions))
    origin = cls.__name__ + "Backward"
    for tensor, value, written in zip(through, values, dirty, strict=True):
        if written:
            views.trace_write(recorder, tape, tensor, value, True, origin)
        else:
            tape.slots.append((value.id, Meta(value.type, None, True, False, origin)))


def _know_outputs(ctx: FunctionCtx, outputs: Sequence[Any], made: Sequence[Any]) -> None:
    """Results that were saved are the ones that the user gets, for versions and for second derivatives."""
    if not ctx._saved:
        return
    number = {id(one): i for i, one in enumerate(outputs) if i in ctx._through}
    ctx._saved = tuple(
        one if id(one.tensor) not in number or one.tensor is made[number[id(one.tensor)]]
        else _Saved(one.tensor, made[number[id(one.tensor)]]._version, number[id(one.tensor)], weakref.ref(made[number[id(one.tensor)]]))
        for one in ctx._saved
    )  # fmt: skip


# -- backward ----------------------------------------------------------------------------------------------------------


def call_backward(
    call: FunctionCall, ctx: FunctionCtx, cotangents: Sequence[Any], history: Any = None
) -> list[Any]:
    """Run the user's backward; a gradient or None for each input of `call`."""
    came = dict(zip(ctx._through, cotangents, strict=True))
    given = [
        _materialized(meta) if came.get(i) is None and ctx._materialize and meta is not None else came.get(i)
        for i, meta in enumerate(ctx._outputs)
    ]  # fmt: skip
    ctx._place = history, call
    try:
        gradients = user_gradients(ctx, given)
    finally:
        ctx._place = None
    return [
        _fitting(ctx, i, gradients[place], meta)
        for i, (place, meta) in enumerate(zip(call.positions, ctx._inputs, strict=True))
    ]


def _materialized(meta: Meta) -> Tensor:
    from alight.ops.operation import TORCH

    return TORCH["zeros"](meta.shape, dtype=meta.dtype, device=meta.device)


def user_gradients(ctx: FunctionCtx, given: Sequence[Any]) -> Sequence[Any]:
    """What the user's backward returns, one for each argument of forward."""
    cls = ctx._function
    backward = cls.backward if cls.backward is not Function.backward else cls.vjp
    result = backward(ctx, *given)
    gradients = tuple(result) if isinstance(result, (tuple, list)) else (result,)
    expected = len(ctx.needs_input_grad)
    if len(gradients) < expected or any(one is not None for one in gradients[expected:]):
        fail(
            RuntimeError,
            f"function {cls.__name__}Backward returned an incorrect number of gradients (expected {expected}, got "
            f"{len(gradients)})",
            try_="one value for each argument of forward, None for those without a gradient",
        )
    for one in gradients:
        if one is not None and not isinstance(one, Tensor):
            fail(RuntimeError, f"expected Variable or None (got {type(one).__name__})")
    return gradients


def _fitting(ctx: FunctionCtx, i: int, gradient: Any, meta: Meta) -> Any:
    """A gradient in the shape and dtype of its input, or PyTorch's error."""
    if gradient is None:
        return None
    if gradient.shape != meta.size:
        from alight.primitives.arithmetic import broadcast_shape

        if broadcast_shape(gradient.shape, meta.shape) != tuple(gradient.shape):
            fail(
                RuntimeError,
                f"Function {ctx._function.__name__}Backward returned an invalid gradient at index {i} - got "
                f"{list(gradient.shape)} but expected shape compatible with {list(meta.shape)}",
            )
        gradient = gradient.sum_to_size(meta.shape)
    return gradient if gradient.dtype is meta.dtype else gradient.to(meta.dtype)


def once_differentiable(backward: Callable[..., Any]) -> Callable[..., Any]:
    """Decorator of a backward that itself is not to be differentiated: doing so is an error.

    >>> import alight as torch
    >>> class Twice(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     @torch.autograd.function.once_differentiable
    ...     def backward(ctx, grad):
    ...         return grad * 2
    >>> Twice.apply(torch.ones(1, requires_grad=True)).backward()
    """

    @functools.wraps(backward)
    def wrapper(ctx: Any, *grads: Any) -> Any:
        enabled = thread.recorder.grad_enabled
        with no_recording():
            result = backward(ctx, *grads)
        given = any(isinstance(one, Tensor) and one.requires_grad for one in grads)
        if not (enabled and given):
            return result
        results = result if isinstance(result, tuple) else (result,)
        guarded = tuple(
            _Once.apply(one, *(g for g in grads if isinstance(g, Tensor) and g.requires_grad))
            if isinstance(one, Tensor) else one
            for one in results
        )  # fmt: skip
        return guarded if isinstance(result, tuple) else guarded[0]

    return wrapper


class _Once(Function):
    """A gradient that depends on others in a way that nobody may ask for."""

    @staticmethod
    def forward(ctx: Any, gradient: Any, *others: Any) -> Any:
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        fail(
            RuntimeError,
            "trying to differentiate twice a function that was marked with @once_differentiable",
        )


def __dir__() -> list[str]:
    return ["Function", "FunctionCtx", "InplaceFunction", "once_differentiable"]
