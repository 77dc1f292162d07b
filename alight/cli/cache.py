"""`alight cache show|verify|clear`: the compiled code that is kept on disk."""

from __future__ import annotations

import argparse
import time
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alight.backends.cpu.cache import Cache


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to do with it."""
    parser.add_argument(
        "action",
        choices=("show", "verify", "clear"),
        help="show its folder and size; read every entry; remove all entries",
    )


def run(args: argparse.Namespace) -> int:
    """Do it; 1 if an entry is damaged."""
    if find_spec("llvmlite") is None:
        print("no llvmlite here, so nothing is compiled: try pip install llvmlite")
        return 0
    from alight.backends.cpu.cache import LIMIT, cache

    found = cache()
    if args.action == "clear":
        print(f"{found.clear()} entries removed from {found.folder}")
        return 0
    if args.action == "verify":
        return _verify(found)
    entries = list(found.entries())
    own = [entry for entry in entries if not entry.fault]
    print(f"folder   {found.folder}{f'  (not used: {found.reason})' if found.reason else ''}")
    print(f"entries  {len(entries)}, of this machine and these versions {len(own)}")
    print(f"size     {sum(entry.bytes for entry in entries) / 1e6:.1f} MB of {LIMIT / 1e6:.0f} MB")
    if entries:
        first, last = (time.ctime(f(entry.used for entry in entries)) for f in (min, max))
        print(f"used     {first} to {last}")
    return 0


def _verify(found: Cache) -> int:
    other = "for another machine or version"
    entries = list(found.entries())
    damaged = [entry for entry in entries if entry.fault not in ("", other)]
    for entry in damaged:
        print(f"{entry.path.name}  {entry.fault}")
    print(
        f"{len(entries)} entries, {len(damaged)} damaged"
        + (": they are not used" if damaged else "")
    )
    return 1 if damaged else 0
