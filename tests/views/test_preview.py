"""A superuser looks at another moment: shown to him alone, flagged, and never written by."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from flask import g, session
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import ADMINISTRATORS, Level
from app.models.account import AdminBinding
from app.models.roster import RosterPolicy
from app.views import request as context
from tests.contract.world import Browser, World, text_of
from tests.factories import bind_administrator, seeding
from tests.views.conftest import SUPER, walk_phone

PATH = "/preview/"
LATER = "2035-01-01 08:00"
FLAG = "预览：操作时间按 2035-01-01 08:00:00 显示"
WINDOWS = "/operation-window/?level=site"


@pytest.fixture
def superuser(office: World) -> Browser:
    """Logged in anew for each test: the moment is kept in the cookie."""
    return office.browser(*SUPER)


@pytest.fixture(scope="module")
def site_people(office: World) -> None:
    """A superuser whom windows bind: one of a site, as the rules allow but nobody is made."""
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        owner, _ = bind_administrator(session, office.tree, Level.SITE, name="考点")
        with seeding(session):
            row = session.scalars(
                select(AdminBinding).where(AdminBinding.passport_id == owner.id)
            ).one()
            row.is_super = True
        policy = session.scalars(
            select(RosterPolicy).where(RosterPolicy.site_id == office.tree.site.id)
        ).first()
        with seeding(session):
            if policy is None:
                policy = RosterPolicy(**office.tree.path(office.tree.site))
                session.add(policy)
            policy.roster_enabled = True
    office.people[Level.SITE, 9] = owner


@pytest.fixture
def site_superuser(office: World, site_people: None) -> Browser:
    return office.browser(Level.SITE, 9)


def test_windows_are_shown_as_of_the_moment_until_the_preview_ends(superuser: Browser) -> None:
    before = text_of(superuser.get(WINDOWS))
    assert "已结束" not in before + text_of(superuser.get("/"))
    assert FLAG not in before
    assert superuser.post(PATH, {"moment": LATER}).status_code == 302
    for path in (WINDOWS, "/", "/registration/"):
        assert FLAG in text_of(superuser.get(path))
    later = text_of(superuser.get(WINDOWS))
    assert later.count("已结束") == 8 * before.count("进行中") // 9  # W6 has no end
    assert "已结束" in text_of(superuser.get("/")).split("考次进度")[1]
    assert superuser.post(PATH).status_code == 302  # the button of the flag
    assert FLAG not in text_of(superuser.get("/"))
    assert text_of(superuser.get(WINDOWS)) == before


PAGES = (
    "/site-settings/",
    "/capacity/",
    "/preference/",
    "/site-notice/",
    "/online-time/",
    "/student-record-import/",
    "/class-option/",
    "/room/",
    "/small-tickets/",
)


@pytest.mark.parametrize("path", PAGES)
def test_no_page_shows_the_present_under_the_flag(
    office: World, site_superuser: Browser, path: str
) -> None:
    """Settings of a site, grids, imports, lists, documents: all tell their windows as of then."""
    now = text_of(site_superuser.get(path))
    assert site_superuser.post(PATH, {"moment": LATER}).status_code == 302
    later = text_of(site_superuser.get(path))
    assert FLAG in later
    if path != "/small-tickets/":  # no window binds making them
        assert "进行中" not in later
        assert "已结束" in later or "当前不在" in later
        assert "当前不在" not in now
    site_superuser.post(PATH)
    site_superuser.get("/")  # takes the message
    assert text_of(site_superuser.get(path)) == now


def test_a_page_that_answers_what_was_sent_says_that_it_shows_now(
    site_superuser: Browser,
) -> None:
    assert site_superuser.post(PATH, {"moment": LATER}).status_code == 302
    answer = text_of(site_superuser.post("/student-record-import/", {}))
    assert FLAG not in answer
    assert "按服务器的当前时间显示，不按 2035-01-01 08:00:00" in answer
    assert "当前不在" not in answer


def test_a_moment_that_is_none_is_refused(superuser: Browser) -> None:
    answer = superuser.post(PATH, {"moment": "tomorrow"})
    assert answer.status_code == 422
    assert "预览：" not in text_of(superuser.get("/"))


@pytest.mark.parametrize("level", ADMINISTRATORS)
def test_nobody_else_finds_it(office: World, level: Level) -> None:
    browser = office.browser(level)
    assert browser.get(PATH).status_code == 404
    assert browser.post(PATH, {"moment": LATER}).status_code == 404
    page = browser.get("/").get_data(as_text=True)
    assert "/preview/" not in page
    assert "预览：" not in text_of(browser.get("/"))


def test_it_is_offered_in_the_account_menu(superuser: Browser) -> None:
    assert 'href="/admin/58/preview/"' in superuser.get("/").get_data(as_text=True)
    assert superuser.get(PATH).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_what_is_written_goes_by_the_server_s_clock(office: World, method: str) -> None:
    superuser = replace(office.actor(*SUPER), roles=frozenset({"center", "super"}))
    moment = dt.datetime(2035, 1, 1, tzinfo=dt.UTC)
    for asked, is_super, shown in (
        ("GET", True, moment),
        (method, True, None),
        ("GET", False, None),
    ):
        with office.app.test_request_context("/", method=asked):
            g.actor = superuser if is_super else office.actor(Level.CENTER)
            session[context.PREVIEW] = moment.isoformat()
            now = dt.datetime.now(dt.UTC)
            assert abs(context.clock()() - now) < dt.timedelta(minutes=1)
            assert abs(context.shown_clock()() - (shown or now)) < dt.timedelta(minutes=1)
            assert context.previewed() == (moment if is_super else None)


@pytest.mark.parametrize("text", ["", "x", "2035-01-01T00:00:00", 7, None])
def test_a_cookie_with_something_else_shows_now(office: World, text: object) -> None:
    with office.app.test_request_context("/"):
        g.actor = replace(office.actor(*SUPER), roles=frozenset({"super"}))
        session[context.PREVIEW] = text
        assert context.previewed() is None


# ---------------------------------------------------------------- browser


@pytest.mark.browser
def test_the_flag_and_the_description_of_rest_fit_a_phone(
    office: World, office_address: str, phone_page: Page
) -> None:
    walk_phone(phone_page, office, office_address, SUPER, PATH)
    phone_page.fill("[name=moment]", LATER)
    phone_page.get_by_role("heading", name="预览其他时刻").click()  # closes the calendar
    phone_page.get_by_role("button", name="确定").first.click()
    expect(phone_page.get_by_text(FLAG)).to_be_visible()
    walk_phone(phone_page, office, office_address, (Level.SITE, 0), "/api-description/")
    phone_page.evaluate("document.querySelectorAll('.kw-api').forEach(one => one.open = true)")
    assert phone_page.evaluate("document.documentElement.scrollWidth") <= 390
