"""The pages of grids over HTTP, as browsers without scripts use them."""

from __future__ import annotations

import datetime as dt
import html
import io
import json
import re
from typing import Any

import openpyxl
import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from app.database.unit_of_work import unit_of_work
from app.jobs import grids as workbooks
from app.metadata.actor import system
from app.metadata.vocabulary import Level, Window
from app.models.capacity import CapacityPool
from app.models.settings import Fee
from tests import factories
from tests.contract.work import closed
from tests.contract.world import Browser, World, text_of

CODE = "990702"


@pytest.fixture
def province(world: World) -> Browser:
    return world.browser(Level.PROVINCE)


def hidden(answer: TestResponse, name: str = "changes") -> str:
    """The value that a page carries to its next form."""
    found = re.search(rf'name="{name}" value="([^"]*)"', answer.get_data(as_text=True))
    assert found, text_of(answer)[-600:]
    return html.unescape(found[1])


def carried(preview: TestResponse) -> dict[str, str]:
    """What the confirmation of a preview sends."""
    return {name: hidden(preview, name) for name in ("changes", "_confirm")}


def fee(world: World, subject: str) -> int | None:
    with world.looking() as session:
        return session.scalar(
            select(Fee.amount).where(
                Fee.site_id == world.tree.sites[1].id, Fee.subject_code == subject
            )
        )


def set_fee(browser: Browser, subject: str, text: str) -> TestResponse:
    """Type, preview, confirm."""
    preview = browser.post("/fee/preview", {f"v:{CODE}:{subject}": text})
    assert preview.status_code == 200
    return browser.post("/fee/save", carried(preview))


def test_nothing_is_saved_before_the_preview_is_confirmed(world: World, province: Browser) -> None:
    before = fee(world, "14")
    preview = province.post("/fee/preview", {f"v:{CODE}:14": "88"})
    words = text_of(preview)
    assert "将修改 1 个考点的 1 处" in words
    assert "72.00 → 88.00" in words
    assert fee(world, "14") == before
    saved = province.post("/fee/save", carried(preview))
    assert saved.status_code == 302
    assert fee(world, "14") == 8800
    assert "已保存 1 处改动" in text_of(province.get("/fee/"))
    set_fee(province, "14", "72")


def test_wrong_cells_are_shown_with_what_was_typed_and_links(province: Browser) -> None:
    answer = province.post("/fee/preview", {f"v:{CODE}:14": "八十", f"v:{CODE}:24": "81.5"})
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'value="八十"' in page
    assert 'value="81.5"' in page
    assert f'href="#c-{CODE}-14"' in page
    assert "没有保存任何内容" in page
    assert page.count('aria-invalid="true"') == 1


def test_unchanged_cells_have_nothing_to_preview(province: Browser) -> None:
    answer = province.post("/fee/preview", {f"v:{CODE}:PERSON": "10"})
    assert answer.status_code == 200
    assert "没有改动" in text_of(answer)


def test_a_cell_that_somebody_else_changed_shows_both_values(
    world: World, province: Browser
) -> None:
    typed = {f"v:{CODE}:24": "90", f"seen:{CODE}": json.dumps({"24": "60.00"})}
    answer = province.post("/fee/preview", typed)
    assert answer.status_code == 409
    assert "他人已改为 72.00，您填写的是 90.00" in text_of(answer)
    # the page shows what is stored now: the same value sent again is meant
    again = {f"v:{CODE}:24": "90", f"seen:{CODE}": hidden(answer, f"seen:{CODE}")}
    assert province.post("/fee/preview", again).status_code == 200


def test_a_change_between_preview_and_confirmation_is_noticed(
    world: World, province: Browser
) -> None:
    preview = province.post("/fee/preview", {f"v:{CODE}:26": "90"})
    set_fee(province, "26", "91")
    answer = province.post("/fee/save", carried(preview))
    assert answer.status_code == 409
    assert "他人已改为 91.00" in text_of(answer)
    assert fee(world, "26") == 9100
    set_fee(province, "26", "72")


def test_r12_5_effects_that_grew_since_the_preview_are_confirmed_anew(
    world: World, province: Browser
) -> None:
    preview = province.post("/fee/preview", {f"v:{CODE}:14": "88"})
    assert "科次将按新费用支付" not in text_of(preview)
    with unit_of_work(world.runtime.factory, system("seed")) as session:
        factories.make_registration(session, world.tree, world.tree.sites[1], subjects=("14",))
    again = province.post("/fee/save", carried(preview))
    assert again.status_code == 422
    assert "请核对后确认" in text_of(again)
    assert "尚未生成订单的 1 科次将按新费用支付" in text_of(again)
    assert fee(world, "14") == 7200
    unsigned = {"changes": hidden(again)}
    assert province.post("/fee/save", unsigned).status_code == 422
    assert province.post("/fee/save", carried(again)).status_code == 302
    assert fee(world, "14") == 8800
    set_fee(province, "14", "72")


