"""Errors and speed of the compiled mathematical functions: `python -m bench.vector_math [names] [--all] [--doubles]`.

Floats are compared with NumPy's function in float64, doubles with it in the longest format that NumPy has (80 bits on
x86); errors are in units in the last place of the result. With --all, every float there is is compared with the compiled
function of doubles, in compiled code (a few seconds); else one of every 1021.
"""

from __future__ import annotations

import argparse
import ctypes
import math
import time
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import scipy.special

from alight import dtypes
from alight.backends.cpu import jit, vector_math
from alight.backends.cpu.code import Code, vector
from alight.backends.cpu.formulas import Formulas
from alight.backends.cpu.scalars import Scalars, Symbol
from alight.backends.cpu.target import Target, host
from alight.backends.cpu.vector_math_circular import LIMITS
from alight.primitives import special

CHUNK = 1 << 17  # arguments at a time: they stay in the second-level cache
RUNS = 40


class Entry(NamedTuple):
    """A function, the range in which most of its interesting arguments lie, and NumPy's for comparison."""

    rule: Callable  # (b, x) -> symbol
    exact: Callable
    low: float
    high: float
    timed: float = (
        math.inf
    )  # the highest argument that is timed: processors are slow at subnormal results


def _own(name: str) -> Callable:
    return lambda b, x: Symbol(getattr(vector_math, name)(b.code, b.target, x.value), x.dtype)


def _error_function(name: str) -> Callable:
    """SciPy's for floats; for doubles our own in the longest format."""

    def exact(x: np.ndarray) -> np.ndarray:
        if x.dtype != np.longdouble:
            return getattr(scipy.special, name)(x)
        size = np.abs(x)
        tail = _tail(size)
        if name == "erfc":
            return np.where(x < 0, 2 - tail, tail)
        return np.copysign(np.where(size < 0.5, _erf_near_0(size), 1 - tail), x)

    return exact


@cache
def _erfcx_table(terms: int = 18) -> np.ndarray:
    """Taylor's coefficients of exp(x^2) erfc(x) in the middle of every sixteenth up to 29: y' = 2 x y - 2 / sqrt(pi)."""
    from mpmath import mp, mpf

    def rounded(value: Any) -> np.longdouble:
        first = float(value)
        return np.longdouble(first) + np.longdouble(float(value - mpf(first)))

    with mp.workdps(50):
        slope, rows = 2 / mp.sqrt(mp.pi), []
        for i in range(29 * 16):
            x = (mpf(i) + 0.5) / 16
            row = [mp.exp(x * x) * mp.erfc(x)]
            row.append(2 * x * row[0] - slope)
            for k in range(1, terms - 1):
                row.append((2 * x * row[k] + 2 * row[k - 1]) / (k + 1))
            rows.append([rounded(value) for value in row])
    return np.array(rows)


def _tail(x: np.ndarray) -> np.ndarray:
    """erfc(x) for x from 0 on, within 2 units of the longest format: exp(-x^2), in two factors, times Taylor's series."""
    given, x = x, np.minimum(np.nan_to_num(x), 28)
    place = (x * 16).astype(int)
    near = place.astype(np.longdouble) / 16
    rest, rows = x - near, _erfcx_table()[place]
    total = np.zeros_like(x)
    for column in rows.T[::-1]:
        total = total * (rest - np.longdouble(1 / 32)) + column
    tail = np.exp(-near * near) * np.exp(-rest * (x + near)) * total
    return np.where(given > 28, 0, np.where(np.isnan(given), given, tail))


def _erf_near_0(x: np.ndarray) -> np.ndarray:
    """2 x exp(-x^2) / sqrt(pi) times the sum of (2 x^2)^n / (1 3 5 ... (2n + 1)): no term is negative."""
    square, term = np.minimum(x, 1) ** 2, np.ones_like(x)
    total = term
    for n in range(1, 25):
        term = term * (2 * square / (2 * n + 1))
        total = total + term
    return x * (total * np.exp(-square) / np.sqrt(4 * np.arctan(np.longdouble(1))) * 2)


def _logistic(x):
    e = np.exp(-np.abs(x))
    return np.where(x < 0, e, 1) / (1 + e)


FUNCTIONS = {
    "exp": Entry(_own("exp"), np.exp, -80, 80),
    "expm1": Entry(_own("expm1"), np.expm1, -20, 80),
    "log": Entry(_own("log"), np.log, 0, 100),
    "log1p": Entry(_own("log1p"), np.log1p, -1, 10),
    "tanh": Entry(_own("tanh"), np.tanh, -10, 10),
    "sigmoid": Entry(_own("sigmoid"), _logistic, -80, 80),
    "erf": Entry(special.erf, _error_function("erf"), -4, 4),
    "erfc": Entry(special.erfc, _error_function("erfc"), -4, 27, timed=10),
    "sin": Entry(_own("sin"), np.sin, -1000, 1000),
    "cos": Entry(_own("cos"), np.cos, -1000, 1000),
    "tan": Entry(_own("tan"), np.tan, -1000, 1000),
    "asin": Entry(_own("asin"), np.arcsin, -1, 1),
    "acos": Entry(_own("acos"), np.arccos, -1, 1),
    "atan": Entry(_own("atan"), np.arctan, -10, 10),
    "sinh": Entry(_own("sinh"), np.sinh, -80, 80),
    "cosh": Entry(_own("cosh"), np.cosh, -80, 80),
    "asinh": Entry(_own("asinh"), np.arcsinh, -100, 100),
    "acosh": Entry(_own("acosh"), np.arccosh, 1, 100),
    "atanh": Entry(_own("atanh"), np.arctanh, -1, 1),
    "sqrt": Entry(_own("sqrt"), np.sqrt, 0, 100),
    "rsqrt": Entry(_own("rsqrt"), lambda x: 1 / np.sqrt(x), 0, 100),
}


