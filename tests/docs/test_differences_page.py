"""docs/differences.md is what the docstrings say today, and links in the documentation lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.differences import PAGE, page

DOCS = PAGE.parent


def test_the_page_is_current():
    assert PAGE.read_text() == page(), "run: python -m docs.differences"


@pytest.mark.parametrize(
    "path", [*DOCS.rglob("*.md"), DOCS.parent / "README.md"], ids=lambda path: path.name
)
def test_links_lead_to_files(path: Path):
    for target in re.findall(r"\]\(([^)#]+)", path.read_text()):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"
