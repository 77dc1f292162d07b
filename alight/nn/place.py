"""Where in a network an error arose: `in net[0] = Linear(in_features=10, out_features=256, bias=True)`.

In: the frames at work when an error is raised. Out: a line for its text, if one of alight's layers is at work. The
name is that of the user's variable, followed by the way from there to the layer.
"""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any

from alight import errors
from alight.nn import hooks
from alight.nn.module import Module

_CALLS = (Module.__call__.__code__, hooks.call.__code__)


def layer_at_work() -> list[str]:
    """The line for the innermost layer of alight that is being called; nothing outside of layers."""
    calls: list[tuple[Module, FrameType]] = []  # from the innermost to the outermost
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code == _CALLS[0]:  # each class has a copy
            calls.append((frame.f_locals["self"], frame))
        frame = frame.f_back
    if not calls or not type(calls[0][0]).__module__.startswith("alight."):
        return []
    layer, (root, call) = calls[0][0], calls[-1]
    name = next((name for name, one in root.named_modules() if one is layer), "")
    shown = repr(layer).split("\n")[0]
    shown = shown if shown.endswith(")") else shown + "...)"
    return [f"in {_variable(root, call.f_back)}{_steps(name)} = {shown}"]


def _steps(name: str) -> str:
    """`features.0.conv` as Python writes it: `.features[0].conv`."""
    parts = name.split(".") if name else []
    return "".join(f"[{part}]" if part.isdecimal() else f".{part}" for part in parts)


def _variable(module: Module, frame: FrameType | None) -> str:
    """The name under which the caller knows a module; its class's name if there is none."""
    while frame is not None and frame.f_globals.get("__name__", "").startswith("alight"):
        frame = frame.f_back
    if frame is not None:
        for names in (frame.f_locals, frame.f_globals):
            for name, value in list(names.items()):
                if value is module and not name.startswith("_"):
                    return name
        for name, value in list(frame.f_locals.items()):
            found = _attribute(value, module)
            if found:
                return f"{name}.{found}"
    return type(module).__name__


def _attribute(holder: Any, module: Module) -> str:
    held = getattr(holder, "__dict__", None) or {}
    return next((name for name, value in held.items() if value is module), "")


errors.PLACES.append(layer_at_work)
