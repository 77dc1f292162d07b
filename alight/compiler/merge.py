"""Merge: a loop over time that was written out becomes few large products again, as far as mathematics allows.

In: a program. Out: the same values from fewer, larger nodes. Products of several matrices with one (the input's or the
output's part of each step) are one product of what is stacked; sums of products (the gradient of a weight that every
step uses) are one product over everything that is summed; equal arithmetic on neighbouring pieces is done on the whole.

    %5 = add(dot_general(%1, %2), dot_general(%3, %4))  ->  %5 = dot_general(concat(%1, %3), concat(%2, %4))

Order changes in sums alone. What depends on itself through its own result stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alight.compiler.simplify import Rewriter
from alight.ir.primitive import ELEMENTWISE
from alight.ir.program import Node, Program, Value, prune
from alight.primitives import Add, Concat, DotGeneral, Expand, Full, Permute, Reshape, Slice, Sum

FEWEST = 3  # terms, or products, that are worth merging
MOST_ROWS = 128  # of a product: larger ones gain nothing by company


def merge(program: Program) -> Program:
    """An equivalent program; the same one if there is nothing to merge."""
    made = _Merger(program)
    return prune(made.run()) if made.sums or made.families else program


class _Merger:
    """Finds what can be merged in the old program, and builds the new one."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.maker = {out: node for node in program.nodes for out in node.outputs}
        self.uses: dict[int, int] = {}
        for i in (*program.outputs, *(i for node in program.nodes for i in node.inputs)):
            self.uses[i] = self.uses.get(i, 0) + 1
        self.inside: set[int] = set()  # results that only a merged sum reads
        self.sums: dict[int, list[int]] = {}  # result of the last addition -> all terms
        for node in reversed(program.nodes):
            if node.primitive is Add and node.outputs[0] not in self.inside:
                self._find_sum(node)
        self.families: dict[int, list[Node]] = {}  # a product's result -> its like, in order
        for family in self._families():
            self.families.update((node.outputs[0], family) for node in family)

    # -- what can be merged --------------------------------------------------------------------------------------------

    def _find_sum(self, node: Node) -> None:
        """The terms of a tree of additions, if enough of them are products, or sums, of one form."""
        terms, inside, todo = [], set(), list(reversed(node.inputs))
        while todo:
            i = todo.pop()
            maker = self.maker.get(i)
            if maker is not None and maker.primitive is Add and self.uses[i] == 1:
                inside.add(i)
                todo.extend(reversed(maker.inputs))
            else:
                terms.append(i)
        alike = self._alike(terms)
        if any(len(group) >= FEWEST for group in alike.values()):
            self.sums[node.outputs[0]] = terms
            self.inside |= inside
            for group in alike.values():
                if len(group) >= FEWEST:
                    self.inside.update(group, (self._term(i).outputs[0] for i in group))

    def _alike(self, terms: Sequence[int]) -> dict[Any, list[int]]:
        """Terms by what they must share to be merged."""
        found: dict[Any, list[int]] = {}
        for i in terms:
            form = self._form(i) if self.uses[i] == 1 else None
            if form is not None:
                found.setdefault(form, []).append(i)
        return found

    def _form(self, i: int) -> Any:
        node = self.maker.get(i)
        if node is not None and node.primitive is Permute:
            inner = self.maker.get(node.inputs[0])
            if inner is None or inner.primitive is Permute or self.uses[node.inputs[0]] != 1:
                return None
            form = self._form(node.inputs[0])
            return None if form is None else (node.statics["order"], *form)
        if node is None or node.primitive not in (DotGeneral, Sum):
            return None
        shapes = [list(self.program.types[k].shape) for k in node.inputs]
        if node.primitive is Sum:
            axes = node.statics["axes"]
            shapes[0][axes[0]] = -1
            return "sum", axes, tuple(shapes[0]), self.program.types[i].dtype
        batch, contract = node.statics["batch"], node.statics["contract"]
        if batch != ((), ()) or not contract[0]:
            return None
        for shape, axes in zip(shapes, contract, strict=True):
            shape[axes[0]] = -1
        return "product", contract, *map(tuple, shapes), self.program.types[i].dtype

    def _families(self) -> list[list[Node]]:
        """Products of different matrices with one, none of which depends on another of them."""
        found: dict[Any, list[Node]] = {}
        for node in self.program.nodes:
            if node.primitive is not DotGeneral or node.outputs[0] in self.inside:
                continue
            shapes = [self.program.types[i].shape for i in node.inputs]
            contract = node.statics["contract"]
            plain = node.statics["batch"] == ((), ()) and all(len(shape) == 2 for shape in shapes)
            if plain and len(contract[0]) == 1 and shapes[0][1 - contract[0][0]] <= MOST_ROWS:
                key = node.inputs[1], contract, shapes[0], self.program.types[node.outputs[0]].dtype
                found.setdefault(key, []).append(node)
        families = [family for family in found.values() if len(family) >= FEWEST]
        bit = {id(node): 1 << n for n, family in enumerate(families) for node in family}
        behind: dict[int, int] = {}  # value -> the families that it depends on
        circular = 0
        for node in self.program.nodes:
            mask, own = 0, bit.get(id(node), 0)
            for i in node.inputs:
                mask |= behind.get(i, 0)
            circular |= mask & own
            for out in node.outputs:
                behind[out] = mask | own
        return [family for n, family in enumerate(families) if not circular >> n & 1]

    # -- the new program -----------------------------------------------------------------------------------------------

    def run(self) -> Program:
        self.new = Rewriter(self.program)
        self.value = self.new.value
        for i in self.program.inputs:
            self.value[i] = self.new.builder.input(self.program.types[i])
        self.used_once: set[int] = set()
        left = [node for node in self.program.nodes if not self.inside.intersection(node.outputs)]
        with self.new.builder.active():
            while left:
                rest = [node for node in left if not self._emit(node)]
                if len(rest) == len(left):  # families that wait for one another
                    self.families.clear()
                left = rest
        return self.new.builder.finish([self.value[i] for i in self.program.outputs])

    def _emit(self, node: Node) -> bool:
        """Make a node's values, unless something that it needs is not there yet."""
        out = node.outputs[0]
        if out in self.value:
            return True
        if out in self.sums:
            return self._sum(node)
        family = self.families.get(out)
        if family is not None:
            return self._family(family)
        if any(i not in self.value for i in node.inputs):
            return False
        inputs = [self.value[i] for i in node.inputs]
        self.new.builder.line = node.line
        whole = None
        if node.primitive is Concat:
            whole = self._whole(inputs, node.statics["axis"])
        outs = (
            (whole,) if whole is not None else self.new.emit(node.primitive, inputs, node.statics)
        )
        self._enter(node.outputs, outs)
        return True

    def _enter(self, ids: Sequence[int], values: Sequence[Value]) -> None:
        for i, value in zip(ids, values, strict=True):
            self.value[i] = value
            if self.uses.get(i) == 1:
                self.used_once.add(value.id)

    def _sum(self, node: Node) -> bool:
        terms = self.sums[node.outputs[0]]
        alike = {f: g for f, g in self._alike(terms).items() if len(g) >= FEWEST}
        merged = {i for group in alike.values() for i in group}
        rest = [i for i in terms if i not in merged]
        needed = [*rest, *(k for i in merged for k in self._term(i).inputs)]
        if any(i not in self.value for i in needed):
            return False
        self.new.builder.line = node.line
        values = [self.value[i] for i in rest]
        values += [self._added(group) for group in alike.values()]
        total = values[0]
        for one in values[1:]:
            total = self.new.one(Add, total, one)
        self._enter(node.outputs, [total])
        return True

    def _added(self, group: Sequence[int]) -> Value:
        """The sum of products, or sums, of one form."""
        first = self._term(group[0])
        axes = (
            first.statics["contract"] if first.primitive is DotGeneral else [first.statics["axes"]]
        )
        rows = [[self.value[k] for k in self._term(i).inputs] for i in group]
        # In the order in which the earlier operands came: stacks of one thing for two purposes are one.
        side = min(range(len(first.inputs)), key=lambda side: min(row[side].id for row in rows))
        rows.sort(key=lambda row: self._rank(row[side]))
        stacks = [
            self._stack(pieces, axis[0])
            for pieces, axis in zip(zip(*rows, strict=True), axes, strict=True)
        ]
        total = self.new.one(first.primitive, *stacks, **first.statics)
        last = self.maker[group[0]]
        return total if last is first else self.new.one(Permute, total, **last.statics)

    def _term(self, i: int) -> Node:
        """The product or sum that a term is, or is a permutation of."""
        node = self.maker[i]
        return self.maker[node.inputs[0]] if node.primitive is Permute else node

    def _rank(self, value: Value) -> tuple[int, tuple[int, ...]]:
        """Order of coming into being; that of places, among slices of one value."""
        made = self.new.made.get(value.id)
        if made is not None and made.primitive is Reshape:
            made = self.new.made.get(made.inputs[0])
        if made is not None and made.primitive is Slice:
            return made.inputs[0], made.statics["starts"]
        return value.id, ()

    def _family(self, family: Sequence[Node]) -> bool:
        if any(i not in self.value for node in family for i in node.inputs):
            return False
        family = sorted(family, key=lambda node: self._rank(self.value[node.inputs[0]]))
        first = family[0]
        axis = 1 - first.statics["contract"][0][0]
        self.new.builder.line = first.line
        stack = self._stack([self.value[node.inputs[0]] for node in family], axis)
        product = self.new.one(DotGeneral, stack, self.value[first.inputs[1]], **first.statics)
        rows = self.program.types[first.inputs[0]].shape[axis]
        for n, node in enumerate(family):
            self._enter(node.outputs, [self.new.part(product, 0, n * rows, (n + 1) * rows)])
        return True

    # -- stacks --------------------------------------------------------------------------------------------------------

    def _stack(self, pieces: Sequence[Value], axis: int) -> Value:
        whole = self._whole(pieces, axis)
        return self.new.one(Concat, *pieces, axis=axis) if whole is None else whole

    def _whole(self, pieces: Sequence[Value], axis: int) -> Value | None:
        """The concatenation without a concatenation: pieces of one value, or equal arithmetic on such pieces."""
        nodes = [self.new.made.get(piece.id) for piece in pieces]
        first = nodes[0]
        if len(pieces) < FEWEST or first is None:
            return None
        if any(n is None or n.primitive is not first.primitive for n in nodes):
            return None
        made: list[Node] = nodes  # type: ignore[assignment]
        if first.primitive is Slice:
            return self._joined(made, axis)
        if first.primitive is Expand:
            return self._expanded(made, pieces, axis)
        if first.primitive is Reshape:
            return self._reshaped(made, pieces, axis)
        same = all(n.statics == first.statics for n in made)
        if first.primitive is Full and same:
            shape = list(pieces[0].shape)
            shape[axis] = sum(piece.shape[axis] for piece in pieces)
            return self.new.one(Full, **{**first.statics, "shape": tuple(shape)})
        if first.primitive.kind != ELEMENTWISE or not same:
            return None
        if any(piece.id not in self.used_once for piece in pieces):
            return None  # done twice, it would cost more than it saves
        inputs = []
        for k in range(len(first.inputs)):
            whole = self._whole([self.new.builder.value(n.inputs[k]) for n in made], axis)
            if whole is None:
                return None
            inputs.append(whole)
        return self.new.one(first.primitive, *inputs, **first.statics)

    def _joined(self, nodes: Sequence[Node], axis: int) -> Value | None:
        """Neighbouring slices of one value."""
        starts, stops = (nodes[0].statics[name] for name in ("starts", "stops"))
        end = starts[axis]
        for node in nodes:
            s = node.statics
            beside = s["starts"][axis] == end and set(s["steps"]) == {1}
            others = all(
                s["starts"][i] == starts[i] and s["stops"][i] == stops[i]
                for i in range(len(starts))
                if i != axis
            )
            if not (beside and others and node.inputs == nodes[0].inputs):
                return None
            end = s["stops"][axis]
        x = self.new.builder.value(nodes[0].inputs[0])
        stops = tuple(end if i == axis else stop for i, stop in enumerate(stops))
        if not any(starts) and stops == x.shape:
            return x
        return self.new.one(Slice, x, starts=starts, stops=stops, steps=(1,) * x.ndim)

    def _reshaped(self, nodes: Sequence[Node], pieces: Sequence[Value], axis: int) -> Value | None:
        """Parts of one value that follow each other in its order of elements, each reshaped: x[0], x[1], ..."""
        slices = [self.new.made.get(node.inputs[0]) for node in nodes]
        if any(n is None or n.primitive is not Slice for n in slices):
            return None
        made: list[Node] = slices  # type: ignore[assignment]
        starts = [node.statics["starts"] for node in made]
        cut = [i for i in range(len(starts[0])) if len({one[i] for one in starts}) > 1]
        extents = self.new.builder.value(nodes[0].inputs[0]).shape
        if len(cut) != 1 or {*extents[: cut[0]], *pieces[0].shape[:axis]} - {1}:
            return None
        whole = self._joined(made, cut[0])
        if whole is None:
            return None
        shape = list(pieces[0].shape)
        shape[axis] = sum(piece.shape[axis] for piece in pieces)
        return self.new.one(Reshape, whole, shape=tuple(shape))

    def _expanded(self, nodes: Sequence[Node], pieces: Sequence[Value], axis: int) -> Value | None:
        """One value repeated in every piece."""
        x = self.new.builder.value(nodes[0].inputs[0])
        if any(node.inputs != nodes[0].inputs for node in nodes) or x.shape[axis] != 1:
            return None
        shape = list(pieces[0].shape)
        shape[axis] = sum(piece.shape[axis] for piece in pieces)
        return self.new.one(Expand, x, shape=tuple(shape))
