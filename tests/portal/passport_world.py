"""The portal on a populated database, with a clock that tests move, and a browser without eyes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.portal import create_portal_app
from config import Settings
from tests.rules.account_world import World, open_world

ADDRESS = "http://127.0.0.1:5000"
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


class Visit:
    """One visitor's browser: keeps cookies, sends the token of the page that it stands on."""

    def __init__(self, app: Flask) -> None:
        self.client: FlaskClient = app.test_client()

    def get(self, path: str, **options: Any) -> TestResponse:
        return self.client.get(path, base_url=ADDRESS, **options)

    def token(self, path: str = "/passport/login") -> str:
        found = _TOKEN.search(self.get(path).text)
        assert found is not None, f"no form on {path}"
        return found[1]

    def post(self, path: str, form: str = "", **values: str) -> TestResponse:
        """Send the form of the page `form` (default: the same path)."""
        data = {"csrf_token": self.token(form or path)} | values
        return self.client.post(path, base_url=ADDRESS, data=data)

    def log_in(self, login: str, password: str, **values: str) -> TestResponse:
        return self.post("/passport/login", login=login, password=password, **values)

    @property
    def cookie(self) -> str:
        found = self.client.get_cookie("kaowu_portal", domain="127.0.0.1")
        assert found is not None
        return found.value


class Portal(World):
    """The world, and the portal in it."""

    app: Flask
    address: str = ADDRESS

    def visit(self) -> Visit:
        return Visit(self.app)


def settings(instance: Path, **environment: str) -> Settings:
    """Settings of a test run: everything embedded below `instance`."""
    return Settings.from_environment(
        {"KAOWU_MODE": "testing", "INSTANCE": str(instance)} | environment
    )


@contextmanager
def open_portal(url: str, instance: Path, **environment: str) -> Iterator[Portal]:
    """A portal on the database at `url`."""
    with open_world(url) as world:
        portal = Portal(world.factory, world.tree, world.clock)
        portal.app = create_portal_app(
            settings(instance, **environment), world.factory, clock=world.clock
        )
        yield portal
