"""torch.jit: what is scripted or traced stays Python; alight compiles what repeats without being told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alight.errors import not_implemented
from alight.nn import Module
from alight.offered import listing

ScriptModule = Module
ScriptFunction = Callable


def script(obj: Any, *args: Any, **kwargs: Any) -> Any:
    """`obj` itself.

    >>> import alight as torch
    >>> torch.jit.script(abs)(-3)
    3
    """
    return obj


def trace(func: Any, example_inputs: Any = None, *args: Any, **kwargs: Any) -> Any:
    """`func` itself: its Python code runs at each call, so branches stay branches.

    >>> import alight as torch
    >>> f = torch.jit.trace(lambda x: x + 1, torch.ones(1))
    >>> f(torch.ones(1))
    tensor([2.])
    """
    return func


def trace_module(mod: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
    """`mod` itself.

    >>> import alight as torch
    >>> net = torch.nn.Identity()
    >>> torch.jit.trace_module(net, {'forward': torch.ones(1)})(torch.ones(1))
    tensor([1.])
    """
    return mod


def script_method(fn: Any) -> Any:
    """`fn` itself.

    >>> import alight as torch
    >>> torch.jit.script_method(max) is max
    True
    """
    return fn


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """Decorator that leaves a function as it is.

    >>> import alight as torch
    >>> @torch.jit.ignore
    ... def f(x):
    ...     return x
    >>> f(3)
    3
    """
    return drop if callable(drop) else lambda fn: fn


def unused(fn: Any) -> Any:
    """`fn` itself.

    >>> import alight as torch
    >>> torch.jit.unused(max) is max
    True
    """
    return fn


def export(fn: Any) -> Any:
    """`fn` itself.

    >>> import alight as torch
    >>> torch.jit.export(max) is max
    True
    """
    return fn


def interface(obj: Any) -> Any:
    """`obj` itself.

    >>> import alight as torch
    >>> torch.jit.interface(dict) is dict
    True
    """
    return obj


def freeze(mod: Any, *args: Any, **kwargs: Any) -> Any:
    """`mod` itself.

    >>> import alight as torch
    >>> net = torch.nn.Linear(1, 1).eval()
    >>> torch.jit.freeze(net) is net
    True
    """
    return mod


def optimize_for_inference(mod: Any, *args: Any, **kwargs: Any) -> Any:
    """`mod` itself.

    >>> import alight as torch
    >>> net = torch.nn.Linear(1, 1).eval()
    >>> torch.jit.optimize_for_inference(net) is net
    True
    """
    return mod


def is_scripting() -> bool:
    """Whether this code is being scripted: never.

    >>> import alight as torch
    >>> torch.jit.is_scripting()
    False
    """
    return False


def is_tracing() -> bool:
    """Whether this code is being traced: never.

    >>> import alight as torch
    >>> torch.jit.is_tracing()
    False
    """
    return False


def annotate(the_type: Any, the_value: Any) -> Any:
    """`the_value`.

    >>> import alight as torch
    >>> torch.jit.annotate(int, 3)
    3
    """
    return the_value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Python's isinstance.

    >>> import alight as torch
    >>> torch.jit.isinstance([1, 2], list)
    True
    """
    import builtins

    return builtins.isinstance(obj, target_type)


class Attribute:
    """A value with a type, for scripted modules: the value.

    >>> import alight as torch
    >>> torch.jit.Attribute(3, int)
    3
    """

    def __new__(cls, value: Any, type: Any = None) -> Any:
        return value


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """A future whose value is computed at once.

    >>> import alight as torch
    >>> torch.jit.wait(torch.jit.fork(torch.add, torch.ones(1), 1))
    tensor([2.])
    """
    return _Done(func(*args, **kwargs))


class _Done:
    def __init__(self, value: Any) -> None:
        self._value = value

    def wait(self) -> Any:
        """The value."""
        return self._value

    value = wait


def wait(future: Any) -> Any:
    """The value of a future.

    >>> import alight as torch
    >>> torch.jit.wait(torch.jit.fork(max, 1, 2))
    2
    """
    return future.wait()


def save(m: Any, f: Any, *args: Any, **kwargs: Any) -> None:
    """Not there: TorchScript files hold code.

    Errors: NotImplementedError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.jit.save(torch.nn.Identity(), 'net.pt')
    ... except NotImplementedError as error:
    ...     print('not there')
    not there
    """
    not_implemented("torch.jit.save", "torch.save(model.state_dict(), path)")


def load(f: Any, *args: Any, **kwargs: Any) -> Any:
    """Not there: TorchScript files hold code.

    Errors: NotImplementedError, always.

    >>> import alight as torch
    >>> try:
    ...     torch.jit.load('net.pt')
    ... except NotImplementedError as error:
    ...     print('not there')
    not there
    """
    not_implemented("torch.jit.load", "torch.load of a state_dict, into a model built in Python")


__dir__ = listing(globals(), "ScriptModule")
