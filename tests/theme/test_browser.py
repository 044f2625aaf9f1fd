"""The pages in Chromium: accessibility, width of a phone, dialogs, tabs, ticked rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.axe import violations
from tests.browser import picture
from tests.theme import sample
from tests.theme.conftest import OUTPUT

pytestmark = pytest.mark.browser
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
Open = Callable[..., Page]


@pytest.fixture
def show(browser: Browser, address: str) -> Iterator[Open]:
    """Opens a page of the gallery; any error in the console fails the test."""
    contexts, errors = [], []

    def opened(name: str, size: str = "desktop", scripts: bool = True) -> Page:
        width, height = SIZES[size]
        context = browser.new_context(
            viewport={"width": width, "height": height},
            locale="en-US",
            reduced_motion="reduce",
            java_script_enabled=scripts,
            base_url=address,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
        page.goto(f"/{name}")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture(scope="module")
def windows(browser: Browser, address: str) -> Iterator[dict[str, BrowserContext]]:
    """A window of each size that has loaded styles and scripts once."""
    made = {
        size: browser.new_context(
            viewport={"width": width, "height": height},
            locale="en-US",
            reduced_motion="reduce",
            base_url=address,
        )
        for size, (width, height) in SIZES.items()
    }
    yield made
    for context in made.values():
        context.close()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", sample.PAGES)
def test_page_has_no_violation_and_fits_the_width(
    windows: dict[str, BrowserContext], name: str, size: str
) -> None:
    page = windows[size].new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda line: errors.append(line.text) if line.type == "error" else None)
    page.goto(f"/{name}")
    picture(page, OUTPUT / f"{name}-{size}.png")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    page.close()
    assert errors == []


@pytest.mark.parametrize("size", SIZES)
def test_dialog_opens_shows_errors_asks_before_closing_and_gives_the_focus_back(
    show: Open, size: str
) -> None:
    page = show("list", size)
    page.get_by_role("link", name="修改").first.click()
    dialog = page.locator("#kw-dialog")
    expect(dialog).to_be_visible()
    expect(page.locator("#kw-dialog-title")).to_have_text("修改报名信息")
    picture(page, OUTPUT / f"dialog-{size}.png")
    assert violations(page) == []
    dialog.get_by_label("姓名").fill("王测试")
    dialog.get_by_role("button", name="保存").click()
    expect(dialog.get_by_role("alert").first).to_contain_text("有 1 处需要修改")
    expect(dialog.get_by_label("姓名")).to_be_focused()
    expect(dialog.locator(".ts-wrapper").first).to_be_visible()
    expect(dialog.locator("select.tomselected").first).to_have_css("position", "absolute")
    picture(page, OUTPUT / f"dialog-errors-{size}.png")
    dialog.get_by_label("姓名").fill("王测试")
    page.keyboard.press("Escape")
    confirm = page.locator("#kw-confirm")
    expect(confirm.get_by_role("button", name="取消")).to_be_focused()
    confirm.get_by_role("button", name="确定").click()
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name="修改").first).to_be_focused()


def test_the_calendar_lies_over_the_dialog(show: Open) -> None:
    page = show("list")
    page.get_by_role("link", name="修改").first.click()
    page.locator("#kw-dialog").get_by_label("报名时间").click()
    calendar = page.locator(".flatpickr-calendar.open")
    expect(calendar).to_be_visible()
    box = calendar.bounding_box()
    assert box is not None
    assert box["y"] >= 0
    assert box["y"] + box["height"] <= SIZES["desktop"][1]
    picture(page, OUTPUT / "calendar-desktop.png")


def test_batch_buttons_wait_for_a_ticked_row_and_take_the_whole_query(show: Open) -> None:
    page = show("list")
    lock = page.get_by_role("button", name="锁定报名信息", exact=True)
    expect(lock).to_be_disabled()
    page.get_by_label("选择第 2 行").check()
    expect(lock).to_be_enabled()
    expect(page.locator(".kw-selected")).to_contain_text("已选 1 项")
    # in English the words agree with the number
    page.evaluate("kw.texts.selected = '{n} [n: item|items] selected'")
    page.get_by_label("选择第 3 行").check()
    expect(page.locator(".kw-selected")).to_contain_text("2 items selected")
    page.get_by_label("选择第 3 行").uncheck()
    expect(page.locator(".kw-selected")).to_contain_text("1 item selected")
    page.get_by_label("全选本页").check()
    page.get_by_role("button", name="选择全部 328 条查询结果").click()
    expect(page.locator("[data-kw-select-all]")).to_contain_text("已选择全部 328 条查询结果")
    picture(page, OUTPUT / "select-all-desktop.png")
    with page.expect_request("**/operation?**") as request:
        lock.click()
    assert "query=signed-query" in request.value.url
    assert "ids=" not in request.value.url
    expect(page.locator("#kw-dialog")).to_be_visible()
    assert violations(page) == []


def test_ticked_rows_go_into_the_operation_and_shift_ticks_a_range(show: Open) -> None:
    page = show("list")
    page.get_by_label("选择第 2 行").click()
    page.get_by_label("选择第 4 行").click(modifiers=["Shift"])
    with page.expect_request("**/operation?**") as request:
        page.get_by_role("button", name="取消考试").click()
    assert request.value.url.endswith("ids=1001&ids=1002&ids=1003")


def test_without_scripts_a_batch_operation_is_a_page(show: Open) -> None:
    page = show("list", scripts=False)
    page.get_by_label("选择第 2 行").check()
    page.get_by_role("button", name="取消考试").click()
    page.wait_for_url("**/operation?ids=1001")
    expect(page.get_by_role("heading", name="取消考试")).to_be_visible()


def test_a_post_asks_first_with_the_focus_on_cancel(show: Open) -> None:
    page = show("show")
    page.get_by_role("button", name="通过审核").click()
    confirm = page.locator("#kw-confirm")
    expect(confirm).to_contain_text("确定通过李测试的报名信息审核？")
    expect(confirm.get_by_role("button", name="取消")).to_be_focused()
    assert violations(page) == []
    picture(page, OUTPUT / "confirm-dialog-desktop.png")
    confirm.get_by_role("button", name="取消").click()
    assert page.url.endswith("/show")
    page.get_by_role("button", name="通过审核").click()
    confirm.get_by_role("button", name="确定").click()
    page.wait_for_url("**/list")


def test_r6_3_tabs_keep_their_pages_close_and_restore_a_draft(show: Open) -> None:
    page = show("settings")
    page.get_by_label("咨询电话").fill("0999-7654321")
    page.goto("/list")
    tabs = page.get_by_role("navigation", name="已打开的页面")
    expect(tabs.get_by_role("link")).to_have_text([" 欢迎", "考点报名综合设置", "考生管理"])
    tabs.get_by_role("link", name="考点报名综合设置").click()
    page.wait_for_url("**/settings")
    expect(page.get_by_label("咨询电话")).to_have_value("0999-7654321")
    expect(page.locator(".kw-toast")).to_have_text("已恢复未保存的内容")
    tabs.get_by_role("button", name="关闭 考点报名综合设置").click()
    page.locator("#kw-confirm").get_by_role("button", name="确定").click()
    page.wait_for_url("**/list")
    expect(tabs.get_by_role("link")).to_have_text([" 欢迎", "考生管理"])


def test_tabs_are_at_most_twelve_and_start_anew_with_another_session(show: Open) -> None:
    page = show("list")
    for name in list(sample.PAGES)[:16]:
        page.goto(f"/{name}")
    tabs = page.locator("#kw-tabs li")
    assert tabs.count() == 12
    page.evaluate(
        "sessionStorage['kw.tabs'] = sessionStorage['kw.tabs'].replace('\"72\"', '\"71\"')"
    )
    page.goto("/list")
    expect(tabs).to_have_count(2)


def test_r6_3_the_menu_folds_on_a_desk_and_slides_in_on_a_phone(show: Open) -> None:
    desk = show("list")
    desk.get_by_role("button", name="收放导航菜单").click()
    assert desk.locator("#kw-side").bounding_box()["width"] == 56  # type: ignore[index]
    desk.mouse.move(800, 500)
    picture(desk, OUTPUT / "collapsed-desktop.png")
    phone = show("list", "phone")
    expect(phone.locator("#kw-side")).to_be_hidden()
    phone.get_by_role("button", name="收放导航菜单").click()
    expect(phone.get_by_role("link", name="考生管理").first).to_be_visible()
    picture(phone, OUTPUT / "menu-phone.png")
    assert violations(phone) == []


def test_the_search_card_unfolds(show: Open) -> None:
    page = show("list")
    expect(page.get_by_label("手机")).to_be_hidden()
    page.get_by_role("button", name="展开").click()
    expect(page.get_by_label("手机")).to_be_visible()
    expect(page.get_by_role("button", name="收起")).to_have_attribute("aria-expanded", "true")
    picture(page, OUTPUT / "search-desktop.png")


def test_the_session_menu_closes_with_escape(show: Open) -> None:
    page = show("home")
    page.locator(".kw-session summary").click()
    expect(page.get_by_role("link", name="2026年3月")).to_be_visible()
    picture(page, OUTPUT / "session-desktop.png")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="2026年3月")).to_be_hidden()


def test_the_permission_grid_counts_changes_and_ticks_rows(show: Open) -> None:
    page = show("matrix")
    page.get_by_label("考点费用设置 新增").click()
    expect(page.locator("[data-kw-changed]")).to_have_text("已改动 1 处")
    page.get_by_role("button", name="全选 考点容量设置").click()
    expect(page.get_by_label("考点容量设置 删除")).to_be_checked()
    page.get_by_label("按页面名称筛选").fill("容量")
    expect(page.get_by_label("考点费用设置 新增")).to_be_hidden()


def test_printing_leaves_out_the_shell(show: Open) -> None:
    page = show("statistics")
    page.emulate_media(media="print")
    expect(page.locator(".kw-side")).to_be_hidden()
    expect(page.locator(".kw-tabs")).to_be_hidden()
    expect(page.locator("table")).to_be_visible()
    page.pdf(path=OUTPUT / "statistics.pdf", prefer_css_page_size=True)
    assert (OUTPUT / "statistics.pdf").stat().st_size > 10_000
