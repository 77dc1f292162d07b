"""The scalar instructions of element-wise primitives, as LLVM IR on whole vectors.

In: a `Code` and symbols, that is LLVM values with alight's dtype. Out: symbols. The meaning is tier 0's (NumPy's): the
same integers, the same NaN rules, the same rounding of float16 and bfloat16 after each instruction. What has to raise
an error, or is not compiled, raises `Unsupported` while the code is written, and the program stays in the interpreter.

Registers hold float16, bfloat16 and float32 as float, bool as i1, the rest at its width. Memory holds bool as i8,
float16 as half and bfloat16 as float: `load_type`, `from_memory` and `to_memory` go between the two.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, NamedTuple

from alight import dtypes
from alight.backends.cpu import halves
from alight.backends.cpu.code import Code, Value, element_type, lanes, like, vector
from alight.backends.cpu.formulas import Formulas
from alight.backends.cpu.target import Target
from alight.dtypes import bfloat16, bool_, dtype, float16, float32, float64
from alight.ir.primitive import ELEMENTWISE, REDUCTION

Number = bool | int | float


class Unsupported(Exception):  # noqa: N818  (not an error: the interpreter takes over)
    """What stays in the interpreter, and why."""


class Symbol(NamedTuple):
    """A scalar of a rule: its value in every lane, and its dtype."""

    value: Value
    dtype: dtype


REGISTER = {
    dtypes.bool_: "i1", dtypes.uint8: "i8", dtypes.int8: "i8", dtypes.int16: "i16", dtypes.int32: "i32",
    dtypes.uint32: "i32", dtypes.int64: "i64", float16: "float", bfloat16: "float", float32: "float",
    float64: "double",
}  # fmt: skip
BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64}


def register_type(of: dtype) -> str:
    """LLVM's type of one element in a register.

    >>> register_type(float16), register_type(bool_)
    ('float', 'i1')
    """
    if of not in REGISTER:
        raise Unsupported(f"{of} is not compiled")
    return REGISTER[of]


def load_type(of: dtype) -> str:
    """LLVM's type of one element in memory.

    >>> load_type(float16), load_type(bool_)
    ('half', 'i8')
    """
    return {float16: "half", bool_: "i8"}.get(of) or register_type(of)


def from_memory(code: Code, value: Value, of: dtype, target: Target | None = None) -> Value:
    """What was loaded, as registers hold it."""
    if of is bool_:
        return code.compare("icmp ne", value, code.constant(0, value.type))
    return halves.widen_float16(code, target or _host(), value) if of is float16 else value


def to_memory(code: Code, value: Value, of: dtype, target: Target | None = None) -> Value:
    """What registers hold, as it is stored."""
    if of is bool_:
        return code.cast("zext", value, "i8")
    return halves.narrow_float16(code, target or _host(), value) if of is float16 else value


def _host() -> Target:
    from alight.backends.cpu.target import host

    return host()


# Results that a format holds whenever it holds the arguments: not rounded again.
_EXACT = frozenset({
    "neg", "abs", "sign", "max", "min", "floor", "ceil", "round", "trunc", "select", "fmod",
})  # fmt: skip
_COMPARISONS = {  # of floats, signed and unsigned integers
    "equal": ("fcmp oeq", "icmp eq", "icmp eq"),
    "less": ("fcmp olt", "icmp slt", "icmp ult"),
    "lessequal": ("fcmp ole", "icmp sle", "icmp ule"),
}
_WHOLE = ("floor", "ceil", "round", "trunc")
_FUNCTIONS = (  # of floats alone, in vector_math
    "exp", "expm1", "log", "log1p", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh",
    "asinh", "acosh", "atanh", "sigmoid",
)  # fmt: skip


class Scalars:
    """The builder `b` that a primitive's `scalar(b, ...)` rule is written with.

    Arguments are symbols or Python numbers; a number takes the dtype of the symbol that it meets. Scalars meet vectors:
    they are repeated in every lane.
    """

    def __init__(self, code: Code, target: Target) -> None:
        self.code, self.target = code, target

    # -- between numbers, memory and registers -------------------------------------------------------------------------

    def const(self, value: Number, of: dtype) -> Symbol:
        """A number of a dtype, wrapped or rounded to it."""
        kind = register_type(of)  # refuses complex numbers first
        return Symbol(self.code.constant(_exact_number(value, of), kind), of)

    def load_type(self, of: dtype) -> str:
        """LLVM's type of one element in memory."""
        return load_type(of)

    def from_memory(self, value: Value, of: dtype) -> Symbol:
        """What was loaded, as a symbol."""
        return Symbol(from_memory(self.code, value, of, self.target), of)

    def to_memory(self, x: Symbol) -> Value:
        """What is stored for a symbol."""
        return to_memory(self.code, x.value, x.dtype, self.target)

    def _operands(self, arguments: Sequence[Symbol | Number]) -> list[Symbol]:
        """All as symbols with one number of lanes."""
        met = [a for a in arguments if isinstance(a, Symbol)]
        of = next((a.dtype for a in met if a.dtype is not bool_), met[0].dtype)
        symbols = [a if isinstance(a, Symbol) else self.const(a, of) for a in arguments]
        count = max(lanes(a.value.type) for a in symbols)
        return [a if lanes(a.value.type) == count else self._wide(a, count) for a in symbols]

    def _wide(self, x: Symbol, count: int) -> Symbol:
        type = vector(x.value.type, count)
        if x.value.text.startswith("%"):
            return Symbol(self.code.splat(x.value, type), x.dtype)
        return Symbol(Value(f"splat ({x.value.typed})", type), x.dtype)

    def _rounded(self, name: str, value: Value, of: dtype) -> Symbol:
        """The result of an instruction, in the precision of its dtype."""
        if name not in _EXACT:
            if of is bfloat16:
                value = halves.round_bfloat16(self.code, value)
            elif of is float16:
                value = halves.round_float16(self.code, self.target, value)
        return Symbol(value, of)

    def _constant(self, value: float, x: Value) -> Value:
        return self.code.constant(value, x.type)

    # -- arithmetic ----------------------------------------------------------------------------------------------------

    def _arithmetic(self, name: str, x: Any, y: Any) -> Symbol:
        x, y = self._operands((x, y))
        if x.dtype is bool_:
            if name == "sub":
                raise Unsupported("subtraction of bools")
            return Symbol(self.code.op("or" if name == "add" else "and", x.value, y.value), bool_)
        instruction = f"f{name}" if x.dtype.kind == "f" else name
        return self._rounded(name, self.code.op(instruction, x.value, y.value), x.dtype)

    def add(self, x: Any, y: Any) -> Symbol:
        """x + y; or of bools."""
        return self._arithmetic("add", x, y)

    def sub(self, x: Any, y: Any) -> Symbol:
        """x - y."""
        return self._arithmetic("sub", x, y)

    def mul(self, x: Any, y: Any) -> Symbol:
        """x * y; and of bools."""
        return self._arithmetic("mul", x, y)

    def div(self, x: Any, y: Any) -> Symbol:
        """x / y of floats."""
        x, y = self._floats(x, y)
        return self._rounded("div", self.code.op("fdiv", x.value, y.value), x.dtype)

    def _floats(self, *arguments: Any) -> list[Symbol]:
        symbols = self._operands(arguments)
        if symbols[0].dtype.kind != "f":
            raise Unsupported(f"a function of floats on {symbols[0].dtype}")
        return symbols

    def floordiv(self, x: Any, y: Any) -> Symbol:
        """The largest whole number not above x / y."""
        x, y = self._operands((x, y))
        if x.dtype.kind != "f":
            return self._integer_division(x, y)[0]
        return self._rounded(
            "floordiv", self._math.floordiv(self.code, self.target, x.value, y.value), x.dtype
        )

    def mod(self, x: Any, y: Any) -> Symbol:
        """x - floor(x / y) * y."""
        x, y = self._operands((x, y))
        if x.dtype.kind != "f":
            return self._integer_division(x, y)[1]
        return self._rounded(
            "mod", self._math.mod(self.code, self.target, x.value, y.value), x.dtype
        )

    def fmod(self, x: Any, y: Any) -> Symbol:
        """x - trunc(x / y) * y."""
        x, y = self._operands((x, y))
        if x.dtype.kind != "f":
            self._divisor(y)
            return Symbol(self._truncated(x, y)[1], x.dtype)
        return self._rounded(
            "fmod", self._math.fmod(self.code, self.target, x.value, y.value), x.dtype
        )

    def _divisor(self, y: Symbol) -> int:
        """A divisor known now; others may be 0, which tier 0 raises an error for."""
        number = constant_integer(y.value)
        if not number:
            raise Unsupported("division of integers by what may be 0")
        return number

    def _truncated(self, x: Symbol, y: Symbol) -> tuple[Value, Value]:
        """Quotient and remainder of integers towards 0."""
        code, zero = self.code, self._constant(0, x.value)
        if x.dtype.kind == "u":
            return code.op("udiv", x.value, y.value), code.op("urem", x.value, y.value)
        if self._divisor(y) == -1:  # the lowest number / -1 would overflow
            return code.op("sub", zero, x.value), zero
        return code.op("sdiv", x.value, y.value), code.op("srem", x.value, y.value)

    def _integer_division(self, x: Symbol, y: Symbol) -> tuple[Symbol, Symbol]:
        """Quotient and remainder of integers towards minus infinity."""
        code, divisor = self.code, self._divisor(y)
        quotient, rest = self._truncated(x, y)
        if x.dtype.kind == "i":
            zero = self._constant(0, x.value)
            below = code.compare("icmp slt" if divisor > 0 else "icmp sgt", rest, zero)
            rest = code.select(below, code.op("add", rest, y.value), rest)
            quotient = code.op("add", quotient, code.cast("sext", below, _element(quotient)))
        return Symbol(quotient, x.dtype), Symbol(rest, x.dtype)

    def pow(self, x: Any, y: Any) -> Symbol:
        """x to the power y; of integers where y is a known number from 0 on."""
        x, y = self._operands((x, y))
        if x.dtype.kind != "f":
            power = constant_integer(y.value)
            if power is None or power < 0 or x.dtype is bool_:
                raise Unsupported("integers to an unknown power")
            return Symbol(self._product(x.value, power), x.dtype)
        known = self._known_power(x.value, constant_float(y.value))
        if known is not None:
            return self._rounded("pow", known, x.dtype)
        return self._rounded(
            "pow", self._math.pow(self.code, self.target, x.value, y.value), x.dtype
        )

    def _product(self, x: Value, power: int) -> Value:
        result, square = self._constant(1, x), x
        while power:
            if power & 1:
                result = self.code.op("mul", result, square)
            power >>= 1
            square = self.code.op("mul", square, square) if power else square
        return result

    def _known_power(self, x: Value, power: float | None) -> Value | None:
        """x to a power that is quicker without a logarithm."""
        code, one = self.code, self._constant(1, x)
        if power == 0:
            return one
        if power == 1:
            return x
        if power in (2, 3):
            square = code.op("fmul", x, x)
            return square if power == 2 else code.op("fmul", square, x)
        if power == -1:
            return code.op("fdiv", one, x)
        if power == 0.5:  # of -0 it is 0, of minus infinity infinity
            root = code.intrinsic("llvm.sqrt", code.op("fadd", x, self._constant(0.0, x)))
            below = code.compare("fcmp oeq", x, self._constant(float("-inf"), x))
            return code.select(below, self._constant(float("inf"), x), root)
        return None

    def _larger(self, name: str, x: Any, y: Any) -> Symbol:
        x, y = self._operands((x, y))
        code, a, b = self.code, x.value, y.value
        if x.dtype is bool_:
            return Symbol(code.op("or" if name == "max" else "and", a, b), bool_)
        if x.dtype.kind != "f":
            sign = "s" if x.dtype.kind == "i" else "u"
            return Symbol(code.intrinsic(f"llvm.{sign}{name}", a, b), x.dtype)
        if is_constant(a):
            a, b = b, a
        # The instruction gives its second operand where either is NaN: that is right unless the first alone is.
        better = code.select(code.compare("fcmp ogt" if name == "max" else "fcmp olt", b, a), b, a)
        if not is_constant(b):
            better = code.select(code.compare("fcmp uno", b, b), b, better)
        return Symbol(better, x.dtype)

    def max(self, x: Any, y: Any) -> Symbol:
        """The larger of x and y, NaN if either is."""
        return self._larger("max", x, y)

    def min(self, x: Any, y: Any) -> Symbol:
        """The smaller of x and y, NaN if either is."""
        return self._larger("min", x, y)

    def neg(self, x: Symbol) -> Symbol:
        """-x."""
        if x.dtype.kind == "f":
            return Symbol(self.code.op("fneg", x.value), x.dtype)
        return self.sub(self.const(0, x.dtype), x)

    def abs(self, x: Symbol) -> Symbol:
        """|x|."""
        if x.dtype.kind == "f":
            return Symbol(self.code.intrinsic("llvm.fabs", x.value), x.dtype)
        return x if x.dtype.kind in "ub" else self.max(x, self.neg(x))

    def sign(self, x: Symbol) -> Symbol:
        """-1, 0 or 1; 0 for NaN."""
        code, zero, one = self.code, self._constant(0, x.value), self._constant(1, x.value)
        above, below = ("icmp sgt", "icmp slt") if x.dtype.kind == "i" else ("icmp ne", "")
        if x.dtype.kind == "f":
            above, below = "fcmp ogt", "fcmp olt"
        result = code.select(code.compare(above, x.value, zero), one, zero)
        if below:
            minus = self._constant(-1, x.value)
            result = code.select(code.compare(below, x.value, zero), minus, result)
        return Symbol(result, x.dtype)

    # -- functions -----------------------------------------------------------------------------------------------------

    @property
    def _math(self) -> Any:
        from alight.backends.cpu import vector_math

        return vector_math

    def atan2(self, y: Any, x: Any) -> Symbol:
        """The angle of the point (y, x)."""
        y, x = self._floats(y, x)
        return self._rounded(
            "atan2", self._math.atan2(self.code, self.target, y.value, x.value), x.dtype
        )

    def _whole(self, name: str, x: Symbol) -> Symbol:
        if x.dtype.kind in "ui":
            return x
        f = Formulas(self.code, self.target, x.value.type)
        return Symbol(f.whole(name, f.term(x.value)).value, x.dtype)

    def __getattr__(self, name: str) -> Callable[..., Symbol]:
        if name in _WHOLE:
            return lambda x: self._whole(name, x)
        if name in _COMPARISONS:
            return lambda x, y: self._comparison(name, x, y)
        if name not in _FUNCTIONS:
            raise Unsupported(f"the scalar instruction {name}")

        def function(x: Symbol) -> Symbol:
            (x,) = self._floats(x)
            result = getattr(self._math, name)(self.code, self.target, x.value)
            return self._rounded(name, result, x.dtype)

        return function

    # -- truth and bits ------------------------------------------------------------------------------------------------

    def _comparison(self, name: str, x: Any, y: Any) -> Symbol:
        x, y = self._operands((x, y))
        kind = {"f": 0, "i": 1, "u": 2, "b": 2}[x.dtype.kind]
        return Symbol(self.code.compare(_COMPARISONS[name][kind], x.value, y.value), bool_)

    def isnan(self, x: Symbol) -> Symbol:
        """Whether x is not a number."""
        return Symbol(self.code.compare("fcmp uno", x.value, x.value), bool_)

    def select(self, condition: Symbol, x: Any, y: Any) -> Symbol:
        """x where the condition holds, else y."""
        x, y = self._operands((x, y))  # first: a number takes the other branch's dtype
        condition, x, y = self._operands((condition, x, y))
        return Symbol(self.code.select(condition.value, x.value, y.value), x.dtype)

    def _bitwise(self, instruction: str, x: Any, y: Any) -> Symbol:
        x, y = self._operands((x, y))
        if x.dtype.kind == "f":
            raise Unsupported(f"bits of {x.dtype}")
        return Symbol(self.code.op(instruction, x.value, y.value), x.dtype)

    def and_(self, x: Any, y: Any) -> Symbol:
        """Bitwise and."""
        return self._bitwise("and", x, y)

    def or_(self, x: Any, y: Any) -> Symbol:
        """Bitwise or."""
        return self._bitwise("or", x, y)

    def xor(self, x: Any, y: Any) -> Symbol:
        """Bitwise exclusive or."""
        return self._bitwise("xor", x, y)

    def not_(self, x: Symbol) -> Symbol:
        """Bitwise complement."""
        return self.xor(x, self.const(True if x.dtype is bool_ else -1, x.dtype))

    def _shifted(self, x: Any, y: Any, left: bool) -> Symbol:
        x, y = self._operands((x, y))
        if x.dtype.kind not in "ui":
            raise Unsupported(f"bits of {x.dtype}")
        code, bits = self.code, BITS[_element(x.value)]
        by, known = y.value, constant_integer(y.value)
        arithmetic = not left and x.dtype.kind == "i"
        if known is None or not 0 <= known < bits:  # NumPy shifts everything out; LLVM says nothing
            inside = code.compare("icmp ult", by, self._constant(bits, by))
            by = code.select(inside, by, self._constant(bits - 1 if arithmetic else 0, by))
        result = code.op("shl" if left else "ashr" if arithmetic else "lshr", x.value, by)
        if by is not y.value and not arithmetic:
            result = code.select(inside, result, self._constant(0, result))
        return Symbol(result, x.dtype)

    def shl(self, x: Any, y: Any) -> Symbol:
        """x with its bits moved up by y places."""
        return self._shifted(x, y, left=True)

    def shr(self, x: Any, y: Any) -> Symbol:
        """x with its bits moved down by y places; the sign is kept."""
        return self._shifted(x, y, left=False)

    # -- conversions ---------------------------------------------------------------------------------------------------

    def convert(self, x: Symbol, to: dtype) -> Symbol:
        """x as another dtype."""
        of, code = x.dtype, self.code
        kind = register_type(to)
        if of is to:
            return x
        if to is bool_:
            predicate = "fcmp une" if of.kind == "f" else "icmp ne"
            return Symbol(code.compare(predicate, x.value, self._constant(0, x.value)), to)
        if of.kind != "f":
            if to.kind == "f":
                value = code.cast("sitofp" if of.kind == "i" else "uitofp", x.value, kind)
                return self._rounded("convert", value, to)
            wider = BITS[kind] > BITS[register_type(of)]
            extension = "sext" if of.kind == "i" else "zext"
            return Symbol(code.cast(extension if wider else "trunc", x.value, kind), to)
        if to.kind != "f":
            return Symbol(self._integer_of_float(x, to), to)
        return self._rounded("convert", self._float_of_float(x, to), to)

    def _float_of_float(self, x: Symbol, to: dtype) -> Value:
        if x.dtype is not float64:
            return self.code.cast("fpext", x.value, register_type(to))
        if to is float16:  # through float, but rounded only once
            return halves.float_of_double(self.code, x.value)
        return self.code.cast("fptrunc", x.value, "float")

    def _integer_of_float(self, x: Symbol, to: dtype) -> Value:
        """As x86 does: what does not fit becomes the lowest number (of 32 bits for narrower integers, then cut)."""
        code = self.code
        wide = "i64" if to.kind == "u" or to is dtypes.int64 else "i32"
        limit = 2.0 ** (BITS[wide] - 1)
        lowest = code.constant(-int(limit), like(x.value.type, wide))
        # Below -limit only -limit - 1 < x fits as well, and truncates to the same number.
        size = code.intrinsic("llvm.fabs", x.value)
        inside = code.compare("fcmp olt", size, self._constant(limit, size))
        whole = code.select(inside, code.cast("fptosi", x.value, wide), lowest)
        return code.cast("trunc", whole, register_type(to)) if to is not dtypes.int64 else whole

    def bitcast(self, x: Symbol, to: dtype) -> Symbol:
        """The bits of x as another dtype of the same size."""
        of, code = x.dtype, self.code
        kind = register_type(to)
        if bool_ in (of, to) or bfloat16 in (of, to) or of.itemsize != to.itemsize:
            raise Unsupported(f"bits of {of} as {to}")
        value = halves.narrow_float16(code, self.target, x.value) if of is float16 else x.value
        if to is float16:
            value = halves.widen_float16(code, self.target, code.cast("bitcast", value, "half"))
            return Symbol(value, to)
        return Symbol(code.cast("bitcast", value, kind), to)


