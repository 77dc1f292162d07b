"""The rows of `alight bench recorder` that make one call: each runs under both libraries, on a known path."""

import pytest
import torch as rival

import alight
from alight.bench import calls
from alight.record.recorder import thread


@pytest.mark.parametrize("text", calls.TEXTS)
def test_a_row_runs_and_stays_on_its_path(text):
    calls.task(rival, text)()
    task = calls.task(alight, text)
    task()  # what it speaks of is computed
    task()
    positions = thread.recorder.positions
    task()
    assert thread.recorder.positions == positions
