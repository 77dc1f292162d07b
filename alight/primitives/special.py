"""Special functions in the neutral scalar language, so that every backend has them.

In: a scalar builder and scalars. Out: a scalar of the same dtype. erf and erfc are within 2 units in the last place, erf
of float32 computed in float32; everything else is computed in float64, within 1e-14 (relative, but absolute where lgamma
of negative numbers and digamma pass through zero). Coefficients stand highest power first. Those said to be interpolated were computed for
this file with 50 digits: they agree with the function at the Chebyshev nodes of the interval, which is nearly minimax.
"""

from __future__ import annotations

from math import exp, factorial, inf, log, nan, pi, sqrt
from struct import pack, unpack
from typing import Any

from alight.dtypes import float32, float64, int64

B = Any  # a scalar builder
S = Any  # its scalars
Coefficients = tuple[float, ...]


def _polynomial(b: B, coefficients: Coefficients, x: S) -> S:
    """Horner's rule."""
    total = coefficients[0]
    for coefficient in coefficients[1:]:
        total = b.add(b.mul(x, total), coefficient)
    return total


def _ratio(b: B, top: Coefficients, bottom: Coefficients, x: S) -> S:
    return b.div(_polynomial(b, top, x), _polynomial(b, bottom, x))


def chebyshev(b: B, coefficients: Coefficients, x: S, start: float, stop: float) -> S:
    """The series at x, which lies between start and stop: Clenshaw's rule."""
    t = b.mul(b.sub(x, (start + stop) / 2), 4 / (stop - start))  # twice the place in [-1, 1]
    before: Any = 0.0
    last: Any = coefficients[-1]
    for coefficient in coefficients[-2:0:-1]:
        product = b.mul(t, last) if before == 0.0 else b.sub(b.mul(t, last), before)
        before, last = last, b.add(product, coefficient)
    half = b.mul(b.mul(t, 0.5), last)
    return b.add(b.sub(half, before), coefficients[0])


def converted(b: B, x: S, dtype: Any) -> S:
    """x as another dtype; no instruction where it has that already."""
    return x if x.dtype is dtype else b.convert(x, dtype)


# -- error function ----------------------------------------------------------------------------------------------------

# (x + 11/16) exp(x^2) erfc(x) - 41/64 in (x - 3.25) / (x + 3.25) for x from 0.46875 to 27.5, and (exp(x) - 1 - x) / x^2 for
# |x| up to log(2) / 2: minimax, from bench/fit_polynomials.py. 11/16 makes the first flat near 0.46875, where places are
# rounded most.
_ERFCX_SCALED = (
    -7.221403037861298e-10, -1.2980300215156722e-08, 6.4674329162896595e-09, 1.114543044065496e-07,
    -1.8442258319038953e-08, -6.835746390421715e-07, 6.022200046517503e-08, 4.144571153876584e-06,
    -1.5342797402804512e-06, -2.627962145369568e-05, 3.20208119561509e-05, 0.0001521819083572539,
    -0.0004900446380338951, -0.00018882761322148135, 0.004851573589954117, -0.016570545267775162,
    0.03347792187703453, -0.043705670606007246, 0.02730474528980502, 0.031234939039537543,
    -0.12682993838311202, 0.014320434430611142,
)  # fmt: skip
_EXP = (
    2.5010951779873213e-08, 2.763033182188071e-07, 2.755754944061728e-06, 2.4801492825854207e-05,
    0.00019841269552230332, 0.0013888888943979676, 0.008333333333470062, 0.04166666666652808,
    0.1666666666666646, 0.5000000000000011,
)  # fmt: skip
_CENTRE, _SHIFT, _MIDDLE = 3.25, 11 / 16, 41 / 64
_LOG_2 = (
    6.93147180369123816490e-01,
    1.90821492927058770002e-10,
)  # in two parts; the first has 33 bits
_WHOLE = 1.5 * 2.0**52  # added to a number, it leaves the nearest whole number in the last bits
_ERF_LIMIT = 0.46875
_ERFC_ZERO = 28.0  # erfc is below the smallest float64 from 27.3 on

