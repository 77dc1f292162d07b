"""Reverse mode: from the nodes of a forward program, the program that takes cotangents back.

In: nodes, the values whose cotangents are given, the values whose cotangents are wanted.
Out: a `Backward`: its program's inputs are the given cotangents, then residuals (values of the forward program that
the gradient rules read); its outputs are the cotangents of the wanted values that any given one depends on.

    program(%0: f32[2]) {                     program(%0: f32[2], %1: f32[2]) {
      %1: f32[2] = exp(%0)          ->          %2: f32[2] = mul(%0, %1)       # %0: cotangent, %1: residual exp(x)
      return %1                                 return %2
    }                                         }
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from alight.errors import InternalError, internal, not_implemented
from alight.ir.primitive import NONE
from alight.ir.program import Builder, Node, Program, Value, needed_nodes, prune
from alight.ir.types import Type
from alight.primitives import Concat, Conj, Pad
from alight.primitives.arithmetic import zeros_like


class Region(NamedTuple):
    """Nodes [start, stop) whose gradient is given as one rule: an operation with a better formula of its own."""

    start: int
    stop: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    vjp: Callable[
        ..., Any
    ]  # vjp(ct, out, *inputs): ct and out are tuples where there are several outputs


class Backward(NamedTuple):
    """A backward program and how its inputs and outputs go with the forward values."""

    program: Program
    residuals: tuple[int, ...]  # forward values, in the order of the inputs behind the cotangents
    reached: tuple[int, ...]  # forward values, in the order of the outputs
    readers: Mapping[
        int, tuple[int, ...]
    ]  # residual -> the forward nodes (by number) whose gradients read it
    complete: bool  # False where a rule raised an error, and that was let pass
    unswept: set[int]  # residuals that gradients flow through, but to which no cotangent came


def vjp_program(program: Program, outputs: Iterable[int], wrt: Iterable[int]) -> Backward:
    """The backward program of `program`, from cotangents of the values `outputs` to those of the values `wrt`."""
    return reverse(program.types, program.nodes, tuple(outputs), tuple(wrt))


def reverse(
    types: Sequence[Type],
    nodes: Sequence[Node],
    outputs: Sequence[int],
    wrt: Sequence[int],
    blocked: Collection[int] = (),
    regions: Sequence[Region] = (),
    also_needed: Sequence[Value] = (),
    lenient: bool = False,
) -> Backward:
    """Take cotangents of `outputs` back through `nodes` to `wrt`; nothing flows through `blocked` values.

    `also_needed` may grow while regions run: values whose residuals are wanted as well. With `lenient`, nothing flows
    through a step whose rule raises an error, either: it is for the backward pass to raise it.
    """
    active = active_values(types, nodes, wrt, blocked, regions)
    sweep = _Sweep(types, active)
    for value in outputs:
        sweep.give(value, sweep.builder.input(types[value]))
    region_ending = {region.stop: region for region in _outermost(regions)}
    i = len(nodes)
    with sweep.builder.active():
        while i > 0:
            region = region_ending.get(i)
            i = sweep.reader = i - 1 if region is None else region.start
            try:
                if region is not None:
                    sweep.region(region, nodes[i])
                else:
                    sweep.node(nodes[i], blocked)
            except RuntimeError as error:  # NotImplementedError is one
                if not lenient or isinstance(error, InternalError):
                    raise
                sweep.complete = False
    return sweep.finish(wrt, [value.id for value in also_needed])


def _outermost(regions: Sequence[Region]) -> list[Region]:
    """Regions that lie in no other: an operation's rule covers those of the operations it is made of."""
    found: list[Region] = []
    for region in sorted(regions, key=lambda one: (one.start, -one.stop)):
        if not found or region.stop > found[-1].stop:
            found.append(region)
    return found


