"""The notes' training loops run unchanged: the same text and the same numbers as under PyTorch."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).parent / "programs"
UNDER_PYTORCH = Path(__file__).parent / "under_pytorch"
NUMBER = re.compile(r"-?\d+\.?\d*(?:e-?\d+)?")
SPEED = re.compile(r"[\d.]+ (examples|tokens)/sec")
TEXT = """The Time Machine, by H. G. Wells [1898]

I

The Time Traveller (for so it will be convenient to speak of him)
was expounding a recondite matter to us. His grey eyes shone and
twinkled, and his usually pale face was flushed and animated. The
fire burned brightly, and the soft radiance of the incandescent
lights in the lilies of silver caught the bubbles that flashed and
passed in our glasses.
"""


@pytest.fixture(scope="module")
def lesson_data(tmp_path_factory):
    """Small images of ten kinds, made of noise around ten patterns."""
    rng = np.random.default_rng(0)
    patterns = rng.uniform(0, 255, (10, 28, 28))

    def draw(count):
        labels = rng.integers(0, 10, count)
        images = 0.5 * patterns[labels] + rng.uniform(0, 128, (count, 28, 28))
        return images.astype(np.uint8), labels.astype(np.int64)

    path = tmp_path_factory.mktemp("lesson") / "images.npz"
    (train_x, train_y), (test_x, test_y) = draw(1500), draw(500)
    (path.parent / "d2l").mkdir()
    (path.parent / "d2l" / "timemachine.txt").write_text(TEXT)
    np.savez(path, train_x=train_x, train_y=train_y, test_x=test_x, test_y=test_y)
    return path


def run(command, lesson_data, folder):
    """What a process prints, in a folder of its own."""
    environment = {
        **os.environ,
        "LESSON_DATA": str(lesson_data),
        "ALIGHT_DATA": str(lesson_data.parent),
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(UNDER_PYTORCH),
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, *command],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return SPEED.sub(r"# \1/sec", done.stdout)


@pytest.mark.parametrize("program", sorted(path.name for path in FOLDER.glob("*.py")))
def test_the_same_under_both(program, lesson_data, tmp_path):
    path = str(FOLDER / program)
    ours, theirs = (
        run([*command, path], lesson_data, tmp_path) for command in (["-m", "alight", "run"], [])
    )
    assert NUMBER.sub("#", ours) == NUMBER.sub("#", theirs)
    for a, b in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True):
        assert float(a) == pytest.approx(float(b), rel=2e-3, abs=2e-4), f"{a} is not {b} in\n{ours}"
