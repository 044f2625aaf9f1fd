"""《考场编排管理》: figures per subject, the way to those without a seat, the results (R31.1)."""

from __future__ import annotations

import datetime as dt

import pytest
from playwright.sync_api import Page

from app.database.policy import become
from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import ADMINISTRATORS, Level
from app.models.arrangement import Room, Sitting
from app.models.registration import EntryState
from app.rules.arrangement import arrange
from tests import factories
from tests.contract.world import World, text_of
from tests.factories import EXAM_DAYS
from tests.views.conftest import log_of, look, walk_phone

PAGE, WAITING = "/seat/", "/waiting-entry/"


@pytest.fixture(scope="module", autouse=True)
def arranged(office: World) -> None:
    """Three candidates of one subject for two seats, and one who has not paid since."""
    tree = office.tree
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        for _ in range(3):
            factories.make_registration(
                session, tree, subjects=["14"], state=EntryState.PAID, preference_day=EXAM_DAYS[0]
            )
        with factories.seeding(session):
            path = tree.path(tree.site)
            room = Room(**path, number="01", address="实训楼")
            session.add(room)
            session.flush()
            session.add(
                Sitting(
                    **path,
                    room_id=room.id,
                    number=1,
                    day=EXAM_DAYS[0],
                    start=dt.time(9),
                    end=dt.time(11),
                    capacity=2,
                )
            )
        become(session, tree.actor())
        with factories.permitted(session):
            arrange.arrange(session, tree.site.id)
        factories.make_registration(session, tree, subjects=["24"])


@pytest.mark.parametrize("level", ADMINISTRATORS)
def test_r31_1_the_summary_stands_above_the_results(office: World, level: Level) -> None:
    """Superiors choose a site first: figures of many are a statistic, not a list's business."""
    browser = office.browser(level)
    if level is not Level.SITE:
        whole = browser.get(PAGE)
        assert "科目代码" not in text_of(whole)
        assert "01#1" in text_of(whole)
        assert "/admin/58/arrangement-statistics/" in whole.get_data(as_text=True)
        figures = text_of(browser.get("/arrangement-statistics/"))
        assert "4 3 1 2 2 3 2 0" in figures.split("总计")[1]
    page = text_of(browser.get(f"{PAGE}?_org=990701" if level is not Level.SITE else PAGE))
    head = "科目代码 科目名称 总科次 已支付 未支付 已编排 未编排 总意向科目 已编排符合意向科目"
    assert f"{head} 已编排不符合意向科目" in page
    assert "14 计算机基础及WPS Office应用 3 3 0 2 1 3 2 0" in page
    assert "24 C语言程序设计 1 0 1 0 1 0 0 0" in page
    assert "4 3 1 2 2 3 2 0" in page.split("总计")[1]
    assert "未编排 2 科次。其中 1 科次未支付，全部支付后才能编排。" in page
    assert "01#1" in page  # the results below


def test_r31_9_r31_11_the_page_leads_to_the_reasons(office: World) -> None:
    browser = office.browser()
    assert f'href="/admin/58{WAITING}"' in browser.get(PAGE).get_data(as_text=True)
    page = text_of(browser.get(WAITING))
    assert "未支付，须先收费、删除或审核后才能编排" in page
    assert "在 2026-09-19 09:00-11:00 增加 1 座" in page
    sibling = office.browser(Level.SITE, 1)
    assert "共 0 条" in (empty := text_of(sibling.get(WAITING))) or "没有" in empty
    assert "未编排 " not in text_of(sibling.get(PAGE))


def test_r31_1_the_figures_follow_the_organisation_and_are_exported(office: World) -> None:
    city = office.browser(Level.CITY)
    assert "14 计算机" in text_of(city.get(f"{PAGE}?_org=990701"))
    assert "14 计算机" not in text_of(city.get(f"{PAGE}?_org=990702"))
    answer = city.get("/arrangement-statistics/export?_org=990701")
    assert answer.status_code == 200
    assert log_of(office, "statistics.arrangement_statistics.export")


@pytest.mark.browser
def test_the_page_satisfies_axe_and_fits_a_phone(
    office: World, office_address: str, phone_page: Page
) -> None:
    for path in (PAGE, WAITING):
        walk_phone(phone_page, office, office_address, (Level.SITE, 0), path)
    look(phone_page, office, office_address, (Level.CITY, 0), PAGE)
