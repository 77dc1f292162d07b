"""Every run of the tests compiles from an empty disk cache, shared by its workers and gone at the end."""

import os
import shutil
import tempfile

import pytest


def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(
        config, "workerinput"
    ):  # workers inherit the folder of the process that starts them
        os.environ["ALIGHT_CACHE_DIR"] = tempfile.mkdtemp(prefix="alight-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ.pop("ALIGHT_CACHE_DIR"), ignore_errors=True)
