"""Laziness is invisible: every test here runs with whole segments and with segments of one operation."""

import pytest

import alight
from alight import config


@pytest.fixture(autouse=True, params=[0, 1], ids=["segments", "one-by-one"])
def segment(request, monkeypatch):
    if "no_segments" in request.keywords and request.param:
        pytest.skip("does not record anything")
    from alight.record.recorder import thread

    thread.recorder.flush("test begins")
    thread.recorder.roots.clear()  # paths of the other mode are cut elsewhere
    thread.recorder.root = thread.recorder._root()
    thread.recorder.restart()
    monkeypatch.setattr(config, "segment", request.param)
    yield request.param
    thread.recorder.flush("test ends")
    thread.recorder.roots.clear()
    thread.recorder.root = thread.recorder._root()
    thread.recorder.restart()
    assert alight.is_grad_enabled()
