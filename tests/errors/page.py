"""Make docs/errors.md from the collection of mistakes: `python -m tests.errors.page`.

With `--update` the texts in the collection are first replaced by what alight says now; the difference is for review.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.errors import cases

PAGE = Path(__file__).parents[2] / "docs" / "errors.md"
HEAD = """# Common mistakes, and what alight says of them

Errors have PyTorch's type and first line, so that searches and `except` clauses find them. Then come facts, with names,
shapes and your line; the last line is something to try. In a layer, the error says which one. `torch`, `nn`, `F` and
`np` are imported as usual; `program.py` is the example's own file.

This page is made from `tests/errors/` by `python -m tests.errors.page`.
"""
TOPICS = {
    "shapes": "Shapes",
    "values": "Dtypes, labels, indices, devices",
    "gradients": "Gradients",
    "modules": "Modules",
    "training": "Optimizers and data",
}


def text() -> str:
    """The page."""
    parts = [HEAD]
    for name, title in TOPICS.items():
        parts.append(f"## {title}\n")
        for case in cases.read(cases.FOLDER / f"{name}.txt"):
            parts.append(
                f"### {case.title}\n\n```python\n{case.program}```\n\n```\n{case.expected}\n```\n"
            )
    return "\n".join(parts)


def update() -> None:
    """Replace the texts by what alight says."""
    import alight

    for name in TOPICS:
        file = cases.FOLDER / f"{name}.txt"
        found = [one._replace(expected=cases.run(one.program, alight)) for one in cases.read(file)]
        cases.write(file, found)


if __name__ == "__main__":
    if "--update" in sys.argv:
        update()
    PAGE.write_text(text())
