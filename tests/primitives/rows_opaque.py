"""Samples of sorting, Fourier transforms and LAPACK: (primitive, inputs, statics).

Complex factorisations are not here: their phases are free, so their gradients need a loss that does not see them
(test_linalg.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from alight.primitives import (
    Cofactor,
    Det,
    Fft,
    Inverse,
    Irfft,
    Lu,
    Qr,
    Rfft,
    SlogDet,
    Solve,
    Sort,
    Svd,
    TriangularSolve,
    Within,
)

_random = np.random.default_rng(0)


def _normal(*shape: int) -> Any:
    return _random.standard_normal(shape)


def _complex(*shape: int) -> Any:
    return _normal(*shape) + 1j * _normal(*shape)


ROWS: list[tuple[Any, list[Any], dict[str, Any]]] = [
    (Within, [_random.uniform(0.1, 0.9, (3, 5))], {"low": 0.0, "high": 3.0}),
    (Sort, [_normal(3, 5)], {"axis": 1, "descending": False}),
    (Sort, [_normal(3, 5)], {"axis": 0, "descending": True}),
]
for _norm in ("backward", "forward", "ortho"):
    ROWS += [
        (Fft, [_complex(3, 4)], {"axes": (0, 1), "inverse": False, "norm": _norm}),
        (Fft, [_complex(3, 4)], {"axes": (1,), "inverse": True, "norm": _norm}),
        (Rfft, [_normal(3, 6)], {"axes": (0, 1), "norm": _norm}),
        (Rfft, [_normal(3, 5)], {"axes": (1,), "norm": _norm}),
        (Irfft, [_complex(3, 4)], {"axes": (0, 1), "size": 6, "norm": _norm}),
        (Irfft, [_complex(3, 4)], {"axes": (1,), "size": 7, "norm": _norm}),
    ]
for _new in (_normal, _complex):
    _square, _right = _new(2, 4, 4) + 2 * np.eye(4), _new(2, 4, 3)
    ROWS += [
        (Solve, [_square, _right], {}),
        (Inverse, [_square], {}),
        (Det, [_square], {}),
        (Cofactor, [_square], {}),
        (SlogDet, [_square], {}),
        *(
            (TriangularSolve, [_square, _right], {"upper": upper, "unit": unit})
            for upper in (False, True)
            for unit in (False, True)
        ),
        *((Qr, [_new(2, m, n)], {"mode": "reduced"}) for m, n in ((4, 4), (5, 3), (3, 5))),
        *((Lu, [_new(2, m, n)], {}) for m, n in ((4, 4), (5, 3), (3, 5))),
    ]
ROWS += [(Svd, [_normal(2, m, n)], {"full": False}) for m, n in ((4, 4), (4, 3), (3, 4))]
ROWS += [(Qr, [_normal(3, 4)], {"mode": "complete"})]
