"""Tier 1, still device-neutral: from a program to kernels, their order, their layouts and their memory.

May live here: passes (pure functions, program or kernels in, the same out) and the list of them (`pipeline`). A pass
takes the target's description as an argument; what writes machine code lives under `backends/`.
"""

from typing import Any

_PUBLIC = (  # `torch.compiler`, which is another thing under the same name
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "reset", "set_stance",
)  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        from importlib import import_module

        return getattr(import_module("alight.jit.compiler"), name)
    raise AttributeError(f"module 'alight.compiler' has no attribute '{name}'")
