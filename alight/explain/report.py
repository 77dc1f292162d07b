"""Text of `alight.explain`: segments with their steps, programs, flushes with reason and line, changing places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from alight.explain.kernels import describe_native, size_text
from alight.record.recorder import thread
from alight.record.trie import Position

SHOWN_SEGMENTS = 6  # of a whole thread's report; the busiest are shown


def explain_thread(programs: bool, times: bool = False) -> str:
    """What the calling thread has recorded so far, as text.

    >>> from alight.explain import explain_thread
    >>> isinstance(explain_thread(programs=False), str)
    True
    """
    recorder = thread.recorder
    ends = sorted(_ends(recorder), key=lambda position: -position.runs)
    flushes = sum(position.runs for position in ends)
    lines = [
        f"{recorder.positions} known steps, {len(ends)} segments, {flushes} flushes; "
        f"{len(recorder.handles)} tensors pending"
    ]
    shown: set[int] = set()
    for position in ends[:SHOWN_SEGMENTS]:
        lines.extend(["", *describe_segment(position, position.plan, programs, times, shown)])
    if len(ends) > SHOWN_SEGMENTS:
        lines.append(f"\n... and {len(ends) - SHOWN_SEGMENTS} segments that ran less often")
    lines.extend(describe_changes(recorder))
    return "\n".join(lines)


def explain_call(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    programs: bool,
    times: bool = False,
) -> tuple[str, Any]:
    """One call: each flush in order, and what is still pending, as text.

    >>> import alight
    >>> from alight.explain import explain_call
    >>> isinstance(explain_call(alight.ones, (3,), {}, programs=False), str)
    False
    """
    recorder = thread.recorder
    recorder.flush("explain begins")
    before, outer, start = recorder.positions, recorder.log, perf_counter()
    log: list[Any] = []
    recorder.log = log
    try:
        result = function(*args, **kwargs)
        pending = recorder.here
        recorder.flush("explain ends")
    finally:
        recorder.log = outer
    spent = perf_counter() - start
    name = getattr(function, "__name__", type(function).__name__)
    lines = [
        f"{name}: {len(log)} flushes in {spent * 1e3:.2f} ms, {recorder.positions - before} new steps"
    ]
    for position, plan in log:
        if position is pending and position.reason == "explain ends":
            lines.append("\nnobody asked for the values of the last segment")
        lines.extend(["", *describe_segment(position, plan, programs, times)])
    return "\n".join(lines), result


def describe_segment(
    position: Position,
    plan: Any,
    programs: bool,
    times: bool = False,
    shown: set[int] | None = None,
) -> list[str]:
    """Steps, reason of the flush, and the programs that it runs; of those in `shown` only that they ran."""
    shown = set() if shown is None else shown
    steps = list(position.path()[1:])
    calls = [step for step in steps if step.name not in ("enter", "view", "mode")]
    lines = [
        f"segment of {len(calls)} operations on {sum(s.name == 'enter' for s in steps)} tensors, run {position.runs} times",
        f"  flushed at {position.flush_line} because of: {position.reason}",
    ]
    at = None
    for step in calls:
        where = (
            ""
            if str(step.line) == at
            else f"{step.line}  {step.line.text if step.line else ''}".rstrip()
        )
        at = str(step.line)
        made = ", ".join(str(meta.type) for meta in step.metas[:3]) + (
            ", ..." if len(step.metas) > 3 else ""
        )
        lines.append(f"  {step.name:<16} {made:<28} {where}".rstrip())
    if plan is None:
        return lines
    for run in plan.runs:
        if not run.program.nodes:
            continue
        tier = getattr(run.execute, "tier", 0)
        size = sum(run.program.types[i].bytes for node in run.program.nodes for i in node.outputs)
        reason = getattr(run.execute, "reason", "")
        how = (
            "compiled" + _which(run.execute)
            if tier
            else "NumPy, primitive by primitive" + (f"; {reason}" if reason else "")
        )
        lines.append(
            f"  ran as a program of {len(run.program.nodes)} primitives, {size_text(size)} of results, in tier {tier} ({how})"
        )
        if id(run.execute) in shown:
            lines.append("  (the same program as above)")
            continue
        shown.add(id(run.execute))
        if tier:
            head, *kernels = describe_native(run.execute.run, times)
            again = not times and hash(tuple(kernels)) in shown
            shown.add(hash(tuple(kernels)))
            lines.extend(
                [head, *(["    (the kernels above, for other shapes)"] if again else kernels)]
            )
        if programs:
            lines.extend("    " + line for line in str(run.program).splitlines())
    return lines


def _which(execute: Any) -> str:
    """Where the code came from."""
    if getattr(execute, "recalled", False):
        return " by an earlier process, found on disk"
    native = execute.run
    if getattr(native, "special", None) is not None:
        return " for its shapes, as it runs often"
    return "; its code serves many shapes" if native.built.general else ""


def describe_changes(recorder: Any) -> list[str]:
    """Places of the trie where new steps keep coming: what stops a loop from staying on known paths."""
    changing = sorted(
        (position for position in _positions(recorder) if position.misses > 8),
        key=lambda p: -p.misses,
    )[:5]
    lines: list[str] = []
    if recorder.unsteady:
        lines = [
            "",
            "places where paths went on differently so often that segments end before them:",
        ]
        lines.extend(sorted(f"  {name} at {line}" for line, name in recorder.unsteady))
    if changing:
        lines += ["", "places that keep changing (each new step there is recorded anew):"]
    for position in changing:
        children = [*position.children.values(), *position.cuts.values()]
        last = children[-3:]
        lines.append(
            f"  after {position.name} at {position.line}: {position.misses} different steps, such as"
        )
        lines.extend(
            f"    {child.name} {child.metas[0].type if child.metas else ''} at {child.line}"
            for child in last
        )
        lines.append("    " + _why(children))
    return lines


def _why(children: list[Position]) -> str:
    names = {child.name for child in children}
    lines = {str(child.line) for child in children}
    shapes = {child.metas[0].shape for child in children if child.metas}
    if names == {"enter"}:
        return f"data of {len(shapes)} different shapes came in: each is a path of its own, whose code is shared; fewer shapes are fewer paths"
    if len(lines) == 1:
        return "one line, with arguments that differ each time: sizes and flags are part of the path, numbers are not"
    return f"{len(lines)} lines of the program come next: a loop over different code"


def _positions(recorder: Any) -> Iterator[Position]:
    stack = list(recorder.roots.values())
    while stack:
        position = stack.pop()
        yield position
        stack.extend(position.children.values())
        stack.extend(position.cuts.values())


def _ends(recorder: Any) -> Iterator[Position]:
    return (position for position in _positions(recorder) if position.runs)
