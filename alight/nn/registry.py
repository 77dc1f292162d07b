"""The dictionaries in which a module keeps its parameters, buffers, sub-modules and hooks, and types by name."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from typing import Any

from alight.tensor import Tensor


class Registry(dict[str, Any]):
    """A dictionary whose entries are attributes of a module as well."""

    __slots__ = ("_owner",)

    def __init__(self, owner: Any = None, entries: Any = ()) -> None:
        self._owner = None if owner is None else weakref.ref(owner)
        self.update(entries)

    def __setitem__(self, name: str, value: Any) -> None:
        dict.__setitem__(self, name, value)
        owner = self._owner() if self._owner is not None else None
        if owner is not None:
            owner.__dict__[name] = value

    def __delitem__(self, name: str) -> None:
        dict.__delitem__(self, name)
        owner = self._owner() if self._owner is not None else None
        if owner is not None:
            owner.__dict__.pop(name, None)

    def pop(self, name: str, *default: Any) -> Any:
        """Take an entry out, the attribute with it."""
        if default and name not in self:
            return default[0]
        value = self[name]
        del self[name]
        return value

    def popitem(self) -> tuple[str, Any]:
        """Take the last entry out."""
        name = next(reversed(self))
        return name, self.pop(name)

    def clear(self) -> None:
        """Take all entries out."""
        for name in list(self):
            del self[name]

    def update(self, entries: Any = (), **more: Any) -> None:  # type: ignore[override]
        """Set several entries."""
        for name, value in dict(entries, **more).items():
            self[name] = value

    def setdefault(self, name: str, default: Any = None) -> Any:
        """The entry, set first if there is none."""
        if name not in self:
            self[name] = default
        return self[name]

    def __reduce__(self) -> Any:
        return Registry, (), None, None, iter(self.items())


class HookTable(OrderedDict[int, Any]):
    """Hooks by number; their module is told when it gets one, so that its calls look at one flag.

    A copy is an ordinary dictionary: the copied module makes its own table of it.
    """

    def __init__(self, owner: Any, hooks: Any = ()) -> None:
        super().__init__()
        self._owner = weakref.ref(owner)
        self.update(hooks)

    def __setitem__(self, number: int, hook: Any) -> None:
        super().__setitem__(number, hook)
        owner = self._owner()
        if owner is not None:
            owner.__dict__["_is_hooked"] = True

    def __reduce__(self) -> Any:
        return OrderedDict, (list(self.items()),)


def _name_of(value: Any) -> str:
    """As `torch.typename` has it: a class by its own name."""
    if isinstance(value, type):
        return f"{value.__module__}.{value.__qualname__}"
    return typename(value)


def typename(value: Any) -> str:
    """The name of a value's type as PyTorch's messages have it."""
    if isinstance(value, Tensor):
        kind = {"float32": "Float", "float64": "Double", "int64": "Long", "float16": "Half"}.get(
            value.dtype.name, ""
        )
        return "torch.nn.parameter.Parameter" if value._is_parameter else f"torch.{kind}Tensor"
    module = type(value).__module__
    return (
        type(value).__qualname__
        if module in ("builtins", "__builtin__")
        else f"{module}.{type(value).__qualname__}"
    )
