"""What the compiler knows of a machine: its vectors, caches and cores.

Passes and emitters take a `Target` as an argument; nothing else asks which machine this is. A baseline that every
x86-64 has can be forced with ALIGHT_CPU=baseline, another architecture described by hand (tests look at its code).
"""

from __future__ import annotations

import os
from functools import cache
from typing import NamedTuple


class Target(NamedTuple):
    """A machine as generated code sees it."""

    triple: str  # as LLVM writes it
    cpu: str
    features: str  # "+avx2,+fma,..."
    vector_bytes: int  # width of a vector register: 64 (AVX-512), 32 (AVX2), 16 (SSE, NEON)
    registers: int  # vector registers
    l1_bytes: int
    l2_bytes: int
    varied: bool = False  # code for many shapes: the same text for all, not the best one for each

    def lanes(self, itemsize: int) -> int:
        """How many elements a vector holds."""
        return self.vector_bytes // itemsize


def _cache_bytes(level: int, default: int) -> int:
    """Size of a core's data cache, as Linux tells it."""
    folder = "/sys/devices/system/cpu/cpu0/cache"
    try:
        for name in sorted(os.listdir(folder)):
            if not name.startswith("index"):
                continue
            with open(f"{folder}/{name}/level") as file:
                found = int(file.read())
            with open(f"{folder}/{name}/type") as file:
                kind = file.read().strip()
            if found == level and kind != "Instruction":
                with open(f"{folder}/{name}/size") as file:
                    text = file.read().strip()
                return int(text.rstrip("KM")) * (1 << 10 if text.endswith("K") else 1 << 20)
    except (OSError, ValueError):
        pass
    return default


@cache
def host() -> Target:
    """This machine, or the baseline that the configuration asks for."""
    import llvmlite.binding as llvm

    from alight import config

    triple = llvm.get_process_triple()
    l1, l2 = _cache_bytes(1, 32 << 10), _cache_bytes(2, 512 << 10)
    if triple.startswith(("aarch64", "arm64")):
        return Target(
            triple, llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten(), 16, 32, l1, l2
        )
    if config.cpu == "baseline":
        return Target(triple, "x86-64", "", 16, 16, l1, l2)
    features = llvm.get_host_cpu_features()
    flat = features.flatten()
    if (
        features.get("avx512f")
        and features.get("avx512vl")
        and features.get("avx512dq")
        and features.get("avx512bw")
    ):
        return Target(triple, llvm.get_host_cpu_name(), flat + ",-prefer-256-bit", 64, 32, l1, l2)
    if features.get("avx2") and features.get("fma"):
        return Target(triple, llvm.get_host_cpu_name(), flat, 32, 16, l1, l2)
    return Target(triple, "x86-64", "", 16, 16, l1, l2)


@cache
def processor() -> str:
    """What tells this processor from one that needs other code, without asking LLVM where Linux says it."""
    caches = f"{_cache_bytes(1, 0)} {_cache_bytes(2, 0)}"
    wanted = ("vendor_id", "cpu family", "model", "stepping", "flags")
    try:
        with open("/proc/cpuinfo") as file:
            first = file.read(8192).split("\n\n")[0]
        lines = [line for line in first.splitlines() if line.startswith(wanted)]
        if any(line.startswith("flags") for line in lines):
            return "\n".join([os.uname().machine, *lines, caches])
    except OSError:
        pass
    return "\n".join([*map(str, host()), caches])
