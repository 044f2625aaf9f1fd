"""The gallery as a running server."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from werkzeug.serving import make_server

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
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = make_server("127.0.0.1", 0, create_app(), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
