"""`python -m bench.curves [MODELS] [--epochs N]` writes docs/curves.md: same seed, three ways, side by side."""

from __future__ import annotations

import argparse
import json
import os
import pydoc_data.topics
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from alight.train import images

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "curves.md"
EPOCHS = {"softmax": 10, "mlp": 10, "dropout": 10, "lenet": 10, "rnn": 100}
WAYS = ("pytorch", "interpreted", "compiled")
HEAD = """# Training curves: PyTorch, the interpreter, compiled code

Written by `python -m bench.curves`. One source (bench/curves/program.py) trains each of the notes' models from seed 0
under PyTorch, under alight's interpreter (`ALIGHT_TIER=0`) and with alight as it comes. *First epoch* is the largest
relative difference between the losses of a step and PyTorch's; dropout's masks are alight's own
([differences.md](differences.md)), so that row is compared at its end alone. The measure is test accuracy on
Fashion-MNIST, and for the recurrent network the perplexity over its text.

| model | epochs | first epoch: interpreted, compiled | last loss: PyTorch, interpreted, compiled | measure: the same three | seconds: the same three |
|---|---|---|---|---|---|
"""


def data(folder: Path) -> Path:
    """Images, labels and letters of Python's own help texts, which every machine has, as one file of arrays."""
    both = images.load()
    words = " ".join(pydoc_data.topics.topics.values()).lower()
    text = re.sub("[^a-z]+", " ", words)[:10_000]
    letters = sorted(set(text))
    path = folder / "data.npz"
    np.savez(
        path,
        X=both.train.data.numpy(),
        y=both.train.targets.numpy(),
        X_test=both.test.data.numpy(),
        y_test=both.test.targets.numpy(),
        text=np.array([letters.index(letter) for letter in text]),
    )
    return path


def run(way: str, path: Path, model: str, epochs: int) -> dict[str, Any]:
    """The curve of a model in a process of its own."""
    start = [sys.executable] if way == "pytorch" else [sys.executable, "-m", "alight", "run"]
    found = subprocess.run(
        [*start, str(HERE / "program.py"), str(path), model, str(epochs)],
        env={**os.environ, "ALIGHT_TIER": "0" if way == "interpreted" else "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return result


def apart(found: dict[str, Any], expected: dict[str, Any]) -> float:
    """The largest relative difference between the losses of the first epoch's steps."""
    a, b = np.array(found["first"]), np.array(expected["first"])
    return float(np.max(np.abs(a - b) / np.abs(b)))


def row(model: str, epochs: int, runs: dict[str, dict[str, Any]]) -> str:
    """A line of the page."""
    expected = runs["pytorch"]
    first = ", ".join(f"{apart(runs[way], expected):.0e}" for way in WAYS[1:])
    last = ", ".join(f"{runs[way]['curve'][-1][0]:.4f}" for way in WAYS)
    measure = ", ".join(f"{runs[way]['curve'][-1][1]:.4f}" for way in WAYS)
    seconds = ", ".join(f"{runs[way]['seconds']:.0f}" for way in WAYS)
    return f"| {model} | {epochs} | {'-' if model == 'dropout' else first} | {last} | {measure} | {seconds} |"


def main() -> None:
    """Train, compare, write the page."""
    parser = argparse.ArgumentParser(prog="python -m bench.curves", description=__doc__)
    parser.add_argument("models", nargs="*", default=list(EPOCHS), help=", ".join(EPOCHS))
    parser.add_argument("--epochs", type=int, help="in place of the notes' own number")
    given = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        path = data(Path(folder))
        for model in given.models:
            epochs = given.epochs or EPOCHS[model]
            runs = {way: run(way, path, model, epochs) for way in WAYS}
            lines.append(row(model, epochs, runs))
            print(lines[-1], flush=True)
    if given.models == list(EPOCHS) and not given.epochs:
        PAGE.write_text(HEAD + "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
