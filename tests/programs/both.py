"""Programs run under PyTorch and under alight, one process each, and their printed text compared."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

RUNNER = Path(__file__).with_name("runner.py")
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")


def run_all(programs, library):
    """What each program printed under `library`, "torch" or "alight"."""
    command = [sys.executable, *(["-m", "alight", "run"] if library == "alight" else [])]
    done = subprocess.run(
        [*command, str(RUNNER), *map(str, programs)],
        env={**os.environ, "PYTHONHASHSEED": "0", "MPLBACKEND": "agg"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def differences(ours, theirs, rel=2e-3, abs=2e-4, same_digits=False):
    """How two texts differ: words must be equal, numbers close, with as many digits if `same_digits`."""
    if NUMBER.sub("#", ours) != NUMBER.sub("#", theirs):
        for a, b in zip(ours.splitlines(), theirs.splitlines(), strict=False):
            if NUMBER.sub("#", a) != NUMBER.sub("#", b):
                return f"  alight  {a}\n  PyTorch {b}"
        return f"  alight prints {len(ours.splitlines())} lines, PyTorch {len(theirs.splitlines())}"
    # Compiled at first sight, a sum may be 1 where it is 0.99999994 otherwise, which has other digits.
    same_digits = same_digits and os.environ.get("ALIGHT_HOT") != "0"
    for a, b in zip(ours.splitlines(), theirs.splitlines(), strict=True):
        for m, n in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True):
            digits = [len(one.partition("e")[0].partition(".")[2]) for one in (m, n)]
            if same_digits and digits[0] != digits[1] and max(digits) < 7:
                return f"  {m} is not written as {n}\n  alight  {a}\n  PyTorch {b}"
            if float(m) != pytest.approx(float(n), rel=rel, abs=abs):
                return f"  {m} is not {n}\n  alight  {a}\n  PyTorch {b}"
    return ""


def compare(programs, **how):
    """Fail with a list of the programs that do not run, or print something else, under alight."""
    theirs, ours = run_all(programs, "torch"), run_all(programs, "alight")
    wrong = []
    for path in map(str, programs):
        name = Path(path).name
        assert theirs[path]["failure"] is None, (
            f"{name} fails under PyTorch:\n{theirs[path]['failure']}"
        )
        assert theirs[path]["printed"].strip(), f"{name} prints nothing"
        found = ours[path]["failure"] or differences(
            ours[path]["printed"], theirs[path]["printed"], **how
        )
        if found:
            wrong.append(f"{name}:\n{found}")
    assert not wrong, "\n".join(wrong)
