"""Programs as users write them print the same under alight as under PyTorch."""

from pathlib import Path

import pytest

from tests.programs.both import compare

FOLDERS = sorted(path for path in Path(__file__).parent.iterdir() if any(path.glob("[a-z]*.py")))
FOLDERS = [path for path in FOLDERS if path.is_dir() and not path.name.startswith("_")]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: path.name)
def test_the_same_under_both(folder):
    compare(sorted(folder.glob("*.py")))
