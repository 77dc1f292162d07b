"""Data types of elements, their limits, and how two of them combine.

In: nothing. Out: the singletons `float32`, `int64`, ... and `promote`. A dtype knows neither NumPy nor tensors.
"""

from __future__ import annotations

from typing import NamedTuple, NoReturn

from alight.errors import fail


class dtype:  # noqa: N801  (PyTorch's name)
    """The type of a tensor's elements; one object for each.

    >>> float32
    torch.float32
    >>> float32.itemsize
    4
    """

    __slots__ = ("name", "short", "kind", "itemsize", "rank")
    name: str  # "float32"
    short: str  # "f32", as programs print it
    kind: str  # "b" bool, "u" unsigned, "i" signed, "f" floating point, "c" complex
    itemsize: int  # bytes of one element
    rank: int  # place in its kind, for promotion

    def __init__(self, name: str, short: str, kind: str, itemsize: int, rank: int) -> None:
        self.name, self.short, self.kind, self.itemsize, self.rank = (
            name,
            short,
            kind,
            itemsize,
            rank,
        )

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name  # a pickle refers to the singleton

    @property
    def is_floating_point(self) -> bool:
        """True for float16, bfloat16, float32 and float64."""
        return self.kind == "f"

    @property
    def is_complex(self) -> bool:
        """True for complex64 and complex128."""
        return self.kind == "c"

    @property
    def is_signed(self) -> bool:
        """True where negative numbers can be held."""
        return self.kind in "ifc"

    @property
    def is_differentiable(self) -> bool:
        """True where a tensor of this type may require a gradient."""
        return self.kind in "fc"

    def to_real(self) -> dtype:
        """The dtype of the real part."""
        return {"complex64": float32, "complex128": float64}.get(self.name, self)

    def to_complex(self) -> dtype:
        """The complex dtype that holds this one."""
        return complex128 if self in (float64, complex128) else complex64


bool_ = dtype("bool", "bool", "b", 1, 0)
uint8 = dtype("uint8", "u8", "u", 1, 0)
int8 = dtype("int8", "i8", "i", 1, 0)
int16 = dtype("int16", "i16", "i", 2, 1)
int32 = dtype("int32", "i32", "i", 4, 2)
int64 = dtype("int64", "i64", "i", 8, 3)
uint16 = dtype("uint16", "u16", "u", 2, 1)
uint32 = dtype("uint32", "u32", "u", 4, 2)  # also words of random bits
uint64 = dtype("uint64", "u64", "u", 8, 3)
float16 = dtype("float16", "f16", "f", 2, 0)
bfloat16 = dtype("bfloat16", "bf16", "f", 2, 0)
float32 = dtype("float32", "f32", "f", 4, 1)
float64 = dtype("float64", "f64", "f", 8, 2)
complex64 = dtype("complex64", "c64", "c", 8, 1)
complex128 = dtype("complex128", "c128", "c", 16, 2)

ALL = (
    bool_, uint8, int8, int16, int32, int64, uint16, uint32, uint64,
    float16, bfloat16, float32, float64, complex64, complex128,
)  # fmt: skip
BY_NAME = {one.name: one for one in ALL}
# As PyTorch's messages and tensor types call them: torch.FloatTensor.
SCALAR_NAMES = {
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "float16": "Half", "bfloat16": "BFloat16", "float32": "Float", "float64": "Double",
    "complex64": "ComplexFloat", "complex128": "ComplexDouble", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
}  # fmt: skip
BY_SHORT = {one.short: one for one in ALL}

BOOL = frozenset({bool_})
INTEGER = frozenset({uint8, int8, int16, int32, int64, uint16, uint32, uint64})
WIDE_UNSIGNED = frozenset(
    {uint16, uint32, uint64}
)  # stored and converted; few operations have them
FLOAT = frozenset({float16, bfloat16, float32, float64})
COMPLEX = frozenset({complex64, complex128})
REAL = INTEGER | FLOAT
NUMERIC = REAL | COMPLEX
ORDERED = REAL | BOOL
ANY = NUMERIC | BOOL

