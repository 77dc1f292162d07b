"""exp, expm1, log, log1p and pow of vectors.

The exponential: x = n log(2) + r with n whole, and 2^n exp(r) with a polynomial; log(2) in two parts, of which the
first has so few bits that n times it is exact (Cody and Waite, "Software Manual for the Elementary Functions", 1980).
The logarithm: x = 2^e m with m from sqrt(1/2) to sqrt(2), and e log(2) + log(m). Polynomials come from bench/fit_polynomials.py.
"""

from __future__ import annotations

from alight.backends.cpu import polynomials
from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.formulas import Formulas, Term
from alight.backends.cpu.target import Target

INF, NAN = float("inf"), float("nan")
LOG2_E = 1.4426950408889634
LOG_2 = {  # in two parts
    "float": (0.693359375, -2.1219444e-4),
    "double": (6.93147180369123816490e-01, 1.90821492927058770002e-10),
}
# Below the first, exp is 0; above the second, it is infinite: both a little beyond the limits.
EXP_LIMITS = {"float": (-104.0, 89.0), "double": (-746.0, 710.0)}


def reduced(f: Formulas, x: Term, low: Term | None = None) -> tuple[Term, Term, Term]:
    """x (+ low) = n log(2) + r: r, and n as a float and as an integer."""
    first, second = LOG_2[f.element]
    whole, n = f.nearest(x * LOG2_E)
    r = whole * -second + (whole * -first + x)
    return (r if low is None else r + low), whole, n


def exp_near_0(f: Formulas, r: Term) -> Term:
    """exp(r) for |r| up to log(2) / 2."""
    coefficients = polynomials.EXP[f.precision]
    if f.fused:
        return f.polynomial((*coefficients, 1.0, 1.0), r)
    return (f.polynomial(coefficients, r) * (r * r) + r) + 1  # where r is rounded once less


def exp_of(
    f: Formulas, x: Term, low: Term | None = None, halved: bool = False, bounded: bool = False,
    negative: bool = False,
) -> Term:  # fmt: skip
    """exp(x + low), or half of it; infinite or 0 beyond the limits, if x is not known to be `bounded` by them.

    Where it is 0, 1 is computed instead: processors are slow (100 cycles and more) at results that are barely too small,
    and a masked softmax is full of them.
    """
    gone = None
    if not bounded:
        lowest, highest = EXP_LIMITS[f.element]
        gone = x < lowest
        x = f.where(gone, 0.0, x)
        x = x if negative else f.smaller(highest + halved, x)
    r, whole, n = reduced(f, x, low)
    if halved:
        whole, n = whole - 1, n - 1
    result = f.scaled(exp_near_0(f, r), whole, n)
    return result if gone is None else f.where(gone, 0.0, result)


def exp(code: Code, target: Target, x: Value) -> Value:
    """Natural exponential."""
    f = Formulas(code, target, x.type)
    return exp_of(f, f.term(x)).value


def expm1(code: Code, target: Target, x: Value) -> Value:
    """exp(x) - 1, exact for small x."""
    f = Formulas(code, target, x.type)
    given = f.term(x)
    highest = EXP_LIMITS[f.element][1]
    r, _, n = reduced(f, f.smaller(highest, f.larger(-30.0 if not f.is_double else -60.0, given)))
    near = f.polynomial(polynomials.EXPM1[f.precision], r) * (r * r) + r
    half = f.power_of_2(n - 1)  # 2^n itself may overflow where the result does not
    result = half * near + (half - 0.5)
    result = result + result
    tiny = f.call("fabs", given) < 2.0 ** -(f.fraction + 2)
    return f.where(tiny, given, result).value


def log_parts(f: Formulas, x: Term) -> tuple[Term, Term]:
    """x = 2^e m with m from sqrt(1/2) to sqrt(2), for positive normal numbers: m, and e + bias as an integer."""
    bits, one = f.bits(x), f.bias << f.fraction
    lowest = {"float": 0x3F3504F3, "double": 0x3FE6A09E667F3BCD}[f.element]  # sqrt(1/2)
    biased = f.unsigned_shift(bits + (one - lowest), f.fraction)
    return f.from_bits(bits - (biased << f.fraction) + one), biased


def log_near_1(f: Formulas, r: Term, e: Term) -> Term:
    """log(1 + r) + e log(2) for 1 + r from sqrt(1/2) to sqrt(2)."""
    first, second = LOG_2[f.element]
    square = r * r
    tail = square * (r * f.polynomial(polynomials.LOG1P[f.precision], r) - 0.5)
    return e * first + ((e * second + tail) + r)


def exponent(f: Formulas, biased: Term) -> Term:
    """An exponent of `log_parts` as a float."""
    magic = f.number(1.5 * 2.0**f.fraction)
    return f.from_bits(biased + f.bits(magic)) - (1.5 * 2.0**f.fraction + f.bias)


def _split(f: Formulas, x: Term) -> tuple[Term, Term]:
    """x = 2^e m with m from sqrt(1/2) to sqrt(2), for positive numbers: m, and e as a float."""
    if f.precision == "mixed":  # a float made a double is normal
        m, biased = log_parts(f, x)
        return m, exponent(f, biased)
    shift = f.fraction + 1
    subnormal = x < 2.0 ** (1 - f.bias)
    m, biased = log_parts(f, f.where(subnormal, x * 2.0**shift, x))
    e = exponent(f, biased)
    return m, f.where(subnormal, e - float(shift), e)


def log_of(f: Formulas, x: Term) -> Term:
    """log(x); infinite at 0, NaN below."""
    m, e = _split(f, x)
    result = log_near_1(f, m - 1, e)
    result = f.where(x < INF, result, x)  # infinity and NaN stay
    return f.where(x > 0, result, f.where(x.equals(0), -INF, x * NAN))


