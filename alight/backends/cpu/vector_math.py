"""Mathematical functions of floats and doubles in every lane of a vector: each is `f(code, target, x) -> value`.

Written in LLVM IR at the place of use, so that they fuse with what surrounds them; no library is called where arguments
are usual. Errors are below 2 units in the last place: docs/vector_math.md has what was measured.
"""

from __future__ import annotations

from alight.backends.cpu.code import Code, Value
from alight.backends.cpu.target import Target
from alight.backends.cpu.vector_math_circular import acos, asin, atan, atan2, cos, sin, tan
from alight.backends.cpu.vector_math_exponential import exp, expm1, log, log1p, pow
from alight.backends.cpu.vector_math_hyperbolic import (
    acosh,
    asinh,
    atanh,
    cosh,
    sigmoid,
    sinh,
    tanh,
)
from alight.backends.cpu.vector_math_remainder import floordiv, fmod, mod


def sqrt(code: Code, target: Target, x: Value) -> Value:
    """Square root."""
    return code.intrinsic("llvm.sqrt", x)


def rsqrt(code: Code, target: Target, x: Value) -> Value:
    """1 / sqrt(x)."""
    return code.op("fdiv", code.constant(1.0, x.type), sqrt(code, target, x))


__all__ = [
    "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "cos", "cosh", "exp", "expm1", "floordiv", "fmod",
    "log", "log1p", "mod", "pow", "rsqrt", "sigmoid", "sin", "sinh", "sqrt", "tan", "tanh",
]  # fmt: skip