# erf(x) / x - 1 in x^2 for x up to 1: minimax, from bench/fit_polynomials.py.
_ERF_DOUBLE = (
    1.482921893233392e-10, -1.6731425987719837e-09, 1.6076661250209867e-08, -1.656568992120582e-07,
    1.648177987615829e-06, -1.492692073397067e-05, 0.0001205538757884283, -0.000854832856661033,
    0.005223977653097668, -0.026866170648058754, 0.11283791670971169, -0.376126389031841, 0.1283791670955126,
)  # fmt: skip

# erf(x) / x - 1 in x^2 for x up to 1, and log(erfc(x)) in x for x from 1 to 4: interpolated. The second form (one
# exponential, whose error fades beside 1) is N. Juffa's, https://stackoverflow.com/questions/35148198.
_ERF_SINGLE = (
    7.87587506268201e-05, -0.0008016864287164737, 0.005189087423433832, -0.02685421201062633,
    0.11283594715160215, -0.3761262666672033, 0.12837916584835093,
)  # fmt: skip
_LOG_ERFC_SINGLE = (
    1.6386373248754714e-06, -4.608744728982591e-05, 0.0005970529461310062, -0.004760747710826218,
    0.02642437092729083, -0.11008568029183151, -0.6318202467817906, -1.1302367226333574,
    0.0003209143829899536,
)  # fmt: skip


def erf(b: B, x: S) -> S:
    """2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x."""
    if x.dtype is float64:
        return _erf(b, x)
    return converted(b, _erf_single(b, converted(b, x, float32)), x.dtype)


def _erf(b: B, x: S) -> S:
    size = b.abs(x)
    small = b.add(b.mul(x, _polynomial(b, _ERF_DOUBLE, b.mul(x, x))), x)
    large = b.sub(1.0, _erfc_of_positive(b, b.max(size, _ERF_LIMIT)))
    return b.select(b.less(size, 1.0), small, b.select(b.less(x, 0.0), b.neg(large), large))


def _erf_single(b: B, x: S) -> S:
    size = b.abs(x)
    small = b.add(b.mul(x, _polynomial(b, _ERF_SINGLE, b.mul(x, x))), x)
    large = b.sub(1.0, b.exp(_polynomial(b, _LOG_ERFC_SINGLE, b.min(size, 4.0))))
    return b.select(b.less(size, 1.0), small, b.select(b.less(x, 0.0), b.neg(large), large))


def erfc(b: B, x: S) -> S:
    """1 - erf(x), exact where that is small."""
    y = converted(b, x, float64)
    size = b.abs(y)
    tail = _erfc_of_positive(b, size)
    middle = b.sub(1.0, b.add(b.mul(y, _polynomial(b, _ERF_DOUBLE, b.mul(y, y))), y))
    outside = b.select(b.less(y, 0.0), b.sub(2.0, tail), tail)
    return converted(b, b.select(b.lessequal(size, _ERF_LIMIT), middle, outside), x.dtype)


