"""Every knob of alight: name, default, meaning. Nothing else reads the environment.

A knob is read once, at import. `alight.config.tier` and the rest may be set from Python as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NamedTuple


class Knob(NamedTuple):
    """One environment variable and what it means."""

    variable: str
    default: str
    meaning: str


KNOBS = {
    "tier": Knob("ALIGHT_TIER", "1", "highest tier that may run: 0 interprets, 1 compiles"),
    "hot": Knob("ALIGHT_HOT", "3", "runs of a program before it is compiled"),
    "segment": Knob(
        "ALIGHT_SEGMENT", "0", "operations in a segment; 1 runs each call at once, 0 has no limit"
    ),
    "pending_bytes": Knob(
        "ALIGHT_PENDING_BYTES",
        "1073741824",
        "bytes of pending results that the next lap mark flushes; at four times as many, any step does",
    ),
    "cache_bytes": Knob(
        "ALIGHT_CACHE_BYTES", "268435456", "bytes that recorded paths and programs may keep"
    ),
    "check": Knob("ALIGHT_CHECK", "0", "1 verifies every program that is built"),
    "explain": Knob("ALIGHT_EXPLAIN", "0", "1 prints each flush as it happens"),
    "full_traceback": Knob(
        "ALIGHT_FULL_TRACEBACK", "0", "1 keeps alight's own frames in tracebacks"
    ),
    "cache_dir": Knob(
        "ALIGHT_CACHE_DIR", "", "folder of the disk cache; empty for the user's cache folder"
    ),
    "num_threads": Knob(
        "ALIGHT_NUM_THREADS", "0", "threads of a kernel; 0 takes the cores this process may use"
    ),
    "cpu": Knob(
        "ALIGHT_CPU",
        "host",
        "which processor code is made for: host, or baseline for any of its family",
    ),
    "torch_home": Knob("TORCH_HOME", "", "folder of torch.hub; empty for ~/.cache/torch"),
    "data_dir": Knob(
        "ALIGHT_DATA", "", "folder that holds data sets; empty for the user's cache folder"
    ),
}


def _read(name: str) -> str:
    return os.environ.get(KNOBS[name].variable) or KNOBS[name].default


def _read_int(name: str) -> int:
    text = _read(name)
    try:
        return int(text)
    except ValueError:
        knob = KNOBS[name]
        raise ValueError(
            f"{knob.variable} is {text!r}; it wants a whole number ({knob.meaning})"
        ) from None


def given() -> Iterator[tuple[Knob, str]]:
    """The knobs that the environment sets, with their texts."""
    for knob in KNOBS.values():
        value = os.environ.get(knob.variable)
        if value:
            yield knob, value


tier = _read_int("tier")
hot = _read_int("hot")
segment = _read_int("segment")
pending_bytes = _read_int("pending_bytes")
cache_bytes = _read_int("cache_bytes")
check = bool(_read_int("check"))
explain = bool(_read_int("explain"))
full_traceback = bool(_read_int("full_traceback"))
cache_dir = _read("cache_dir")
num_threads = _read_int("num_threads")
cpu = _read("cpu")
data_dir = _read("data_dir")
torch_home = _read("torch_home")
