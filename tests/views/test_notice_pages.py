"""Notices where they are written and listed: nothing that acts, nothing that costs (N18)."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from app.database.unit_of_work import unit_of_work
from app.metadata import rich_text
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.settings import Notice
from app.rules.notices import LENGTH, NEW
from app.views.application import STATIC
from tests.contract.world import World, text_of
from tests.factories import plant
from tests.views.conftest import look

EVIL = '<p>好<b>重要</b><a href="javascript:x()">链</a></p><img src="/evil.png" onerror="x()">'


def test_r17_a_notice_of_markup_alone_is_refused_with_what_to_do(office: World) -> None:
    answer = office.browser(Level.PROVINCE).post(
        "/province-notice/", {NEW: "<b></b>" * 500_000 + "通告五个字"}
    )
    assert answer.status_code in (413, 422)
    assert "请清除多余的格式" in text_of(answer)


def test_n18_lists_and_pages_do_not_sanitise_again(office: World) -> None:
    site = office.tree.sites[0]
    html = "<p>考点<b>甲</b>的通告</p>"
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        plant(session, Notice(**office.tree.path(site), organisation_id=site.id, html=html))
    browser = office.browser()
    assert "考点甲的通告" in text_of(office.browser(Level.PROVINCE).get("/site-notice/"))
    browser.get("/site-notice/")
    before = rich_text.to_show.cache_info().misses + rich_text.plain.cache_info().misses
    for _ in range(3):
        assert "<b>甲</b>" in browser.get("/site-notice/").get_data(as_text=True)
        office.browser(Level.PROVINCE).get("/site-notice/")
    after = rich_text.to_show.cache_info().misses + rich_text.plain.cache_info().misses
    assert after == before


def test_n18_the_editor_takes_what_is_stored_and_no_more() -> None:
    script = (STATIC / "kw" / "editor.js").read_text("utf-8")
    found = re.search(r"const TAGS = new Set\(\((.*?)\)\.split", script, re.DOTALL)
    assert found is not None
    assert set("".join(re.findall(r"'(.*?)'", found[1])).split()) == rich_text.TAGS
    assert "innerHTML: source" not in script


@pytest.mark.browser
# the browser tells of the handler while it reads the text, in a document where nothing runs
@pytest.mark.allow_console_errors("422", "inline event handler")
def test_n18_the_editor_shows_a_refused_text_without_what_acts(
    office: World, office_address: str, phone_page: Page
) -> None:
    asked: list[str] = []
    phone_page.on("request", lambda request: asked.append(request.url))
    page = look(phone_page, office, office_address, (Level.SITE, 1), "/site-notice/")
    page.locator("textarea[data-kw-editor]").evaluate(
        "(box, text) => { box.value = text; }", EVIL + "字" * LENGTH
    )
    page.get_by_role("button", name="保存").click()
    expect(page.locator("main")).to_contain_text(f"最多 {LENGTH} 个字")
    area = page.locator(".kw-editor-area")
    expect(area.locator("b")).to_have_text("重要")
    assert area.locator("img, [onerror], [href^=javascript]").count() == 0
    assert not [url for url in asked if "evil" in url]
