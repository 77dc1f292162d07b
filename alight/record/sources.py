"""The user's source line of a new step: kept cheaply, formatted only when someone reads it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import CodeType, FrameType

_PACKAGE = str(Path(__file__).resolve().parent.parent) + "/"


class Line:
    """A place in the user's program."""

    __slots__ = ("code", "lasti")

    def __init__(self, code: CodeType, lasti: int) -> None:
        self.code, self.lasti = code, lasti

    @property
    def filename(self) -> str:
        """Path of the source file."""
        return self.code.co_filename

    @property
    def number(self) -> int:
        """Line number in the file."""
        for start, stop, line in self.code.co_lines():
            if start <= self.lasti < stop and line is not None:
                return line
        return self.code.co_firstlineno

    @property
    def text(self) -> str:
        """The source text, or nothing where the file cannot be read."""
        import linecache

        return linecache.getline(self.filename, self.number).strip()

    def __str__(self) -> str:
        return f"{Path(self.filename).name}:{self.number}"

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Line) and self.code is other.code and self.lasti == other.lasti

    def __hash__(self) -> int:
        return hash((id(self.code), self.lasti))


_OWN = (_PACKAGE, "<alight ")


def is_own(frame: FrameType) -> bool:
    """True for a frame of alight itself, generated wrappers included."""
    return frame.f_code.co_filename.startswith(_OWN)


def user_line() -> Line:
    """The innermost frame outside alight."""
    frame: FrameType | None = sys._getframe(1)
    last = frame
    while frame is not None and frame.f_code.co_filename.startswith(_OWN):
        last, frame = frame, frame.f_back
    found = frame or last
    assert found is not None
    return Line(found.f_code, found.f_lasti)
