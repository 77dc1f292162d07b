"""Numbers taken apart: common divisors, mantissas and exponents, the next floating-point number."""

from __future__ import annotations

from typing import Any

from alight import primitives as p
from alight.dtypes import INTEGER, bfloat16, float16, float32, float64, int16, int32, int64, uint8
from alight.errors import fail
from alight.ir.program import Value as Tensor
from alight.ops import return_types
from alight.ops.arguments import promoted, scalar_type_name
from alight.ops.operation import op, with_vjp
from alight.primitives import series
from alight.primitives.arithmetic import constant, equal, where

Operand = Any


# -- divisors ----------------------------------------------------------------------------------------------------------


def _integers(name: str, input: Any, other: Any) -> tuple[Tensor, Tensor]:
    x, y = promoted(input, other)
    if x.dtype not in INTEGER:
        fail(NotImplementedError, f"\"{name}\" not implemented for '{scalar_type_name(x.dtype)}'")
    return x, y


@op(methods="gcd", inplace="gcd_", pointwise=True)
def gcd(input: Tensor, other: Tensor) -> Tensor:
    """The greatest common divisor of integers, never negative.

    >>> import alight as torch
    >>> torch.gcd(torch.tensor([5, 10, 15]), torch.tensor([3, 4, 5]))
    tensor([1, 2, 5])
    """
    return series.Gcd(*_integers("gcd_cpu", input, other))


@op(methods="lcm", inplace="lcm_", pointwise=True)
def lcm(input: Tensor, other: Tensor) -> Tensor:
    """The least common multiple of integers, never negative.

    >>> import alight as torch
    >>> torch.lcm(torch.tensor([5, 10, 15]), torch.tensor([3, 4, 5]))
    tensor([15, 20, 15])
    """
    x, y = _integers("lcm_cpu", input, other)
    common = series.Gcd(x, y)
    product = p.FloorDiv(x, where(equal(common, 0), 1, common)) * y
    return product if x.dtype is uint8 else p.Abs(product)


# -- floating-point numbers --------------------------------------------------------------------------------------------

# dtype -> (integers of its size, bits of the fraction, exponent of 0.5 in the bits)
_LAYOUTS = {float32: (int32, 23, 126), float64: (int64, 52, 1022)}


def _floats(name: str, x: Tensor) -> Tensor:
    if x.dtype not in (float16, bfloat16, float32, float64):
        fail(
            RuntimeError if name == "frexp" else NotImplementedError,
            "torch.frexp() only supports floating-point dtypes"
            if name == "frexp"
            else f"\"{name}\" not implemented for '{scalar_type_name(x.dtype)}'",
            try_=".float() first",
        )
    return x


@op(methods="frexp", pointwise=True, results=return_types.frexp)
def frexp(input: Tensor) -> tuple[Tensor, Tensor]:
    """Mantissas, of size 0.5 up to 1, and int32 exponents: input = mantissa * 2**exponent.

    >>> import alight as torch
    >>> torch.frexp(torch.tensor([8.0])).exponent
    tensor([4], dtype=torch.int32)
    """
    given = _floats("frexp", input)
    x = given if given.dtype in _LAYOUTS else p.Convert(given, dtype=float32)
    integer, fraction, half = _LAYOUTS[x.dtype]
    start = len(x.builder.nodes)
    tiny = p.Abs(x) < 2.0 ** (2 - half)  # subnormal numbers, or nearly
    bits = p.Bitcast(where(tiny, x * 2.0 ** (fraction + 2), x), dtype=integer)
    field = p.ShiftRight(bits, _number(bits, fraction)) & (2 * half + 3)
    finite = p.And(p.Not(equal(x, 0)), p.Abs(x) < float("inf"))
    mask = (2 * half + 3) << fraction
    mantissa = p.Bitcast((bits & ~mask) | (half << fraction), dtype=x.dtype)
    mantissa = where(finite, mantissa, x)
    exponent = where(finite, field - half - where(tiny, constant(bits, fraction + 2), 0), 0)
    exponent = p.Convert(exponent, dtype=int32)

    def rule(ct: Any, out: Any, x: Tensor) -> Tensor:
        scale = p.Pow(constant(x, 2, x.shape), p.Convert(-out[1], dtype=x.dtype))
        return ct[0] * where(equal(out[0], 0), 1, scale)

    mantissa, exponent = with_vjp(rule, (mantissa, exponent), start, x)
    return p.Convert(mantissa, dtype=given.dtype), exponent


def _number(like: Tensor, value: int) -> Tensor:
    return constant(like, value, like.shape)


@op(methods="nextafter", inplace="nextafter_", pointwise=True)
def nextafter(input: Tensor, other: Tensor) -> Tensor:
    """The floating-point number next to input in the direction of other.

    >>> import alight as torch
    >>> (torch.nextafter(torch.tensor(1.0), torch.tensor(2.0)) - 1).item() == torch.finfo(torch.float32).eps
    True
    """
    x, y = promoted(input, other)
    _floats("nextafter_cpu", x)
    start = len(x.builder.nodes)
    result = _neighbour(x, y)

    def rule(ct: Tensor, out: Tensor, x: Tensor, y: Tensor) -> tuple[Tensor, None]:
        return where(equal(x, y), 0, ct), None

    return with_vjp(rule, result, start, x, y)


def _neighbour(x: Tensor, y: Tensor) -> Tensor:
    of, unit = x.dtype, 1
    if of is bfloat16:  # the upper half of a float32
        x, y, unit = p.Convert(x, dtype=float32), p.Convert(y, dtype=float32), 1 << 16
    integer = int16 if of is float16 else _LAYOUTS[x.dtype][0]
    bits = p.Bitcast(x, dtype=integer)
    away = equal(x < y, x > 0)  # the size grows
    moved = p.Bitcast(bits + where(away, _number(bits, unit), -unit), dtype=x.dtype)
    least = p.Bitcast(_number(bits, unit), dtype=x.dtype)
    moved = where(equal(x, 0), where(y < 0, -least, least), moved)
    result = where(equal(x, y), y, moved)
    return p.Convert(where(p.IsNan(x), x, where(p.IsNan(y), y, result)), dtype=of)
