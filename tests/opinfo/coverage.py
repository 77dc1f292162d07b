"""Write docs/coverage.md from a run of the whole operator database; OPINFO_SAMPLES=0 takes every sample.

python -m tests.opinfo.coverage
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from pathlib import Path

from alight import config
from tests.opinfo.checks import CHECKS, failures
from tests.opinfo.database import GAPS, SAMPLES, counterpart, full_name, op_db

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"
SECTIONS = ("nn.functional", "linalg", "special", "masked", "fft", "signal", "sparse")
HEAD = """# Coverage of PyTorch's operator database

Written by `python -m tests.opinfo.coverage`. Each entry is a function of PyTorch 2.13 with samples and error inputs.
Present: alight has it. The other columns count present entries all of whose cases pass (of up to {samples} samples in each
dtype): results in float32 and one whole-number dtype, the forms that write in place, results into `out=`, gradients in
float64 of first and second order, error types and messages. An entry without such cases passes.

| section | entries | present | """


def section(name: str) -> str:
    """The part of torch that an entry belongs to."""
    return next((part for part in SECTIONS if name.startswith(part + ".")), "torch")


def survey() -> dict[str, set[str]]:
    """The checks that each present entry passes."""
    passed = {}
    for info in op_db:
        if counterpart(info) is not None:
            passed[full_name(info)] = {check for check in CHECKS if not failures(info, check)[0]}
    return passed


def page(passed: dict[str, set[str]]) -> str:
    """The text of docs/coverage.md."""
    names = defaultdict(list)
    for info in op_db:
        names[section(info.name)].append(full_name(info))
    columns = [*CHECKS, "all"]
    lines = [
        HEAD.format(samples=SAMPLES or "all") + " | ".join(columns) + " |",
        "|---" * (3 + len(columns)) + "|",
    ]
    rows = []
    for part in sorted(names, key=lambda one: -len(names[one])):
        present = [passed[name] for name in names[part] if name in passed]
        counts = [sum(check in one for one in present) for check in CHECKS]
        rows.append(
            [
                len(names[part]),
                len(present),
                *counts,
                sum(len(one) == len(CHECKS) for one in present),
            ]
        )
        lines.append(f"| {part} | " + " | ".join(map(str, rows[-1])) + " |")
    sums = [sum(column) for column in zip(*rows, strict=True)]
    lines.append("| **together** | " + " | ".join(f"**{one}**" for one in sums) + " |")
    return "\n".join([*lines, *_gaps(), *_missing(names, passed)]).rstrip() + "\n"


def _gaps() -> list[str]:
    """What differs, and why."""
    lines = ["", "## What differs", "", "From `tests/opinfo/gaps.toml`.", ""]
    for name, reasons in sorted(GAPS.items()):
        together = defaultdict(list)
        for case, why in reasons.items():
            together[why].append(case)
        lines.extend(f"- `{name}` ({', '.join(cases)}): {why}" for why, cases in together.items())
    return lines


def _missing(names: dict[str, list[str]], passed: dict[str, set[str]]) -> list[str]:
    """What is not there."""
    lines = ["", "## Not there", ""]
    for part in sorted(names):
        absent = sorted(name for name in names[part] if name not in passed)
        if absent:
            lines.extend([f"**{part}**: " + ", ".join(f"`{name}`" for name in absent), ""])
    return lines


if __name__ == "__main__":
    config.tier = 0  # as in the tests
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        PAGE.write_text(page(survey()))
