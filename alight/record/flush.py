"""Running a segment: what stays alive, which programs that makes, and what backward will need of it.

In: a recorder whose path ends at `here`. Out: buffers in the tensors that are alive. What is alive is not part of
the key: a plan serves the union of the live sets seen at its position, so it is rebuilt a few times at most.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from alight import config
from alight.compiler.effort import takes_long
from alight.errors import reworded
from alight.ir.program import Program, connected, needed_nodes, prune
from alight.record.apart import has_own_past
from alight.record.history import History, owed_residuals
from alight.record.overwriting import Overwriting, allow, end, go_on, wait_for
from alight.record.owners import attach_lasting, lasting
from alight.record.passing import passes
from alight.record.references import LISTED, LISTED_TWICE
from alight.record.sources import user_line
from alight.record.specialized import copy_of
from alight.record.together import EVERY, consider
from alight.record.trie import PLAN_BYTES, PLANNED_BYTES, Position, Tape

USUAL = 6  # runs after which a path is expected to go on, with the same inputs

_laps = itertools.count(1)


def picker(places: Sequence[int]) -> Callable[[Any], Any]:
    """A function that picks some items of a list."""
    if len(places) > 1:
        return itemgetter(*places)
    return lambda items: [items[i] for i in places]


class Run:
    """One connected part of a segment."""

    __slots__ = ("execute", "feeds", "over", "pick", "program", "values")

    def __init__(
        self, program: Program, execute: Any, feeds: tuple[int, ...], values: tuple[int, ...]
    ) -> None:
        self.program, self.execute = program, execute  # buffers in, buffers out
        self.feeds = feeds  # of each input: its place among buffers and, behind them, numbers
        self.values = values  # tape value of each output
        self.pick = picker(feeds)  # the inputs from all buffers and numbers
        self.over: Overwriting | None = None  # if results may take the place of inputs


class Handles(NamedTuple):
    """Handles that somebody may hold after the flush."""

    passing: tuple[int, ...]  # they only lose their slots
    stored: tuple[tuple[int, int], ...]  # (handle, place among all outputs of the runs)


class Watched(NamedTuple):
    """Handles that nobody held when a plan was made, by what counts as that."""

    pick: Any  # them from all handles
    places: tuple[int, ...]
    most: int  # references, the list's and those of views that nobody holds among them
    views: bool


class Plan:
    """What a flush at a position does."""

    __slots__ = (
        "dead",
        "entered",
        "freed",
        "fresh",
        "held",
        "owed",
        "owing",
        "parameters",
        "plain",
        "repeated",
        "residuals",
        "runs",
        "saved",
        "sources",
        "stored",
        "tape",
        "together",
        "unstored",
        "views",
    )
    runs: tuple[Run, ...]
    stored: tuple[tuple[int, int], ...]  # (handle, place among all outputs of the runs)
    unstored: tuple[int, ...]  # handles made here that nobody held so far: values are not kept
    dead: tuple[Watched, ...]  # who must not be held by anybody else for the plan to be right
    fresh: tuple[int, ...]  # views made here that somebody may hold
    repeated: frozenset[int]  # handles that hold a value which another stored handle holds as well
    plain: Handles  # what an ordinary flush does to handles that are plain tensors
    parameters: Handles  # and to those that are parameters: see specialized.py
    held: tuple[Any, ...]  # what picks the new buffers of tensors that entered together
    # For a backward that comes later:
    owed: frozenset[int]  # values of alive tensors whose history it may ask for
    owing: tuple[tuple[int, int], ...]  # (handle, value) of the stored ones among them
    residuals: tuple[int, ...]  # values that it reads
    saved: Any  # what picks them from all buffers, numbers and results
    freed: frozenset[int]  # numbers of nodes that a backward in the segment has used up
    entered: tuple[tuple[str, int, int], ...]  # what takes gradients: leaf or past, value, handle
    views: tuple[tuple[int, int], ...]  # (handle, value) of views that take gradients
    sources: dict[int, tuple[str, int]]  # value -> ("buffer" or "scalar", number), of the inputs
    tape: Tape | None  # what was recorded, if anything is owed

    together: Any  # the job that makes one program of the runs

    def __init__(self, **fields: Any) -> None:
        self.together = None
        for name, value in fields.items():
            setattr(self, name, value)


def flush(recorder: Any, reason: str) -> None:
    """Run what is pending in `recorder`, give alive tensors their buffers, and start a new segment."""
    position: Position = recorder.here
    handles, counts = recorder.handles, position.counts
    if not handles:
        recorder.restart()
        return
    if len(handles) != counts.slots or len(recorder.scalars) != counts.scalars:
        _abandon(recorder)  # Ctrl-C fell into a step: what was computed before still stands
        return
    recorder.lap = position.used = next(_laps)
    position.runs += 1
    plan: Plan | None = position.plan
    if plan is None or (_any_alive(handles, plan, recorder.offset) and not recorder.overwriting):
        plan = _plan_again(recorder, position, reason)
    if position.runs == USUAL:
        _settle_inputs(recorder)
    elif position.runs % EVERY == 0:
        consider(plan)
    if recorder.log is not None:
        recorder.log.append((position, plan))
    if plan.fresh:
        attach_lasting(recorder, plan.fresh)
    given = recorder.inputs + recorder.scalars
    results: list[Any] = []
    failure: Exception | None = None
    history = None
    try:
        for run in plan.runs:
            arguments = [*run.pick(given)]
            try:
                results += (run.over or run.execute).run(arguments)
            except Exception as error:
                failure = failure or _explained(error, run.program, position)
                results += _what_still_works(run, arguments)
        if plan.held:
            for kept, pick in zip(recorder.held, plan.held):  # noqa: B905  (a keyword costs as much as a round)
                kept.settle(pick(results), failure is not None)
        if plan.owed:
            history = History.of_segment(recorder, position, plan, given + results)
        if plan.repeated or recorder.shares or failure is not None:
            _store(recorder, position, plan, results, failure)
        else:
            _settle(handles, results, plan.plain)
            _settle_parameters(handles, results, plan.parameters)
        if history is not None or recorder.pasts:
            _settle_histories(recorder, plan, history)
        if recorder.must_write or recorder.transient:
            recorder.must_write = False
            recorder.transient.clear()
        recorder.restart()
        if recorder.overwriting:
            end(recorder)
    except BaseException:  # Ctrl-C
        if recorder.overwriting:
            go_on(recorder)
        raise
    if history is not None and recorder.saved_hooks:
        recorder.saved_hooks[-1].keep(history)
    if failure is not None:
        raise failure


def _settle(handles: list[Any], results: list[Any], outliving: Handles) -> None:
    passing, stored = outliving
    for i in passing:
        handles[i]._slot = -1
    for i, at in stored:
        tensor = handles[i]
        tensor._slot, tensor._buffer = -1, results[at]


_settle_parameters = copy_of(_settle)


def _settle_histories(recorder: Any, plan: Plan, history: History | None) -> None:
    if recorder.pasts:
        for i, _ in plan.stored:
            recorder.handles[i]._history = None
    if history is not None:
        for i, value in plan.owing:
            recorder.handles[i]._history = history.entry(value)


def _settle_inputs(recorder: Any) -> None:
    """Let the tensors that a path reads again and again lie in memory where that is fast."""
    from alight.backends.base import backend_of

    given = set(map(id, recorder.inputs))
    for tensor in recorder.handles:
        buffer = tensor._buffer
        if id(buffer) in given and not tensor._shared and tensor._base is None:
            tensor._buffer = backend_of(tensor._meta.device).settle(buffer)


def _store(
    recorder: Any, position: Position, plan: Plan, results: list[Any], failure: Exception | None
) -> None:
    """Give handles their buffers where memory is shared, one value has several handles, or something failed."""
    handles = recorder.handles
    for tensor in handles:
        tensor._slot = -1
    for i, at in plan.stored:
        tensor, buffer = handles[i], results[at]
        if buffer is None:
            if failure is not None and tensor._buffer is None:
                tensor._buffer = _older_value(recorder, position, plan, i)
            continue
        if i in plan.repeated:
            buffer = buffer.copy()
        if tensor._shared:
            _write_shared(tensor, buffer)
        else:
            tensor._buffer = buffer


def _abandon(recorder: Any) -> None:
    """Drop a segment that cannot run: its tensors have no values."""
    for tensor in recorder.handles:
        tensor._slot = -1
    for kept in recorder.held:
        kept.recorder = None
    recorder.transient.clear()
    recorder.must_write = False
    recorder.restart()


def _any_alive(handles: Sequence[Any], plan: Plan, offset: int) -> bool:
    """Whether somebody holds a tensor whose value the plan does not keep."""
    count = sys.getrefcount
    for pick, places, most, views in plan.dead:
        dead = pick(handles)
        if max(map(count, dead)) > most and any(
            # Somebody may hold a tensor for another slot of it: it was written since.
            count(handles[i]) > most and (views or handles[i]._slot == i + offset)
            for i in places
        ):
            return True
    return False


def _write_shared(tensor: Any, buffer: Any) -> None:
    if tensor._buffer.shape == buffer.shape:
        tensor._buffer[...] = buffer
    else:  # given another shape by `.data =`: the old memory is nobody's any more
        tensor._buffer, tensor._shared = buffer, False


def _plan_again(recorder: Any, position: Position, reason: str) -> Plan:
    """The plan of a position where there is none, or one that keeps too little."""
    try:
        if position.plan is None and passes(recorder, position):
            return _make_plan(recorder, position, None, once=True)
        plan = position.plan = _make_plan(recorder, position, position.plan)
    except BaseException:
        _abandon(recorder)
        raise
    nodes = sum(len(run.program.nodes) for run in plan.runs)
    recorder.add_weight(position, PLAN_BYTES + PLANNED_BYTES * nodes)
    position.reason = position.reason or reason
    position.flush_line = position.flush_line or user_line()
    return plan


def _make_plan(recorder: Any, position: Position, old: Plan | None, once: bool = False) -> Plan:
    """Decide what to compute here; outputs of an earlier plan stay outputs. One for `once` is not looked at again."""
    tape = position.tape.prefix(position.counts)
    handles = recorder.handles
    stored, unstored, apart = _kept(recorder, tape, {i for i, _ in old.stored} if old else set())
    owed_now = apart | {
        tape.slots[i][0]
        for i, _ in stored
        if tape.slots[i][1].requires_grad and not tape.slots[i][1].leaf
    }
    starts = owed_now | (old.owed if old else set())
    owed, residuals = owed_residuals(tape, starts, position.sweeps)
    held = [mark[1:] for mark in tape.marks if mark[0] == "kept"]
    wanted = [value for _, value in stored] + list(residuals)
    values = list(dict.fromkeys(itertools.chain(wanted, *held)))
    sources = dict(zip(tape.inputs, tape.sources, strict=True))
    made = [value for value in values if value not in sources]
    runs = (_runs_once if once else _runs)(tape, made, sources)
    runs = (*runs, *[_pass_through(tape, v, sources) for _, v in stored if v in sources])
    if not once:
        allow(recorder, tape, runs, stored, residuals)
    outputs = tuple(value for run in runs for value in run.values)
    place = {value: at for at, value in enumerate(outputs)}
    first = {value: i for i, value in reversed(stored)}
    put = tuple((i, place[value]) for i, value in stored)
    given = tape.buffers + tape.scalars
    plain, parameters = _by_class(handles, put, unstored)
    dead = () if once else _watched(recorder, unstored)
    return Plan(
        runs=runs,
        stored=put,
        unstored=tuple(unstored),
        dead=dead,
        fresh=lasting(recorder, dead),
        repeated=frozenset(i for i, value in stored if first[value] != i),
        plain=plain,
        parameters=parameters,
        held=tuple(picker([place[value] for value in values]) for values in held),
        owed=frozenset(owed),
        owing=tuple((i, value) for i, value in stored if value in owed),
        residuals=tuple(residuals),
        saved=picker(
            [_feed(tape, sources[v]) if v in sources else given + place[v] for v in residuals]
        ),
        freed=frozenset(tape.marked("freed")),
        entered=tuple(mark for mark in tape.marks if mark[0] in ("leaf", "past")),
        views=_grad_views(handles, tape),
        sources=sources,
        tape=tape if owed else None,
    )


def _grad_views(handles: Sequence[Any], tape: Tape) -> tuple[tuple[int, int], ...]:
    return tuple(
        (i, value)
        for i, (value, meta) in enumerate(tape.slots)
        if handles[i]._base is not None and meta.requires_grad and not meta.leaf
    )


def _kept(
    recorder: Any, tape: Tape, kept: set[int]
) -> tuple[list[tuple[int, int]], list[int], set[int]]:
    """Which handles are stored, with their values; which are not; values of views with a history of their own."""
    entered = set(tape.inputs)
    stored: list[tuple[int, int]] = []
    unstored: list[int] = []
    apart: set[int] = set()  # values of views with a history of their own
    more = _lent(recorder.handles)
    for i, (value, meta) in enumerate(tape.slots):
        tensor = recorder.handles[i]
        if (
            value in entered
            and tensor._buffer is not None
            and tensor._base is None
            and not _is_rebound(tape, i)
        ):
            continue  # an input that nobody wrote
        if meta.device.type == "meta" or (tensor._base is not None and not has_own_past(tensor)):
            continue  # a view derives itself from its base
        most = LISTED + more[id(tensor)]
        alive = tensor._slot == i + recorder.offset and sys.getrefcount(tensor) > most
        if tensor._base is not None:
            (apart.add(value) if alive else unstored.append(i))
            continue
        if i in kept or alive:
            stored.append((i, value))
        else:
            unstored.append(i)
    return stored, unstored, apart


def _lent(handles: Sequence[Any]) -> dict[int, int]:
    """By the address of a tensor: how many more references the list of handles makes to it than one.

    It may be listed again for a later value, and a view holds what it views, even one that nobody holds.
    """
    more: dict[int, int] = {}
    for tensor in handles:
        more[id(tensor)] = more.get(id(tensor), -1) + 1
    seen: set[int] = set()
    for tensor in reversed(handles):
        base = tensor._base
        if base is None or id(tensor) in seen:
            continue
        seen.add(id(tensor))
        if id(base) in more and sys.getrefcount(tensor) <= LISTED + more[id(tensor)]:
            more[id(base)] += 1
    return more


def _watched(recorder: Any, unstored: Sequence[int]) -> tuple[Watched, ...]:
    """The handles whose values are not kept, and the views that nobody holds, by the references they have for that.

    Each tensor once, at its last place: what picks it must not hold it twice.
    """
    handles, more = recorder.handles, _lent(recorder.handles)
    groups: dict[tuple[bool, int], list[int]] = {}
    for i in {id(handles[i]): i for i in unstored}.values():
        groups.setdefault((False, more[id(handles[i])]), []).append(i)
    views = {id(one): i for i, one in enumerate(handles) if one._base is not None}
    for i in views.values():
        tensor = handles[i]
        extra = more[id(tensor)]
        if sys.getrefcount(tensor) <= LISTED + extra:
            groups.setdefault((True, extra), []).append(i)
    return tuple(
        Watched(picker(places), tuple(places), LISTED_TWICE + extra, views)
        for (views, extra), places in groups.items()
    )


def _by_class(
    handles: Sequence[Any], stored: Sequence[tuple[int, int]], unstored: Sequence[int]
) -> tuple[Handles, Handles]:
    """The handles that outlive a flush, parameters apart from others: see specialized.py."""
    last = {id(handles[i]) for i, _ in stored}
    others = set(range(len(handles))).difference(unstored, (i for i, _ in stored))
    passing = [i for i in sorted(others) if id(handles[i]) not in last]
    plain, parameters = (
        Handles(
            tuple(i for i in passing if handles[i]._is_parameter == of_parameters),
            tuple(pair for pair in stored if handles[pair[0]]._is_parameter == of_parameters),
        )
        for of_parameters in (False, True)
    )
    return plain, parameters


def _is_rebound(tape: Tape, slot: int) -> bool:
    # A slot whose value is an input but that some step made: an operation that gave its argument back.
    value, _ = tape.slots[slot]
    return any(held == value for held, _ in tape.slots[:slot])


def _pass_through(tape: Tape, value: int, sources: dict[int, tuple[str, int]]) -> Run:
    from alight.backends.base import executable

    program = Program([tape.types[value]], [0], [], [0])
    return Run(program, executable(program), (_feed(tape, sources[value]),), (value,))


def _feed(tape: Tape, source: tuple[str, int]) -> int:
    """The place of an input among a segment's buffers and, behind them, numbers."""
    kind, number = source
    return number if kind == "buffer" else tape.buffers + number


