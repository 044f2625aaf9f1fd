"""Static files of a server that stands alone: kind not guessed, kept as long as their address."""

from __future__ import annotations

import pytest
from werkzeug.test import Client

from app.views.application import STATIC
from app.wsgi import _StaticFiles


@pytest.fixture(scope="module")
def client() -> Client:
    def page(_environ: object, start_response: object) -> list[bytes]:
        assert callable(start_response)
        start_response("404 NOT FOUND", [("X-Content-Type-Options", "nosniff")])
        return [b""]

    return Client(_StaticFiles(page, {"/static": str(STATIC)}, cache_timeout=31_536_000))


def test_a_file_says_that_its_kind_is_not_to_be_guessed(client: Client) -> None:
    with client.get("/static/portal/portal.css?v=0123456789ab") as answer:
        assert answer.status_code == 200
        assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]
        assert "max-age=31536000" in answer.headers["Cache-Control"]
        assert answer.headers["Content-Type"].startswith("text/css")


def test_an_address_without_digest_is_asked_for_again(client: Client) -> None:
    with client.get("/static/portal/portal.css") as answer:
        assert answer.headers["Cache-Control"] == "no-cache"
        assert "Expires" not in answer.headers
        known = {"If-None-Match": answer.headers["ETag"]}
    with client.get("/static/portal/portal.css", headers=known) as again:
        assert again.status_code == 304


def test_what_is_no_file_is_the_applications(client: Client) -> None:
    answer = client.get("/static/nothing.css")
    assert answer.status_code == 404
    assert answer.headers.getlist("X-Content-Type-Options") == ["nosniff"]
