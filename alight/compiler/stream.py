"""Stream: attention block by block of rows, forward and backward, so that the matrix of scores is never whole.

In: a program. Out: one in which what `scores` found is a `Scan` over batches, inside of it one over blocks of rows.

    %2 = dot_general(%q, %k); %3 = max(%2); ... %9 = dot_general(%8, %v)
      ->
    %9 = scan(%q, %k, %v) over heads: { scan over blocks of rows of %q, with all of %k and %v: { the same nodes } }

The body of the inner scan are the nodes between what is there as a whole and the exits of one level, with fewer rows.
Exits with rows come out as stacks; those summed over rows (the gradients of keys and values) are carried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import prod
from typing import Any

from alight.compiler.blocks import (
    Chunk,
    combined,
    indices_along,
    joined,
    part,
    row_blocks,
    row_whole,
    scan_of,
    split,
    step_type,
)
from alight.compiler.causal import sees_only_before
from alight.compiler.labels import Labels, UnfitError, inputs_of, is_local
from alight.compiler.scores import (
    COLUMNS,
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
from alight.primitives import (
    Convert,
    Expand,
    Full,
    Iota,
    Permute,
    RandomBits,
    Reshape,
)

MOST_ROWS, LEAST_ROWS = 128, 64  # of a block
# Rows that see equally many columns, where rows see only what is before them; each such segment is code of its own.
SEGMENT_ROWS, MOST_SEGMENTS = 128, 16
Order = tuple[int, ...]

WIDE_VALUES = 3  # of a block that are alive at a time, roughly
MOST_LEVELS = 3

# A value outside, the order of axes in which it comes (None: its own), and how its axes are then labelled.
Border = tuple[int, Order | None, Labels]


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

    def __init__(self, scores: Scores, level: int, rows: int, columns: int) -> None:
        self.scores, self.level, self.types = scores, level, scores.types
        self.sizes = {**dict.fromkeys(scores.batch, 1), ROWS: rows, COLUMNS: columns}
        self.builder = Builder()
        self.known: dict[tuple[int, Labels], Value] = {}
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
        whole = self._is_whole(value)
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
        return self._border(value, labels, None)

    def _is_whole(self, value: int) -> bool:
        return value not in self.scores.maker or self.scores.base[value] <= self.level

    def _border(self, value: int, labels: Labels, order: Order | None) -> Value:
        """A block of what is there outside, in an order of axes of our choice."""
        shape, of = self.block(value, labels), self.types[value]
        if order is not None:
            shape, labels = tuple(shape[i] for i in order), tuple(labels[i] for i in order)
        key = value, order, labels
        if key not in self.borders:
            self.borders[key] = self.builder.add_value(Type(shape, of.dtype, of.device))
        if order is None:
            return self.borders[key]
        back = tuple(order.index(i) for i in range(len(order)))
        return Permute(self.borders[key], order=back)  # type: ignore[call-arg,return-value]

    def reduced(self, value: int, labels: Labels) -> Value:
        """A block of an exit, or its share of one that is summed over rows."""
        node = self.scores.maker[value]
        if node.primitive.name in REDUCTIONS:
            inner = self.ask(node.inputs[0], self.scores.wide[node.inputs[0]])
            return node.primitive(inner, **node.statics)  # type: ignore[call-arg,return-value]
        return self.product(value, *self.scores.product_labels(node, labels))

    def product(self, value: int, x: Labels, y: Labels) -> Value:
        """A product of blocks; operands from outside come with their free axes side by side, as vectors want them."""
        node = self.scores.maker[value]
        rows = zip(node.inputs, (x, y), node.statics["contract"], strict=True)
        one, two = (self._operand(i, of, summed) for i, of, summed in rows)
        statics = node.statics
        if self.is_turned(value):
            one, two = two, one
            statics = {name: pair[::-1] for name, pair in statics.items()}
        return node.primitive(one, two, **statics)  # type: ignore[call-arg,return-value]

    def _operand(self, value: int, labels: Labels, summed: tuple[int, ...]) -> Value:
        last = len(labels) - 1
        narrow = not is_wide(labels) and self._is_whole(value) and last in summed
        free = [i for i in range(last) if i not in summed and self.types[value].shape[i] != 1]
        if not narrow or not free or ROWS in labels:
            return self.ask(value, labels)
        order = (*(i for i in range(last + 1) if i != free[-1]), free[-1])
        return self._border(value, labels, order)

    def is_turned(self, value: int) -> bool:
        """Whether an exit that is summed over rows comes with columns before the rest: its rows are then contiguous."""
        node, labels = self.scores.maker[value], self.scores.exits.get(value)
        turned = node.primitive.name == "dot_general" and labels is not None and ROWS not in labels
        return turned and node.inputs[1] in self.scores.wide

    def turned_order(self, value: int) -> Order | None:
        """The order in which the axes of a turned exit come; None for any other one."""
        if not self.is_turned(value):
            return None
        node = self.scores.maker[value]
        batch, rank = len(node.statics["batch"][0]), self.types[value].ndim
        middle = self.types[node.inputs[0]].ndim - len(node.statics["contract"][0])
        return (*range(batch), *range(middle, rank), *range(batch, middle))

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
        if name == "iota" and labels[statics["axis"]] not in (None, COLUMNS):
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
        self.device = scores.types[scores.seed.outputs[0]].device
        self.bodies: dict[tuple[int, int], tuple[_Body, Program]] = {}
        segments = min(MOST_SEGMENTS, scores.extents[ROWS] // SEGMENT_ROWS)
        try:
            if segments < 2 or not sees_only_before(scores, self.wanted):
                raise UnfitError("all rows see all columns")
            self.chunks = list(self._chunks(segments))
        except UnfitError:
            self.chunks = list(self._chunks(1))
        first = next(iter(self.bodies.values()))[0]
        self.borders, self.starts = list(first.borders), list(first.starts)
        self.orders = [first.turned_order(e) for e in self.wanted]
        self.labels = [
            scores.exits[e] if order is None else tuple(scores.exits[e][i] for i in order)
            for e, order in zip(self.wanted, self.orders, strict=True)
        ]

    def _chunks(self, segments: int) -> Iterator[Chunk]:
        """All rows, the last ones of each segment in a block of their own where they do not fill one."""
        self.bodies.clear()
        total, most = self.scores.extents[ROWS], self.scores.extents[COLUMNS]
        step = -(-total // segments // self.rows) * self.rows if segments > 1 else total
        for at in range(0, total, step):
            end = min(at + step, total)
            columns = min(end, most) if segments > 1 else most
            count, left = divmod(end - at, self.rows)
            if count:
                yield Chunk(at, count, self.rows, columns, self._body(self.rows, columns))
            if left:
                yield Chunk(end - left, 1, left, columns, self._body(left, columns))

    def _body(self, rows: int, columns: int) -> Program:
        if (rows, columns) not in self.bodies:
            body = _Body(self.scores, self.level, rows, columns)
            with body.builder.active():
                outs = [body.reduced(e, self.scores.exits[e]) for e in self.wanted]
            inputs = [*body.borders.values(), *body.starts.values()]
            body.builder.inputs = [value.id for value in inputs]
            made = Program(
                body.builder.types, body.builder.inputs, body.builder.nodes, [x.id for x in outs]
            )
            self.bodies[(rows, columns)] = body, made
        return self.bodies[(rows, columns)][1]

    def run(self, builder: Builder, outside: Sequence[Value]) -> list[Value]:
        """All exits, from the borders as they are outside."""
        groups = [self.scores.batch]
        names = set(self.scores.batch)
        if any(is_wide(of) and names & set(of) not in (set(), names) for *_, of in self.borders):
            groups = [[label] for label in self.scores.batch]  # else masks would be repeated
        with builder.active():
            given = [
                x if order is None else Permute(x, order=order)  # type: ignore[call-arg]
                for x, (_, order, _) in zip(outside, self.borders, strict=True)
            ]
            made = self._batches(builder, [g for g in groups if g], given, {})  # type: ignore[arg-type]
            back = [
                None if o is None else tuple(o.index(i) for i in range(len(o))) for o in self.orders
            ]
            return [
                x if order is None else Permute(x, order=order)  # type: ignore[call-arg,misc]
                for x, order in zip(made, back, strict=True)
            ]

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
        cut = [any(label in of for label in group) for *_, of in self.borders]
        own = [label for label in group if label in self.starts]
        places = {label: indices_along(extents, group, label, self.device) for label in own}
        item = Builder()
        constants = [x for x, one in zip(given, cut, strict=True) if not one]
        stacks = [
            split(x, of, group, extents)
            for x, (*_, of), one in zip(given, self.borders, cut, strict=True)
            if one
        ]
        whole = [*constants, *starts.values()]
        inside = [item.input(x.type) for x in whole]
        steps = [item.input(step_type(x)) for x in (*stacks, *places.values())]
        begin, step = iter(inside), iter(steps)
        values = [next(step if one else begin) for one in cut]
        known = {label: next(begin) for label in starts}
        known |= {label: next(step) for label in own}
        with item.active():
            outs = self._batches(item, groups[1:], values, known)
        body = Program(item.types, item.inputs, item.nodes, [x.id for x in outs])
        made = scan_of(body, [], whole, [*stacks, *places.values()], length)
        return [joined(x, of, group, extents) for x, of in zip(made, self.labels, strict=True)]

    # -- blocks of rows ------------------------------------------------------------------------------------------------

    def _blocks(
        self, builder: Builder, given: list[Value], starts: dict[str, Value]
    ) -> list[Value]:
        """All chunks of one batch; a scan over the blocks of each."""
        labels = [of for *_, of in self.borders]
        parts = []
        for chunk in self.chunks:
            some = [
                part(x, of, COLUMNS, 0, chunk.columns) for x, of in zip(given, labels, strict=True)
            ]
            if chunk.blocks > 1:
                parts.append(self._scanned(some, starts, chunk))
            else:
                parts.append(self._inlined(builder, some, starts, chunk))
        most = self.scores.extents[COLUMNS]
        rows = zip(self.labels, *parts, strict=True)
        return [combined(pieces, of, most) for of, *pieces in rows]

    def _inlined(
        self, builder: Builder, given: list[Value], starts: dict[str, Value], chunk: Chunk
    ) -> list[Value]:
        """One block by itself."""
        labels = [of for *_, of in self.borders]
        values = [
            part(x, of, ROWS, chunk.at, chunk.rows) for x, of in zip(given, labels, strict=True)
        ]
        for label in self.starts:
            here: Any = starts.get(label)
            if here is None:
                here = Full(shape=(), value=chunk.at, dtype=int64, device=self.device)  # type: ignore[call-arg]
            values.append(here)
        return builder.inline(chunk.body, values)

    def _scanned(self, given: list[Value], starts: dict[str, Value], chunk: Chunk) -> list[Value]:
        labels = [of for *_, of in self.borders]
        cut = [ROWS in of for of in labels]
        constants = [x for x, one in zip(given, cut, strict=True) if not one]
        constants += starts.values()
        stacks = [
            row_blocks(x, of, chunk) for x, of, one in zip(given, labels, cut, strict=True) if one
        ]
        if ROWS in self.starts:
            line: Any = Iota(shape=(chunk.blocks,), axis=0, dtype=int64, device=self.device)  # type: ignore[call-arg]
            stacks.append(line * chunk.rows + chunk.at)
        summed = [n for n, of in enumerate(self.labels) if ROWS not in of]
        outs = [chunk.body.types[i] for i in chunk.body.outputs]
        carries: list[Any] = [
            Full(shape=outs[n].shape, value=0, dtype=outs[n].dtype, device=outs[n].device)  # type: ignore[call-arg]
            for n in summed
        ]
        step = Builder()
        before = [step.input(x.type) for x in carries]
        inside = iter([step.input(x.type) for x in constants])
        here = iter([step.input(step_type(x)) for x in stacks])
        values = [next(here if one else inside) for one in cut]
        known = {label: next(inside) for label in starts}
        values += [next(here) if label == ROWS else known[label] for label in self.starts]
        with step.active():
            made = step.inline(chunk.body, values)
            sums = [old + made[n] for old, n in zip(before, summed, strict=True)]
        others = [x for n, x in enumerate(made) if n not in summed]
        body = Program(step.types, step.inputs, step.nodes, [x.id for x in (*sums, *others)])
        found = list(scan_of(body, carries, constants, stacks, chunk.blocks))
        totals, rest = iter(found[: len(summed)]), iter(found[len(summed) :])
        return [
            next(totals) if n in summed else row_whole(next(rest), of)
            for n, of in enumerate(self.labels)
        ]


class _Rewriter:
    """Writes the program anew, with the exits of each level made by a scan."""

    def __init__(self, scores: Scores, cache_bytes: int) -> None:
        self.scores, self.program = scores, scores.program
        itemsize = scores.types[scores.seed.outputs[0]].dtype.itemsize
        rows = cache_bytes // (WIDE_VALUES * itemsize * wide_row(scores)) // 16 * 16
        self.rows = min(max(LEAST_ROWS, min(MOST_ROWS, rows)), scores.extents[ROWS])
        if self.rows == scores.extents[ROWS] and not scores.batch:
            raise UnfitError("one block")
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
                self._visit(value for value, *_ in self.levels[level].borders)
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
                return [v for v, *_ in self.levels[scores.level(value)].borders]
            return list(scores.maker[value].inputs)

        def write(value: int) -> None:
            if value in scores.exits:
                level = self.levels[scores.level(value)]
                outs = level.run(builder, [new[v] for v, *_ in level.borders])
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
