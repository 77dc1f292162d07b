"""Collects the lines of docstrings that begin "Differs:" into docs/differences.md: `python -m docs.differences`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent / "alight"
PAGE = Path(__file__).parent / "differences.md"
HEAD = """# What differs from PyTorch

Collected from the docstrings by `python -m docs.differences`. Everything else that alight has is meant to do what
PyTorch does: a difference that does not stand here is a mistake.

| where | what differs |
|---|---|
"""


def differences() -> Iterator[tuple[str, str]]:
    """(name, what differs) of every docstring, or text given as one, that says so."""
    for path in sorted(ROOT.rglob("*.py")):
        module = ".".join(path.relative_to(ROOT.parent).with_suffix("").parts)
        for name, text in _texts(ast.parse(path.read_text()), ""):
            for found in re.finditer(
                r"Differs: (.*?)(?:\n\s*\n|\n\s*>>>|\n\s*(?:Errors|Source):|$)", text, re.S
            ):
                yield f"`{module}`{f' {name}' if name else ''}", " ".join(found[1].split())


def _texts(node: ast.AST, name: str) -> Iterator[tuple[str, str]]:
    """Strings below a node with the name of the class or function, or of what they are assigned to."""
    for child in ast.iter_child_nodes(node):
        inner = name
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            inner = f"{name}.{child.name}".strip(".")
        elif isinstance(child, ast.Assign) and isinstance(child.targets[0], ast.Name):
            inner = f"{name}.{child.targets[0].id}".strip(".")
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield inner, child.value
        yield from _texts(child, inner)


def page() -> str:
    """The page as it should be."""
    rows = "".join(f"| {where} | {what} |\n" for where, what in differences())
    return HEAD + rows


if __name__ == "__main__":
    PAGE.write_text(page())
