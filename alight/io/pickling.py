"""Objects to pickle's protocol 2, the one that PyTorch's checkpoints are written in.

In: an object, and a function that says how special ones (tensors, dtypes) are written: as a
`Global`, or as a `Call` of one. Out: bytes. Written here because a pickle must name
`torch._utils._rebuild_tensor_v2` without PyTorch being there, which the standard library's pickler
refuses.
"""

from __future__ import annotations

import copyreg
import pickle
import struct
import sys
from collections.abc import Callable, Iterable
from types import BuiltinFunctionType, FunctionType
from typing import Any, NamedTuple, NoReturn

from alight.errors import message

PYTHON2_MODULES = {"builtins": "__builtin__", "copyreg": "copy_reg"}  # as protocol 2 calls them


class Global(NamedTuple):
    """Something that a module holds under a name."""

    module: str
    name: str


class Call(NamedTuple):
    """The result of calling a global; `state` is given to the result afterwards."""

    function: Global
    arguments: tuple[Any, ...]


class Persistent(NamedTuple):
    """Something kept outside the pickle, by its identity there."""

    identity: tuple[Any, ...]


Describe = Callable[[Any], Global | Call | Persistent | None]


def encode(obj: Any, describe: Describe) -> bytes:
    """`obj` as a pickle of protocol 2.

    >>> pickle.loads(encode({"a": [1, 2.5, None, True]}, lambda obj: None))
    {'a': [1, 2.5, None, True]}
    """
    writer = _Writer(describe)
    writer.save(obj)
    return b"\x80\x02" + bytes(writer.out) + b"."


class _Writer:
    def __init__(self, describe: Describe) -> None:
        self.describe = describe
        self.out = bytearray()
        self.memo: dict[Any, tuple[int, Any]] = {}  # the object too: its id must stay its own

    def save(self, obj: Any) -> None:
        """Append what makes `obj` when it is read."""
        atom = _ATOMS.get(type(obj))
        if atom is not None:
            self.out += atom(obj)
        elif not self._recalled(id(obj)):
            form = _FORMS.get(type(obj))
            if form is not None:
                form(self, obj)
            else:
                self._other(obj)

    def _recalled(self, key: Any) -> bool:
        found = self.memo.get(key)
        if found is not None:
            self._indexed(b"h", b"j", found[0])
        return found is not None

    def _remember(self, key: Any, obj: Any) -> None:
        index = len(self.memo)
        self.memo[key] = index, obj
        self._indexed(b"q", b"r", index)

    def _indexed(self, short: bytes, long: bytes, index: int) -> None:
        self.out += short + bytes([index]) if index < 256 else long + struct.pack("<I", index)

    def _str(self, obj: str) -> None:
        content = obj.encode("utf-8", "surrogatepass")
        self.out += b"X" + struct.pack("<I", len(content)) + content
        self._remember(id(obj), obj)

    def _bytes(self, obj: bytes) -> None:
        # Protocol 2 has text only.
        self._call(Global("_codecs", "encode"), (obj.decode("latin1"), "latin1"))
        self._remember(id(obj), obj)

    def _bytearray(self, obj: bytearray) -> None:
        self._call(Global("builtins", "bytearray"), (bytes(obj),))
        self._remember(id(obj), obj)

    def _tuple(self, obj: tuple[Any, ...]) -> None:
        if not obj:
            self.out += b")"
            return
        if len(obj) > 3:
            self.out += b"("
        for item in obj:
            self.save(item)
        if id(obj) in self.memo:  # it holds itself, and one of its items completed it
            self.out += b"1" if len(obj) > 3 else b"0" * len(obj)
            self._recalled(id(obj))
            return
        self.out += {1: b"\x85", 2: b"\x86", 3: b"\x87"}.get(len(obj), b"t")
        self._remember(id(obj), obj)

    def _list(self, obj: list[Any]) -> None:
        self.out += b"]"
        self._remember(id(obj), obj)
        self._items(obj)

    def _dict(self, obj: dict[Any, Any]) -> None:
        self.out += b"}"
        self._remember(id(obj), obj)
        self._pairs(obj.items())

    def _set(self, obj: set[Any] | frozenset[Any]) -> None:
        self._call(Global("builtins", type(obj).__name__), (list(obj),))
        self._remember(id(obj), obj)

    def _items(self, items: Iterable[Any]) -> None:
        self.out += b"("
        for item in items:
            self.save(item)
        self.out += b"e"

    def _pairs(self, pairs: Iterable[tuple[Any, Any]]) -> None:
        self.out += b"("
        for key, value in pairs:
            self.save(key)
            self.save(value)
        self.out += b"u"

    def _global(self, obj: Global) -> None:
        if self._recalled(obj):
            return
        module = PYTHON2_MODULES.get(obj.module, obj.module)
        self.out += f"c{module}\n{obj.name}\n".encode()
        self._remember(obj, obj)

    def _call(self, function: Global, arguments: tuple[Any, ...]) -> None:
        self._global(function)
        self._arguments(arguments)
        self.out += b"R"

    def _arguments(self, arguments: tuple[Any, ...]) -> None:
        self.out += b"("
        for argument in arguments:
            self.save(argument)
        self.out += b"t"

    def _persistent(self, obj: Persistent) -> None:
        self._arguments(obj.identity)
        self.out += b"Q"

    def _other(self, obj: Any) -> None:
        described = self.describe(obj)
        if isinstance(described, Global):
            self._global(described)
        elif isinstance(described, Persistent):
            self._persistent(described)
        elif described is not None:
            self._call(*described)
            self._remember(id(obj), obj)
        elif isinstance(obj, (type, FunctionType, BuiltinFunctionType)):
            self._global(_named(obj))
        else:
            self._reduced(obj)

    def _reduced(self, obj: Any) -> None:
        """An object that says itself how it is made again."""
        reduce = copyreg.dispatch_table.get(type(obj))
        made = reduce(obj) if reduce is not None else obj.__reduce_ex__(2)
        if isinstance(made, str):
            self._global(Global(type(obj).__module__, made))
            return
        function, arguments, state, items, pairs = (*made, None, None, None)[:5]
        if getattr(function, "__name__", "") == "__newobj__":
            self.save(arguments[0])
            self._arguments(arguments[1:])
            self.out += b"\x81"
        else:
            self.save(function)
            self._arguments(arguments)
            self.out += b"R"
        self._remember(id(obj), obj)
        if items is not None:
            self._items(items)
        if pairs is not None:
            self._pairs(pairs)
        if state is not None:
            self.save(state)
            self.out += b"b"