def _runs(tape: Tape, values: Sequence[int], sources: dict[int, tuple[str, int]]) -> Iterable[Run]:
    """The weakly connected parts of what `values` need, each a program of its own."""
    from alight.backends.base import executable

    nodes = needed_nodes(tape.nodes, values)
    for part, outputs in connected(nodes, values):
        # In the order of their first use: the program is the same whatever the order in which tensors entered.
        inputs = list(dict.fromkeys(i for node in part for i in node.inputs if i in sources))
        program = prune(Program(tape.types, inputs, part, outputs))
        if config.check:
            from alight.ir.verify import verify

            verify(program)
        feeds = tuple(_feed(tape, sources[i]) for i in inputs)
        yield Run(program, executable(program), feeds, tuple(outputs))


def _runs_once(
    tape: Tape, values: Sequence[int], sources: dict[int, tuple[str, int]]
) -> Iterable[Run]:
    """What `values` need as one program, with the tape's numbers, that is interpreted for one run."""
    from alight.backends.base import Once

    if not values:
        return ()
    nodes = needed_nodes(tape.nodes, values)
    inputs = [i for i in dict.fromkeys(i for node in nodes for i in node.inputs) if i in sources]
    program = Program(tape.types, inputs, nodes, values)
    if takes_long(program):
        return _runs(tape, values, sources)
    feeds = [_feed(tape, sources[i]) for i in inputs]
    return (Run(program, Once(program), tuple(feeds), tuple(values)),)


