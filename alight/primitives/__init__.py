"""The steps that programs are made of, a file per kind.

A primitive is one class: docstring, kind, statics, dtypes, `infer`, meaning, gradient (see `alight.ir.primitive`).
Calling one with values emits a node. `Value` gets its operators here. Nothing here knows tensors or backends.
"""

import alight.primitives.arithmetic
from alight.primitives.contraction import DotGeneral
from alight.primitives.create import Full, Iota, RandomBits
from alight.primitives.elementwise import (
    Abs,
    Add,
    And,
    Atan2,
    Bitcast,
    Ceil,
    Complex,
    Conj,
    Convert,
    Div,
    Equal,
    Floor,
    FloorDiv,
    Fmod,
    Imag,
    IsNan,
    Less,
    LessEqual,
    Maximum,
    Minimum,
    Mul,
    Neg,
    Not,
    Or,
    Pow,
    Real,
    Remainder,
    Round,
    Select,
    ShiftLeft,
    ShiftRight,
    Sign,
    Sub,
    Trunc,
    Xor,
)
from alight.primitives.functions import (
    Acos,
    Acosh,
    Asin,
    Asinh,
    Atan,
    Atanh,
    Cos,
    Cosh,
    Digamma,
    Erf,
    Erfc,
    Erfinv,
    Exp,
    Expm1,
    Lgamma,
    Log,
    Log1p,
    Polygamma,
    Sin,
    Sinh,
    Sqrt,
    Tan,
    Tanh,
)
from alight.primitives.gather import (
    DynamicSlice,
    DynamicUpdate,
    Index,
    IndexAdd,
    IndexPut,
    ScatterReduce,
)
from alight.primitives.linalg import (
    Cholesky,
    Cofactor,
    Det,
    Eig,
    Eigh,
    Inverse,
    Lu,
    Qr,
    SlogDet,
    Solve,
    Svd,
    TriangularSolve,
)
from alight.primitives.movement import (
    Concat,
    Detach,
    Expand,
    Flip,
    Pad,
    Permute,
    Reshape,
    Slice,
)
from alight.primitives.opaque import Fft, Irfft, Rfft, Sort
from alight.primitives.reduction import (
    ArgMax,
    ArgMin,
    Max,
    Min,
    Prod,
    Sum,
)
from alight.primitives.scan import (
    CumMax,
    CumMin,
    CumProd,
    CumSum,
    LogCumSumExp,
    Scan,
)
from alight.primitives.window import (
    Conv,
    ConvData,
    ConvFilter,
    Fold,
    WindowArgMax,
    WindowMax,
    WindowMaxGather,
    WindowMaxScatter,
    Windows,
    WindowSum,
)

__all__ = [name for name in dir() if name[0].isupper()]
