"""The administration in English: no Chinese on any page but the data and the names."""

from __future__ import annotations

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from app.metadata import registry
from app.metadata.declarations import Operation, Resource
from app.metadata.vocabulary import Level
from app.runtime import load_declarations
from tests.contract.world import AGENT, Browser
from tests.translations.conftest import Office, chinese_in
from tests.views.conftest import SUPER

load_declarations()
PAGES = {item.name: item for item in registry.all_declarations() if not isinstance(item, Operation)}
PEOPLE = {"site": (Level.SITE, 0), "center": (Level.CENTER, 0), "super": SUPER}
PEOPLE_MARK = pytest.mark.parametrize("person", PEOPLE)
#: pages without a declaration
OTHERS = ("/", "/account/profile", "/account/password", "/no-such-page/")


def _text(browser: Browser, path: str, **headers: str) -> str:
    answer = browser.get(path, headers=headers)
    with answer:
        assert answer.status_code < 500 or answer.status_code == 503, path
        return answer.get_data(as_text=True) if answer.mimetype == "text/html" else ""


@PEOPLE_MARK
@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_declared_page_is_english(office: Office, name: str, person: str) -> None:
    browser = office.english(*PEOPLE[person])
    path = f"/{name.replace('_', '-')}/"
    paths = [path, f"{path}add"] if isinstance(PAGES[name], Resource) else [path]
    for found in paths:
        page = _text(browser, found)
        assert page, found
        assert '<html lang="en">' in page
        assert chinese_in(page, office.data) == [], found


@pytest.mark.parametrize("path", OTHERS)
def test_pages_by_hand_are_english(office: Office, path: str) -> None:
    assert chinese_in(_text(office.english(), path), office.data) == []


@pytest.mark.parametrize("name", sorted(n for n, d in PAGES.items() if isinstance(d, Resource)))
def test_errors_of_a_form_are_english(office: Office, name: str) -> None:
    """An empty form: everything that is required is missing. Nothing is saved."""
    browser = office.english(*SUPER)
    answer = browser.post(f"/{name.replace('_', '-')}/add", {})
    # 302: a page with one row leads to it
    assert answer.status_code in {200, 302, 403, 404, 405, 422, 503}
    assert chinese_in(answer.get_data(as_text=True), office.data) == []


def test_the_log_in_is_english(office: Office) -> None:
    browser = Browser(office.world, Client(office.world.server, Response), "/admin")
    assert browser.get("/58/lang/en").status_code == 302
    page = browser.get("/login/?province=99", follow_redirects=True).get_data(as_text=True)
    assert "Log in" in page
    assert chinese_in(page, office.data) == []


def test_the_language_can_be_changed_and_stays(office: Office) -> None:
    browser = office.world.browser()
    assert '<html lang="zh-CN">' in _text(browser, "/")
    browser.get("/lang/en")
    assert "Welcome to the NCRE" in _text(browser, "/")
    assert "Room Management" in _text(browser, "/room/")
    browser.get("/lang/zh_Hans_CN")
    page = _text(browser, "/")
    assert '<html lang="zh-CN">' in page
    assert "欢迎登录" in page


def test_a_refusal_of_rest_is_english(office: Office) -> None:
    browser = office.english()
    answer = browser.rest("POST", "/room/", {"number": "x"})
    body = answer.get_json()
    assert answer.status_code >= 400
    assert chinese_in(str(body), office.data) == []


def test_the_browsers_own_language_does_not_matter(office: Office) -> None:
    """Chinese until one asks: operators in China run browsers in many languages."""
    browser = office.world.browser()
    page = _text(browser, "/", **{"Accept-Language": "en", "User-Agent": AGENT})
    assert "欢迎登录" in page
