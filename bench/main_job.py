"""The main job several times, from one seed after the other: accuracy and time of whole processes.

In: `python -m bench.main_job [--seeds 5] [arguments of alight train]`. Out: a line for each run, then means.
The time is that of the process, from its start to the saved run folder, and beside it that of all its threads,
which other work on the machine lengthens less; a first run may find no compiled code.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean


def run(seed: int, arguments: list[str]) -> tuple[float, float, float]:
    """Test accuracy, seconds and processor seconds of one run."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        job = ["train", "fashion-mnist", "--seed", str(seed), "--out", str(out), *arguments]
        started, used = time.perf_counter(), processor_seconds()
        subprocess.run([sys.executable, "-m", "alight", *job], check=True, capture_output=True)
        seconds = time.perf_counter() - started
        with open(out / "metrics.csv") as file:
            *_, last = csv.DictReader(file)
    return float(last["test_accuracy"]), seconds, processor_seconds() - used


def processor_seconds() -> float:
    """Of all processes that this one has started and that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def main() -> None:
    """Run the job from each seed and print what it reached."""
    parser = argparse.ArgumentParser(description="alight train fashion-mnist from several seeds")
    parser.add_argument("--seeds", type=int, default=5, metavar="N", help="0 to N - 1")
    args, arguments = parser.parse_known_args()
    found = []
    for seed in range(args.seeds):
        found.append(run(seed, arguments))
        accuracy, seconds, used = found[-1]
        print(
            f"seed {seed}: {accuracy:.2%} in {seconds:.1f} s ({used:.1f} of processors)", flush=True
        )
    accuracies, times, _ = zip(*found, strict=True)
    print(f"mean {mean(accuracies):.2%}, least {min(accuracies):.2%}; {mean(times):.1f} s a run")


if __name__ == "__main__":
    main()
