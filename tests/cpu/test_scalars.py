"""Scalar instructions: compiled ones against tier 0's, on numbers where formats end and rules bend."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from alight import dtypes as d
from alight import primitives as p
from alight.backends.cpu import jit
from alight.backends.cpu.scalars import REGISTER, Scalars, supports
from alight.backends.interpreter.arrays import numpy_dtype, round_bfloat16
from alight.backends.interpreter.builder import scalar_function
from alight.device import CPU
from alight.dtypes import dtype
from alight.ir.primitive import ELEMENTWISE, REGISTRY
from alight.ir.types import Type
from tests.cpu.elements import AARCH64, LEVELS, compiled, text_of

ARITHMETIC = (
    p.Add, p.Sub, p.Mul, p.Div, p.FloorDiv, p.Remainder, p.Fmod, p.Maximum, p.Minimum, p.Neg, p.Abs, p.Sign,
    p.Floor, p.Ceil, p.Round, p.Trunc, p.IsNan, p.Equal, p.Less, p.LessEqual, p.And, p.Or, p.Xor, p.Not,
    p.ShiftLeft, p.ShiftRight, p.Select,
)  # fmt: skip
REAL = [of for of in d.ALL if of in REGISTER and not of.is_complex]


def numbers(of: dtype, seed: int = 0) -> np.ndarray:
    """Numbers of a dtype, the extreme ones among them."""
    rng = np.random.default_rng(seed)
    kind = numpy_dtype(of)
    if of is d.bool_:
        return rng.random(256) < 0.5
    if kind.kind in "iu":
        limits = np.iinfo(kind)
        special = np.array([0, 1, 2, 3, 7, 100, limits.max, limits.max - 1, limits.min], kind)
        return np.concatenate([special, rng.integers(limits.min, limits.max, 240, kind)])
    special = [
        0.0,
        -0.0,
        1,
        -1,
        0.5,
        1.5,
        2.5,
        -2.5,
        3.5,
        np.inf,
        -np.inf,
        np.nan,
        1e-40,
        1e-7,
        65504,
    ]
    special += [
        65519,
        65520,
        7e4,
        3.4e38,
        1e30,
        1 + 2**-8,
        1 + 2**-11,
        6e-8,
        2.9e-8,
        3e-8,
        1e-5,
        127.5,
    ]
    scaled = rng.standard_normal(400) * 10.0 ** rng.integers(-6, 6, 400)
    with np.errstate(all="ignore"):
        values = np.concatenate([special, scaled]).astype(kind)
    return round_bfloat16(values) if of is d.bfloat16 else values


def result_dtype(primitive: Any, dtypes: list[dtype], statics: dict[str, Any]) -> dtype:
    """The dtype that a primitive gives."""
    return primitive.infer(*[Type((1,), of, CPU) for of in dtypes], **statics)[1]


def both(
    primitive: Any, dtypes: list[dtype], statics: dict[str, Any], level: str
) -> tuple[Any, Any]:
    """Compiled and interpreted results for the same arrays."""
    arrays = [numbers(of, i) for i, of in enumerate(dtypes)]
    size = max(map(len, arrays)) + 37
    arrays = [np.resize(np.roll(a, 11 * i), size) for i, a in enumerate(arrays)]
    out = result_dtype(primitive, dtypes, statics)
    run = compiled(
        lambda b, *symbols: primitive.scalar(b, *symbols, **statics), dtypes, out, LEVELS[level]()
    )
    with np.errstate(all="ignore"):
        expected = scalar_function(primitive, tuple(dtypes), statics)(*arrays)
    return run(*arrays), expected


def arguments(primitive: Any, of: dtype) -> list[dtype]:
    """Dtypes of a primitive's arguments."""
    count = primitive.scalar.__code__.co_argcount - 1
    return [d.bool_, of, of] if primitive is p.Select else [of] * count


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("primitive", ARITHMETIC, ids=lambda primitive: primitive.name)
def test_arithmetic_is_exact(primitive: Any, level: str) -> None:
    tried = 0
    for of in REAL:
        dtypes = arguments(primitive, of)
        if of not in primitive.accepts or not supports(primitive, dtypes):
            continue
        tried += 1
        found, expected = both(primitive, dtypes, {}, level)
        np.testing.assert_array_equal(found, expected, err_msg=f"{primitive.name} of {of}")
    assert tried


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("of", REAL, ids=lambda of: of.name)
def test_conversions(of: dtype, level: str) -> None:
    for to in REAL:
        found, expected = both(p.Convert, [of], {"dtype": to}, level)
        np.testing.assert_array_equal(found, expected, err_msg=f"{of} to {to}")


@pytest.mark.parametrize(
    "of, to",
    [(d.float32, d.int32), (d.int32, d.float32), (d.float32, d.uint32), (d.uint32, d.float32),
     (d.float64, d.int64), (d.int64, d.float64), (d.float16, d.int16), (d.uint8, d.int8)],
)  # fmt: skip
def test_bits(of: dtype, to: dtype) -> None:
    for level in LEVELS:
        found, expected = both(p.Bitcast, [of], {"dtype": to}, level)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("divisor", [1, -1, 2, 3, -3, 7, 10, -128, 100])
