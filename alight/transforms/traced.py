"""A recorded function: a program together with what reverse mode must know of it.

In: what a recorder has put on a tape. Out: something that transformations take and give, and that can be put on another
tape, where it is differentiated as if its steps had been recorded there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from alight.ir.program import Builder, Node, Program, Value
from alight.ir.types import Type
from alight.transforms.reverse import Region


class Traced(NamedTuple):
    """Nodes over values as in a program; `regions` count its nodes, nothing flows back through `blocked` values."""

    types: tuple[Type, ...]
    inputs: tuple[int, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[int, ...]
    regions: tuple[Region, ...] = ()
    blocked: frozenset[int] = frozenset()

    @property
    def program(self) -> Program:
        """The program alone."""
        return Program(self.types, self.inputs, self.nodes, self.outputs)


def inline(
    builder: Builder, traced: Traced, values: Sequence[Value]
) -> tuple[list[Value], list[int]]:
    """Append the nodes with `values` as inputs; the outputs, and the new number of each value."""
    ids = [-1] * len(traced.types)
    for old, new in zip(traced.inputs, values, strict=True):
        ids[old] = new.id
    for node in traced.nodes:
        for old in node.outputs:
            ids[old] = builder.add_value(traced.types[old]).id
        inputs = tuple(ids[i] for i in node.inputs)
        outputs = tuple(ids[i] for i in node.outputs)
        builder.nodes.append(
            Node(node.primitive, inputs, node.statics, outputs, node.line or builder.line)
        )
    return [builder.value(ids[i]) for i in traced.outputs], ids


def moved_regions(regions: Sequence[Region], first: int, ids: Sequence[int]) -> list[Region]:
    """Regions of nodes that now begin at number `first`, with values renumbered."""
    return [
        Region(
            region.start + first,
            region.stop + first,
            tuple(ids[i] for i in region.inputs),
            tuple(ids[i] for i in region.outputs),
            region.vjp,
        )
        for region in regions
    ]


def rule_program(region: Region, types: Sequence[Type]) -> tuple[Program, list[bool]]:
    """A region's rule as a program from cotangents, outputs and inputs to the gradients that there are."""
    builder = Builder()
    cts = tuple(builder.input(types[i]) for i in region.outputs)
    outs = tuple(builder.input(types[i]) for i in region.outputs)
    inputs = tuple(builder.input(types[i]) for i in region.inputs)
    one = len(outs) == 1
    with builder.active():
        grads: Any = region.vjp(cts[0] if one else cts, outs[0] if one else outs, *inputs)
    grads = grads if isinstance(grads, tuple) else (grads,)
    given = [grad is not None for grad in grads]
    return Program(
        builder.types, builder.inputs, builder.nodes, [g.id for g in grads if g is not None]
    ), given


Rule = Callable[..., Any]
