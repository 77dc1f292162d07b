"""Mathematical functions of floats and doubles, on scalars or vectors."""

from __future__ import annotations

from alight.backends.cpu.code import Code, Value, element_type, lanes
from alight.backends.cpu.target import Target


def by_lanes(code: Code, name: str, *arguments: Value) -> Value:
    """The C library's function of that name, lane by lane."""
    type = arguments[0].type
    element, size = element_type(type), 4 if element_type(type) == "float" else 8
    symbol = name + ("f" if element == "float" else "")
    if lanes(type) == 1:
        return code.call(type, symbol, *arguments)
    places = [code.array(type, 1) for _ in arguments]
    for place, argument in zip(places, arguments, strict=True):
        code.store(argument, place)
    with code.loop(code.integer(0), code.integer(lanes(type))) as i:
        parts = [code.load(element, code.element(place, i, size)) for place in places]
        code.store(code.call(element, symbol, *parts), code.element(places[0], i, size))
    return code.load(type, places[0])


def _library(name: str):
    return lambda code, target, *arguments: by_lanes(code, name, *arguments)


exp, expm1, log, log1p = map(_library, ("exp", "expm1", "log", "log1p"))
sin, cos, tan, asin, acos, atan = map(_library, ("sin", "cos", "tan", "asin", "acos", "atan"))
sinh, cosh, tanh, asinh, acosh, atanh = map(
    _library, ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")
)
atan2, fmod, pow = map(_library, ("atan2", "fmod", "pow"))


def sqrt(code: Code, target: Target, x: Value) -> Value:
    """Square root."""
    return code.intrinsic("llvm.sqrt", x)


def mod(code: Code, target: Target, x: Value, y: Value) -> Value:
    """x - floor(x / y) * y, with the sign of y."""
    rest = fmod(code, target, x, y)
    zero = code.constant(0, x.type)
    apart = code.op("xor", code.compare("fcmp olt", y, zero), code.compare("fcmp olt", rest, zero))
    moved = code.select(apart, code.op("fadd", rest, y), rest)
    return code.select(
        code.compare("fcmp oeq", rest, zero), code.intrinsic("llvm.copysign", zero, y), moved
    )


def floordiv(code: Code, target: Target, x: Value, y: Value) -> Value:
    """The largest whole number not above x / y, from the exact remainder as NumPy has it."""
    zero, one = code.constant(0, x.type), code.constant(1, x.type)
    rest = fmod(code, target, x, y)
    quotient = code.op("fdiv", code.op("fsub", x, rest), y)
    apart = code.op("xor", code.compare("fcmp olt", y, zero), code.compare("fcmp olt", rest, zero))
    apart = code.op("and", apart, code.compare("fcmp une", rest, zero))
    quotient = code.select(apart, code.op("fsub", quotient, one), quotient)
    floor = code.intrinsic("llvm.floor", quotient)
    far = code.compare("fcmp ogt", code.op("fsub", quotient, floor), code.constant(0.5, x.type))
    floor = code.select(far, code.op("fadd", floor, one), floor)
    ratio = code.op("fdiv", x, y)
    floor = code.select(
        code.compare("fcmp oeq", quotient, zero),
        code.intrinsic("llvm.copysign", zero, ratio),
        floor,
    )
    return code.select(code.compare("fcmp oeq", y, zero), ratio, floor)
