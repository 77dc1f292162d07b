"""Element-wise primitives: every output element is a function of the input elements at its place.

Inputs have one shape and, unless a class says otherwise, one dtype. `scalar` is the meaning, written with a neutral
builder `b` of scalar instructions; `partials` are d out / d x of each input, written in primitives.
"""

from __future__ import annotations

from typing import Any, ClassVar

from alight.dtypes import ANY, BOOL, COMPLEX, FLOAT, INTEGER, NUMERIC, ORDERED, REAL, bool_, dtype
from alight.errors import internal
from alight.ir.primitive import ELEMENTWISE, NONE, Primitive, same_type
from alight.ir.program import Value
from alight.ir.types import Shape, Type

# A neutral scalar builder and its scalars; every backend brings its own.
B = Any
S = Any
Pair = tuple[Shape, dtype]


class Elementwise(Primitive, abstract=True):
    """Common part of the element-wise primitives: one type in and out."""

    kind = ELEMENTWISE
    infer: ClassVar[Any] = same_type


def _to_bool(*types: Type) -> Pair:
    return same_type(*types)[0], bool_


def _to_real(x: Type) -> Pair:
    return x.shape, x.dtype.to_real()


class Add(Elementwise):
    """x + y; logical or of bools."""

    accepts = ANY

    def scalar(b: B, x: S, y: S) -> S:
        return b.add(x, y)

    def partials(out: Value, x: Value, y: Value) -> tuple[Any, Any]:
        return 1, 1


class Sub(Elementwise):
    """x - y."""

    accepts = NUMERIC

    def scalar(b: B, x: S, y: S) -> S:
        return b.sub(x, y)

    def partials(out: Value, x: Value, y: Value) -> tuple[Any, Any]:
        return 1, -1


class Mul(Elementwise):
    """x * y; logical and of bools."""

    accepts = ANY

    def scalar(b: B, x: S, y: S) -> S:
        return b.mul(x, y)

    def partials(out: Value, x: Value, y: Value) -> tuple[Any, Any]:
        return y, x


class Div(Elementwise):
    """x / y, true division."""

    accepts = FLOAT | COMPLEX

    def scalar(b: B, x: S, y: S) -> S:
        return b.div(x, y)

    def partials(out: Value, x: Value, y: Value) -> tuple[Any, Any]:
        return 1 / y, -(x / y / y)  # not of `out`, which may be written in place as in PyTorch


class FloorDiv(Elementwise):
    """The largest whole number not above x / y."""

    accepts = REAL

    def scalar(b: B, x: S, y: S) -> S:
        return b.floordiv(x, y)

    def partials(out: Value, x: Value, y: Value) -> tuple[Any, ...]:
        return (0, 0)


class Remainder(Elementwise):
    """x - floor(x / y) * y: the sign of the result is the sign of y, as in Python."""

    accepts = REAL

    def scalar(b: B, x: S, y: S) -> S:
        return b.mod(x, y)

    def partials(out: Value, x: Value, y: Value) -> tuple[Any, Any]:
        return 1, -FloorDiv(x, y)


class Fmod(Elementwise):
    """x - trunc(x / y) * y: the sign of the result is the sign of x, as in C."""

    accepts = REAL

    def scalar(b: B, x: S, y: S) -> S:
        return b.fmod(x, y)

    def partials(out: Value, x: Value, y: Value) -> tuple[Any, Any]:
        return 1, -Trunc(x / y)


class Pow(Elementwise):
    """x to the power y."""

    accepts = NUMERIC

    def scalar(b: B, x: S, y: S) -> S:
        return b.pow(x, y)

    def partials(out: Value, x: Value, y: Value) -> tuple[Any, Any]:
        # 0 ** 0 has the derivatives 0 (in x: y is 0) and 0 (in y, by PyTorch's convention).
        in_x = _where(_equal(y, 0), 0, y * Pow(x, y - 1))
        in_y = _where(_and(_equal(x, 0), _nonnegative(y)), 0, out * _log(x))
        return in_x, in_y


class Maximum(Elementwise):
    """The larger of x and y, NaN if either is; equal elements share the gradient."""

    accepts = ORDERED

    def scalar(b: B, x: S, y: S) -> S:
        return b.max(x, y)

    def partials(out: Value, x: Value, y: Value) -> tuple[Any, Any]:
        half = _where(_equal(x, y), 0.5, _zero(x))
        return Select(Less(y, x), _one(x), half), Select(Less(x, y), _one(x), half)


