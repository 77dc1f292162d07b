"""Running results with NumPy's accumulate, and loops over a body that is compiled once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alight.backends.interpreter.arrays import Array, numpy_dtype
from alight.backends.interpreter.halves import in_single
from alight.backends.interpreter.kernels import Kernel, kernel
from alight.backends.interpreter.plan import compile_program
from alight.ir.types import Type

Types = Sequence[Type]
Statics = dict[str, Any]


def _running(ufunc: Any) -> Any:
    def make(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
        axis = statics["axis"]

        def run(x: Array) -> Array:
            if x.dtype == np.float32:  # every result as exact as the first ones
                return ufunc.accumulate(x, axis, dtype=np.float64).astype(np.float32)
            # The dtype is given because NumPy would widen small integers.
            return ufunc.accumulate(x, axis, dtype=x.dtype)

        return in_single(types_in, types_out, run)

    return make


kernel("cum_sum")(_running(np.add))
kernel("cum_prod")(_running(np.multiply))
kernel("log_cum_sum_exp")(_running(np.logaddexp))


@kernel("recurrence")
def recurrence(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """Place by place along the axis, all rows together; of float32 in float64, as running sums are."""
    axis, of = statics["axis"], numpy_dtype(types_out[0].dtype)

    def run(term: Array, factor: Array) -> Array:
        wide = np.float64 if term.dtype == np.float32 else term.dtype
        found = np.array(np.moveaxis(term, axis, 0), dtype=wide)
        factors = np.moveaxis(factor, axis, 0)
        for j in range(1, len(found)):
            found[j] += factors[j] * found[j - 1]
        return np.moveaxis(found, 0, axis).astype(of)

    return in_single(types_in, types_out, run)


def _running_extremum(ufunc: Any) -> Any:
    def make(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
        axis, shape = statics["axis"], types_in[0].shape
        places = np.arange(shape[axis]).reshape(-1, *(1,) * (len(shape) - axis - 1))

        def run(x: Array) -> tuple[Array, Array]:
            values = ufunc.accumulate(x, axis)
            hit = x == values
            if x.dtype.kind == "f":
                hit |= np.isnan(x)
            return values, np.maximum.accumulate(np.where(hit, places, 0), axis)

        return run

    return make


kernel("cum_max")(_running_extremum(np.maximum))
kernel("cum_min")(_running_extremum(np.minimum))


@kernel("scan")
def scan(types_in: Types, types_out: Types, statics: Statics) -> Kernel:
    """A Python loop over the body; its results are written into stacks as they come."""
    body, length, carry_count = statics["body"], statics["length"], statics["carry_count"]
    whole = carry_count + statics["constant_count"]
    step = compile_program(body, inner=True)
    order = range(length - 1, -1, -1) if statics["reverse"] else range(length)
    stack_types = [(type.shape, numpy_dtype(type.dtype)) for type in types_out[carry_count:]]

    def run(*inputs: Array) -> Any:
        carries: list[Any] = list(inputs[:carry_count])
        constants, slices = inputs[carry_count:whole], inputs[whole:]
        stacks = [np.empty(shape, of) for shape, of in stack_types]
        for t in order:
            results = step([*carries, *constants, *[x[t] for x in slices]])
            carries = results[:carry_count]
            for stack, result in zip(stacks, results[carry_count:], strict=True):
                stack[t] = result
        if not length:
            carries = [np.array(x) for x in carries]
        outs = (*carries, *stacks)
        return outs[0] if len(outs) == 1 else outs

    return run
