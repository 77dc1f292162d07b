"""A thread that has recorded nothing yet."""

from __future__ import annotations

from typing import Any

from alight.backends.base import programs
from alight.record.recorder import thread


def forgotten() -> Any:
    """Forget all paths of this thread, how places were judged, and all programs with their code; the recorder.

    A path that is known keeps its executables, so tests of tiers and of lines named in errors begin here.
    """
    recorder = thread.recorder
    recorder.flush("test begins")
    recorder.roots.clear()
    recorder.positions = recorder.bytes = recorder.most_bytes = 0
    recorder.root = recorder._root()
    recorder.restart()
    for judged in (recorder.branches, recorder.unsteady, recorder.origins):
        judged.clear()
    recorder.passing = False
    programs.entries.clear()
    programs.bytes = 0
    return recorder
