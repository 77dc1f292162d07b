"""Is a program well formed? Run after every pass under ALIGHT_CHECK=1.

In: a program. Out: nothing, or an InternalError that shows the faulty node among its neighbours. Every value is
defined once and before it is read, statics have the primitive's names and can be printed, and the recorded types are
those that the primitive infers.
"""

from __future__ import annotations

from typing import Any, NoReturn

from alight.device import device
from alight.dtypes import dtype
from alight.errors import InternalError, internal
from alight.ir.program import Node, Program
from alight.ir.text import show_node

SHOWN = 2  # neighbours on each side of a faulty node

_STATIC_TYPES = (bool, int, float, complex, str, type(None), dtype, device)


def verify(program: Program) -> None:
    """Raise InternalError if the program is not well formed."""
    defined: set[int] = set()
    for i in program.inputs:
        if i in defined:
            internal(f"%{i} is an input twice", program)
        _check_typed(program, i, None)
        defined.add(i)
    for node in program.nodes:
        for i in node.inputs:
            if i not in defined:
                _refuse(program, node, f"reads %{i} before it is defined")
        for i in node.outputs:
            if i in defined:
                _refuse(program, node, f"defines %{i}, which is defined already")
            _check_typed(program, i, node)
            defined.add(i)
        _check_statics(program, node)
        _check_types(program, node)
    for i in program.outputs:
        if i not in defined:
            internal(f"the program returns %{i}, which nothing defines", program)


def _check_typed(program: Program, i: int, node: Node | None) -> None:
    if not 0 <= i < len(program.types) or program.types[i] is None:
        what = f"%{i} has no type among {len(program.types)}"
        internal(what) if node is None else internal(f"{node.primitive.name}: {what}")


def _check_statics(program: Program, node: Node) -> None:
    if set(node.statics) != set(node.primitive.statics):
        names = tuple(node.statics), node.primitive.statics
        _refuse(program, node, "has the statics {}, not {}".format(*names))
    for name, value in node.statics.items():
        for part in _parts(value):
            if isinstance(part, Program):
                verify(part)
            elif type(part) not in _STATIC_TYPES:
                what = f"has the static {name} of type {type(part).__name__}"
                _refuse(program, node, f"{what}, which no text can show")


def _parts(value: Any) -> list[Any]:
    if not isinstance(value, tuple):
        return [value]
    return [part for one in value for part in _parts(one)]


def _check_types(program: Program, node: Node) -> None:
    try:
        types = [program.types[i] for i in node.inputs]
        inferred = node.primitive.result_types(types, node.statics)
    except Exception as error:
        reason = str(error).split("\n")[0]
        _refuse(program, node, f"cannot be: {reason}", error)
    recorded = [program.types[i] for i in node.outputs]
    if recorded != inferred:
        _refuse(program, node, f"has results {recorded}, but infers {inferred}")


def _refuse(program: Program, faulty: Node, why: str, cause: Exception | None = None) -> NoReturn:
    """Report `faulty` among its neighbours."""
    at = next(i for i, node in enumerate(program.nodes) if node is faulty)
    lines = []
    for i in range(max(0, at - SHOWN), min(len(program.nodes), at + SHOWN + 1)):
        text = _shown(program, program.nodes[i]).replace("\n", "\n   ")
        lines.append(f"{'->' if i == at else '  '} {text}")
    try:
        internal(f"{faulty.primitive.name} {why}", "\n".join(lines))
    except InternalError as error:
        raise error from cause


def _shown(program: Program, node: Node) -> str:
    try:
        return show_node(program, node)
    except IndexError:  # a value without a type
        return f"{node.outputs} = {node.primitive.name}{node.inputs} {node.statics}"