class Minimum(Elementwise):
    """The smaller of x and y, NaN if either is; equal elements share the gradient."""

    accepts = ORDERED

    def scalar(b: B, x: S, y: S) -> S:
        return b.min(x, y)

    def partials(out: Value, x: Value, y: Value) -> tuple[Any, Any]:
        half = _where(_equal(x, y), 0.5, _zero(x))
        return Select(Less(x, y), _one(x), half), Select(Less(y, x), _one(x), half)


class Atan2(Elementwise):
    """The angle of the point (y, x), first argument y, in radians from -pi to pi."""

    accepts = FLOAT

    def scalar(b: B, y: S, x: S) -> S:
        return b.atan2(y, x)

    def partials(out: Value, y: Value, x: Value) -> tuple[Any, Any]:
        square = x * x + y * y
        return x / square, -y / square


class Neg(Elementwise):
    """-x."""

    accepts = NUMERIC

    def scalar(b: B, x: S) -> S:
        return b.neg(x)

    def partials(out: Value, x: Value) -> tuple[Any]:
        return (-1,)


class Abs(Elementwise):
    """|x|; a real number for complex x."""

    accepts = NUMERIC
    infer = _to_real

    def scalar(b: B, x: S) -> S:
        return b.abs(x)

    def vjp(ct: Value, out: Value, x: Value) -> tuple[Value]:
        if x.dtype.is_complex:
            return (Convert(ct, dtype=x.dtype) * Sign(x),)
        return (ct * Sign(x),)


class Sign(Elementwise):
    """-1, 0 or 1; x / |x| for complex x (0 at 0)."""

    accepts = NUMERIC

    def scalar(b: B, x: S) -> S:
        return b.sign(x)

    def vjp(ct: Value, out: Value, x: Value) -> tuple[Value]:
        if not x.dtype.is_complex:
            return (_zero(ct),)
        # Only the angle counts: what is left of ct without its part along x, turned by 1 / |x|.
        at_0 = _equal(x, 0)
        along = out * Convert(Real(Conj(out) * ct), dtype=x.dtype)
        return (_where(at_0, 0, (ct - along) / Convert(_where(at_0, 1, Abs(x)), dtype=x.dtype)),)


class Floor(Elementwise):
    """The largest whole number not above x."""

    accepts = REAL

    def scalar(b: B, x: S) -> S:
        return b.floor(x)

    def partials(out: Value, x: Value) -> tuple[Any, ...]:
        return (0,)


class Ceil(Elementwise):
    """The smallest whole number not below x."""

    accepts = REAL

    def scalar(b: B, x: S) -> S:
        return b.ceil(x)

    def partials(out: Value, x: Value) -> tuple[Any, ...]:
        return (0,)


class Round(Elementwise):
    """The nearest whole number, halves to even."""

    accepts = REAL

    def scalar(b: B, x: S) -> S:
        return b.round(x)

    def partials(out: Value, x: Value) -> tuple[Any, ...]:
        return (0,)


class Trunc(Elementwise):
    """x without its fraction."""

    accepts = REAL

    def scalar(b: B, x: S) -> S:
        return b.trunc(x)

    def partials(out: Value, x: Value) -> tuple[Any, ...]:
        return (0,)


class IsNan(Elementwise):
    """True where x is not a number."""

    accepts = FLOAT | COMPLEX
    infer = _to_bool

    def scalar(b: B, x: S) -> S:
        return b.isnan(x)

    gradient = NONE


class Equal(Elementwise):
    """x == y."""

    accepts = ANY
    infer = _to_bool

    def scalar(b: B, x: S, y: S) -> S:
        return b.equal(x, y)

    gradient = NONE


class Less(Elementwise):
    """x < y; False where either is NaN."""

    accepts = ORDERED
    infer = _to_bool

    def scalar(b: B, x: S, y: S) -> S:
        return b.less(x, y)

    gradient = NONE


class LessEqual(Elementwise):
    """x <= y; False where either is NaN."""

    accepts = ORDERED
    infer = _to_bool

    def scalar(b: B, x: S, y: S) -> S:
        return b.lessequal(x, y)

    gradient = NONE


class And(Elementwise):
    """Bitwise and; logical and of bools."""

    accepts = INTEGER | BOOL

    def scalar(b: B, x: S, y: S) -> S:
        return b.and_(x, y)

    gradient = NONE


class Or(Elementwise):
    """Bitwise or; logical or of bools."""

    accepts = INTEGER | BOOL

    def scalar(b: B, x: S, y: S) -> S:
        return b.or_(x, y)

    gradient = NONE


class Xor(Elementwise):
    """Bitwise exclusive or; inequality of bools."""

    accepts = INTEGER | BOOL

    def scalar(b: B, x: S, y: S) -> S:
        return b.xor(x, y)

    gradient = NONE


