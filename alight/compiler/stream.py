"""Stream: attention block by block of rows, forward and backward, so that the matrix of scores is never whole.

In: a program. Out: one in which what `scores` found is a `Scan` over batches, inside of it one over blocks of rows.

    %2 = dot_general(%q, %k); %3 = max(%2); ... %9 = dot_general(%8, %v)
      ->
    %9 = scan(%q, %k, %v) over heads: { scan over blocks of rows of %q, with all of %k and %v: { the same nodes } }

The body of the inner scan are the nodes between what is there as a whole and the exits of one level, with fewer rows.
Exits with rows come out as stacks; those summed over rows (the gradients of keys and values) are carried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from alight.compiler.deferred import deferred
from alight.compiler.labels import Labels, UnfitError
from alight.compiler.levels import AllColumns, Level
from alight.compiler.online import Online
from alight.compiler.scores import COLUMNS, ROWS, MixedError, Scores, seeds, unlabelled, wide_row
from alight.ir.program import Builder, Program, Value

MOST_ROWS, LEAST_ROWS = 128, 64  # of a block
WIDE_VALUES = 3  # of a block that are alive at a time, roughly
MOST_LEVELS = 3
SIDES = (64, 128, 256)  # of a block of rows and columns


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
            scores = Scores(program, seed, labels)
            found, value = deferred(scores)
            again = next(node for node in found.nodes if value in node.outputs)
            try:
                return _Rewriter(Scores(found, again, labels, True), cache_bytes).run()
            except UnfitError:
                return _Rewriter(Scores(found, again, labels), cache_bytes).run()
        except MixedError as error:
            labels = unlabelled(labels, error.args[0])
        except UnfitError:
            return None


class _Rewriter:
    """Writes the program anew, with the exits of each level made by a scan."""

    def __init__(self, scores: Scores, cache_bytes: int) -> None:
        self.scores, self.program = scores, scores.program
        itemsize = scores.types[scores.seed.outputs[0]].dtype.itemsize
        rows = cache_bytes // (WIDE_VALUES * itemsize * wide_row(scores)) // 16 * 16
        apart = wide_row(scores) // scores.extents[COLUMNS]
        fits = [n for n in SIDES if WIDE_VALUES * itemsize * apart * n * n <= cache_bytes // 2]
        self.side = max(fits, default=SIDES[0])
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
        if not 0 <= last < (MOST_LEVELS - self.scores.squares):
            raise UnfitError("nothing to stream" if last < 0 else "too many levels")
        self.levels: dict[int, Level] = {}
        for level in range(last, -1, -1):
            wanted = sorted(e for e in self.wanted if scores.level(e) == level)
            if wanted:
                self.levels[level] = self._level(level, wanted)
                self._visit(value for value, *_ in self.levels[level].borders)
        return self._written()

    def _level(self, level: int, wanted: list[int]) -> Level:
        try:
            return Online(self.scores, level, wanted, self.side)
        except UnfitError:
            if self.scores.squares:
                raise
            return AllColumns(self.scores, level, wanted, self.rows)

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
