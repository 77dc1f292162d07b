"""`python -m bench.neighbours [--threads N] [--quick] [--rows WORD ...]`: neighbours beside PyTorch, as ratios.

Each library lives in one process that makes and runs variations as it is told, in turn. On one thread a step's time is
processor time of its thread, which other programs on the machine disturb little. Losses of five steps, interpreted and
compiled, must equal PyTorch's.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from importlib import import_module
from statistics import median
from typing import Any

from bench.neighbours import RANDOM, variations

CLOSE = 1e-4  # by which losses may differ, of their size
STEPS = 5  # whose losses are compared


class Worker:
    """A library in a process of its own."""

    def __init__(self, library: str, threads: int) -> None:
        counts = {"OMP_NUM_THREADS": str(threads), "ALIGHT_NUM_THREADS": str(threads)}
        command = [
            sys.executable,
            "-m",
            "bench.neighbours",
            "--worker",
            library,
            "--threads",
            str(threads),
        ]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **counts}
        )  # fmt: skip

    def ask(self, *order: Any) -> Any:
        """Send an order; its answer."""
        assert self.process.stdin and self.process.stdout
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline() or '{"error": "the process ended"}')


def work(library: str, threads: int) -> None:
    """What a worker does: "make" a variation and tell its losses, or "time" its steps for some seconds."""
    torch: Any = import_module(library)
    torch.set_num_threads(threads)
    makers, step = variations(), None
    for line in sys.stdin:
        order, *rest = json.loads(line)
        try:
            if order == "make":
                step, answer = _made(torch, makers[rest[0]])
            else:
                answer = _timed(step, threads, rest[0])
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}".splitlines()[0]}
        print(json.dumps(answer), flush=True)


def _made(torch: Any, make: Any) -> tuple[Any, dict[str, Any]]:
    """The step and its first losses; under alight, then those of a compiled step made again."""
    step = make(torch)
    losses = [_number(step()) for _ in range(STEPS)]
    if torch.__name__ != "alight":
        return step, {"losses": losses}
    background = import_module("alight.compiler.hot").background
    for _ in range(3):
        background.wait()
        step()
    step = make(torch)
    compiled = [_number(step()) for _ in range(STEPS)]
    background.wait()
    return step, {"losses": losses, "compiled": compiled}


def _number(value: Any) -> float:
    """A loss, or the mean size of an output."""
    return value if isinstance(value, float) else float(abs(value).mean())


def _timed(step: Any, threads: int, seconds: float) -> dict[str, Any]:
    clock = time.thread_time if threads == 1 else time.perf_counter
    for _ in range(3):
        step()
    times: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 3:
        start = clock()
        step()
        times.append(clock() - start)
    return {"median": median(times)}


def differs(name: str, one: list[float], other: list[float]) -> bool:
    """Whether losses are not the same, where they have to be."""
    if any(word in name for word in RANDOM):
        return False
    return any(not abs(a - b) <= CLOSE * max(1, abs(b)) for a, b in zip(one, other, strict=True))


def compare(name: str, workers: dict[str, Worker], seconds: float, rounds: int) -> dict[str, Any]:
    """One variation under both libraries: milliseconds, their ratio, and what is wrong."""
    made = {library: worker.ask("make", name) for library, worker in workers.items()}
    for library, answer in made.items():
        if "error" in answer:
            return {"name": name, "wrong": f"{library}: {answer['error']}"}
    times: dict[str, list[float]] = {library: [] for library in workers}
    for _ in range(rounds):
        for library, worker in workers.items():
            answer = worker.ask("time", seconds)
            if "error" in answer:
                return {"name": name, "wrong": f"{library}: {answer['error']}"}
            times[library].append(answer["median"])
    own, other = (median(times[library]) for library in ("alight", "torch"))
    found = {"name": name, "alight": own * 1e3, "torch": other * 1e3, "ratio": own / other}
    wrong = [
        f"{kind} {made['alight'][kind]}, not {made['torch']['losses']}"
        for kind in ("losses", "compiled")
        if differs(name, made["alight"][kind], made["torch"]["losses"])
    ]
    return {**found, "wrong": "; ".join(wrong)}


def line(found: dict[str, Any]) -> str:
    """One variation as text."""
    if "ratio" not in found:
        return f"{found['name']:<30} {found['wrong']}"
    numbers = f"{found['alight']:>10.3f}{found['torch']:>10.3f}{found['ratio']:>8.2f}"
    return f"{found['name']:<30}{numbers}" + (
        f"  DIFFERS: {found['wrong']}" if found["wrong"] else ""
    )


def summary(results: list[dict[str, Any]]) -> str:
    """How the ratios are distributed, and the worst of them."""
    ranked = sorted((one for one in results if "ratio" in one), key=lambda one: -one["ratio"])
    ratios = [one["ratio"] for one in ranked]
    if not ratios:
        return "nothing was measured"
    parts = [
        f"{len(ratios)} variations, median ratio {median(ratios):.2f}",
        f"{sum(r > 1 for r in ratios)} over 1.0, {sum(r > 0.8 for r in ratios)} over 0.8, "
        f"{sum(bool(one['wrong']) for one in results)} wrong",
        *(line(one) for one in ranked[:15]),
    ]
    return "\n".join(parts)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one short round instead of three")
    parser.add_argument(
        "--rows", nargs="*", default=[], help="variations whose names contain one of these words"
    )
    parser.add_argument("--json", help="write the results to this file")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        return work(options.worker, options.threads)
    words = options.rows
    names = [name for name in variations() if not words or any(word in name for word in words)]
    workers = {library: Worker(library, options.threads) for library in ("alight", "torch")}
    results = []
    print(f"{'variation':<30}{'alight ms':>10}{'PyTorch':>10}{'ratio':>8}")
    for name in names:
        results.append(compare(name, workers, *((0.15, 1) if options.quick else (0.3, 3))))
        print(line(results[-1]), flush=True)
    print(summary(results))
    if options.json:
        with open(options.json, "w") as file:
            json.dump(results, file, indent=1)
    for worker in workers.values():
        worker.process.kill()


if __name__ == "__main__":
    main()
