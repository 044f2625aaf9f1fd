"""The page of a statistic: scope, filter, colours, export."""

from __future__ import annotations

import io

import openpyxl
import pytest
from playwright.sync_api import Page, expect

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import ADMINISTRATORS, Level
from app.models.registration import EntryState
from tests.contract.world import World, text_of
from tests.factories import make_registration, set_capacity
from tests.views.conftest import SUPER, log_of, look, walk_phone

PATH = "/capacity-statistics/"


@pytest.fixture(scope="module", autouse=True)
def entries(office: World) -> None:
    """Site 1: one of 500 seats of 14 taken, 24 without limit; site 2: 26 full."""
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        make_registration(session, office.tree, state=EntryState.PAID)
        make_registration(session, office.tree, office.tree.sites[1], subjects=("26",))
        set_capacity(session, office.tree.site, "S:24", 99_999)
        set_capacity(session, office.tree.sites[1], "S:26", 1)


def test_r29_1_a_site_sees_its_own_row_alone(office: World) -> None:
    answer = office.browser().get(PATH)
    page = text_of(answer)
    assert answer.status_code == 200
    assert "(990701)地市七考点1" in page
    assert "(990702)" not in page
    assert "(SS) 总科次数" in page
    assert "(14) 计算机基础及WPS Office应用" in page
    assert "总计" not in page


def test_r29_1_cells_are_coloured_by_what_is_left(office: World) -> None:
    page = office.browser(Level.CITY).get(PATH).get_data(as_text=True)
    assert '<span class="kw-tag kw-tag-ok">499</span>' in page
    assert '<span class="kw-tag kw-tag-bad">0</span>' in page
    assert "不限" in page


@pytest.mark.parametrize("person", [Level.CENTER, Level.PROVINCE, Level.CITY])
def test_superiors_see_all_sites_and_may_choose_one(office: World, person: Level) -> None:
    browser = office.browser(person)
    assert "(990702)地市七考点2" in text_of(browser.get(PATH))
    narrowed = browser.get(PATH + "?_org=990702").get_data(as_text=True)
    assert '<td class="sticky-left ">(990702)地市七考点2</td>' in narrowed
    assert '<td class="sticky-left ">(990701)地市七考点1</td>' not in narrowed


def test_a_foreign_organisation_is_not_found(office: World) -> None:
    assert office.browser().get(PATH + "?_org=990702").status_code == 404
    assert office.browser().get(PATH + "export?_org=990702").status_code == 404


def test_r44_2_the_workbook_holds_the_table_and_is_logged(office: World) -> None:
    answer = office.browser(Level.PROVINCE).get(PATH + "export?_org=990701")
    sheet = openpyxl.load_workbook(io.BytesIO(answer.data)).active
    assert sheet is not None
    rows = list(sheet.iter_rows(values_only=True))
    assert rows[0][:3] == ("考点名称", "(SS) 总科次数 总容量", "(SS) 总科次数 剩余容量")
    assert rows[1][:7] == ("(990701)地市七考点1", 1000, 999, 500, 499, "不限", "不限")
    entry = log_of(office, "statistics.capacity_statistics.export")[-1]
    assert entry.changes["filters"]["new"] == "_org"


def test_every_level_and_superusers_may_look(office: World) -> None:
    people = [(level, 0) for level in ADMINISTRATORS] + [SUPER]
    answers = [office.browser(level, number).get(PATH) for level, number in people]
    assert [answer.status_code for answer in answers] == [200] * len(people)


def test_history_shows_its_own_figures(office: World) -> None:
    page = office.browser(exam=57).get(PATH).get_data(as_text=True)
    assert '<span class="kw-tag kw-tag-ok">500</span>' in page
    assert "499" not in page


def test_nobody_is_sent_to_the_log_in_page(office: World) -> None:
    answer = office.nobody().get(PATH)
    assert answer.status_code == 302
    assert "login" in answer.headers["Location"]


def test_look_up_of_organisations_is_bounded(office: World) -> None:
    found = office.browser().get(PATH + "organisations?q=99").get_json()
    assert [item["id"] for item in found] == ["990701"]


def test_the_chart_says_its_figures_in_words(office: World) -> None:
    page = office.browser().get(PATH).get_data(as_text=True)
    assert (
        'aria-label="各科目容量使用情况（科次）：14 计算机基础及WPS Office应用 已报 1、剩余 499；'
        in page
    )


@pytest.mark.browser
def test_the_page_in_a_browser(office: World, office_address: str, desktop_page: Page) -> None:
    page = look(desktop_page, office, office_address, (Level.PROVINCE, 0), PATH)
    expect(page.locator("[data-kw-chart] svg")).to_be_visible()


@pytest.mark.browser
def test_the_page_fits_a_phone(office: World, office_address: str, phone_page: Page) -> None:
    walk_phone(phone_page, office, office_address, (Level.PROVINCE, 0), PATH)
