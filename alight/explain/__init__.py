"""Seeing inside: `alight.explain()` prints what was recorded, what ran, and why.

    alight.explain()                 this thread so far: segments, programs, flushes, places that keep changing
    alight.explain(step, x, y)       one call of `step`: what it recorded and ran, flush by flush
    alight.explain(text=True)        the same as a string

The module itself is callable.

>>> import alight
>>> "exp" in alight.explain(alight.exp, alight.ones(3), text=True)
True
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from alight.explain.report import explain_call, explain_thread


def explain(
    function: Any = None,
    *args: Any,
    text: bool = False,
    programs: bool = True,
    times: bool = False,
    **kwargs: Any,
) -> Any:
    """Print a report of what this thread has recorded, or of one call of `function`.

    `programs` shows what runs, `times` how long each kernel takes; text=True gives the report
    instead of printing it.

    >>> import alight
    >>> report = alight.explain(alight.exp, alight.ones(3), text=True)
    >>> "exp" in report
    True
    """
    if function is None:
        report, result = explain_thread(programs, times), None
    else:
        report, result = explain_call(function, args, kwargs, programs, times)
    if text:
        return report
    print(report)
    return result


class _Callable(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return explain(*args, **kwargs)


def __dir__() -> list[str]:
    return list(__all__)


__all__ = ["explain", "explain_call", "explain_thread"]

sys.modules[__name__].__class__ = _Callable
