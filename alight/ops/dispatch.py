"""Calls handed to `__torch_function__`: subclasses of Tensor that say themselves what operations do.

In: a public function and its arguments. Out: what the first `__torch_function__` among the arguments (or the innermost
mode) gives. A known step knows nothing of this: the slots of subclass instances are in no key while handing over is on,
so that such calls take the slow way, which asks here.
"""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from alight.errors import fail

MISS = object()  # nobody wants to take the call


class _State(threading.local):
    disabled: int = 0  # blocks in which subclasses count as plain tensors
    modes: Any = ()  # the stack of modes, innermost last


state = _State()
_watching = [False]  # whether any class or mode wants to take calls


def watching() -> bool:
    """Whether calls have to be looked at, at all."""
    return _watching[0]


def disabled_torch_function(func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    """`__torch_function__` of classes that do without: never called."""
    return NotImplemented


class DisableTorchFunctionSubclass:
    """A block in which subclasses of Tensor count as plain tensors.

    >>> import alight as torch
    >>> with torch._C.DisableTorchFunctionSubclass():
    ...     torch.ones(1)
    tensor([1.])
    """

    def __enter__(self) -> None:
        state.disabled += 1

    def __exit__(self, *error: object) -> None:
        state.disabled -= 1


class DisableTorchFunction(DisableTorchFunctionSubclass):
    """The same block without the modes that are on."""

    def __enter__(self) -> None:
        super().__enter__()
        self.modes = state.modes
        set_modes(())

    def __exit__(self, *error: object) -> None:
        super().__exit__(*error)
        set_modes(self.modes)


# -- subclasses --------------------------------------------------------------------------------------------------------


class _Apart(int):
    """A slot that is in no key of a known step, and otherwise the number that it is."""

    def __hash__(self) -> int:
        return int.__hash__(self) ^ 0x5BD1E995


def _get_slot(self: Any) -> int:
    slot = self.__dict__.get("_slot", -1)
    return slot if state.disabled else _Apart(slot)


def _set_slot(self: Any, slot: int) -> None:
    self.__dict__["_slot"] = int(slot)


def overrides(cls: type) -> bool:
    """Whether a class wants to take calls."""
    rule = getattr(cls, "__torch_function__", None)
    if rule is None or rule is disabled_torch_function:
        return False
    from alight.tensor import Tensor

    if not issubclass(cls, Tensor):
        return True
    return cls is not Tensor


def prepare(cls: Any) -> None:
    """Make a new subclass of Tensor one whose calls are handed over."""
    if not overrides(cls):
        return
    watch()
    if "_slot" not in cls.__dict__:
        cls._slot = property(_get_slot, _set_slot)
    from alight.ops.operation import METHODS, is_operation

    for name, method in METHODS.items():
        owner = next((base for base in cls.__mro__ if name in base.__dict__), None)
        if is_operation(method) or not inspect.isfunction(method) or owner is None:
            continue
        if owner.__module__ == "alight.tensor":  # nobody below has an own form
            method.__name__ = name
            setattr(cls, name, _method(method))


def _method(method: Callable[..., Any]) -> Callable[..., Any]:
    def handed_over(*args: Any, **kwargs: Any) -> Any:
        return call(method, args, kwargs)

    handed_over.__name__, handed_over.__doc__ = method.__name__, method.__doc__
    setattr(handed_over, "__wrapped__", method)  # noqa: B010
    return handed_over


def watch() -> None:
    """From now on calls are looked at: functions that only call operations are replaced by ones that ask first."""
    if _watching[0]:
        return
    _watching[0] = True
    import sys

    from alight.ops.operation import FUNCTIONAL, TORCH, is_operation

    for namespace, module in ((TORCH, "alight"), (FUNCTIONAL, "alight.nn.functional")):
        for name, function in list(namespace.items()):
            if inspect.isfunction(function) and not is_operation(function):
                asking = namespace[name] = Asking(function)
                place = sys.modules.get(module)
                if place is not None and place.__dict__.get(name) is function:
                    setattr(place, name, asking)


class Asking:
    """A function that asks its arguments before it runs; equal to the function itself."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.__wrapped__ = function
        self.__name__, self.__doc__ = function.__name__, function.__doc__
        self.__module__ = "alight"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return call(self.__wrapped__, args, kwargs)

    def __eq__(self, other: object) -> bool:
        return other is self or self.__wrapped__ is getattr(other, "__wrapped__", other)

    def __hash__(self) -> int:
        return hash(self.__wrapped__)

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self.__wrapped__.__get__(instance, owner)

    def __repr__(self) -> str:
        return repr(self.__wrapped__)


# -- modes -------------------------------------------------------------------------------------------------------------


class _Watched:
    """A recorder on which no step is known, so that every call takes the slow way; all else is the real one's."""

    def __init__(self, real: Any) -> None:
        object.__setattr__(self, "real", real)

    @property
    def here(self) -> Any:
        """The real place, as if nothing led on from it."""
        return _Nowhere(self.real.here)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self.real, name, value)


