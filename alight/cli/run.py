"""`alight run script.py ...`: a PyTorch script on alight, unchanged."""

from __future__ import annotations

import argparse

from alight.cli.script import run_script


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The script and what is the script's own."""
    parser.usage = "%(prog)s SCRIPT [ARGUMENTS]"
    parser.add_argument("script", metavar="SCRIPT", help="a Python file")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="what the script is given")


def run(args: argparse.Namespace) -> int:
    """Run the script; its exit code."""
    return run_script(args.script, args.arguments)
