"""Exports: all results of a query as a workbook, masked, never a formula."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import openpyxl
import pytest
from sqlalchemy import select

from app.adapters import sheets
from app.adapters.sheets import Heading, Sheet, write_workbook
from app.database.keys import digest
from app.database.unit_of_work import reading
from app.jobs.exports import write_export
from app.metadata.query import ListQuery
from app.metadata.vocabulary import Level
from app.models.job import JobRun
from app.views.engine import exporting
from tests.contract.models import Hall
from tests.contract.world import World, text_of
from tests.factories import id_number


def _rows(data: bytes) -> list[tuple[Any, ...]]:
    book = openpyxl.load_workbook(io.BytesIO(data))
    found = [tuple(row) for row in book.worksheets[0].iter_rows(values_only=True)]
    book.close()
    return found


def test_an_export_holds_all_results_of_the_query(world: World) -> None:
    number = id_number()
    for index in range(23):
        world.hall(
            f"导出{index:02d}",
            price=7250,
            keeper=number,
            keeper_id_digest=digest(number),
            day=dt.date(2026, 9, 19),
            remark="=1+1",
        )
    world.hall("导出外", 1)
    with world.browser().get("/test-hall/export?name=导出") as answer:
        data = answer.get_data()
        assert answer.mimetype == exporting.XLSX
        name = unquote(answer.headers["Content-Disposition"])
    assert "测试考场导出(" in name
    head, *rows = _rows(data)
    assert head[:4] == ("名称", "座位数", "颜色", "日期")
    assert sorted(row[0] for row in rows) == [f"导出{index:02d}" for index in range(23)]
    row = dict(zip(head, rows[0], strict=True))
    assert row["座位数"] == 30
    assert row["费用"] == 72.5
    assert row["颜色"] == "红"
    assert row["开放"] == "是"
    assert row["日期"] == "2026-09-19"
    assert row["备注"] == "=1+1"
    assert row["管理员证件号"] == f"{number[:6]}********{number[-4:]}"
    assert number.encode() not in data


def test_an_export_is_logged_without_the_values_of_its_filters(world: World) -> None:
    number = id_number()
    with world.browser().get(f"/test-hall/export?keeper={number}") as answer:
        assert answer.status_code == 200
    entry = world.entries("models.hall.export")[-1]
    assert entry.changes["count"]["new"] == 0
    assert entry.changes["filters"]["new"] == "keeper"
    assert number not in str(entry.changes)


def test_a_superior_exports_what_is_below_him(world: World) -> None:
    world.hall("上导一")
    world.hall("上导二", 1)
    code = world.tree.sites[1].code
    with world.browser(Level.PROVINCE).get(f"/test-hall/export?name=上导&_org={code}") as answer:
        rows = _rows(answer.get_data())
    assert [row[0] for row in rows[1:]] == ["上导二"]


def test_a_large_export_becomes_a_job(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "INLINE_ROWS", 1)
    world.hall("大导一")
    world.hall("大导二")
    browser = world.browser()
    asked = browser.get("/test-hall/export?name=大导")
    assert "后台生成" in text_of(asked)
    answer = browser.post("/test-hall/export?name=大导")
    assert answer.status_code == 302
    with world.looking() as session:
        run = session.scalars(select(JobRun).order_by(JobRun.id.desc())).first()
    assert run is not None
    assert (run.kind, run.declaration) == ("export", "test_hall")
    assert run.parameters["query"]["filters"] == {"name": "大导"}


def test_rows_are_streamed_by_key(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.rules import listing

    original = listing.stream
    monkeypatch.setattr(listing, "stream", lambda *a, **k: original(*a, **{**k, "size": 2}))
    for index in range(5):
        world.hall(f"键{index}")
    told: list[int] = []
    stream = io.BytesIO()
    resource: Any = Hall.__admin__
    with reading(world.runtime.factory, world.actor(Level.SITE)) as session:
        query = ListQuery("test_hall", {"name": "键"})
        count = write_export(stream, session, resource, query, progress=told.append)
    assert count == 5
    assert [row[0] for row in _rows(stream.getvalue())[1:]] == [f"键{index}" for index in range(5)]


# ---------------------------------------------------------------- the writer of worksheets


def _written(value: Any, *, numeric: bool = False) -> Any:
    stream = io.BytesIO()
    write_workbook(stream, [Sheet("表", [Heading("列", numeric)], [[value]])])
    rows = _rows(stream.getvalue())
    return rows[1][0] if len(rows) > 1 else None


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "=HYPERLINK(1)", "{=1}", "http://x.example", "0012"]
)
def test_what_people_typed_is_text(text: str) -> None:
    stream = io.BytesIO()
    write_workbook(stream, [Sheet("表", [Heading("列")], [[text]])])
    book = openpyxl.load_workbook(io.BytesIO(stream.getvalue()))
    cell = book.worksheets[0]["A2"]
    assert (cell.value, cell.data_type, cell.hyperlink) == (text, "s", None)
    book.close()


@pytest.mark.parametrize(
    ("value", "numeric", "expected"),
    [
        (7, True, 7),
        (Decimal("72.50"), True, 72.5),
        (True, True, "True"),
        (7, False, "7"),
        (dt.datetime(2026, 9, 1, 8, 0, tzinfo=dt.UTC), False, "2026-09-01 08:00:00"),
        (dt.time(8, 30), False, "08:30"),
        (["甲", "乙"], False, "甲、乙"),
        (None, False, None),
        ("甲\x00\x0b\ufffe乙", False, "甲乙"),
        ("a" * 40_000, False, "a" * 32_767),
    ],
)
def test_values_of_cells(value: Any, numeric: bool, expected: Any) -> None:
    assert _written(value, numeric=numeric) == expected


def test_a_full_sheet_is_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_ROWS", 2)
    stream = io.BytesIO()
    count = write_workbook(stream, [Sheet("名/字", [Heading("列")], [[n] for n in range(5)])])
    book = openpyxl.load_workbook(io.BytesIO(stream.getvalue()))
    assert count == 5
    assert book.sheetnames == ["名_字", "名_字(2)", "名_字(3)"]
    assert [sheet.max_row for sheet in book] == [3, 3, 2]
    book.close()
