"""The notes' topics, one program each: printed alike under both libraries, digit counts included."""

from pathlib import Path

from tests.programs.both import compare

FOLDER = Path(__file__).parent / "topics"


def test_printed_alike():
    compare(sorted(FOLDER.glob("*.py")), same_digits=True)
