"""New values written over the old ones: parameters and optimizer state lie in memory once.

In: a plan's runs, when it is made. Out: for each whether, and where, results may take the place of inputs. A tensor's new
value may take the place of its old one if the tensor was the only one to hold that (by reference counts, each time), no
other run of the segment reads it, and no later backward does. The backend knows whether the code allows it.

What was written over cannot be computed again. So a run says whether it has happened, and a flush that Ctrl-C breaks off
after it goes on first; other threads that ask for pending values wait meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from operator import is_
from time import sleep
from typing import Any

from alight.compiler.effort import LARGE
from alight.ir.primitive import CONTRACTION, ELEMENTWISE, MOVEMENT, REDUCTION, WINDOW
from alight.record.trie import Tape

PATIENCE = 8  # how many more runs may find arrays held than free until two arrays take turns
TRIES = 100  # to go on after Ctrl-C
SURE = {ELEMENTWISE, REDUCTION, MOVEMENT, CONTRACTION, WINDOW}  # kinds that do not look at values

Holder = int | tuple[int, int]  # a handle, or which of the tensors that entered together


class Overwriting:
    """One run of a plan whose results may take the place of inputs."""

    HOLDERS = 4  # of an array that only its tensor has: that, the segment's inputs, all that is given, arguments

    __slots__ = (
        "begun",
        "call",
        "execute",
        "holders",
        "misses",
        "pairs",
        "recorder",
        "results",
        "written",
    )

    def __init__(
        self,
        recorder: Any,
        execute: Any,
        pairs: tuple[tuple[int, int], ...],
        holders: tuple[Holder, ...],
    ) -> None:
        self.recorder, self.execute = recorder, execute
        self.pairs = pairs  # (number of an output, number of an input), as far as this segment goes
        self.holders = holders  # of each pair: whose value the input is
        self.misses = 0
        self.call: Any = None  # what does it in compiled code
        self.results: list[Any] | None = None  # of the run under way
        self.written = False  # they are there
        self.begun: Any = None  # what compiled code sets as soon as it writes over inputs

    def run(self, arguments: list[Any]) -> list[Any]:
        """The results of the run; of one that was interrupted when it had been done, without doing it again."""
        if self.is_written():
            return self.call(arguments, self)  # type: ignore[no-any-return]
        run = self.execute.run
        write_over = getattr(run, "write_over", None)
        if write_over is None or self.recorder.shares or self.misses > PATIENCE:
            return run(arguments)  # type: ignore[no-any-return]
        if not any(one is self for one in self.recorder.overwriting):
            self.recorder.overwriting.append(self)
        self.call = write_over
        return write_over(arguments, self)  # type: ignore[no-any-return]

    def owned(self, arrays: Iterable[Any], numbers: Iterable[int]) -> list[bool]:
        """Which arrays, the inputs of some pairs, are still the buffers of those that had them."""
        handles, held = self.recorder.handles, self.recorder.held
        holders = [self.holders[n] for n in numbers]
        buffers = [
            handles[one]._buffer if one.__class__ is int else held[one[0]].buffers[one[1]]  # type: ignore[index]
            for one in holders
        ]
        return [*map(is_, arrays, buffers)]

    def note(self, free: Sequence[bool]) -> None:
        """How many arrays nobody else held, this time."""
        self.misses = max(0, self.misses - 1) if all(free) else self.misses + 1

    def is_written(self) -> bool:
        """Whether inputs were written over; compiled code is not interrupted, so it has done all of it."""
        return self.written or (self.begun is not None and bool(self.begun[0]))

    def end(self) -> None:
        """The results are in their tensors."""
        self.call, self.results, self.written, self.begun = None, None, False, None


def allow(
    recorder: Any,
    tape: Tape,
    runs: Sequence[Any],
    stored: Sequence[tuple[int, int]],
    residuals: Iterable[int],
) -> None:
    """Let the runs of a new plan write new values of tensors over the old ones, where they may."""
    sources = dict(zip(tape.inputs, tape.sources, strict=True))
    read_later = [sources[value] for value in residuals if value in sources]
    wanted = {number for kind, number in read_later if kind == "buffer"}
    renewed = _renewed(recorder, tape, stored, sources)
    read = Counter(feed for run in runs for feed in run.feeds)
    unsure = [run for run in runs if not _is_sure(run)]  # if one fails, older values are wanted
    for run in runs:
        if any(one is not run for one in unsure):
            continue
        found = [
            (n, run.feeds.index(number), holder)
            for n, (number, holder) in enumerate(
                map(renewed.get, run.values, [(-1, -1)] * len(run.values))
            )
            if number in run.feeds and read[number] == 1 and number not in wanted
        ]
        size = sum(run.program.types[run.program.outputs[n]].bytes for n, _, _ in found)
        if size >= LARGE:
            pairs, holders = tuple([one[:2] for one in found]), tuple([one[2] for one in found])
            run.over = Overwriting(recorder, run.execute, pairs, holders)


def _renewed(
    recorder: Any,
    tape: Tape,
    stored: Sequence[tuple[int, int]],
    sources: dict[int, tuple[str, int]],
) -> dict[int, tuple[int, Holder]]:
    """Values that tensors come to hold, with the number of the buffer that each had before, and who it is."""
    handles, inputs = recorder.handles, recorder.inputs
    entered: dict[int, int] = {}
    for i, (value, _) in enumerate(tape.slots):
        kind, number = sources.get(value, ("", 0))
        if kind == "buffer" and handles[i]._base is None and inputs[number] is handles[i]._buffer:
            entered.setdefault(id(handles[i]), number)
    often = Counter(value for _, value in stored)
    found: dict[int, tuple[int, Holder]] = {}
    for i, value in stored:
        tensor = handles[i]
        is_last = tensor._slot == i + recorder.offset
        if is_last and often[value] == 1 and id(tensor) in entered and value not in sources:
            found[value] = entered[id(tensor)], i
    held = [mark[1:] for mark in tape.marks if mark[0] == "kept"]
    for k, (kept, values) in enumerate(zip(recorder.held, held, strict=True)):
        first = next((n for n, one in enumerate(inputs) if one is kept.buffers[0]), -1)
        for j, value in enumerate(values):
            if value not in often and value not in sources:
                found[value] = first + j, (k, j)
    return found


def _is_sure(run: Any) -> bool:
    """Whether a run gives results whatever the values are."""
    return all(node.primitive.kind in SURE for node in run.program.nodes)


def end(recorder: Any) -> None:
    """A flush is over: its results are in their tensors."""
    for one in recorder.overwriting:
        one.end()
    recorder.overwriting = []


def go_on(recorder: Any) -> None:
    """A flush was interrupted: finish it if inputs were written over, since it cannot be done again."""
    if any(one.is_written() for one in recorder.overwriting):
        for _ in range(TRIES):
            try:
                recorder.flush("an interrupted run is finished")
                break
            except BaseException:
                if not recorder.overwriting:
                    break  # finished: some other run has failed
    end(recorder)


def wait_for(recorder: Any) -> None:
    """Until another thread's recorder has written over what it writes over."""
    while recorder.overwriting:
        sleep(0.0001)
