"""Random programs under both tiers for as long as you like: `python -m tests.compiler.fuzz --minutes 60`.

Prints each program on which the tiers differ, as text that `alight.ir.text.parse` reads, and how many were tried.
"""

from __future__ import annotations

import argparse
import time
import warnings

from hypothesis import HealthCheck, seed, settings
from hypothesis import given as drawn

from tests.compiler.random_programs import programs
from tests.compiler.test_tiers import agree


def main() -> int:
    """Try programs until the time is over; the number of those that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, help="try the programs of one batch again")
    given = parser.parse_args()
    end = time.monotonic() + 60 * given.minutes
    tried, failed, number = 0, 0, (given.seed or time.time_ns() % 10**9) - 1
    warnings.simplefilter("ignore")
    while time.monotonic() < end and given.seed != number:
        number += 1

        @seed(number)
        @settings(
            max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        @drawn(programs())
        def batch(made):
            nonlocal tried
            tried += 1
            if time.monotonic() < end:
                agree(*made)

        try:
            batch()
        except Exception as error:
            failed += 1
            for one in getattr(error, "exceptions", [error]):
                print(f"seed {number}: {type(one).__name__}: {one}", flush=True)
    print(f"{tried} programs, {failed} batches of 200 with a difference")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
