"""Online: the exits of one level in blocks of rows and of columns, with the maxima and sums of rows as they are so far.

In: `Scores` in the form of `deferred.py`, a level and the exits that are wanted. Out: the code that computes them: for
each block of rows a scan over blocks of columns, which carries a running maximum and what is summed so far (Milakov and
Gimelshein, "Online normalizer calculation for softmax", 2018; Dao et al., "FlashAttention", 2022). A block of scores
stays in the second cache with what it is made of, and so do the carries. Where rows see only what is before them, blocks
above the diagonal are left out, and those below it have no mask.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import inf
from typing import Any, NamedTuple

from alight.compiler.blocks import blocks_along, part, scan_of, step_type, whole_along
from alight.compiler.body import Body, Border
from alight.compiler.causal import below, sees_only_before
from alight.compiler.deferred import along_rows
from alight.compiler.labels import Labels, UnfitError
from alight.compiler.levels import MOST_SEGMENTS, Level
from alight.compiler.maxima import Running, running
from alight.compiler.scores import COLUMNS, ROWS, Scores
from alight.dtypes import int64
from alight.ir.program import Builder, Program, Value
from alight.ir.types import Type
from alight.primitives import Concat, Exp, Expand, Full, Iota, Maximum, Pad, Reshape
from alight.primitives.arithmetic import equal, where


class Span(NamedTuple):
    """Neighbouring blocks of columns of one width, all of which are below the diagonal or not."""

    first: int  # block
    blocks: int
    at: int  # column
    width: int
    below: bool


class Rows(NamedTuple):
    """Blocks of rows that see the same blocks of columns."""

    at: int  # the first row
    blocks: int
    rows: int  # of each
    spans: tuple[Span, ...]


class Pieces(NamedTuple):
    """What was summed over rows so far: for each exit with columns its blocks, and what is left over."""

    blocks: list[Value] | None
    left: list[Value] | None

    def of(self, span: Span, whole: int) -> list[Value] | None:
        """The blocks of a span; None if no row has seen them."""
        if span.first == whole:
            return self.left
        if self.blocks is None or (self.blocks and self.blocks[0].shape[0] <= span.first):
            return None
        return [_some_blocks(x, span) for x in self.blocks]


class Square(Body):
    """The nodes of one block of rows and columns."""

    def __init__(self, scores: Scores, level: int, rows: int, span: Span, how: Running) -> None:
        super().__init__(scores, level, rows, span.width)
        self.walked.add(COLUMNS)
        self.below, self.how = span.below, how
        self.before: dict[int, Value] = {}  # carried exits as they come in
        self.tops: dict[int, Value] = {}  # maxima so far

    def step(self, carried: Sequence[int], pieces: Sequence[int], adds: bool) -> Program:
        """The block's program: what it carries, what stays, what is cut along columns -> carries, pieces of columns."""
        with self.builder.active():
            outs = [self._carried(value) for value in carried]
            old = []
            for value in pieces:
                share: Any = self.reduced(value, self.scores.exits[value])
                if adds:
                    old.append(self.builder.add_value(share.type))
                    share = old[-1] + share
                outs.append(share)
        stays, cut = self.inputs()
        inputs = [*(self.before[value] for value in carried), *stays, *cut, *old]
        self.builder.inputs = [x.id for x in inputs]
        made = self.builder
        return Program(made.types, made.inputs, made.nodes, [x.id for x in outs])

    def inputs(self) -> tuple[list[Value], list[Value]]:
        """Borders and starts: those that stay from block to block of columns, and those that do not."""
        named = [(labels, x) for (*_, labels), x in self.borders.items()]
        named += [((label,), x) for label, x in self.starts.items()]
        cut = [x for labels, x in named if COLUMNS in labels]
        return [x for labels, x in named if COLUMNS not in labels], cut

    def _carried(self, value: int) -> Value:
        if value in self.how.maxima:
            self._shift(value)
            return self.tops[value]
        share: Any = self.reduced(value, self.scores.exits[value])
        old: Any = self.builder.add_value(share.type)
        self.before[value] = old
        if self.scores.maker[value].primitive.name == "max":
            return Maximum(old, share)  # type: ignore[return-value]
        if value in self.how.scale:
            old = old * Expand(self._correction(value), shape=share.shape)  # type: ignore[call-arg]
        return old + share  # type: ignore[no-any-return]

    def _made(self, value: int, labels: Labels) -> Value:
        if value in self.how.maxima and not self._is_whole(value):
            return self._shift(value)
        node = self.scores.maker.get(value)
        if self.below and node is not None and node.primitive.name == "select":
            taken = below(self.scores, node, labels) if value in self.scores.wide else None
            if taken is not None:
                return self.ask(node.inputs[taken], labels)
        return super()._made(value, labels)

    def _shift(self, value: int) -> Value:
        """What is subtracted from a row before exp: its maximum so far, 0 while that is minus infinity."""
        if value not in self.tops:
            here = self.reduced(value, self.scores.exits[value])
            self.before[value] = self.builder.add_value(here.type)
            self.tops[value] = Maximum(self.before[value], here)  # type: ignore[assignment]
        top: Any = self.tops[value]
        return where(equal(top, -inf), 0, top)

    def _correction(self, value: int) -> Value:
        """What a sum that is relative to the maximum before has to be multiplied by, along the rows of an exit."""
        top, node, wide = self.how.scale[value], self.scores.maker[value], self.scores.wide
        (n,) = [n for n, i in enumerate(node.inputs) if i in wide]
        x = self.scores.maker[top].inputs[0]
        if wide[x] != wide[node.inputs[n]]:
            raise UnfitError("scores whose axes change places")
        old: Any = self.before[top]
        correction: Any = Exp(old - self._shift(top))
        if node.primitive.name == "sum":
            return correction  # type: ignore[no-any-return]
        (axis,) = self.scores.maker[top].statics["axes"]
        apart = Reshape(correction, shape=(*old.shape[:axis], 1, *old.shape[axis:]))  # type: ignore[call-arg]
        return along_rows(node, n, apart, self.types[value].ndim)  # type: ignore[arg-type]