class Not(Elementwise):
    """Bitwise complement; logical not of bools."""

    accepts = INTEGER | BOOL

    def scalar(b: B, x: S) -> S:
        return b.not_(x)

    gradient = NONE


class ShiftLeft(Elementwise):
    """x with its bits moved up by y places."""

    accepts = INTEGER

    def scalar(b: B, x: S, y: S) -> S:
        return b.shl(x, y)

    gradient = NONE


class ShiftRight(Elementwise):
    """x with its bits moved down by y places; the sign is kept."""

    accepts = INTEGER

    def scalar(b: B, x: S, y: S) -> S:
        return b.shr(x, y)

    gradient = NONE


class Select(Elementwise):
    """x where the condition holds, else y."""

    accepts = ANY

    def infer(condition: Type, x: Type, y: Type) -> Pair:
        if condition.dtype is not bool_ or condition.shape != x.shape:
            internal(f"select: condition {condition} does not fit {x}")
        return same_type(x, y)

    def scalar(b: B, condition: S, x: S, y: S) -> S:
        return b.select(condition, x, y)

    def transpose(ct: Value, condition: Value, x: Value, y: Value) -> tuple[None, Value, Value]:
        zero = _zero(ct)
        return None, Select(condition, ct, zero), Select(condition, zero, ct)


class Convert(Elementwise):
    """x as another dtype: rounds to the nearest float, truncates to integers, non-zero is True."""

    statics = ("dtype",)
    accepts = ANY

    def infer(x: Type, *, dtype: dtype) -> Pair:
        return x.shape, dtype

    def simplify(x: Value, *, dtype: dtype) -> Value | None:
        return x if x.dtype is dtype else None

    def scalar(b: B, x: S, *, dtype: dtype) -> S:
        return b.convert(x, dtype)

    def transpose(ct: Value, x: Value, *, dtype: dtype) -> tuple[Value | None]:
        if not x.dtype.is_differentiable or not dtype.is_differentiable:
            return (None,)
        return (
            Convert(Real(ct) if dtype.is_complex and not x.dtype.is_complex else ct, dtype=x.dtype),
        )


class Bitcast(Elementwise):
    """The bits of x read as another dtype of the same size."""

    statics = ("dtype",)
    accepts = ANY

    def infer(x: Type, *, dtype: dtype) -> Pair:
        return x.shape, dtype

    def scalar(b: B, x: S, *, dtype: dtype) -> S:
        return b.bitcast(x, dtype)

    gradient = NONE


class Real(Elementwise):
    """The real part of a complex number."""

    accepts = COMPLEX
    infer = _to_real

    def scalar(b: B, x: S) -> S:
        return b.real(x)

    def transpose(ct: Value, x: Value) -> tuple[Value]:
        return (Convert(ct, dtype=x.dtype),)


class Imag(Elementwise):
    """The imaginary part of a complex number."""

    accepts = COMPLEX
    infer = _to_real

    def scalar(b: B, x: S) -> S:
        return b.imag(x)

    def transpose(ct: Value, x: Value) -> tuple[Value]:
        return (Complex(_zero(ct), ct),)


class Complex(Elementwise):
    """x + iy from two real numbers."""

    accepts = FLOAT

    def infer(x: Type, y: Type) -> Pair:
        shape, dtype = same_type(x, y)
        return shape, dtype.to_complex()

    def scalar(b: B, x: S, y: S) -> S:
        return b.complex(x, y)

    def transpose(ct: Value, x: Value, y: Value) -> tuple[Value, Value]:
        return Real(ct), Imag(ct)


class Conj(Elementwise):
    """The complex conjugate."""

    accepts = COMPLEX

    def scalar(b: B, x: S) -> S:
        return b.conj(x)

    def transpose(ct: Value, x: Value) -> tuple[Value]:
        return (Conj(ct),)


# Small words for the formulas above; `arithmetic` builds on this file, so it is reached for only when they run.
def _log(x: Value) -> Value:
    from alight.primitives.functions import Log

    return Log(x)


def _zero(x: Value) -> Value:
    from alight.primitives.arithmetic import zeros_like

    return zeros_like(x)


def _one(x: Value) -> Value:
    from alight.primitives.arithmetic import constant

    return constant(x, 1, x.shape)


def _equal(x: Value, y: Value | int) -> Value:
    from alight.primitives.arithmetic import equal

    return equal(x, y)


def _where(condition: Value, x: Any, y: Any) -> Value:
    from alight.primitives.arithmetic import where

    return where(condition, x, y)


def _and(x: Value, y: Value) -> Value:
    return And(x, y)


def _nonnegative(y: Value) -> Value:
    return Not(Less(y, _zero(y))) if not y.dtype.is_complex else _equal(y, y)
