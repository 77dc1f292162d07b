"""`alight explain script.py ...`: run a script, then print what was recorded, what ran and why."""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from alight.cli import run as run_command
from alight.cli.script import run_script


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to print, the script, and what is the script's own."""
    parser.add_argument(
        "--no-programs", action="store_true", help="leave the programs' primitives out"
    )
    parser.add_argument(
        "--times", action="store_true", help="measure each kernel of compiled programs"
    )
    parser.add_argument(
        "--ir",
        type=int,
        metavar="K",
        help="also print LLVM's IR of kernel K of the busiest program",
    )
    parser.add_argument(
        "--asm", type=int, metavar="K", help="also print the machine code of kernel K"
    )
    parser.add_argument(
        "--graph",
        metavar="OUT.svg",
        help="also draw the busiest program before and after fusion",
    )
    run_command.add_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Run the script, report, and give back the script's exit code."""
    try:
        code: object = run_script(args.script, args.arguments)
    except SystemExit as leaving:
        code = leaving.code
    importlib.import_module("alight.compiler.hot").background.wait()
    explain = importlib.import_module("alight.explain").explain
    explain(programs=not args.no_programs, times=args.times)
    _print_code(args)
    if args.graph:
        _draw(args.graph)
    if code is None or isinstance(code, int):
        return code or 0
    raise SystemExit(code)  # a text, which Python prints


def _print_code(args: argparse.Namespace) -> None:
    """The code of one kernel of the compiled program that ran most often."""
    kernels = importlib.import_module("alight.explain.kernels")
    for number, text_of in ((args.ir, kernels.kernel_text), (args.asm, kernels.assembly_of)):
        if number is None:
            continue
        native = kernels.busiest()
        if native is None:
            print("no program was compiled: none ran three times")
        elif not 0 <= number < len(native.plan.kernels):
            print(f"the program has kernels 0 to {len(native.plan.kernels) - 1}")
        else:
            print(text_of(native, number))


def _draw(path: str) -> None:
    """Write the picture of the busiest program."""
    native = importlib.import_module("alight.explain.kernels").busiest()
    if native is None:
        print("nothing to draw: no program was compiled, as none ran three times")
        return
    Path(path).write_text(importlib.import_module("alight.explain.graph").graph_of(native))
    print(f"the program with the most work is drawn in {path}")
