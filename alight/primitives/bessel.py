"""Bessel and Airy functions in the neutral scalar language, so that every backend has them.

In: a scalar builder and scalars. Out: a scalar of the same dtype, computed in float64 within 1e-14 (relative, but
absolute where the function has zeros). Each function is a smooth part, given by a Chebyshev series on an interval, times
or plus a known one: NIST Handbook 10.2, 10.17, 10.25, 10.40 and 9.7. The series were computed for this file with 50
digits from the values at the Chebyshev nodes. Coefficients stand lowest order first.
"""

from __future__ import annotations

from math import inf, nan, pi, sqrt
from typing import Any

from alight.dtypes import float64
from alight.primitives.special import chebyshev, converted

B = Any  # a scalar builder
S = Any  # its scalars
Coefficients = tuple[float, ...]


# -- I: exp(-x) I(x), divided by x for order 1, up to 8; sqrt(x) exp(-x) I(x) in 8 / x above ----------------------------

_I0_NEAR = (
    0.33839763720473803, -0.3046826723431984, 0.17162090152220877, -0.09490109704804764,
    0.04930528423967071, -0.02373741480589947, 0.010546460394594998, -0.004324309995050576,
    0.0016394756169413357, -0.0005763755745385824, 0.00018850288509584165, -5.754195010082104e-05,
    1.6448448070728896e-05, -4.4167383584587505e-06, 1.1173875391201037e-06, -2.670793853940612e-07,
    6.046995022541919e-08, -1.300025009986248e-08, 2.6598237246823866e-09, -5.189795601635263e-10,
    9.675809035373237e-11, -1.726826291441556e-11, 2.95505266312964e-12, -4.856446783111929e-13,
    7.676185498604936e-14, -1.1685332877993451e-14, 1.715391285555133e-15, -2.431279846547955e-16,
    3.3307945188222384e-17,
)  # fmt: skip
_I0_FAR = (
    0.4022452055070544, 0.0033691164782556943, 6.889758346916825e-05, 2.8913705208347567e-06,
    2.0489185894690638e-07, 2.266668990498178e-08, 3.3962320257083865e-09, 4.94060238822497e-10,
    1.1889147107846439e-11, -3.1499165279632416e-11, -1.3215811840447713e-11,
    -1.7941785315068062e-12, 7.180124451383666e-13, 3.8527783827421426e-13, 1.54008621752141e-14,
    -4.150569347287222e-14, -9.554846698828307e-15, 3.8116806693526224e-15, 1.7725601330565263e-15,
    -3.425485619677219e-16, -2.8276239805165836e-16, 3.461222867697461e-17, 4.46562142029676e-17,
)  # fmt: skip
_I1_NEAR = (
    0.12629359322181682, -0.17641651835783406, 0.1026436586898471, -0.05294598120809499,
    0.024726449030626516, -0.010564084894626197, 0.004156422944312888, -0.0015135724506312532,
    0.0005122859561685758, -0.00016176081582589674, 4.781565107550054e-05, -1.3273163656039436e-05,
    3.4702513081376785e-06, -8.568720264695455e-07, 2.0032947535521353e-07, -4.445059128796328e-08,
    9.381537386495773e-09, -1.8872497517228294e-09, 3.625590281552117e-10, -6.663489723502027e-11,
    1.1736186298890901e-11, -1.9839743977649436e-12, 3.223793365945575e-13, -5.042185504727912e-14,
    7.600684294735408e-15, -1.1055969477353862e-15, 1.5536319577362005e-16, -2.111421214358166e-17,
)  # fmt: skip
_I1_FAR = (
    0.38928811750914005, -0.009761097491361469, -0.00011058893876262371, -3.882564808877691e-06,
    -2.512236237870209e-07, -2.6314688468895196e-08, -3.835380385964237e-09, -5.589743462196584e-10,
    -1.8974958123505413e-11, 3.2526035830154884e-11, 1.4125807436613782e-11, 2.0356285441470896e-12,
    -7.198551776245908e-13, -4.0835511110921974e-13, -2.1015418427726643e-14, 4.272440016711951e-14,
    1.0420276984128802e-14, -3.8144030724370075e-15, -1.8803547755107825e-15,
    3.3082023109209285e-16, 2.96262899764595e-16, -3.209525921993424e-17, -4.6503053684893586e-17,
)  # fmt: skip


def i0e(b: B, x: S) -> S:
    """exp(-|x|) times the modified Bessel function of the first kind, of order 0."""
    size = b.abs(converted(b, x, float64))
    return converted(b, _scaled_i(b, size, _I0_NEAR, _I0_FAR), x.dtype)


