"""The names that a checkpoint may use, and what each of them makes.

In: a name from a file. Out: an object of ours, or UnpicklingError naming what was refused. Every
function in the table checks its arguments itself, makes data only, and allocates no more than it
was given. Users may add classes of their own: `alight.io.serialization.add_safe_globals`.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

import numpy as np

from alight.device import device
from alight.dtypes import ALL as DTYPES
from alight.errors import UnpicklingError, fail, message
from alight.io.tensors import PARAMETER, REBUILD, STORAGES, TENSOR, UNTYPED
from alight.record.meta import Size

Function = Callable[..., Any]

PYTHON2_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
PYTHON2_NAMES = {"builtins.xrange": "builtins.range"}
KEYS = (str, int, float, complex, bool, bytes, type(None))
KEY_PARTS = 1000  # of a dict's key: nested tuples that hold one another could take for ever to hash
NUMBER_KINDS = "biufc"  # of NumPy's dtypes: those that hold numbers, never objects


class Allowed:
    """What the globals of a file stand for: the table below, and what the user added."""

    def __init__(self, added: Iterable[Any] = ()) -> None:
        self.table: dict[str, Any] = dict(TABLE)
        self.classes: dict[int, Any] = {}
        for entry in added:
            value, name = entry if isinstance(entry, tuple) else (entry, full_name(entry))
            self.table[name] = value
            self.classes[id(value)] = value

    def find(self, module: str, name: str) -> Any:
        """The object that stands for `module.name`."""
        path = _python3_name(f"{module}.{name}")
        return self.table[path] if path in self.table else self.absent(path)

    def has(self, path: str) -> bool:
        """Whether something stands for the full name `path`."""
        return _python3_name(path) in self.table

    def absent(self, path: str) -> Any:
        """What stands for a name that the table lacks: nothing."""
        _refuse(path)

    def call(self, function: Any, arguments: tuple[Any, ...]) -> Any:
        """The result of a function of the table."""
        if id(function) in self.classes:
            return function(*arguments)
        make = MAKERS.get(id(function))
        if make is None:
            _refuse(f"a call of {function!r}"[:200])
        return make(*arguments)

    def new(self, kind: Any, arguments: tuple[Any, ...]) -> Any:
        """An object of a class, not initialised."""
        if id(kind) in self.classes:
            return kind.__new__(kind, *arguments)
        return self.call(kind, arguments)

    def build(self, obj: Any, state: Any) -> None:
        """Give an object its state."""
        if type(obj) is OrderedDict and isinstance(state, dict):
            obj.__dict__.update(state)  # the `_metadata` of a state_dict
        elif type(obj) is np.ndarray:
            _build_array(obj, state)
        elif isinstance(obj, np.dtype):
            _build_dtype(obj, state)
        elif id(type(obj)) in self.classes:
            build_object(obj, state)
        else:
            _refuse(f"a state for a {type(obj).__name__}")


def _python3_name(path: str) -> str:
    module, _, name = path.rpartition(".")
    path = f"{PYTHON2_MODULES.get(module, module)}.{name}"
    return PYTHON2_NAMES.get(path, path)


def full_name(obj: Any) -> str:
    """The name under which a file would refer to a class or function.

    >>> full_name(OrderedDict)
    'collections.OrderedDict'
    """
    try:
        return f"{obj.__module__}.{obj.__qualname__}"
    except AttributeError:
        fail(
            TypeError,
            f"add_safe_globals() takes classes and functions, not {obj!r}",
            try_="add_safe_globals([MyClass])",
        )


def checked_key(key: Any) -> Any:
    """`key`, if it can be hashed in bounded time and by no code of a file's choosing."""
    pending, count = [key], 0
    while pending:
        part = pending.pop()
        count += 1
        if type(part) is tuple and count + len(part) <= KEY_PARTS:
            pending.extend(part)
        elif type(part) not in KEYS or count > KEY_PARTS:
            raise ValueError(f"a {type(part).__name__} is no key that checkpoints need")
    return key


def _refuse(path: str) -> NoReturn:
    if path.startswith("torch.") and path.count(".") == 1:
        raise UnpicklingError(
            f"Weights only load failed. alight has nothing that stands for {path}"
        )
    raise UnpicklingError(
        message(
            f"Weights only load failed. Unsupported global: GLOBAL {path} was not an allowed global by default.",
            [
                "loading builds tensors and plain data; what else a file names is never imported nor run"
            ],
            "saving a state_dict(); or torch.serialization.add_safe_globals([...]) for a class you trust",
        )
    )


def _want(condition: bool, what: str) -> None:
    if not condition:
        raise ValueError(what)


def _ordered_dict(pairs: Any = ()) -> OrderedDict[Any, Any]:
    _want(not pairs, "an OrderedDict with arguments")  # pairs come as items, whose keys are checked
    return OrderedDict()


def _counter(counts: Any = None) -> Counter[Any]:
    _want(counts is None or type(counts) is dict, "a Counter of no dict")
    return Counter(counts)


def _set(items: Any = ()) -> set[Any]:
    _want(type(items) is list or items == (), "a set of no list")
    return {checked_key(item) for item in items}


def _frozenset(items: Any = ()) -> frozenset[Any]:
    return frozenset(_set(items))


def _bytes_from_text(text: Any, encoding: Any) -> bytes:
    _want(
        type(text) is str and encoding in ("latin1", "latin-1"),
        "bytes in another encoding than latin1",
    )
    return bytes(text, "latin1")


def _bytes() -> bytes:
    return b""


