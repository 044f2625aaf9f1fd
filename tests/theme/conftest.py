"""The gallery as a running server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.serving import serve
from tests.theme.gallery import create_app

OUTPUT = Path(__file__).resolve().parents[1] / "output" / "theme"


@pytest.fixture(scope="session", autouse=True)
def _output() -> None:
    OUTPUT.mkdir(parents=True, exist_ok=True)


@pytest.fixture(scope="session")
def client() -> FlaskClient:
    """A client of the gallery without a server."""
    return create_app().test_client()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Base address of the running gallery."""
    with serve(create_app()) as address:
        yield address
