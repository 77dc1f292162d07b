"""Trigonometric functions of vectors and their inverses.

An angle is n pi/2 + r with n whole; pi/2 stands in several parts, so that r is right to its last bit though nearly all
of x cancels (Cody and Waite, as in vector_math_exponential). Angles beyond a million, which hardly occur, go to the C
library lane by lane.
"""

from __future__ import annotations

from math import pi

from alight.backends.cpu import polynomials
from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.formulas import Formulas, Term
from alight.backends.cpu.target import Target
from alight.backends.cpu.vector_math_library import by_lanes

# pi/2 in parts. With a fused multiply-add each has all bits of the format; without, n times the first ones is exact.
FUSED_PARTS = {
    "float": (1.5707963705062866, -4.371139000186241e-08, -1.7151245100058819e-15),
    "double": (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33),
}
EXACT_PARTS = (
    1.57079632673412561417e00, 6.07710050630396597660e-11, 2.02226624871116645580e-21,
    8.47842766036889956997e-32,
)  # fmt: skip
LIMITS = {"float": 1e5, "double": 1e6}


def _reduced(f: Formulas, x: Term) -> tuple[Term, Term]:
    """x = n pi/2 + r for |x| up to the limit: r, and n as an integer of the format's size."""
    whole, n = f.nearest(x * (2 / pi))
    if not f.fused and not f.is_double:
        wide, r = _reduced_in_double(f, x, whole)
        return f.term(wide.narrowed(r)), n
    for part in FUSED_PARTS[f.element] if f.fused else EXACT_PARTS:
        x = f.fma(-part, whole, x)
    return x, n


def _reduced_in_double(f: Formulas, x: Term, whole: Term) -> tuple[Formulas, Term]:
    wide, r = f.widened(x)
    steps = f.widened(whole)[1]
    for part in EXACT_PARTS[:3]:
        r = steps * -part + r
    return wide, r


def _reduced_in_two(f: Formulas, x: Term) -> tuple[Term, Term, Term]:
    """The same with what r lacks: x = n pi/2 + r + low."""
    whole, n = f.nearest(x * (2 / pi))
    if not f.fused and not f.is_double:
        wide, exact = _reduced_in_double(f, x, whole)
        r = f.term(wide.narrowed(exact))
        return r, f.term(wide.narrowed(exact - f.widened(r)[1])), n
    first, second, *others = FUSED_PARTS[f.element] if f.fused else EXACT_PARTS
    near = f.fma(-first, whole, x)  # exact
    step = f.product(f.number(second), whole)
    r = near - step  # what it lacks: D. Knuth, "The Art of Computer Programming" 2, 4.2.2
    back = near - r
    low = (near - (r + back)) + (back - step)
    low = low - f.fma(second, whole, -step)
    for part in others:
        low = f.fma(-part, whole, low)
    return r, low, n


def _sine_and_cosine(f: Formulas, r: Term) -> tuple[Term, Term]:
    """sin(r) and cos(r) for |r| up to pi / 4."""
    square = r * r
    sine = f.polynomial(polynomials.SIN[f.precision], square) * (square * r) + r
    head = 1 - 0.5 * square
    rest = (1 - head) - 0.5 * square if f.is_double else None  # what the head lacks
    tail = square * square * f.polynomial(polynomials.COS[f.precision], square)
    return sine, head + (tail if rest is None else tail + rest)


def _of_quadrant(f: Formulas, x: Term, quarter: int) -> Term:
    """sin(x + quarter pi / 2)."""
    r, n = _reduced(f, x)
    sine, cosine = _sine_and_cosine(f, r)
    n = n + quarter if quarter else n
    result = f.where((n & 1).equals(0), sine, cosine)
    return f.from_bits(f.bits(result) ^ ((n & 2) << (62 if f.is_double else 30)))


def _circular(code: Code, target: Target, x: Value, name: str) -> Value:
    f = Formulas(code, target, x.type)
    given = f.term(x)
    if name == "tan":
        result = _tan(f, given)
    else:
        result = _of_quadrant(f, given, 1 if name == "cos" else 0)
    if name != "cos":
        result = f.where(given.equals(0), given, result)  # -0 stays
    far = f.call("fabs", given) > LIMITS[f.element]
    return f.unless_any(far, result, lambda: by_lanes(code, name, x)).value