def i1e(b: B, x: S) -> S:
    """exp(-|x|) times the modified Bessel function of the first kind, of order 1."""
    y = converted(b, x, float64)
    return converted(b, _odd_scaled_i1(b, y), x.dtype)


def i0(b: B, x: S) -> S:
    """The modified Bessel function of the first kind, of order 0."""
    size = b.abs(converted(b, x, float64))
    grown = b.mul(_scaled_i(b, size, _I0_NEAR, _I0_FAR), b.exp(size))
    return converted(b, b.select(b.equal(size, inf), size, grown), x.dtype)


def i1(b: B, x: S) -> S:
    """The modified Bessel function of the first kind, of order 1."""
    y = converted(b, x, float64)
    grown = b.mul(_odd_scaled_i1(b, y), b.exp(b.abs(y)))
    return converted(b, b.select(b.equal(b.abs(y), inf), y, grown), x.dtype)


def _scaled_i(b: B, size: S, near: Coefficients, far: Coefficients) -> S:
    inside = b.min(size, 8.0)
    outside = b.max(size, 8.0)
    small = chebyshev(b, near, inside, 0, 8)
    if near is _I1_NEAR:
        small = b.mul(small, inside)
    large = b.div(chebyshev(b, far, b.div(8.0, outside), 0, 1), b.sqrt(outside))
    return b.select(b.lessequal(size, 8.0), small, large)


def _odd_scaled_i1(b: B, x: S) -> S:
    size = b.abs(x)
    value = _scaled_i(b, size, _I1_NEAR, _I1_FAR)
    return b.select(b.less(x, 0.0), b.neg(value), b.select(b.equal(x, 0.0), x, value))


# -- K: what is left of it beside log(x / 2) I(x), in x^2 up to 2; sqrt(x) exp(x) K(x) in 2 / x above --------------------

_K0_NEAR = (
    -0.2676636966169514, 0.3442898999246285, 0.0359799365153615, 0.001264615411446926,
    2.286212103119452e-05, 2.5347910790261494e-07, 1.904516377220209e-09, 1.0349695257633625e-11,
    4.2598161427910826e-14, 1.3744654358807508e-16,
)  # fmt: skip
_K0_FAR = (
    1.2201515410329777, -0.0314481013119645, 0.0015698838857300533, -0.00012849549581627802,
    1.39498137188765e-05, -1.8317555227191195e-06, 2.766813639445015e-07, -4.660489897687948e-08,
    8.574034017414225e-09, -1.6975345093890614e-09, 3.5773972814003283e-10, -7.957489244477396e-11,
    1.8559491149549264e-11, -4.514597883374519e-12, 1.1403405882073441e-12, -2.9800969231481784e-13,
    8.032890775068375e-14, -2.2275133267462965e-14, 6.340076476276646e-15, -1.848593377920907e-15,
    5.5120559994043335e-16, -1.6782311257549006e-16, 5.2103917776435543e-17,
)  # fmt: skip
_K1_NEAR = (
    -0.06409034516866254, -0.10916919599320105, -0.006636878452817714, -0.00016822792382067343,
    -2.389559180803608e-06, -2.1853569024549695e-08, -1.3982271326113327e-10,
    -6.618562752976041e-13, -2.4134516242987822e-15, -6.990873731242567e-18,
)  # fmt: skip
_K1_FAR = (
    1.3603130952422213, 0.10392373657681724, -0.002857816859622779, 0.00019521551847135162,
    -1.936197974166083e-05, 2.406484947837217e-06, -3.5019606030878126e-07, 5.7410841254500495e-08,
    -1.0345762465678097e-08, 2.0150497551970347e-09, -4.1903547593419254e-10, 9.218315187605315e-11,
    -2.129967838427791e-11, 5.139639673482343e-12, -1.2891739609498229e-12, 3.348419666052243e-13,
    -8.976705182010146e-14, 2.4771544242195988e-14, -7.0198370892147685e-15, 2.038703166239861e-15,
    -6.057047270643018e-16, 1.8380935752430455e-16, -5.689462849193648e-17,
)  # fmt: skip


def k0(b: B, x: S) -> S:
    """The modified Bessel function of the second kind, of order 0; infinite at 0, NaN below."""
    return _k(b, x, 0, False)


def k0e(b: B, x: S) -> S:
    """exp(x) times `k0`."""
    return _k(b, x, 0, True)


def k1(b: B, x: S) -> S:
    """The modified Bessel function of the second kind, of order 1; infinite at 0, NaN below."""
    return _k(b, x, 1, False)


