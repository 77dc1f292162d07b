"""`alight doctor`: what this installation has and what it lacks."""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

import alight
from alight import config
from alight.backends.base import backend_of
from alight.backends.cores import available_cores
from alight.device import CPU

OPTIONAL = {
    "llvmlite": "compiles hot programs",
    "matplotlib": "draws the curves of a run",
    "pandas": "reads tables",
    "pillow": "reads image files",
    "scikit-learn": "has images for machines without a network",
    "tqdm": "shows progress",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None."""


def run(args: argparse.Namespace) -> int:
    """Print a line for each finding."""
    for name, finding in findings():
        print(f"{name:<12}  {finding}")
    return 0


def findings() -> Iterator[tuple[str, str]]:
    """Pairs of what was looked at and what was found."""
    yield "alight", f"{alight.__version__} in {os.path.dirname(os.path.dirname(__file__))}"
    yield "python", f"{platform.python_version()} ({sys.executable})"
    yield "system", f"{platform.system()} {platform.release()}, {platform.machine()}"
    yield "numpy", version("numpy")
    yield "cores", f"{available_cores()} of {os.cpu_count()} may be used by this process"
    yield "tier 0", f"ready: {backend_of(CPU).name}"
    yield "tier 1", _compiler()
    for package, use in OPTIONAL.items():
        yield package, f"{_version(package) or 'not installed'}  ({use})"
    yield "cache", _cache_folder()
    for knob, value in config.given():
        yield knob.variable, f"{value}  ({knob.meaning})"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _compiler() -> str:
    if config.tier < 1:
        return "switched off by ALIGHT_TIER"
    if importlib.util.find_spec("alight.compiler") is None or not _has_compiler():
        return "not part of this version: every program is interpreted"
    if _version("llvmlite") is None:
        return "not available: try pip install llvmlite"
    return "ready"


def _has_compiler() -> bool:
    return importlib.util.find_spec("alight.compiler.pipeline") is not None


def _cache_folder() -> str:
    from alight.vision.archives import cache_folder

    folder = config.cache_dir or os.fspath(cache_folder())
    if os.path.isdir(folder):
        return f"{folder} ({'can be written' if os.access(folder, os.W_OK) else 'read only'})"
    return f"{folder} (made when it is first needed)"
