"""The table of primitives: sample inputs of each, at least one row a primitive.

float64 inputs stand for every dtype that the primitive accepts (see `Row.arrays`), complex128 ones for complex dtypes;
bools and integers stay what they are. Samples keep away from kinks and ties, where a derivative is not one number.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple

import numpy as np

from alight import primitives as p
from alight.backends.interpreter.arrays import numpy_dtype, round_bfloat16
from alight.device import device
from alight.dtypes import (
    ALL,
    ANY,
    FLOAT,
    INTEGER,
    bfloat16,
    bool_,
    dtype,
    float16,
    float32,
    float64,
    int8,
    int32,
    int64,
    uint8,
    uint32,
)
from alight.primitives.draws import BetaDrawSlope, GammaDrawSlope
from alight.primitives.linalg import adjoint, matmul
from tests.primitives import rows_gather, rows_opaque, rows_scan, rows_special, rows_window

for _module in iter_modules(p.__path__):  # every primitive is in the registry
    import_module(f"alight.primitives.{_module.name}")


class Row(NamedTuple):
    """One use of a primitive."""

    primitive: Any
    inputs: list[Any]
    statics: dict[str, Any] = {}  # noqa: RUF012  (never written)
    dtypes: frozenset[dtype] = ANY  # what to try, of what the primitive accepts
    formula: Any = None  # used in place of the primitive, with a value for each input

    def apply(self, *values: Any) -> Any:
        """The row's value or values."""
        return (self.formula or self.primitive)(*values, **self.statics)

    def tried(self) -> list[dtype]:
        """The dtypes that this row runs with."""
        variable = {np.asarray(x).dtype.kind for x in self.inputs} & {"f", "c"}
        if not variable:
            return [float64]
        wanted = self.primitive.accepts & self.dtypes
        return [
            of
            for of in sorted(wanted, key=lambda of: of.name)
            if "c" not in variable or of.is_complex
        ]

    def arrays(self, of: dtype) -> list[Any]:
        """The inputs with `of` in place of float64: rounded, thrice as large for integers, never 0 where it was not."""
        return [_as(np.asarray(x), of) for x in self.inputs]

    def types(self, of: dtype) -> list[dtype]:
        """The dtypes of `arrays`."""
        kinds = {"b": bool_, "i": int64}
        return [kinds.get(np.asarray(x).dtype.kind, of) for x in self.inputs]


def _as(x: np.ndarray, of: dtype) -> Any:
    if x.dtype.kind not in "fc":
        return x
    if of.is_complex:
        whole = x if x.dtype.kind == "c" else x + 1j * np.roll(x, 1)
        return whole.astype(numpy_dtype(of))
    if of is bfloat16:
        return round_bfloat16(x.astype(np.float32))
    if of is bool_:
        return x > 0
    if of in INTEGER:
        x = np.where((np.rint(3 * x) == 0) & (x != 0), 1, np.rint(3 * x))
        x = np.abs(x) if of.kind == "u" else x
    return x.astype(numpy_dtype(of))


X = np.array([[-1.7, 0.4, 2.3], [0.9, -0.6, -2.8]])
Y = np.array([[0.8, -1.3, 0.55], [-0.35, 1.6, 2.2]])
ABOVE_0 = np.array([[0.3, 1.2, 2.6], [0.7, 1.9, 0.45]])  # for logarithms, roots, shifts
ABOVE_1 = ABOVE_0 + 1
WITHIN_1 = X / 3.1
CUBE = np.random.default_rng(0).standard_normal((2, 3, 4))
WITH_ZEROS = np.where(np.arange(24).reshape(2, 3, 4) % 7 == 3, 0.0, CUBE)
CPU = device("cpu")


def _unary(x: Any, *primitives: Any) -> list[Row]:
    return [Row(one, [x]) for one in primitives]


def _binary(x: Any, y: Any, *primitives: Any) -> list[Row]:
    return [Row(one, [x, y]) for one in primitives]


