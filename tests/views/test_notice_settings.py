"""Notices of provinces and sites (chapters 16, 17), as they are set and read."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import select

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.settings import Notice, SiteSettings
from app.portal import create_portal_app
from app.rules.notices import NEW
from app.rules.site import load_site, notices_of
from tests import factories
from tests.contract.world import World, text_of
from tests.views.test_settings_pages import row_of


@pytest.fixture(scope="module", autouse=True)
def candidate(office: World) -> None:
    """Whom a changed notice asks to read again."""
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        factories.make_registration(session, office.tree, subjects=["14"])


def test_r17_1_the_new_notice_begins_empty_beside_the_present_one(office: World) -> None:
    browser, row = office.browser(), row_of(office)
    path = f"/site-notice/edit/{row.id}"
    first = {NEW: "<p>第一版<script>x</script></p>", "version": 0}
    asked = browser.post(path, first)
    found = re.search(r'name="_confirm" value="(\w+)"', asked.get_data(as_text=True))
    assert found is not None
    assert browser.post(path, first | {"_confirm": found[1]}).status_code == 302
    page = browser.get("/site-notice/").get_data(as_text=True)
    assert re.search(r"当前通告</h2>\s*<div[^>]*><p>第一版</p></div>", page)
    assert re.search(r"<textarea[^>]*data-kw-editor[^>]*></textarea>", page)
    with office.looking() as session:
        notice = session.scalars(select(Notice).where(Notice.site_id == row.site_id)).one()
        version = notices_of(session, load_site(session, row.site_id or 0)).version
    assert notice.html == "<p>第一版</p>"
    assert version


def test_r17_2_clearing_is_asked_about(office: World) -> None:
    row = row_of(office)
    version = row_version(office)
    values = {NEW: "", "version": version}
    asked = office.browser().post(f"/site-notice/edit/{row.id}", values)
    assert asked.status_code == 409
    assert "将清除当前通告" in text_of(asked)


def row_version(office: World) -> int:
    with office.looking() as session:
        site = office.tree.site.id
        row = session.scalars(select(SiteSettings).where(SiteSettings.site_id == site)).one()
        return row.notice_version


def test_r17_3_the_preview_shows_what_a_candidate_sees(office: World) -> None:
    row = row_of(office)
    path = f"/site-notice/preview/{row.id}"
    page = office.browser().post(path, {NEW: "<p>试<img src=x></p>"}, htmx=True)
    shown = page.get_data(as_text=True)
    assert "<p>试</p>" in shown
    assert "<img" not in shown
    assert "省报名通告" in shown


def test_r0_6b_the_notice_of_the_last_session_is_offered_for_copying(office: World) -> None:
    row, history = row_of(office, 1), office.history
    path = f"/site-notice/edit/{row.id}"
    second = office.browser(Level.SITE, 1)
    assert "复制上一考次" not in text_of(second.get("/site-notice/"))
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        place = history.sites[1]
        html = "<p>上次的通告</p>"
        factories.plant(session, Notice(**history.path(place), organisation_id=place.id, html=html))
    assert "复制上一考次" in text_of(second.get("/site-notice/"))
    copied = second.get(f"{path}?copy=1").get_data(as_text=True)
    assert re.search(r"<textarea[^>]*>&lt;p&gt;上次的通告", copied)
    with office.looking() as session:
        site = office.tree.sites[1].id
        assert session.scalar(select(Notice.id).where(Notice.site_id == site)) is None


def test_r16_1_the_province_sets_its_notice_and_others_read_it(office: World) -> None:
    province = office.browser(Level.PROVINCE)
    saved = province.post("/province-notice/", {NEW: "<p>全省通告</p>", "version": 0})
    assert saved.status_code == 302
    assert "全省通告" in text_of(office.browser().get("/province-notice/"))
    assert "全省通告" in text_of(office.browser(Level.CITY).get("/province-notice/"))
    assert office.browser().post("/province-notice/", {NEW: "x"}).status_code == 403
    center = office.browser(Level.CENTER)
    assert "(99)测试省" in text_of(center.get("/province-notice/"))
    assert "全省通告" in text_of(center.get("/province-notice/?province=99"))
    # who set it: for the province itself and the centre, not for those below (R8.3)
    for reader in (province, center):
        page = text_of(reader.get("/province-notice/?province=99"))
        assert re.search(r"上次保存：\S+（99） \d{4}-", page)
    assert re.search(r"上次保存：\d{4}-", text_of(office.browser().get("/province-notice/")))
    assert center.get("/province-notice/?province=32").status_code == 404
    with office.looking() as session:
        kept = session.scalars(select(Notice).where(Notice.site_id.is_(None))).one()
    assert kept.html == "<p>全省通告</p>"


def test_r16_1_r17_3_the_portal_starts_with_them(office: World) -> None:
    portal = create_portal_app(office.runtime.settings, office.runtime.factory)
    assert portal.jinja_env.filters["rich"]("<p>好<script>x</script></p>") == "<p>好</p>"
