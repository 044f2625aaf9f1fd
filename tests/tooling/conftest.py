"""Fixtures of the tooling's tests."""

from __future__ import annotations

import os

import pytest


@pytest.fixture(scope="session")
def worker() -> str:
    """The name of this test process, for names that processes must not share."""
    return os.environ.get("PYTEST_XDIST_WORKER", "master")
