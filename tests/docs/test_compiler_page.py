"""The listings of docs/compiler.md are what the compiler makes today."""

from __future__ import annotations

import platform

import pytest

from docs.listings import PAGE, rewritten


@pytest.mark.skipif(platform.machine() != "x86_64", reason="the page shows code for x86-64")
def test_listings_are_current():
    page = PAGE.read_text()
    assert rewritten(page) == page, "run: python -m docs.listings"
