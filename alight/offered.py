"""What `dir` shows of a module: what it offers, not what it imports for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def listing(scope: dict[str, Any], more: str = "") -> Callable[[], list[str]]:
    """The `__dir__` of the module that `scope` belongs to: what is defined there, `__all__`, and the names in `more`.

    >>> listing({"__name__": "here", "sqrt": max, "__all__": ["root"]}, "later")()
    ['later', 'root']
    """

    def shown() -> list[str]:
        own = {
            name
            for name, value in scope.items()
            if name[0] != "_" and getattr(value, "__module__", None) == scope["__name__"]
        }
        return sorted(own | {*scope.get("__all__", ()), *more.split()})

    return shown
