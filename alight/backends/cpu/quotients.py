"""Division by one number many times over, without dividing each time, rounded as a division is.

    r = 1 / s once;  q = x r;  q + r (x - q s), each line one multiply-add: the nearest number to x / s

(P. Markstein, "Computation of elementary functions on the IBM RISC System/6000 processor", 1990). A vector division takes
as long as sixteen additions; this takes six instructions. Where x is near the smallest normal number, the last bit may differ.
"""

from __future__ import annotations

from typing import NamedTuple

from alight.backends.cpu.code import Code, Value, element_type

# Divisors below the first are made larger by the second, so that their reciprocal does not overflow.
SMALL = {"float": 2.0**-100, "double": 2.0**-1000}
LARGER = {"float": 2.0**64, "double": 2.0**128}


class Divisor(NamedTuple):
    """What is known of a divisor before the loop: scaled, its reciprocal, and by what dividends are scaled."""

    value: Value
    reciprocal: Value
    factor: Value


def divisor(code: Code, s: Value) -> Divisor:
    """Prepare a scalar or a vector of floats."""
    element = element_type(s.type)
    small = code.compare(
        "fcmp olt", code.intrinsic("llvm.fabs", s), code.constant(SMALL[element], s.type)
    )
    one = code.constant(1.0, s.type)
    factor = code.select(small, code.constant(LARGER[element], s.type), one)
    value = code.op("fmul", s, factor)
    return Divisor(value, code.op("fdiv", one, value), factor)


def quotient(code: Code, x: Value, by: Divisor) -> Value:
    """x divided by it; zeros, infinities and NaN come out as a division gives them."""
    value, reciprocal, factor = (code.splat(one, x.type) for one in by)
    x = code.op(f"fmul {x.typed}, {factor.text}", type=x.type)  # not to be joined with what follows
    near = code.op(f"fmul {x.typed}, {reciprocal.text}", type=x.type)
    rest = code.fma(code.op("fneg", near), value, x)
    exact = code.fma(rest, reciprocal, near)
    known = code.compare("fcmp ord", exact, exact)  # the rest of an infinity is no number
    return code.select(known, exact, near)
