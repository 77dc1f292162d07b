"""What alight says of common mistakes: PyTorch's type and first line, then facts and something to try."""

from pathlib import Path

import pytest
import torch

import alight
from tests.errors import cases, page
from tests.record.paths import forgotten

# Where the first line is not PyTorch's, on purpose.
DIFFERS = {"A class in place of a layer": "the name of the class is alight's own"}
CASES = [(file.stem, case) for file in cases.files() for case in cases.read(file)]
IDS = [f"{topic}: {case.title}" for topic, case in CASES]


@pytest.fixture
def no_paths():
    """No path is known yet: a line named is the one that first recorded a step, maybe in another test."""
    forgotten()


@pytest.mark.parametrize("topic, case", CASES, ids=IDS)
@pytest.mark.usefixtures("no_paths")
def test_the_text(topic, case):
    said = cases.run(case.program, alight)
    assert said == case.expected
    lines = said.split("\n")
    assert all(line[:1] in (" ", "\t") for line in lines[1:]), "facts are indented"
    assert len(lines) <= 5, "five lines at most"


@pytest.mark.parametrize("topic, case", CASES, ids=IDS)
def test_type_and_first_line_are_pytorchs(topic, case):
    theirs = cases.run(case.program, torch).split("\n")[0].strip()
    assert theirs != "no error"
    if case.title not in DIFFERS:
        assert case.expected.split("\n")[0].strip() == theirs
    else:
        assert case.expected.split("\n")[0].strip() != theirs, "no longer differs"


def test_most_end_with_something_to_try():
    trying = [case for _, case in CASES if case.expected.split("\n")[-1].startswith("  try ")]
    assert len(CASES) >= 140 and len(trying) >= 0.9 * len(CASES)


def test_the_page_is_made_from_the_cases():
    made = Path(__file__).parents[2] / "docs" / "errors.md"
    assert made.read_text() == page.text(), "run: python -m tests.errors.page"
