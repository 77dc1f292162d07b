"""The collection of mistakes: `*.txt` beside this file. Each has a title, a program, and what alight says of it.

=== A title
the program, with torch, nn, F and np imported
---
The error's type: its text
"""

from __future__ import annotations

import linecache
import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

FOLDER = Path(__file__).parent
PROGRAM = "program.py"


class Case(NamedTuple):
    """One mistake."""

    title: str
    program: str
    expected: str


def read(path: Path) -> list[Case]:
    """The mistakes of a file."""
    cases = []
    for part in path.read_text().split("=== ")[1:]:
        title, _, rest = part.partition("\n")
        program, _, expected = rest.partition("\n---\n")
        cases.append(Case(title.strip(), program.strip() + "\n", expected.strip()))
    return cases


def write(path: Path, cases: list[Case]) -> None:
    """The file of these mistakes."""
    path.write_text(
        "\n\n".join(f"=== {one.title}\n{one.program.strip()}\n---\n{one.expected}" for one in cases)
        + "\n"
    )


def files() -> list[Path]:
    """All files of mistakes, by name."""
    return sorted(FOLDER.glob("*.txt"))


def run(program: str, library) -> str:
    """What `library` says of a program: the type of the error and its text."""
    lines = program.splitlines(keepends=True)
    linecache.cache[PROGRAM] = (len(program), None, lines, PROGRAM)
    names = {"torch": library, "nn": library.nn, "F": library.nn.functional, "np": np}
    library.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(program, PROGRAM, "exec"), {**names, "__name__": "program"})
        except Exception as error:
            return f"{type(error).__name__.lstrip('_')}: {error}".rstrip()
    return "no error"
