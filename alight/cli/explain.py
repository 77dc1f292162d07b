"""`alight explain script.py ...`: run a script, then print what was recorded, what ran and why."""

from __future__ import annotations

import argparse
import importlib

from alight.cli import run as run_command
from alight.cli.script import run_script


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The script and what is the script's own."""
    run_command.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the script, report, and give back the script's exit code."""
    try:
        code: object = run_script(args.script, args.arguments)
    except SystemExit as leaving:
        code = leaving.code
    importlib.import_module("alight.explain").explain()
    if code is None or isinstance(code, int):
        return code or 0
    raise SystemExit(code)  # a text, which Python prints
