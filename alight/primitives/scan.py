"""Scans: running results along one axis, and a loop with a body.

Cumulative primitives take `axis`; place j of the result depends on places 0..j of x. `Scan` repeats a program: the
recurrent networks are one node each, whatever their length.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from math import inf
from typing import Any

from alight.dtypes import COMPLEX, FLOAT, NUMERIC, ORDERED, dtype, int64
from alight.errors import internal
from alight.ir.primitive import SCAN, Primitive, same_type
from alight.ir.program import Builder, Node, Program, Value, prune
from alight.ir.types import Shape, Type
from alight.primitives.arithmetic import constant, equal, where, zeros_like
from alight.primitives.contraction import DotGeneral
from alight.primitives.create import Full
from alight.primitives.elementwise import Add, Conj, Mul, Neg, Sub
from alight.primitives.functions import Exp
from alight.primitives.gather import put_along
from alight.primitives.movement import Concat, Expand, Flip, Pad, Permute, Reshape, Slice
from alight.primitives.reduction import Sum

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
    """g with g_j = term_j + factor_j g_{j+1}."""
    term, factor = Flip(term, axes=(axis,)), Flip(factor, axes=(axis,))
    return Flip(Recurrence(term, factor, axis=axis), axes=(axis,))


class Recurrence(Primitive):
    """g along `axis` with g_j = term_j + factor_j g_{j-1}; the first factor counts for nothing."""

    kind, statics, accepts = SCAN, ("axis",), FLOAT | COMPLEX

    def infer(term: Type, factor: Type, *, axis: int) -> Pair:
        if term != factor:
            internal(f"a recurrence of {term} with {factor}")
        return term.shape, term.dtype

    def vjp(ct: Value, out: Value, term: Value, factor: Value, *, axis: int) -> tuple[Value, Value]:
        if ct.dtype.is_complex:
            out, factor = Conj(out), Conj(factor)
        summed = _recur_back(_shift_back(factor, axis), ct, axis)
        return summed, summed * _shift(out, 1, axis, 0)


class Scan(Primitive):
    """Runs the program `body` `length` times, or from the last step to the first with `reverse`.

    Inputs are: carries, constants, and values whose axis 0 is cut into steps. The body maps carries, constants and one
    step's slices to the next carries and this step's results; the outputs are the last carries, then those results
    stacked along axis 0. The gradient runs the body again to get what its backward reads, unless that is among the
    results already (or is a carry whose next value is): a body that returns them (`training_body`) is twice as fast to
    train.
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
    """The gradient of one Scan: a scan the other way round, with the body's own backward program as its body.

    Sums over the steps that are linear in what the steps have (the gradient of a weight is one) are taken after the
    loop, in one product over stacks.
    """

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
        self.given = [
            n
            for n, i in enumerate(body.outputs)
            if _is_differentiable(body, i) and (n < carry_count or not _is_zeros(cts[n]))
        ]
        wrt = [i for i in body.inputs if _is_differentiable(body, i)]
        self.backward = vjp_program(body, [body.outputs[n] for n in self.given], wrt)
        self.producers = {i: node for node in self.backward.program.nodes for i in node.outputs}

    def _residuals(self) -> tuple[dict[int, Value], dict[int, Value]]:
        """What the body's backward is made from: constants over the steps, and stacks with an element for each step."""
        inputs, body, count = self.inputs, self.body, self.carry_count
        place = {id: n for n, id in enumerate(body.inputs)}
        result = {id: self.outs[count + n] for n, id in enumerate(body.outputs[count:])}
        constants, stacks, missing = {}, {}, []
        for id in _sources(body, count, self.backward.residuals)[0]:
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
        one = Reshape(first, shape=(1, *first.shape))
        if length == 1:
            return one
        part = _part(stack, 1, length, 0) if reverse else _part(stack, 0, length - 1, 0)
        return Concat(part, one, axis=0) if reverse else Concat(one, part, axis=0)

    def gradients(self) -> tuple[Value | None, ...]:
        """The cotangents of all inputs of the scan."""
        body, reached = (
            self.body,
            dict(zip(self.backward.reached, self.backward.program.outputs, strict=True)),
        )
        if not reached:
            return (None,) * len(self.inputs)
        constants, stacks = self._residuals()
        carries = [n for n in self.given if n < self.carry_count]
        in_reach = [
            n for n in range(self.carry_count, len(body.inputs)) if body.inputs[n] in reached
        ]
        after = {  # cotangents of constants add up over the steps: after the loop where that is one operation
            n: reached[body.inputs[n]]
            for n in in_reach
            if n < self.whole and self._summands(reached[body.inputs[n]]) is not None
        }
        sums = [n for n in in_reach if n < self.whole and n not in after]
        steps = [n for n in in_reach if n >= self.whole]
        summands = list(dict.fromkeys(i for id in after.values() for i in self._summands(id) or ()))
        results = Scan(
            *(self.cts[n] for n in carries),
            *(zeros_like(self.inputs[n]) for n in sums),
            *constants.values(),
            *(self.cts[n] for n in self.given if n >= self.carry_count),
            *stacks.values(),
            body=self._step(carries, sums, steps, list(constants), list(stacks), summands),
            length=self.rest["length"],
            carry_count=len(carries) + len(sums),
            constant_count=len(constants),
            reverse=not self.rest["reverse"],
        )
        names = [*carries, *sums, *steps]
        found = dict(zip(names, results, strict=False))
        stacked = dict(zip(summands, results[len(names) :], strict=True))
        found.update({n: self._sum_over_steps(id, stacked) for n, id in after.items()})
        return tuple(found.get(n) for n in range(len(self.inputs)))

    # -- sums over the steps -------------------------------------------------------------------------------------------

    def _summands(self, id: int) -> list[int] | None:
        """Values of the backward program whose stacks give the sum of `id` over the steps; None where it has to run."""
        node = self.producers.get(id)
        if node is None:
            return None
        if node.primitive in (Permute, Reshape):
            return self._summands(node.inputs[0])
        if node.primitive is Sum or (
            node.primitive is DotGeneral
            and node.statics["batch"] == ((), ())
            and not self._constants().intersection(node.inputs)
        ):
            return list(node.inputs)
        return None

    def _constants(self) -> set[int]:
        """Residuals of the backward program that are the same at every step."""
        fixed = set(self.body.inputs[self.carry_count : self.whole])
        count = len(self.given)
        ids = self.backward.program.inputs[count:]
        return {i for i, id in zip(ids, self.backward.residuals, strict=True) if id in fixed}

    def _sum_over_steps(self, id: int, stacked: dict[int, Value]) -> Value:
        """The sum of `id` over the steps, from the stacks of its summands."""
        node = self.producers[id]
        if node.primitive is Sum:
            axes = (0, *(axis + 1 for axis in node.statics["axes"]))
            return Sum(stacked[node.inputs[0]], axes=axes)
        if node.primitive is DotGeneral:
            x, y = ((0, *(axis + 1 for axis in axes)) for axes in node.statics["contract"])
            left, right = (stacked[i] for i in node.inputs)
            return DotGeneral(left, right, batch=((), ()), contract=(x, y))
        inside: Value = node.primitive(
            self._sum_over_steps(node.inputs[0], stacked), **node.statics
        )
        return inside

    def _step(
        self,
        carries: list[int],
        sums: list[int],
        steps: list[int],
        constants: list[int],
        stacks: list[int],
        summands: list[int],
    ) -> Program:
        """The backward body: carries' cotangents and sums, constants, results' cotangents and residuals."""
        body, builder = self.body, Builder()

        def enter(ids: list[int]) -> list[Value]:
            return [builder.input(body.types[id]) for id in ids]

        ct_of = dict(zip(carries, enter([body.inputs[n] for n in carries]), strict=True))
        held = enter([body.inputs[n] for n in sums])
        source = dict(zip(constants, enter(constants), strict=True))
        results = [n for n in self.given if n >= self.carry_count]
        ct_of.update(zip(results, enter([body.outputs[n] for n in results]), strict=True))
        source.update(zip(stacks, enter(stacks), strict=True))
        ids, nodes = _sources(body, self.carry_count, self.backward.residuals)
        made = Program(body.types, ids, nodes, self.backward.residuals)
        residuals = builder.inline(made, [source[id] for id in ids])
        program = self.backward.program
        more = Program(program.types, program.inputs, program.nodes, [*program.outputs, *summands])
        values = builder.inline(more, [*(ct_of[n] for n in self.given), *residuals])
        grad = dict(zip(self.backward.reached, values, strict=False))
        back = [grad.get(body.inputs[n]) for n in carries]
        return builder.finish(
            [
                *(
                    ct if ct is not None else zeros_like(ct_of[n])
                    for n, ct in zip(carries, back, strict=True)
                ),
                *(old + grad[body.inputs[n]] for n, old in zip(sums, held, strict=True)),
                *(grad[body.inputs[n]] for n in steps),
                *values[len(program.outputs) :],
            ]
        )


