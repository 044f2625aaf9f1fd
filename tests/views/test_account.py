"""A person's own pages inside the shell, and the page that says what went wrong."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.capacity import CapacityPool
from tests.contract.world import World, text_of
from tests.factories import EXAM_DAYS, seeding
from tests.views.conftest import look, walk_phone

SITE = (Level.SITE, 0)
PAGES = ("/account/", "/account/password", "/account/second-factor")


def test_the_profile_shows_the_masked_pass(office: World) -> None:
    shown = office.browser(*SITE).get("/account/").get_data(as_text=True)
    assert "通行证ID" in shown
    assert "***" in shown
    assert "未开启" in shown or "已开启" in shown


@pytest.mark.parametrize("path", PAGES)
def test_own_pages_stand_in_a_card(
    desktop_page: Page, office: World, office_address: str, path: str
) -> None:
    page = look(desktop_page, office, office_address, SITE, path)
    expect(page.locator("main .kw-panel h1")).to_be_visible()
    assert page.locator("main .kw-panel").bounding_box() is not None


@pytest.mark.parametrize("path", PAGES)
def test_own_pages_fit_the_phone(
    phone_page: Page, office: World, office_address: str, path: str
) -> None:
    walk_phone(phone_page, office, office_address, SITE, path)


def test_a_missing_page_leads_home(office: World) -> None:
    answer = office.browser(*SITE).get("/no-such-page")
    assert answer.status_code == 404
    assert "返回首页" in answer.get_data(as_text=True)


def test_r0_8_the_site_chooses_subjects_by_name(office: World) -> None:
    form = office.browser(*SITE).get("/site-subject/add").get_data(as_text=True)
    assert '<select id="f-subject_code"' in form.replace('class="form-select" ', "")
    assert "新增考点开考科目<" in form


def test_r13_r0_8_capacities_are_of_subjects_by_name_and_the_total(office: World) -> None:
    """Preference days have their own page; here they stood among the subjects."""
    day = EXAM_DAYS[0].isoformat()
    site = office.tree.site
    with unit_of_work(office.runtime.factory, system("seed")) as session, seeding(session):
        path = {name: getattr(site, name) for name in ("exam_id", "province_id", "city_id")}
        path |= {"site_id": site.id, "capacity": 7}
        known = set(session.scalars(select(CapacityPool.pool).filter_by(site_id=site.id)))
        for pool in {f"D:{day}", "S:14"} - known:
            session.add(CapacityPool(pool=pool, **path))
    page = text_of(office.browser(*SITE).get("/capacity/"))
    assert "(14)计算机基础及WPS Office应用" in page
    assert "总科次数" in page
    assert day not in page
    assert "科目或日期" not in page
