"""Exception classes and the one builder of error messages.

In: what went wrong, the facts, what to try. Out: an exception whose first line is PyTorch's own sentence,
so that `except` clauses and searches find it, followed by at most four lines of ours.
"""

from __future__ import annotations

import pickle
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn


class InternalError(RuntimeError):
    """A fault of alight itself, never of the user's program."""


class UnsupportedDtypeError(InternalError):
    """A primitive met a dtype that it does not take; operations turn it into PyTorch's sentence."""


class OutOfMemoryError(RuntimeError):
    """A device has no room for an allocation.

    >>> import alight as torch
    >>> issubclass(torch.OutOfMemoryError, RuntimeError)
    True
    """


class LinAlgError(RuntimeError):
    """A factorisation or solution that does not exist: singular, not positive-definite, not finite."""


class UnpicklingError(pickle.UnpicklingError, RuntimeError):
    """A file holds something that loading it must not build, or is not a file of tensors."""


# What else is known of the place of an error: each gives lines for its text. `alight.nn` names the layer at work.
PLACES: list[Callable[[], list[str]]] = []


def message(sentence: str, facts: Sequence[str] = (), try_: str | None = None) -> str:
    """The text of an error: PyTorch's sentence, indented facts, and something to try on the last line."""
    lines = [sentence, *("  " + fact for fact in facts)]
    if try_:
        lines.append("  try " + try_)
    return "\n".join(lines)


def fail(
    kind: type[Exception], sentence: str, facts: Sequence[str] = (), try_: str | None = None
) -> NoReturn:
    """Raise `kind` with PyTorch's sentence first, then the facts, then what to try.

    >>> fail(ValueError, "wrong shape", facts=["input is [2, 3]"], try_="x.T")
    Traceback (most recent call last):
    ...
    ValueError: wrong shape
      input is [2, 3]
      try x.T
    """
    places = [fact for place in PLACES for fact in place()]
    raise kind(message(sentence, [*facts, *places], try_))


_PACKAGE = str(Path(__file__).parent)


def warn(text: str, kind: type[Warning] = UserWarning) -> None:
    """Warn at the innermost line outside alight, however deep below it the warning arises.

    Lowerings run below a varying number of alight's own frames, so no fixed `stacklevel` finds that line.
    """
    level, frame = 2, sys._getframe(1)  # 2 is our caller, for warnings
    while frame.f_back and frame.f_code.co_filename.startswith((_PACKAGE, "<alight ")):
        level, frame = level + 1, frame.f_back
    warnings.warn(text, kind, stacklevel=level)


# What PyTorch says where an operation's indices are out of range: type, sentence, and what the facts speak of.
_OF_DIMENSION = "index {} is out of bounds for dimension {axis} with size {size}"
_TAKEN = "out of range: tried to access index {} on a tensor of {size} elements."
_OUT_OF_RANGE: dict[str, tuple[type[Exception], str, str, str]] = {
    "cross_entropy": (IndexError, "Target {} is out of bounds.", "target", "the classes are"),
    "nll_loss": (IndexError, "Target {} is out of bounds.", "target", "the classes are"),
    "one_hot": (
        RuntimeError,
        "Class values must be smaller than num_classes.",
        "class",
        "the classes are",
    ),
    "max_unpool": (
        RuntimeError,
        "Found an invalid max index: {} (output volumes are of size {volume})",
        "index",
        "the volume has",
    ),
    "take": (IndexError, _TAKEN, "index", "the tensor has"),
    "put": (IndexError, _TAKEN, "index", "the tensor has"),
    "index_copy": (IndexError, "index_copy_(): " + _OF_DIMENSION, "index", "the dimension has"),
    "index_fill": (IndexError, _OF_DIMENSION, "index", "the dimension has"),
    **dict.fromkeys(
        ("gather", "scatter", "scatter_add", "scatter_reduce"),
        (RuntimeError, _OF_DIMENSION, "index", "the dimension has"),
    ),
    **dict.fromkeys(
        ("index_at", "put_at"), (IndexError, _OF_DIMENSION, "index", "the dimension has")
    ),
}
_COUNT_FROM_END = {"index_at", "put_at", "take", "put", "index_fill"}


def reworded(error: Exception, operation: str, key: object = ()) -> Exception:
    """An index error of the gather primitives as the operation that recorded it would say it.

    `key` is that of the operation's step, with its static arguments.
    """
    lines = str(error).split("\n")
    known = _OUT_OF_RANGE.get(operation.strip("_"))
    if known is None or not isinstance(error, IndexError) or len(lines) < 2:
        return error
    kind, sentence, what, range_of = known
    place = getattr(error, "place", {"axis": 0, "size": 0})
    _, number, *rest = lines[1].split()
    if number[0] == "-" and operation in _COUNT_FROM_END:  # the extent has been added to it
        number = str(int(number) - place["size"])
    if sentence.startswith("Target"):  # found at [..., class]: without the class
        rest = re.sub(r", 0\]", "]", " ".join(rest), count=1).split()
    fact = " ".join([what, number, *rest]).replace("but the table has rows", range_of)
    hint = "smaller indices" if what == "index" else "labels that count from 0"
    if place["size"] == 0 and sentence == _OF_DIMENSION:
        sentence = "index is out of bounds for dimension with size 0"
    volume = ""
    if "{volume}" in sentence:
        extents = _extents(key)
        volume = "x".join(map(str, extents if len(extents) > 1 else [*extents, 1]))
    return kind(message(sentence.format(number, **place, volume=volume), [fact], hint))


def _extents(key: object) -> tuple[int, ...]:
    """The last tuple of whole numbers among the static arguments in a step's key."""
    found = [
        one
        for one in (key if isinstance(key, tuple) else ())
        if isinstance(one, tuple) and all(isinstance(size, int) for size in one)
    ]
    return found[-1] if found else ()


def not_implemented(what: str, nearest: str) -> NoReturn:
    """Say that alight does not have `what`, and name the nearest thing it has."""
    raise NotImplementedError(message(f"alight does not implement {what} yet", try_=nearest))


def internal(what: str, program: object = None) -> NoReturn:
    """Report a broken invariant of alight, with the program at hand in text form."""
    facts = ["this is alight's mistake, not your program's; please report it with this text"]
    if program is not None:
        facts.extend(str(program).splitlines())
    raise InternalError(message(what, facts))