def compiled(rule: Callable, of: dtypes.dtype, target: Target | None = None) -> Callable:
    """The rule as a function `run(x, out, repetitions)` of contiguous arrays of a multiple of the lanes."""
    target = target or host()
    code = Code("kernel", [("ptr", "x"), ("ptr", "y"), ("i64", "n"), ("i64", "repetitions")])
    b = Scalars(code, target)
    zero, lanes = code.integer(0), target.lanes(of.itemsize)
    type = vector("float" if of is dtypes.float32 else "double", lanes)
    with code.loop(zero, code["repetitions"]), code.loop(zero, code["n"], lanes) as i:
        x = Symbol(code.load(type, code.element(code["x"], i, of.itemsize)), of)
        code.store(rule(b, x).value, code.element(code["y"], i, of.itemsize))
    text = jit.module_text([code.finish()], code.declared.values(), target)
    module = jit.link(jit.object_code(text, target), ["kernel"])
    word = ctypes.c_int64
    call = ctypes.CFUNCTYPE(None, word, word, word, word)(module.addresses["kernel"])

    def run(x: np.ndarray, out: np.ndarray, repetitions: int = 1, keep: object = module) -> None:
        call(x.ctypes.data, out.ctypes.data, x.size, repetitions)

    return run


class Worst:
    """The largest error so far, and where."""

    def __init__(self) -> None:
        self.error, self.at, self.where, self.wrong = 0.0, math.nan, 0, 0

    def add(self, x: np.ndarray, found: np.ndarray, exact: np.ndarray) -> None:
        """Count wrong NaNs, and measure the rest; an infinity counts as the first number that is too large."""
        limits = np.finfo(found.dtype)
        wide = exact.dtype.type
        beyond = wide(2.0) ** (limits.maxexp - 1) * 2
        nan = np.isnan(exact)
        self.wrong += int(np.count_nonzero(nan != np.isnan(found)))
        found = np.clip(found.astype(exact.dtype), -beyond, beyond)
        clipped = np.clip(exact, -beyond, beyond)
        size = np.minimum(np.abs(clipped), beyond / 2)
        if wide is np.float64:  # without its fraction, a number is the power of 2 below it
            power = (size.view(np.int64) & (0x7FF << 52)).view(np.float64)
        else:
            power = np.ldexp(wide(1), np.frexp(size)[1] - 1)
        unit = np.maximum(power, wide(2) ** limits.minexp) * wide(2) ** -limits.nmant
        error = np.abs(found - clipped) / unit
        error[nan] = 0
        worst = int(np.nanargmax(error))
        if error[worst] > self.error:
            self.error, self.at, self.where = float(error[worst]), float(x[worst]), worst


