"""Remainders and whole quotients of floats, as NumPy defines them.

The remainder is exact: x - q y in one fused operation, where the quotient q is small enough to be whole; other lanes,
and machines without such an operation, ask the C library.
"""

from __future__ import annotations

from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.formulas import Formulas, Term
from alight.backends.cpu.target import Target
from alight.backends.cpu.vector_math_library import by_lanes


def fmod(code: Code, target: Target, x: Value, y: Value) -> Value:
    """x - trunc(x / y) * y, with the sign of x."""
    f = Formulas(code, target, x.type)
    if not f.fused:
        return by_lanes(code, "fmod", x, y)
    top, bottom = f.call("fabs", f.term(x)), f.call("fabs", f.term(y))
    ratio = top / bottom
    rest = f.fma(-f.whole("trunc", ratio), bottom, top)
    rest = f.where(rest < 0, rest + bottom, rest)  # the rounded ratio had reached the next number
    result = f.copysign(rest, f.term(x))
    # Not (ratio small and the divisor normal): NaN goes to the library too.
    usual = (ratio < 2.0 ** (f.fraction - 1)) & (bottom > 2.0 ** (2 + f.fraction - f.bias))
    usual = usual & (bottom < float("inf"))
    return f.unless_any(usual ^ True, result, lambda: by_lanes(code, "fmod", x, y)).value


def _signs_differ(f: Formulas, rest: Term, y: Term) -> Term:
    return (rest < 0) ^ (y < 0)


def mod(code: Code, target: Target, x: Value, y: Value) -> Value:
    """x - floor(x / y) * y, with the sign of y."""
    f = Formulas(code, target, x.type)
    rest, divisor = f.term(fmod(code, target, x, y)), f.term(y)
    moved = f.where(_signs_differ(f, rest, divisor), rest + divisor, rest)
    return f.where(rest.equals(0), f.copysign(f.number(0.0), divisor), moved).value


def floordiv(code: Code, target: Target, x: Value, y: Value) -> Value:
    """The largest whole number not above x / y, from the exact remainder."""
    f = Formulas(code, target, x.type)
    top, divisor = f.term(x), f.term(y)
    rest = f.term(fmod(code, target, x, y))
    quotient = (top - rest) / divisor
    apart = _signs_differ(f, rest, divisor) & rest.differs(0)
    quotient = f.where(apart, quotient - 1, quotient)
    floor = f.whole("floor", quotient)
    floor = f.where(quotient - floor > 0.5, floor + 1, floor)
    ratio = top / divisor
    floor = f.where(quotient.equals(0), f.copysign(f.number(0.0), ratio), floor)
    return f.where(divisor.equals(0), ratio, floor).value
