"""The passport pages in a real browser, on a phone and on a desk."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.axe import violations
from tests.portal.passport_world import Portal, open_portal
from tests.rules.account_world import OTHER_PASSWORD, PASSWORD
from tests.serving import serve

PAGES = (
    "/",
    "/passport/login",
    "/passport/login?way=code",
    "/passport/register",
    "/passport/forgot",
    "/passport/terms",
    "/unsupported",
)
OWN_PAGES = (
    "/passport/me",
    "/passport/password",
    "/passport/email",
    "/passport/mobile",
    "/passport/log-ins",
)


@pytest.fixture
def portal(databases: object, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Portal]:
    """On SQLite alone: what a browser sees does not depend on the database."""
    from tests.conftest import create_schema
    from tests.databases import Databases

    assert isinstance(databases, Databases)
    url = databases.clone("sqlite", f"portal_{request.node.name[:20]}_{id(request)}", create_schema)
    with open_portal(url, tmp_path) as made, serve(made.app) as made.address:
        yield made
    databases.drop(url)


def complaints(page: Page) -> list[str]:
    """What axe finds wrong (WCAG 2.1 AA), and whether the page is wider than the window."""
    found = violations(page)
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        found.append("the page is wider than the window")
    return found


def log_in(page: Page, portal: Portal) -> None:
    owner = portal.passport()
    page.goto(f"{portal.address}/passport/login")
    page.fill("#login", owner.email or "")
    page.fill("#password", PASSWORD)
    page.press("#password", "Enter")
    expect(page).to_have_url(f"{portal.address}/")


@pytest.mark.parametrize("width", ["phone", "desk"])
def test_pages_are_accessible_and_fit_the_window(
    portal: Portal, width: str, request: pytest.FixtureRequest
) -> None:
    page: Page = request.getfixturevalue("phone_page" if width == "phone" else "desktop_page")
    found = {}
    for path in PAGES:
        page.goto(portal.address + path)
        found[path] = complaints(page)
    log_in(page, portal)
    for path in OWN_PAGES:
        page.goto(portal.address + path)
        found[path] = complaints(page)
    assert {path: wrong for path, wrong in found.items() if wrong} == {}


def test_a_code_is_sent_without_leaving_the_page_and_counts_down(
    portal: Portal, phone_page: Page
) -> None:
    page = phone_page
    page.goto(f"{portal.address}/passport/register?next=/passport/terms")
    page.fill("#mobile", "13800990001")
    page.fill("#email", "Zhang@example.com")
    page.fill("#password", PASSWORD)
    page.fill("#password_again", PASSWORD)
    page.click("text=获取验证码")
    expect(page.locator(".field.ok .field-message")).to_contain_text("验证码已发送")
    expect(page.locator("[data-send-code]")).to_be_disabled()
    expect(page.locator("[data-send-code]")).to_have_text(re.compile(r"\d+ 秒后重发"))
    expect(page.locator("#code")).to_be_focused()
    assert page.input_value("#password") == PASSWORD  # nothing was lost
    page.fill("#code", portal.last_code())
    page.check("[name=consent]")
    page.press("#code", "Enter")  # registers; it does not send a second code
    expect(page.locator("h2")).to_have_text("通行证注册成功，已登录")
    page.click("text=返回原页面")
    expect(page).to_have_url(f"{portal.address}/passport/terms")
    assert portal.message_count() == 1


def test_a_password_is_reset_without_scripts(portal: Portal, desktop_page: Page) -> None:
    owner = portal.passport()
    browser = desktop_page.context.browser
    assert browser is not None
    context = browser.new_context(java_script_enabled=False, locale="zh-CN")
    page = context.new_page()
    page.goto(f"{portal.address}/passport/forgot")
    page.fill("#target", owner.email or "")
    page.click("text=获取验证码")
    expect(page.locator(".note.ok")).to_contain_text("验证码已发送")
    page.fill("#code", portal.last_code())
    page.fill("#password", OTHER_PASSWORD)
    page.fill("#password_again", OTHER_PASSWORD)
    page.press("#password_again", "Enter")
    expect(page.locator(".note.ok")).to_contain_text("密码已重设")
    context.close()


def test_leaving_the_account_by_keyboard(portal: Portal, desktop_page: Page) -> None:
    page = desktop_page
    log_in(page, portal)
    page.goto(f"{portal.address}/passport/me")
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.locator("text=退出登录").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".note.ok")).to_have_text("已退出登录。")
