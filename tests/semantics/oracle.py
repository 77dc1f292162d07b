"""Run one program under alight and under PyTorch and compare what it returns."""

from __future__ import annotations

import math
import warnings

import torch

import alight


def plain(value):
    """Tensors as nested lists with dtype and shape, errors as (type, first line)."""
    if isinstance(value, (alight.Tensor, torch.Tensor)):
        return repr(value.dtype), tuple(value.shape), value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (alight.dtype, torch.dtype, alight.Size, torch.Size)):
        return repr(value)
    return value


def attempt(function, *args):
    """What a call gives, or the type and first line of its error."""
    try:
        return function(*args)
    except Exception as error:
        return type(error).__name__, str(error).split("\n")[0]


def close(a, b, tolerance=1e-5):
    """Equal up to rounding of floats."""
    if isinstance(a, float) and isinstance(b, float):
        return (
            a == b
            or (math.isnan(a) and math.isnan(b))
            or abs(a - b) <= tolerance * max(1.0, abs(b))
        )
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(close(x, y, tolerance) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return list(a) == list(b) and close(list(a.values()), list(b.values()), tolerance)
    return a == b


def same(program, tolerance=1e-5):
    """Assert that `program(torch)` returns the same under both libraries."""
    ours = plain(program(alight))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's own
        theirs = plain(program(torch))
    assert close(ours, theirs, tolerance), f"\nalight:  {ours}\nPyTorch: {theirs}"
