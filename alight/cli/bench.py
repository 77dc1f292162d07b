"""`alight bench NAME`: one of alight's benchmarks, with PyTorch's eager calls beside it where there
is one."""

from __future__ import annotations

import argparse
import importlib
import importlib.util

NAMES = ("recorder",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which benchmark, and against what."""
    parser.add_argument("name", choices=NAMES, help="recorder: the cost of recording a step")
    parser.add_argument("--alone", action="store_true", help="leave the rival out")


def run(args: argparse.Namespace) -> int:
    """Run the benchmark and print its table."""
    rival = None if args.alone or importlib.util.find_spec("torch") is None else "torch"
    print(importlib.import_module(f"alight.bench.{args.name}").main(rival))
    return 0
