"""Tier 0 is what the database is checked against; tier 1 is checked against tier 0 elsewhere."""

import pytest

from alight import config


@pytest.fixture(autouse=True)
def interpreted(monkeypatch):
    monkeypatch.setattr(config, "tier", 0)
