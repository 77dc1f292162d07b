"""Samples of special functions: (primitive, inputs, statics)."""

from __future__ import annotations

from typing import Any

import numpy as np

from alight.primitives import Erfcx, Ndtri, bessel_functions, factors, series

REAL = np.array([[-1.7, 0.4, 2.3], [9.9, -10.6, -2.8]])
POSITIVE = np.array([[0.3, 1.2, 2.6], [8.7, 11.9, 0.45]])
SHARE = np.array([[0.05, 0.2, 0.4], [0.6, 0.9, 0.95]])
NUMBER = np.array(
    [[0.0, 1.0, 2.0], [3.0, 5.0, 4.0]]
)  # no gradient flows there, and none has a slope

ROWS: list[tuple[Any, list[Any], dict[str, Any]]] = [
    (Erfcx, [REAL / 12], {}),
    (Ndtri, [SHARE], {}),
    *((getattr(bessel_functions, f"Bessel{name}"), [REAL], {}) for name in ("I0", "I1", "J0", "J1")),
    *((getattr(bessel_functions, f"ScaledBessel{name}"), [REAL], {}) for name in ("I0", "I1")),
    *((getattr(bessel_functions, f"Bessel{name}"), [POSITIVE], {}) for name in ("K0", "K1", "Y0", "Y1")),
    *((getattr(bessel_functions, f"ScaledBessel{name}"), [POSITIVE], {}) for name in ("K0", "K1")),
    *((bessel_functions.AiryAi, [REAL / 2], {"order": order}) for order in (0, 1)),
    (series.Gcd, [np.array([[12, -18, 0], [7, 30, 1]]), np.array([[8, 27, 5], [-21, 12, 0]])], {}),
]  # fmt: skip

_MATRICES = np.random.default_rng(0).standard_normal((2, 4, 4))
_SYMMETRIC = _MATRICES + _MATRICES.swapaxes(-1, -2)
ROWS += [
    (factors.Reflections, [_MATRICES[:, :, :3]], {}),
    (factors.Ldl, [_SYMMETRIC], {"hermitian": False}),
    (factors.Ldl, [_SYMMETRIC], {"hermitian": True}),
    (factors.LdlSolve, [_SYMMETRIC, np.array([[1, 2, 3, 4], [-2, -2, 3, 4]], np.int64), _MATRICES], {"hermitian": False}),
    (factors.RowOrder, [np.array([[2, 2, 3], [3, 3, 3]], np.int64)], {"size": 4}),
    (factors.MatrixExp, [_MATRICES / 2], {}),
]  # fmt: skip

# Those with an argument that has no gradient: given inside the formula, so that the others' slopes can be measured.
FORMULAS: list[tuple[Any, list[Any], dict[str, Any], Any]] = []


def _constants(x: Any, numbers: np.ndarray) -> Any:
    """`numbers` as a value like x."""
    from alight.primitives.arithmetic import constant
    from alight.primitives.movement import Concat, Reshape

    parts = [constant(x, float(one), (1,)) for one in numbers.reshape(-1)]
    return Reshape(Concat(*parts, axis=0), shape=numbers.shape)


def _second(primitive: Any, numbers: np.ndarray) -> Any:
    return lambda x, **statics: primitive(x, _constants(x, numbers), **statics)


def _first(primitive: Any, numbers: np.ndarray) -> Any:
    return lambda x, **statics: primitive(_constants(x, numbers), x, **statics)


for _family in series.FAMILIES:
    FORMULAS.append(
        (
            series.OrthogonalPolynomial,
            [REAL / 12],
            {"family": _family, "order": 0},
            _second(series.OrthogonalPolynomial, NUMBER),
        )
    )
FORMULAS += [
    (series.HurwitzZeta, [POSITIVE], {}, _first(series.HurwitzZeta, NUMBER + 1.5)),
    *(
        (series.Igamma, [POSITIVE], {"upper": upper}, _first(series.Igamma, POSITIVE[::-1] * 3))
        for upper in (False, True)
    ),
]
