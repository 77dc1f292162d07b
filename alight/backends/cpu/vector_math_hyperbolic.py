"""Hyperbolic functions of vectors, their inverses, and the logistic function.

Near 0 a polynomial in x^2, further out the exponential; inverses by log1p.
"""

from __future__ import annotations

from alight.backends.cpu import polynomials
from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.formulas import Formulas, Term
from alight.backends.cpu.target import Target
from alight.backends.cpu.vector_math_exponential import INF, NAN, exp_of, log1p_of, log_of

LOG_OF_2 = 0.6931471805599453
SATURATED = {"float": 10.0, "double": 20.0}  # beyond, tanh is 1


def tanh(code: Code, target: Target, x: Value) -> Value:
    """Hyperbolic tangent: 1 - 2 / (exp(2x) + 1) from 0.625 on."""
    f = Formulas(code, target, x.type)
    given = f.term(x)
    size = f.call("fabs", given)
    square = size * size
    near = f.polynomial(polynomials.TANH[f.precision], square) * (square * size) + size
    bounded = f.smaller(SATURATED[f.element], size)
    far = 1 - 2 * f.reciprocal(exp_of(f, bounded + bounded, bounded=True) + 1)
    return f.copysign(f.where(size < 0.625, near, far), given).value


def sigmoid(code: Code, target: Target, x: Value) -> Value:
    """1 / (1 + exp(-x)): with e = exp(-|x|), 1 or e over 1 + e, less what the rounding of that sum lost."""
    f = Formulas(code, target, x.type)
    given = f.term(x)
    e = exp_of(f, -f.call("fabs", given), negative=True)
    total = e + 1
    lost = e - (total - 1)
    near = f.where(given < 0, e, 1.0) / total
    return (near - near * lost).value


def sinh(code: Code, target: Target, x: Value) -> Value:
    """Hyperbolic sine."""
    f = Formulas(code, target, x.type)
    given = f.term(x)
    size = f.call("fabs", given)
    square = size * size
    near = f.polynomial(polynomials.SINH[f.precision], square) * (square * size) + size
    half = exp_of(f, size, halved=True)
    far = half - 0.25 / half
    return f.copysign(f.where(size < 1, near, far), given).value


def cosh(code: Code, target: Target, x: Value) -> Value:
    """Hyperbolic cosine."""
    f = Formulas(code, target, x.type)
    half = exp_of(f, f.call("fabs", f.term(x)), halved=True)
    return (half + 0.25 / half).value


def _asinh(f: Formulas, x: Term) -> Term:
    """log1p(|x| + x^2 / (1 + sqrt(1 + x^2)))."""
    size = f.call("fabs", x)
    square = size * size
    rest = square / (f.call("sqrt", square + 1) + 1)
    total = size + rest
    low = f.where(size > rest, (size - total) + rest, (rest - total) + size)
    result = log1p_of(f, total, low)
    far = log_of(f, size) + LOG_OF_2
    return f.copysign(f.where(size < 2.0**28, result, far), x)


def _acosh(f: Formulas, x: Term) -> Term:
    """log1p(t + sqrt(2 t + t^2)) with t = x - 1."""
    t = x - 1
    root = f.call("sqrt", t * t + (t + t))
    total = t + root
    low = (root - total) + t  # root is the larger part
    result = log1p_of(f, total, low)
    result = f.where(x < 2.0**28, result, log_of(f, x) + LOG_OF_2)
    return f.where(x < 1, NAN, result)


def _atanh(f: Formulas, x: Term) -> Term:
    """log1p(2 |x| / (1 - |x|)) / 2."""
    size = f.call("fabs", x)
    twice, rest = size + size, 1 - size
    near = twice + twice * size / rest
    argument = f.where(size < 0.5, near, twice / rest)
    result = log1p_of(f, argument) * 0.5
    result = f.where(size.equals(1), INF, f.where(size > 1, NAN, result))
    return f.copysign(result, x)


def asinh(code: Code, target: Target, x: Value) -> Value:
    """Inverse hyperbolic sine."""
    f = Formulas(code, target, x.type)
    return _asinh(f, f.term(x)).value


def acosh(code: Code, target: Target, x: Value) -> Value:
    """Inverse hyperbolic cosine, from 1 on."""
    f = Formulas(code, target, x.type)
    return _acosh(f, f.term(x)).value


def atanh(code: Code, target: Target, x: Value) -> Value:
    """Inverse hyperbolic tangent, from -1 to 1."""
    f = Formulas(code, target, x.type)
    return _atanh(f, f.term(x)).value