def _erfc_of_positive(b: B, x: S) -> S:
    """erfc(x) for x above 0.46875, within 2 units in the last place: 2^n exp(r) (s + 41/64) / (x + 11/16).

    2^n exp(r) is exp(-x^2), and s a polynomial. exp(r) - 1 and s are small beside 1 and 41/64, so that their errors fade;
    what roundings lose of r and x + 11/16 is added to s, and what the last sum loses to the quotient.
    """
    gone = b.lessequal(_ERFC_ZERO, x)  # processors are slow at results that are barely too small
    x = b.select(gone, 1.0, x)
    r, r_low, n = _minus_square(b, x)
    bottom = b.add(x, _SHIFT)
    inverse = b.div(1.0, bottom)
    low = b.sub(r_low, b.mul(b.sub(x, b.sub(bottom, _SHIFT)), inverse))
    place = b.div(b.sub(x, _CENTRE), b.add(x, _CENTRE))
    square = b.mul(
        place, place
    )  # odd and even powers apart: two short chains instead of a long one
    odd, even = _ERFCX_SCALED[::2], _ERFCX_SCALED[1::2]
    s = b.add(b.mul(_polynomial(b, odd, square), place), _polynomial(b, even, square))
    s = b.add(s, b.mul(low, _MIDDLE))
    grown = b.add(b.mul(b.mul(r, r), _polynomial(b, _EXP, r)), r)  # exp(r) - 1
    rest = b.add(b.mul(grown, _MIDDLE), b.mul(s, b.add(grown, 1.0)))
    top = b.add(rest, _MIDDLE)
    lost = b.sub(rest, b.sub(top, _MIDDLE))
    quotient = b.add(b.div(top, bottom), b.mul(lost, inverse))
    half = b.shr(n, 1)  # 2^n in two factors: a subnormal result is rounded once
    result = b.mul(b.mul(quotient, _power_of_2(b, half)), _power_of_2(b, b.sub(n, half)))
    return b.select(gone, 0.0, result)


def _minus_square(b: B, x: S) -> tuple[S, S, S]:
    """-x^2 = n log(2) + r: r, what its rounding loses, and n as an integer; for x from 0 to 28."""
    near = b.mul(
        b.trunc(b.mul(x, 16.0)), 1 / 16
    )  # so few bits that two of the three products are exact
    rest = b.sub(x, near)
    first, cross = b.mul(near, near), b.mul(b.add(near, near), rest)
    square = b.add(first, cross)
    lost = b.add(b.sub(cross, b.sub(square, first)), b.mul(rest, rest))
    moved = b.add(b.mul(square, -1 / log(2)), _WHOLE)
    whole = b.sub(moved, _WHOLE)
    high = b.sub(b.neg(square), b.mul(whole, _LOG_2[0]))
    low = b.add(b.mul(whole, _LOG_2[1]), lost)
    r = b.sub(high, low)
    n = b.sub(b.bitcast(moved, int64), _bits_of(_WHOLE))
    return r, b.sub(b.sub(high, r), low), n


def _power_of_2(b: B, n: S) -> S:
    """2^n for integers n whose power is a normal number."""
    return b.bitcast(b.shl(b.add(n, 1023), 52), float64)


def _bits_of(x: float) -> int:
    return unpack("<q", pack("<d", x))[0]


# M. Giles, "Approximating the erfinv function" (2010): erfinv(x) / x is smooth in w = -log(1 - x^2) near 0, and in
# sqrt(w) far from it. Interpolated for w up to 5, and from there to 37, where 1 - x is the last float64 below 1.
_ERFINV_CENTRE = (
    3.561808434586704e-07, -9.406510161781222e-06, 8.98154538036745e-05, -0.00021839925172161597,
    -0.0022301831032238723, 0.01148786599308039, 0.23202778302093238, 0.8862263780403538,
)  # fmt: skip
_ERFINV_TAIL = (
    -3.548671489656173e-06, 0.00015021933642551315, -0.0028153744296891075, 0.030672505772094683,
    -0.21419006699628926, 0.9950790726274266, -3.0799903694271356, 6.139327020875994,
    -6.168459233961689, 3.5721574550986217,
)  # fmt: skip


