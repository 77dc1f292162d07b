"""float16 and bfloat16 in registers: floats whose values are rounded to the shorter format.

In: floats, scalars or vectors. Out: floats that the format holds, or the 16 bits themselves. Machines with an
instruction for it (F16C, NEON) convert float16 in one step; others do it with integers, as LLVM would call a library
that need not be there.
"""

from __future__ import annotations

from alight.backends.cpu.code import Code, Value, like
from alight.backends.cpu.target import Target


def has_float16(target: Target) -> bool:
    """Whether float16 converts to float32 and back in one instruction."""
    return "+f16c" in target.features or target.triple.startswith(("aarch64", "arm64"))


def round_bfloat16(code: Code, x: Value) -> Value:
    """float rounded to bfloat16, nearest even; NaN stays NaN."""
    words = like(x.type, "i32")
    bits = code.cast("bitcast", x, "i32")
    odd = code.op("and", code.op("lshr", bits, code.constant(16, words)), code.constant(1, words))
    up = code.op("add", code.op("add", bits, code.constant(0x7FFF, words)), odd)
    rounded = code.cast("bitcast", code.op("and", up, code.constant(-0x10000, words)), "float")
    return code.select(code.compare("fcmp uno", x, x), x, rounded)


def round_float16(code: Code, target: Target, x: Value) -> Value:
    """float rounded to float16, nearest even."""
    return widen_float16(code, target, narrow_float16(code, target, x))


def narrow_float16(code: Code, target: Target, x: Value) -> Value:
    """float to half."""
    if has_float16(target):
        return code.cast("fptrunc", x, "half")
    return code.cast("bitcast", _half_bits(code, x), "half")


def widen_float16(code: Code, target: Target, x: Value) -> Value:
    """half to float."""
    if has_float16(target):
        return code.cast("fpext", x, "float")
    words = like(x.type, "i32")
    bits = code.cast("zext", code.cast("bitcast", x, "i16"), "i32")
    moved = code.op("shl", code.op("and", bits, code.constant(0x7FFF, words)), _words(code, 13, x))
    # Moved to float's place, the exponent is 112 too low; one multiplication mends that, and subnormals too.
    scaled = code.op(
        "fmul",
        code.cast("bitcast", moved, "float"),
        code.constant(2.0**112, like(x.type, "float")),
    )
    special = code.compare("icmp uge", moved, _words(code, 0x0F800000, x))
    body = code.cast("bitcast", scaled, "i32")
    body = code.select(special, code.op("or", moved, _words(code, 0x7F800000, x)), body)
    sign = code.op("shl", code.op("and", bits, _words(code, 0x8000, x)), _words(code, 16, x))
    return code.cast("bitcast", code.op("or", body, sign), "float")


def _half_bits(code: Code, x: Value) -> Value:
    """float rounded to float16, as i16."""
    bits = code.cast("bitcast", x, "i32")
    sign = code.op("lshr", code.op("and", bits, _words(code, -0x80000000, x)), _words(code, 16, x))
    size = code.op("and", bits, _words(code, 0x7FFFFFFF, x))
    # Normal results: round the 13 bits that go, to even, and take 112 from the exponent.
    odd = code.op("and", code.op("lshr", size, _words(code, 13, x)), _words(code, 1, x))
    normal = code.op("add", code.op("add", size, _words(code, 0xFFF - (112 << 23), x)), odd)
    normal = code.op("lshr", normal, _words(code, 13, x))
    # Subnormal results: adding 0.5 leaves them, rounded, in the last bits of the sum.
    half = code.constant(0.5, x.type)
    summed = code.op("fadd", code.cast("bitcast", size, "float"), half)
    subnormal = code.op("sub", code.cast("bitcast", summed, "i32"), _words(code, 0x3F000000, x))
    result = code.select(
        code.compare("icmp ult", size, _words(code, 113 << 23, x)), subnormal, normal
    )
    infinite = _words(code, 0x7C00, x)
    result = code.select(
        code.compare("icmp uge", size, _words(code, 0x47800000, x)), infinite, result
    )
    nan = code.compare("icmp ugt", size, _words(code, 0x7F800000, x))
    result = code.select(nan, _words(code, 0x7E00, x), result)
    return code.cast("trunc", code.op("or", result, sign), "i16")


def float_of_double(code: Code, x: Value) -> Value:
    """double to a float that still rounds to the right float16: inexact results are made odd.

    S. Boldo and G. Melquiond, "When double rounding is odd" (2005).
    """
    near = code.cast("fptrunc", x, "float")
    back = code.cast("fpext", near, "double")
    bits = code.cast("bitcast", near, "i32")
    even = code.compare("icmp eq", code.op("and", bits, _words(code, 1, x)), _words(code, 0, x))
    inexact = code.compare("fcmp one", back, x)
    over = code.compare(
        "fcmp ogt", code.intrinsic("llvm.fabs", back), code.intrinsic("llvm.fabs", x)
    )
    odd = code.op("add", bits, code.select(over, _words(code, -1, x), _words(code, 1, x)))
    bits = code.select(code.op("and", even, inexact), odd, bits)
    return code.cast("bitcast", bits, "float")


def _words(code: Code, value: int, like_: Value) -> Value:
    """An i32 constant with the lanes of a value."""
    value = (value + (1 << 31)) % (1 << 32) - (1 << 31)
    return code.constant(value, like(like_.type, "i32"))
