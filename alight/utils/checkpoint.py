"""Checkpointing: parts of a model that are computed again in backward rather than kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from alight.autograd import backward as run_backward
from alight.autograd.function import Function
from alight.autograd.modes import enable_grad, no_recording
from alight.errors import fail
from alight.random import fork_rng, get_rng_state, set_rng_state
from alight.tensor import Tensor


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:
    """`function(*args)`, of which backward keeps only the arguments and computes the rest again.

    Differs: with use_reentrant=False nothing is computed twice; what is kept is decided when the segment runs.

    >>> import alight as torch
    >>> x = torch.ones(2, requires_grad=True)
    >>> torch.utils.checkpoint.checkpoint(torch.exp, x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([2.7183, 2.7183])
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. Starting in PyTorch 2.9, "
            "calling checkpoint without use_reentrant will raise an exception. use_reentrant=False is recommended, but if "
            "you need to preserve the current default behavior, you can pass use_reentrant=True. Refer to docs for more "
            "details on the differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    if not use_reentrant:
        return function(*args, **kwargs)
    if kwargs:
        fail(ValueError, f"Unexpected keyword arguments: {','.join(kwargs)}")
    if not any(isinstance(one, Tensor) and one.requires_grad for one in args):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2
        )
    return CheckpointFunction.apply(function, preserve_rng_state, *args)


class CheckpointFunction(Function):
    """Runs a function without a record, and again with one when its gradient is wanted; checkpoint
    calls it.

    >>> import alight as torch
    >>> from alight.utils.checkpoint import CheckpointFunction
    >>> x = torch.ones(2, requires_grad=True)
    >>> CheckpointFunction.apply(torch.exp, True, x).sum().backward()
    >>> x.grad
    tensor([2.7183, 2.7183])
    """

    @staticmethod
    def forward(ctx: Any, function: Callable[..., Any], preserve: bool, *args: Any) -> Any:
        """The results of the function."""
        ctx.function, ctx.preserve = function, preserve
        ctx.state = get_rng_state() if preserve else None
        ctx.args = [None if isinstance(one, Tensor) else one for one in args]
        ctx.places = [i for i, one in enumerate(args) if isinstance(one, Tensor)]
        ctx.save_for_backward(*(args[i] for i in ctx.places))
        return function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """The gradients of the arguments; those of parameters that the function uses go to the parameters."""
        args = list(ctx.args)
        for i, one in zip(ctx.places, ctx.saved_tensors, strict=True):
            args[i] = one.detach().requires_grad_() if one.requires_grad else one.detach()
        with no_recording(True):
            outputs = _again(ctx, args)
        pairs = [
            (out, ct)
            for out, ct in zip(outputs, grads, strict=True)
            if isinstance(out, Tensor) and out.requires_grad
        ]
        if not pairs:
            fail(
                RuntimeError,
                "none of output has requires_grad=True, this checkpoint() is not necessary",
            )
        run_backward([out for out, _ in pairs], [ct for _, ct in pairs])
        found = [one.grad if isinstance(one, Tensor) else None for one in args]
        return (None, None, *found)


def _again(ctx: Any, args: Sequence[Any]) -> tuple[Any, ...]:
    if ctx.preserve:
        with fork_rng(), enable_grad():
            set_rng_state(ctx.state)
            result = ctx.function(*args)
    else:
        with enable_grad():
            result = ctx.function(*args)
    return result if isinstance(result, tuple) else (result,)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """A sequential model in `segments` parts, each checkpointed but the last.

    Only the inputs of the parts are kept for the gradient; the rest is computed again.

    >>> import alight as torch
    >>> from alight.utils.checkpoint import checkpoint_sequential
    >>> net = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1))
    >>> x = torch.ones(3, 2, requires_grad=True)
    >>> checkpoint_sequential(net, 2, x, use_reentrant=False).shape
    torch.Size([3, 1])
    """
    steps = list(functions)
    size = len(steps) // segments

    def part(start: int, stop: int) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for step in steps[start:stop]:
                x = step(x)
            return x

        return run

    at = 0
    for _ in range(segments - 1):
        input = checkpoint(part(at, at + size), input, use_reentrant=use_reentrant, **kwargs)
        at += size
    return part(at, len(steps))(input)


def __dir__() -> list[str]:
    return list(__all__)


__all__ = [
    "CheckpointFunction",
    "checkpoint",
    "checkpoint_sequential",
]