# -- errors that need values ---------------------------------------------------------------------------------------


def _explained(error: Exception, program: Program, position: Position) -> Exception:
    """Name the line that recorded the failing node, if the error knows its number."""
    number = getattr(error, "node_number", None)
    if number is None or program.nodes[number].line is None:
        return error
    here, there = user_line(), program.nodes[number].line
    step = next((step for step in position.path() if step.line is there), None)
    error = reworded(error, step.name, step.key) if step is not None else error
    note = f"recorded at {there}"
    if str(here) != str(there):
        note += f"  {getattr(there, 'text', '')}  (values are known only when the segment runs, here at {here})"
    try:
        lines = str(error).split("\n")
        lines.insert(len(lines) - lines[-1].startswith("  try "), "  " + note)
        return type(error)("\n".join(lines))
    except Exception:
        return error


def _what_still_works(run: Run, arguments: Sequence[Any]) -> list[Any]:
    """Outputs of a failing program that do not need the failing node, as eager execution would have had; else None."""
    if run.over is not None and run.over.is_written():
        raise  # an alarm, behind the run
    from alight.backends.base import executable

    results: list[Any] = []
    program = run.program
    for output in program.outputs:
        alone = prune(Program(program.types, program.inputs, program.nodes, [output]))
        try:
            results += executable(alone)(arguments)
        except Exception:
            results.append(None)
    return results


