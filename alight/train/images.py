"""The images of the main job.

In: nothing but the name of the job. Out: training and test images, 28 x 28 with one channel, and class names.
Fashion-MNIST where it can be had; with no copy and no network the handwritten digits of scikit-learn, so that
the job runs anywhere. The invariant: real images, never made-up ones.
"""

from __future__ import annotations

import gzip
import importlib.util
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from alight.errors import fail
from alight.vision import archives, datasets

SIDE = 28
DIGITS_FOR_TRAINING = 1437  # of 1797: four fifths


@dataclass(frozen=True)
class Images:
    """Training and test images, and how the recipe should be adapted to them."""

    title: str
    classes: list[str]
    train: datasets.ArrayImages
    test: datasets.ArrayImages
    recipe: dict[str, Any] = field(default_factory=dict)


def load(report: archives.Report = print) -> Images:
    """Fashion-MNIST, or the digits where it is not to be had; `report` is told which and why."""
    try:
        train, test = (datasets.read_split(archives.FASHION_MNIST, half) for half in (True, False))
    except archives.DataNotFoundError as error:
        report(f"{error}; going on with the handwritten digits of scikit-learn")
        return load_digits()
    classes = datasets.FashionMNIST.classes
    return _images("Fashion-MNIST", classes, train, test, {})


def load_digits() -> Images:
    """1797 handwritten digits of 8 x 8 (Alpaydin and Kaynak, UCI 1998), each pixel drawn as 3 x 3, in a frame."""
    with gzip.open(_digits_file(), "rt") as file:
        rows = np.loadtxt(file, delimiter=",", dtype=np.int64)
    small = rows[:, :-1].reshape(-1, 8, 8)  # values from 0 to 16
    large = np.kron(small, np.ones((1, 3, 3), np.int64)) * 255 // 16
    pixels = np.pad(large, ((0, 0), (2, 2), (2, 2))).astype(np.uint8)
    cut, labels = DIGITS_FOR_TRAINING, rows[:, -1]
    classes = [str(digit) for digit in range(10)]
    adapted = {"batch_size": 32, "epochs": 12, "mirror": False}
    train, test = (pixels[:cut], labels[:cut]), (pixels[cut:], labels[cut:])
    return _images("digits", classes, train, test, adapted)


def _images(
    title: str, classes: list[str], train: Any, test: Any, recipe: dict[str, Any]
) -> Images:
    return Images(title, classes, datasets.ArrayImages(*train), datasets.ArrayImages(*test), recipe)


def _digits_file() -> Path:
    """scikit-learn's copy, found without importing scikit-learn and what it needs."""
    spec = importlib.util.find_spec("sklearn")
    for folder in spec.submodule_search_locations or [] if spec else []:
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return path
    fail(
        archives.DataNotFoundError,
        "no images: there is no Fashion-MNIST here, and scikit-learn is not installed",
        try_="pip install --no-deps scikit-learn",
    )
