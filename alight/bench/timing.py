"""Medians of repeated calls, alternating between libraries so that a drifting machine hurts both alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from statistics import median
from time import perf_counter


def alternate(
    tasks: Mapping[str, Callable[[], None]], rounds: int = 31, calls: int = 1
) -> dict[str, float]:
    """Median seconds of one call of each task; every round runs each task `calls` times.

    >>> sorted(alternate({"a": lambda: None, "b": lambda: None}, rounds=3))
    ['a', 'b']
    """
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for task in tasks.values():
        task()
    for _ in range(rounds):
        for name, task in tasks.items():
            start = perf_counter()
            for _ in range(calls):
                task()
            times[name].append((perf_counter() - start) / calls)
    return {name: median(values) for name, values in times.items()}


def table(rows: list[tuple[str, dict[str, float], str]], against: str | None) -> str:
    """Rows of (name, seconds by library, goal) as text, in microseconds with the ratio to the rival."""
    head = (
        f"{'':<44}{'alight':>10}"
        + (f"{against:>10}{'ratio':>8}" if against else "")
        + f"{'goal':>12}"
    )
    lines = [head]
    for name, seconds, goal in rows:
        line = f"{name:<44}{seconds['alight'] * 1e6:>10.2f}"
        if against:
            rival = seconds.get(against)
            line += (
                f"{rival * 1e6:>10.2f}{seconds['alight'] / rival:>8.2f}"
                if rival
                else f"{'-':>10}{'-':>8}"
            )
        lines.append(line + f"{goal:>12}")
    return "\n".join(lines)
