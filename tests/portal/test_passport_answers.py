"""Every answer of the account pages: headers, cookies, sizes, errors, languages."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import event

from app.portal import create_portal_app
from app.rules.account.codes import Purpose
from config import Mode, Settings
from tests.portal.passport_world import ADDRESS, Portal, open_portal, settings
from tests.rules.account_world import PASSWORD


@pytest.fixture
def portal(fresh_database: str, instance: Path) -> Iterator[Portal]:
    with open_portal(fresh_database, instance) as made:
        yield made


# ---------------------------------------------------------------- every answer


def test_forms_without_token_and_foreign_hosts_are_refused(portal: Portal) -> None:
    visit = portal.visit()
    answer = visit.client.post("/passport/login", base_url=ADDRESS, data={"login": "x"})
    assert answer.status_code == 400
    assert "页面停留过久" in answer.text
    assert visit.client.get("/", base_url="http://evil.example.com").status_code == 400


def test_headers_keep_other_sites_and_scripts_out(portal: Portal) -> None:
    answer = portal.visit().get("/passport/login")
    policy = answer.headers["Content-Security-Policy"]
    nonce = re.search(r"script-src 'nonce-([^']+)';", policy)
    assert nonce is not None
    assert f'nonce="{nonce[1]}"' in answer.text
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    cookie = answer.headers["Set-Cookie"]
    assert cookie.startswith("kaowu_portal=")
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    # a second answer has another nonce
    assert nonce[1] not in portal.visit().get("/passport/login").text


def test_cookies_are_secure_where_the_site_is(fresh_database: str, instance: Path) -> None:
    with open_portal(fresh_database, instance, PUBLIC_URL="https://exam.example.com/") as portal:
        client = portal.app.test_client()
        answer = client.get("/passport/login", base_url="https://exam.example.com")
    assert "Secure" in answer.headers["Set-Cookie"]
    assert "max-age" in answer.headers["Strict-Transport-Security"]


def test_r1_2_old_browsers_are_told_which_ones_work(portal: Portal) -> None:
    old = {"User-Agent": "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko"}
    visit = portal.visit()
    assert visit.get("/", headers=old).location == "/unsupported"
    assert "请使用推荐浏览器" in visit.get("/unsupported", headers=old).text


def test_pages_are_small_and_cost_few_statements(portal: Portal) -> None:
    owner = portal.passport()
    visit = portal.visit()
    visit.log_in(owner.email or "", PASSWORD)
    statements: list[str] = []
    engine = portal.factory.kw["bind"]
    event.listen(engine, "before_cursor_execute", lambda *found: statements.append(found[2]))
    for path in ("/", "/passport/me", "/passport/email"):
        statements.clear()
        answer = visit.get(path)
        assert answer.status_code == 200
        asked = [text for text in statements if text.startswith("SELECT")]
        assert len(asked) <= 6, asked
        static = re.findall(r'(?:href|src)="(/static/[^"]+)"', answer.text)
        weight = len(gzip.compress(answer.data))
        for name in static:
            with visit.get(name) as file:  # it is streamed from disk
                weight += len(gzip.compress(file.data))
        assert len(static) >= 2
        assert weight < 30_000


def test_health_and_readiness(portal: Portal, instance: Path) -> None:
    assert portal.visit().get("/healthz").json == {"status": "ok"}
    assert portal.visit().get("/readyz").status_code == 200
    app = create_portal_app(
        settings(instance), portal.factory, readiness=lambda: {"queue": False, "migrations": True}
    )
    answer = app.test_client().get("/readyz", base_url=ADDRESS)
    assert answer.status_code == 503
    assert answer.get_json()["checks"] == {"database": True, "queue": False, "migrations": True}


def test_the_outbox_page_shows_codes_outside_production(portal: Portal) -> None:
    code = portal.code_for(Purpose.REGISTER, "13800990001")
    assert code in portal.visit().get("/passport/outbox").text
    production = settings_of_production(portal.app.extensions["kaowu_portal"].settings)
    app = create_portal_app(production, portal.factory)
    assert app.test_client().get("/passport/outbox", base_url=ADDRESS).status_code == 404


def settings_of_production(made: Settings) -> Settings:
    return replace(made, mode=Mode.PRODUCTION)


def test_errors_are_pages_without_details_and_json_for_scripts(portal: Portal) -> None:
    visit = portal.visit()
    assert visit.get("/nothing").status_code == 404
    answer = visit.get("/nothing", headers={"Accept": "application/json"})
    assert answer.json == {"error": "http.404", "message": "没有找到这个页面，链接可能已失效。"}


def test_language_is_chosen_by_the_visitor_and_survives_the_login(portal: Portal) -> None:
    owner = portal.passport()
    visit = portal.visit()
    assert visit.get("/language/en?next=/passport/login").location == "/passport/login"
    assert '<html lang="en">' in visit.get("/passport/login").text
    visit.log_in(owner.email or "", PASSWORD)
    assert '<html lang="en">' in visit.get("/").text
    assert visit.get("/language/xx").location == "/"
