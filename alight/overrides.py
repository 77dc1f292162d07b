"""torch.overrides: classes and modes that say themselves what operations do."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from alight.offered import listing
from alight.ops import dispatch
from alight.tensor import Tensor


class TorchFunctionMode:
    """A block in which every call goes to this object's `__torch_function__` first.

    >>> import alight as torch
    >>> class Loud(torch.overrides.TorchFunctionMode):
    ...     def __torch_function__(self, func, types, args=(), kwargs=None):
    ...         print(func.__name__)
    ...         return func(*args, **(kwargs or {}))
    >>> with Loud():
    ...     x = torch.ones(2) + 1
    ones
    add
    """

    inner: Any = None

    def __init__(self) -> None:
        pass

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        raise NotImplementedError

    def __enter__(self) -> Any:
        dispatch.set_modes((*dispatch.state.modes, self))
        return self

    def __exit__(self, *error: object) -> None:
        dispatch.set_modes(dispatch.state.modes[:-1])

    @classmethod
    def push(cls, *args: Any, **kwargs: Any) -> Any:
        """A mode of this class."""
        return cls(*args, **kwargs)


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that only passes calls on.

    >>> import alight as torch
    >>> with torch.overrides.BaseTorchFunctionMode():
    ...     torch.ones(2)
    tensor([1., 1.])
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return func(*args, **(kwargs or {}))


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether any of the arguments, or a mode, wants to take calls.

    >>> import alight as torch
    >>> torch.overrides.has_torch_function((torch.ones(1),))
    False
    """
    if dispatch.state.modes:
        return True
    return not dispatch.state.disabled and bool(dispatch.overloaded(relevant_args))


def has_torch_function_unary(argument: Any) -> bool:
    """`has_torch_function` of one argument.

    >>> import alight as torch
    >>> torch.overrides.has_torch_function_unary(torch.ones(1))
    False
    """
    return has_torch_function((argument,))


def has_torch_function_variadic(*arguments: Any) -> bool:
    """`has_torch_function` of several arguments.

    >>> import alight as torch
    >>> torch.overrides.has_torch_function_variadic(torch.ones(1), 2)
    False
    """
    return has_torch_function(arguments)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """What the first of the relevant arguments that wants to makes of a call.

    Errors: TypeError where nobody takes the call.

    >>> import alight as torch
    >>> class Loud(torch.Tensor):
    ...     @classmethod
    ...     def __torch_function__(cls, func, types, args=(), kwargs=None):
    ...         return func.__name__
    >>> x = torch.ones(1).as_subclass(Loud)
    >>> torch.overrides.handle_torch_function(torch.add, (x,), x, 1)
    'add'
    """
    taken = dispatch.hand_over(public_api, args, kwargs, tuple(relevant_args))
    return public_api(*args, **kwargs) if taken is dispatch.MISS else taken


def wrap_torch_function(dispatcher: Callable[..., Iterable[Any]]) -> Callable[..., Any]:
    """Decorator of a function of one's own that subclasses may take over; `dispatcher` gives the relevant arguments.

    >>> import alight as torch
    >>> @torch.overrides.wrap_torch_function(lambda x: (x,))
    ... def twice(x):
    ...     return x * 2
    >>> twice(torch.ones(1))
    tensor([2.])
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if has_torch_function(dispatcher(*args, **kwargs)):
                return handle_torch_function(wrapped, dispatcher(*args, **kwargs), *args, **kwargs)
            return function(*args, **kwargs)

        return wrapped

    return decorate


def is_tensor_like(inp: Any) -> bool:
    """Whether something is a tensor or takes calls as one.

    >>> import alight as torch
    >>> is_tensor_like(torch.ones(1)), is_tensor_like(3)
    (True, False)
    """
    return isinstance(inp, Tensor) or hasattr(type(inp), "__torch_function__")


def is_tensor_method_or_property(func: Callable[..., Any]) -> bool:
    """Whether a function is one of Tensor's methods.

    >>> import alight as torch
    >>> torch.overrides.is_tensor_method_or_property(torch.Tensor.add)
    True
    """
    name = getattr(func, "__name__", "")
    return inspect.getattr_static(Tensor, name, None) is func


def get_default_nowrap_functions() -> set[Any]:
    """Functions whose results stay plain tensors.

    >>> import alight as torch
    >>> isinstance(torch.overrides.get_default_nowrap_functions(), set)
    True
    """
    return dispatch.not_wrapped()


def get_ignored_functions() -> set[Any]:
    """Functions that are never handed over: those that make tensors of data.

    >>> import alight as torch
    >>> torch.tensor in torch.overrides.get_ignored_functions()
    True
    """
    from alight.ops.operation import TORCH

    names = (
        "tensor",
        "as_tensor",
        "from_numpy",
        "zeros",
        "ones",
        "empty",
        "full",
        "arange",
        "eye",
        "linspace",
    )
    return {TORCH[name] for name in names}


def get_overridable_functions() -> dict[Any, list[Any]]:
    """Functions that are handed over, by the module or class that serves them.

    >>> import alight as torch
    >>> torch.add in torch.overrides.get_overridable_functions()[torch]
    True
    """
    import alight
    from alight.nn import functional
    from alight.ops.operation import FUNCTIONAL, METHODS, TORCH

    return {
        alight: list(TORCH.values()),
        functional: list(FUNCTIONAL.values()),
        Tensor: list(METHODS.values()),
    }


def resolve_name(f: Callable[..., Any]) -> str | None:
    """The public name of a function, as torch.add.

    >>> import alight as torch
    >>> torch.overrides.resolve_name(torch.Tensor.add)
    'torch.Tensor.add'
    """
    from alight.ops.operation import FUNCTIONAL, METHODS, TORCH

    for prefix, table in (
        ("torch.", TORCH),
        ("torch.nn.functional.", FUNCTIONAL),
        ("torch.Tensor.", METHODS),
    ):
        for name, function in table.items():
            if function is f or function == f:
                return prefix + name
    return None


def _get_overloaded_args(relevant_args: Sequence[Any], get_type_fn: Any = None) -> list[Any]:
    return dispatch.overloaded(relevant_args)


__all__ = [
    "BaseTorchFunctionMode", "TorchFunctionMode", "get_default_nowrap_functions", "get_ignored_functions",
    "get_overridable_functions", "handle_torch_function", "has_torch_function", "is_tensor_like",
    "is_tensor_method_or_property", "resolve_name", "wrap_torch_function",
]  # fmt: skip


__dir__ = listing(globals())