def active_values(
    types: Sequence[Type],
    nodes: Sequence[Node],
    wrt: Sequence[int],
    blocked: Collection[int],
    regions: Sequence[Region],
    calls: Sequence[Any] = (),
) -> set[int]:
    """Values that depend on `wrt` through differentiable steps; `calls` are regions whose rule is Python code."""
    active = set(wrt)
    ends = {region.stop: region for region in (*regions, *calls)}
    for i, node in enumerate(nodes):
        if node.primitive.gradient != NONE and not active.isdisjoint(node.inputs):
            active.update(
                out
                for out in node.outputs
                if types[out].dtype.is_differentiable and out not in blocked
            )
        region = ends.get(i + 1)
        if region is not None and not active.isdisjoint(region.inputs):
            active.update(out for out in region.outputs if out not in blocked)
    return active


class _Sweep:
    """One pass over the nodes from last to first."""

    def __init__(self, types: Sequence[Type], active: set[int]) -> None:
        self.types, self.active = types, active
        self.builder = Builder()
        self.cotangents: dict[
            int, list[tuple[Value, Node | None]]
        ] = {}  # terms, with the Pad that made them
        self.primals: dict[tuple[int, int], Value] = {}  # (forward value, reader) -> its stand-in
        self.complete = True
        self.reader = -1  # number of the forward node at hand

    def primal(self, id: int) -> Value:
        """A stand-in for forward value `id`: an input that is dropped again if no formula reads it."""
        key = id, self.reader
        if key not in self.primals:
            self.primals[key] = self.builder.input(self.types[id])
        return self.primals[key]

    def give(self, id: int, ct: Value) -> None:
        """Add `ct` to the cotangent of `id`."""
        if ct.type != self.types[id]:
            internal(f"cotangent {ct.type} for a value of type {self.types[id]}")
        last = self.builder.nodes[-1] if self.builder.nodes else None
        pad = last if last is not None and last.primitive is Pad and ct.id in last.outputs else None
        self.cotangents.setdefault(id, []).append((ct, pad))

    def total(self, id: int) -> Value | None:
        """The cotangent of `id`: the sum of what has been given."""
        terms = self.cotangents.get(id)
        if terms is None:
            return None
        if len(terms) > 1:
            first, *others = _joined(terms)
            for other in others:
                first = first + other
            terms[:] = [(first, None)]
        return terms[0][0]

    def taken(self, outputs: tuple[int, ...]) -> Any:
        """Cotangents of a node's outputs: one value or a tuple, zeros where none came; None if none came at all."""
        if not any(out in self.cotangents and out in self.active for out in outputs):
            return None
        cts = []
        for out in outputs:
            ct = self.total(out)
            cts.append(zeros_like(self.primal(out)) if ct is None else ct)
        return cts[0] if len(cts) == 1 else tuple(cts)

    def node(self, node: Node, blocked: Collection[int]) -> None:
        """Apply the gradient rule of one node."""
        self.builder.line = node.line
        if self.active.isdisjoint(node.inputs) or not self.active.intersection(
            node.outputs
        ).difference(blocked):
            return
        ct = self.taken(node.outputs)
        if ct is None:
            return
        primitive = node.primitive
        inputs = [self.primal(i) for i in node.inputs]
        outs = [self.primal(i) for i in node.outputs]
        out = outs[0] if primitive.outputs == 1 and len(outs) == 1 else tuple(outs)
        if primitive.gradient == "partials":
            grads = [
                _scaled(ct, partial) for partial in primitive.partials(out, *inputs, **node.statics)
            ]
        elif primitive.gradient == "transpose":
            grads = primitive.transpose(ct, *inputs, **node.statics)
        elif primitive.gradient == "vjp":
            grads = primitive.vjp(ct, out, *inputs, **node.statics)
        else:
            not_implemented(f"the gradient of {primitive.name}", "detach() before it")
        self.hand_on(node.inputs, grads)

    def region(self, region: Region, first: Node) -> None:
        """Apply the rule of an operation to all its nodes at once."""
        self.builder.line = first.line
        if self.active.isdisjoint(region.inputs):
            return
        ct = self.taken(region.outputs)
        if ct is None:
            return
        outs = [self.primal(i) for i in region.outputs]
        inputs = [self.primal(i) for i in region.inputs]
        grads = region.vjp(ct, outs[0] if len(outs) == 1 else tuple(outs), *inputs)
        self.hand_on(region.inputs, grads if isinstance(grads, tuple) else (grads,))

    def hand_on(self, inputs: Sequence[int], grads: Iterable[Value | None]) -> None:
        """Give each differentiable input its share."""
        for id, grad in zip(inputs, grads, strict=True):
            if grad is not None and id in self.active:
                self.give(id, grad)

    def finish(self, wrt: Sequence[int], also_needed: Sequence[int]) -> Backward:
        """The pruned program, its inputs: cotangents, then only those primals that are read."""
        reached = tuple(dict.fromkeys(id for id in wrt if id in self.cotangents))
        with self.builder.active():
            outputs = [total.id for total in map(self.total, reached) if total is not None]
        kept = needed_nodes(self.builder.nodes, [*outputs, *also_needed])
        read = {i for node in kept for i in node.inputs} | {*outputs, *also_needed}
        readers: dict[int, list[int]] = {}
        first: dict[int, int] = {}  # forward value -> the stand-in that serves all its readers
        same: dict[int, int] = {}
        for (id, reader), value in self.primals.items():
            if value.id in read:
                readers.setdefault(id, []).append(reader)
                same[value.id] = first.setdefault(id, value.id)
        stand_ins = {value.id for value in self.primals.values()}
        given = [i for i in self.builder.inputs if i not in stand_ins]  # cotangents
        kept = [
            Node(primitive, tuple([same.get(i, i) for i in inputs]), statics, outs, line)
            for primitive, inputs, statics, outs, line in kept
        ]
        outputs = [same.get(i, i) for i in outputs]
        program = prune(Program(self.builder.types, [*given, *first.values()], kept, outputs))
        passed = self.active.difference(wrt, self.cotangents)
        return Backward(
            program,
            tuple(first),
            reached,
            {id: tuple(who) for id, who in readers.items()},
            self.complete,
            passed.intersection(first),
        )


