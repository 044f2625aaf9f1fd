"""The engine's pages in a real browser: dialogs, errors, operations, on desktop and phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from app.metadata.vocabulary import Level
from tests.contract.models import Hall
from tests.contract.world import World
from tests.serving import serve

pytestmark = [pytest.mark.allow_console_errors("422", "409"), pytest.mark.one_database]


@pytest.fixture(scope="module")
def address(world: World) -> Iterator[str]:
    """The application on a port of this machine."""
    with serve(world.server) as address:
        yield f"{address}/admin/58"


def _log_in(page: Page, world: World, level: Level = Level.SITE) -> None:
    agent = page.evaluate("navigator.userAgent")
    value = world.cookie(world.people[level, 0], agent)
    page.context.add_cookies(
        [{"name": "kaowu_admin", "value": value, "domain": "127.0.0.1", "path": "/admin"}]
    )


@pytest.fixture(params=["desktop_page", "phone_page"])
def page(request: Any, world: World) -> Page:
    """A page of somebody of a site, on both sizes."""
    made: Page = request.getfixturevalue(request.param)
    _log_in(made, world)
    return made


def _width(page: Page) -> int:
    return page.viewport_size["width"] if page.viewport_size else 0


def _fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_a_row_is_edited_in_the_dialog(page: Page, address: str, world: World) -> None:
    row = world.hall(f"窗改{_width(page)}")
    page.goto(f"{address}/test-hall/?name={row.name}")
    assert _fits(page)
    page.locator(".kw-op", has_text="修改").first.click()
    dialog = page.locator("#kw-dialog")
    expect(dialog.locator("h2, #kw-dialog-title").first).to_have_text(f"修改测试考场 · {row.name}")
    page.fill("#f-name", "")
    page.fill("#f-seats", "9999")
    dialog.locator("button[type=submit]").click()
    expect(dialog.locator(".kw-error")).to_have_count(2)
    assert page.evaluate("document.activeElement.id") == "f-name"
    page.fill("#f-name", row.name)
    page.fill("#f-seats", "77")
    with page.expect_navigation():
        dialog.locator("button[type=submit]").click()
    expect(page.locator(".kw-toast")).to_have_text("保存成功")
    expect(page.locator(".kw-table tbody")).to_contain_text("77")
    assert world.get(Hall, row.id).seats == 77


def test_a_dialog_that_comes_back_takes_the_focus_once(
    page: Page, address: str, world: World
) -> None:
    """Who goes on typing while the answer settles writes into the field that he chose."""
    row = world.hall(f"窗焦{_width(page)}")
    page.goto(f"{address}/test-hall/?name={row.name}")
    page.locator(".kw-op", has_text="修改").first.click()
    page.fill("#f-name", "")
    expect(page.locator("#kw-dialog .htmx-added")).to_have_count(0)  # what came first has settled
    page.evaluate(
        """() => {
          window.settled = new Promise((done) => document.addEventListener('htmx:afterSwap', () => {
            let waiting = 2;
            const one = () => { waiting -= 1; if (!waiting) done(document.activeElement.id); };
            document.addEventListener('htmx:afterSettle', one, { once: true });
            setTimeout(() => { document.querySelector('#f-seats').focus(); one(); });
          }));
        }"""
    )
    page.locator("#kw-dialog button[type=submit]").click()
    assert page.evaluate("settled") == "f-seats"


def test_all_results_are_closed_and_the_skipped_ones_explained(
    page: Page,
    address: str,
    world: World,
) -> None:
    name = f"窗全{_width(page)}-"
    for number in range(22):
        world.hall(f"{name}{number:02d}", open=number != 3)
    page.goto(f"{address}/test-hall/?name={name}")
    page.locator("[data-kw-all]").check()
    page.locator("[data-kw=whole]").click()
    page.locator("[data-kw=batch]", has_text="关闭考场").click()
    dialog = page.locator("#kw-dialog")
    expect(dialog).to_contain_text("确定关闭选中的 22 个考场？")
    dialog.locator("button[type=submit]").click()
    expect(dialog).to_contain_text("已完成 21 项，未执行 1 项")
    expect(dialog.locator("tbody tr").first).to_contain_text("已经关闭")
    with page.expect_navigation():
        dialog.locator("[data-kw=finish]").click()


def test_full_values_are_revealed_in_the_dialog(
    page: Page,
    address: str,
    world: World,
) -> None:
    from app.database.keys import digest
    from tests.factories import id_number

    number = id_number()
    row = world.hall(f"窗遮{number}"[:28], keeper=number, keeper_id_digest=digest(number))
    page.goto(f"{address}/test-hall/?name={row.name}")
    assert number not in page.locator(".kw-table").inner_text().replace(row.name, "")
    page.locator(".kw-op", has_text="查看").first.click()
    dialog = page.locator("#kw-dialog")
    dialog.locator("a", has_text="查看完整信息").click()
    expect(dialog).to_contain_text("系统将记录")
    dialog.locator("button[type=submit]").click()
    expect(dialog.locator("dl").last).to_contain_text(number)


def test_pages_work_without_dialogs(page: Page, address: str, world: World) -> None:
    row = world.hall(f"整页{_width(page)}")
    for path in ("add", f"edit/{row.id}", f"show/{row.id}", f"delete/{row.id}"):
        page.goto(f"{address}/test-hall/{path}")
        expect(page.locator("main h1").first).to_be_visible()
        assert _fits(page), path