def test_back_from_the_preview_everything_typed_is_there(province: Browser) -> None:
    preview = province.post("/fee/preview", {f"v:{CODE}:14": "88"})
    answer = province.post("/fee/save", carried(preview) | {"step": "back"})
    assert answer.status_code == 200
    assert f'name="v:{CODE}:14" value="88.00"' in answer.get_data(as_text=True)


def test_a_column_is_filled_for_all_sites_without_scripts(world: World, province: Browser) -> None:
    answer = province.post("/fee/fill", {"fill:14": "85", "fill:24": " "})
    assert "将修改 2 个考点的 2 处" in text_of(answer)
    assert set(json.loads(hidden(answer))["sent"]) == {"990701", CODE}
    nothing = province.post("/fee/fill", {"fill:14": "85", "only_unset": "1"})
    assert nothing.status_code == 422
    empty = province.post("/fee/fill", {f"v:{CODE}:14": "86"})
    assert 'value="86"' in empty.get_data(as_text=True)


@pytest.mark.parametrize("changes", ["no json", "[]", '{"sent": {"990702": 1}, "seen": {}}'])
def test_a_made_up_preview_is_refused(province: Browser, changes: str) -> None:
    assert province.post("/fee/save", {"changes": changes}).status_code == 400


def test_a_site_only_reads_fees(world: World) -> None:
    page = world.browser().get("/fee/").get_data(as_text=True)
    assert "data-kw-grid" not in page
    assert "<input" not in page.split('class="kw-table')[1]


def test_r0_2_a_closed_window_leaves_looking_and_says_who_extends_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, tree = world.tree.sites[1], world.tree
    half = dt.timedelta(days=30)

    def set_window(*edges: dt.datetime | None) -> None:
        with unit_of_work(world.runtime.factory, system("seed")) as session:
            factories.set_window(session, site, Window.SETUP, *edges)

    set_window(tree.now - 2 * half, tree.now - half)
    try:
        browser = world.browser(Level.SITE, 1)
        answer = browser.get("/capacity/")
        assert "data-kw-grid" not in answer.get_data(as_text=True)
        assert "当前不在报名前设置时间内" in text_of(answer)
        assert "请联系上级管理员" in text_of(answer)
        typed = browser.post("/capacity/preview", {f"v:{CODE}:S:14": "77"})
        assert typed.status_code == 422
        assert "当前不在报名前设置时间内" in text_of(typed)
        assert browser.get(f"/capacity/edit/{CODE}").status_code == 403
        monkeypatch.setattr(workbooks, "read_grid", None)  # the window is asked first
        sent = {"file": (io.BytesIO(b"PK"), "容量.xlsx")}
        uploaded = browser.post("/capacity/import", sent)
        assert uploaded.status_code == 422
        assert "当前不在报名前设置时间内" in text_of(uploaded)
    finally:
        set_window(tree.now - half, tree.now + half)


def test_r14_a_closed_window_leaves_the_province_its_own_column(
    world: World, province: Browser
) -> None:
    day = f"D:{factories.EXAM_DAYS[0].isoformat()}"
    with closed(world, Window.SETUP):
        page = province.get("/preference/")
        text, source = text_of(page), page.get_data(as_text=True)
        assert "当前不在报名前设置时间内" in text
        assert "现在只能修改：允许考生选择意向考试日期。" in text
        assert f'name="v:{CODE}:switch"' in source
        assert f'name="v:{CODE}:{day}"' not in source
        assert 'data-kw-fill-column="switch"' in source
        assert f'data-kw-fill-column="{day}"' not in source
        assert "复制上一考次" not in text
        switched = province.post("/preference/preview", {f"v:{CODE}:switch": "1"})
        assert "将修改 1 个考点的 1 处" in text_of(switched)
        refused = province.post("/preference/preview", {f"v:{CODE}:{day}": "5"})
        assert refused.status_code == 422
        assert province.post("/preference/save", carried(switched)).status_code == 302
    assert "复制上一考次" in text_of(province.get("/preference/"))


# ---------------------------------------------------------------- workbooks


def workbook(browser: Browser, **cells: Any) -> bytes:
    """The exported fees with changed cells."""
    with browser.get("/fee/export") as answer:
        book = openpyxl.load_workbook(io.BytesIO(answer.data))
    for place, value in cells.items():
        book.worksheets[0][place] = value
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def upload(browser: Browser, content: bytes, name: str = "费用.xlsx") -> TestResponse:
    return browser.post("/fee/import", {"file": (io.BytesIO(content), name)})


