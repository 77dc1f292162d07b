"""The calling side of an operation: a function made for its signature, once, at the first call.

A generated wrapper looks the step up in the trie and makes the handle; everything else happens in
`Recorder.record`, on a miss. The source of each wrapper is registered with `linecache`, so tracebacks show it.
"""

from __future__ import annotations

import builtins
import functools
import inspect
import linecache
from collections.abc import Callable
from types import FunctionType
from typing import TYPE_CHECKING, Any

from alight import config
from alight.errors import fail
from alight.ops import dispatch
from alight.ops.docstrings import docstring
from alight.record.recorder import thread
from alight.record.views import rebind

if TYPE_CHECKING:
    from alight.ops.operation import Operation, Parameter
    from alight.record.trie import Position

MISSING = object()  # a keyword alias that was not given


def place(
    operation: Operation,
    places: list[tuple[dict[str, Any], str]],
    varargs: str,
    aliases: str,
    out: bool,
    in_place: Callable[..., Any] | None = None,
) -> Callable[..., Any]:
    """Put a function that becomes the wrapper at its first call into each namespace of `places`.

    With `in_place`, the wrapper takes `inplace=True` and then calls that. Operators have a wrapper of their own, which
    returns NotImplemented for operands it does not know.
    """
    operators = [(namespace, name) for namespace, name in places if name.startswith("__")]
    if len(operators) not in (0, len(places)):
        place(operation, operators, varargs, aliases, out)
        places, operators = [one for one in places if not one[1].startswith("__")], []
    function = _unbuilt(operation)
    scope = function.__globals__
    scope["BUILD"] = lambda: build(
        function, operation, varargs, aliases, out, in_place, bool(operators)
    )
    for namespace, name in places:
        namespace[name] = function
    return function


def _template(*args: Any, **kwargs: Any) -> Any:
    BUILD()  # type: ignore[name-defined]  # noqa: F821
    return SELF(*args, **kwargs)  # type: ignore[name-defined]  # noqa: F821


def _unbuilt(operation: Operation) -> FunctionType:
    """A function that becomes the wrapper of `operation`, code and all, at its first call: it stays one object."""
    scope: dict[str, Any] = {"__builtins__": builtins, "__name__": "alight"}
    function = scope["SELF"] = FunctionType(_template.__code__, scope, operation.name)
    function.__qualname__ = operation.name
    function.__doc__ = docstring(operation)
    setattr(function, "__wrapped__", operation.body)  # noqa: B010  (for inspect.signature)
    return function


def build(
    function: FunctionType,
    operation: Operation,
    varargs: str = "",
    aliases: str = "",
    out: bool = False,
    in_place: Callable[..., Any] | None = None,
    operator: bool = False,
) -> None:
    """Make `function` the wrapper of `operation`."""
    source = wrapper_source(operation, varargs, aliases, out, in_place is not None)
    filename = f"<alight {operation.name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)
    from alight.ops.out import write_out
    from alight.tensor import Tensor

    slow = record_operator if operator else record
    scope = function.__globals__
    scope |= {
        "OPERATION": operation, "thread": thread, "Tensor": Tensor, "new": object.__new__,
        "record": lambda operation, arguments: slow(operation, arguments, function),
        "MISSING": MISSING, "write_out": write_out, "in_place": in_place,
        "rebind": rebind, "make_all": make_all, "kinds": kinds,
    }  # fmt: skip
    for parameter in operation.parameters:
        if parameter.default is not inspect.Parameter.empty:
            scope["default_" + parameter.name] = parameter.default
    exec(compile(source, filename, "exec"), scope)
    wrapper: FunctionType = scope[operation.name]
    function.__code__, function.__defaults__ = wrapper.__code__, wrapper.__defaults__
    function.__kwdefaults__ = wrapper.__kwdefaults__
    scope[operation.name] = function


def record(operation: Operation, arguments: tuple[Any, ...], public: Any = None) -> Any:
    """The slow way of a call: a new path, or the first use of a tensor in this segment."""
    if dispatch.watching():
        taken = dispatch.of_operation(public, operation, arguments)
        if taken is not dispatch.MISS:
            return taken
    try:
        return thread.recorder.record(operation, arguments)
    except Exception as error:
        if config.full_traceback:
            raise
        raise error.with_traceback(None) from error.__cause__


def record_operator(operation: Operation, arguments: tuple[Any, ...], public: Any = None) -> Any:
    """The slow way of an operator: Python asks the other operand where it is neither a tensor nor a number."""
    if not hasattr(arguments[0], "_slot"):
        fail(TypeError, f"an operator of Tensor was called on a {type(arguments[0]).__name__}")
    for parameter, value in zip(operation.parameters, arguments, strict=True):
        if parameter.kind in ("operand", "tensor") and not hasattr(value, "_slot"):
            number = parameter.kind == "operand" and isinstance(value, (int, float, complex))
            if not number and not hasattr(value, "__array__"):
                return NotImplemented
    return record(operation, arguments, public)