def floats(every: int) -> Iterator[np.ndarray]:
    """One float of every so many, in chunks."""
    for first in range(0, 1 << 32, CHUNK * every):
        bits = np.arange(first, min(first + CHUNK * every, 1 << 32), every, np.uint64)
        yield np.resize(bits, -(-bits.size // 64) * 64).astype(np.uint32).view(np.float32)


def doubles(entry: Entry, share: int = 1, seed: int = 0) -> Iterator[np.ndarray]:
    """Random doubles: in the range, near 0, and of all magnitudes."""
    rng = np.random.default_rng(seed)
    count = CHUNK * 4 // share
    for _ in range(4):
        yield rng.uniform(entry.low, entry.high, count)
        yield rng.uniform(-1, 1, count)
        yield rng.standard_normal(count) * 2.0 ** rng.integers(-60, 20, count)
        yield rng.integers(0, 1 << 63, count, np.uint64).view(np.float64)
        yield -rng.integers(0, 1 << 63, count, np.uint64).view(np.float64)


def measured(
    name: str, of: dtypes.dtype, every: int = 1021, target: Target | None = None, share: int = 1
) -> Worst:
    """The largest error of a function."""
    entry, worst = FUNCTIONS[name], Worst()
    run = compiled(entry.rule, of, target)
    wide = np.float64 if of is dtypes.float32 else np.longdouble
    with np.errstate(all="ignore"):
        for x in floats(every) if of is dtypes.float32 else doubles(entry, share):
            found = np.empty_like(x)
            run(x, found)
            worst.add(x, found, entry.exact(x.astype(wide)))
    return worst


def checker(name: str) -> Callable:
    """Compiled code that takes the floats whose bits are in a range: `run(first, last, results)`.

    `results` gets the largest error and the number of wrong NaNs of each lane, as doubles.
    """
    target, of = host(), dtypes.float32
    count = target.lanes(4)
    code = Code("check", [("i64", "first"), ("i64", "last"), ("ptr", "results")])
    b, words = Scalars(code, target), vector("i32", count)
    f = Formulas(code, target, vector("double", count))
    worst, wrong = (code.variable(f.number(0.0).value) for _ in range(2))
    with code.loop(code["first"], code["last"], count) as i:
        start = code.op(f"trunc {i.typed} to i32", type="i32")
        bits = code.op("add", code.splat(start, words), code.lane_numbers(words))
        x = Symbol(code.cast("bitcast", bits, "float"), of)
        found = f.term(code.cast("fpext", FUNCTIONS[name].rule(b, x).value, "double"))
        wide = Symbol(code.cast("fpext", x.value, "double"), dtypes.float64)
        exact = f.term(FUNCTIONS[name].rule(b, wide).value)
        nan, found_nan = exact.differs(exact), found.differs(found)
        found, exact = (f.smaller(2.0**128, f.larger(-(2.0**128), one)) for one in (found, exact))
        size = f.smaller(2.0**127, f.call("fabs", exact))
        power = f.larger(2.0**-126, f.from_bits(f.bits(size) & (0x7FF << 52)))
        error = f.where(nan, 0.0, f.call("fabs", found - exact) * 2.0**23 / power)
        old = f.term(worst.get())
        worst.set(f.where(error > old, error, old).value)
        wrong.set((f.term(wrong.get()) + f.where(nan ^ found_nan, 1.0, 0.0)).value)
    code.store(worst.get(), code["results"])
    code.store(wrong.get(), code.element(code["results"], count, 8))
    text = jit.module_text([code.finish()], code.declared.values(), target)
    module = jit.link(jit.object_code(text, target), ["check"])
    call = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(module.addresses["check"])
    results = np.zeros((2, count))

    def run(first: int, last: int, keep: object = module) -> tuple[float, int]:
        call(first, last, results.ctypes.data)
        return float(results[0].max()), int(results[1].sum())

    return run


def exhaustive(name: str) -> Worst:
    """The largest error over all floats; for sin, cos and tan over those that are not left to the C library."""
    run, worst, part = checker(name), Worst(), 1 << 20
    limits = dict.fromkeys(("sin", "cos", "tan"), LIMITS["float"])
    for sign in (0, 1 << 31):
        highest = int(np.float32(limits[name]).view(np.uint32)) if name in limits else 1 << 31
        for first in range(sign, sign + highest, part):
            error, wrong = run(first, min(first + part, sign + highest))
            worst.wrong += wrong
            if error > worst.error:
                worst.error, worst.where = error, first
    x = np.arange(worst.where, worst.where + part, dtype=np.uint32).view(np.float32)
    found, place = np.empty_like(x), Worst()
    compiled(FUNCTIONS[name].rule, dtypes.float32)(x, found)
    with np.errstate(all="ignore"):
        place.add(x, found, FUNCTIONS[name].exact(x.astype(np.float64)))
    worst.at = place.at
    return worst


def nanoseconds(name: str, of: dtypes.dtype, count: int = 4096) -> tuple[float, float]:
    """Time of an element in the first-level cache: ours, and NumPy's."""
    entry = FUNCTIONS[name]
    run = compiled(entry.rule, of)
    kind = np.float32 if of is dtypes.float32 else np.float64
    high = min(entry.high, entry.timed)
    x = np.random.default_rng(0).uniform(entry.low, high, count).astype(kind)
    out, best, numpy_best = np.empty_like(x), math.inf, math.inf
    exact = entry.exact
    with np.errstate(all="ignore"):
        for _ in range(RUNS):
            start = time.perf_counter()
            run(x, out, 20)
            middle = time.perf_counter()
            exact(x)
            best = min(best, (middle - start) / 20)
            numpy_best = min(numpy_best, time.perf_counter() - middle)
    return best / count * 1e9, numpy_best / count * 1e9


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.vector_math", description=__doc__)
    parser.add_argument("names", nargs="*", default=list(FUNCTIONS))
    parser.add_argument("--all", action="store_true", help="every float")
    parser.add_argument("--doubles", action="store_true")
    args = parser.parse_args()
    of = dtypes.float64 if args.doubles else dtypes.float32
    print("| function | largest error, ulp | at | wrong NaNs | ns an element | NumPy, ns |")
    print("|---|---|---|---|---|---|")
    for name in args.names:
        worst = exhaustive(name) if args.all else measured(name, of)
        own, other = nanoseconds(name, of)
        print(
            f"| {name} | {worst.error:.3f} | {worst.at!r} | {worst.wrong} | {own:.2f} | {other:.2f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
