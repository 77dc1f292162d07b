"""A thread that has recorded nothing yet."""

from __future__ import annotations

from typing import Any

from alight.backends.base import programs
from alight.record.recorder import thread


def forgotten() -> Any:
    """Forget all paths of this thread and all programs, with the code they were compiled to; the recorder.

    A path that is known keeps its executables, so tests of tiers and of lines named in errors begin here.
    """
    recorder = thread.recorder
    recorder.flush("test begins")
    recorder.roots.clear()
    recorder.positions = recorder.bytes = recorder.most_bytes = 0
    recorder.root = recorder._root()
    recorder.restart()
    programs.entries.clear()
    programs.bytes = 0
    return recorder
