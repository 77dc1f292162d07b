"""Deferred: a softmax in the form in which it can be computed column block by column block.

In: `Scores`. Out: the same program with two changes, both of which only move factors that a row's elements share.

    sum over c of (e / l)[r, c] * v[c, d]      ->   (sum over c of e[r, c] * v[c, d]) * (1 / l)[r]
    sum over c of p[r, c] * (g @ v^T)[r, c]    ->   sum over d of g[r, d] * (p @ v)[r, d]

The first one lets sums over columns go on before l is known (Milakov and Gimelshein, "Online normalizer calculation for
softmax", 2018). With the second one the gradient of a softmax needs no sum over a row of scores: p @ v is the result of
the forward pass (Dao et al., "FlashAttention", 2022, B.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from alight.compiler.labels import Labels
from alight.compiler.scores import COLUMNS, Scores
from alight.ir.program import Builder, Node, Program, Value, prune
from alight.primitives import Expand, Full, Permute, Reshape, Sum
from alight.primitives.contraction import free_axes

Factors = Counter[tuple[str, int]]


def deferred(scores: Scores) -> tuple[Program, int]:
    """The new program, and which of its values are the scores."""
    return _Deferral(scores).run()


class _Deferral:
    """Copies a program node by node, some of them in another form."""

    def __init__(self, scores: Scores) -> None:
        self.scores, self.maker, self.types = scores, scores.maker, scores.types
        self.builder = Builder()
        self.new: dict[int, Value] = {}
        self.inverse: dict[int, Value] = {}  # quotients -> 1 / what is divided by, one a row
        self.exponential: dict[int, int] = {}  # quotients -> what is divided
        self.mixtures: list[Node] = []  # products over columns so far

    def run(self) -> tuple[Program, int]:
        """The program and its scores."""
        program, builder = self.scores.program, self.builder
        for i in program.inputs:
            self.new[i] = builder.input(program.types[i])
        with builder.active():
            for node in program.nodes:
                builder.line = node.line
                made = self._other_form(node)
                if made is None:
                    inputs = [self.new[i] for i in node.inputs]
                    made = builder.emit(node.primitive, inputs, node.statics)
                outs = made if isinstance(made, tuple) else (made,)
                self.new.update(zip(node.outputs, outs, strict=True))
        builder.line = None
        seed = self.new[self.scores.seed.outputs[0]].id
        outs_of = [self.new[i].id for i in program.outputs]
        kept = prune(Program(builder.types, builder.inputs, builder.nodes, [*outs_of, seed]))
        outputs = kept.outputs[: len(outs_of)]
        return Program(kept.types, kept.inputs, kept.nodes, outputs), kept.outputs[-1]

    def _other_form(self, node: Node) -> Any:
        name, value = node.primitive.name, node.outputs[0]
        if name == "div" and value in self.scores.wide:
            return self._quotient(node)
        if name == "dot_general" and self._is_mixture(node):
            self.mixtures.append(node)
            return self._mixture(node)
        if name == "sum" and value in self.scores.exits:
            return self._total(node)
        return None

    # -- quotients -----------------------------------------------------------------------------------------------------

    def _quotient(self, node: Node) -> Any:
        """e / l as e * (1 / l): l is at least 1, since it is a sum of exponentials of which one is 1."""
        over, under = node.inputs
        if not self._is_exponential(over) or not self._sums(under, over):
            return None
        small = self._one_a_row(under)
        if small is None:
            return None
        one = Full(shape=small.shape, value=1, dtype=small.dtype, device=small.type.device)  # type: ignore[call-arg]
        self.inverse[node.outputs[0]] = one / small  # type: ignore[operator]
        self.exponential[node.outputs[0]] = over
        shape = self.types[node.outputs[0]].shape
        return self.new[over] * Expand(self.inverse[node.outputs[0]], shape=shape)  # type: ignore[call-arg,operator]

    def _is_exponential(self, value: int) -> bool:
        """Whether a value is exp(x - the maximum of x over columns)."""
        node = self.maker.get(value)
        inside = self.maker.get(node.inputs[0]) if node and node.primitive.name == "exp" else None
        if inside is None or inside.primitive.name != "sub":
            return False
        x, shift = inside.inputs
        tops = [n for n in self._behind(shift) if n.outputs[0] in self.scores.exits]
        return [(n.primitive.name, n.inputs) for n in tops] == [("max", (x,))]

    def _sums(self, value: int, over: int) -> bool:
        """Whether a value is made of the sums over columns of another one, and of constants."""
        ends = [n for n in self._behind(value) if n.outputs[0] in self.scores.exits]
        return [(n.primitive.name, n.inputs) for n in ends] == [("sum", (over,))]

    def _behind(self, value: int) -> Iterable[Node]:
        """The nodes that a value is made of, as far as exits; an input of the program ends the search."""
        todo, seen = [value], {value}
        while todo:
            node = self.maker.get(todo.pop())
            if node is None:
                continue
            yield node
            if node.outputs[0] not in self.scores.exits:
                todo.extend(i for i in node.inputs if i not in seen)
                seen.update(node.inputs)

    def _one_a_row(self, value: int) -> Value | None:
        """A value whose elements in a row are equal, with an extent of 1 in place of the columns."""
        shape, labels = self.types[value].shape, self._labels(value)
        if labels is None or COLUMNS not in labels:
            return None
        axis = labels.index(COLUMNS)
        small = (*shape[:axis], 1, *shape[axis + 1 :])
        return self._shrunk(value, axis, small)

    def _labels(self, value: int) -> Labels | None:
        """Where a divisor has its columns: where the exponentials that it divides have them."""
        users = [n for n in self.scores.program.nodes if value in n.inputs]
        found = [self.scores.wide.get(n.outputs[0]) for n in users if n.primitive.name == "div"]
        return found[0] if found else None

    def _shrunk(self, value: int, axis: int, small: tuple[int, ...]) -> Value | None:
        node, of = self.maker.get(value), self.types[value]
        if of.shape == small:
            return self.new[value]
        if node is None:
            return None
        if node.primitive.name == "full":
            return Full(**{**node.statics, "shape": small})  # type: ignore[return-value]
        if node.primitive.name == "expand" and self.types[node.inputs[0]].shape[axis] == 1:
            return Expand(self.new[node.inputs[0]], shape=small)  # type: ignore[call-arg,return-value]
        if node.primitive.name in ("equal", "select", "maximum", "add"):
            parts = [self._shrunk(i, axis, small) for i in node.inputs]
            found = [part for part in parts if part is not None]
            if len(found) == len(parts):
                return self.builder.emit(node.primitive, found, node.statics)  # type: ignore[no-any-return]
        return None

    # -- mixtures ------------------------------------------------------------------------------------------------------

    def _is_mixture(self, node: Node) -> bool:
        """Whether a node is a product of scores with something else, summed over columns alone."""
        n = self._side(node)
        if n is None or node.outputs[0] not in self.scores.exits:
            return False
        summed = node.statics["contract"][n]
        return [self.scores.wide[node.inputs[n]][i] for i in summed] == [COLUMNS]

    def _side(self, node: Node) -> int | None:
        """Which operand of a product has the size of the scores."""
        wide = [n for n, i in enumerate(node.inputs) if i in self.scores.wide]
        return wide[0] if len(wide) == 1 else None

    def _mixture(self, node: Node) -> Any:
        n = self._side(node)
        assert n is not None
        found = self._undivided(node.inputs[n])
        if found is None:
            return None
        inputs = [self.new[i] for i in node.inputs]
        inputs[n], inverse = found
        sums = self.builder.emit(node.primitive, inputs, node.statics)
        return sums * Expand(along_rows(node, n, inverse, sums.ndim), shape=sums.shape)  # type: ignore[call-arg]

    def _undivided(self, value: int) -> tuple[Value, Value] | None:
        """What a value is without the division of a softmax, and the inverse that it has to be multiplied by."""
        if value in self.inverse:
            return self.new[self.exponential[value]], self.inverse[value]
        node = self.maker.get(value)
        if node is None or node.primitive.name not in ("mul", "select"):
            return None
        found = [self._undivided(i) for i in node.inputs]
        divided = [n for n, one in enumerate(found) if one is not None]
        if len(divided) != 1 or (
            node.primitive.name == "select" and not self._is_zero(node, *divided)
        ):
            return None
        (n,) = divided
        inputs = [self.new[i] for i in node.inputs]
        inputs[n], inverse = found[n]  # type: ignore[misc]
        return self.builder.emit(node.primitive, inputs, node.statics), inverse

    def _is_zero(self, node: Node, n: int) -> bool:
        """Whether the other branch of a select is 0."""
        other = self.maker.get(node.inputs[3 - n]) if n else None
        return other is not None and other.primitive.name == "full" and other.statics["value"] == 0

    # -- totals --------------------------------------------------------------------------------------------------------

    def _total(self, node: Node) -> Any:
        """The sum over a row of p * (g @ v^T), where p @ v is there already."""
        share = node.inputs[0]
        labels = self.scores.wide[share]
        if [labels[i] for i in node.statics["axes"]] != [COLUMNS]:
            return None
        factors = self._factors(share)
        for kind, value in factors:
            product = self.maker.get(value)
            if kind != "times" or product is None or product.primitive.name != "dot_general":
                continue
            rest = factors - Counter({(kind, value): 1})
            for mixture in self.mixtures:
                n = self._side(mixture)
                if n is not None and self._factors(mixture.inputs[n]) == rest:
                    made = self._narrow_total(product, mixture, n, node)
                    if made is not None:
                        return made
        return None

    def _factors(self, value: int) -> Factors:
        """What a value is the product of: other values, and masks outside of which it is 0."""
        node = self.maker.get(value)
        if node is None or value in self.inverse:
            return Counter({("times", value): 1})
        name, inputs = node.primitive.name, node.inputs
        if name == "mul":
            return self._factors(inputs[0]) + self._factors(inputs[1])
        if name == "select" and self._is_zero(node, 1):
            return self._factors(inputs[1]) + Counter({("where", inputs[0]): 1})
        return Counter({("times", value): 1})

    def _narrow_total(self, product: Node, mixture: Node, n: int, node: Node) -> Value | None:
        """The sum over d of g[r, d] * (p @ v)[r, d], where `product` is g @ v^T."""
        v = mixture.inputs[1 - n]
        places = [i for i, value in enumerate(product.inputs) if value == v]
        if len(places) != 1:
            return None
        (at,) = places
        (batch_v,), (depth,) = (
            product.statics["batch"][at : at + 1],
            product.statics["contract"][at : at + 1],
        )
        same = (mixture.statics["batch"][1 - n], mixture.statics["contract"][1 - n])
        columns = free_axes(self.types[v].ndim, batch_v, depth)
        if same != (batch_v, columns) or len(depth) != 1 or len(columns) != 1:
            return None
        g, batch_g = self.new[product.inputs[1 - at]], product.statics["batch"][1 - at]
        summed = product.statics["contract"][1 - at]
        rows = free_axes(g.ndim, batch_g, summed)
        turned: Any = Permute(g, order=(*batch_g, *rows, *summed))  # type: ignore[call-arg]
        mixed, lead = self.new[mixture.outputs[0]], len(batch_v)
        if n:  # (batch, d, rows)
            order = (*range(lead), *range(lead + 1, mixed.ndim), lead)
            mixed = Permute(mixed, order=order)  # type: ignore[call-arg,assignment]
        if turned.shape != mixed.shape or turned.shape[:-1] != self.types[node.outputs[0]].shape:
            return None
        return Sum(turned * mixed, axes=(turned.ndim - 1,))  # type: ignore[call-arg,return-value]


def along_rows(node: Node, n: int, x: Value, rank: int) -> Value:
    """What has one number for each row of operand n of a product, with extents of 1 where the result has other axes."""
    batch, summed = node.statics["batch"][n], node.statics["contract"][n]
    free = free_axes(x.ndim, batch, summed)
    turned: Any = Permute(x, order=(*batch, *free, *summed))  # type: ignore[call-arg]
    sizes, ones = turned.shape[: x.ndim - len(summed)], (1,) * (rank - x.ndim + len(summed))
    lead, rows = sizes[: len(batch)], sizes[len(batch) :]
    return Reshape(turned, shape=(*lead, *rows, *ones) if n == 0 else (*lead, *ones, *rows))  # type: ignore[call-arg,return-value]


__all__ = ["along_rows", "deferred"]
