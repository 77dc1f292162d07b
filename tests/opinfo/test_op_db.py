"""Every operation of PyTorch's operator database that alight has: values, dtypes, gradients, in-place forms, errors.

A case that gaps.toml lists must fail: a gap that has closed is to be taken off the list.
"""

from __future__ import annotations

import warnings

import pytest

from tests.opinfo.checks import CHECKS
from tests.opinfo.database import GAPS, full_name, reason, rows

ROWS = {full_name(info): info for info in rows()}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", ROWS)
def test_operation(name, check):
    info, failures, closed, count = ROWS[name], [], [], 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if reason(info, check) is not None:
            pytest.xfail(reason(info, check))
        for case, compare in CHECKS[check](info):
            count += 1
            known = reason(info, *case.split(" "))
            try:
                compare()
            except Exception as error:
                if known is None:
                    failures.append(f"{case}: {type(error).__name__}: {error}")
            else:
                if known is not None and case in GAPS[name]:
                    closed.append(case)
    assert not failures, "\n".join(failures)
    assert not closed, f"no gap any more, take them off gaps.toml: {closed}"
    if not count:
        pytest.skip("the database has no such case")


def test_gaps_name_operations_that_are_there():
    assert set(GAPS) <= set(ROWS)
