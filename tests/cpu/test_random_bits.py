"""Random words of compiled code are tier 0's."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

from alight import dtypes as d
from alight import primitives as p
from alight.backends.base import executable
from alight.backends.cpu import jit
from alight.backends.cpu.code import Code, vector
from alight.backends.cpu.random_bits import random_bits
from alight.device import CPU
from alight.ir.program import Node, Program
from alight.ir.types import Type
from tests.cpu.elements import LEVELS


def interpreted(seed: int, count: int) -> np.ndarray:
    types = [Type((), d.int64, CPU), Type((count,), d.uint32, CPU)]
    node = Node(p.RandomBits, (0,), {"shape": (count,), "device": CPU}, (1,))
    return executable(Program(types, [0], [node], [1]))([seed])[0]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, -1, 0x1234567890ABCDEF])
def test_the_same_words(seed: int, level: str) -> None:
    target, count = LEVELS[level](), 1024
    code = Code("kernel", [("ptr", "out"), ("i64", "seed")])
    low = code.op(f"trunc i64 {code['seed'].text} to i32", type="i32")
    shifted = code.op("lshr", code["seed"], code.integer(32))
    high = code.op(f"trunc i64 {shifted.text} to i32", type="i32")
    words = vector("i32", target.lanes(4))
    with code.loop(code.integer(0), code.integer(count), target.lanes(4)) as i:
        first = code.op(f"trunc i64 {i.text} to i32", type="i32")
        index = code.op("add", code.splat(first, words), code.lane_numbers(words))
        code.store(random_bits(code, index, low, high), code.element(code["out"], i, 4))
    text = jit.module_text([code.finish()], code.declared.values(), target)
    module = jit.link(jit.object_code(text, target), ["kernel"])
    found = np.empty(count, np.uint32)
    call = ctypes.CFUNCTYPE(None, ctypes.c_int64, ctypes.c_int64)(module.addresses["kernel"])
    call(found.ctypes.data, seed)
    np.testing.assert_array_equal(found, interpreted(seed, count))
