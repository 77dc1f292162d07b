"""Scans: running results along one axis, and a loop with a body.

Cumulative primitives take `axis`; place j of the result depends on places 0..j of x. `Scan` repeats a program: the
recurrent networks are one node each, whatever their length.
"""

from __future__ import annotations

from math import inf
from typing import Any

from alight.dtypes import FLOAT, NUMERIC, ORDERED, dtype, int64
from alight.errors import internal
from alight.ir.primitive import SCAN, Primitive, same_type
from alight.ir.program import Builder, Program, Value, prune
from alight.ir.types import Shape, Type
from alight.primitives.arithmetic import constant, equal, where, zeros_like
from alight.primitives.elementwise import Conj
from alight.primitives.functions import Exp
from alight.primitives.gather import put_along
from alight.primitives.movement import Concat, Flip, Pad, Reshape, Slice

Pair = tuple[Shape, dtype]


class CumSum(Primitive):
    """Running sum along `axis`."""

    kind, statics, accepts = SCAN, ("axis",), NUMERIC
    infer = same_type

    def transpose(ct: Value, x: Value, *, axis: int) -> tuple[Value]:
        return (Flip(CumSum(Flip(ct, axes=(axis,)), axis=axis), axes=(axis,)),)


class CumProd(Primitive):
    """Running product along `axis`."""

    kind, statics, accepts = SCAN, ("axis",), NUMERIC
    infer = same_type

    def vjp(ct: Value, out: Value, x: Value, *, axis: int) -> tuple[Value]:
        # out_j = out_{j-1} x_j, so with g_j = ct_j + x_{j+1} g_{j+1} the gradient is out_{j-1} g_j: no division.
        if x.dtype.is_complex:
            out, x = Conj(out), Conj(x)
        before = _shift(out, 1, axis, 1)
        return (before * _recur_back(_shift_back(x, axis), ct, axis),)


class _Extremum(Primitive):
    """Common part of CumMax and CumMin: values, and where they were found."""

    kind, statics, accepts, outputs = SCAN, ("axis",), ORDERED, 2

    def infer(x: Type, *, axis: int) -> tuple[Pair, Pair]:
        return (x.shape, x.dtype), (x.shape, int64)

    def vjp(ct: Any, out: Any, x: Value, *, axis: int) -> tuple[Value]:
        return (put_along(ct[0], out[1], axis, x.shape),)


class CumMax(_Extremum):
    """Running maximum and its int64 index: the latest of equal elements; from a NaN on, NaN."""

    vjp = _Extremum.vjp


class CumMin(_Extremum):
    """Running minimum and its int64 index: the latest of equal elements; from a NaN on, NaN."""

    vjp = _Extremum.vjp


class LogCumSumExp(Primitive):
    """log of the running sum of exp(x) along `axis`, without overflow."""

    kind, statics, accepts = SCAN, ("axis",), FLOAT
    infer = same_type

    def vjp(ct: Value, out: Value, x: Value, *, axis: int) -> tuple[Value]:
        # The gradient is sum over j >= k of ct_j exp(x_k - out_j) = exp(x_k - out_k) g_k with
        # g_j = ct_j + exp(out_j - out_{j+1}) g_{j+1}: no factor is above 1.
        out = where(equal(out, -inf), 0, out)
        last = out.shape[axis] - 1
        ratio = Exp(_part(out, 0, last, axis) - _part(out, min(1, last + 1), last + 1, axis))
        high = tuple(out.shape[i] - ratio.shape[i] for i in range(out.ndim))
        ratio = Pad(ratio, low=(0,) * out.ndim, high=high)
        return (Exp(x - out) * _recur_back(ratio, ct, axis),)


def _part(x: Value, start: int, stop: int, axis: int) -> Value:
    """Places start to stop - 1 along `axis`."""
    starts, stops = [0] * x.ndim, list(x.shape)
    starts[axis], stops[axis] = start, max(stop, start)
    return Slice(x, starts=tuple(starts), stops=tuple(stops), steps=(1,) * x.ndim)


