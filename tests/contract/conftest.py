"""The whole administration, once per database and process."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.contract.models import declared
from tests.contract.world import World, create_world_tables, make_world
from tests.databases import Databases


@pytest.fixture(scope="session")
def world(
    database_kind: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Tests share it: each makes rows of its own and leaves everybody else's alone."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "master")
    url = databases.clone(database_kind, f"world_{worker}", create_world_tables, template="world")
    with declared():
        made = make_world(url, tmp_path_factory.mktemp("instance"))
        yield made
    made.runtime.engine.dispose()
    databases.drop(url)