def _element(value: Value) -> str:
    return element_type(value.type)


def is_constant(value: Value) -> bool:
    """Whether a value is a number known now (and not NaN)."""
    number = constant_float(value)
    return not value.text.startswith("%") and (number is None or number == number)


def constant_integer(value: Value) -> int | None:
    """The number that an integer constant has in all lanes; None for anything else.

    >>> constant_integer(Value("splat (i32 7)", "<2 x i32>"))
    7
    """
    text = value.text.removeprefix("splat (").removesuffix(")").split(" ")[-1]
    return int(text) if text.lstrip("-").isdigit() else None


def constant_float(value: Value) -> float | None:
    """The number that a floating-point constant has in all lanes; None for anything else."""
    text = value.text.removeprefix("splat (").removesuffix(")").split(" ")[-1]
    if not text.startswith("0x"):
        return None
    return struct.unpack("<d", struct.pack("<Q", int(text, 16)))[0]


def _exact_number(value: Number, of: dtype) -> Number:
    """A Python number as the nearest one that a dtype holds, as tier 0 makes it."""
    if of is bool_:
        return bool(value)
    if of.kind in "ui":
        bits = 8 * of.itemsize
        wrapped = int(value) % (1 << bits)
        return wrapped - (1 << bits) if wrapped >> (bits - 1) else wrapped  # as LLVM prints it
    if of in (float16, bfloat16):
        import numpy as np

        from alight.backends.interpreter.arrays import number_of

        with np.errstate(all="ignore"):
            return float(number_of(of)(value))
    return float(value)