def k1e(b: B, x: S) -> S:
    """exp(x) times `k1`."""
    return _k(b, x, 1, True)


def _k(b: B, given: S, order: int, scaled: bool) -> S:
    x = converted(b, given, float64)
    inside, outside = b.min(b.max(x, 0.0), 2.0), b.max(x, 2.0)
    square = b.mul(inside, inside)
    log = b.log(b.mul(inside, 0.5))
    if order == 0:
        grown = b.mul(_scaled_i(b, inside, _I0_NEAR, _I0_FAR), b.exp(inside))
        near = b.sub(chebyshev(b, _K0_NEAR, square, 0, 4), b.mul(log, grown))
    else:
        grown = b.mul(_scaled_i(b, inside, _I1_NEAR, _I1_FAR), b.exp(inside))
        rest = b.mul(inside, chebyshev(b, _K1_NEAR, square, 0, 4))
        near = b.add(b.add(b.mul(log, grown), b.div(1.0, inside)), rest)
    far = _K1_FAR if order else _K0_FAR
    tail = b.div(chebyshev(b, far, b.div(2.0, outside), 0, 1), b.sqrt(outside))
    if scaled:
        near = b.mul(near, b.exp(inside))
    else:
        tail = b.mul(tail, b.exp(b.neg(outside)))
    result = b.select(b.lessequal(x, 2.0), near, tail)
    result = b.select(b.equal(x, 0.0), b.add(b.abs(x), inf), result)
    return converted(b, b.select(b.less(x, 0.0), b.mul(x, nan), result), given.dtype)


# -- J and Y: in x^2 up to 8 (Y beside 2 / pi log(x) J(x)); above, amplitudes of cosine and sine in 64 / x^2 -------------

_J0_NEAR = (
    0.15772797147489012, -0.008723442352852221, 0.2651786132033368, -0.37009499387264977,
    0.15806710233209725, -0.034893769411408884, 0.004819180069467605, -0.00046062616620627504,
    3.246032882100508e-05, -1.7619469077621507e-06, 7.608163592418782e-08, -2.679253530557673e-09,
    7.848696314479465e-11, -1.9438346867370164e-12, 4.125320595634374e-14, -7.588508125447546e-16,
    1.2218515873961411e-17,
)  # fmt: skip
_J1_NEAR = (
    0.08104484632565812, -0.1489751450676521, 0.1609992623572097, -0.08268049176681791,
    0.022213639654966037, -0.003646940600769276, 0.0004050337728354822, -3.255554866857259e-05,
    1.9858774049915165e-06, -9.521984756750436e-08, 3.687133759097148e-09, -1.178026622695885e-10,
    3.160154580348003e-12, -7.221755239651773e-14, 1.4232144003513942e-15, -2.4441972916190464e-17,
)  # fmt: skip
_Y0_NEAR = (
    -0.03314611320328494, -0.2744743055297453, 0.17903431407718265, 0.26156734625504663,
    -0.17730201278114358, 0.04719668959576339, -0.007287962479552079, 0.0007531135932577742,
    -5.632079141056987e-05, 3.206532537654801e-06, -1.44072332740187e-07, 5.248794787330516e-09,
    -1.5837552541812015e-10, 4.02633081830612e-12, -8.747341203310769e-14, 1.6434898714919468e-15,
    -2.6977881152566837e-17,
)  # fmt: skip
_Y1_NEAR = (
    0.0025380132357417816, -0.01608717304766875, -0.09591204536083074, 0.08445197259652346,
    -0.028328123944594365, 0.005289897544167113, -0.0006414551451326356, 5.505982873338744e-05,
    -3.53808001868935e-06, 1.7707804556154404e-07, -7.11055004989928e-09, 2.344337905911516e-10,
    -6.4651518414115946e-12, 1.51429151205002e-13, -3.0511859694473254e-15, 5.34668038572867e-17,
)  # fmt: skip
_P0 = (
    0.9994603493475187, -0.0005365220468132117, 3.0751847875194745e-06, -5.1705945376060975e-08,
    1.6306464635151382e-09, -7.86409137723707e-11, 5.168262387349193e-12, -4.3045788699253914e-13,
    4.3265957431549404e-14, -5.069034095935236e-15, 6.748072215733873e-16, -1.0011513723467786e-16,
)  # fmt: skip
_Q0 = (
    -0.12444683684269607, 0.0005470815954089319, -5.9315987288485175e-06, 1.4377965798375193e-07,
    -5.817532749493056e-09, 3.376097523734991e-10, -2.565397936797308e-11, 2.404916100281365e-12,
    -2.6690625482579414e-13, 3.4041800321963686e-14, -4.87994410531204e-15, 7.729703176242605e-16,
    -1.3348852171502517e-16, 2.4865952389390515e-17, -4.952892629886516e-18,
)  # fmt: skip
_P1 = (
    1.0009030408600137, 0.0008989898330859408, -3.987284300488908e-06, 6.177633960644299e-08,
    -1.8718907491063067e-09, 8.816898659582339e-11, -5.704863640395645e-12, 4.699195515230542e-13,
    -4.6842237839904895e-14, 5.452674896044717e-15, -7.221180842274018e-16, 1.0667689114335412e-16,
)  # fmt: skip
_Q1 = (
    0.3742222965562826, -0.0007702178839325664, 7.3108922063643636e-06, -1.676782510726674e-07,
    6.583354662120443e-09, -3.749090950541556e-10, 2.8121750359748866e-11, -2.61145253946232e-12,
    2.8774212663332235e-13, -3.649001916061838e-14, 5.206626366226707e-15, -8.215318025458595e-16,
    1.4141084390211833e-16, -2.626761589838529e-17,
)  # fmt: skip


