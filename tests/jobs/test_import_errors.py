"""Errors of an import: all of them, on screen and in the report (R38.5)."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import replace
from typing import Any

import openpyxl
import pytest

from app.jobs.imports import engine as imports
from app.jobs.imports.held import ImportRow
from app.jobs.outcome import message_of
from app.metadata.errors import InvalidInput
from app.models.arrangement import Room
from app.models.job import JobRun, StoredFile
from tests.catalogues import compile_catalogues
from tests.factories import id_number
from tests.jobs.conftest import Ground
from tests.jobs.import_tools import GOOD, messages, report, submit
from tests.jobs.support import HEADINGS, ROOMS, registered, workbook


def test_every_error_of_every_row_is_reported_and_nothing_written(ground: Ground) -> None:
    number = id_number(1)
    rows: list[list[Any]] = [
        [1, "01", "甲楼"],
        [2, "abc", None],
        [3, "03", "丙楼", "豪华", "2026-02-30", "也许"],
        [None, None, None],
        [5, "05", "x" * 61, None, None, None, float(number)],
    ]
    run = submit(ground, workbook(rows))
    assert run.state == "rejected"
    assert [(row, column) for row, column, _ in messages(run)] == [
        (3, "考场号"),
        (3, "考场地址"),
        (4, "类型"),
        (4, "日期"),
        (4, "大考场"),
        (6, "考场地址"),
        (6, "证件号码"),
    ]
    texts = {(row, column): text for row, column, text in messages(run)}
    assert texts[3, "考场地址"] == "必填"
    assert "请设为文本格式" in texts[6, "证件号码"]
    assert ground.count(Room) == 0
    assert run.result["error_count"] == 7
    assert run.result["error_rows"] == 3


def test_personal_values_are_masked_in_the_error_list(ground: Ground) -> None:
    number = id_number(7)
    content = workbook([[1, "01", None, None, None, None, number]])
    with registered(
        replace(
            ROOMS,
            name="test_keepers",
            check=lambda _session, row, _context: [("keeper", "此人不能担任")],
        )
    ):
        from app.metadata.registry import get

        run = submit(
            ground,
            workbook([[1, "01", "甲", None, None, None, number]]),
            declaration=get("test_keepers"),
        )
    assert run.errors[0]["value"] == number[:6] + "*" * 8 + number[-4:]
    assert number not in str(submit(ground, content).errors)


def test_two_rows_with_the_same_key_are_both_wrong(ground: Ground) -> None:
    run = submit(ground, workbook([[1, "01", "甲"], [2, "02", "乙"], [3, " 1", "丙"]]))
    assert messages(run) == [
        (2, "考场号", "与第 4 行重复"),
        (4, "考场号", "与第 2 行重复"),
    ]


@pytest.mark.parametrize(
    ("headings", "expected"),
    [
        (HEADINGS[:2], [("考场地址", "缺少这一列")]),
        ([*HEADINGS, "楼层"], [("楼层", "没有这一列")]),
        ([*HEADINGS, "考场号"], [("考场号", "列名重复")]),
        (["甲", "乙"], [("", "没有找到表头")]),
    ],
)
def test_wrong_headings_are_named(
    ground: Ground, headings: list[str], expected: list[tuple[str, str]]
) -> None:
    run = submit(ground, workbook(GOOD[1:], headings=headings))
    assert run.state == "rejected"
    assert [item["n"] for item in run.result["counts"]] == [0, 0]
    for column, part in expected:
        assert any(column == c and part in text for _, c, text in messages(run)), run.errors


def test_an_empty_sheet_is_refused(ground: Ground) -> None:
    run = submit(ground, workbook([[None], ["  "]]))
    assert "没有数据" in run.errors[0]["message"]


def test_scenario_60_1500_errors_show_1000_and_the_report_has_all(ground: Ground) -> None:
    rows = [[number, "xx", "甲楼"] for number in range(1500)]
    run = submit(ground, workbook(rows))
    assert run.state == "rejected"
    assert len(run.errors) == 1000
    assert run.result["error_count"] == 1500
    assert ground.count(Room) == 0
    book = report(ground, run)
    listed = book["错误清单"]
    assert listed.max_row == 1501
    assert [cell.value for cell in listed[1501]][:3] == ["考场", 1501, "考场号"]
    data = book["考场"]
    assert data.cell(1, 8).value == "错误信息"
    assert data.cell(1501, 2).value == "xx"
    assert "考场号" in data.cell(1501, 8).value


def test_the_report_computes_nothing(ground: Ground) -> None:
    run = submit(ground, workbook([["=1+1", "=cmd|'/c calc'!A1", '=HYPERLINK("http://x")']]))
    book = report(ground, run)
    kinds = {cell.data_type for sheet in book for line in sheet.iter_rows() for cell in line}
    assert "f" not in kinds


def test_rows_that_apply_refuses_are_reported_and_roll_everything_back(ground: Ground) -> None:
    def taken_meanwhile(session: Any, rows: list[ImportRow], context: Any) -> Any:
        ROOMS.apply(session, rows, context)
        session.flush()
        raise imports.RowsRefused([(rows[-1], "number", "刚刚被占用")])

    declaration = replace(ROOMS, name="test_taken", apply=taken_meanwhile)
    with registered(declaration):
        run = submit(ground, workbook(GOOD), declaration=declaration)
    assert run.state == "rejected"
    assert messages(run) == [(3, "考场号", "刚刚被占用")]
    assert ground.count(Room) == 0


def test_a_partial_import_writes_the_good_rows(ground: Ground) -> None:
    declaration = replace(ROOMS, name="test_partial", atomic=False)
    with registered(declaration):
        run = submit(ground, workbook([[1, "01", "甲"], [2, "xx", "乙"]]), declaration=declaration)
    assert run.state == "done"
    assert messages(run) == [(3, "考场号", "考场号为 01–99")]
    assert [room.number for room in ground.all(Room)] == ["01"]
    assert run.report_file_id is not None


def test_checking_alone_writes_nothing(ground: Ground) -> None:
    run = submit(ground, workbook(GOOD), apply=False)
    assert (run.state, run.errors) == ("done", [])
    assert ground.count(Room) == 0


def test_options_are_cleaned_and_reach_the_rules(ground: Ground) -> None:
    seen: list[Any] = []

    def look(_session: Any, _row: Any, context: Any) -> list[Any]:
        seen.append(context.options)
        return []

    declaration = replace(ROOMS, name="test_options", check=look)
    with registered(declaration):
        run = submit(
            ground, workbook(GOOD[:1]), declaration=declaration, options={"overwrite": "1"}
        )
        with pytest.raises(InvalidInput):
            submit(ground, workbook(GOOD), declaration=declaration, options={"other": "1"})
    assert run.state == "done"
    assert seen == [{"overwrite": True}]


# ---------------------------------------------------------------- the report, corrected and again


def stored_report(ground: Ground, run: JobRun) -> bytes:
    """The bytes of the report."""
    stored = next(row for row in ground.all(StoredFile) if row.id == run.report_file_id)
    return ground.machine.files.get(stored.key)


def saved(book: Any) -> bytes:
    """A workbook as it is uploaded again."""
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def test_a_corrected_report_is_imported_as_it_is(ground: Ground) -> None:
    number = id_number(3)
    rows = [
        [1, "01", "甲楼", "1-普通", dt.date(2026, 9, 19), "是", number],
        [2, "xx", None, "普通", "2026/9/20", None, float(number)],
        [3, "03", "=HYPERLINK(1)", None, None, None, None],
    ]
    content = workbook([["填写说明"], HEADINGS, *rows], headings=["提示"])
    run = submit(ground, content)
    assert run.state == "rejected"
    book = openpyxl.load_workbook(io.BytesIO(stored_report(ground, run)))
    page = book["考场"]
    assert [cell.value for cell in page[3]] == [*HEADINGS, "错误信息"]
    assert [cell.value for cell in page[4]][:7] == [
        *("1", "01", "甲楼", "1-普通", "2026-09-19", "是", number)
    ]
    wrong: Any = page[5]
    assert wrong[7].value.startswith(
        "考场号：考场号为 01–99；考场地址：必填；证件号码：数字超过15位"
    )
    red = {cell.column_letter for cell in wrong if cell.fill.fgColor.rgb == "FFFDE2E1"}
    assert red == {"B", "C", "G"}
    assert {cell.number_format for cell in wrong[:7] if cell.value} == {"@"}
    page["B5"], page["C5"], page["G5"] = "02", "乙楼", number
    again = submit(ground, saved(book))
    assert (again.state, again.errors) == ("done", [])
    assert [(room.number, room.address) for room in ground.all(Room)] == [
        ("01", "甲楼"),
        ("02", "乙楼"),
        ("03", "=HYPERLINK(1)"),
    ]


def test_a_report_that_is_still_wrong_gets_one_column_of_errors_only(ground: Ground) -> None:
    run = submit(ground, workbook([[1, "xx", "甲"], [2, "02", "乙"]]))
    for _ in range(2):
        run = submit(ground, stored_report(ground, run))
    page = report(ground, run)["考场"]
    assert [cell.value for cell in page[1]] == [*HEADINGS, "错误信息"]
    assert [cell.value for cell in page[2]][7] == "考场号：考场号为 01–99"
    assert page.max_column == 8


@pytest.mark.parametrize("number", [990101200101010038.0, 1e15, -1e15])
def test_a_number_that_has_lost_its_end_does_not_come_back_as_text(
    ground: Ground, number: float
) -> None:
    run = submit(ground, workbook([[1, "01", number]]))
    again = submit(ground, stored_report(ground, run))
    assert again.state == "rejected"
    assert "E+" in report(ground, run)["考场"]["C2"].value
    assert messages(again)[0][:2] == (2, "考场地址")


def test_errors_of_headings_are_marked_in_the_report(ground: Ground) -> None:
    run = submit(ground, workbook([[1, "01", "甲"]], headings=["序号", "考场号", "楼层"]))
    page = report(ground, run)["考场"]
    assert page["C1"].fill.fgColor.rgb == "FFFDE2E1"
    assert "模板中没有这一列（C 列）" in page["D1"].value
    assert "考场地址：缺少这一列" in page["D1"].value


def test_the_report_of_a_partial_import_has_the_wrong_rows_alone(ground: Ground) -> None:
    declaration = replace(ROOMS, name="test_partly", atomic=False)
    rows = [[1, "01", "甲"], [2, "xx", "乙"], [3, "03", "丙"], [4, "yy", "丁"]]
    with registered(declaration):
        run = submit(ground, workbook(rows), declaration=declaration)
    page = report(ground, run)["考场"]
    assert [cell.value for cell in page["B"]] == ["考场号*", "xx", "yy"]


def test_rows_behind_the_last_error_that_is_collected_are_still_wrong(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.imports.problems.MOST_ERRORS", 3)
    wrong = [[n, "abc", None] for n in (1, 2, 3)]
    same = [[n, "77", "丁楼"] for n in (4, 5)]
    partial = replace(ROOMS, name="test_partial", atomic=False)
    with registered(partial):
        run = submit(ground, workbook([*wrong, *same, *GOOD]), declaration=partial)
    assert run.state == "done"
    assert {room.number for room in ground.all(Room)} == {"01", "02"}
    assert [item["n"] for item in run.result["counts"][:2]] == [7, 2]
    assert (run.result["error_rows"], run.result["error_count"]) == (5, 4)
    assert "错误超过 3 处" in messages(run)[-1][2]
    page = report(ground, run)["考场"]
    assert [row[1].value for row in page.iter_rows(min_row=2)] == [*["abc"] * 3, "77", "77"]


def test_the_report_keeps_rare_characters_and_drops_those_that_xml_refuses(ground: Ground) -> None:
    parsed_text = "𠮷\ufffe楼"
    run = submit(ground, workbook([[1, "xx", parsed_text]]))
    assert report(ground, run)["考场"]["C2"].value == "𠮷楼"


def test_messages_are_told_in_the_language_of_the_reader(ground: Ground) -> None:
    run = submit(ground, workbook([[1, "01", "x" * 61], [2, "01", "乙"]]))
    words = {
        "最多 {length} 个字": "at most {length} characters",
        "与第 {rows} 行重复": "the same as row {rows}",
        "、": ", ",
    }
    told = {
        str(message_of(item).message(lambda text: words.get(text, text))) for item in run.errors
    }
    assert "at most 60 characters" in told
    assert "the same as row 3" in told


def test_the_report_speaks_the_language_of_the_importer_and_is_read_again(ground: Ground) -> None:
    """Its headings stay those of the file; errors of headings do not hide the column of errors."""
    compile_catalogues()
    headings = [*HEADINGS[:2], "楼层", *HEADINGS[3:]]
    run = submit(ground, workbook([[1, "xx", "甲楼"]], headings=headings), language="en")
    book = report(ground, run)
    page = book["考场"]
    assert page["H1"].value.startswith("Error; 楼层: The template has no such column")
    assert [cell.value for cell in book["Errors"][1]][:3] == ["Worksheet", "Row", "Column"]
    page["C1"] = "考场地址"
    run = submit(ground, saved(book), language="en")
    book = report(ground, run)
    page = book["考场"]
    assert [cell.value for cell in page[1]] == [*HEADINGS[:2], "考场地址", *HEADINGS[3:], "Error"]
    assert page["H2"].value == "考场号: 考场号为 01–99"  # a text of tests alone, in no catalogue
    page["B2"] = "01"
    assert submit(ground, saved(book)).state == "done"
