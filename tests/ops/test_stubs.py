"""The generated type stubs are those of the operations that are there."""

import ast
from pathlib import Path

import alight
from alight.ops import stubs

FOLDER = Path(alight.__file__).parent


def test_stubs_are_current():
    stale = [name for name, text in stubs.stubs().items() if (FOLDER / name).read_text() != text]
    assert not stale, f"{stale}: run `python -m alight.ops.stubs` (`make format` does)"


def test_stubs_name_what_is_served():
    tree = ast.parse(stubs.stubs()["__init__.pyi"])
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} - {"__getattr__"}
    assert {"add", "logsumexp", "flip", "cat"} <= names
    missing = [name for name in names if name[-1] != "_" and not hasattr(alight, name)]
    assert not missing
