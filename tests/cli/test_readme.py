"""What the README and the index say is true: the program prints what stands there, links and names exist."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from alight import config
from alight.cli import COMMANDS

HOME = Path(__file__).resolve().parents[2]
README = HOME / "README.md"
PAGES = [README, HOME / "docs" / "index.md"]
PROGRAM = re.compile(r"```python\n(.*?)```.*?```text\n(.*?)```", re.DOTALL)


@pytest.mark.parametrize("library", ["alight", "torch"])
def test_the_first_program(library: str) -> None:
    match = PROGRAM.search(README.read_text())
    assert match is not None
    program = match[1].replace("import alight as torch", f"import {library} as torch")
    program = program.replace("from alight import", f"from {library} import")
    done = subprocess.run([sys.executable, "-c", program], cwd=HOME, capture_output=True, text=True)
    assert done.stdout == match[2], done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", page.read_text())
    assert links and all((page.parent / link).exists() for link in links)


def test_commands_and_knobs_exist() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    assert set(re.findall(r"`alight ([a-z]+)", text)) == set(COMMANDS)
    known = {knob.variable for knob in config.KNOBS.values()}
    assert set(re.findall(r"\bALIGHT_\w+", text)) <= known
    targets = set(re.findall(r"^([a-z]+):", (HOME / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", text, re.MULTILINE)) == {"demo", "test"} <= targets
