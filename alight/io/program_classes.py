"""What `weights_only=False` allows besides: modules saved whole, and objects of classes that the program has.

In: a name from a file. Out: a class that is there already, or UnpicklingError. Nothing is imported for a file, no
constructor runs, no function is called: an object is made empty and given its attributes, as copying does it, by
its class's own `__setstate__` where the program has written one.
"""

from __future__ import annotations

import enum
import sys
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterable
from pathlib import PurePath
from sysconfig import get_paths
from types import FunctionType, SimpleNamespace
from typing import Any

from alight.io.allowed import Allowed, build_object
from alight.tensor import Tensor


class ProgramAllowed(Allowed):
    """The table, alight's own layers and optimizers, and classes of the program."""

    def __init__(self, added: Iterable[Any] = ()) -> None:
        super().__init__(added)
        self.empty: set[type] = set()  # classes whose objects are made empty and given attributes

    def absent(self, path: str) -> Any:
        if path in PLAIN:
            return PLAIN[path]
        module, _, name = path.rpartition(".")
        found = (
            _of_torch(module, name) if module.startswith("torch.") else _of_program(module, name)
        )
        if found is None:
            return super().absent(path)
        if isinstance(found, type):
            self.empty.add(found)
        return found

    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        if function is _reconstructor and arguments[1:] == (object, None):
            return self.new(arguments[0], ())
        if function in (Namespace, SimpleNamespace) and not arguments:
            return function()
        if function is defaultdict:
            return defaultdict(*arguments) if arguments in FACTORIES else super().call(None, ())
        if function is PurePath and all(type(part) is str for part in arguments):
            return PurePath(*arguments)  # of this system, whatever wrote the file
        if function in self.empty and issubclass(function, enum.Enum):
            return function(*arguments)  # one of its members
        return super().call(function, arguments)

    def new(self, kind: Any, arguments: tuple[Any, ...]) -> Any:
        if kind in (Namespace, SimpleNamespace) or kind in self.empty:
            if kind.__new__ is object.__new__ and not arguments:
                return object.__new__(kind)
            if issubclass(kind, dict | list) and kind.__new__ in (dict.__new__, list.__new__):
                return kind.__new__(kind)
            if issubclass(kind, tuple) and hasattr(kind, "_fields"):
                return tuple.__new__(kind, arguments)
        return super().new(kind, arguments)

    def build(self, obj: Any, state: Any) -> None:
        if type(obj) in self.empty or type(obj) in (Namespace, SimpleNamespace):
            build_object(obj, state)
        else:
            super().build(obj, state)


def _reconstructor(*arguments: Any) -> None:
    """Stands for copyreg._reconstructor, of pickles before protocol 2."""


_PATHS = ("PosixPath", "WindowsPath", "PurePosixPath", "PureWindowsPath")
PLAIN: dict[str, Any] = {  # of Python's own, what holds data alone
    "argparse.Namespace": Namespace,
    "types.SimpleNamespace": SimpleNamespace,
    "collections.defaultdict": defaultdict,
    "copyreg._reconstructor": _reconstructor,
    "builtins.object": object,
    **{f"builtins.{kind.__name__}": kind for kind in (list, dict, int, float, str)},
    **{f"pathlib.{kind}": PurePath for kind in _PATHS},
    **{f"pathlib._local.{kind}": PurePath for kind in _PATHS},
}
FACTORIES: tuple[tuple[Any, ...], ...] = (
    (), (None,), (list,), (dict,), (set,), (int,), (float,), (str,),
)  # fmt: skip


def _of_torch(module: str, name: str) -> Any:
    """The layer, function or optimizer of alight's that bears the name."""
    from alight import nn, optim
    from alight.nn import functional

    if module.startswith("torch.nn.functional") or module == "torch._C._nn":
        found = getattr(functional, name, None)
        return found if isinstance(found, FunctionType) else None
    for home, prefix in (
        (nn, "torch.nn"),
        (optim.lr_scheduler, "torch.optim.lr"),
        (optim, "torch.optim"),
    ):
        found = getattr(home, name, None)
        if module.startswith(prefix) and isinstance(found, type) and not issubclass(found, Tensor):
            return found
    return None


def _of_program(module: str, name: str) -> Any:
    """A class that the running program has defined or imported."""
    found = getattr(sys.modules.get(module), name, None)
    return found if isinstance(found, type) and _is_program_class(found) else None


def _is_program_class(kind: type) -> bool:
    """Whether a class is the program's own: neither Python's nor of an installed package, nor alight's."""
    module = sys.modules.get(kind.__module__)
    if kind.__module__ == "__main__":
        return True
    file = getattr(module, "__file__", None)
    if file is None or kind.__module__.partition(".")[0] == "alight":
        return False
    paths = get_paths()
    return not any(
        file.startswith(paths[place]) for place in ("stdlib", "platstdlib", "purelib", "platlib")
    )