def erfinv(b: B, x: S) -> S:
    """The y with erf(y) = x: an approximation to 2e-6, and one step of Halley's method, which cubes its error."""
    given, x = x, converted(b, x, float64)
    size = b.abs(x)
    w = b.neg(b.log(b.mul(b.sub(1.0, size), b.add(size, 1.0))))
    centre = _polynomial(b, _ERFINV_CENTRE, w)
    tail = _polynomial(b, _ERFINV_TAIL, b.sqrt(b.max(w, 0.0)))
    y = b.mul(x, b.select(b.less(w, 5.0), centre, tail))
    beyond = b.sub(
        b.sub(1.0, size), _erfc_of_positive(b, b.abs(y))
    )  # erf(y) - x, where x is near 1
    beyond = b.select(b.less(x, 0.0), b.neg(beyond), beyond)
    error = b.select(b.less(size, 0.5), b.sub(_erf(b, y), x), beyond)
    step = b.mul(b.mul(error, sqrt(pi) / 2), b.exp(b.mul(y, y)))
    y = b.sub(y, b.div(step, b.add(b.mul(y, step), 1.0)))
    return converted(b, b.select(b.equal(size, 1.0), b.mul(x, inf), y), given.dtype)


# (1 + 2 x) exp(x^2) erfc(x) in (x - 3.75) / (x + 3.75), after M. Shepherd and J. Laframboise, Math. Comp. 36 (1981), and
# -ndtri(p) / w in log(w) for w = sqrt(-2 log(p)) from 2 to 39: Chebyshev series, lowest order first, computed as above.
_ERFCX = (
    1.1779206917686695, -0.00392788906720848, -0.08445395029168432, 0.05904865594272124,
    -0.026463338213782873, 0.008963824792251841, -0.0023702165138189185, 0.0004788031684687091,
    -6.686014439451881e-05, 3.90278273437761e-06, 7.575308659014367e-07, -2.087732309266696e-07,
    9.682709626814128e-09, 4.3430508112827e-09, -7.179104282029728e-10, -6.276394575267154e-11,
    2.6583923508740653e-11, 3.284963982977113e-13, -8.928889701558695e-13, 2.3985288448007307e-14,
    3.0841843140638224e-14, -1.452124420190786e-15, -1.1443817519517892e-15, 5.607089743719864e-17,
    4.585258986445827e-17,
)  # fmt: skip
_NDTRI = (
    0.8750854266251059, 0.18942994858210344, -0.09274843127760608, 0.032055556429639,
    -0.008229005493025328, 0.001602133774743823, -0.00023429693172032486, 2.4406265136290296e-05,
    -1.6496097463826641e-06, 1.2912687901679232e-07, -4.408817171056033e-08, 1.085435957697274e-08,
    -5.007492540803077e-10, -4.5503727370307776e-10, 1.173215492498772e-10, 4.62696339185629e-12,
    -8.559457798562542e-12, 1.4667767166459385e-12, 2.8122969829387454e-13, -1.6083122721864497e-13,
    1.319349763719472e-14, 8.933014496889103e-15, -2.799615906323817e-15, -9.420778164258046e-17,
    2.2978318132108488e-16, -3.9098362686665785e-17,
)  # fmt: skip


def erfcx(b: B, x: S) -> S:
    """exp(x^2) erfc(x), which decays slowly."""
    y = converted(b, x, float64)
    size = b.min(b.abs(y), 1e300)
    place = b.div(b.sub(size, 3.75), b.add(size, 3.75))
    positive = b.div(chebyshev(b, _ERFCX, place, -1, 0.99), b.add(b.mul(size, 2.0), 1.0))
    positive = b.select(b.equal(y, inf), 0.0, positive)
    negative = b.min(b.max(y, -40.0), 0.0)  # exp(x^2) in two factors, as above
    near = b.mul(b.trunc(b.mul(negative, 16.0)), 1 / 16)
    rest = b.mul(b.sub(negative, near), b.add(negative, near))
    grown = b.mul(b.exp(b.mul(near, near)), b.exp(rest))
    grown = b.sub(b.mul(grown, 2.0), positive)
    return converted(b, b.select(b.less(y, 0.0), grown, positive), x.dtype)


