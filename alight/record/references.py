"""Reference counts: who else holds an object. What Python counts for the names of a function depends on its version."""

from __future__ import annotations

import sys


def _counted() -> int:
    holder = [object()]
    name = holder[0]
    return sys.getrefcount(name)


LISTED = (
    _counted()
)  # of an object that one list holds, and a local name; more means that somebody else does


def _counted_twice() -> int:
    holder = [object()]
    again = [holder[0]]
    return max(map(sys.getrefcount, again))


LISTED_TWICE = _counted_twice()  # of an object in two lists, as `map` counts it
