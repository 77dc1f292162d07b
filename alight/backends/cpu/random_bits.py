"""Random bits of a seed and a place, as `RandomBits` in alight/primitives/create.py defines them."""

from __future__ import annotations

from alight.backends.cpu.code import Code, Value, like


def mixed(code: Code, x: Value) -> Value:
    """The finaliser "lowbias32" (Wellons, hash prospector) of an i32 or a vector of them."""
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        x = code.op("xor", x, code.op("lshr", x, code.constant(shift, x.type)))
        x = code.op("mul", x, code.constant(factor, x.type))
    return code.op("xor", x, code.op("lshr", x, code.constant(16, x.type)))


def start(code: Code, seed: Value) -> Value:
    """What is added to every place, from an i64 seed."""
    low = mixed(code, code.cast("trunc", seed, "i32"))
    high = mixed(code, code.cast("trunc", code.op("lshr", seed, code.integer(32)), "i32"))
    return code.op("add", low, code.op("mul", high, code.constant(0x9E3779B9, "i32")))


def random_bits(code: Code, place: Value, begin: Value) -> Value:
    """The bits of an element, given its number in row-major order (i32, modulo 2**32)."""
    return mixed(code, code.op("add", place, code.splat(begin, like(place.type, "i32"))))