def log(code: Code, target: Target, x: Value) -> Value:
    """Natural logarithm."""
    f = Formulas(code, target, x.type)
    return log_of(f, f.term(x)).value


def log1p_of(f: Formulas, x: Term, low: Term | None = None) -> Term:
    """log(1 + x + low), exact for small x; infinite at -1, NaN below.

    What 1 + x rounds away, divided by 2^e, is added to m - 1: exact where e is 0.
    """
    total = x + 1
    m, biased = log_parts(f, total)
    lost = x - (total - 1)
    lost = lost if low is None else lost + low
    highest = f.bias + f.fraction + 8  # from here on, nothing that is lost matters
    clamped = f.where(biased > highest, highest, biased)
    down = f.from_bits((2 * f.bias - clamped) << f.fraction)
    result = log_near_1(f, (m - 1) + lost * down, exponent(f, biased))
    result = f.where(x < INF, result, x)
    result = f.where(x.equals(0), x, result)
    return f.where(x > -1, result, f.where(x.equals(-1), -INF, x * NAN))


def log1p(code: Code, target: Target, x: Value) -> Value:
    """log(1 + x), exact for small x."""
    f = Formulas(code, target, x.type)
    return log1p_of(f, f.term(x)).value


# -- powers ------------------------------------------------------------------------------------------------------------


def pow(code: Code, target: Target, x: Value, y: Value) -> Value:
    """x to the power y, with the C library's rules for zeros, infinities and negative numbers."""
    f = Formulas(code, target, x.type)
    base, power = f.term(x), f.term(y)
    size = f.call("fabs", base)
    if f.is_double:
        result = _power_of_double(f, size, power)
    else:
        wide, wide_size = f.widened(size)
        wide_power = wide.term(code.cast("fpext", y, "double"))
        result = f.term(wide.narrowed(exp_of(wide, log_of(wide, wide_size) * wide_power)))
    return _with_rules(f, base, size, power, result).value


def _with_rules(f: Formulas, x: Term, size: Term, y: Term, result: Term) -> Term:
    """|x|^y made x^y."""
    is_whole = f.whole("trunc", y).equals(y)
    half = y * 0.5
    is_odd = is_whole & f.whole("trunc", half).differs(half)
    signed = f.where(is_odd, f.copysign(result, x), result)
    result = f.where((x < 0) & (is_whole ^ True) & (size < INF), NAN, signed)
    one = x.equals(1) | y.equals(0) | (x.equals(-1) & f.call("fabs", y).equals(INF))
    return f.where(one, 1.0, result)


def _power_of_double(f: Formulas, x: Term, y: Term) -> Term:
    """exp(y log(x)) of x from 0 on, the logarithm with about 12 bits more than a double has."""
    high, low = _log_in_two(f, *_split(f, x))
    # (high + low) * y, the product of the first parts exact
    product = f.product(high, y)
    rest = low * y + _product_error(f, high, y, product)
    result = exp_of(f, product, f.where(f.call("fabs", product) < 800.0, rest, 0.0))
    # x of 0 or infinity, where the logarithm says nothing
    extreme = f.where(y > 0, x, 1 / x)
    result = f.where(x.equals(0) | x.equals(INF), extreme, result)
    result = f.where(f.call("fabs", y).equals(INF), _infinite_power(f, x, y), result)
    return f.where(x.differs(x) | y.differs(y), NAN, result)


def _infinite_power(f: Formulas, x: Term, y: Term) -> Term:
    return f.where((x > 1) ^ (y > 0), 0.0, INF)


def _product_error(f: Formulas, x: Term, y: Term, product: Term) -> Term:
    """x y - product, exactly: T. J. Dekker, "A floating-point technique for extending the available precision" (1971)."""
    if f.fused:
        return f.fma(x, y, -product)
    x1, x2 = _halves(f, x)
    y1, y2 = _halves(f, y)
    return ((x1 * y1 - product) + x1 * y2 + x2 * y1) + x2 * y2


def _halves(f: Formulas, x: Term) -> tuple[Term, Term]:
    """x as the sum of two numbers with half of its bits."""
    upper = f.from_bits(f.bits(x) & ~((1 << 27) - 1))
    return upper, x - upper


def _log_in_two(f: Formulas, m: Term, e: Term) -> tuple[Term, Term]:
    """log(m) + e log(2) as the sum of two doubles: 2 atanh(s) with s = (m - 1) / (m + 1)."""
    r, total = m - 1, m + 1
    s = r / total
    # what s lacks: (r - s total) / total, where 'total' lacks (m - (total - 1))
    product = f.product(s, total)
    rest = (r - product) - _product_error(f, s, total, product)
    s_low = (rest - s * (m - (total - 1))) / total
    square = f.product(s, s)
    square_low = _product_error(f, s, s, square) + 2 * s * s_low
    # s^2 (2/3 + s^2 P), the first product in two parts
    inner = square * f.polynomial(polynomials.ATANH["double"], square)
    head = f.number(0.66666666666666663)
    sum_ = head + inner
    sum_low = ((head - sum_) + inner) + 3.700743415417188e-17
    third = f.product(square, sum_)
    third_low = _product_error(f, square, sum_, third) + square * sum_low + square_low * sum_
    # log(m) = s (2 + third)
    term = f.product(s, third)
    term_low = _product_error(f, s, third, term) + s * third_low + s_low * third
    double = s + s
    log_m = double + term
    log_m_low = ((double - log_m) + term) + (term_low + 2 * s_low)
    first, second = LOG_2["double"]
    base = e * first
    high = base + log_m
    low = f.where(e.equals(0), log_m_low, ((base - high) + log_m) + (e * second + log_m_low))
    return high, low
