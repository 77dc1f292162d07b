"""Type stubs of what `@op` and `@function` attach, for editors and type checkers.

    python -m alight.ops.stubs          writes alight/ops/methods.pyi, functions.pyi, functional.pyi
    python -m alight.ops.stubs --check  says whether they are current

The three modules exist as stubs only: `Tensor` and the namespaces take their types from them.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_HEAD = """# Written by `python -m alight.ops.stubs`; do not edit.
# ruff: noqa
from collections.abc import Sequence
from typing import Any

from alight.dtypes import dtype as _dtype
from alight.tensor import Tensor

_Number = bool | int | float | complex
"""
_TYPES = {
    "Tensor": "Tensor",
    "Tensor | None": "Tensor | None",
    "Tensors": "Sequence[Tensor]",
    "Operand": "Tensor | _Number",
    "Operand | None": "Tensor | _Number | None",
    "Scalar": "_Number",
    "Scalar | None": "_Number | None",
    "int": "int",
    "int | None": "int | None",
    "bool": "bool",
    "float": "float",
    "str": "str",
    "None": "None",
    "Value": "Tensor",
    "Declared": "Tensor",
}


def stubs() -> dict[str, str]:
    """Text of each stub file, by name."""
    from alight.ops import later
    from alight.ops.operation import FUNCTIONAL, METHODS, TORCH

    later.load_all()

    methods = "\n".join("    " + line for line in _declarations(METHODS, method=True))
    return {
        "methods.pyi": f"{_HEAD}\nclass Methods:\n{methods}\n",
        "functions.pyi": _HEAD + "\n" + "\n".join(_declarations(TORCH, method=False)) + "\n",
        "functional.pyi": _HEAD + "\n" + "\n".join(_declarations(FUNCTIONAL, method=False)) + "\n",
    }


def _declarations(namespace: Mapping[str, Callable[..., Any]], method: bool) -> list[str]:
    return [_declaration(name, namespace[name], method) for name in sorted(namespace)]


def _declaration(name: str, function: Callable[..., Any], method: bool) -> str:
    body = inspect.unwrap(function)
    if isinstance(body, type) or not callable(body):
        return f"{name}: Any"
    try:
        signature = inspect.signature(body)
    except (TypeError, ValueError):
        return f"{name}: Any"
    parts, starred = [], False
    for i, one in enumerate(signature.parameters.values()):
        if one.kind is one.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        starred = starred or one.kind is one.VAR_POSITIONAL
        parts.append(_parameter(one, method and i == 0))
    extra = "" if name.startswith("__") or _takes_all(signature) else ", *args: Any, **kwargs: Any"
    if starred:
        extra = extra.replace("*args: Any, ", "")
    return f"def {name}({', '.join(parts)}{extra}) -> {_result(signature)}: ..."


def _takes_all(signature: inspect.Signature) -> bool:
    return any(one.kind is one.VAR_KEYWORD for one in signature.parameters.values())


def _parameter(one: inspect.Parameter, is_self: bool) -> str:
    if is_self:
        return "self"
    star = "*" if one.kind is one.VAR_POSITIONAL else "**" if one.kind is one.VAR_KEYWORD else ""
    default = "" if one.default is one.empty else " = ..."
    return f"{star}{one.name}: {_TYPES.get(str(one.annotation), 'Any')}{default}"


def _result(signature: inspect.Signature) -> str:
    text = str(signature.return_annotation)
    if text.startswith("tuple"):
        return "Any"
    return _TYPES.get(text, "Any")


def main(arguments: list[str]) -> int:
    """Write the stubs, or compare them."""
    import alight.ops  # noqa: F401  (declares everything)

    folder, stale = Path(__file__).parent, []
    for name, text in stubs().items():
        path = folder / name
        if not path.exists() or path.read_text() != text:
            stale.append(name)
            if "--check" not in arguments:
                path.write_text(text)
    if "--check" in arguments and stale:
        print(f"{', '.join(stale)}: not current; run python -m alight.ops.stubs")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
