"""Every operation of PyTorch's operator database that alight has: values, dtypes, gradients, in-place forms, errors.

A case that gaps.toml lists must fail: a gap that has closed is to be taken off the list.
"""

from __future__ import annotations

import warnings

import pytest

from tests.opinfo.checks import CHECKS, failures
from tests.opinfo.database import GAPS, full_name, known_gap, rows

ROWS = {full_name(info): info for info in rows()}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("name", ROWS)
def test_operation(name, check):
    info = ROWS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        failed, count = failures(info, check)
    unknown = [f"{case}: {wrong}" for case, wrong in failed.items() if not known_gap(info, case)]
    assert not unknown, "\n".join(unknown)
    listed = {case for case in GAPS.get(name, {}) if case.split(" ")[0] == check}
    closed = listed - {known_gap(info, case) for case in failed}
    assert not closed, f"no gap any more, take them off gaps.toml: {closed}"
    if not count:
        pytest.skip("the database has no such case")


def test_gaps_name_operations_that_are_there():
    assert set(GAPS) <= set(ROWS)
