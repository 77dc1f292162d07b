"""The steps that programs are made of, a file per kind.

A primitive is one class: docstring, kind, statics, dtypes, `infer`, meaning, gradient (see `alight.ir.primitive`).
Calling one with values emits a node. `Value` gets its operators here. Nothing here knows tensors or backends.
"""

from alight.primitives.contraction import DotGeneral
from alight.primitives.create import Full, Iota, RandomBits
from alight.primitives.elementwise import (
    Abs, Acos, Acosh, Add, And, Asin, Asinh, Atan, Atan2, Atanh, Bitcast, Ceil, Complex, Conj, Convert, Cos, Cosh,
    Digamma, Div, Equal, Erf, Erfinv, Exp, Expm1, Floor, FloorDiv, Fmod, Imag, IsNan, Less, LessEqual, Lgamma, Log,
    Log1p, Maximum, Minimum, Mul, Neg, Not, Or, Pow, Real, Remainder, Round, Select, ShiftLeft, ShiftRight, Sign,
    Sin, Sinh, Sqrt, Sub, Tan, Tanh, Trunc, Xor,
)  # fmt: skip
from alight.primitives.movement import Concat, Detach, Expand, Flip, Pad, Permute, Reshape, Slice
from alight.primitives.reduction import ArgMax, ArgMin, Max, Min, Prod, Sum

import alight.primitives.arithmetic  # noqa: E402, F401  (attaches the operators of Value)

__all__ = [name for name in dir() if name[0].isupper()]
