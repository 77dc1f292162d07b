"""The scalar instructions of element-wise primitives, as NumPy ufuncs.

`scalar_function` traces a primitive's `scalar` rule once and returns a function of arrays: a single ufunc where the
rule is one instruction.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np

from alight.backends.interpreter.arrays import number_of, numpy_dtype, round_bfloat16
from alight.backends.interpreter.steps import Step, execute, step, writing
from alight.dtypes import bfloat16, bool_, dtype
from alight.errors import fail


def _floordiv(x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu" and not np.all(y):
        fail(RuntimeError, "ZeroDivisionError")
    return np.floor_divide(x, y)


def _mod(x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu" and not np.all(y):
        fail(RuntimeError, "ZeroDivisionError")
    return np.remainder(x, y)


def _fmod(x: Any, y: Any) -> Any:
    if x.dtype.kind in "iu" and not np.all(y):
        fail(RuntimeError, "ZeroDivisionError")
    return np.fmod(x, y)


def _sign(x: Any) -> Any:
    if x.dtype.kind == "c":
        size = np.abs(x)
        return np.where(size == 0, 0, x / np.where(size == 0, 1, size)).astype(x.dtype)
    if x.dtype.kind == "f":
        return np.where(np.isnan(x), 0, np.sign(x)).astype(x.dtype)
    return np.sign(x)


def _sigmoid(x: Any) -> Any:
    half = x.dtype == np.float16  # whose exp(12) is infinite already
    total = np.exp(np.negative(x.astype(np.float32) if half else x))
    total = total + 1
    found = np.divide(1, total, dtype=total.dtype)
    return found.astype(np.float16) if half else found


def _pow(x: Any, y: Any) -> Any:
    if x.dtype.kind == "i" and np.any(y < 0):
        # Whole numbers: 1 / x rounds to 0 unless x is 1 or -1.
        whole = np.power(x, np.maximum(y, 0))
        reciprocal = np.where(x == 1, 1, np.where(x == -1, np.where(y % 2 == 0, 1, -1), 0))
        return np.where(y < 0, reciprocal, whole).astype(x.dtype)
    return np.power(x, y)


UFUNCS: dict[str, Callable[..., Any]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.true_divide, "floordiv": _floordiv, "mod": _mod,
    "fmod": _fmod, "pow": _pow, "max": np.maximum, "min": np.minimum, "atan2": np.arctan2, "neg": np.negative,
    "abs": np.abs, "sign": _sign, "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "sqrt": np.sqrt,
    "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan,
    "sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh,
    "sigmoid": _sigmoid,
    "floor": np.floor, "ceil": np.ceil, "round": np.rint, "trunc": np.trunc, "equal": np.equal, "less": np.less,
    "lessequal": np.less_equal, "and_": np.bitwise_and, "or_": np.bitwise_or, "xor": np.bitwise_xor,
    "not_": np.invert, "shl": np.left_shift, "shr": np.right_shift, "select": np.where, "conj": np.conj,
    "isnan": np.isnan, "real": lambda x: x.real.copy(), "imag": lambda x: x.imag.copy(),
}  # fmt: skip
_BOOL_RESULT = {"equal", "less", "lessequal", "isnan"}
_WHOLE = {"floor", "ceil", "round", "trunc"}  # nothing to do for integers


class Symbol:
    """A scalar of the trace: a number of its place, and its dtype."""

    __slots__ = ("dtype", "place")

    def __init__(self, place: int, of: dtype) -> None:
        self.place, self.dtype = place, of


class Trace:
    """Records the instructions of a scalar rule: (function, places of the arguments, place of the result)."""

    def __init__(self, dtypes: Sequence[dtype]) -> None:
        self.symbols = [Symbol(i, of) for i, of in enumerate(dtypes)]
        self.dtypes = list(dtypes)  # of every place
        self.steps: list[tuple[Callable[..., Any], tuple[int, ...], int]] = []
        self.constants: dict[int, Any] = {}  # place -> NumPy scalar

    def symbol(self, of: dtype) -> Symbol:
        """A new place."""
        self.dtypes.append(of)
        return Symbol(len(self.dtypes) - 1, of)

    def emit(self, function: Callable[..., Any], arguments: Sequence[Any], of: dtype) -> Symbol:
        """One instruction."""
        like = next((a for a in arguments if isinstance(a, Symbol) and a.dtype is not bool_), None)
        places = tuple(self.place(a, like) for a in arguments)
        result = self.symbol(of)
        self.steps.append((function, places, result.place))
        return result

    def place(self, argument: Any, like: Symbol | None) -> int:
        """The place of a symbol, or of a Python number met in a formula."""
        if isinstance(argument, Symbol):
            return argument.place
        assert like is not None
        return self.const(argument, like.dtype).place

    def const(self, value: Any, of: dtype) -> Symbol:
        """A number of a dtype."""
        result = self.symbol(of)
        self.constants[result.place] = number_of(of)(value)
        return result

    def convert(self, x: Symbol, to: dtype) -> Symbol:
        """x as another dtype."""
        return self.emit(_converter(x.dtype, to), [x], to)

    def bitcast(self, x: Symbol, to: dtype) -> Symbol:
        """The bits of x as another dtype."""
        target = numpy_dtype(to)
        return self.emit(lambda a: np.array(a).view(target), [x], to)

    def complex(self, x: Symbol, y: Symbol) -> Symbol:
        """x + iy."""
        of = x.dtype.to_complex()
        target = numpy_dtype(of)

        def join(a: Any, b: Any) -> Any:
            result = np.empty(np.broadcast(a, b).shape, target)
            result.real, result.imag = a, b
            return result

        return self.emit(join, [x, y], of)

    def __getattr__(self, name: str) -> Callable[..., Symbol]:
        function = UFUNCS[name]

        def instruction(*arguments: Any) -> Symbol:
            first = next(a for a in arguments if isinstance(a, Symbol))
            of = first.dtype
            if name == "select":
                of = next(a for a in arguments[1:] if isinstance(a, Symbol)).dtype
            elif name in _BOOL_RESULT:
                of = bool_
            elif name in ("abs", "real", "imag"):
                of = of.to_real()
            elif name in _WHOLE and of.kind in "ui":
                return first
            if first.dtype is bool_ and name in ("max", "min"):
                return self.emit(np.logical_or if name == "max" else np.logical_and, arguments, of)
            run = function
            if of is bfloat16:
                run = _rounding(function)
            return self.emit(run, arguments, of)

        return instruction


def _rounding(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arrays: round_bfloat16(function(*arrays))


@cache
def _converter(of: dtype, to: dtype) -> Callable[..., Any]:
    target = numpy_dtype(to)
    if of.is_complex and not to.is_complex and to is not bool_:
        of_real = _converter(of.to_real(), to)
        return lambda x: of_real(x.real)
    if to is bfloat16:
        return lambda x: round_bfloat16(np.asarray(x).astype(np.float32))
    if to is bool_:
        return lambda x: np.not_equal(x, 0)
    if of.is_floating_point and to.kind == "u":  # negative numbers wrap, as on x86
        return lambda x: np.asarray(x).astype(np.int64).astype(target)
    return lambda x: x.astype(target)


def scalar_function(
    primitive: Any, dtypes: tuple[dtype, ...], statics: dict[str, Any]
) -> Callable[..., Any]:
    """A primitive's scalar rule on these dtypes, as a function of arrays; its result is memory of its own."""
    return _scalar_function(primitive, dtypes, tuple(sorted(statics.items())) if statics else ())