def make_all(of: type, position: Position, handles: list[Any]) -> tuple[Any, ...]:
    """The handles of a known step with several results."""
    made, slot = [], position.slot
    for meta in position.metas:
        tensor: Any = object.__new__(of)
        tensor._slot, tensor._meta = slot, meta
        made.append(tensor)
        slot += 1
    handles.extend(made)
    return tuple(made)


# -- the template ---------------------------------------------------------------------------------------------------


def wrapper_source(
    operation: Operation, varargs: str, aliases: str, out: bool, in_place: bool = False
) -> str:
    """Source of the wrapper: signature, key, look-up, handle."""
    names = [parameter.name for parameter in operation.parameters]
    lines = [f"def {operation.name}({_signature(operation, varargs, aliases, out, in_place)}):"]
    if varargs:
        lines.append(f"    if len({varargs}) == 1 and {varargs}[0].__class__ is not int:")
        lines.append(f"        {varargs} = {varargs}[0]")
    for alias in aliases.split():
        given, name = alias.split("=")
        if name in names:
            lines.append(f"    if {given} is not MISSING: {name} = {given}")
    call = f"({', '.join(names)},)"
    if in_place:
        lines.append(f"    if inplace: return in_place({_keywords(operation)})")
    if out:
        given = _keywords(operation)
        if operation.out == "dtype":
            given = given.replace("dtype=dtype", "dtype=out.dtype if dtype is None else dtype")
        lines.append(
            f"    if out is not None: return write_out(out, {operation.name}({given}), OPERATION.out, "
            f"[{_tensor_names(operation)}], OPERATION.name)"
        )
    lines.append("    r = thread.recorder")
    if operation.has_numbers:
        lines.append("    given = False  # whether numbers are inputs of this call")
    lines.append("    try:")
    pieces, pushes = [], []
    for parameter in operation.parameters:
        before, piece, push = _fast_piece(parameter, operation.joins)
        lines.extend(
            "        " + line.replace("RECORD", f"record(OPERATION, {call})") for line in before
        )
        pieces.append(piece)
        pushes.extend(push)
    lines.append(f"        position = r.here.children[(OPERATION, {', '.join(pieces)})]")
    lines.append("    except (KeyError, AttributeError, TypeError):")
    lines.append(f"        return record(OPERATION, {call})")
    if operation.view and (operation.has_numbers or operation.multiple):
        lines.append(f"    return r.take(position, OPERATION, {call})")
        return "\n".join(lines) + "\n"
    lines.append("    r.here = position")
    if pushes:
        lines.append("    if given:")
        lines.extend("        " + push for push in pushes)
    if operation.writes:
        lines.extend(_write_lines(names[0]))
    elif operation.multiple or operation.results:
        lines.append("    return OPERATION.pack(make_all(Tensor, position, r.handles))")
    else:
        lines.append("    result = new(Tensor)")
        lines.append("    result._slot = position.slot")
        lines.append("    result._meta = position.meta")
        lines.append("    r.handles.append(result)")
        if operation.view:
            lines.extend(_view_lines(names[0]))
        lines.append("    return result")
    return "\n".join(lines) + "\n"


def _write_lines(written: str) -> list[str]:
    """Give what a known step wrote its new slot: at once where nothing views the memory and nobody else sees it."""
    return [
        f"    if {written}._base is not None or {written}._views or {written}._shared or "
        "position.told:",
        f"        rebind(r, {written}, position, 0)",
        "        if r.must_write: r.settle(position)",
        f"        return {written}",
        f"    {written}._slot = position.slot",
        f"    {written}._meta = position.meta",
        f"    {written}._writes += 1",
        f"    r.handles.append({written})",
        "    if position.writes_leaf: r.wrote_leaf = True",
        f"    return {written}",
    ]


def _view_lines(viewed: str) -> list[str]:
    """Make a known result a view, where the path says that it is one; see `record.owners`."""
    return [
        "    link = position.link",
        "    if link is not None:",
        f"        result._base, result._link = {viewed}, link",
    ]


def _signature(operation: Operation, varargs: str, aliases: str, out: bool, in_place: bool) -> str:
    parts, starred = [], False
    for parameter in operation.parameters:
        if parameter.name == varargs:
            parts.append("*" + varargs)
            starred = True
            continue
        if parameter.keyword_only and not starred:
            parts.append("*")
            starred = True
        has_default = parameter.default is not inspect.Parameter.empty
        parts.append(
            f"{parameter.name}=default_{parameter.name}" if has_default else parameter.name
        )
    if in_place:
        parts.append("inplace=False")
    names = {parameter.name for parameter in operation.parameters}
    extra = [
        f"{alias.split('=')[0]}=MISSING"
        for alias in aliases.split()
        if alias.split("=")[1] in names
    ]
    if out:
        extra.append("out=None")
    if extra and not starred:
        parts.append("*")
    if extra:  # an alias may stand for a parameter without a default
        for alias in aliases.split():
            name = alias.split("=")[1]
            parts = [f"{name}=None" if part == name else part for part in parts]
    return ", ".join(parts + extra)


