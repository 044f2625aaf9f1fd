"""The browser fixtures: the right windows, and an error on the page fails the test."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests import browser as fixtures


def test_the_desktop_is_wide_and_chinese(desktop_page: Page) -> None:
    desktop_page.set_content("<p>考务</p>")
    assert desktop_page.evaluate("[innerWidth, innerHeight, navigator.language]") == [
        1440,
        900,
        "zh-CN",
    ]
    assert desktop_page.evaluate("new Intl.DateTimeFormat().resolvedOptions().timeZone") == (
        "Asia/Shanghai"
    )


def test_the_phone_is_narrow_and_touched(phone_page: Page) -> None:
    phone_page.set_content('<meta name="viewport" content="width=device-width"><p>考务</p>')
    assert phone_page.evaluate("[innerWidth, innerHeight]") == [390, 844]
    assert phone_page.evaluate("navigator.maxTouchPoints") > 0


@pytest.mark.allow_console_errors("expected trouble")
def test_an_expected_error_is_allowed(desktop_page: Page) -> None:
    desktop_page.evaluate("console.error('expected trouble, as announced')")
    assert desktop_page.title() == ""


@pytest.mark.parametrize(
    "script", ["console.error('trouble')", "setTimeout(() => { throw new Error('trouble') })"]
)
def test_an_error_fails_the_test(
    browser: Browser, request: pytest.FixtureRequest, script: str
) -> None:
    pages = fixtures._page(browser, request)
    page = next(pages)
    page.evaluate(script)
    page.evaluate("new Promise(resolve => setTimeout(resolve))")
    with pytest.raises(AssertionError, match="trouble"):
        next(pages)


@pytest.mark.allow_console_errors("ERR_NAME_NOT_RESOLVED")
def test_the_browser_does_not_leave_the_machine(desktop_page: Page) -> None:
    desktop_page.set_content("<img src='http://example.org/x.png' onerror='window.failed = true'>")
    desktop_page.wait_for_function("window.failed")
    assert desktop_page.evaluate("window.failed")


def test_a_missing_browser_skips_here_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("CI", "")
    with pytest.raises(pytest.skip.Exception, match="no Chromium"):
        next(fixtures.launch())
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        next(fixtures.launch())
