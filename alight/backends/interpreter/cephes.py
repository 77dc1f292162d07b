"""log, sin and cos of float32 numbers with exactly the bits that PyTorch's normal fill computes.

In and out: float64 arrays whose values are float32 numbers. Each operation is done in float64 and
rounded once by `r`: that is float32 arithmetic, and a product with a sum before the rounding is a
fused multiply-add (all 2**24 arguments of the fill were tried: a second rounding never shows).

The polynomials are those of Cephes by Stephen Moshier (logf.c, sinf.c); the order of operations is
GCC's contraction of PyTorch's aten/src/ATen/native/cpu/avx_mathfun.h on a machine with AVX2.
"""

from __future__ import annotations

import numpy as np

from alight.backends.interpreter.arrays import Array

LOG_POLYNOMIAL = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
COS_POLYNOMIAL = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
SIN_POLYNOMIAL = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
LOG_2_HIGH, LOG_2_LOW = 0.693359375, -2.12194440e-4
PI_4_PARTS = (0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)
SQRT_HALF = 0.707106781186547524
FOUR_OVER_PI = 1.27323954473516


def r(x: Array) -> Array:
    """Round to float32."""
    return x.astype(np.float32).astype(np.float64)


def single(constant: float) -> float:
    """The float32 number nearest to `constant`."""
    return float(np.float32(constant))


def polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    """Horner's rule with one rounding a step."""
    p = r(single(coefficients[0]) * x + single(coefficients[1]))
    for coefficient in coefficients[2:]:
        p *= x
        p += single(coefficient)
        p = r(p)
    return p


def log(x: Array) -> Array:
    """Natural logarithm of float32 numbers with 0 < x <= 1, none of them subnormal."""
    bits = x.astype(np.float32).view(np.int32)
    exponent = ((bits >> 23) - 126).astype(np.float64)
    mantissa = ((bits & 0x7FFFFF) | 0x3F000000).view(np.float32).astype(np.float64)  # in [0.5, 1)
    low = mantissa < single(SQRT_HALF)
    exponent -= low
    x = mantissa * (low + 1.0) - 1.0
    z = r(x * x)
    p = r(polynomial(LOG_POLYNOMIAL, x) * x)
    p = r(p * z + r(exponent * single(LOG_2_LOW)))
    p = r(p - z * 0.5)
    return r(exponent * LOG_2_HIGH + r(x + p))


def sin_cos(t: Array) -> tuple[Array, Array]:
    """Sine and cosine of float32 numbers t >= 0, as float32 arrays."""
    octant = (r(t * single(FOUR_OVER_PI)).astype(np.int32) + 1) & ~1
    y = octant.astype(np.float64)
    x = t
    for part in PI_4_PARTS:
        x = r(x - y * single(part))
    z = r(x * x)
    cos = r(polynomial(COS_POLYNOMIAL, z) * z)
    cos = r(cos * z - z * 0.5) + 1.0
    sin = r(polynomial(SIN_POLYNOMIAL, z) * z)
    sin = sin * x + x
    sin_bits, cos_bits = (
        sin.astype(np.float32).view(np.int32),
        cos.astype(np.float32).view(np.int32),
    )
    # Odd quadrants swap the two; signs follow from the octant. On bits that needs no branch.
    swap = (sin_bits ^ cos_bits) & -((octant >> 1) & 1)
    sin_bits ^= swap ^ ((octant & 4) << 29)
    cos_bits ^= swap ^ ((~(octant - 2) & 4) << 29)
    return sin_bits.view(np.float32), cos_bits.view(np.float32)