def _named(obj: Any) -> Global:
    """The name under which a module holds `obj`."""
    module, name = getattr(obj, "__module__", None) or "builtins", obj.__qualname__
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is not obj or "." in name:  # protocol 2 has no nested names
        _unnamed(obj, module, name)
    return Global(module, name)


def _unnamed(obj: Any, module: str, name: str) -> NoReturn:
    raise pickle.PicklingError(
        message(
            f"Can't pickle {obj!r}: it's not found as {module}.{name}",
            ["a file holds the name of a function or class, never its code"],
            "a state_dict(), or a function at the top level of its module",
        )
    )


def _int(obj: int) -> bytes:
    if 0 <= obj < 256:
        return b"K" + bytes([obj])
    if 0 <= obj < 65536:
        return b"M" + struct.pack("<H", obj)
    if -(2**31) <= obj < 2**31:
        return b"J" + struct.pack("<i", obj)
    content = pickle.encode_long(obj)
    if len(content) < 256:
        return b"\x8a" + bytes([len(content)]) + content
    return b"\x8b" + struct.pack("<i", len(content)) + content


_ATOMS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda obj: b"N",
    bool: lambda obj: b"\x88" if obj else b"\x89",
    int: _int,
    float: lambda obj: b"G" + struct.pack(">d", obj),
}
_FORMS: dict[type, Callable[[_Writer, Any], None]] = {
    str: _Writer._str,
    bytes: _Writer._bytes,
    bytearray: _Writer._bytearray,
    tuple: _Writer._tuple,
    list: _Writer._list,
    dict: _Writer._dict,
    set: _Writer._set,
    frozenset: _Writer._set,
    Global: _Writer._global,
    Call: lambda writer, obj: writer._call(*obj),
    Persistent: _Writer._persistent,
}