def sin(code: Code, target: Target, x: Value) -> Value:
    """Sine of an angle in radians."""
    return _circular(code, target, x, "sin")


def cos(code: Code, target: Target, x: Value) -> Value:
    """Cosine of an angle in radians."""
    return _circular(code, target, x, "cos")


def tan(code: Code, target: Target, x: Value) -> Value:
    """Tangent of an angle in radians."""
    return _circular(code, target, x, "tan")


def _tan(f: Formulas, x: Term) -> Term:
    r, low, n = _reduced_in_two(f, x)
    square = r * r
    tail = f.polynomial(polynomials.TAN[f.precision], square) * (square * r)
    tangent = (tail + (low * square + low)) + r
    return f.where((n & 1).equals(0), tangent, -1 / tangent)


# -- inverses ----------------------------------------------------------------------------------------------------------

PI_PARTS = {
    "float": (3.1415927410125732, -8.742278000372485e-08),
    "double": (pi, 1.2246467991473532e-16),
}


def _asin_near_0(f: Formulas, x: Term, square: Term) -> Term:
    return f.polynomial(polynomials.ASIN[f.precision], square) * (square * x) + x


def _halved_angle(f: Formulas, size: Term) -> Term:
    """asin(sqrt((1 - size) / 2)), which is acos(size) / 2: NaN above 1."""
    square = 0.5 - 0.5 * size
    return _asin_near_0(f, f.call("sqrt", square), square)


def asin(code: Code, target: Target, x: Value) -> Value:
    """Inverse sine, from -pi/2 to pi/2."""
    f = Formulas(code, target, x.type)
    given = f.term(x)
    size = f.call("fabs", given)
    first, second = (part / 2 for part in PI_PARTS[f.element])
    far = first - (2 * _halved_angle(f, size) - second)
    near = _asin_near_0(f, size, size * size)
    return f.copysign(f.where(size < 0.5625, near, far), given).value


def acos(code: Code, target: Target, x: Value) -> Value:
    """Inverse cosine, from 0 to pi."""
    f = Formulas(code, target, x.type)
    given = f.term(x)
    size = f.call("fabs", given)
    first, second = PI_PARTS[f.element]
    angle = 2 * _halved_angle(f, size)
    far = f.where(given < 0, first - (angle - second), angle)
    near = first / 2 - (_asin_near_0(f, given, given * given) - second / 2)
    return f.where(size < 0.5625, near, far).value


def _atan_of_ratio(f: Formulas, top: Term, bottom: Term) -> Term:
    """The angle from 0 to pi/2 whose tangent is top / bottom, neither of them negative."""
    swapped = top > bottom
    ratio = f.where(swapped, bottom, top) / f.where(swapped, top, bottom)
    square = ratio * ratio
    angle = f.polynomial(polynomials.ATAN[f.precision], square) * (square * ratio) + ratio
    first, second = (part / 2 for part in PI_PARTS[f.element])
    return f.where(swapped, first - (angle - second), angle)


def atan(code: Code, target: Target, x: Value) -> Value:
    """Inverse tangent, from -pi/2 to pi/2."""
    f = Formulas(code, target, x.type)
    given = f.term(x)
    return f.copysign(_atan_of_ratio(f, f.call("fabs", given), f.number(1.0)), given).value


def atan2(code: Code, target: Target, y: Value, x: Value) -> Value:
    """The angle of the point (x, y), from -pi to pi."""
    f = Formulas(code, target, x.type)
    top, bottom = f.term(y), f.term(x)
    size, width = f.call("fabs", top), f.call("fabs", bottom)
    equal = size.equals(width)  # the ratio would be NaN for two zeros or infinities
    one = f.where(size.equals(0), 0.0, 1.0)
    angle = _atan_of_ratio(f, f.where(equal, one, size), f.where(equal, 1.0, width))
    first, second = PI_PARTS[f.element]
    is_left = f.bits(bottom) < 0  # -0 as well
    angle = f.where(is_left, first - (angle - second), angle)
    return f.copysign(angle, top).value
