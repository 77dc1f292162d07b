"""A pickle read by a small machine of our own, which can build data and nothing else.

In: bytes, and `Allowed`, which says what the globals in a file stand for. Out: the object, or
UnpicklingError. The standard library's unpickler imports what a file names; this one looks names up
in a table. Memory is bounded by the bytes at hand: a claimed length is never believed before that
many bytes were seen.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from io import BytesIO
from typing import Any, NoReturn

from alight.errors import UnpicklingError, message
from alight.io.allowed import Allowed, checked_key

DAMAGE = (
    ValueError, IndexError, KeyError, TypeError, OverflowError, UnicodeError, AttributeError, RecursionError,
)  # fmt: skip
Load = Callable[[tuple[Any, ...]], Any]


def decode(content: bytes | BytesIO, allowed: Allowed, load: Load, name: str) -> Any:
    """The object that a pickle describes; of a stream just the next pickle is read.

    `load` gives the objects kept outside the pickle by their identity; `name` is the file's, for
    messages.

    >>> import pickle
    >>> decode(pickle.dumps({"a": 1}), Allowed(), lambda identity: None, "a file")
    {'a': 1}
    """
    machine = _Machine(allowed, load)
    at: int | None = 0
    try:
        for opcode, argument, at in pickletools.genops(content):  # noqa: B007  (errors tell it)
            run = _RULES.get(opcode.name)
            if run is None:
                _broken(f"instruction {opcode.name} is not one that checkpoints need")
            run(machine, argument)
        return machine.result()
    except UnpicklingError as error:
        sentence, *rest = error.args[0].split("\n")
        raise UnpicklingError("\n".join([sentence, f"  in {name}", *rest])) from None
    except DAMAGE as error:
        raise UnpicklingError(
            message(
                "Weights only load failed. The pickle is damaged",
                [f"{type(error).__name__} after byte {at or 0}: {error}", f"in {name}"],
                "an older checkpoint: this file is damaged or incomplete",
            )
        ) from None


def globals_of(content: bytes) -> set[str]:
    """The names that a pickle uses, as `module.name`.

    >>> import pickle, collections
    >>> sorted(globals_of(pickle.dumps(collections.OrderedDict(), 4)))
    ['collections.OrderedDict']
    """
    found, texts = set(), ["", ""]
    for opcode, argument, _ in pickletools.genops(content):
        if opcode.name in ("GLOBAL", "INST"):
            found.add(str(argument).replace(" ", "."))
        elif opcode.name == "STACK_GLOBAL":
            found.add(".".join(texts[-2:]))
        elif isinstance(argument, str):
            texts = [texts[-1], argument]
    return found


class _Machine:
    """The stack machine of the pickle format (see the standard library's `pickletools`)."""

    def __init__(self, allowed: Allowed, load: Load) -> None:
        self.allowed, self.load = allowed, load
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []  # stacks below the marks
        self.memo: dict[int, Any] = {}
        self.stopped = False

    def result(self) -> Any:
        if len(self.stack) != 1 or self.marked:
            _broken("it does not end with one object")
        return self.stack[0]

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def mark(self, _: None) -> None:
        self.marked.append(self.stack)
        self.stack = []

    def items(self) -> list[Any]:
        """What lies above the last mark, which goes."""
        found = self.stack
        self.stack = self.marked.pop()
        return found

    def top(self, *kinds: type) -> Any:
        """The object on the stack that an instruction fills, which must be of one of `kinds`."""
        found = self.stack[-1]
        if not isinstance(found, kinds):
            _broken(f"it fills a {type(found).__name__} as if it were a {kinds[0].__name__}")
        return found

    def remember(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def recall(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def memoize(self, _: None) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def small_tuple(self, count: int) -> None:
        if len(self.stack) < count:
            _broken("a tuple wants more than there is")
        found = tuple(self.stack[-count:])
        del self.stack[-count:]
        self.stack.append(found)

    def append(self, _: None) -> None:
        item = self.stack.pop()
        self.top(list).append(item)

    def appends(self, _: None) -> None:
        items = self.items()
        self.top(list).extend(items)

    def set_item(self, _: None) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.top(dict)[checked_key(key)] = value

    def set_items(self, _: None) -> None:
        items = self.items()
        self._fill(self.top(dict), items)

    def dict_of(self, _: None) -> None:
        items = self.items()
        self.push({})
        self._fill(self.stack[-1], items)

    def _fill(self, into: dict[Any, Any], items: list[Any]) -> None:
        if len(items) % 2:
            _broken("a key has no value")
        for at in range(0, len(items), 2):
            into[checked_key(items[at])] = items[at + 1]

    def add_items(self, _: None) -> None:
        items = self.items()
        self.top(set).update(map(checked_key, items))

    def find(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self.stack.append(self.allowed.find(module, name))

    def find_on_stack(self, _: None) -> None:
        name, module = self.stack.pop(), self.stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            _broken("the name of a global is no text")
        self.stack.append(self.allowed.find(module, name))

    def reduce(self, _: None) -> None:
        arguments, function = self.stack.pop(), self.stack.pop()
        self.stack.append(self.allowed.call(function, _arguments(arguments)))

    def new_object(self, _: None) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        self.stack.append(self.allowed.new(kind, _arguments(arguments)))

    def build(self, _: None) -> None:
        state = self.stack.pop()
        self.allowed.build(self.stack[-1], state)

    def persistent(self, _: None) -> None:
        self.stack.append(self.load(_arguments(self.stack.pop())))

    def protocol(self, version: int) -> None:
        if version > 5:
            _broken(f"it is of protocol {version}, the highest is 5")


def _arguments(value: Any) -> tuple[Any, ...]:
    if type(value) is not tuple:
        _broken("arguments are no tuple")
    return value


def _broken(what: str) -> NoReturn:
    raise UnpicklingError(f"Weights only load failed. The pickle is damaged: {what}")


def _nothing(machine: _Machine, _: Any) -> None:
    """FRAME and STOP: genops has used them."""


_PUSHED = (
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
)  # fmt: skip

_RULES: dict[str, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys(_PUSHED, _Machine.push),
    "PROTO": _Machine.protocol,
    "FRAME": _nothing,
    "STOP": _nothing,
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "EMPTY_SET": lambda machine, _: machine.push(set()),
    "MARK": _Machine.mark,
    "POP": lambda machine, _: machine.stack.pop(),
    "POP_MARK": lambda machine, _: _nothing(machine, machine.items()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.items())),
    "TUPLE1": lambda machine, _: machine.small_tuple(1),
    "TUPLE2": lambda machine, _: machine.small_tuple(2),
    "TUPLE3": lambda machine, _: machine.small_tuple(3),
    "LIST": lambda machine, _: machine.push(machine.items()),
    "DICT": _Machine.dict_of,
    "FROZENSET": lambda machine, _: machine.push(frozenset(map(checked_key, machine.items()))),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "ADDITEMS": _Machine.add_items,
    "BINPUT": _Machine.remember,
    "LONG_BINPUT": _Machine.remember,
    "MEMOIZE": _Machine.memoize,
    "BINGET": _Machine.recall,
    "LONG_BINGET": _Machine.recall,
    "GLOBAL": _Machine.find,
    "STACK_GLOBAL": _Machine.find_on_stack,
    "REDUCE": _Machine.reduce,
    "NEWOBJ": _Machine.new_object,
    "BUILD": _Machine.build,
    "BINPERSID": _Machine.persistent,
}