def _shift(x: Value, by: int, axis: int, fill: int) -> Value:
    """Place j holds x_{j - by}; `fill` comes in from the left."""
    by = min(by, x.shape[axis])
    low = tuple(by if i == axis else 0 for i in range(x.ndim))
    return Pad(
        _part(x, 0, x.shape[axis] - by, axis), constant(x, fill), low=low, high=(0,) * x.ndim
    )


def _shift_back(x: Value, axis: int) -> Value:
    """Place j holds x_{j + 1}; the last one holds 0."""
    return Flip(_shift(Flip(x, axes=(axis,)), 1, axis, 0), axes=(axis,))


def _recur_back(factor: Value, term: Value, axis: int) -> Value:
    """g with g_j = term_j + factor_j g_{j+1}, by doubling: log2(n) steps (Hillis and Steele 1986)."""
    a, b = Flip(factor, axes=(axis,)), Flip(term, axes=(axis,))
    step = 1
    while step < b.shape[axis]:
        b = b + a * _shift(b, step, axis, 0)
        a = a * _shift(a, step, axis, 0)
        step *= 2
    return Flip(b, axes=(axis,))


class Scan(Primitive):
    """Runs the program `body` `length` times, or from the last step to the first with `reverse`.

    Inputs are: carries, constants, and values whose axis 0 is cut into steps. The body maps carries, constants and one
    step's slices to the next carries and this step's results; the outputs are the last carries, then those results
    stacked along axis 0. The gradient runs the body again to get what its backward reads, unless that is among the
    results already (or is a carry whose next value is): a body that returns them is twice as fast to train.
    """

    kind, statics = SCAN, ("body", "length", "carry_count", "constant_count", "reverse")
    outputs = 0  # as many as `infer` says: always a tuple

    def infer(
        *inputs: Type,
        body: Program,
        length: int,
        carry_count: int,
        constant_count: int,
        reverse: bool,
    ) -> list[Pair]:
        whole = carry_count + constant_count
        steps = [Type(x.shape[1:], x.dtype, x.device) for x in inputs[whole:]]
        if any(x.shape[:1] != (length,) for x in inputs[whole:]):
            internal(f"a scan of length {length} over {inputs[whole:]}")
        if [body.types[i] for i in body.inputs] != [*inputs[:whole], *steps]:
            internal(f"a scan over {inputs} with a body of other inputs", body)
        results = [body.types[i] for i in body.outputs]
        if results[:carry_count] != list(inputs[:carry_count]):
            internal(f"carries {inputs[:carry_count]} come back changed", body)
        stacked = [((length, *type.shape), type.dtype) for type in results[carry_count:]]
        return [(type.shape, type.dtype) for type in results[:carry_count]] + stacked

    def vjp(ct: Any, out: Any, *inputs: Value, **statics: Any) -> tuple[Value | None, ...]:
        cts = ct if isinstance(ct, tuple) else (ct,)
        return _ScanBackward(cts, out, inputs, **statics).gradients()


