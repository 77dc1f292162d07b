"""Levels: the exits of one level, batch by batch, and inside of it in blocks of rows that have all columns.

In: `Scores`, a level and the exits that are wanted. Out: the code that computes them: a scan over batches, and inside of
it one over blocks of rows. `online.py` has the blocks of rows and columns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
from alight.compiler.body import Body, Border, Order
from alight.compiler.causal import sees_only_before
from alight.compiler.labels import Labels, UnfitError
from alight.compiler.scores import COLUMNS, ROWS, Scores, is_wide
from alight.dtypes import int64
from alight.ir.program import Builder, Program, Value
from alight.primitives import Full, Iota, Permute

# Rows that see equally many columns, where rows see only what is before them; each such segment is code of its own.
SEGMENT_ROWS, MOST_SEGMENTS = 128, 16


class Level:
    """The exits of one level that are wanted, and the code that computes them in the new program."""

    borders: list[Border]
    starts: list[str]
    orders: list[Order | None]
    labels: list[Labels]

    def __init__(self, scores: Scores, level: int, wanted: Iterable[int]) -> None:
        self.scores, self.level, self.wanted = scores, level, list(wanted)
        self.device = scores.types[scores.seed.outputs[0]].device

    def turned_as(self, body: Body) -> None:
        """Take the order of the axes of exits from a body."""
        self.orders = [body.turned_order(e) for e in self.wanted]
        self.labels = [
            scores_exit if order is None else tuple(scores_exit[i] for i in order)
            for scores_exit, order in zip(
                (self.scores.exits[e] for e in self.wanted), self.orders, strict=True
            )
        ]

    def blocks(self, builder: Builder, given: list[Value], starts: dict[str, Value]) -> list[Value]:
        """The exits of one batch, from what is there outside."""
        raise NotImplementedError

    def given(self, values: Sequence[Value]) -> list[tuple[Value, Labels]]:
        """What `blocks` asks for, of all batches, and the labels of its axes."""
        return [(x, labels) for x, (*_, labels) in zip(values, self.borders, strict=True)]

    def run(self, builder: Builder, outside: Sequence[Value]) -> list[Value]:
        """All exits, from the borders as they are outside."""
        groups = [
            self.scores.batch
        ]  # without a batch, a scan of one step: it moves what it is given into order
        names = set(self.scores.batch)
        if any(is_wide(of) and names & set(of) not in (set(), names) for *_, of in self.borders):
            groups = [[label] for label in self.scores.batch]  # else masks would be repeated
        with builder.active():
            values = [
                x if order is None else Permute(x, order=order)  # type: ignore[call-arg,misc]
                for x, (_, order, _) in zip(outside, self.borders, strict=True)
            ]
            made = self._batches(builder, groups, self.given(values), {})  # type: ignore[arg-type]
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
        given: list[tuple[Value, Labels]],
        starts: dict[str, Value],
    ) -> list[Value]:
        """A scan over the batches of the first group, and inside of it over the rest."""
        if not groups:
            return self.blocks(builder, [x for x, _ in given], starts)
        group, extents = groups[0], self.scores.extents
        length = prod(extents[label] for label in group)
        cut = [any(label in of for label in group) for _, of in given]
        own = [label for label in group if label in self.starts]
        places = {label: indices_along(extents, group, label, self.device) for label in own}
        item = Builder()
        constants = [x for (x, _), one in zip(given, cut, strict=True) if not one]
        stacks = [
            split(x, of, group, extents) for (x, of), one in zip(given, cut, strict=True) if one
        ]
        whole = [*constants, *starts.values()]
        inside = [item.input(x.type) for x in whole]
        steps = [item.input(step_type(x)) for x in (*stacks, *places.values())]
        begin, step = iter(inside), iter(steps)
        values = [
            (next(step if one else begin), of) for (_, of), one in zip(given, cut, strict=True)
        ]
        known = {label: next(begin) for label in starts}
        known |= {label: next(step) for label in own}
        with item.active():
            outs = self._batches(item, groups[1:], values, known)
        body = Program(item.types, item.inputs, item.nodes, [x.id for x in outs])
        made = scan_of(body, [], whole, [*stacks, *places.values()], length)
        return [joined(x, of, group, extents) for x, of in zip(made, self.labels, strict=True)]


class AllColumns(Level):
    """Blocks of rows with all of their columns."""

    def __init__(self, scores: Scores, level: int, wanted: Iterable[int], rows: int) -> None:
        super().__init__(scores, level, wanted)
        self.rows = rows
        self.bodies: dict[tuple[int, int], tuple[Body, Program]] = {}
        segments = min(MOST_SEGMENTS, scores.extents[ROWS] // SEGMENT_ROWS)
        try:
            if segments < 2 or not sees_only_before(scores, self.wanted):
                raise UnfitError("all rows see all columns")
            self.chunks = list(self._chunks(segments))
        except UnfitError:
            self.chunks = list(self._chunks(1))
        first = next(iter(self.bodies.values()))[0]
        self.borders, self.starts = list(first.borders), list(first.starts)
        self.turned_as(first)

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
            body = Body(self.scores, self.level, rows, columns)
            with body.builder.active():
                outs = [body.reduced(e, self.scores.exits[e]) for e in self.wanted]
            inputs = [*body.borders.values(), *body.starts.values()]
            body.builder.inputs = [value.id for value in inputs]
            made = Program(
                body.builder.types, body.builder.inputs, body.builder.nodes, [x.id for x in outs]
            )
            self.bodies[(rows, columns)] = body, made
        return self.bodies[(rows, columns)][1]

    def blocks(self, builder: Builder, given: list[Value], starts: dict[str, Value]) -> list[Value]:
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


__all__ = ["MOST_SEGMENTS", "AllColumns", "Level"]