def _joined(terms: Sequence[tuple[Value, Node | None]]) -> list[Value]:
    """The terms of a sum, where neighbouring slices that were padded with zeros have become one."""
    whole, parts = [], []
    for ct, pad in terms:
        axes = [i for i in range(ct.ndim) if pad and pad.statics["low"][i] + pad.statics["high"][i]]
        if pad is None or len(axes) != 1 or len(pad.inputs) != 1:
            whole.append(ct)
            continue
        (axis,) = axes
        start, stop = pad.statics["low"][axis], ct.shape[axis] - pad.statics["high"][axis]
        parts.append((axis, start, stop, ct, ct.builder.value(pad.inputs[0])))
    parts.sort(key=lambda part: part[:3])
    while parts:
        run = [parts.pop(0)]
        while parts and parts[0][:2] == (run[0][0], run[-1][2]):
            run.append(parts.pop(0))
        axis, start, _, ct, _ = run[0]
        if len(run) > 1:
            low = tuple(start if i == axis else 0 for i in range(ct.ndim))
            high = tuple(ct.shape[i] - run[-1][2] if i == axis else 0 for i in range(ct.ndim))
            ct = Pad(Concat(*(part[4] for part in run), axis=axis), low=low, high=high)
        whole.append(ct)
    return whole


def _scaled(ct: Value, partial: Value | int) -> Value:
    if isinstance(partial, int):
        return {1: lambda: ct, -1: lambda: -ct, 0: lambda: zeros_like(ct)}[partial]()
    return ct * (Conj(partial) if partial.dtype.is_complex else partial)
