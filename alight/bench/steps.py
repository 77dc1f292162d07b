"""`alight bench steps`: whole training steps beside PyTorch's and JAX's, as ratios.

Each library runs a row in a process of its own, several times in turn; what counts is the ratio of medians in one run,
since the machine drifts.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from statistics import median
from typing import Any

from alight.bench.rows import ROWS

RIVALS = {"torch": "torch", "torch.compile": "torch", "jax": "jax"}


def run_row(
    row: str, libraries: Sequence[str], threads: int, seconds: float, rounds: int
) -> dict[str, Any]:
    """Every library's measurements of one row."""
    found: dict[str, list[dict[str, Any]]] = {}
    for _ in range(rounds):
        for library in libraries:
            one = _child(row, library, threads, seconds)
            if one is not None:
                found.setdefault(library, []).append(one)
    merged: dict[str, Any] = {}
    for library, runs in found.items():
        merged[library] = {
            key: median(run[key] for run in runs) for key in ("median", "low", "high")
        }
        merged[library]["first"] = runs[0]["first"]
        merged[library]["settled"] = runs[0]["settled"]  # later rounds find the code on disk
        merged[library]["recalled"] = median(run["settled"] for run in runs[1:] or runs)
        for key in ("held", "bytes"):
            merged[library][key] = max(run.get(key, 0.0) for run in runs)
        merged[library]["value"] = runs[-1]["value"]
    return merged


def _child(row: str, library: str, threads: int, seconds: float) -> dict[str, Any] | None:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "ALIGHT_NUM_THREADS": str(threads),
    }
    if library == "jax":
        environment["XLA_FLAGS"] = (
            f"--xla_cpu_multi_thread_eigen=true intra_op_parallelism_threads={threads}"
        )
    command = [
        sys.executable,
        "-m",
        "alight.bench.worker",
        row,
        library,
        str(threads),
        str(seconds),
    ]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:] or ["no message"]
        print(f"  {row} under {library}: {last[0]}", file=sys.stderr)
        return None
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def table_of(results: dict[str, dict[str, Any]], libraries: Sequence[str]) -> str:
    """Rows of milliseconds and ratios to the best rival."""
    rivals = [name for name in libraries if name != "alight"]
    head = (
        f"{'row':<16}{'alight ms':>10}"
        + "".join(f"{name:>15}" for name in rivals)
        + f"{'of best':>9}{'MB':>7}{'held ms':>9}"
    )
    lines = [head]
    for row, found in results.items():
        own = found.get("alight")
        if own is None:
            continue
        line = f"{row:<16}{own['median'] * 1e3:>10.3f}"
        for name in rivals:
            line += f"{found[name]['median'] * 1e3:>15.3f}" if name in found else f"{'-':>15}"
        times = [found[name]["median"] for name in rivals if name in found]
        line += f"{own['median'] / min(times):>9.2f}" if times else f"{'-':>9}"
        lines.append(line + f"{own['bytes'] / 1e6:>7.0f}{own['held'] * 1e3:>9.0f}")
    return "\n".join(lines)


def main(
    rows: Sequence[str],
    against: Sequence[str],
    threads: int,
    seconds: float,
    rounds: int,
    as_json: bool,
) -> str:
    """Measure; the table, or everything as JSON."""
    libraries = ["alight", *(name for name in against if importlib.util.find_spec(RIVALS[name]))]
    results = {}
    for row in rows or ROWS:
        results[row] = run_row(row, libraries, threads, seconds, rounds)
        if not as_json:
            print(table_of({row: results[row]}, libraries).splitlines()[-1], file=sys.stderr)
    return json.dumps(results, indent=1) if as_json else table_of(results, libraries)