class _Nowhere:
    def __init__(self, place: Any) -> None:
        self._place = place
        self.children: dict[Any, Any] = {}
        self.cuts: dict[Any, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._place, name)


def set_modes(modes: tuple[Any, ...]) -> None:
    """The modes that are on; while there are any, every call is looked at."""
    from alight.record.recorder import thread

    state.modes = modes
    recorder: Any = thread.recorder
    real = recorder.real if isinstance(recorder, _Watched) else recorder
    thread.recorder = _Watched(real) if modes else real  # type: ignore[assignment]
    if modes:
        watch()


# -- handing over ------------------------------------------------------------------------------------------------------


def overloaded(arguments: Iterable[Any]) -> list[Any]:
    """The arguments, one of each class, that want to take a call: subclasses before what they derive from."""
    found: list[Any] = []
    types: list[type] = []
    for one in arguments:
        cls = type(one)
        if cls in types or not hasattr(cls, "__torch_function__") or not overrides(cls):
            continue
        at = len(found)
        for i, other in enumerate(types):
            if issubclass(cls, other):
                at = i
                break
        found.insert(at, one)
        types.insert(at, cls)
    return found


def flat(values: Iterable[Any]) -> Iterable[Any]:
    """Arguments with the elements of lists and tuples among them."""
    for one in values:
        if isinstance(one, (list, tuple)):
            yield from one
        else:
            yield one


def call(function: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """`function(*args, **kwargs)`, unless somebody takes the call."""
    taken = hand_over(function, args, kwargs)
    return function(*args, **kwargs) if taken is MISS else taken


def hand_over(
    function: Any,
    args: Sequence[Any],
    kwargs: dict[str, Any],
    relevant: Sequence[Any] | None = None,
) -> Any:
    """What a mode or an argument (one of `relevant`, if given) makes of a call, or MISS."""
    asked = flat((*args, *kwargs.values())) if relevant is None else relevant
    arguments = () if state.disabled else overloaded(asked)
    if not arguments and not state.modes:
        return MISS
    types = tuple(type(one) for one in arguments)
    if state.modes:
        mode, before = state.modes[-1], state.modes
        set_modes(before[:-1])
        try:
            result = mode.__torch_function__(function, types, tuple(args), dict(kwargs))
        finally:
            set_modes(before)
        if result is not NotImplemented:
            return result
    for one in arguments:
        result = one.__torch_function__(function, types, tuple(args), dict(kwargs))
        if result is not NotImplemented:
            return result
    name = f"torch.{getattr(function, '__name__', function)}"
    fail(
        TypeError,
        f"Multiple dispatch failed for '{name}'; all __torch_function__ handlers returned NotImplemented:",
        facts=[f"- tensor subclass {cls}" for cls in types],
    )


def of_operation(public: Any, operation: Any, arguments: Sequence[Any]) -> Any:
    """The same for an operation whose arguments are in the order of its parameters."""
    if not state.modes and (state.disabled or not overloaded(flat(arguments))):
        return MISS
    positional: list[Any] = []
    kwargs: dict[str, Any] = {}
    for parameter, value in zip(operation.parameters, arguments, strict=True):
        given = value is not parameter.default
        if parameter.keyword_only or len(positional) < len(kwargs):
            if given:
                kwargs[parameter.name] = value
        else:
            positional.append(value)
    defaults = [p.default for p in operation.parameters if not p.keyword_only]
    while positional and positional[-1] is defaults[len(positional) - 1]:
        positional.pop()
    return hand_over(public, positional, kwargs)


def default_torch_function(
    cls: type, func: Any, types: Any, args: Any = (), kwargs: Any = None
) -> Any:
    """`Tensor.__torch_function__`: the plain operation, and its results as this class."""
    from alight.tensor import Tensor

    kwargs = kwargs or {}
    if not all(issubclass(cls, one) for one in types):
        return NotImplemented
    with DisableTorchFunctionSubclass():
        result = func(*args, **kwargs)
    if func in not_wrapped():
        return result
    given = {id(one) for one in flat((*args, *kwargs.values()))}
    return _as_class(result, cls, given, Tensor)


def _as_class(result: Any, cls: Any, given: set[int], tensor_class: type) -> Any:
    if isinstance(result, tensor_class):
        if not isinstance(result, cls) and cls is not tensor_class:
            if id(result) in given:
                return result
            result.__class__ = cls
        return result
    if isinstance(result, (tuple, list)):
        parts = [_as_class(one, cls, given, tensor_class) for one in result]
        return type(result)(*parts) if hasattr(result, "_fields") else type(result)(parts)
    return result


_not_wrapped: set[Any] = set()


def not_wrapped() -> set[Any]:
    """Functions whose results stay plain tensors: `grad` and the like."""
    return _not_wrapped
