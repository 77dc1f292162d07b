"""Classifying image files with the model of a finished run.

In: a run folder and paths of image files. Out: a line for each file, with the likeliest classes.
A file is brought into the form of the training images: grey, light on dark, filling the square.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import alight
from alight.errors import fail
from alight.train.models import MODELS
from alight.train.run_folder import RunFolder
from alight.vision import pictures

SHOWN = 3  # classes in a line
BORDER_IS_LIGHT = 127  # mean grey of the border above which a picture is taken for dark on light
BACKGROUND = 40  # the lightest grey that still counts as dark


def lines(run: str, paths: list[str]) -> Iterator[str]:
    """One line for each image file: its likeliest classes with their probabilities."""
    folder = RunFolder(Path(run))
    config = folder.read_config()
    classes, side = config["classes"], config["side"]
    model = MODELS[config["recipe"]["model"]](side, len(classes))
    folder.read_model(model)
    model.eval()
    for path in paths:
        image = alight.from_numpy(prepared(read_grey(path), side))
        with alight.no_grad():
            chance = model(image).softmax(dim=1).numpy()[0]
        best = np.argsort(-chance)[:SHOWN]
        ranked = ", ".join(f"{classes[label]} {chance[label]:.1%}" for label in best)
        yield f"{path}: {ranked}"


def read_grey(path: str) -> Any:
    """The image file as a grey PIL picture; a transparent background counts as white."""
    image_module = pictures.pillow()
    try:
        with image_module.open(path) as file:
            picture = file.copy()
    except OSError as error:
        fail(OSError, f"{path} cannot be read as an image: {error}")
    if "A" in picture.getbands() or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        ground = image_module.new("RGBA", picture.size, "white")
        picture = image_module.alpha_composite(ground, picture)
    return picture.convert("L")


def prepared(picture: Any, side: int) -> np.ndarray[Any, Any]:
    """(1, 1, side, side) float32 from 0 to 1, light on dark and filling the square as the training images do."""
    pixels = np.asarray(picture)
    border = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    if border.mean() > BORDER_IS_LIGHT:
        pixels = 255 - pixels
    if pixels.shape != (side, side):
        pixels = _scaled(_without_margin(pixels), side)
    square = np.zeros((side, side), np.float32)
    top, left = (side - pixels.shape[0]) // 2, (side - pixels.shape[1]) // 2
    square[top : top + pixels.shape[0], left : left + pixels.shape[1]] = pixels
    return (square / np.float32(255))[None, None]


def _without_margin(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The part of a picture in which something is to be seen."""
    rows = np.flatnonzero((pixels > BACKGROUND).any(axis=1))
    columns = np.flatnonzero((pixels > BACKGROUND).any(axis=0))
    if not len(rows):
        return pixels
    return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _scaled(pixels: np.ndarray[Any, Any], side: int) -> np.ndarray[Any, Any]:
    """A picture whose longer side is `side`."""
    scale = side / max(pixels.shape)
    height, width = (max(1, round(length * scale)) for length in pixels.shape)
    return np.asarray(pictures.pillow().fromarray(pixels).resize((width, height)))