def training_body(body: Program, carry_count: int, constant_count: int) -> Program:
    """A body of Scan that also returns, behind its results, whatever its backward reads and nothing else holds."""
    from alight.transforms.reverse import vjp_program

    outputs = [i for i in body.outputs if _is_differentiable(body, i)]
    wrt = [i for i in body.inputs if _is_differentiable(body, i)]
    read = _sources(body, carry_count, vjp_program(body, outputs, wrt).residuals)[0]
    next_of = dict(zip(body.inputs[:carry_count], body.outputs, strict=False))
    fixed = set(body.inputs[carry_count:])
    more = dict.fromkeys(next_of.get(id, id) for id in read if id not in fixed)
    known = set(body.outputs[carry_count:])
    return Program(
        body.types,
        body.inputs,
        body.nodes,
        [*body.outputs, *(id for id in more if id not in known)],
    )


_MOVED = (Slice, Reshape, Permute, Expand, Full)
_CHEAP = (Add, Sub, Mul, Neg)


def _is_differentiable(body: Program, id: int) -> bool:
    return body.types[id].dtype.is_differentiable


def _is_zeros(ct: Value) -> bool:
    """Whether a cotangent is the zeros that stand for none."""
    for node in reversed(ct.builder.nodes):
        if ct.id in node.outputs:
            return node.primitive is Full and node.statics["value"] == 0
    return False