_KIND_ORDER = {"b": 0, "u": 1, "i": 1, "f": 2, "c": 3}


def category(of: dtype) -> int:
    """0 for bool, 1 for integers, 2 for floating point, 3 for complex."""
    return _KIND_ORDER[of.kind]


def promote(a: dtype, b: dtype) -> dtype:
    """The smallest dtype that PyTorch lets hold both: its type promotion lattice.

    >>> promote(uint8, int8), promote(int64, float16), promote(float16, bfloat16)
    (torch.int16, torch.float16, torch.float32)
    """
    if a is b:
        return a
    if not WIDE_UNSIGNED.isdisjoint((a, b)) and "f" not in (a.kind, b.kind):
        _no_promotion(a, b)
    if category(a) != category(b):
        low, high = (a, b) if category(a) < category(b) else (b, a)
        if high.kind == "c" and low is float64:
            return complex128
        return high
    if {a.kind, b.kind} == {"u", "i"}:
        signed = b if a.kind == "u" else a
        return int16 if signed is int8 else signed
    if a.itemsize == b.itemsize:  # float16 with bfloat16
        return float32
    return a if a.itemsize > b.itemsize else b


def _no_promotion(a: dtype, b: dtype) -> NoReturn:
    fail(
        RuntimeError,
        "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
        f"{SCALAR_NAMES[a.name]} and {SCALAR_NAMES[b.name]}",
        try_=".long() or .int() first",
    )


class _FloatLimits(NamedTuple):
    bits: int
    eps: float
    max: float
    tiny: float
    resolution: float


_FLOAT_LIMITS = {
    "float16": _FloatLimits(16, 2.0**-10, 65504.0, 2.0**-14, 1e-3),
    "bfloat16": _FloatLimits(16, 2.0**-7, (2 - 2.0**-7) * 2.0**127, 2.0**-126, 1e-2),
    "float32": _FloatLimits(32, 2.0**-23, (2 - 2.0**-23) * 2.0**127, 2.0**-126, 1e-6),
    "float64": _FloatLimits(64, 2.0**-52, (2 - 2.0**-52) * 2.0**1023, 2.0**-1022, 1e-15),
}


class finfo:  # noqa: N801
    """Limits of a floating-point dtype: bits, eps, max, min, tiny, smallest_normal, resolution.

    Errors: TypeError for a dtype that is not floating point.

    >>> finfo(float16).max
    65504.0
    """

    def __init__(self, type: dtype | None = None) -> None:
        type = float32 if type is None else type
        limits = _FLOAT_LIMITS.get(type.to_real().name)
        if limits is None:
            fail(
                TypeError,  # the class is what PyTorch names here
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle 'torch.finfo'",
                facts=[f"got {type!r}"],
            )
        self.bits, self.eps, self.max, self.tiny, self.resolution = limits
        self.min, self.smallest_normal, self.dtype = -self.max, self.tiny, type.to_real().name

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, eps={self.eps:g}, "
            f"smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, dtype={self.dtype})"
        )


class iinfo:  # noqa: N801
    """Limits of an integer dtype: bits, min, max.

    Errors: TypeError for a dtype that is not of whole numbers.

    >>> iinfo(uint8).max
    255
    """

    def __init__(self, type: dtype) -> None:
        if type.kind == "b":
            fail(TypeError, f"{type!r} is not supported by torch.iinfo")
        if type.kind not in "ui":
            fail(
                TypeError,
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle 'torch.iinfo'",
                facts=[f"got {type!r}"],
            )
        self.bits, self.dtype = 8 * type.itemsize, type.name
        self.max = 2 ** (self.bits - (type.kind == "i")) - 1
        self.min = -self.max - 1 if type.kind == "i" else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
