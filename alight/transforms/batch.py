"""Batching: from a program on single examples, the program that takes a whole batch at once (vmap).

In: a traced function, and which of its inputs come with a batch axis, always axis 0. Out: the function on batches, and
which of its outputs have that axis. Every kind of primitive has a rule; what no batched value reaches stays as it is.

    program(%0: f32[3], %1: f32[3]) {         program(%0: f32[8,3], %1: f32[3]) {
      %2: f32[3] = mul(%0, %1)        ->        %2: f32[1,3] = reshape(%1) ... %4: f32[8,3] = mul(%0, %3)
      return %2                                 return %4
    }                                         }
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from alight.errors import fail, not_implemented
from alight.ir.primitive import CREATE, ELEMENTWISE, OPAQUE, REDUCTION
from alight.ir.program import Builder, Node, Program, Value
from alight.ir.types import Type
from alight.primitives import Sum
from alight.primitives.arithmetic import broadcast
from alight.primitives.movement import Reshape
from alight.transforms.reverse import Region
from alight.transforms.traced import Traced, inline, rule_program

Batched = tuple[Value, bool]  # a value, and whether axis 0 is the batch
RuleOfBatch = Callable[["Batch", Node, list[Value], list[bool]], Any]

RULES: dict[str, RuleOfBatch] = {}  # by primitive; the rest by kind


def batch(
    traced: Traced, batched: Sequence[bool], size: int, randomness: str = "error"
) -> tuple[Traced, tuple[bool, ...]]:
    """The function on batches of `size` examples, and which outputs have a batch axis.

    Random bits: "different" for each example, the "same" for all, or an "error".
    """
    run = Batch(Builder(), size, randomness)
    held: dict[int, Batched] = {}
    for id, flag in zip(traced.inputs, batched, strict=True):
        type = traced.types[id]
        held[id] = run.builder.input(run.with_batch(type) if flag else type), flag
    starts = run.nodes(traced.nodes, held)
    regions = [
        _batched_region(region, traced, held, starts, size, randomness) for region in traced.regions
    ]
    blocked = frozenset(held[id][0].id for id in traced.blocked if id in held)
    builder = run.builder
    made = Traced(
        tuple(builder.types),
        tuple(builder.inputs),
        tuple(builder.nodes),
        tuple(held[id][0].id for id in traced.outputs),
        tuple(regions),
        blocked,
    )
    return made, tuple(held[id][1] for id in traced.outputs)


class Batch:
    """One pass over the nodes of a program."""

    def __init__(self, builder: Builder, size: int, randomness: str) -> None:
        self.builder, self.size, self.randomness = builder, size, randomness

    def with_batch(self, type: Type) -> Type:
        """A type with the batch axis in front."""
        return Type((self.size, *type.shape), type.dtype, type.device)

    def whole(self, value: Value, flag: bool) -> Value:
        """A value with the batch axis, repeated along it where it had none."""
        if flag:
            return value
        return broadcast(Reshape(value, shape=(1, *value.shape)), (self.size, *value.shape))

    def nodes(self, nodes: Sequence[Node], held: dict[int, Batched]) -> list[int]:
        """Emit each node on batches; where the nodes that stand for each old one begin."""
        starts = []
        with self.builder.active():
            for node in nodes:
                starts.append(len(self.builder.nodes))
                self.builder.line = node.line
                values = [held[i][0] for i in node.inputs]
                flags = [held[i][1] for i in node.inputs]
                results, results_batched = self.node(node, values, flags)
                for id, value, flag in zip(node.outputs, results, results_batched, strict=True):
                    held[id] = value, flag
        starts.append(len(self.builder.nodes))
        return starts

    def node(
        self, node: Node, values: list[Value], flags: list[bool]
    ) -> tuple[Sequence[Value], Sequence[bool]]:
        """One node: its outputs, and which have the batch axis."""
        primitive = node.primitive
        random = primitive.name == "random_bits" and self.randomness != "same"
        if not any(flags) and not random:
            out = primitive(*values, **node.statics)
            outs = out if isinstance(out, tuple) else (out,)
            return outs, [False] * len(outs)
        rule = RULES.get(primitive.name) or _BY_KIND.get(primitive.kind)
        if rule is None:
            not_implemented(f"vmap over {primitive.name}", "a loop over the examples")
        out = rule(self, node, values, flags)
        outs = out if isinstance(out, tuple) else (out,)
        return outs, [True] * len(outs)


def rule(*names: str) -> Callable[[RuleOfBatch], RuleOfBatch]:
    """Declare the rule of some primitives: it gives the outputs with the batch axis in front."""

    def declare(function: RuleOfBatch) -> RuleOfBatch:
        for name in names:
            RULES[name] = function
        return function

    return declare


# -- kinds whose primitives do not care how many axes there are --------------------------------------------------------


def _elementwise(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    whole = [batch.whole(value, flag) for value, flag in zip(values, flags, strict=True)]
    return node.primitive(*whole, **node.statics)


def _reduction(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    return node.primitive(values[0], axes=tuple(axis + 1 for axis in node.statics["axes"]))


def _create(batch: Batch, node: Node, values: list[Value], flags: list[bool]) -> Any:
    """RandomBits: its seed is one for all examples, and the bits of each go on where those of the last one end."""
    if batch.randomness == "error" or any(flags):
        fail(
            RuntimeError,
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
            "randomness flags on vmap or perform the randomness operation out of vmap",
        )
    statics = {**node.statics, "shape": (batch.size, *node.statics["shape"])}
    return node.primitive(*values, **statics)


_BY_KIND: dict[str, RuleOfBatch] = {
    ELEMENTWISE: _elementwise,
    REDUCTION: _reduction,
    CREATE: _create,
    OPAQUE: _elementwise,  # LAPACK: leading axes are a batch already; others have a rule of their own
}


# -- rules of gradients ------------------------------------------------------------------------------------------------


def _batched_region(
    region: Region,
    traced: Traced,
    held: dict[int, Batched],
    starts: list[int],
    size: int,
    randomness: str,
) -> Region:
    """An operation's gradient rule, carried over to batches."""
    out_flags = [held[i][1] for i in region.outputs]
    in_flags = [held[i][1] for i in region.inputs]

    def vjp(ct: Any, out: Any, *inputs: Value) -> tuple[Value | None, ...]:
        cts = ct if isinstance(ct, tuple) else (ct,)
        outs = out if isinstance(out, tuple) else (out,)
        program, given = rule_program(region, traced.types)
        flags = [*out_flags, *out_flags, *in_flags]
        whole, grad_flags = batch(_plain(program), flags, size, randomness)
        grads, _ = inline(inputs[0].builder, whole, [*cts, *outs, *inputs])
        found = iter(zip(grads, grad_flags, strict=True))
        return tuple(
            _fitted(*next(found), flag, size) if has else None
            for has, flag in zip(given, in_flags, strict=False)
        ) + (None,) * (len(inputs) - len(given))

    return Region(
        starts[region.start],
        starts[region.stop],
        tuple(held[i][0].id for i in region.inputs),
        tuple(held[i][0].id for i in region.outputs),
        vjp,
    )


def _fitted(grad: Value, grad_flag: bool, input_flag: bool, size: int) -> Value:
    """A gradient with a batch axis exactly where its input has one; that of what all examples share adds up."""
    if grad_flag and not input_flag:
        return Sum(grad, axes=(0,))
    if input_flag and not grad_flag:
        return broadcast(Reshape(grad, shape=(1, *grad.shape)), (size, *grad.shape))
    return grad


def _plain(program: Program) -> Traced:
    return Traced(program.types, program.inputs, program.nodes, program.outputs)


from alight.transforms import batch_rules  # noqa: E402, F401  (fills the table)