class _ScanBackward:
    """The gradient of one Scan: a scan the other way round, with the body's own backward program as its body."""

    def __init__(
        self,
        cts: tuple[Value, ...],
        outs: tuple[Value, ...],
        inputs: tuple[Value, ...],
        *,
        body: Program,
        length: int,
        carry_count: int,
        constant_count: int,
        reverse: bool,
    ) -> None:
        from alight.transforms.reverse import (
            vjp_program,
        )  # above this layer: reached for when it runs

        self.cts, self.outs, self.inputs = cts, outs, inputs
        self.body, self.carry_count, self.constant_count = body, carry_count, constant_count
        self.rest = {"length": length, "constant_count": constant_count, "reverse": reverse}
        self.whole = carry_count + constant_count
        self.given = [n for n, i in enumerate(body.outputs) if self._differentiable(i)]
        wrt = [i for i in body.inputs if self._differentiable(i)]
        self.backward = vjp_program(body, [body.outputs[n] for n in self.given], wrt)

    def _differentiable(self, id: int) -> bool:
        return self.body.types[id].dtype.is_differentiable

    def _residuals(self) -> tuple[dict[int, Value], dict[int, Value]]:
        """What the body's backward reads: values that are constant over the steps, and values stacked by step."""
        inputs, body, count = self.inputs, self.body, self.carry_count
        place = {id: n for n, id in enumerate(body.inputs)}
        result = {id: self.outs[count + n] for n, id in enumerate(body.outputs[count:])}
        constants, stacks, missing = {}, {}, []
        for id in self.backward.residuals:
            n = place.get(id, -1)
            if count <= n < self.whole:
                constants[id] = inputs[n]
            elif n >= self.whole:
                stacks[id] = inputs[n]
            elif id in result:
                stacks[id] = result[id]
            elif 0 <= n < count and body.outputs[n] in result:
                stacks[id] = self._one_step_earlier(inputs[n], result[body.outputs[n]])
            else:
                missing.append(id)
        if missing:
            again = prune(
                Program(body.types, body.inputs, body.nodes, [*body.outputs[:count], *missing])
            )
            results = Scan(*inputs, body=again, carry_count=count, **self.rest)
            stacks.update(zip(missing, results[count:], strict=True))
        return constants, stacks

    def _one_step_earlier(self, first: Value, stack: Value) -> Value:
        """The carry that went into each step, from the first one and those that came out."""
        length, reverse = self.rest["length"], self.rest["reverse"]
        if length == 0:
            return stack
        part = _part(stack, 1, length, 0) if reverse else _part(stack, 0, length - 1, 0)
        one = Reshape(first, shape=(1, *first.shape))
        return Concat(part, one, axis=0) if reverse else Concat(one, part, axis=0)

    def gradients(self) -> tuple[Value | None, ...]:
        """The cotangents of all inputs of the scan."""
        body, reached = self.body, self.backward.reached
        if not reached:
            return (None,) * len(self.inputs)
        constants, stacks = self._residuals()
        carries = [n for n in self.given if n < self.carry_count]
        sums = [
            n for n in range(self.carry_count, self.whole) if body.inputs[n] in reached
        ]  # cotangents of constants add up over the steps
        steps = [n for n in range(self.whole, len(body.inputs)) if body.inputs[n] in reached]
        results = Scan(
            *(self.cts[n] for n in carries),
            *(zeros_like(self.inputs[n]) for n in sums),
            *constants.values(),
            *(self.cts[n] for n in self.given if n >= self.carry_count),
            *stacks.values(),
            body=self._step(carries, sums, steps, list(constants), list(stacks)),
            length=self.rest["length"],
            carry_count=len(carries) + len(sums),
            constant_count=len(constants),
            reverse=not self.rest["reverse"],
        )
        found = dict(zip([*carries, *sums, *steps], results, strict=True))
        return tuple(found.get(n) for n in range(len(self.inputs)))

    def _step(
        self,
        carries: list[int],
        sums: list[int],
        steps: list[int],
        constants: list[int],
        stacks: list[int],
    ) -> Program:
        """The backward body: carries' cotangents and sums, constants, results' cotangents and residuals."""
        body, builder = self.body, Builder()

        def enter(ids: list[int]) -> list[Value]:
            return [builder.input(body.types[id]) for id in ids]

        ct_of = dict(zip(carries, enter([body.inputs[n] for n in carries]), strict=True))
        held = enter([body.inputs[n] for n in sums])
        residual = dict(zip(constants, enter(constants), strict=True))
        results = [n for n in self.given if n >= self.carry_count]
        ct_of.update(zip(results, enter([body.outputs[n] for n in results]), strict=True))
        residual.update(zip(stacks, enter(stacks), strict=True))
        cts = [ct_of[n] for n in self.given]
        values = builder.inline(
            self.backward.program, [*cts, *(residual[id] for id in self.backward.residuals)]
        )
        grad = dict(zip(self.backward.reached, values, strict=True))
        back = [grad.get(body.inputs[n]) for n in carries]
        return builder.finish(
            [
                *(
                    ct if ct is not None else zeros_like(ct_of[n])
                    for n, ct in zip(carries, back, strict=True)
                ),
                *(old + grad[body.inputs[n]] for n, old in zip(sums, held, strict=True)),
                *(grad[body.inputs[n]] for n in steps),
            ]
        )
