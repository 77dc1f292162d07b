"""A program as a text that tells everything that decides its code: the key under which the code is kept on disk.

    f32[4];|mul 0 0 > f32[4]|sum 1 axes=(0,) > f32[]|2

Lines of the user's source are left out: two scripts that compute the same share their code.
"""

from __future__ import annotations

from typing import Any

from alight.device import device
from alight.dtypes import dtype
from alight.ir.primitive import REGISTRY
from alight.ir.program import Program


def signature(program: Program) -> str | None:
    """The text; None if a static cannot be told from another by its text (a function, an object).

    >>> from alight.ir.text import parse
    >>> signature(parse("program(%0: f32[4]) { %1: f32[] = sum(%0) axes=(0,) return %1 }"))
    '0:f32[4]|sum 0 axes=(0,) > 1:f32[]|1'
    """
    try:
        return _text(program)
    except TypeError:
        return None


def _text(program: Program) -> str:
    types = program.types
    parts = [" ".join(f"{i}:{types[i]!r}" for i in program.inputs)]
    for node in program.nodes:
        if REGISTRY.get(node.primitive.name) is not node.primitive:
            raise TypeError("a primitive of the user's own")
        statics = " ".join(
            f"{name}={_static(value)}" for name, value in sorted(node.statics.items())
        )
        outputs = " ".join(f"{i}:{types[i]!r}" for i in node.outputs)
        inputs = " ".join(map(str, node.inputs))
        parts.append(f"{node.primitive.name} {inputs} {statics} > {outputs}")
    parts.append(" ".join(map(str, program.outputs)))
    return "|".join(parts)


def _static(value: Any) -> str:
    kind = value.__class__
    if kind is int or kind is str or value is None or kind is bool or kind is complex:
        return repr(value)
    if kind is float:
        return value.hex()  # type: ignore[no-any-return]
    if kind is tuple:
        return f"({','.join(map(_static, value))},)"
    if kind is Program:
        return f"{{{_text(value)}}}"
    if kind is dtype or kind is device:
        return f"{kind.__name__} {value}"
    raise TypeError(f"{kind.__name__} has no text of its own")
