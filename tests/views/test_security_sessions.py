"""Sessions of administrators: how long, how many, from which host (ASVS 3; domain §8.2)."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pyotp
import pytest
from flask.sessions import SecureCookieSessionInterface
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Response

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.models.account import Passport
from app.views.security import LONGEST_SESSION
from config_values import Mode
from tests.contract.world import ADDRESS, AGENT, PASSWORD, World
from tests.factories import bind_administrator, seeding

TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
PAGE = "/admin/58/operation-window/"


class Device:
    """A browser of one administrator."""

    def __init__(self, office: World, owner: Passport) -> None:
        self.client, self.owner = Client(office.server, Response), owner

    def get(self, path: str) -> TestResponse:
        return self.client.get(path, headers={"User-Agent": AGENT}, environ_overrides=ADDRESS)

    def post(self, path: str, **values: str) -> TestResponse:
        found = TOKEN.search(self.get(path).get_data(as_text=True))
        assert found is not None
        return self.client.post(
            path.split("?", maxsplit=1)[0],
            data={"csrf_token": found[1]} | values,
            headers={"User-Agent": AGENT},
            environ_overrides=ADDRESS,
        )

    def log_in(self) -> TestResponse:
        account = self.owner.email or ""
        return self.post("/admin/login/?province=99", account=account, password=PASSWORD)

    @property
    def is_in(self) -> bool:
        return self.get(PAGE).status_code == 200


@pytest.fixture
def production(office: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The same administration with the settings of production."""
    settings = replace(office.runtime.settings, mode=Mode.PRODUCTION)
    runtime = replace(office.runtime, settings=settings)
    monkeypatch.setitem(office.app.extensions, "kaowu", runtime)
    return office


def an_administrator(office: World, *, totp: str | None = None) -> Passport:
    hashed = office.people[next(iter(office.people))].password_hash
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        owner, _ = bind_administrator(session, office.tree, password_hash=hashed)
        if totp:
            with seeding(session):
                owner.totp_secret, owner.totp_confirmed = totp, True
    return owner


def test_a_log_in_ends_the_other_sessions_of_the_administrator(production: World) -> None:
    owner = an_administrator(production)
    first, second = Device(production, owner), Device(production, owner)
    first.log_in()
    assert first.is_in
    second.log_in()
    assert second.is_in
    assert not first.is_in


def test_who_knows_the_password_alone_throws_nobody_out(production: World) -> None:
    secret = pyotp.random_base32()
    owner = an_administrator(production, totp=secret)
    first, thief = Device(production, owner), Device(production, owner)
    first.log_in()
    code = pyotp.TOTP(secret).now()
    assert first.post("/admin/second-factor/", code=code).status_code == 302
    assert first.is_in
    thief.log_in()
    assert not thief.is_in
    assert first.is_in


@pytest.mark.parametrize(("age", "alive"), [(LONGEST_SESSION - 60, True), (LONGEST_SESSION, False)])
def test_a_session_ends_after_twelve_hours_even_without_rest(
    office: World, age: int, alive: bool
) -> None:
    owner = an_administrator(office)
    signer = SecureCookieSessionInterface().get_signing_serializer(office.app)
    assert signer is not None
    data = signer.loads(office.cookie(owner)) | {"since": int(time.time()) - age}
    device = Device(office, owner)
    device.client.set_cookie("kaowu_admin", str(signer.dumps(data)), path="/admin")
    assert device.is_in is alive


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example"])
def test_a_foreign_host_gets_no_page(office: World, host: str) -> None:
    client = Client(office.server, Response)
    answer = client.get("/admin/login/", headers={"Host": host}, environ_overrides=ADDRESS)
    assert answer.status_code == 400
    assert answer.mimetype == "text/plain"


def test_every_answer_carries_the_security_headers(office: World) -> None:
    for path in ("/admin/login/", "/admin/58/nothing", "/admin/healthz", PAGE):
        headers = office.nobody().client.get(path, environ_overrides=ADDRESS).headers
        assert "object-src 'none'" in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["X-Frame-Options"] == "SAMEORIGIN", path
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert headers["Cache-Control"] == "no-store", path


def test_a_client_does_not_choose_the_number_of_its_request(office: World) -> None:
    sent = {"X-Request-Id": '"><script>'}
    answer = office.nobody().client.get("/admin/login/", headers=sent, environ_overrides=ADDRESS)
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"])