def ndtri(b: B, x: S) -> S:
    """The y below which the standard normal distribution has the probability x."""
    y = converted(b, x, float64)
    tail = b.min(y, b.sub(1.0, y))
    w = b.sqrt(b.mul(b.log(tail), -2.0))
    place = b.log(b.min(b.max(w, 2.0), 39.0))
    outside = b.mul(w, chebyshev(b, _NDTRI, place, log(2), log(39)))
    outside = b.select(b.less(y, 0.5), b.neg(outside), outside)
    middle = b.mul(erfinv(b, b.sub(b.mul(y, 2.0), 1.0)), sqrt(2))
    return converted(b, b.select(b.less(tail, exp(-2)), outside, middle), x.dtype)


# -- gamma function ----------------------------------------------------------------------------------------------------

# lgamma(2 + u) / u for u from -0.5 to 1: interpolated.
_LGAMMA_TOP = (
    4.8893438678585835e-05, 0.0027841444126101796, 0.04180791140748407, 0.25558965070016393,
    0.7241650201766505, 0.9304323648630268, 0.42278433509846713,
)  # fmt: skip
_LGAMMA_BOTTOM = (
    1.0271251233271915e-05, 0.0009969799600815575, 0.022240779135137563, 0.1935614471090149,
    0.7753565783617569, 1.4380034475433376, 1.0,
)  # fmt: skip
# Stirling's series, B(2k) / (2k (2k - 1)), and that of its derivative, B(2k) / 2k: Abramowitz and Stegun 6.1.41, 6.3.18.
_STIRLING = (1 / 156, -691 / 360360, 1 / 1188, -1 / 1680, 1 / 1260, -1 / 360, 1 / 12)
_STIRLING_SLOPE = (1 / 12, -691 / 32760, 1 / 132, -1 / 240, 1 / 252, -1 / 120, 1 / 12)


def lgamma(b: B, x: S) -> S:
    """log |gamma(x)|; infinite at 0, -1, -2, ..."""
    given, x = x, converted(b, x, float64)
    negative = b.less(x, 0.0)
    y = b.select(negative, b.sub(1.0, x), x)
    result = b.select(b.less(y, 3.0), _lgamma_near(b, y), _lgamma_far(b, y))
    # gamma(x) gamma(1 - x) = pi / sin(pi x); what is left of the nearest whole number is exact.
    sine = b.abs(b.sin(b.mul(b.sub(x, b.round(x)), pi)))
    reflected = b.sub(b.log(b.div(pi, sine)), result)
    result = b.select(negative, reflected, result)
    pole = b.or_(b.equal(sine, 0.0), b.equal(x, -inf))
    return converted(b, b.select(b.and_(negative, pole), b.abs(b.mul(x, inf)), result), given.dtype)


def _lgamma_near(b: B, x: S) -> S:
    """lgamma from 0 to 3, from its values between 1.5 and 3 by gamma(1 + x) = x gamma(x)."""
    u = b.select(
        b.lessequal(1.5, x), b.sub(x, 2.0), b.select(b.lessequal(0.5, x), b.sub(x, 1.0), x)
    )
    result = b.mul(u, _ratio(b, _LGAMMA_TOP, _LGAMMA_BOTTOM, u))
    result = b.select(b.less(x, 1.5), b.sub(result, b.log1p(u)), result)
    return b.select(b.less(x, 0.5), b.sub(result, b.log(x)), result)


def _lgamma_far(b: B, x: S) -> S:
    """lgamma above 3: Stirling's series, for x below 9 that of x + 6."""
    shifted = b.less(x, 9.0)
    product = x
    for k in range(1, 6):
        product = b.mul(product, b.add(x, float(k)))
    y = b.select(shifted, b.add(x, 6.0), x)
    inverse = b.div(1.0, y)
    series = b.mul(inverse, _polynomial(b, _STIRLING, b.mul(inverse, inverse)))
    # (y - 1/2) log y - y + log(2 pi) / 2, arranged so that nothing overflows before the result does.
    result = b.mul(b.sub(y, 0.5), b.sub(b.log(y), 1.0))
    result = b.add(b.add(result, (log(2 * pi) - 1) / 2), series)
    return b.select(shifted, b.sub(result, b.log(product)), result)


