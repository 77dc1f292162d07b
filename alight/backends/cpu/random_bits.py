"""The primitive RandomBits on vectors: the same words as tier 0's, for any number of threads.

Element i is mix(i + mix(low) + 0x9E3779B9 * mix(high)), low and high being the words of the seed; `mix` is the 32-bit
finaliser "lowbias32" found by Chris Wellons' hash prospector.
"""

from __future__ import annotations

from alight.backends.cpu.code import Code, Value


def _mix(code: Code, x: Value) -> Value:
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B), (16, None)):
        x = code.op("xor", x, code.op("lshr", x, code.constant(shift, x.type)))
        if factor is not None:
            signed = factor - (1 << 32) if factor >> 31 else factor
            x = code.op("mul", x, code.constant(signed, x.type))
    return x


def random_start(code: Code, seed_lo: Value, seed_hi: Value) -> Value:
    """What a seed adds to every index, as i32: outside of loops."""
    high = code.op("mul", _mix(code, seed_hi), code.constant(0x9E3779B9 - (1 << 32), "i32"))
    return code.op("add", _mix(code, seed_lo), high)


def random_words(code: Code, index: Value, start: Value) -> Value:
    """The words of elements `index` (i32 in every lane), `start` being the seed's."""
    return _mix(code, code.op("add", index, code.splat(start, index.type)))


def random_bits(code: Code, index: Value, seed_lo: Value, seed_hi: Value) -> Value:
    """The words of elements `index` (i32 in every lane) for the two i32 words of a seed."""
    return random_words(code, index, random_start(code, seed_lo, seed_hi))
