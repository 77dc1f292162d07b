"""`alight bench recorder`: what recording costs, in microseconds, with the rival's eager calls beside it.

The rows without kernels measure the front end alone: the segment's programs are replaced by their last results.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from alight.bench import calls
from alight.bench.timing import alternate, table
from alight.compiler.hot import background
from alight.record.recorder import thread
from alight.record.trie import Position

BATCH, CALLS = 32, 100


def add_calls(torch: Any) -> Callable[[], None]:
    """100 additions on a known path."""
    a, b = torch.ones(3), torch.ones(3)

    def calls() -> None:
        for _ in range(CALLS):
            a + b
        _forget(torch)

    return calls


def linear_calls(torch: Any) -> Callable[[], None]:
    """100 calls of a Linear layer."""
    layer, x = torch.nn.Linear(4, 64), torch.ones(BATCH, 4)

    def calls() -> None:
        for _ in range(CALLS):
            layer(x)
        _forget(torch)

    return calls


def tiny_step(torch: Any) -> Callable[[], None]:
    """A training step of the 4-64-64-1 network: forward, loss, zero_grad, backward, step."""
    nn = torch.nn
    net = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
    loss, optimizer = nn.MSELoss(), torch.optim.SGD(net.parameters(), lr=0.01)
    x, y = torch.randn(BATCH, 4), torch.randn(BATCH, 1)

    def step() -> None:
        value = loss(net(x), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()

    return step


def _forget(torch: Any) -> None:
    """Drop what is pending: nobody holds it, so nothing is computed."""
    if torch.__name__ == "alight":
        thread.recorder.flush("benchmark")


def without_kernels(task: Callable[[], None]) -> Callable[[], None]:
    """The task with the programs of its segments replaced by what they last returned."""
    for _ in range(5):
        task()
    recorder = thread.recorder
    known = {id(position): position.runs for position in _positions(recorder)}
    task()
    for position in _positions(recorder):
        if position.runs > known.get(id(position), 0):
            for run in position.plan.runs:
                run.execute = _Replay(run.execute)
    task()
    return task


class _Replay:
    """Runs once, then gives the same results again."""

    def __init__(self, execute: Any) -> None:
        self.execute, self.results = execute, None

    def run(self, arguments: Any) -> Any:
        if self.results is None:
            self.results = self.execute(arguments)
        return self.results


def _positions(recorder: Any) -> list[Position]:
    found = list(recorder.roots.values())
    for position in found:
        found.extend((*position.children.values(), *position.cuts.values()))
    return found


def main(against: str | None = None) -> str:
    """Run the rows; the table as text."""
    alight = import_module("alight")
    rival = import_module(against) if against else None
    if rival is not None and hasattr(rival, "set_num_threads"):
        rival.set_num_threads(2)
    rows = []
    for name, make, count, goal in (
        ("a + b on a known path", add_calls, CALLS, "1.0"),
        ("nn.Linear.__call__", linear_calls, CALLS, "2.5"),
        ("tiny MLP step with NumPy kernels", tiny_step, 1, ""),
    ):
        tasks = {"alight": make(alight)}
        if rival is not None:
            tasks[rival.__name__] = make(rival)
        seconds = {key: value / count for key, value in alternate(tasks).items()}
        rows.append((f"{name}, us", seconds, goal))
    step = without_kernels(tiny_step(alight))
    rows.append(("tiny MLP step, kernels apart, us", alternate({"alight": step}, rounds=301), "25"))
    rows.extend(_call_rows(alight, rival))
    return table(rows, against)


def _call_rows(alight: Any, rival: Any) -> list[tuple[str, dict[str, float], str]]:
    """A row for each call of calls.py."""
    rows = []
    for text in calls.TEXTS:
        both = {"alight": calls.task(alight, text)}
        if rival is not None:
            both[rival.__name__] = calls.task(rival, text)
        for _ in range(8):  # until the path is known and what is computed is compiled
            both["alight"]()
        background.wait()
        seconds = {key: value / calls.CALLS for key, value in alternate(both).items()}
        rows.append((f"{text}, us", seconds, ""))
    return rows