def test_division_of_integers_by_a_known_number(divisor: int) -> None:
    for of in (d.int8, d.uint8, d.int16, d.int32, d.int64, d.uint32):
        if divisor < 0 and of.kind == "u":
            continue
        x = numbers(of)
        for primitive in (p.FloorDiv, p.Remainder, p.Fmod):
            assert supports(primitive, (of, of), constants=(None, divisor))
            run = compiled(
                lambda b, x, q=primitive: q.scalar(b, x, b.const(divisor, x.dtype)), [of], of
            )
            with np.errstate(all="ignore"):
                expected = scalar_function(primitive, (of, of), {})(x, np.full_like(x, divisor))
            np.testing.assert_array_equal(run(x), expected, err_msg=f"{primitive.name} {of}")


def test_what_stays_in_the_interpreter() -> None:
    assert not supports(p.FloorDiv, (d.int64, d.int64))
    assert not supports(p.FloorDiv, (d.int64, d.int64), constants=(None, 0))
    assert not supports(p.Add, (d.complex64, d.complex64))
    assert not supports(p.Mul, (d.complex64, d.complex64), constants=(None, 1j))
    assert not supports(p.Pow, (d.int32, d.int32))
    assert supports(p.Pow, (d.int32, d.int32), constants=(None, 3))
    assert supports(p.Sum, (d.float32,), {"axes": (0,)})
    assert not supports(p.ArgMax, (d.float32,), {"axes": (0,)})


def test_integers_to_a_known_power() -> None:
    for of in (d.uint8, d.int32, d.int64):
        x = numbers(of)
        for power in (0, 1, 2, 3, 10):
            run = compiled(lambda b, x, n=power: b.pow(x, n), [of], of)
            np.testing.assert_array_equal(run(x), np.power(x, power, dtype=x.dtype))


def test_numbers_take_the_dtype_that_they_meet() -> None:
    x = numbers(d.bfloat16)
    run = compiled(
        lambda b, x: b.select(b.less(x, 0.3), 0.1, b.mul(x, 3)), [d.bfloat16], d.bfloat16
    )
    with np.errstate(all="ignore"):
        expected = np.where(x < round_bfloat16(0.3), round_bfloat16(0.1), round_bfloat16(x * 3))
    np.testing.assert_array_equal(run(x), expected)


def test_every_element_wise_primitive_of_floats_compiles() -> None:
    for primitive in REGISTRY.values():
        if (
            primitive.kind != ELEMENTWISE
            or d.float32 not in primitive.accepts
            or primitive is p.Complex
        ):
            continue
        statics = {"dtype": d.int32} if "dtype" in primitive.statics else {}
        statics = {"order": 2} if "order" in primitive.statics else statics
        assert supports(primitive, arguments(primitive, d.float32), statics), primitive.name


def test_code_for_neon() -> None:
    def rule(b: Scalars, x: Any, y: Any) -> Any:
        return b.convert(b.max(b.add(x, y), b.floor(x)), d.float16)

    for of in (d.float16, d.bfloat16, d.float32):
        text = text_of(rule, [of, of], d.float16, AARCH64, AARCH64.lanes(4))
        code = jit.assembly(text, AARCH64)
        assert "fcmgt" in code and "\tbl\t" not in code  # vectors, and no library calls


@pytest.mark.parametrize("of", [d.float16, d.bfloat16], ids=lambda of: of.name)
def test_functions_of_halves(of: dtype) -> None:
    """The same within a unit in the last place of the format: both round a float's function, and functions differ."""
    near = {d.float16: 2.0**-10, d.bfloat16: 2.0**-7}[of]
    x = numbers(of)
    tried = 0
    for primitive in REGISTRY.values():
        if primitive.kind != ELEMENTWISE or of not in primitive.accepts or primitive in ARITHMETIC:
            continue
        if arguments(primitive, of) != [of] or primitive.statics:
            continue
        tried += 1
        found = compiled(primitive.scalar, [of], of)(x)
        with np.errstate(all="ignore"):
            expected = scalar_function(primitive, (of,), {})(x)
        tiny = 1e-7 if of is d.float16 else 1e-40
        np.testing.assert_allclose(found, expected, rtol=near, atol=tiny, err_msg=primitive.name)
    assert tried > 15


def test_a_constant_that_is_no_number() -> None:
    x = numbers(d.float32)
    for nan in (float("nan"), -float("nan")):
        for name in ("max", "min"):
            for swapped in (False, True):
                run = compiled(
                    lambda b, x, f=name, n=nan, s=swapped: getattr(b, f)(
                        *((n, x) if s else (x, n))
                    ),
                    [d.float32],
                    d.float32,
                )
                assert np.isnan(run(x)).all()
