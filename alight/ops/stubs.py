"""Type stubs of what `@op` and `@function` attach, for editors and type checkers.

    python -m alight.ops.stubs          writes alight/__init__.pyi, alight/nn/functional.pyi, alight/ops/methods.pyi
    python -m alight.ops.stubs --check  says whether they are current

`Tensor` takes the types of its methods from the last, which exists as a stub only. Names that a stub does not list,
those of modules and classes, are `Any`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_HEAD = """# Written by `python -m alight.ops.stubs`; do not edit.
# ruff: noqa
from builtins import bool as _bool
from builtins import complex as _complex
from builtins import float as _float
from builtins import int as _int
from builtins import str as _str
from collections.abc import Sequence as _Sequence
from typing import Any

from alight.tensor import Tensor as Tensor

_Number = _bool | _int | _float | _complex
"""
_CLASSES = """from alight.device import device as device
from alight.dtypes import dtype as dtype
from alight.record.meta import Size as Size
"""
_REST = "def __getattr__(name: _str) -> Any: ...\n"
_TYPES = {
    "Tensor": "Tensor",
    "Tensor | None": "Tensor | None",
    "Tensors": "_Sequence[Tensor]",
    "Operand": "Tensor | _Number",
    "Operand | None": "Tensor | _Number | None",
    "Scalar": "_Number",
    "Scalar | None": "_Number | None",
    "int": "_int",
    "int | None": "_int | None",
    "bool": "_bool",
    "float": "_float",
    "str": "_str",
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
        "ops/methods.pyi": f"{_HEAD}\nclass Methods:\n{methods}\n",
        "__init__.pyi": _of_functions(_CLASSES, TORCH),
        "nn/functional.pyi": _of_functions("", FUNCTIONAL),
    }


def _of_functions(classes: str, namespace: Mapping[str, Callable[..., Any]]) -> str:
    return "\n".join([_HEAD + classes, *_declarations(namespace, method=False), _REST])


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
    # Python's own annotations of comparisons and in-place operators differ from PyTorch's operators.
    ignored = (
        "  # type: ignore[misc, override]"
        if name in ("__eq__", "__ne__") or name[:3] == "__i"
        else ""
    )
    return f"def {name}({', '.join(parts)}{extra}) -> {_result(signature)}: ...{ignored}"


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

    folder, stale = Path(__file__).parent.parent, []
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
