"""Real Chromium for tests: one browser per process, a fresh context per test.

A page on whose console an error appears, or on which a script fails, fails its test. A test that
provokes one names it: ``@pytest.mark.allow_console_errors("404")`` (a part of the text).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
)


def find_chromium() -> str | None:
    """The browser of this machine: CHROMIUM, or one by its usual names on PATH."""
    names = (os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


def launch() -> Iterator[Browser]:
    """Chromium; skipped where there is none, but a failure where CI=true."""
    from playwright.sync_api import sync_playwright  # 0.4 s, which most processes never need

    executable = find_chromium()
    if executable is None:
        reason = "no Chromium on this machine (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=list(_ARGUMENTS))
        yield launched
        launched.close()


def picture(page: Page, path: Path, *, full_page: bool = False) -> None:
    """Keep what the page shows, for people, in a run with ``PICTURES=1``."""
    if os.environ.get("PICTURES"):
        path.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=path, full_page=full_page)


def _make_slow(page: Page) -> None:
    """With ``SLOW_BROWSER=1``: a weak phone on a bad line.

    A test that reads a page before it is there passes on a fast machine and fails one day on a
    busy one; here it fails at once.
    """
    if os.environ.get("SLOW_BROWSER"):
        tools = page.context.new_cdp_session(page)
        tools.send("Emulation.setCPUThrottlingRate", {"rate": 6})
        line = {"offline": False, "latency": 150, "downloadThroughput": 150_000}
        tools.send("Network.enable")
        tools.send("Network.emulateNetworkConditions", {**line, "uploadThroughput": 150_000})


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One Chromium per test process."""
    yield from launch()


def _page(browser: Browser, request: pytest.FixtureRequest, **options: Any) -> Iterator[Page]:
    """A page in a context of its own; afterwards, no error may have been told."""
    context = browser.new_context(locale="zh-CN", timezone_id="Asia/Shanghai", **options)
    complaints: list[str] = []
    context.on(
        "console",
        lambda message: complaints.append(message.text) if message.type == "error" else None,
    )
    context.on("weberror", lambda failure: complaints.append(f"script: {failure.error}"))
    page = context.new_page()
    _make_slow(page)
    yield page
    context.close()
    allowed = [
        part for mark in request.node.iter_markers("allow_console_errors") for part in mark.args
    ]
    unexpected = [text for text in complaints if not any(part in text for part in allowed)]
    assert not unexpected, "the page reported: " + "; ".join(unexpected)


@pytest.fixture
def desktop_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of 1440 x 900 in Chinese."""
    yield from _page(browser, request, viewport={"width": 1440, "height": 900})


@pytest.fixture
def phone_page(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of 390 x 844 in Chinese, with touch, as on a phone."""
    yield from _page(
        browser,
        request,
        viewport={"width": 390, "height": 844},
        device_scale_factor=2,
        is_mobile=True,
        has_touch=True,
    )