def _older_value(recorder: Any, position: Position, plan: Plan, i: int) -> Any:
    """What a tensor held before the write that failed: the buffer of an earlier slot of it, or None."""
    tape = position.tape.prefix(position.counts)
    given = recorder.inputs + recorder.scalars
    for slot in range(i - 1, -1, -1):
        if recorder.handles[slot] is not recorder.handles[i]:
            continue
        try:
            return _value(tape, tape.slots[slot][0], given)
        except Exception:
            return None
    return None


# -- values ----------------------------------------------------------------------------------------------------------


def buffer_of(tensor: Any, recorder: Any, reason: str) -> Any:
    """The buffer of a tensor, computed now if it is pending. A view's buffer shares memory with its base's."""
    if recorder.transforming and (tensor._slot >= 0 or tensor._base is not None):
        return recorder.value_of(tensor, reason)
    if tensor._slot >= 0:
        if recorder.offset <= tensor._slot < recorder.offset + (1 << 32):
            flush(recorder, reason)
        else:
            return recorder.owner_of(tensor).peek(tensor)
    if tensor._base is not None:
        from alight.backends.base import view_buffer

        base = buffer_of(tensor._base, recorder, reason)
        return view_buffer(tensor._link, [base, *tensor._numbers])
    if tensor._buffer is None:
        raise RuntimeError(
            "this tensor has no value: the computation that should have made it failed"
        )
    return tensor._buffer


