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
    """Accumulate gradients of `tensors` into the leaves that they depend on.

    Errors: RuntimeError for an output of several elements without its gradient, and for one that
    needs none.

    >>> import alight as torch
    >>> x = torch.tensor(3., requires_grad=True)
    >>> torch.autograd.backward(x * x)
    >>> x.grad
    tensor(6.)
    """
    from alight.autograd import engine
    from alight.tensor import Tensor

    if hasattr(tensors, "_slot") and grad_tensors is None:
        # it knows a short way; not the tensor's own method, which a subclass may define by this function
        return Tensor.backward(tensors, None, retain_graph, create_graph, inputs)
    outputs = (tensors,) if hasattr(tensors, "_slot") else tuple(tensors)
    given = (grad_tensors,) if hasattr(grad_tensors, "_slot") else grad_tensors
    engine.backward(outputs, given, retain_graph, create_graph, inputs)


def grad(
    outputs: Any, inputs: Any, grad_outputs: Any = None, retain_graph: bool | None = None, create_graph: bool = False,
    only_inputs: bool = True, allow_unused: bool | None = None, is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:  # fmt: skip
    """Gradients of the sum of `outputs` with respect to each of `inputs`; `.grad` is left alone.

    `inputs` and `outputs` are tensors or sequences of them; `only_inputs=False` is no longer supported.

    Errors: RuntimeError for an input that does not take part, unless allow_unused; ValueError for
    options that contradict one another.

    >>> import alight as torch
    >>> x = torch.tensor(3., requires_grad=True)
    >>> torch.autograd.grad(x * x, x)
    (tensor(6.),)
    """
    from alight.autograd import engine
    from alight.errors import fail

    inputs, outputs = (
        (given,) if hasattr(given, "_slot") else tuple(given) for given in (inputs, outputs)
    )
    if not only_inputs:
        import warnings

        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for other "
            "parts of the graph, please use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    if materialize_grads and allow_unused is False:
        fail(
            ValueError,
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False.",
        )
    unused = materialize_grads if allow_unused is None else allow_unused
    if is_grads_batched:
        return _batched(
            outputs, inputs, grad_outputs, retain_graph, create_graph, unused, materialize_grads
        )
    return engine.grad(
        outputs, inputs, grad_outputs, retain_graph, create_graph, unused, materialize_grads
    )


def _batched(outputs: Any, inputs: Any, grad_outputs: Any, *options: Any) -> tuple[Any, ...]:
    """`grad` for a batch of cotangents at once."""
    from alight.autograd import engine
    from alight.func import vmap

    given = grad_outputs if isinstance(grad_outputs, Sequence) else (grad_outputs,)
    found: list[Any] = []

    def one(*cotangents: Any) -> tuple[Any, ...]:
        found[:] = engine.grad(outputs, inputs, cotangents, *options)
        return tuple(gradient for gradient in found if gradient is not None)

    made = iter(vmap(one)(*given))
    return tuple(None if gradient is None else next(made) for gradient in found)


_LATER = {
    "Function": "function", "FunctionCtx": "function", "gradcheck": "numerical", "gradgradcheck": "numerical", "GradcheckError": "numerical",
    "Variable": "variable",
}  # fmt: skip
_MODULES = (
    "anomaly_mode", "engine", "forward_ad", "function", "functional", "grad_mode", "graph", "hooks",
    "modes", "profiler", "variable",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _LATER:
        return getattr(import_module(f"alight.autograd.{_LATER[name]}"), name)
    if name in _MODULES:
        return import_module(f"alight.autograd.{name}")
    raise AttributeError(f"module 'alight.autograd' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*__all__, *_LATER, *_MODULES} - {"engine", "hooks", "modes"})


__all__ = [
    "backward", "detect_anomaly", "enable_grad", "grad", "inference_mode", "is_grad_enabled", "no_grad", "set_detect_anomaly",
    "set_grad_enabled",
]  # fmt: skip