def _sources(
    body: Program, carry_count: int, residuals: Sequence[int]
) -> tuple[list[int], list[Node]]:
    """Values that `residuals` follow from without much arithmetic, and how they follow.

    That is a slice from what it is cut from, and what a sum or two makes of values that are held anyway.
    """
    producers = {i: node for node in body.nodes for i in node.outputs}
    held = {*body.inputs, *body.outputs[carry_count:]}

    def roots(ids: Iterable[int], through: Collection[int]) -> tuple[dict[int, None], set[int]]:
        """Where movement, and the values in `through`, come from; all that was passed."""
        found: dict[int, None] = {}
        passed: set[int] = set()
        todo = list(ids)
        while todo:
            id = todo.pop(0)
            node = producers.get(id)
            if node is None or id in held or not (node.primitive in _MOVED or id in through):
                found[id] = None
            elif id not in passed:
                passed.add(id)
                todo.extend(node.inputs)
        return found, passed

    plain, _ = roots(residuals, ())
    carried = {
        i for i, out in zip(body.inputs[:carry_count], body.outputs, strict=False) if out in held
    }
    at_hand = {*body.inputs[carry_count:], *body.outputs[carry_count:], *carried}
    at_hand |= {id for id in plain if id in held or producers[id].primitive not in _CHEAP}
    through: set[int] = set()
    for node in body.nodes:
        inside = node.primitive in _MOVED or node.primitive in _CHEAP
        if inside and all(i in at_hand or i in through for i in node.inputs):
            through.update(node.outputs)
    found, passed = roots(residuals, through)
    return list(found), [node for node in body.nodes if passed.intersection(node.outputs)]
