"""torch.autograd: backward, grad, hooks, Function, and the modes that switch recording off.

Everything here stands on `transforms.reverse`: a backward pass is one more recorded step, or a few where Python code
(hooks, `Function.backward`) has to run in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alight.autograd.modes import (
    detect_anomaly,
    enable_grad,
    inference_mode,
    is_grad_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)


def backward(
    tensors: Any, grad_tensors: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    inputs: Any = None,
) -> None:  # fmt: skip
    """Accumulate gradients of `tensors` into the leaves that they depend on."""
    from alight.autograd import engine

    engine.backward(tensors, grad_tensors, retain_graph, create_graph, inputs)


def grad(
    outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    allow_unused: bool | None = None, is_grads_batched: bool = False, materialize_grads: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    """Gradients of the sum of `outputs` with respect to each of `inputs`; `.grad` is left alone.

    >>> import alight as torch
    >>> x = torch.tensor(3., requires_grad=True)
    >>> torch.autograd.grad(x * x, x)
    (tensor(6.),)
    """
    from alight.autograd import engine
    from alight.errors import fail, not_implemented

    if is_grads_batched:
        not_implemented("autograd.grad(is_grads_batched=True)", "a loop over the rows")
    inputs = inputs if isinstance(inputs, Sequence) else (inputs,)
    outputs = outputs if isinstance(outputs, Sequence) else (outputs,)
    if materialize_grads and allow_unused is False:
        fail(
            ValueError,
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.",
        )
    unused = materialize_grads if allow_unused is None else allow_unused
    return engine.grad(
        outputs, inputs, grad_outputs, retain_graph, create_graph, unused, materialize_grads
    )


def __getattr__(name: str) -> Any:
    if name in ("Function", "FunctionCtx"):
        from alight.autograd import function

        return getattr(function, name)
    raise AttributeError(f"module 'alight.autograd' has no attribute '{name}'")


__all__ = [
    "backward", "enable_grad", "grad", "inference_mode", "is_grad_enabled", "no_grad", "set_grad_enabled",
]  # fmt: skip
