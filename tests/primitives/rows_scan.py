"""Samples of the scans: (primitive, inputs, statics)."""

from __future__ import annotations

from typing import Any

import numpy as np

from alight.dtypes import float64, int64
from alight.ir.program import Builder, Program
from alight.ir.types import Type
from alight.primitives import (
    CumMax,
    CumMin,
    CumProd,
    CumSum,
    DotGeneral,
    Exp,
    LogCumSumExp,
    Recurrence,
    Scan,
    Sin,
    Tanh,
)

_random = np.random.default_rng(0)


def _normal(*shape: int) -> Any:
    return _random.standard_normal(shape)


def recurrence(kind: str) -> Program:
    """A body with carries h and a counter, constants W and k, steps x."""
    b = Builder()
    h, n = b.input(Type((2, 3), float64)), b.input(Type((), int64))
    w, k = b.input(Type((3, 3), float64)), b.input(Type((2, 3), float64))
    x = b.input(Type((2, 3), float64))
    with b.active():
        product = DotGeneral(h, w, batch=((), ()), contract=((1,), (0,)))
        if kind == "elman":  # what its backward reads is among its results
            new = Tanh(product + x)
            return b.finish([new, n + 1, new])
        if kind == "gated":  # its backward needs the body to run again
            new = Tanh(product * Sin(x * h) + k)
            return b.finish([new, n + 1, Exp(new) * x, h])
        return b.finish([Sin(x) * k, n + 1, x, x])  # forgets its carry


_zeros_line = _normal(2, 7)
_zeros_line[0, 2] = _zeros_line[1, 1] = _zeros_line[1, 4] = 0

ROWS: list[tuple[Any, list[Any], dict[str, Any]]] = [
    (CumSum, [_normal(3, 6, 2)], {"axis": 1}),
    (CumProd, [_normal(3, 6, 2)], {"axis": 1}),
    (CumProd, [_zeros_line], {"axis": 1}),
    (CumMax, [_normal(3, 6)], {"axis": 1}),
    (CumMin, [_normal(3, 6)], {"axis": 0}),
    (LogCumSumExp, [_normal(3, 6)], {"axis": 1}),
    (Recurrence, [_normal(3, 6, 2), _normal(3, 6, 2)], {"axis": 1}),
    (Recurrence, [_normal(4, 5), _normal(4, 5)], {"axis": 0}),
]
ROWS += [
    (
        Scan,
        [_normal(2, 3), np.int64(0), _normal(3, 3), _normal(2, 3), _normal(length, 2, 3)],
        {
            "body": recurrence(kind),
            "length": length,
            "carry_count": 2,
            "constant_count": 2,
            "reverse": reverse,
        },
    )
    for kind in ("elman", "gated", "forgetful")
    for length, reverse in ((4, False), (3, True), (1, False), (0, False))
]