class Online(Level):
    """Blocks of at most `side` rows, and about as many columns."""

    def __init__(self, scores: Scores, level: int, wanted: Iterable[int], side: int) -> None:
        super().__init__(scores, level, wanted)
        self.how = running(scores, level, self.wanted)
        every = [*self.wanted, *(m for m in self.how.maxima if m not in self.wanted)]
        self.carried = [e for e in every if COLUMNS not in scores.exits[e]]
        self.pieces = [e for e in every if COLUMNS in scores.exits[e]]
        causal = sees_only_before(scores, every)
        # Without pieces a single block of scores is alive, which may be longer; causal rows would see too much of it.
        wide = side if causal or self.pieces else 2 * side
        self.rows = min(side, scores.extents[ROWS])
        self.columns = min(wide, scores.extents[COLUMNS])
        self.whole, self.rest = divmod(scores.extents[COLUMNS], self.columns)
        self.bodies: dict[tuple[int, int, bool, bool], tuple[Square, Program]] = {}
        self.chunks = list(self._chunks(causal))
        found = [
            self._body(rows.rows, span, False)[0] for rows in self.chunks for span in rows.spans
        ]
        self.borders = list(dict.fromkeys(border for body in found for border in body.borders))
        self.starts = list(dict.fromkeys(start for body in found for start in body.starts))
        self.turned_as(found[0])
        self.shapes = {e: x.type for e, x in found[0].before.items()}

    # -- which blocks there are ----------------------------------------------------------------------------------------

    def _chunks(self, causal: bool) -> Iterator[Rows]:
        """All rows, in at most so many segments where rows see only what is before them."""
        total = self.scores.extents[ROWS]
        blocks = -(-total // self.rows)
        step = -(-blocks // MOST_SEGMENTS) * self.rows if causal else total
        for at in range(0, total, step):
            end = min(at + step, total)
            count, left = divmod(end - at, self.rows)
            if count:
                spans = tuple(self._spans(at, at + count * self.rows, causal))
                yield Rows(at, count, self.rows, spans)
            if left:
                yield Rows(end - left, 1, left, tuple(self._spans(end - left, end, causal)))

    def _spans(self, at: int, end: int, causal: bool) -> Iterator[Span]:
        """The blocks of columns that rows [at, end) see."""
        wide, whole, total = self.columns, self.whole, self.scores.extents[COLUMNS]
        seen = min(end, total) if causal else total
        below = min(at + 1, total) if causal else 0  # columns that all of these rows see
        free, full = min(below // wide, whole), min(-(-seen // wide), whole)
        if free:
            yield Span(0, free, 0, wide, True)
        if full > free:
            yield Span(free, full - free, free * wide, wide, False)
        if seen > whole * wide:
            yield Span(whole, 1, whole * wide, self.rest, causal and below == total)

    def _body(self, rows: int, span: Span, adds: bool) -> tuple[Square, Program]:
        key = rows, span.width, span.below, adds
        if key not in self.bodies:
            body = Square(self.scores, self.level, rows, span, self.how)
            self.bodies[key] = body, body.step(self.carried, self.pieces, adds)
        return self.bodies[key]

    # -- what is given -------------------------------------------------------------------------------------------------

    def given(self, values: Sequence[Value]) -> list[tuple[Value, Labels]]:
        """Borders with columns come in blocks of them, which then lie one behind the other, and what is left over."""
        found: list[tuple[Value, Labels]] = []
        for x, (*_, of) in zip(values, self.borders, strict=True):
            if not _is_cut(of):
                found.append((x, of))
                continue
            if self.whole:
                stack = blocks_along(x, of, COLUMNS, 0, self.whole, self.columns)
                found.append((stack, (None, *of)))
            if self.rest:
                left = part(x, of, COLUMNS, self.whole * self.columns, self.rest)
                found.append((Reshape(left, shape=(1, *left.shape)), (None, *of)))  # type: ignore[call-arg,arg-type]
        return found

    def _by_border(self, given: Sequence[Value]) -> dict[Border, list[Value]]:
        """What belongs to each border: one value, or its blocks of columns and what is left over."""
        rest, count = iter(given), (self.whole > 0) + (self.rest > 0)
        return {
            border: [next(rest) for _ in range(count if _is_cut(border[-1]) else 1)]
            for border in self.borders
        }

    # -- blocks --------------------------------------------------------------------------------------------------------

    def blocks(self, builder: Builder, given: list[Value], starts: dict[str, Value]) -> list[Value]:
        """All blocks of one batch."""
        values = self._by_border(given)
        rows: list[dict[int, Value]] = []  # of each chunk: exits with rows
        sums = {e: self._first(e) for e in self.carried if ROWS not in self.scores.exits[e]}
        total = Pieces(None, None)
        for chunk in self.chunks:
            olds = [total.of(span, self.whole) for span in chunk.spans]
            if chunk.blocks > 1:
                made, some = self._scanned(values, starts, chunk, sums, olds)
            else:
                here = {
                    border: [part(x, border[-1], ROWS, chunk.at, chunk.rows) for x in some]
                    if ROWS in border[-1]
                    else some
                    for border, some in values.items()
                }
                at = {**starts}
                if ROWS in self.starts:
                    at[ROWS] = self._number(chunk.at)
                carries = {e: sums.get(e) or self._first(e, chunk.rows) for e in self.carried}
                made, some = self._walk(builder, here, at, chunk, carries, olds)
            sums = {e: made[e] for e in sums}
            rows.append(made)
            total = self._joined(chunk, some)
        return [self._together(e, rows, total) for e in self.wanted]

    def _joined(self, chunk: Rows, some: list[list[Value]]) -> Pieces:
        """The pieces of all spans: those of whole blocks one after the other."""
        inside = [
            one for span, one in zip(chunk.spans, some, strict=True) if span.first < self.whole
        ]
        blocks = [
            one[0] if len(one) == 1 else Concat(*one, axis=0)  # type: ignore[call-arg,misc]
            for one in zip(*inside, strict=True)
        ]
        return Pieces(blocks, some[-1] if len(inside) < len(some) else None)  # type: ignore[arg-type]

    def _together(self, exit: int, rows: list[dict[int, Value]], total: Pieces) -> Value:
        """An exit from those of all chunks: rows one after the other, or blocks of columns."""
        labels = self.labels[self.wanted.index(exit)]
        if exit in self.carried:
            if ROWS not in labels:
                return rows[-1][exit]
            parts = [made[exit] for made in rows]
            return parts[0] if len(parts) == 1 else Concat(*parts, axis=labels.index(ROWS))  # type: ignore[call-arg,return-value]
        n, axis = self.pieces.index(exit), labels.index(COLUMNS)
        found = [whole_along(some[n], labels, COLUMNS) for some in total if some]
        made = found[0] if len(found) == 1 else Concat(*found, axis=axis)  # type: ignore[call-arg]
        unseen = self.scores.extents[COLUMNS] - made.shape[axis]  # columns that no row sees
        if not unseen:
            return made  # type: ignore[no-any-return]
        high = tuple(unseen if i == axis else 0 for i in range(made.ndim))
        return Pad(made, low=(0,) * made.ndim, high=high)  # type: ignore[call-arg,return-value]

    def _first(self, exit: int, rows: int | None = None) -> Value:
        """What an exit is carried from, for a block of so many rows."""
        of, labels = self.shapes[exit], self.scores.exits[exit]
        shape = of.shape
        if rows is not None and ROWS in labels:
            axis = labels.index(ROWS)
            shape = (*shape[:axis], rows, *shape[axis + 1 :])
        top = self.scores.maker[exit].primitive.name == "max"
        return Full(shape=shape, value=-inf if top else 0, dtype=of.dtype, device=of.device)  # type: ignore[call-arg,return-value]

    def _number(self, value: int) -> Value:
        return Full(shape=(), value=value, dtype=int64, device=self.device)  # type: ignore[call-arg,return-value]

    def _walk(
        self,
        builder: Builder,
        values: dict[Border, list[Value]],
        starts: dict[str, Value],
        chunk: Rows,
        carries: dict[int, Value],
        olds: list[list[Value] | None],
    ) -> tuple[dict[int, Value], list[list[Value]]]:
        """One block of rows, from one block of columns to the next: what is carried at the end, the pieces of columns."""
        pieces = []
        for n, span in enumerate(chunk.spans):
            old = olds[n]
            body, program = self._body(chunk.rows, span, old is not None)
            stays = [values[b][0] for b in body.borders if COLUMNS not in b[-1]]
            stays += [starts[label] for label in body.starts if label != COLUMNS]
            cut = [self._columns(values[b], b[-1], span) for b in body.borders if COLUMNS in b[-1]]
            if COLUMNS in body.starts:
                line: Any = Iota(shape=(span.blocks,), axis=0, dtype=int64, device=self.device)  # type: ignore[call-arg]
                cut.append(line * span.width + span.at)
            cut += old or []
            held = [carries[e] for e in self.carried]
            found = scan_of(program, held, stays, cut, span.blocks)
            carries = dict(zip(self.carried, found, strict=False))
            pieces.append(list(found[len(held) :]))
        return carries, pieces

    def _columns(self, some: list[Value], labels: Labels, span: Span) -> Value:
        """The blocks of a span, one behind the other."""
        if not _is_cut(labels):
            return blocks_along(some[0], labels, COLUMNS, span.at, span.blocks, span.width)
        if span.first == self.whole:
            return some[-1]
        return _some_blocks(some[0], span)

    def _scanned(
        self,
        values: dict[Border, list[Value]],
        starts: dict[str, Value],
        chunk: Rows,
        sums: dict[int, Value],
        olds: list[list[Value] | None],
    ) -> tuple[dict[int, Value], list[list[Value]]]:
        """All blocks of rows of a chunk: sums over rows go on from block to block."""
        stays = [(b, x) for b, some in values.items() for x in some if ROWS not in b[-1]]
        moves = [(b, some[0]) for b, some in values.items() if ROWS in b[-1]]
        stacks = [
            blocks_along(x, b[-1], ROWS, chunk.at, chunk.blocks, chunk.rows) for b, x in moves
        ]
        if ROWS in self.starts:
            line: Any = Iota(shape=(chunk.blocks,), axis=0, dtype=int64, device=self.device)  # type: ignore[call-arg]
            stacks.append(line * chunk.rows + chunk.at)
        begun = [old or zeros for old, zeros in zip(olds, self._no_pieces(chunk), strict=True)]
        carries = [*sums.values(), *(x for some in begun for x in some)]
        step = Builder()
        held = [step.input(x.type) for x in carries]
        kept = [step.input(x.type) for x in (*(x for _, x in stays), *starts.values())]
        here = iter([step.input(step_type(x)) for x in stacks])
        inside: dict[Border, list[Value]] = {}
        for (border, _), x in zip(stays, kept, strict=False):
            inside.setdefault(border, []).append(x)
        inside |= {border: [next(here)] for border, _ in moves}
        at = dict(zip(starts, kept[len(stays) :], strict=True))
        at.update(zip([ROWS], here, strict=False))
        rest = iter(held)
        before = {e: next(rest) for e in sums}
        old: list[list[Value] | None] = [[next(rest) for _ in some] for some in begun]
        with step.active():
            begin = {e: before.get(e) or self._first(e, chunk.rows) for e in self.carried}
            made, pieces = self._walk(step, inside, at, chunk, begin, old)
        with_rows = [e for e in self.carried if e not in sums]
        outs = [*(made[e] for e in sums), *(x for some in pieces for x in some)]
        outs += [made[e] for e in with_rows]
        body = Program(step.types, step.inputs, step.nodes, [x.id for x in outs])
        found = iter(
            scan_of(body, carries, [*(x for _, x in stays), *starts.values()], stacks, chunk.blocks)
        )
        last = {e: next(found) for e in sums}
        some = [[next(found) for _ in one] for one in begun]
        for e in with_rows:
            last[e] = whole_along(next(found), self._labels_of(e), ROWS)
        return last, some

    def _labels_of(self, exit: int) -> Labels:
        return self.scores.exits[exit]  # exits with rows are not turned

    def _no_pieces(self, chunk: Rows) -> list[list[Value]]:
        """Zeros for what is summed over rows, of each span."""
        found = []
        for span in chunk.spans:
            _, program = self._body(chunk.rows, span, False)
            types = [program.types[i] for i in program.outputs[len(self.carried) :]]
            found.append([self._zeros(span, of) for of in types])
        return found

    def _zeros(self, span: Span, of: Type) -> Value:
        shape = (span.blocks, *of.shape)
        return Full(shape=shape, value=0, dtype=of.dtype, device=of.device)  # type: ignore[call-arg,return-value]


def _some_blocks(x: Value, span: Span) -> Value:
    """The blocks of a span of all blocks."""
    return part(x, (COLUMNS, *(None,) * (x.ndim - 1)), COLUMNS, span.first, span.blocks)


def _is_cut(labels: Labels) -> bool:
    """Whether a border has columns and is the same for all rows."""
    return COLUMNS in labels and ROWS not in labels


__all__ = ["Online"]