@cache
def _scalar_function(
    primitive: Any, dtypes: tuple[dtype, ...], statics: tuple[tuple[str, Any], ...]
) -> Callable[..., Any]:
    trace = Trace(dtypes)
    result = primitive.scalar(trace, *trace.symbols, **dict(statics))
    steps = trace.steps
    if result.place not in [out for _, _, out in steps]:  # an argument or a constant
        result = trace.emit(np.array, [result], result.dtype)
    if len(steps) == 1 and steps[0][1] == tuple(range(len(dtypes))):
        return steps[0][0]
    if len(dtypes) == 1:
        return _function_of_one(trace, result)
    plain, template = _placed(trace, result, reuse=False)

    def run(*arrays: Any) -> Any:
        env = [*arrays, *template]
        execute(plain, env)
        return env[-1]

    return run


def _placed(trace: Trace, result: Symbol, reuse: bool) -> tuple[list[Step], list[Any]]:
    """The trace as steps, and what their list of places holds behind the arguments; the result comes last in it.

    With `reuse`, an instruction writes over a temporary that it reads for the last time.
    """
    count, first = len(trace.dtypes), len(trace.symbols)
    last = {i: at for at, (_, arguments, _) in enumerate(trace.steps) for i in arguments}
    last[result.place] = len(trace.steps)
    place = list(range(count))
    place[result.place] = count
    fresh: set[int] = set()
    steps = []
    for at, (function, arguments, out) in enumerate(trace.steps):
        target = numpy_dtype(trace.dtypes[out])
        spare = [
            i for i in arguments
            if i in fresh and last[i] == at and numpy_dtype(trace.dtypes[i]) == target
        ]  # fmt: skip
        inputs = arguments
        if reuse and spare and isinstance(function, np.ufunc):
            function, inputs = writing(function), (*arguments, spare[0])
        fresh.difference_update(spare[:1])
        fresh.add(out)
        steps.append(step(function, [place[i] for i in inputs], place[out]))
    template = [trace.constants.get(i) for i in range(first, count)]
    return steps, [*template, None]


BLOCK = 1 << 15  # elements: the temporaries of a block stay in a core's second-level cache


def _function_of_one(trace: Trace, result: Symbol) -> Callable[[Any], Any]:
    """A rule of one argument, run block by block so that its temporaries stay in cache."""
    plain, template = _placed(trace, result, reuse=False)
    reusing, _ = _placed(trace, result, reuse=True)
    target = numpy_dtype(result.dtype)

    def part(x: Any) -> Any:
        env = [x, *template]
        execute(reusing if x.ndim else plain, env)
        return env[-1]

    def run(x: Any) -> Any:
        if x.size <= BLOCK:
            return part(x)
        out = np.empty(x.shape, target)
        flat, line = out.reshape(-1), x.reshape(-1)
        for start in range(0, x.size, BLOCK):
            flat[start : start + BLOCK] = part(line[start : start + BLOCK])
        return out

    return run
