"""Grids in a real browser: keys, paste, errors in cells, the dialog; on a desk and on a phone."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect
from sqlalchemy import select

from app.metadata.vocabulary import Level
from app.models.capacity import CapacityPool
from app.models.settings import Fee, SiteSettings
from tests import factories
from tests.axe import violations
from tests.contract.world import World
from tests.views.conftest import look, walk_phone

pytestmark = pytest.mark.allow_console_errors("422", "409")
PROVINCE, SITE = (Level.PROVINCE, 0), (Level.SITE, 0)
_PASTE = """([text, id]) => {
    const data = new DataTransfer();
    data.setData('text', text);
    const options = {clipboardData: data, bubbles: true, cancelable: true};
    document.getElementById(id).dispatchEvent(new ClipboardEvent('paste', options));
}"""


def cell(page: Page, code: str, column: str) -> Locator:
    return page.locator(f"#c-{code}-{column}")


def preview(page: Page) -> None:
    with page.expect_navigation():
        page.locator("button", has_text="预览并保存").click()


def test_fees_are_pasted_filled_down_corrected_and_saved(
    office: World, office_address: str, desktop_page: Page
) -> None:
    page = look(desktop_page, office, office_address, PROVINCE, "/fee/")
    cell(page, "990701", "14").focus()
    page.evaluate(_PASTE, ["80\t八十\n81\t82\t83\t84\n", "c-990701-14"])
    expect(cell(page, "990702", "26")).to_have_value("83")
    expect(page.locator("[data-kw-changed]")).to_have_text("已改动 5 处")
    preview(page)
    link = page.locator("[data-kw-problem]")
    expect(link).to_have_count(1)
    assert violations(page) == []
    link.click()
    wrong = cell(page, "990701", "24")
    expect(wrong).to_be_focused()
    expect(wrong).to_have_attribute("aria-invalid", "true")
    expect(cell(page, "990702", "14")).to_have_value("81")
    wrong.fill("82.5")
    page.keyboard.press("Control+d")
    expect(cell(page, "990702", "24")).to_have_value("82.5")
    preview(page)
    assert violations(page) == []
    expect(page.locator("main")).to_contain_text("将修改 2 个考点的 5 处")
    with page.expect_navigation():
        page.locator("button", has_text="确认保存 5 处改动").click()
    with office.looking() as session:
        statement = select(Fee.amount).where(Fee.subject_code == "24", Fee.amount == 8250)
        assert len(session.scalars(statement).all()) == 2


def test_keys_move_between_cells_and_never_send_the_form(
    office: World, office_address: str, desktop_page: Page
) -> None:
    page = look(desktop_page, office, office_address, PROVINCE, "/fee/")
    cell(page, "990701", "14").focus()
    for key, code, column in (
        ("Enter", "990702", "14"),
        ("ArrowRight", "990702", "24"),
        ("ArrowUp", "990701", "24"),
        ("ArrowLeft", "990701", "14"),
        ("ArrowLeft", "990701", "PERSON"),
        ("Tab", "990701", "14"),
    ):
        page.keyboard.press(key)
        expect(cell(page, code, column)).to_be_focused()
    page.fill("[data-kw-fill-column=PERSON]", "12")
    page.keyboard.press("Enter")
    expect(cell(page, "990702", "PERSON")).to_have_value("12")
    assert page.url.endswith("/fee/")


def test_r13_the_capacity_dialog_asks_before_there_is_no_limit(
    office: World, office_address: str, desktop_page: Page
) -> None:
    page = look(desktop_page, office, office_address, SITE, "/capacity/")
    page.locator(".col-ops .kw-op", has_text="修改人数").click()
    dialog = page.locator("#kw-dialog")
    expect(dialog.locator("#kw-dialog-title")).to_have_text("修改人数 (990701)地市七考点1")
    total = dialog.locator("[name='v:990701:TOTAL']")
    total.fill("99")
    dialog.locator("button[type=submit]").click()
    expect(dialog.locator(".kw-error")).to_contain_text("总科次数不能小于100")
    total.fill("99999")
    dialog.locator("button[type=submit]").click()
    expect(dialog).to_contain_text("尽量不要设置成不限，确定？")
    dialog.locator("button", has_text="返回修改").click()
    expect(total).to_have_value("99999")
    dialog.locator("button[type=submit]").click()
    dialog.locator("[name=agree]").check()
    with page.expect_navigation():
        dialog.locator("button", has_text="确认保存").click()
    expect(page.locator(".kw-toast")).to_have_text("已保存 1 处改动")
    with office.looking() as session:
        pool = session.scalars(
            select(CapacityPool).where(
                CapacityPool.pool == "TOTAL", CapacityPool.site_id == office.tree.site.id
            )
        ).one()
    assert pool.capacity == 99_999


def test_r14_one_switch_for_all_sites_then_quotas(
    office: World, office_address: str, desktop_page: Page
) -> None:
    page = look(desktop_page, office, office_address, PROVINCE, "/preference/")
    page.select_option("[data-kw-fill-column=switch]", label="是")
    with page.expect_navigation():
        page.locator("button", has_text="应用到全部 2 个考点").click()
    expect(page.locator("main")).to_contain_text("2 个考点允许后还没有意向名额")
    with page.expect_navigation():
        page.locator("button", has_text="确认保存 2 处改动").click()
    days = [f"D-{day.isoformat()}" for day in factories.EXAM_DAYS]
    cell(page, "990702", days[0]).fill("501")
    for day in days[1:]:
        cell(page, "990702", day).fill("10")
    preview(page)
    expect(page.locator(".kw-cells .kw-error")).to_contain_text("不能超过500")
    cell(page, "990702", days[0]).fill("500")
    preview(page)
    with page.expect_navigation():
        page.locator("button", has_text="确认保存 3 处改动").click()
    with office.looking() as session:
        here = SiteSettings.exam_id == office.tree.exam.id
        allowed = session.scalars(select(SiteSettings.preference_allowed).where(here)).all()
    assert allowed == [True, True]


@pytest.mark.parametrize("path", ["/fee/", "/capacity/", "/preference/"])
@pytest.mark.parametrize("person", [PROVINCE, SITE], ids=["province", "site"])
def test_a_grid_fits_a_phone_and_keeps_its_first_column(
    office: World, office_address: str, phone_page: Page, path: str, person: tuple[Level, int]
) -> None:
    walk_phone(phone_page, office, office_address, person, path)
    pane = phone_page.locator(".kw-scroll").first
    code = phone_page.locator(".kw-cells tbody th", has_text="990701")
    before = code.bounding_box()
    pane.evaluate("pane => { pane.scrollLeft = 300; }")
    after = code.bounding_box()
    assert before is not None
    assert after is not None
    assert abs(before["x"] - after["x"]) < 2


def test_on_a_phone_the_button_of_a_row_and_who_set_a_cell_are_in_sight(
    office: World, office_address: str, phone_page: Page
) -> None:
    page = look(phone_page, office, office_address, SITE, "/capacity/")
    button = page.locator(".kw-row-button a")
    expect(button).to_be_in_viewport(ratio=1)
    expect(page.locator(".col-ops .kw-op")).to_be_hidden()
    field = cell(page, "990701", "TOTAL")
    field.focus()
    told = page.locator("[data-kw-told]")
    expect(told).to_contain_text("总科次数")
    expect(told).to_contain_text("最近设置：")
    assert violations(page) == []
    button.click()
    dialog = page.locator("#kw-dialog")
    expect(dialog.locator("[name='v:990701:TOTAL']")).to_be_visible()
    expect(dialog).to_contain_text("最近设置：")


def test_a_cell_reached_by_keys_is_not_under_the_columns_that_stay(
    office: World, office_address: str, desktop_page: Page
) -> None:
    page = look(desktop_page, office, office_address, PROVINCE, "/fee/")
    page.set_viewport_size({"width": 900, "height": 700})
    page.locator(".kw-scroll").first.evaluate("pane => { pane.scrollLeft = 9999; }")
    cell(page, "990701", "26").focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    field = cell(page, "990701", "PERSON")
    expect(field).to_be_focused()
    name = page.locator(".kw-cells tbody tr", has_text="990701").locator("td.sticky-left")
    box, fixed = field.bounding_box(), name.bounding_box()
    assert box is not None
    assert fixed is not None
    assert box["x"] >= fixed["x"] + fixed["width"] - 1


def test_what_is_typed_survives_another_page_and_is_not_left_unasked(
    office: World, office_address: str, desktop_page: Page
) -> None:
    page = look(desktop_page, office, office_address, PROVINCE, "/fee/")
    cell(page, "990702", "26").fill("99")
    page.locator(".kw-search button", has_text="查询").click()
    question = page.locator("#kw-confirm")
    expect(question).to_contain_text("内容尚未保存")
    question.locator("button", has_text="取消").click()
    expect(cell(page, "990702", "26")).to_have_value("99")
    page.goto(f"{office_address}/admin/58/capacity/")
    page.goto(f"{office_address}/admin/58/fee/")
    expect(cell(page, "990702", "26")).to_have_value("99")
    expect(page.locator("[data-kw-changed]")).to_have_text("已改动 1 处")