def digamma(b: B, x: S) -> S:
    """The derivative of log gamma(x); NaN at -1, -2, ..., infinite at 0 with the sign of -x."""
    given, x = x, converted(b, x, float64)
    negative = b.less(x, 0.0)
    y = b.select(negative, b.sub(1.0, x), x)
    result = _digamma_of_positive(b, y)
    rest = b.sub(x, b.round(x))  # digamma(1 - x) - digamma(x) = pi / tan(pi x)
    reflected = b.sub(result, b.div(pi, b.tan(b.mul(rest, pi))))
    reflected = b.select(b.equal(rest, 0.0), b.mul(rest, nan), reflected)
    result = b.select(negative, reflected, result)
    return converted(b, b.select(b.equal(x, 0.0), b.div(-1.0, x), result), given.dtype)


def _digamma_of_positive(b: B, x: S) -> S:
    """The asymptotic series, for x below 10 that of x + 10 and digamma(1 + x) = digamma(x) + 1 / x."""
    shifted = b.less(x, 10.0)
    back = b.div(1.0, x)
    for k in range(1, 10):
        back = b.add(back, b.div(1.0, b.add(x, float(k))))
    y = b.select(shifted, b.add(x, 10.0), x)
    inverse = b.div(1.0, y)
    square = b.mul(inverse, inverse)
    series = b.add(b.mul(inverse, 0.5), b.mul(square, _polynomial(b, _STIRLING_SLOPE, square)))
    result = b.sub(b.log(y), series)
    return b.select(shifted, b.sub(result, back), result)


# Bernoulli's numbers B(2), B(4), ...
_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330,
)  # fmt: skip


def polygamma(b: B, x: S, order: int) -> S:
    """Derivative number `order`, 1 or more, of digamma; infinite at 0, -1, -2, ..."""
    given, x = x, converted(b, x, float64)
    negative = b.less(x, 0.0)
    scale = (-1.0) ** (order + 1) * factorial(order)
    result = b.mul(_zeta(b, order + 1, b.select(negative, b.sub(1.0, x), x)), scale)
    # Derivatives of digamma(1 - x) - digamma(x) = pi cot(pi x): polynomials in c = cot(pi x), as c' = -pi (1 + c^2).
    terms = [0.0, 1.0]  # lowest power first
    for _ in range(order):
        slope = [k * term for k, term in enumerate(terms)][1:]
        padded = [*slope, 0.0, 0.0]
        terms = [-padded[k] - (slope[k - 2] if k > 1 else 0.0) for k in range(len(padded))]
    terms = [pi ** (order + 1) * term for term in terms]
    cotangent = b.div(1.0, b.tan(b.mul(b.sub(x, b.round(x)), pi)))
    angle = _polynomial(b, tuple(reversed(terms)), cotangent)
    mirrored = b.sub(b.mul(result, (-1.0) ** order), angle)
    return converted(b, b.select(negative, mirrored, result), given.dtype)


def _zeta(b: B, s: int, x: S) -> S:
    """Hurwitz's zeta function, the sum of (x + k)^-s over k from 0 on, for x above 0.

    Ten terms and the Euler-Maclaurin formula for the others: NIST Handbook 25.11.5.
    """
    total = b.pow(x, -float(s))
    for k in range(1, 10):
        total = b.add(total, b.pow(b.add(x, float(k)), -float(s)))
    coefficients, rising = [], float(s)
    for j, number in enumerate(_BERNOULLI, 1):
        coefficients.append(number * rising / factorial(2 * j))
        rising *= (s + 2 * j - 1) * (s + 2 * j)
    end = b.add(x, 10.0)
    inverse = b.div(1.0, end)
    series = _polynomial(b, tuple(reversed(coefficients)), b.mul(inverse, inverse))
    rest = b.add(b.mul(inverse, b.add(b.mul(inverse, series), 0.5)), 1 / (s - 1))
    return b.add(total, b.mul(b.pow(end, 1.0 - s), rest))