def peek(recorder: Any, tensor: Any) -> Any:
    """The value of a tensor pending in `recorder`, which belongs to another thread and is left as it is."""
    given = recorder.inputs + recorder.scalars  # as they are held, nobody writes over them
    if recorder.overwriting:
        wait_for(recorder)
        if tensor._slot < 0:
            return tensor._buffer
    position: Position = recorder.here
    tape = position.tape.prefix(position.counts)
    return _value(tape, tape.slots[tensor._slot - recorder.offset][0], given)


def peek_kept(recorder: Any, kept: Any, at: int) -> Any:
    """The same of one of several tensors that entered together."""
    given = recorder.inputs + recorder.scalars
    if recorder.overwriting:
        wait_for(recorder)
        if kept.recorder is None:
            return kept.buffers[at]
    position: Position = recorder.here
    tape = position.tape.prefix(position.counts)
    held = [mark[1:] for mark in tape.marks if mark[0] == "kept"]
    return _value(tape, held[recorder.held.index(kept)][at], given)


def _value(tape: Tape, value: int, given: Sequence[Any]) -> Any:
    """One value of a tape, of what its segment was given: buffers and, behind them, numbers."""
    sources = dict(zip(tape.inputs, tape.sources, strict=True))
    if value in sources:
        return given[_feed(tape, sources[value])]
    (run,) = _runs(tape, [value], sources)
    (buffer,) = run.execute([given[i] for i in run.feeds])
    return buffer