def _tensor_names(operation: Operation) -> str:
    """The arguments that may be tensors, as elements of a list."""
    stars = {"tensor": "", "optional": "", "operand": "", "tensors": "*"}
    return ", ".join(
        stars[one.kind] + one.name for one in operation.parameters if one.kind in stars
    )


def _keywords(operation: Operation) -> str:
    return ", ".join(f"{parameter.name}={parameter.name}" for parameter in operation.parameters)


def _enter_line(name: str) -> str:
    return (
        f"if {name}._slot < 0 and "
        f"(r.enter({name}) if type({name}) is Tensor else r.enter_parameter({name})): return RECORD"
    )


def _fast_piece(parameter: Parameter, joins: bool) -> tuple[list[str], str, list[str]]:
    """Lines before the key, the part of the key, and lines that hand numbers over, for the common cases.

    A tensor's first use in the segment enters it. `RECORD` stands for the slow way.
    """
    name = parameter.name
    enter = _enter_line(name)
    if parameter.kind == "tensor":
        return [enter], f"{name}._slot", []
    if parameter.kind == "optional":
        before = [
            f"if {name} is None: k_{name} = None",
            "else:",
            "    " + enter,
            f"    k_{name} = {name}._slot",
        ]
        return before, f"k_{name}", []
    if parameter.kind == "tensors":
        slots = f"tuple([one._slot for one in {name}])"
        if joins:  # `record` enters them, or joins them outside the path
            return [], slots, []
        known = f"if {name}.__class__ is tuple or {name}.__class__ is list:"
        return [known, f"    for one in {name}:", "        " + _enter_line("one")], slots, []
    if parameter.kind == "operand":
        before = [f"k_{name} = {name}.__class__"]
        if parameter.default is None:
            before += [f"if {name} is None: k_{name} = None", "elif"]
        else:
            before += ["if"]
        before[-1] += f" k_{name} is Tensor or (k_{name} is not float and k_{name} is not int):"
        before += ["    " + enter, f"    k_{name} = {name}._slot", "else: given = True"]
        push = [f"if k_{name} is float or k_{name} is int: r.scalars.append({name})"]
        return before, f"k_{name}", push
    if parameter.kind == "scalar":
        number = [
            "given = True",
            f"k_{name} = {name}.__class__",
            f"if k_{name} is not float and k_{name} is not int: {name}._slot",
        ]
        if parameter.default is inspect.Parameter.empty:
            return number, f"k_{name}", [f"r.scalars.append({name})"]
        before = [f"if {name} is default_{name}: k_{name} = None", "else:"]
        before += ["    " + line for line in number]
        push = [f"if k_{name} is not None: r.scalars.append({name})"]
        return before, f"k_{name}", push
    if parameter.kind == "int":
        return [], f"{name}, {name}.__class__", []
    if parameter.kind == "flag":
        return [], name, []
    before = [
        f"k_{name} = {name}.__class__",
        f"if k_{name} is tuple:",
        f"    k_{name} = None",
        f"    for one in {name}:",
        "        if one.__class__ is not int:",
        f"            k_{name} = kinds({name})",
        "            break",
    ]
    return before, f"{name}, k_{name}", []


def kinds(value: Any) -> Any:
    """What a static argument is besides its value, since 1, 1.0 and True are equal: None for a tuple of whole numbers."""
    if value.__class__ is not tuple:
        return value.__class__
    found = tuple(map(type, value))
    return None if found.count(int) == len(found) else found


def key_function(operation: Operation) -> Callable[..., tuple[tuple[Any, ...], list[Any]]]:
    """(key, numbers) from normalised arguments: the same keys as the wrapper's, for every kind of argument."""
    parameters = operation.parameters

    def key(*arguments: Any) -> tuple[tuple[Any, ...], list[Any]]:
        parts: list[Any] = [operation]
        numbers: list[Any] = []
        for parameter, value in zip(parameters, arguments, strict=True):
            kind = parameter.kind
            if kind == "tensors":
                parts.append(tuple([one._slot for one in value]))
            elif kind == "optional":
                parts.append(None if value is None else value._slot)
            elif kind in ("operand", "scalar", "tensor"):
                if value is None or (kind == "scalar" and value is parameter.default):
                    parts.append(None if value is parameter.default else "none")
                elif hasattr(value, "_slot"):
                    parts.append(value._slot)
                elif value.__class__ is bool:
                    parts.append((bool, value))
                else:
                    parts.append(value.__class__)
                    numbers.append(value)
            elif kind == "int":
                parts.extend((value, value.__class__))
            elif kind == "flag":
                parts.append(value)
            else:
                parts.extend((value, kinds(value)))
        return tuple(parts), numbers

    return functools.wraps(operation.body)(key)
