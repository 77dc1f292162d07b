"""Write docs/coverage.md, and with --gaps the list of known gaps, from a run of the operator database.

python -m tests.opinfo.coverage [--gaps]
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections import defaultdict
from pathlib import Path

from tests.opinfo.harness import ASPECTS, check, full_name, op_db, our_function

FOLDER = Path(__file__).parent
RANDOM = {
    "bernoulli", "multinomial", "normal", "normal.in_place", "normal.number_mean", "rand_like", "randn_like",
    "randint_like", "randn", "randint", "rand", "uniform", "exponential", "geometric", "cauchy", "log_normal",
    "nn.functional.dropout", "nn.functional.dropout2d", "nn.functional.dropout3d", "nn.functional.alpha_dropout",
    "nn.functional.feature_alpha_dropout.with_train", "nn.functional.feature_alpha_dropout.without_train",
    "nn.functional.rrelu", "nn.functional.scaled_dot_product_attention", "empty", "empty_like", "new_empty",
    "empty_strided", "new_empty_strided", "empty_permuted",
}  # fmt: skip
HEAD = """# Gaps of tests/opinfo, each with what is wrong. Written by `python -m tests.opinfo.coverage --gaps`;
# take a line out when it is closed (the test says so). [random]: entries whose results are not comparable.
"""


def survey() -> dict[str, dict[str, str]]:
    """What is wrong with each present entry, by aspect."""
    found = {}
    for op in op_db:
        name = full_name(op)
        if our_function(op.name) is None or name in RANDOM:
            continue
        found[name] = {aspect: check(op, aspect) for aspect in ASPECTS}
    return found


def write_gaps(found: dict[str, dict[str, str]]) -> None:
    """The list of gaps as TOML."""
    lines = [HEAD, "[random]", *(f"{json.dumps(name)} = true" for name in sorted(RANDOM))]
    for aspect in ASPECTS:
        lines.append(f"\n[{aspect}]")
        lines.extend(
            f"{json.dumps(name)} = {json.dumps(wrong[aspect], ensure_ascii=True)}"
            for name, wrong in sorted(found.items())
            if wrong[aspect]
        )
    (FOLDER / "gaps.toml").write_text("\n".join(lines) + "\n")


def section(name: str) -> str:
    """The part of torch that an entry belongs to."""
    for prefix in (
        "nn.functional",
        "linalg",
        "fft",
        "special",
        "signal",
        "masked",
        "sparse",
        "ops",
        "_refs",
    ):
        if name.startswith(prefix):
            return prefix
    return "torch"


def write_coverage() -> None:
    """The table of docs/coverage.md from the database and the list of gaps."""
    gaps = tomllib.loads((FOLDER / "gaps.toml").read_text())
    total: dict[str, int] = defaultdict(int)
    have: dict[str, list[str]] = defaultdict(list)
    missing: dict[str, list[str]] = defaultdict(list)
    for op in op_db:
        name, part = full_name(op), section(op.name)
        total[part] += 1
        (have if our_function(op.name) is not None else missing)[part].append(name)
    lines = [
        "# Coverage of PyTorch's operator database",
        "",
        "Written by `python -m tests.opinfo.coverage`. Each entry is a function of PyTorch 2.13 with samples and error",
        "inputs. Present: alight has it. Values, gradients, errors: present entries whose samples agree in that aspect.",
        "",
        "| section | entries | present | values | gradients | errors |",
        "|---|---|---|---|---|---|",
    ]
    sums = [0] * 5
    for part in sorted(total, key=lambda one: -total[one]):
        names = have[part]
        passing = [sum(name not in gaps[aspect] for name in names) for aspect in ASPECTS]
        row = [total[part], len(names), *passing]
        sums = [a + b for a, b in zip(sums, row, strict=True)]
        lines.append(f"| {part} | " + " | ".join(map(str, row)) + " |")
    lines.append("| **all** | " + " | ".join(f"**{one}**" for one in sums) + " |")
    lines.extend(
        [
            "",
            "The gaps and what is wrong are listed in `tests/opinfo/gaps.toml`.",
            "",
            "## Not there yet",
            "",
        ]
    )
    for part in sorted(missing):
        lines.append(
            f"**{part}**: " + ", ".join(f"`{name}`" for name in sorted(missing[part])) + "\n"
        )
    (FOLDER.parent.parent / "docs" / "coverage.md").write_text("\n".join(lines).rstrip() + "\n")


if __name__ == "__main__":
    if "--gaps" in sys.argv[1:]:
        write_gaps(survey())
    write_coverage()
