"""torch.compiler: what programs say to a compiler that they call by name; alight's needs no word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alight.namespace import compile


def is_compiling() -> bool:
    """Whether this code is being traced for a compiler: never, it always runs as it stands."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """`fn` itself.

    >>> import alight as torch
    >>> torch.compiler.disable(max) is max
    True
    """
    return fn if fn is not None else lambda function: function


def allow_in_graph(fn: Any) -> Any:
    """`fn` itself.

    >>> import alight as torch
    >>> torch.compiler.allow_in_graph(max) is max
    True
    """
    return fn


def assume_constant_result(fn: Any) -> Any:
    """`fn` itself."""
    return fn


def reset() -> None:
    """Nothing to reset.

    >>> import alight as torch
    >>> torch.compiler.reset()
    """


def cudagraph_mark_step_begin() -> None:
    """Nothing to mark."""


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """Names for `torch.compile(backend=)`: the only one."""
    return ["alight"]


class set_stance:  # noqa: N801
    """A way of compiling, in a block or from now on: there is one."""

    def __init__(self, stance: str = "default", **options: Any) -> None:
        self.stance = stance

    def __enter__(self) -> None:
        pass

    def __exit__(self, *error: object) -> None:
        pass

    def __call__(self, fn: Callable[..., Any]) -> Callable[..., Any]:
        return fn


__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "reset", "set_stance",
]  # fmt: skip
