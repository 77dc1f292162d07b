"""Normal numbers by compiled code, for a size that is drawn again and again: noise in every step of a loop.

In: how many. Out: a function from uniform float32 numbers to as many normal ones, bit for bit those of
`backends/interpreter/distributions.py`, whose formulas (`cephes.py`) are written here once more, as a program: each
operation in float64 and rounded to float32. It is compiled in the background and used from then on.
"""

from __future__ import annotations

import math
from typing import Any

from alight import config
from alight import primitives as p
from alight.backends.base import executable
from alight.compiler.hot import background
from alight.device import CPU
from alight.dtypes import float32, float64, int32
from alight.ir.program import Builder, Program, Value
from alight.ir.types import Type

OFTEN = 32  # draws of one size, until it gets code of its own
MOST = 64  # sizes that may have it
BLOCK = 16  # cosines of 8 pairs, then their sines

_draws: dict[int, int] = {}
_jobs: dict[int, _Job] = {}


class _Job:
    """What the compiling thread does for one size."""

    def __init__(self, size: int) -> None:
        self.size = size

    def make(self) -> None:
        """Compile the program, and let the fills of this size use it."""
        from alight.backends.interpreter import distributions

        hot: Any = executable(normal_program(self.size))
        if not hot.tier:
            hot.make()
        if hot.tier:
            distributions.compiled_blocks[self.size] = lambda u: hot.run([u])[0]


def count_draw(n: int) -> None:
    """One more draw of `n` float32 numbers."""
    draws = _draws[n] = _draws.get(n, 0) + 1
    if draws == OFTEN and len(_jobs) < MOST and config.tier > 0:
        size = n - n % BLOCK + (BLOCK if n % BLOCK else 0)
        _jobs[size] = _Job(size)  # held here: who compiles holds it weakly
        background.submit(_jobs[size])
    elif len(_draws) > 1000 and draws == 1:
        _draws.clear()


def normal_program(size: int) -> Program:
    """The program from `size` uniform numbers to `size` normal ones, in blocks of 16."""
    builder = Builder()
    with builder.active():
        u = builder.input(Type((size,), float32, CPU))
        pairs = p.Reshape(u, shape=(size // BLOCK, 2, BLOCK // 2))
        first, second = (_half(pairs, i) for i in (0, 1))
        radius = p.Sqrt(p.Convert(-2.0 * _log(1.0 - first), dtype=float32))
        sin, cos = _sin_cos(_r(second * _single(2.0 * math.pi)))
        made = p.Concat(radius * cos, radius * sin, axis=1)
        zero = p.Equal(made, _like(made, 0.0))
        made = p.Select(zero, _like(made, 0.0), made)  # no -0
        return builder.finish([p.Reshape(made, shape=(size,))])


def _half(pairs: Value, i: int) -> Value:
    blocks, _, width = pairs.shape
    part = p.Slice(pairs, starts=(0, i, 0), stops=(blocks, i + 1, width), steps=(1, 1, 1))
    return p.Convert(part, dtype=float64)


def _like(x: Value, number: float) -> Value:
    return p.Full(shape=x.shape, value=number, dtype=x.dtype, device=CPU)


def _r(x: Value) -> Value:
    return p.Convert(p.Convert(x, dtype=float32), dtype=float64)


def _single(constant: float) -> float:
    from alight.backends.interpreter import cephes

    return cephes.single(constant)


def _polynomial(coefficients: tuple[float, ...], x: Value) -> Value:
    result = _r(x * _single(coefficients[0]) + _single(coefficients[1]))
    for coefficient in coefficients[2:]:
        result = _r(result * x + _single(coefficient))
    return result


def _log(x: Value) -> Value:
    from alight.backends.interpreter import cephes

    bits = p.Bitcast(p.Convert(x, dtype=float32), dtype=int32)
    exponent = p.Convert((bits >> 23) - 126, dtype=float64)
    mantissa = p.Bitcast((bits & 0x7FFFFF) | 0x3F000000, dtype=float32)
    mantissa = p.Convert(mantissa, dtype=float64)  # in [0.5, 1)
    low = p.Convert(mantissa < _single(cephes.SQRT_HALF), dtype=float64)
    exponent = exponent - low
    x = mantissa * (low + 1.0) - 1.0
    z = _r(x * x)
    result = _r(_polynomial(cephes.LOG_POLYNOMIAL, x) * x)
    result = _r(result * z + _r(exponent * _single(cephes.LOG_2_LOW)))
    result = _r(result - z * 0.5)
    return _r(exponent * cephes.LOG_2_HIGH + _r(x + result))


def _sin_cos(t: Value) -> tuple[Value, Value]:
    from alight.backends.interpreter import cephes

    octant = (p.Convert(_r(t * _single(cephes.FOUR_OVER_PI)), dtype=int32) + 1) & ~1
    y, x = p.Convert(octant, dtype=float64), t
    for part in cephes.PI_4_PARTS:
        x = _r(x - y * _single(part))
    z = _r(x * x)
    cos = _r(_polynomial(cephes.COS_POLYNOMIAL, z) * z)
    cos = p.Convert(_r(cos * z - z * 0.5) + 1.0, dtype=float32)
    sin = _r(_polynomial(cephes.SIN_POLYNOMIAL, z) * z)
    sin = p.Convert(sin * x + x, dtype=float32)
    odd = ((octant >> 1) & 1) > 0  # odd quadrants swap the two; signs follow from the octant
    sin, cos = p.Select(odd, cos, sin), p.Select(odd, sin, cos)
    sin = p.Select((octant & 4) > 0, -sin, sin)
    cos = p.Select(((octant - 2) & 4) > 0, cos, -cos)
    return sin, cos