ELEMENTWISE = [
    *_unary(X, p.Neg, p.Abs, p.Sign, p.Floor, p.Ceil, p.Round, p.Trunc, p.IsNan, p.Not, p.Conj, p.Real, p.Imag),
    *_unary(X, p.Exp, p.Expm1, p.Sin, p.Cos, p.Tan, p.Atan, p.Sinh, p.Cosh, p.Tanh, p.Sigmoid, p.Asinh, p.Erf, p.Erfc),
    *_unary(ABOVE_0, p.Log, p.Log1p, p.Sqrt, p.Lgamma, p.Digamma),
    *(Row(p.Polygamma, [ABOVE_1], {"order": order}) for order in (1, 2, 5)),
    Row(p.Polygamma, [X], {"order": 1}),
    *_unary(ABOVE_1, p.Acosh),
    *_unary(WITHIN_1, p.Asin, p.Acos, p.Atanh, p.Erfinv),
    *_binary(X, Y, p.Add, p.Sub, p.Mul, p.Div, p.FloorDiv, p.Remainder, p.Fmod, p.Maximum, p.Minimum, p.Atan2),
    *_binary(X, Y, p.Equal, p.Less, p.LessEqual, p.And, p.Or, p.Xor, p.Complex),
    *_binary(ABOVE_0, ABOVE_0[::-1], p.ShiftLeft, p.ShiftRight),
    *_binary(ABOVE_0, np.abs(Y), p.Pow),
    Row(p.Select, [X > 0, X, Y]),
    *(Row(p.Convert, [X], {"dtype": of}) for of in ALL),
    Row(p.Bitcast, [X], {"dtype": int32}, frozenset({float32, int32, uint32})),
    Row(p.Bitcast, [X], {"dtype": float64}, frozenset({float64, int64})),
    Row(p.Bitcast, [X], {"dtype": int8}, frozenset({uint8, int8})),
    Row(GammaDrawSlope, [np.abs(X) + 0.5, np.abs(Y) + 0.5], dtypes=FLOAT - {float16, bfloat16}),
    Row(
        BetaDrawSlope,
        [np.tanh(np.abs(X)) * 0.8 + 0.1, np.abs(Y) + 0.5, 2 * np.abs(Y) + 1.5],
        dtypes=FLOAT - {float16, bfloat16},
    ),
    Row(p.Reinterpret, [X], {"dtype": int32}, frozenset({float32, int32, uint32})),
    Row(p.Reinterpret, [X], {"dtype": int8}, frozenset({int64, int32, uint8})),
    Row(p.Reinterpret, [np.vstack([X, Y]).T], {"dtype": int64}, frozenset({int32, int64})),
]  # fmt: skip

MOVEMENT = [
    Row(p.Detach, [X]),
    Row(p.Reshape, [CUBE], {"shape": (4, 6)}),
    Row(p.Reshape, [CUBE], {"shape": (2, 1, 12, 1)}),
    Row(p.Permute, [CUBE], {"order": (2, 0, 1)}),
    Row(p.Expand, [CUBE[:, :1]], {"shape": (2, 5, 4)}),
    Row(p.Expand, [CUBE[:1, :1, :1]], {"shape": (2, 0, 4)}),
    Row(p.Slice, [CUBE], {"starts": (0, 1, 0), "stops": (2, 3, 4), "steps": (1, 1, 2)}),
    Row(p.Slice, [CUBE], {"starts": (1, 0, 1), "stops": (2, 3, 4), "steps": (3, 2, 3)}),
    Row(p.Slice, [CUBE], {"starts": (1, 2, 0), "stops": (2, 2, 4), "steps": (1, 1, 1)}),
    Row(p.Pad, [CUBE], {"low": (0, 1, 2), "high": (1, 0, 0)}),
    Row(p.Pad, [CUBE, np.array(0.7)], {"low": (0, 1, 2), "high": (1, 0, 0)}),
    Row(p.Flip, [CUBE], {"axes": (0, 2)}),
    Row(p.Concat, [CUBE, CUBE[:, 1:] + 1, CUBE[:, :1] - 1], {"axis": 1}),
]

REDUCTION = [
    *(Row(one, [CUBE], {"axes": axes}) for one in (p.Sum, p.Prod, p.Max, p.Min) for axes in ((1,), (0, 2), (0, 1, 2))),
    *(Row(one, [CUBE[:, :0]], {"axes": (1,)}) for one in (p.Sum, p.Prod)),
    Row(p.Prod, [WITH_ZEROS], {"axes": (1, 2)}),
    *(Row(one, [CUBE], {"axes": (axis,)}) for one in (p.ArgMax, p.ArgMin) for axis in (0, 2)),
]  # fmt: skip

