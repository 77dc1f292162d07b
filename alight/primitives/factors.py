"""Factorisations that few programs ask for, as library calls: reflections, LDL, row orders, the matrix exponential.

Found by name in the backend's table, as those of linalg.py. `hermitian` says whether the transpose of LDL is conjugated.
"""

from __future__ import annotations

from typing import Any

from alight.dtypes import complex64, complex128, dtype, float32, float64, int32, int64
from alight.errors import internal
from alight.ir.primitive import NONE, OPAQUE, Primitive
from alight.ir.program import Value
from alight.ir.types import Shape, Type
from alight.primitives.arithmetic import zeros_like
from alight.primitives.linalg import adjoint
from alight.primitives.movement import Concat, Slice

Pair = tuple[Shape, dtype]
_ACCEPTS = frozenset({float32, float64, complex64, complex128})


def _square(x: Type) -> Shape:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        internal(f"{x} does not hold square matrices")
    return x.shape


class Reflections(Primitive):
    """QR as LAPACK's geqrf packs it: R on and above the diagonal, the reflection vectors below it, and their factors."""

    kind, accepts, outputs = OPAQUE, _ACCEPTS, 2

    def infer(x: Type) -> tuple[Pair, Pair]:
        lead, (m, n) = x.shape[:-2], x.shape[-2:]
        return (x.shape, x.dtype), ((*lead, min(m, n)), x.dtype)

    gradient = NONE


class Ldl(Primitive):
    """L and D of symmetric x = L D L^T packed, LAPACK's pivots (sytrf, lower triangle), and the place of a zero pivot."""

    kind, statics, accepts, outputs = OPAQUE, ("hermitian",), _ACCEPTS, 3

    def infer(x: Type, *, hermitian: bool) -> tuple[Pair, Pair, Pair]:
        shape = _square(x)
        return (shape, x.dtype), (shape[:-1], int32), (shape[:-2], int32)

    gradient = NONE


class LdlSolve(Primitive):
    """X with a X = b from what `Ldl` gives of a."""

    kind, statics, outputs = OPAQUE, ("hermitian",), 1
    accepts = _ACCEPTS | {int32, int64}

    def infer(packed: Type, pivots: Type, b: Type, *, hermitian: bool) -> Pair:
        return b.shape, b.dtype

    gradient = NONE


class RowOrder(Primitive):
    """The order of `size` rows after LAPACK's exchanges: row i was swapped with row pivots[i], counted from 1."""

    kind, statics, accepts = OPAQUE, ("size",), frozenset({int32, int64})

    def infer(pivots: Type, *, size: int) -> Pair:
        return (*pivots.shape[:-1], size), int64

    gradient = NONE


class MatrixExp(Primitive):
    """The exponential of square matrices."""

    kind, accepts = OPAQUE, _ACCEPTS

    def infer(x: Type) -> Pair:
        return _square(x), x.dtype

    def vjp(ct: Value, out: Value, x: Value) -> tuple[Value]:
        # N. Higham, "Functions of Matrices" (2008), theorem 3.6: exp of [[a, e], [0, a]] holds the derivative at a along e.
        n, rows, columns = x.shape[-1], x.ndim - 2, x.ndim - 1
        turned = adjoint(x)
        top = Concat(turned, ct, axis=columns)
        whole = MatrixExp(Concat(top, Concat(zeros_like(x), turned, axis=columns), axis=rows))
        lead = x.shape[:-2]
        starts: Any = (*(0 for _ in lead), 0, n)
        return (Slice(whole, starts=starts, stops=(*lead, n, 2 * n), steps=(1,) * x.ndim),)
