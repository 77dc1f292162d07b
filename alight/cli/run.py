"""`alight run script.py ...` and `alight run -m package.module ...`: a PyTorch program on alight, unchanged."""

from __future__ import annotations

import argparse
import sys

from alight.cli.script import run_module, run_script

_WHAT = "(SCRIPT | -m MODULE) [ARGUMENTS]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The script and what is the script's own."""
    parser.usage = f"%(prog)s {_WHAT}"
    parser.add_argument(
        "-m",
        dest="module",
        metavar="MODULE",
        nargs=argparse.REMAINDER,
        help="a module, as for python -m",
    )
    parser.add_argument("script", metavar="SCRIPT", nargs="?", help="a Python file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script is given")


def run(args: argparse.Namespace) -> int:
    """Run the script or the module; its exit code."""
    if args.module:
        return run_module(args.module[0], args.module[1:])
    if args.script is None:
        print(f"usage: alight run {_WHAT}", file=sys.stderr)
        return 2
    return run_script(args.script, args.arguments)