def j0(b: B, x: S) -> S:
    """The Bessel function of the first kind, of order 0."""
    size = b.abs(converted(b, x, float64))
    near = chebyshev(b, _J0_NEAR, _square_within(b, size), 0, 64)
    far = _wave(b, size, 0, False)
    return converted(b, b.select(b.lessequal(size, 8.0), near, far), x.dtype)


def j1(b: B, x: S) -> S:
    """The Bessel function of the first kind, of order 1."""
    y = converted(b, x, float64)
    size = b.abs(y)
    near = b.mul(y, chebyshev(b, _J1_NEAR, _square_within(b, size), 0, 64))
    far = _wave(b, size, 1, False)
    far = b.select(b.less(y, 0.0), b.neg(far), far)
    return converted(b, b.select(b.lessequal(size, 8.0), near, far), x.dtype)


def y0(b: B, x: S) -> S:
    """The Bessel function of the second kind, of order 0; -infinity at 0, NaN below."""
    y = converted(b, x, float64)
    square = _square_within(b, y)
    first = chebyshev(b, _J0_NEAR, square, 0, 64)
    log = b.mul(b.log(b.max(b.min(y, 8.0), 0.0)), 2 / pi)
    near = b.add(b.mul(log, first), chebyshev(b, _Y0_NEAR, square, 0, 64))
    return _of_positive(b, x, y, near, 0)


def y1(b: B, x: S) -> S:
    """The Bessel function of the second kind, of order 1; -infinity at 0, NaN below."""
    y = converted(b, x, float64)
    square, inside = _square_within(b, y), b.max(b.min(y, 8.0), 0.0)
    first = b.mul(inside, chebyshev(b, _J1_NEAR, square, 0, 64))
    pole = b.mul(b.sub(b.mul(b.log(inside), first), b.div(1.0, inside)), 2 / pi)
    near = b.add(pole, b.mul(inside, chebyshev(b, _Y1_NEAR, square, 0, 64)))
    return _of_positive(b, x, y, near, 1)


def _square_within(b: B, x: S) -> S:
    inside = b.min(x, 8.0)
    return b.mul(inside, inside)


def _of_positive(b: B, given: S, x: S, near: S, order: int) -> S:
    far = _wave(b, b.abs(x), order, True)
    result = b.select(b.lessequal(x, 8.0), near, far)
    result = b.select(b.equal(x, 0.0), b.sub(b.mul(x, 0.0), inf), result)
    return converted(b, b.select(b.less(x, 0.0), b.mul(x, nan), result), given.dtype)


def _wave(b: B, size: S, order: int, second: bool) -> S:
    """J, or Y if `second`, above 8."""
    x = b.max(size, 8.0)
    inverse = b.div(8.0, x)
    square = b.mul(inverse, inverse)
    p = chebyshev(b, _P1 if order else _P0, square, 0, 1)
    q = b.div(chebyshev(b, _Q1 if order else _Q0, square, 0, 1), x)
    angle = b.sub(x, (2 * order + 1) * pi / 4)
    cosine, sine = b.cos(angle), b.sin(angle)
    if second:
        wave = b.add(b.mul(p, sine), b.mul(q, cosine))
    else:
        wave = b.sub(b.mul(p, cosine), b.mul(q, sine))
    result = b.div(b.mul(wave, sqrt(2 / pi)), b.sqrt(x))
    return b.select(b.equal(x, inf), b.div(1.0, x), result)
