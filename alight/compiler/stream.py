"""Stream: attention block by block of rows, forward and backward, so that the matrix of scores is never whole.

In: a program. Out: one in which what `scores` found is a `Scan` over batches, inside of it one over blocks of rows.

    %2 = dot_general(%q, %k); %3 = max(%2); ... %9 = dot_general(%8, %v)
      ->
    %9 = scan(%q, %k, %v) over heads: { scan over blocks of rows of %q, with all of %k and %v: { the same nodes } }

The body of the inner scan are the nodes between what is there as a whole and the exits of one level, with fewer rows.
Exits with rows come out as stacks; those summed over rows (the gradients of keys and values) are carried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import Any

from alight.compiler.labels import Labels, UnfitError, inputs_of, is_local
from alight.compiler.scores import (
    ROWS,
    MixedError,
    Scores,
    is_wide,
    seeds,
    unlabelled,
    wide_row,
)
from alight.compiler.trace import REDUCTIONS
from alight.dtypes import int64
from alight.ir.program import Builder, Program, Value
from alight.ir.types import Shape, Type
from alight.primitives import Convert, Expand, Full, Iota, Permute, RandomBits, Reshape, Scan, Slice

MOST_ROWS, LEAST_ROWS = 128, 32  # of a block
WIDE_VALUES = 3  # of a block that are alive at a time, roughly
MOST_LEVELS = 3

Border = tuple[int, Labels]  # a value outside, and how its axes are labelled


def stream(program: Program, cache_bytes: int, least_bytes: int) -> Program:
    """The program without scores of more than `least_bytes`; blocks of them fit into `cache_bytes`."""
    refused: set[int] = set()
    while True:
        for seed, labels in seeds(program, least_bytes):
            found = (
                None
                if seed.outputs[0] in refused
                else _streamed(program, seed, labels, cache_bytes)
            )
            if found is not None:
                program, refused = found, set()
                break
            refused.add(seed.outputs[0])
        else:
            return program


def _streamed(program: Program, seed: Any, labels: Labels, cache_bytes: int) -> Program | None:
    while True:
        try:
            return _Rewriter(Scores(program, seed, labels), cache_bytes).run()
        except MixedError as error:
            labels = unlabelled(labels, error.args[0])
        except UnfitError:
            return None


class _Body:
    """The nodes that make the exits of one level from blocks of what is there as a whole."""

    def __init__(self, scores: Scores, level: int, rows: int) -> None:
        self.scores, self.level, self.types = scores, level, scores.types
        self.sizes = {**dict.fromkeys(scores.batch, 1), ROWS: rows}
        self.builder = Builder()
        self.known: dict[Border, Value] = {}
        self.borders: dict[Border, Value] = {}
        self.starts: dict[str, Value] = {}

    def block(self, value: int, labels: Labels) -> Shape:
        """The shape of a block of a value."""
        shape = self.types[value].shape
        return tuple(self.sizes.get(x or "", size) for x, size in zip(labels, shape, strict=True))

    def start(self, label: str) -> Value:
        """Where the block begins along an axis, as a 0-d int64."""
        if label not in self.starts:
            device = self.types[self.scores.seed.outputs[0]].device
            self.starts[label] = self.builder.add_value(Type((), int64, device))
        return self.starts[label]

    def ask(self, value: int, labels: Labels) -> Value:
        """A block of a value."""
        key = value, labels
        if key not in self.known:
            self.known[key] = self._made(value, labels)
        return self.known[key]

    def _made(self, value: int, labels: Labels) -> Value:
        scores, node = self.scores, self.scores.maker.get(value)
        if scores.wide.get(value, labels) != labels:
            raise UnfitError("scores that meet their transposed selves")
        whole = node is None or scores.base[value] <= self.level
        if node is not None and (is_wide(labels) or not whole):
            if value in scores.exits or (value in scores.wide and not is_local(node)):
                if scores.inner[value] > self.level:
                    raise UnfitError("a block that needs a sum over all blocks")
                return self.reduced(value, labels)
            if node.primitive.name == "dot_general" and is_wide(labels):
                x, y = scores.product_labels(node, labels)
                if not is_wide(x) and not is_wide(y):
                    return self.product(value, x, y)
            elif is_local(node):
                return self._local(value, labels)
        if not whole:
            raise UnfitError("what is needed is not there yet")
        shape = self.block(value, labels)
        of = self.types[value]
        self.borders[(value, labels)] = self.builder.add_value(Type(shape, of.dtype, of.device))
        return self.borders[(value, labels)]

    def reduced(self, value: int, labels: Labels) -> Value:
        """A block of an exit, or its share of one that is summed over rows."""
        node = self.scores.maker[value]
        if node.primitive.name in REDUCTIONS:
            inner = self.ask(node.inputs[0], self.scores.wide[node.inputs[0]])
            return node.primitive(inner, **node.statics)  # type: ignore[call-arg,return-value]
        return self.product(value, *self.scores.product_labels(node, labels))

    def product(self, value: int, x: Labels, y: Labels) -> Value:
        """A product of blocks."""
        node = self.scores.maker[value]
        one, two = (self.ask(i, of) for i, of in zip(node.inputs, (x, y), strict=True))
        return node.primitive(one, two, **node.statics)  # type: ignore[call-arg,return-value]

    def _local(self, value: int, labels: Labels) -> Value:
        node = self.scores.maker[value]
        name, statics, shape = node.primitive.name, dict(node.statics), self.block(value, labels)
        rows = zip(node.inputs, inputs_of(node, self.types, labels), strict=True)
        inputs = [self.ask(i, of) for i, of in rows]
        if name == "random_bits":
            return self._random(value, labels, inputs[0], statics)
        if name == "slice":
            statics["stops"] = tuple(
                stop if label is None else size
                for stop, label, size in zip(statics["stops"], labels, shape, strict=True)
            )
        elif "shape" in statics:
            statics["shape"] = shape
        made: Any = node.primitive(*inputs, **statics)
        if name == "iota" and labels[statics["axis"]] in self.sizes:
            start = Convert(self.start(labels[statics["axis"]] or ""), dtype=statics["dtype"])
            made = made + Expand(Reshape(start, shape=(1,) * len(shape)), shape=shape)
        return made  # type: ignore[no-any-return]

    def _random(self, value: int, labels: Labels, seed: Value, statics: Any) -> Value:
        """The bits of a block: numbers of its elements are those of the whole, less that of the first one."""
        whole, shape = self.types[value].shape, self.block(value, labels)
        cut = [i for i in range(len(shape)) if whole[i] != shape[i]]
        if any(shape[i] != 1 for i in range(max(cut, default=0))):
            raise UnfitError("random bits of a block that is not contiguous")
        first: Any = Full(shape=(), value=0, dtype=int64, device=statics["device"])
        for axis in cut:
            first = first + self.start(labels[axis] or "") * prod(whole[axis + 1 :])
        return RandomBits(seed, first, shape=shape, device=statics["device"])  # type: ignore[call-arg,return-value]


class _Level:
    """The exits of one level that are wanted, and the code that computes them in the new program."""

    def __init__(self, scores: Scores, level: int, wanted: Iterable[int], rows: int) -> None:
        self.scores, self.level, self.rows = scores, level, rows
        self.wanted = list(wanted)
        first = self._body(rows)
        self.borders, self.starts = list(first[0].borders), list(first[0].starts)
        self.program = first[1]
        self.device = scores.types[scores.seed.outputs[0]].device
        left = scores.extents[ROWS] % rows
        self.rest = self._body(left)[1] if left else None

    def _body(self, rows: int) -> tuple[_Body, Program]:
        body = _Body(self.scores, self.level, rows)
        with body.builder.active():
            outs = [body.reduced(e, self.scores.exits[e]) for e in self.wanted]
        inputs = [*body.borders.values(), *body.starts.values()]
        body.builder.inputs = [value.id for value in inputs]
        return body, Program(
            body.builder.types, body.builder.inputs, body.builder.nodes, [x.id for x in outs]
        )

    def run(self, builder: Builder, outside: Sequence[Value]) -> list[Value]:
        """All exits, from the borders as they are outside."""
        groups = [self.scores.batch]
        names = set(self.scores.batch)
        if any(is_wide(of) and names & set(of) not in (set(), names) for _, of in self.borders):
            groups = [[label] for label in self.scores.batch]  # else masks would be repeated
        with builder.active():
            return self._batches(builder, [g for g in groups if g], list(outside), {})

    # -- batches -------------------------------------------------------------------------------------------------------

    def _batches(
        self,
        builder: Builder,
        groups: list[list[str]],
        given: list[Value],
        starts: dict[str, Value],
    ) -> list[Value]:
        """A scan over the batches of the first group, and inside of it over the rest."""
        if not groups:
            return self._blocks(builder, given, starts)
        group, extents = groups[0], self.scores.extents
        length = prod(extents[label] for label in group)
        cut = [any(label in of for label in group) for _, of in self.borders]
        own = [label for label in group if label in self.starts]
        places = {label: _places(extents, group, label, self.device) for label in own}
        item = Builder()
        constants = [x for x, one in zip(given, cut, strict=True) if not one]
        stacks = [
            _split(x, of, group, extents)
            for x, (_, of), one in zip(given, self.borders, cut, strict=True)
            if one
        ]
        whole = [*constants, *starts.values()]
        inside = [item.input(x.type) for x in whole]
        steps = [item.input(_step(x)) for x in (*stacks, *places.values())]
        begin, step = iter(inside), iter(steps)
        values = [next(step if one else begin) for one in cut]
        known = {label: next(begin) for label in starts}
        known |= {label: next(step) for label in own}
        with item.active():
            outs = self._batches(item, groups[1:], values, known)
        body = Program(item.types, item.inputs, item.nodes, [x.id for x in outs])
        made = _scan(body, [], whole, [*stacks, *places.values()], length)
        labels = [self.scores.exits[e] for e in self.wanted]
        return [_joined(x, of, group, extents) for x, of in zip(made, labels, strict=True)]

    # -- blocks of rows ------------------------------------------------------------------------------------------------

    def _blocks(
        self, builder: Builder, given: list[Value], starts: dict[str, Value]
    ) -> list[Value]:
        """A scan over whole blocks of rows of one batch, and the rows that are left."""
        count, rows = self.scores.extents[ROWS] // self.rows, self.rows
        parts: list[list[Value]] = []
        if count > 1:
            parts.append(self._scanned(given, starts, count))
        elif count:
            parts.append(self._inlined(builder, self.program, given, starts, 0, rows))
        if self.rest is not None:
            left = self.scores.extents[ROWS] - count * rows
            parts.append(self._inlined(builder, self.rest, given, starts, count * rows, left))
        results = []
        for exit, *pieces in zip(self.wanted, *parts, strict=True):
            labels = self.scores.exits[exit]
            results.append(_combined(pieces, labels))
        return results

    def _inlined(
        self, builder: Builder, body: Program, given: list[Value], starts: dict[str, Value], at: int, rows: int
    ) -> list[Value]:  # fmt: skip
        """One block by itself."""
        values = [_rows(x, of, at, rows) for x, (_, of) in zip(given, self.borders, strict=True)]
        for label in self.starts:
            here = starts.get(label)
            values.append(here or Full(shape=(), value=at, dtype=int64, device=self.device))  # type: ignore[call-arg,arg-type]
        return builder.inline(body, values)

    def _scanned(self, given: list[Value], starts: dict[str, Value], count: int) -> list[Value]:
        rows, labels = self.rows, [of for _, of in self.borders]
        cut = [ROWS in of for of in labels]
        constants = [x for x, one in zip(given, cut, strict=True) if not one]
        constants += starts.values()
        stacks = [
            _row_blocks(x, of, count, rows)
            for x, of, one in zip(given, labels, cut, strict=True)
            if one
        ]
        if ROWS in self.starts:
            line: Any = Iota(shape=(count,), axis=0, dtype=int64, device=self.device)  # type: ignore[call-arg]
            stacks.append(line * rows)
        summed = [n for n, e in enumerate(self.wanted) if ROWS not in self.scores.exits[e]]
        outs = [self.program.types[i] for i in self.program.outputs]
        carries: list[Any] = [
            Full(shape=outs[n].shape, value=0, dtype=outs[n].dtype, device=outs[n].device)  # type: ignore[call-arg]
            for n in summed
        ]
        step = Builder()
        before = [step.input(x.type) for x in carries]
        inside = iter([step.input(x.type) for x in constants])
        here = iter([step.input(_step(x)) for x in stacks])
        values = [next(here if one else inside) for one in cut]
        known = {label: next(inside) for label in starts}
        values += [next(here) if label == ROWS else known[label] for label in self.starts]
        with step.active():
            made = step.inline(self.program, values)
            sums = [old + made[n] for old, n in zip(before, summed, strict=True)]
        others = [x for n, x in enumerate(made) if n not in summed]
        body = Program(step.types, step.inputs, step.nodes, [x.id for x in (*sums, *others)])
        found = list(_scan(body, carries, constants, stacks, count))
        totals, rest = iter(found[: len(summed)]), iter(found[len(summed) :])
        return [
            next(totals) if n in summed else _row_whole(next(rest), self.scores.exits[e])
            for n, e in enumerate(self.wanted)
        ]


# -- cutting and joining values ----------------------------------------------------------------------------------------


def _scan(
    body: Program, carries: list[Any], constants: list[Value], stacks: list[Value], length: int
) -> tuple[Value, ...]:
    return Scan(  # type: ignore[return-value]
        *carries, *constants, *stacks, body=body, length=length, carry_count=len(carries), constant_count=len(constants),
        reverse=False,
    )  # type: ignore[call-arg]  # fmt: skip


def _step(x: Value) -> Type:
    """The type of one element along axis 0."""
    return Type(x.shape[1:], x.dtype, x.type.device)


def _places(extents: dict[str, int], group: list[str], label: str, device: Any) -> Value:
    """The index along one axis of every batch of a group."""
    shape = tuple(extents[one] for one in group)
    line: Any = Iota(shape=shape, axis=group.index(label), dtype=int64, device=device)  # type: ignore[call-arg]
    return Reshape(line, shape=(prod(shape),))  # type: ignore[call-arg,return-value]


def _split(x: Value, labels: Labels, group: list[str], extents: dict[str, int]) -> Value:
    """The batches of a group in front as one axis, those axes of extent 1 where they were."""
    have = [label for label in group if label in labels]
    front = [labels.index(label) for label in have]
    order = (*front, *(i for i in range(x.ndim) if i not in front))
    item = tuple(1 if label in group else size for label, size in zip(labels, x.shape, strict=True))
    moved: Any = Permute(x, order=order)  # type: ignore[call-arg]
    if len(have) < len(group):
        some = tuple(extents[label] if label in have else 1 for label in group)
        rest = tuple(x.shape[i] for i in order[len(front) :])
        moved = Reshape(moved, shape=(*some, *rest))  # type: ignore[call-arg]
        moved = Expand(moved, shape=(*(extents[label] for label in group), *rest))  # type: ignore[call-arg]
    return Reshape(moved, shape=(prod(extents[label] for label in group), *item))  # type: ignore[call-arg,return-value]


def _joined(x: Value, labels: Labels, group: list[str], extents: dict[str, int]) -> Value:
    """The reverse of `_split` for what has all labels of the group."""
    rest = tuple(
        size for label, size in zip(labels, x.shape[1:], strict=True) if label not in group
    )
    apart: Any = Reshape(x, shape=(*(extents[label] for label in group), *rest))  # type: ignore[call-arg]
    later = iter(range(len(group), len(group) + len(rest)))
    order = tuple(group.index(label) if label in group else next(later) for label in labels)  # type: ignore[arg-type]
    return Permute(apart, order=order)  # type: ignore[call-arg,return-value]


def _rows(x: Value, labels: Labels, at: int, rows: int) -> Value:
    """Some rows of a value that has them; any other value itself."""
    if ROWS not in labels:
        return x
    axis = labels.index(ROWS)
    starts = tuple(at if i == axis else 0 for i in range(x.ndim))
    stops = tuple(at + rows if i == axis else size for i, size in enumerate(x.shape))
    return Slice(x, starts=starts, stops=stops, steps=(1,) * x.ndim)  # type: ignore[call-arg,return-value]


def _row_blocks(x: Value, labels: Labels, count: int, rows: int) -> Value:
    """Whole blocks of rows along an axis in front."""
    axis = labels.index(ROWS)
    whole = _rows(x, labels, 0, count * rows)
    apart: Any = Reshape(whole, shape=(*x.shape[:axis], count, rows, *x.shape[axis + 1 :]))  # type: ignore[call-arg]
    order = (axis, *(i for i in range(x.ndim + 1) if i != axis))
    return Permute(apart, order=order)  # type: ignore[call-arg,return-value]


def _row_whole(x: Value, labels: Labels) -> Value:
    """The reverse of `_row_blocks`."""
    axis = labels.index(ROWS)
    order = (*range(1, axis + 1), 0, *range(axis + 1, x.ndim))
    apart: Any = Permute(x, order=order)  # type: ignore[call-arg]
    shape = (
        *apart.shape[:axis],
        apart.shape[axis] * apart.shape[axis + 1],
        *apart.shape[axis + 2 :],
    )
    return Reshape(apart, shape=shape)  # type: ignore[call-arg,return-value]


def _combined(pieces: Sequence[Value], labels: Labels) -> Value:
    """The parts of an exit: rows one after the other, or their sum."""
    from alight.primitives import Concat

    if len(pieces) == 1:
        return pieces[0]
    if ROWS in labels:
        return Concat(*pieces, axis=labels.index(ROWS))  # type: ignore[call-arg,return-value]
    one, two = pieces
    return one + two


class _Rewriter:
    """Writes the program anew, with the exits of each level made by a scan."""

    def __init__(self, scores: Scores, cache_bytes: int) -> None:
        self.scores, self.program = scores, scores.program
        itemsize = scores.types[scores.seed.outputs[0]].dtype.itemsize
        rows = cache_bytes // (WIDE_VALUES * itemsize * wide_row(scores)) // 16 * 16
        self.rows = min(max(LEAST_ROWS, min(MOST_ROWS, rows)), scores.extents[ROWS])
        self.visited: set[int] = set()
        self.wanted: set[int] = set()

    def run(self) -> Program:
        """The new program."""
        scores, program = self.scores, self.program
        self._visit(program.outputs)
        last = max((scores.level(e) for e in self.wanted), default=-1)
        if not 0 <= last < MOST_LEVELS:
            raise UnfitError("nothing to stream" if last < 0 else "too many levels")
        self.levels: dict[int, _Level] = {}
        for level in range(last, -1, -1):
            wanted = sorted(e for e in self.wanted if scores.level(e) == level)
            if wanted:
                self.levels[level] = _Level(scores, level, wanted, self.rows)
                self._visit(value for value, _ in self.levels[level].borders)
        return self._written()

    def _visit(self, values: Iterable[int]) -> None:
        """Find what values outside of blocks are made of."""
        todo = list(values)
        while todo:
            value = todo.pop()
            if value in self.visited:
                continue
            self.visited.add(value)
            if value in self.scores.exits:
                self.wanted.add(value)
            elif value in self.scores.maker:
                todo.extend(self.scores.maker[value].inputs)

    def _written(self) -> Program:
        builder, program, scores = Builder(), self.program, self.scores
        new: dict[int, Value] = {i: builder.input(program.types[i]) for i in program.inputs}

        def needs(value: int) -> list[int]:
            if value in scores.exits:
                return [v for v, _ in self.levels[scores.level(value)].borders]
            return list(scores.maker[value].inputs)

        def write(value: int) -> None:
            if value in scores.exits:
                level = self.levels[scores.level(value)]
                outs = level.run(builder, [new[v] for v, _ in level.borders])
                new.update(zip(level.wanted, outs, strict=True))
                return
            node = scores.maker[value]
            outs = [builder.add_value(program.types[i]) for i in node.outputs]
            inputs = tuple(new[i].id for i in node.inputs)
            builder.nodes.append(node._replace(inputs=inputs, outputs=tuple(x.id for x in outs)))
            new.update(zip(node.outputs, outs, strict=True))

        _in_order([*self._sorted(), *program.outputs], new, needs, write)
        return builder.finish([new[i] for i in program.outputs])

    def _sorted(self) -> list[int]:
        """What is needed outside, in the order of the program."""
        return [
            node.outputs[0]
            for node in self.program.nodes
            if any(out in self.visited for out in node.outputs)
        ]


def _in_order(
    values: Iterable[int],
    done: dict[int, Value],
    needs: Callable[[int], list[int]],
    write: Callable[[int], None],
) -> None:
    """Write values, each after what it needs."""
    todo = list(values)[::-1]
    while todo:
        value = todo[-1]
        if value in done:
            todo.pop()
            continue
        missing = [i for i in needs(value) if i not in done]
        if missing:
            todo.extend(missing)
            continue
        write(todo.pop())


__all__ = ["stream"]
