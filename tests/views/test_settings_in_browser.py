"""The settings pages before registration in a real browser: dialogs, the editor, on a phone."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect
from sqlalchemy import select

from app.database.unit_of_work import unit_of_work
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.settings import ClassOption, Notice
from tests import factories
from tests.axe import violations
from tests.contract.world import World
from tests.views.conftest import look, walk_phone
from tests.views.test_settings_pages import PAGES, row_of


@pytest.fixture(scope="module", autouse=True)
def candidates(office: World) -> None:
    """Two candidates at the first site; its online registration is running."""
    with unit_of_work(office.runtime.factory, system("seed")) as session:
        for _ in range(2):
            factories.make_registration(session, office.tree, subjects=["14", "24"])


@pytest.mark.browser
def test_pages_satisfy_axe_and_fit_a_phone(
    office: World, office_address: str, phone_page: Page
) -> None:
    for path in PAGES:
        walk_phone(phone_page, office, office_address, (Level.SITE, 1), f"/{path}/")
    for path in ("province-notice/", "default-settings/", f"site-notice/show/{row_of(office).id}"):
        walk_phone(phone_page, office, office_address, (Level.PROVINCE, 0), f"/{path}")


@pytest.mark.browser
@pytest.mark.allow_console_errors("409")
def test_r10_2_the_dialog_shows_the_effects_and_satisfies_axe(
    office: World, office_address: str, phone_page: Page
) -> None:
    page = look(phone_page, office, office_address, (Level.SITE, 0), "/site-settings/")
    page.locator("main").get_by_role("link", name="修改").click()
    dialog = page.locator("#kw-dialog")
    dialog.get_by_label("报名信息需要审核").check()
    assert "wide" in (dialog.get_attribute("class") or "")
    assert dialog.evaluate("dialog => dialog.offsetWidth") == 390  # a phone has no wide and narrow
    dialog.get_by_role("button", name="保存").click()
    expect(dialog.locator(".kw-note.warn")).to_contain_text("不建议在报名期间修改")
    expect(dialog.get_by_label("报名信息需要审核")).to_be_checked()
    assert violations(page) == []
    dialog.get_by_role("button", name="确认并保存").click()
    expect(page.locator(".kw-toast")).to_contain_text("保存成功")
    assert row_of(office).review_required


@pytest.mark.browser
@pytest.mark.allow_console_errors("409")
def test_scenario_20_the_dialog_of_class_options(
    office: World, office_address: str, desktop_page: Page
) -> None:
    page = look(desktop_page, office, office_address, (Level.SITE, 0), "/class-option/")
    page.locator("main").get_by_role("link", name="设置").click()
    dialog = page.locator("#kw-dialog")
    expect(page.locator("#kw-dialog-title")).to_have_text("修改考点班级选项设置")
    expect(dialog).to_contain_text("考点代码")
    expect(dialog).to_contain_text("990701")
    expect(dialog).to_contain_text("②为空为不设置。")
    dialog.get_by_label("班级选项").fill("会计一班；会计二班;管理一班")
    dialog.get_by_role("button", name="保存").click()
    expect(dialog).to_contain_text("不建议在报名期间修改")
    dialog.get_by_role("button", name="确认并保存").click()
    expect(page.locator("main")).to_contain_text("会计一班、会计二班、管理一班")
    with office.looking() as session:
        names = session.scalars(select(ClassOption.name).order_by(ClassOption.position)).all()
    assert names == ["会计一班", "会计二班", "管理一班"]


@pytest.mark.browser
@pytest.mark.allow_console_errors("409")
def test_r17_the_editor_writes_and_previews_a_notice(
    office: World, office_address: str, phone_page: Page
) -> None:
    page = look(phone_page, office, office_address, (Level.SITE, 1), "/site-notice/")
    area = page.get_by_role("textbox", name="新通告")
    area.click()
    page.keyboard.type("请提前到场")
    page.keyboard.press("Control+A")
    page.get_by_role("button", name="粗体").click()
    expect(page.locator(".kw-count")).to_have_text("5 / 5000")
    page.get_by_role("button", name="预览").click()
    expect(page.locator("#kw-dialog .kw-phone")).to_contain_text("请提前到场")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("#kw-dialog").get_by_role("button", name="关闭").last.click()
    page.get_by_role("button", name="保存").click()
    expect(page.locator(".kw-notice-now")).to_contain_text("请提前到场")
    with office.looking() as session:
        site = office.tree.sites[1].id
        html = session.scalar(select(Notice.html).where(Notice.site_id == site))
    assert html is not None
    assert re.search(r"<(b|strong)>请提前到场</", html)