def _bytearray(content: Any = b"", encoding: Any = None) -> bytearray:
    if encoding is not None:
        content = _bytes_from_text(content, encoding)
    _want(type(content) is bytes, "a bytearray of no bytes")
    return bytearray(content)


def _complex(real: Any, imaginary: Any) -> complex:
    _want(type(real) is float and type(imaginary) is float, "a complex number of no floats")
    return complex(real, imaginary)


def _slice(*bounds: Any) -> slice:
    _want(all(bound is None or type(bound) is int for bound in bounds), "a slice of no integers")
    return slice(*bounds)


def _range(*bounds: Any) -> range:
    _want(all(type(bound) is int for bound in bounds), "a range of no integers")
    return range(*bounds)


def _size(extents: Any = ()) -> Size:
    _want(type(extents) is tuple and all(type(n) is int for n in extents), "a size of no integers")
    return Size(extents)


def _device(kind: Any, index: Any = None) -> device:
    _want(type(kind) is str and (index is None or type(index) is int), "a device without a name")
    return device(kind) if index is None else device(kind, index)


def _numpy_dtype(name: Any, align: Any = False, copy: Any = False) -> np.dtype[Any]:
    plain = type(name) is str and len(name) <= 4 and name.lstrip("<>=|")[:1] in NUMBER_KINDS
    _want(plain, f"NumPy's dtype {name!r} does not hold plain numbers")
    return np.dtype(name, align=False, copy=True)  # type: ignore[call-overload,no-any-return]


def _build_dtype(of: np.dtype[Any], state: Any) -> None:
    plain = type(state) is tuple and len(state) == 8 and state[1] in ("<", ">", "=", "|")
    _want(
        plain and state[2:] == (None, None, None, -1, -1, 0),
        "a NumPy dtype that does not hold plain numbers",
    )
    of.__setstate__(state)  # type: ignore[attr-defined]


def _numpy_scalar(of: Any, content: Any) -> np.generic:
    _want(isinstance(of, np.dtype) and of.kind in NUMBER_KINDS, "a NumPy scalar that is no number")
    _want(
        type(content) is bytes and len(content) == of.itemsize, "a NumPy scalar of another length"
    )
    return np.frombuffer(content, of)[0]  # type: ignore[no-any-return]


def _numpy_array(kind: Any, shape: Any, code: Any) -> np.ndarray[Any, Any]:
    _want(kind is np.ndarray, "a NumPy array of another class")
    return np.empty(0, np.int8)  # its state follows


def _build_array(array: np.ndarray[Any, Any], state: Any) -> None:
    _want(type(state) is tuple and len(state) == 5, "a NumPy array without its state")
    _, shape, of, is_fortran, content = state
    _want(isinstance(of, np.dtype) and of.kind in NUMBER_KINDS, "a NumPy array of no numbers")
    _want(
        type(shape) is tuple and all(type(n) is int and n >= 0 for n in shape),
        "a NumPy array without a shape",
    )
    if type(content) is str:  # Python 2's bytes
        content = content.encode("latin1")
    needed = of.itemsize
    for extent in shape:
        needed *= extent
    _want(
        type(content) is bytes and len(content) == needed and len(shape) <= 64,
        "a NumPy array of another length",
    )
    array.__setstate__((1, shape, of, bool(is_fortran), content))  # type: ignore[arg-type]


def build_object(obj: Any, state: Any) -> None:
    """The default of Python's protocol, for classes that the user added."""
    own = getattr(obj, "__setstate__", None)
    if own is not None:
        own(state)
        return
    attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    _want(isinstance(attributes, (dict, type(None))), "the state of an object that is no dict")
    obj.__dict__.update(attributes or {})
    for name, value in (slots or {}).items():
        setattr(obj, name, value)


_NUMPY_MODULES = ("numpy.core.multiarray", "numpy._core.multiarray")
_FUNCTIONS: dict[str, tuple[Any, Function]] = {
    "collections.OrderedDict": (OrderedDict, _ordered_dict),
    "collections.Counter": (Counter, _counter),
    "builtins.set": (set, _set),
    "builtins.frozenset": (frozenset, _frozenset),
    "builtins.bytes": (bytes, _bytes),
    "builtins.bytearray": (bytearray, _bytearray),
    "builtins.complex": (complex, _complex),
    "builtins.slice": (slice, _slice),
    "builtins.range": (range, _range),
    "_codecs.encode": (_bytes_from_text, _bytes_from_text),
    "torch.Size": (Size, _size),
    "torch.device": (device, _device),
    "numpy.dtype": (np.dtype, _numpy_dtype),
    **{f"{module}.scalar": (_numpy_scalar, _numpy_scalar) for module in _NUMPY_MODULES},
    **{f"{module}._reconstruct": (_numpy_array, _numpy_array) for module in _NUMPY_MODULES},
    **{name: (function, function) for name, function in REBUILD.items()},
}
TABLE: dict[str, Any] = {
    **{name: entry[0] for name, entry in _FUNCTIONS.items()},
    **{f"torch.{of.name}": of for of in DTYPES},
    **{f"torch.{name}": of for name, of in STORAGES.items()},
    **{f"torch.cuda.{name}": of for name, of in STORAGES.items()},
    **{
        name: name for name in (UNTYPED, TENSOR, PARAMETER)
    },  # looked at by their users, never called
    "numpy.ndarray": np.ndarray,
}
MAKERS: dict[int, Function] = {id(entry[0]): entry[1] for entry in _FUNCTIONS.values()}