def test_a_workbook_goes_through_the_same_preview(world: World, province: Browser) -> None:
    preview = upload(province, workbook(province, D3=88))
    assert "72.00 → 88.00" in text_of(preview)
    assert fee(world, "14") == 7200
    assert province.post("/fee/save", carried(preview)).status_code == 302
    assert fee(world, "14") == 8800
    set_fee(province, "14", "72")
    assert world.entries("grid.fee.export")


def test_wrong_cells_of_a_workbook_are_told_by_row_column_and_value(province: Browser) -> None:
    answer = upload(province, workbook(province, D3="八十", A2="123456"))
    words = text_of(answer)
    assert answer.status_code == 422
    assert "第 3 行 科目费（元） (14)计算机基础及WPS Office应用“八十”：金额格式不正确" in words
    assert "第 2 行 考点代码“123456”：没有代码为 123456 的考点" in words


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        (b"", "", "文件格式不正确"),
        (b"<html>", "费用.xlsx", "重新上传"),
    ],
)
def test_what_is_no_workbook_is_refused(
    province: Browser, content: bytes, name: str, message: str
) -> None:
    answer = upload(province, content, name)
    assert answer.status_code == 422
    assert message in text_of(answer)


def test_r0_6b_the_last_session_is_copied_into_a_preview(province: Browser) -> None:
    """The history session has the same fees: nothing would change."""
    assert "没有改动" in text_of(province.post("/fee/copy"))


# ---------------------------------------------------------------- one row


def limit(world: World, pool: str) -> int | None:
    with world.looking() as session:
        return session.scalar(
            select(CapacityPool.capacity).where(
                CapacityPool.site_id == world.tree.sites[1].id, CapacityPool.pool == pool
            )
        )


def test_r13_1_the_dialog_previews_asks_and_saves(world: World) -> None:
    site = world.browser(Level.SITE, 1)
    form = site.get(f"/capacity/edit/{CODE}", htmx=True)
    assert "修改人数" in form.get_data(as_text=True)
    cells = {f"v:{CODE}:TOTAL": "1000", f"v:{CODE}:S:14": "50"}
    seen = {f"seen:{CODE}": hidden(form, f"seen:{CODE}")}
    wrong = site.post(f"/capacity/edit/{CODE}", cells | seen | {f"v:{CODE}:TOTAL": "99"}, htmx=True)
    assert wrong.status_code == 422
    assert "总科次数不能小于100" in text_of(wrong)
    preview = site.post(f"/capacity/edit/{CODE}", cells | seen, htmx=True)
    assert "500 → 50" in text_of(preview)
    values = carried(preview) | {"row": CODE}
    back = site.post("/capacity/save", values | {"step": "back"}, htmx=True)
    assert 'value="50"' in back.get_data(as_text=True)
    saved = site.post("/capacity/save", values, htmx=True)
    assert saved.status_code == 204
    assert "kw:saved" in saved.headers["HX-Trigger"]
    assert limit(world, "S:14") == 50


def test_r13_3a_99999_is_saved_only_when_it_is_agreed_to(world: World) -> None:
    site = world.browser(Level.SITE, 1)
    preview = site.post("/capacity/preview", {f"v:{CODE}:S:24": "99999"})
    assert "尽量不要设置成不限，确定？" in text_of(preview)
    assert "500 → 不限" in text_of(preview)
    values = carried(preview)
    refused = site.post("/capacity/save", values)
    assert refused.status_code == 422
    assert "请先勾选确认" in text_of(refused)
    assert limit(world, "S:24") == 500
    assert site.post("/capacity/save", values | {"agree": "1"}).status_code == 302
    assert limit(world, "S:24") == 99_999


def test_p4_the_log_says_on_whose_behalf_the_province_acts(world: World, province: Browser) -> None:
    preview = province.post("/capacity/preview", {f"v:{CODE}:S:26": "480"})
    province.post("/capacity/save", carried(preview))
    entry = world.entries("capacity.capacitypool.edit")[-1]
    assert (entry.on_behalf_of, entry.organisation_code) == (CODE, "99")
    assert "上级代改" in text_of(province.get("/capacity/"))


def test_a_page_asks_the_database_a_bounded_number_of_times(
    world: World, province: Browser
) -> None:
    """However many rows and columns it has."""
    with world.counting() as statements:
        province.get("/capacity/?_size=100")
    assert len(statements) <= 20, statements
