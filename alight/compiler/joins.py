"""Joins: concatenations that have to lie in memory are put together where they lie.

In: a program. Out: the `concat` nodes of which the pieces' makers write straight into the result's memory, so that no
kernel copies them; and, once strides are known, where each piece lies. A piece that only stands here is the part of the
result itself; one that stands elsewhere too is written twice; one that no loop makes is copied.

    %3 = concat(%1, %2) axis=1; %4 = dot_general(%3, %0)   ->   %1 and %2 lie in columns of %3
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from alight.compiler.affine import row_major
from alight.ir.primitive import CREATE, MOVEMENT
from alight.ir.program import Node, Program
from alight.ir.types import Type

if TYPE_CHECKING:
    from alight.compiler.lower import Lowering

MANY_PIECES = 4  # from so many on, reading through a choice of pieces costs more than memory
MOST_PARTS = 3  # from which a loop over time chooses at every step
SMALL = 1024  # elements up to which such a choice is cheap
CONVOLUTIONS = frozenset({"conv", "conv_data", "conv_filter"})


def joined(
    program: Program, maker: Mapping[int, Node], users: Mapping[int, list[Node]], is_loop: Callable[[Node], bool]
) -> set[int]:  # fmt: skip
    """The results of the concatenations that are put together in place."""
    return {
        node.outputs[0]
        for node in program.nodes
        if node.primitive.name == "concat"
        and is_loop(node)
        and (len(node.inputs) >= MANY_PIECES or _is_made_here(program, node, maker, is_loop))
        and _lies_in_memory(program, node, users, is_loop)
    }


def copied(
    program: Program, users: Mapping[int, list[Node]], is_loop: Callable[[Node], bool], joined: set[int]
) -> set[int]:  # fmt: skip
    """The results of other concatenations that lie in memory: made by one kernel, and read by everybody."""
    return {
        node.outputs[0]
        for node in program.nodes
        if node.primitive.name == "concat"
        and node.outputs[0] not in joined
        and is_loop(node)
        and _lies_in_memory(program, node, users, is_loop)
    }


def _is_made_here(
    program: Program, node: Node, maker: Mapping[int, Node], is_loop: Callable[[Node], bool]
) -> bool:
    """Whether loops or products make at least half of it."""
    made = sum(
        program.types[i].size
        for i in node.inputs
        if i in maker and (_computes(maker[i], is_loop) or maker[i].primitive.name == "dot_general")
    )
    return 2 * made >= program.types[node.outputs[0]].size


def _computes(node: Node, is_loop: Callable[[Node], bool]) -> bool:
    return is_loop(node) and node.primitive.kind not in (MOVEMENT, CREATE)


def _lies_in_memory(
    program: Program, node: Node, users: Mapping[int, list[Node]], is_loop: Callable[[Node], bool]
) -> bool:
    """Whether it goes out, into a kernel of its own kind, or has more pieces than a loop would choose from."""
    out = node.outputs[0]
    heavy = False
    seen, todo = set(), [out]
    while todo:
        for user in users.get(todo.pop(), ()):
            if user.primitive.name in CONVOLUTIONS:
                return False  # these lay out what they read
            if user.primitive.kind == MOVEMENT and is_loop(user):
                fresh = [i for i in user.outputs if i not in seen]
                seen.update(fresh)
                todo.extend(fresh)
            heavy |= not is_loop(user) and not is_walked(node, user)
    many = len(node.inputs) >= MANY_PIECES and program.types[out].size > SMALL
    return out in program.outputs or heavy or many


def is_walked(node: Node, user: Node) -> bool:
    """Whether a concatenation is what a loop over time takes a step of at a time: that reads it where its parts are."""
    few = node.statics["axis"] == 0 and len(node.inputs) <= MOST_PARTS
    if user.primitive.name != "scan" or not few:
        return False
    whole = user.statics["carry_count"] + user.statics["constant_count"]
    return node.outputs[0] not in user.inputs[:whole]


def place_pieces(low: Lowering) -> None:
    """Say where the pieces of all joined values lie: `low.parts`, `low.also` and `low.left` are filled in."""
    for group in low.fusion.order:
        node = group.nodes[0]
        if node.outputs[0] not in low.fusion.joined:
            continue
        out, axis = node.outputs[0], node.statics["axis"]
        step, at = low.strides[out][axis], 0
        for value in node.inputs:
            of = low.types[value]
            _place(low, out, value, at * step * (low.bytes_of(of) // of.size))
            at += of.shape[axis]


def _place(low: Lowering, out: int, value: int, at: int) -> None:
    group = low.fusion.group_of.get(value)
    product = group is not None and group.alone and low.is_product(group.nodes[0])
    if group is None or (group.alone and not product):
        low.left.setdefault(out, []).append((value, at))
    elif _lies_here(low, out, value):
        low.parts[value] = (out, at)
        low.strides[value] = low.strides[out]
    else:
        made = low.new_value(low.types[value], low.strides[out])
        low.parts[made] = (out, at)
        low.also.setdefault(value, []).append(made)


def _lies_here(low: Lowering, out: int, value: int) -> bool:
    """Whether a piece needs no memory of its own: everybody who reads it takes it as it lies here."""
    fusion = low.fusion
    if value in low.parts or value in fusion.outputs:
        return False
    if any(
        fusion.group_of[user.outputs[0]].alone and user.primitive.name not in ("concat", "dot_general")
        for user in fusion.users[value]
        if user.outputs[0] in fusion.group_of
    ):  # fmt: skip
        return False
    heavy = any(
        home.alone and home.nodes[0].primitive.name != "concat"
        for home in fusion.using_groups(value)
    )
    return not heavy or is_dense(low.types[value], low.strides[out])


def is_dense(of: Type, strides: tuple[int, ...]) -> bool:
    """Whether elements lie in order without gaps."""
    return all(
        size == 1 or a == b
        for size, a, b in zip(of.shape, strides, row_major(of.shape), strict=True)
    )
