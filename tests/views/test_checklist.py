"""The page 报名前检查: a site's own list, its superiors' table, the links."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.metadata.vocabulary import ADMINISTRATORS, Level
from app.views.checklist import numbered
from tests.contract.world import World, text_of
from tests.views.conftest import look, walk_phone

PATH = "/setup-checklist/"


def linked(answer: Any) -> set[str]:
    """The codes of the sites in the table."""
    return set(re.findall(rf"{PATH}site/(\d+)", answer.get_data(as_text=True)))


def test_a_site_sees_every_item_with_its_link(office: World) -> None:
    page = office.browser().get(PATH)
    text = text_of(page)
    assert "可以开放报名" in text
    assert "考点容量设置" in text
    assert "已就绪" in text
    assert 'href="/admin/58/capacity/"' in page.get_data(as_text=True)


@pytest.mark.parametrize("person", [Level.PROVINCE, Level.CITY])
def test_superiors_see_what_each_site_lacks(office: World, person: Level) -> None:
    browser = office.browser(person)
    assert "(990702)地市七考点2" in text_of(browser.get(PATH))
    assert linked(browser.get(f"{PATH}?name=990701")) == {"990701"}
    assert linked(browser.get(f"{PATH}?_org=990702")) == {"990702"}
    assert "990701" not in linked(browser.get(f"{PATH}?weight=must"))
    one = browser.get(f"{PATH}site/990702")
    assert "(990702)地市七考点2" in text_of(one)
    assert "/capacity/?_org=990702" in one.get_data(as_text=True)


def test_the_centre_asks_before_it_reads_the_whole_country(office: World) -> None:
    browser = office.browser(Level.CENTER)
    first = browser.get(PATH)
    assert "请选择省" in text_of(first)
    assert linked(first) == linked(browser.get(f"{PATH}?_org=00")) == set()
    assert f"{PATH}?_org=99" in first.get_data(as_text=True)
    assert linked(browser.get(f"{PATH}?_org=99")) == {"990701", "990702"}
    assert linked(browser.get(f"{PATH}?_org=99&name=990702")) == {"990702"}
    assert linked(browser.get(f"{PATH}?name=9907")) == {"990701", "990702"}
    assert browser.get(f"{PATH}?_org=%00").status_code == 404
    assert "9907" in browser.get(f"{PATH}organisations?q=99").get_data(as_text=True)


def test_r16_1_an_item_leads_the_centre_to_the_notice_of_the_sites_province(office: World) -> None:
    centre = office.browser(Level.CENTER).get(f"{PATH}site/990702").get_data(as_text=True)
    assert "/province-notice/?province=99" in centre
    province = office.browser(Level.PROVINCE).get(f"{PATH}site/990702").get_data(as_text=True)
    assert '/province-notice/"' in province


def test_findings_are_told_apart_in_a_row() -> None:
    assert numbered([]) == ""
    assert numbered(["一，二；三"]) == "一，二；三"
    assert numbered(["一，二；三", "四"]) == "①一，二；三 ②四"
    assert numbered(list("一二三四")) == "①一 ②二 ③三 …"


def test_p2_a_foreign_site_is_not_found(office: World) -> None:
    assert office.browser().get(f"{PATH}site/990702").status_code == 404


@pytest.mark.parametrize("query", ["?page=0&size=7", "?page=99999", "?weight=x&name=%00"])
def test_odd_addresses_are_no_errors(office: World, query: str) -> None:
    assert office.browser(Level.PROVINCE).get(PATH + query).status_code == 200


@pytest.mark.parametrize("level", [level for level in ADMINISTRATORS if level is not Level.CITY])
def test_the_page_in_a_browser(
    office: World, office_address: str, desktop_page: Page, level: Level
) -> None:
    page = look(desktop_page, office, office_address, (level, 0), PATH + "?name=9907")
    expect(page.locator("h1")).to_have_text("报名前检查")


def test_the_page_fits_a_phone(office: World, office_address: str, phone_page: Page) -> None:
    walk_phone(phone_page, office, office_address, (Level.SITE, 0), PATH)
    expect(phone_page.locator(".kw-checks > li")).to_have_count(11)
