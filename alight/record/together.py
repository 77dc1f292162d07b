"""The small programs of one flush as one: a loop that goes round often calls native code once where it called it often.

In: a plan whose programs have nothing to do with each other, as the updates of single parameters are in a hand-written
optimizer. Out: the same plan with one program, once that is compiled; until then the plan goes on as it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alight import config
from alight.compiler.hot import background
from alight.ir.program import Node, Program, prune

EVERY = 32  # runs of a plan after which this is looked at: one that has gone so far will go on
MOST_NODES = 256  # of all the programs: compiled again as one, they take as long again


class Together:
    """A job for the thread that compiles: the programs of `plan` as one."""

    def __init__(self, plan: Any) -> None:
        self.plan: Any = plan
        self.runs = plan.runs

    def make(self) -> None:
        """Compile them, and let the plan use what came of it; nothing changes if that failed."""
        from alight.backends.base import executable
        from alight.record.flush import Run

        plan, self.plan = self.plan, None  # which holds this
        runs = [run for run in self.runs if run.program.nodes]
        rest = [run for run in self.runs if not run.program.nodes]
        program, feeds = united(runs)
        hot: Any = executable(program)
        if not hot.tier:
            hot.make()
        if hot.tier:
            values = tuple([value for run in runs for value in run.values])
            plan.runs = (Run(program, hot, feeds, values), *rest)


def consider(plan: Any) -> None:
    """Have the programs of a plan compiled as one, if they are several, small, and compiled already."""
    programs = [run.program for run in plan.runs if run.program.nodes]
    overwrites = any(run.over is not None for run in plan.runs)  # large: a call more is nothing
    if plan.together is not None or len(programs) < 2 or overwrites or config.tier < 1:
        return
    if plan.runs[: len(programs)] != tuple([run for run in plan.runs if run.program.nodes]):
        return
    if sum(len(program.nodes) for program in programs) > MOST_NODES:
        return
    if all(getattr(run.execute, "tier", 0) for run in plan.runs if run.program.nodes):
        plan.together = Together(plan)  # held here: who compiles holds it weakly
        background.submit(plan.together)


def united(runs: Sequence[Any]) -> tuple[Program, tuple[int, ...]]:
    """One program with the nodes and outputs of all runs in order, and its feeds; what several read is one input."""
    types: list[Any] = []
    nodes: list[Node] = []
    outputs: list[int] = []
    place: dict[int, int] = {}  # of what is fed -> the input that it is
    for run in runs:
        program, shift = run.program, len(types)
        types.extend(program.types)
        ids = {i: i + shift for i in range(len(program.types))}
        for i, feed in zip(program.inputs, run.feeds, strict=True):
            ids[i] = place.setdefault(feed, i + shift)
        for node in program.nodes:
            ins = tuple([ids[i] for i in node.inputs])
            nodes.append(node._replace(inputs=ins, outputs=tuple([ids[i] for i in node.outputs])))
        outputs.extend([ids[i] for i in program.outputs])
    return prune(Program(types, place.values(), nodes, outputs)), tuple(place)
