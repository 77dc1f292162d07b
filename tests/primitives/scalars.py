"""Scalar rules evaluated on arrays, without a primitive around them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alight.backends.interpreter.builder import scalar_function
from alight.dtypes import dtype


def evaluate(rule: Callable[..., Any], x: np.ndarray, of: dtype) -> np.ndarray:
    """rule(b, x) element by element."""

    class Rule:
        scalar = staticmethod(rule)

    with np.errstate(all="ignore"):
        return np.asarray(scalar_function(Rule, (of,), {})(x))
