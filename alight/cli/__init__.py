"""The command `alight`: run, train, predict, bench, explain, cache, doctor.

In: the words of the command line. Out: an exit code. A command's module is imported when that
command is given, so that none pays for another.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NamedTuple


class Command(NamedTuple):
    """A word of the command line, and the functions that take its arguments and run it."""

    meaning: str
    module: str
    add_arguments: str
    run: str


INTERRUPTED = 130  # what a shell reports for a command that Ctrl-C ended
READER_GONE = 141  # what a shell reports for a command that SIGPIPE ended
COMMANDS = {
    "run": Command("run a PyTorch script on alight", "alight.cli.run", "add_arguments", "run"),
    "train": Command("train a model on images", "alight.train.command", "add_arguments", "train"),
    "predict": Command(
        "classify image files", "alight.train.command", "add_predict_arguments", "predict"
    ),
    "bench": Command("time alight, PyTorch beside it", "alight.cli.bench", "add_arguments", "run"),
    "explain": Command(
        "run a script, then show what it recorded", "alight.cli.explain", "add_arguments", "run"
    ),
    "cache": Command(
        "show, check or clear the compiled code on disk", "alight.cli.cache", "add_arguments", "run"
    ),
    "doctor": Command(
        "show versions, cores, tiers, folders", "alight.cli.doctor", "add_arguments", "run"
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    name, rest = _command(words)
    command = COMMANDS[name]
    module = import_module(command.module)
    parser = argparse.ArgumentParser(f"alight {name}", description=command.meaning)
    getattr(module, command.add_arguments)(parser)
    args = parser.parse_args(rest)
    try:
        return int(getattr(module, command.run)(args))
    except BrokenPipeError:  # the reader, `head` for one, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return READER_GONE
    except KeyboardInterrupt:
        print(f"alight {name}: interrupted", file=sys.stderr)
        return INTERRUPTED


def _command(words: list[str]) -> tuple[str, list[str]]:
    from alight import __version__

    meanings = "\n".join(f"  {name:<9}{command.meaning}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        "alight",
        usage="alight COMMAND ...",
        description=f"commands:\n{meanings}",
        epilog="alight COMMAND --help tells more",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"alight {__version__}")
    parser.add_argument("command", choices=COMMANDS, help=argparse.SUPPRESS)
    if not words:
        parser.print_help()
        raise SystemExit(2)
    name = parser.parse_args(words[:1]).command
    return name, words[1:]
