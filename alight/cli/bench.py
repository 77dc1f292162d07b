"""`alight bench`: the cost of recording, or whole training steps, with PyTorch and JAX beside them where they are."""

from __future__ import annotations

import argparse
import importlib
import importlib.util


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which benchmark or which rows, and against what."""
    parser.add_argument(
        "names", nargs="*", help="recorder: the cost of recording; else rows of steps (none: all)"
    )
    parser.add_argument(
        "--against", default="torch,torch.compile,jax", help="libraries beside alight, by commas"
    )
    parser.add_argument("--alone", action="store_true", help="leave the rivals out")
    parser.add_argument("--threads", type=int, default=2, help="threads of every library")
    parser.add_argument(
        "--seconds", type=float, default=1.0, help="how long a row is measured in each round"
    )
    parser.add_argument("--rounds", type=int, default=3, help="how often the libraries take turns")
    parser.add_argument("--json", action="store_true", help="print everything measured as JSON")


def run(args: argparse.Namespace) -> int:
    """Run the benchmark and print its table."""
    if args.names == ["recorder"]:
        rival = None if args.alone or importlib.util.find_spec("torch") is None else "torch"
        print(importlib.import_module("alight.bench.recorder").main(rival))
        return 0
    rows = importlib.import_module("alight.bench.rows").ROWS
    unknown = [name for name in args.names if name not in rows]
    if unknown:
        print(f"alight bench: no row {', '.join(unknown)}; there are: recorder, {', '.join(rows)}")
        return 2
    against = [] if args.alone else args.against.split(",")
    steps = importlib.import_module("alight.bench.steps")
    print(steps.main(args.names, against, args.threads, args.seconds, args.rounds, args.json))
    return 0