# -- what can be compiled ----------------------------------------------------------------------------------------------

_TRIAL = Target("x86_64-unknown-linux-gnu", "x86-64", "+avx2,+fma,+f16c", 32, 16, 1 << 15, 1 << 20)


def supports(
    primitive: Any,
    dtypes: Sequence[dtype],
    statics: dict[str, Any] | None = None,
    constants: Sequence[Number | None] = (),
) -> bool:
    """Whether an element-wise primitive, or a reduction's combination, can be written for some dtypes.

    `constants` are the arguments that are numbers known now, None for the others: integers are divided by such only.
    """
    known = tuple(constants) + (None,) * (len(dtypes) - len(constants))
    return _supports(primitive, tuple(dtypes), tuple(sorted((statics or {}).items())), known)


@cache
def _supports(
    primitive: Any,
    dtypes: tuple[dtype, ...],
    statics: tuple[tuple[str, Any], ...],
    constants: tuple[Number | None, ...],
) -> bool:
    code = Code("trial", [])
    b = Scalars(code, _TRIAL)
    try:
        symbols = [
            Symbol(Value(f"%x{i}", vector(register_type(of), 8)), of)
            if known is None
            else b.const(known, of)
            for i, (of, known) in enumerate(zip(dtypes, constants, strict=True))
        ]
        if primitive.kind == ELEMENTWISE:
            primitive.scalar(b, *symbols, **dict(statics))
        elif primitive.kind == REDUCTION:
            primitive.combine(b, symbols[0], symbols[0])
        else:
            return False
    except Unsupported:
        return False
    return True
