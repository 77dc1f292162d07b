"""A script run as Python itself would run it, with imports of torch served by alight.

In: a path or a module's name, and the program's own arguments. Out: an exit code; what the script raises is printed with
the frames of the user's program alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib.abc import InspectLoader
from importlib.machinery import SourceFileLoader
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, ModuleType, TracebackType

import alight
from alight import config, errors
from alight.cli import imports
from alight.ops import wrappers
from alight.record import flush
from alight.record.sources import is_own

INTERRUPTED = 130  # what a shell reports for a program that Ctrl-C ended


def run_script(script: str, arguments: Sequence[str]) -> int:
    """Run the file `script` as the program's main module; SystemExit passes through."""
    path = Path(script)
    if not path.is_file():
        what = "Is a directory" if path.is_dir() else "No such file or directory"
        print(f"alight: can't open file {os.fspath(path.absolute())!r}: {what}", file=sys.stderr)
        return 2
    sys.argv = [script, *arguments]
    if not sys.flags.safe_path:
        sys.path[0] = os.fspath(path.resolve().parent)
    imports.serve()
    main = _main_module(os.path.join(os.getcwd(), script))
    return _run(
        main, lambda: compile(path.read_bytes(), str(main.__file__), "exec", dont_inherit=True)
    )


def run_module(name: str, arguments: Sequence[str]) -> int:
    """Run a module, or a package's `__main__`, as `python -m` does; SystemExit passes through."""
    if not sys.flags.safe_path:
        sys.path[0] = os.getcwd()
    sys.argv = ["-m", *arguments]  # as Python has it while packages are imported
    imports.serve()
    try:
        spec = find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            spec = find_spec(f"{name}.__main__")
    except ModuleNotFoundError:  # of a package on the way
        spec = None
    loader = spec and spec.loader
    if spec is None or not isinstance(loader, InspectLoader):
        print(f"alight: No module named {name}", file=sys.stderr)
        return 2
    sys.argv[0] = spec.origin or name
    main = _main_module(sys.argv[0])
    main.__dict__.update(__spec__=spec, __package__=spec.parent, __loader__=loader)
    return _run(main, lambda: loader.get_code(spec.name))


def _run(main: ModuleType, code: Callable[[], CodeType | None]) -> int:
    """Run code as the main module; what it raises is printed."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = main
    try:
        exec(code() or "", main.__dict__)
    except Exception as error:
        _print(error)
        return 1
    except KeyboardInterrupt as error:
        _print(error)
        return INTERRUPTED
    finally:
        main.__dict__["__alight_main__"] = before  # alive as long as the program
    return 0


def _main_module(path: str) -> ModuleType:
    main = ModuleType("__main__")
    loader = SourceFileLoader("__main__", path)
    main.__dict__.update(
        __builtins__=__builtins__, __file__=path, __cached__=None, __loader__=loader
    )
    return main


# -- tracebacks
# ---------------------------------------------------------------------------------------------------


def _print(error: BaseException) -> None:
    """Print an error as Python does, after `readable` has gone over it and what caused it."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        link.__traceback__ = readable(link.__traceback__, link)
        link = link.__cause__ or link.__context__
    sys.excepthook(type(error), error, error.__traceback__)


def readable(traceback: TracebackType | None, error: BaseException) -> TracebackType | None:
    """The part of a traceback that its reader wrote.

    This file's frames always go. alight's other frames go too where the error is one that alight
    has worded for the user; they stay where it may be alight's own mistake, and where
    ALIGHT_FULL_TRACEBACK=1 asks for them.
    """
    frames = []
    while traceback is not None:
        frames.append(traceback)
        traceback = traceback.tb_next
    kept = [one for one in frames if one.tb_frame.f_code.co_filename not in _RUNNER]
    if not config.full_traceback and not _is_own_mistake(kept, error):
        kept = [one for one in kept if not is_own(one.tb_frame)]
    result: TracebackType | None = None
    for one in reversed(kept):
        result = TracebackType(result, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return result


_WORDING = (
    alight.__file__,
    errors.__file__,
    wrappers.__file__,
    flush.__file__,
)  # which raise errors for users
_RUNNER = (__file__, "<frozen importlib._bootstrap>", "<frozen importlib._bootstrap_external>")


def _is_own_mistake(frames: list[TracebackType], error: BaseException) -> bool:
    """Whether alight, or NumPy called by alight, raised an error that no one worded."""
    inner = [one.tb_frame for one in frames]
    while inner and inner[-1].f_globals.get("__name__", "").partition(".")[0] == "numpy":
        inner.pop()
    if not inner or not is_own(inner[-1]):
        return False
    return isinstance(error, errors.InternalError) or inner[-1].f_code.co_filename not in _WORDING