CONTRACTION = [
    Row(p.DotGeneral, [X, Y.T.copy()], {"batch": ((), ()), "contract": ((1,), (0,))}),
    Row(p.DotGeneral, [X, Y], {"batch": ((), ()), "contract": ((1,), (1,))}),
    Row(p.DotGeneral, [X, Y], {"batch": ((), ()), "contract": ((0,), (0,))}),
    Row(p.DotGeneral, [X, Y], {"batch": ((), ()), "contract": ((), ())}),
    Row(p.DotGeneral, [X, Y], {"batch": ((0, 1), (0, 1)), "contract": ((), ())}),
    Row(p.DotGeneral, [CUBE, CUBE + 1], {"batch": ((), ()), "contract": ((0, 1, 2), (0, 1, 2))}),
    Row(p.DotGeneral, [CUBE, CUBE[::-1, ::-1]], {"batch": ((0,), (0,)), "contract": ((2,), (2,))}),
    Row(
        p.DotGeneral,
        [CUBE, np.transpose(CUBE, (2, 1, 0)) + 1],
        {"batch": ((1,), (1,)), "contract": ((2, 0), (0, 2))},
    ),
    Row(p.DotGeneral, [X[:, :0], Y[:, :0]], {"batch": ((), ()), "contract": ((1,), (1,))}),
]

CREATE = [
    *(Row(p.Full, [], {"shape": (2, 3), "value": 1, "dtype": of, "device": CPU}) for of in ALL),
    Row(p.Full, [], {"shape": (), "value": -1, "dtype": uint8, "device": CPU}),
    Row(p.Full, [], {"shape": (2,), "value": 1.2345, "dtype": bfloat16, "device": CPU}),
    *(
        Row(p.Iota, [], {"shape": (2, 3), "axis": axis, "dtype": of, "device": CPU})
        for axis in (0, 1)
        for of in ALL
        if of is not bool_
    ),
    Row(p.RandomBits, [np.array(7)], {"shape": (2, 3), "device": CPU}),
]

# Factorisations of matrices made symmetric or positive; eigenvectors by what does not depend on their phases.
MATRIX = CUBE[:, :, :3]


def _positive(x: Any) -> Any:
    return p.Cholesky(matmul(x, adjoint(x)) + 1)


def _hermitian(x: Any, *, upper: bool) -> Any:
    values, vectors = p.Eigh(x + adjoint(x), upper=upper)
    return values, matmul(vectors * vectors, adjoint(vectors * vectors))


def _singular(x: Any, *, full: bool) -> Any:
    u, s, vh = p.Svd(x, full=full)
    return p.Abs(u), s, p.Abs(vh), matmul(u * u, vh * vh)


def _eigen(x: Any) -> Any:
    values, vectors = p.Eig(x)
    return values, p.Abs(vectors)


OPAQUE = [
    Row(p.Cholesky, [MATRIX], {}, formula=_positive),
    Row(p.Eigh, [MATRIX], {"upper": True}, formula=_hermitian),
    Row(p.Eigh, [MATRIX], {"upper": False}, formula=_hermitian),
    Row(p.Eig, [MATRIX], {}, formula=_eigen),
    Row(p.Svd, [MATRIX], {"full": False}, formula=_singular),
]

ROWS = [
    *ELEMENTWISE, *MOVEMENT, *REDUCTION, *CONTRACTION, *CREATE, *OPAQUE,
    *(Row(*row) for row in rows_window.ROWS),
    *(Row(*row) for row in rows_gather.ROWS),
    *(Row(*row) for row in rows_scan.ROWS if row[0] is not p.Scan),
    *(Row(*row, dtypes=frozenset({float64})) for row in rows_scan.ROWS if row[0] is p.Scan),
    *(Row(*row) for row in rows_opaque.ROWS if row[0] is not p.Svd),
    *(Row(*row, dtypes=frozenset({float32, float64})) for row in rows_opaque.ROWS if row[0] is p.Svd),
    *(Row(*row) for row in rows_special.ROWS),
    *(Row(*row[:3], formula=row[3]) for row in rows_special.FORMULAS),
]  # fmt: skip
