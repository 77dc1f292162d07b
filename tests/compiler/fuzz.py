"""Random programs under both tiers for as long as you like: `python -m tests.compiler.fuzz --minutes 60`.

Prints each program on which the tiers differ, as text that `alight.ir.text.parse` reads, and how many were tried.
"""

from __future__ import annotations

import argparse
import time
import warnings

from hypothesis import HealthCheck, given, seed, settings

from tests.compiler.random_programs import programs
from tests.compiler.test_tiers import agree


def main() -> int:
    """Try programs until the time is over; the number of those that failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    end = time.monotonic() + 60 * parser.parse_args().minutes
    tried, failed, number = 0, 0, time.time_ns() % 10**9
    warnings.simplefilter("ignore")
    while time.monotonic() < end:
        number += 1

        @seed(number)
        @settings(
            max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), database=None
        )
        @given(programs())
        def batch(made):
            nonlocal tried
            tried += 1
            if time.monotonic() < end:
                agree(*made)

        try:
            batch()
        except Exception as error:
            failed += 1
            print(f"seed {number}: {type(error).__name__}: {error}", flush=True)
    print(f"{tried} programs, {failed} batches of 200 with a difference")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
