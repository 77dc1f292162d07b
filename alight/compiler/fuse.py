"""Fuse: which nodes share a kernel, and which values lie in memory.

In: a program. Out: groups in an order in which they can run, and the set of values that are stored. A group of loops
has one full shape S and at most one set of reduced axes A: its nodes have the shape S, or S without A, or reduce S
over A. So a softmax, a normalisation, or a loss with its gradient is one group, in two or three passes over A.

    %1 = exp(%0); %2 = sum(%1) axes=(1,); %3 = div(%1, expand(reshape(%2)))   ->   one group, S = %0's shape, A = (1,)

Movement belongs to no group: it is arithmetic on coordinates where its result is used. What costs next to nothing to
compute again is computed again rather than stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from math import prod

from alight.compiler.joins import copied, joined
from alight.compiler.trace import REDUCTIONS, RULES, window_inputs
from alight.errors import internal
from alight.ir.primitive import CREATE, ELEMENTWISE, MOVEMENT
from alight.ir.program import Node, Program
from alight.ir.types import Shape

Supports = Callable[[Node, Program], bool]

# Movement that is free, and creation: nodes that every user computes for itself.
FREE = frozenset({"full", "iota", "windows", "dynamic_slice"})
DEAR = frozenset({"window_arg_max"})
CHEAP_COST = 6  # elementary steps up to which a value is computed again in another kernel
MOST_NODES = 64  # of one group: its values live in registers
SMALL = 1 << 12  # elements up to which groups are merged for the sake of fewer kernels alone
COSTS = {
    "exp", "log", "tanh", "erf", "sin", "cos", "pow", "expm1", "log1p", "div", "sqrt", "tan", "sigmoid",
}  # fmt: skip


class Group:
    """Nodes of one kernel."""

    def __init__(
        self, number: int, shape: Shape, reduced: tuple[int, ...] | None, alone: bool
    ) -> None:
        self.number, self.shape, self.reduced, self.alone = number, shape, reduced, alone
        self.plain = (
            False  # takes no reductions: its values are dear, and passes would compute them again
        )
        self.nodes: list[Node] = []
        self.needs = 0  # bits of the groups that must run before, directly or not
        self.reads: set[int] = set()  # values of its full shape that it reads
        self.makes: set[int] = set()  # values of its nodes

    @property
    def outer_shape(self) -> Shape:
        """The shape without the reduced axes."""
        return tuple(size for i, size in enumerate(self.shape) if i not in (self.reduced or ()))

    @property
    def kept_shape(self) -> Shape:
        """The shape with extent 1 along the reduced axes."""
        return tuple(1 if i in (self.reduced or ()) else size for i, size in enumerate(self.shape))

    def role(self, node: Node, program: Program) -> str | None:
        """How a node could belong here: "full", "outer", "kept", "reduction", or None."""
        if self.alone:
            return None
        shape = program.types[node.outputs[0]].shape
        if node.primitive.name in REDUCTIONS:
            if self.plain:
                return None
            x, axes = program.types[node.inputs[0]].shape, node.statics["axes"]
            fits = x == self.shape and self.reduced in (None, axes)
            return "reduction" if fits else None
        if shape == self.shape:
            return "full"
        if self.reduced is not None and shape == self.outer_shape:
            return "outer"
        if self.reduced is not None and shape == self.kept_shape:
            return "kept"
        return None

    def __repr__(self) -> str:
        names = " ".join(node.primitive.name for node in self.nodes)
        return f"group {self.number} {self.shape} over {self.reduced}: {names}"


class Fusion:
    """The groups of a program, in running order, and its stored values."""

    def __init__(self, program: Program, supports: Supports, apart: Iterable[int] = ()) -> None:
        self.program = program
        self.apart = frozenset(
            apart
        )  # values whose nodes begin a group of their own and are stored
        self.maker: dict[int, Node] = {out: node for node in program.nodes for out in node.outputs}
        self.users: dict[int, list[Node]] = {}
        for node in program.nodes:
            for i in dict.fromkeys(node.inputs):
                self.users.setdefault(i, []).append(node)
        self.outputs = frozenset(program.outputs)
        self.place = {out: n for n, node in enumerate(program.nodes) for out in node.outputs}
        self._sources: dict[int, tuple[int, ...]] = {}
        self._users: dict[int, tuple[Node, ...]] = {}
        self.groups: list[Group] = []
        self.group_of: dict[int, Group] = {}  # value -> group of the node that makes it
        self.fusible = {
            id(node): _is_loop(node) and supports(node, program) for node in program.nodes
        }
        self.joined = joined(program, self.maker, self.users, lambda node: self.fusible[id(node)])
        self.copied = copied(program, self.users, lambda node: self.fusible[id(node)], self.joined)
        self.fusible.update((id(self.maker[out]), False) for out in self.joined)
        self.free = {id(node) for node in program.nodes if self._is_free(node)}
        for node in program.nodes:
            if not self.is_free(node):
                self._place(node)
        self._merge()
        self.stored = self._stored()
        self.order = self._order()

    def is_free(self, node: Node) -> bool:
        """Whether a node belongs to no group: its users compute it from its inputs."""
        return id(node) in self.free

    def _is_free(self, node: Node) -> bool:
        free = node.primitive.kind == MOVEMENT or node.primitive.name in FREE
        out = node.outputs[0]
        kept = out in self.outputs or out in self.apart or out in self.copied
        return free and self.fusible[id(node)] and not kept

    def sources(self, value: int) -> tuple[int, ...]:
        """The values with groups (or program inputs) that a value is made of through free nodes."""
        known = self._sources.get(value)
        if known is not None:
            return known
        found: dict[int, None] = {}
        seen, todo = set(), [value]
        while todo:
            i = todo.pop()
            if i in seen:
                continue
            seen.add(i)
            node = self.maker.get(i)
            if node is None or id(node) not in self.free:
                found[i] = None
            else:
                todo.extend(node.inputs)
        self._sources[value] = tuple(found)
        return self._sources[value]

    # -- groups --------------------------------------------------------------------------------------------------------

    def _place(self, node: Node) -> None:
        needed = [
            self.group_of[i]
            for value in node.inputs
            for i in self.sources(value)
            if i in self.group_of
        ]
        needed = list(dict.fromkeys(needed))
        if self.fusible[id(node)] and node.outputs[0] not in self.apart:
            barred = {
                self.group_of[i]
                for value in window_inputs(node)
                for i in self.sources(value)
                if i in self.group_of
            }
            for group in sorted(needed, key=lambda g: -g.number):
                if (
                    group not in barred
                    and group.role(node, self.program)
                    and self._may_join(group, needed)
                ):
                    self._join(group, node, needed)
                    return
        group = self._new_group(node)
        self._join(group, node, needed)

    def _new_group(self, node: Node) -> Group:
        shape, reduced = self.program.types[node.outputs[0]].shape, None
        if node.primitive.name in REDUCTIONS and self.fusible[id(node)]:
            shape, reduced = self.program.types[node.inputs[0]].shape, node.statics["axes"]
        group = Group(len(self.groups), shape, reduced, alone=not self.fusible[id(node)])
        group.plain = node.primitive.name in DEAR
        self.groups.append(group)
        return group

    def _may_join(self, group: Group, needed: Iterable[Group]) -> bool:
        bit = 1 << group.number
        return all(other is group or not other.needs & bit for other in needed)

    def _join(self, group: Group, node: Node, needed: Iterable[Group]) -> None:
        if node.primitive.name in REDUCTIONS and not group.alone:
            group.reduced = node.statics["axes"]
        group.nodes.append(node)
        for out in node.outputs:
            self.group_of[out] = group
        bits = 0
        for other in needed:
            if other is not group:
                bits |= other.needs | 1 << other.number
        if not bits & ~group.needs:
            return
        group.needs |= bits
        mine = 1 << group.number
        for other in self.groups if len(group.nodes) > 1 else ():  # nothing needs a new one yet
            if other.needs & mine:
                other.needs |= group.needs

    def _merge(self) -> None:
        """Join groups of one shape that read the same values, or one another's: the parts of an optimizer's update."""
        waiting: dict[Shape, dict[Group, int]] = {}  # groups of a shape, and when they came
        touching: dict[int, list[Group]] = {}  # value -> groups that read or make it
        came = count()
        for group in self.groups:
            if group.alone or not self.apart.isdisjoint(
                out for node in group.nodes for out in node.outputs
            ):
                continue
            self._describe(group)
            others = waiting.setdefault(group.shape, {})
            # What joined may be what another group waited for: asked again until nobody joins.
            while found := self._partner(group, others, touching):
                del others[found]
                self._absorb(found, group)
                group = found
            others[group] = next(came)
            for value in group.reads | group.makes:
                touching.setdefault(value, []).append(group)
        self.groups = [group for group in self.groups if group.nodes]

    def _describe(self, group: Group) -> None:
        """Say what the group makes, and what it reads of its full shape: what merging would save reading twice."""
        types = self.program.types
        group.makes = {out for node in group.nodes for out in node.outputs}
        read = (i for node in group.nodes for value in node.inputs for i in self.sources(value))
        group.reads = {i for i in read if types[i].shape == group.shape}

    def _partner(
        self, group: Group, others: dict[Group, int], touching: dict[int, list[Group]]
    ) -> Group | None:
        """The first of the others that may be merged with a group."""
        able: Iterable[Group] = others
        if prod(group.shape) >= SMALL:  # then only one that has a value in common with it
            values = group.reads | group.makes
            near = {other for value in values for other in touching.get(value, ())}
            able = sorted((other for other in near if other in others), key=others.__getitem__)
        return next((other for other in able if self._may_merge(other, group)), None)

    def _may_merge(self, group: Group, later: Group) -> bool:
        if group.plain or later.plain:
            return False
        if len(group.nodes) + len(later.nodes) > MOST_NODES:
            return False
        if group.reduced != later.reduced and None not in (group.reduced, later.reduced):
            return False
        reads, others = group.reads, later.reads
        if prod(group.shape) < SMALL:
            near = group.shape == () or not reads.isdisjoint(others | group.makes | later.makes)
        else:
            near = not (reads - group.makes).isdisjoint(others | later.makes) or not (
                others - later.makes
            ).isdisjoint(reads | group.makes)
        if not near or self._is_between(group, later) or self._is_between(later, group):
            return False
        mine = group.makes | later.makes
        return not any(
            i in mine
            for one in (group, later)
            for node in one.nodes
            for value in window_inputs(node)
            for i in self.sources(value)
        )

    def _is_between(self, first: Group, last: Group) -> bool:
        """Whether a third group must run after the one and before the other."""
        if not last.needs >> first.number & 1:
            return False
        bits = last.needs
        while bits:
            number = bits.bit_length() - 1
            if self.groups[number].needs >> first.number & 1:
                return True
            bits ^= 1 << number
        return False

    def _absorb(self, group: Group, later: Group) -> None:
        place = self.place
        group.reduced = group.reduced if group.reduced is not None else later.reduced
        group.nodes = sorted((*group.nodes, *later.nodes), key=lambda node: place[node.outputs[0]])
        group.reads |= later.reads
        group.makes |= later.makes
        for node in later.nodes:
            for out in node.outputs:
                self.group_of[out] = group
        bit, old = 1 << group.number, 1 << later.number
        group.needs = (group.needs | later.needs) & ~(bit | old)
        later.nodes, later.needs = [], 0
        for other in self.groups:
            if other.needs & (bit | old):
                other.needs = (other.needs | group.needs | bit) & ~old

    # -- what lies in memory -------------------------------------------------------------------------------------------

    def _stored(self) -> set[int]:
        stored = {*self.program.inputs, *self.program.outputs, *self.apart}
        for group in self.groups:
            for node in group.nodes:
                reduction = node.primitive.name in REDUCTIONS
                for out in node.outputs:
                    users = self.using_groups(out)
                    outside = any(user is not group for user in users)
                    if group.alone or (outside and reduction) or any(user.alone for user in users):
                        stored.add(out)
                for value in node.inputs if group.alone else window_inputs(node):
                    stored.update(self.sources(value))
                if node.primitive.name == "fold":
                    stored.update(self._behind(node.inputs[0]))
        for group in self.groups:
            for node in group.nodes:
                for out in node.outputs:
                    crosses = any(user is not group for user in self.using_groups(out))
                    if crosses and out not in stored:
                        cost, sums = self._cost(out, stored)
                        stored.update(sums if cost <= CHEAP_COST else (out,))
        return stored

    def _behind(self, value: int) -> list[int]:
        """What elements of windows are computed from, windows at a time: many elements read it."""
        types, computed = self.program.types, False
        found: list[int] = []
        seen, todo = set(), [value]
        while todo:
            i = todo.pop()
            node = self.maker.get(i)
            if types[i].size < types[value].size:
                found.extend(self.sources(i))
            elif node is not None and i not in seen:
                seen.add(i)
                computed |= not self.is_free(node)
                todo.extend(node.inputs)
        return found if computed else []

    def using_groups(self, value: int) -> list[Group]:
        """The groups that use a value, through free nodes too."""
        known = self._users.get(value)
        if known is None:
            known = self._users[value] = tuple(self._using_nodes(value))
        return list(dict.fromkeys(self.group_of[node.outputs[0]] for node in known))

    def _using_nodes(self, value: int) -> list[Node]:
        found: list[Node] = []
        seen, todo = set(), [value]
        while todo:
            i = todo.pop()
            for node in self.users.get(i, ()):
                if node.outputs[0] in seen:
                    continue
                seen.add(node.outputs[0])
                if id(node) in self.free:
                    todo.extend(node.outputs)
                else:
                    found.append(node)
        return found

    def _cost(self, value: int, stored: set[int]) -> tuple[int, list[int]]:
        """Elementary steps from stored values to this one, and the reductions, much smaller than it, to store for that.

        A large number for what is never computed again.
        """
        total, sums, seen, todo = 0, [], set(), [value]
        while todo and total <= CHEAP_COST:
            i = todo.pop()
            if i in seen or (i in stored and i != value):
                continue
            seen.add(i)
            node = self.maker[i]
            name = node.primitive.name
            if self.is_free(node):
                total += 0
            elif node.primitive.kind == ELEMENTWISE:
                once = self._is_much_smaller(i, value)  # of the steps of an outer loop
                total += 0 if once else 4 if name in COSTS else 1
            elif name == "random_bits":
                total += 5
            elif name in REDUCTIONS and self._is_much_smaller(i, value):
                sums.append(i)
                continue
            else:
                return CHEAP_COST + 1, []
            todo.extend(node.inputs)
        return total, sums

    def _is_much_smaller(self, value: int, other: int) -> bool:
        types = self.program.types
        return value != other and types[value].size * 16 <= types[other].size

    def _order(self) -> list[Group]:
        """Groups so that each comes after what it needs, otherwise as they were made."""
        done, ordered, left = 0, [], list(self.groups)
        while left:
            ready = next((n for n, group in enumerate(left) if not group.needs & ~done), None)
            if ready is None:
                internal(f"groups that need one another: {left}", self.program)
            ordered.append(left.pop(ready))
            done |= 1 << ordered[-1].number
        return ordered


def _is_loop(node: Node) -> bool:
    primitive = node.primitive
    if primitive.kind == CREATE and primitive.name != "random_bits":
        return primitive.name in RULES
    return primitive.kind == ELEMENTWISE or primitive.name in REDUCTIONS or primitive.name in RULES


def fuse(program: Program, supports: Supports, apart: Iterable[int] = ()) -> Fusion:
    """Group the nodes of a program; the values in `apart` are kept out of other groups."""
    return Fusion(program, supports, apart)
