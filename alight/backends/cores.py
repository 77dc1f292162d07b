"""How many cores this process may use: its affinity, and the quota of its control groups."""

from __future__ import annotations

import os
from functools import cache

from alight import config

MOST = 64  # threads of a team


def most_planned() -> int:
    """The most threads that a program compiled now may run on: scratch memory is planned for them."""
    return min(MOST, max(available_cores(), config.num_threads))


def available_cores() -> int:
    """At least 1.

    >>> available_cores() >= 1
    True
    """
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores, _quota()))


@cache
def _quota() -> int:
    """The smallest quota, in whole cores: read once, as files are slow to read."""
    return min([1 << 30, *(round(quota) for quota in _quotas())])


def _quotas(root: str = "/sys/fs/cgroup", own: str = "/proc/self/cgroup") -> list[float]:
    """Quotas in cores of the control groups that this process is in, those of the whole machine first."""
    found = []
    for folder, is_first_version in _folders(root, own):
        try:
            if is_first_version:
                with open(f"{folder}/cpu.cfs_quota_us") as file:
                    quota = file.read()
                with open(f"{folder}/cpu.cfs_period_us") as file:
                    period = file.read()
            else:
                with open(f"{folder}/cpu.max") as file:
                    quota, period = file.read().split()
            if quota != "max" and int(quota) > 0:
                found.append(int(quota) / int(period))
        except (OSError, ValueError):
            continue
    return found


def _folders(root: str, own: str) -> list[tuple[str, bool]]:
    """Folders of the control groups, and whether they are of the first version."""
    folders = [(root, False)]
    try:
        with open(own) as file:
            lines = file.read().splitlines()
    except OSError:
        return folders
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        parts = [part for part in path.split("/") if part]
        if not controllers:
            folders += [("/".join([root, *parts[: n + 1]]), False) for n in range(len(parts))]
        elif "cpu" in controllers.split(","):
            top = f"{root}/{controllers}"
            folders += [("/".join([top, *parts[:n]]), True) for n in range(len(parts) + 1)]
    return folders
