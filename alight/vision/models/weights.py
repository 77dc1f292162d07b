"""Trained weights: where they are published, and how a model gets them.

In: what a program passes as `weights` or `pretrained`. Out: a state_dict, read from the cache folder or fetched into
it; a file is kept only if its SHA-256 begins as its name says.
"""

from __future__ import annotations

import hashlib
import re
import urllib.request
from enum import Enum
from pathlib import Path
from typing import Any

from alight import io
from alight.errors import fail
from alight.io import files
from alight.vision.archives import TIMEOUT, DataNotFoundError, cache_folder

SITE = "https://download.pytorch.org/models/"


class Weights(Enum):
    """One model's trained weights; a member's value is the file's name."""

    @property
    def url(self) -> str:
        """Where the file is published."""
        return SITE + str(self.value)

    def get_state_dict(self, progress: bool = True, check_hash: bool = False) -> Any:
        """The trained parameters and buffers; without a network from the cache folder's `checkpoints`.

        Errors: DataNotFoundError, naming where to put the file.
        """
        path = cache_folder() / "checkpoints" / str(self.value)
        if not path.is_file():
            _fetch(self.url, path)
        return io.load(path)


_DOC = """Where the trained weights of a model are published: a member goes to its `weights`.

    get_state_dict() fetches the file, or reads it from the cache folder.

    >>> from alight.vision import models
    >>> models.{name}.DEFAULT.value
    '{default}'
    """


def members(name: str, **names: str) -> Any:
    """An enumeration of weights; DEFAULT is the last."""
    default = list(names.values())[-1]
    made: Any = Weights(name, {**names, "DEFAULT": default})  # type: ignore[call-overload, call-arg]
    made.__doc__ = _DOC.format(name=name, default=default)
    return made


def initialised(
    model: Any, known: Any, weights: Any = None, progress: bool = True, pretrained: bool = False
) -> Any:
    """`model` with trained weights where they are asked for; True, as in older scripts, means the first."""
    if weights is True or (pretrained and weights is None):
        weights = next(iter(known))
    if weights is None or weights is False:
        return model
    chosen = known[weights.rpartition(".")[2]] if isinstance(weights, str) else weights
    if not isinstance(chosen, known):
        fail(
            TypeError,
            f"Expected Weight class {known.__name__} but got {type(chosen).__name__} instead.",
        )
    model.load_state_dict(chosen.get_state_dict(progress))
    return model


def _fetch(url: str, path: Path) -> None:
    wanted = re.search(r"-([0-9a-f]{8})\.", path.name)
    print(f"Downloading: {url!r} to {path}")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            content = answer.read()
    except OSError as error:
        raise DataNotFoundError(
            f"{path.name} was not found: put it into {path.parent} "
            f"(download failed: {getattr(error, 'reason', error)})"
        ) from None
    if wanted and not hashlib.sha256(content).hexdigest().startswith(wanted[1]):
        raise DataNotFoundError(f"{url} is not the published file: its SHA-256 differs")
    path.parent.mkdir(parents=True, exist_ok=True)
    files.write(path, lambda file: file.writelines([content]))
