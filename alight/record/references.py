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
