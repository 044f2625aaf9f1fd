"""What cells hold and what becomes of them (domain §4, General). No database."""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Callable
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from app.jobs.imports.container import UploadRefused, check_upload
from app.jobs.imports.rows import Parsed, parse_rows
from app.jobs.imports.sheets import read_sheet
from tests.jobs.support import HEADINGS, ROOMS, workbook

MEGABYTE = 1024 * 1024


def parse(content: bytes, suffix: str = ".xlsx", max_rows: int = 100) -> Parsed:
    """From the bytes of a file to rows and errors, as the job does."""
    sheet = read_sheet(content, suffix, "考场", max_rows, MEGABYTE)
    return parse_rows(ROOMS, sheet, {}, max_rows, lambda *_: None)


def found(parsed: Parsed) -> list[tuple[int | None, str, str, str]]:
    """(row, column, value, message) of the errors."""
    return [(one.row, one.column, one.value, str(one.message)) for one in parsed.problems]


def made(write: Callable[[Any, Any], None], **options: Any) -> bytes:
    """A workbook whose headings stand in row 1; `write(book, page)` does the rest."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"strings_to_formulas": False} | options) as book:
        page = book.add_worksheet("考场")
        page.write_row(0, 0, HEADINGS)
        write(book, page)
    return stream.getvalue()


def changed(content: bytes, old: bytes, new: bytes) -> bytes:
    """The workbook with other words in its sheets."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(content)) as source,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            target.writestr(name, source.read(name).replace(old, new))
    return stream.getvalue()


def in_openpyxl(write: Callable[[Any], None]) -> bytes:
    """The same by another program, which computes no formula."""
    book = openpyxl.Workbook()
    page: Any = book.active
    page.title = "考场"
    page.append(HEADINGS)
    write(page)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


# ---------------------------------------------------------------- numbers and texts


@pytest.mark.parametrize("number", [14.0, 14, "14", "１４", " 14 ", "14.0", "\u00a014"])
def test_s4_a_code_is_one_text_however_it_was_typed(number: Any) -> None:
    parsed = parse(workbook([[1, number, "甲楼"]]))
    assert found(parsed) == []
    assert parsed.rows[0]["number"] == "14"


def test_s4_numbers_come_without_an_exponent_and_long_ones_are_refused() -> None:
    cells = [[1, "01", 123456789012345.0], [2, "02", 1.1e17], [3, "03", 110101200101010034]]
    parsed = parse(workbook(cells))
    assert parsed.rows[0]["address"] == "123456789012345"
    assert [(row, column) for row, column, _, _ in found(parsed)] == [
        (3, "考场地址"),
        (4, "考场地址"),
    ]
    assert all("请设为文本格式" in text for *_, text in found(parsed))


def test_s4_text_that_was_a_long_number_once_is_refused_too() -> None:
    parsed = parse(workbook([[1, "01", "甲", None, None, None, "1.10101E+17"]]))
    assert "请设为文本格式" in found(parsed)[0][3]


def test_s4_rare_characters_survive_and_control_characters_go() -> None:
    parsed = parse(workbook([[1, "01", "𠮷楼\u200b\u202e一"]]))
    assert parsed.rows[0]["address"] == "𠮷楼一"


# ---------------------------------------------------------------- days


@pytest.mark.parametrize("system_1904", [False, True])
@pytest.mark.parametrize(
    "day",
    ["2026-09-19", "20260919", "2026/9/19", "２０２６－０９－１９", 20260919, dt.date(2026, 9, 19)],
)
def test_s4_days_in_every_form_and_both_systems(day: Any, system_1904: bool) -> None:
    def write(book: Any, page: Any) -> None:
        page.write_row(1, 0, [1, "01", "甲楼", None])
        if isinstance(day, dt.date):
            page.write_datetime(1, 4, day, book.add_format({"num_format": "yyyy/m/d"}))
        else:
            page.write(1, 4, day)

    parsed = parse(made(write, date_1904=system_1904))
    assert found(parsed) == []
    assert parsed.rows[0]["day"] == dt.date(2026, 9, 19)


@pytest.mark.parametrize("day", ["2026-02-30", "19.9.2026", "2026-9", "明天", 45000.5])
def test_s4_what_is_no_day_is_named(day: Any) -> None:
    ((row, column, _, _),) = found(parse(workbook([[1, "01", "甲", None, day]])))
    assert (row, column) == (2, "日期")


# ---------------------------------------------------------------- formulas, errors, merged cells


def test_s4_a_formula_is_read_by_the_value_that_was_computed() -> None:
    def write(_book: Any, page: Any) -> None:
        page.write_formula(1, 1, "=3+4", None, 7)
        page.write_formula(1, 2, '=HYPERLINK("http://x","y")', None, "甲楼")
        page.write_formula(1, 6, '=""', None, "nothing")

    content = changed(made(write), b"<v>nothing</v>", b"<v></v>")
    parsed = parse(content)
    assert found(parsed) == []
    assert (parsed.rows[0]["number"], parsed.rows[0]["address"]) == ("07", "甲楼")


def test_s4_a_formula_that_nobody_computed_is_an_error() -> None:
    def write(page: Any) -> None:
        page.append([1, "=3+4", "甲楼", None, None, None, '=A1&"x"'])

    problems = found(parse(in_openpyxl(write)))
    assert [one[:2] for one in problems] == [(2, "考场号"), (2, "证件号码")]
    assert problems[0][2] == "=3+4"
    assert all("没有计算结果" in text for *_, text in problems)


def test_s4_error_cells_are_errors_also_where_the_column_may_be_empty() -> None:
    def write(_book: Any, page: Any) -> None:
        page.write_row(1, 0, [1, "01", "甲楼"])
        page.write_formula(1, 3, "=NA()", None, "#N/A")
        page.write_formula(2, 1, "=1/0", None, "#DIV/0!")
        page.write_row(2, 2, ["乙楼"])

    assert [one[:3] for one in found(parse(made(write)))] == [
        (2, "类型", "#N/A"),
        (3, "考场号", "#DIV/0!"),
    ]

    def write_alone(page: Any) -> None:
        page.append([1, "01", "甲楼", None, None, "#VALUE!"])

    assert [one[:3] for one in found(parse(in_openpyxl(write_alone)))] == [(2, "大考场", "#VALUE!")]


@pytest.mark.parametrize("text", ["#N/A", "#REF!", "#NAME?", "#N/A =3+4"])
def test_s4_an_error_that_was_pasted_as_text_is_an_error(text: str) -> None:
    ((row, column, value, _),) = found(parse(workbook([[1, "01", text]])))
    assert (row, column, value) == (2, "考场地址", text)
    assert found(parse(workbook([[1, "01", "#3 楼"]]))) == []


def test_s4_merged_cells_have_one_value_only_and_are_told() -> None:
    def write(_book: Any, page: Any) -> None:
        page.write_row(1, 0, [1, "01"])
        page.write_row(2, 0, [2, "02"])
        page.merge_range(1, 2, 2, 2, "甲楼")

    ((row, column, _, text),) = found(parse(made(write)))
    assert (row, column) == (3, "考场地址")
    assert "取消合并" in text


def test_s4_hidden_rows_and_columns_are_read_and_told() -> None:
    def write(_book: Any, page: Any) -> None:
        for row in range(1, 5):
            page.write_row(row, 0, [row, f"0{row}", "甲楼", None, None, "是"])
        page.set_row(1, None, None, {"hidden": True})
        page.set_row(3, None, None, {"hidden": True})
        page.set_row(9, None, None, {"hidden": True})
        page.set_column(5, 5, None, None, {"hidden": True})

    parsed = parse(made(write))
    assert [row["number"] for row in parsed.rows] == ["01", "02", "03", "04"]
    assert [str(note) for note in parsed.notes] == [
        "有 2 行是隐藏行，已与其他行一样读取。",
        "隐藏的列也已读取：大考场。",
    ]


# ---------------------------------------------------------------- headings and sheets


@pytest.mark.parametrize("above", range(10))
def test_s4_the_headings_stand_in_one_of_the_first_rows(above: int) -> None:
    rows: list[list[Any]] = [["说明"]] * above + [list(HEADINGS), [1, "01", "甲楼"]]
    parsed = parse(workbook(rows[1:], headings=rows[0]))
    assert (parsed.heading_row, len(parsed.rows)) == (above + 1, 1)
    assert parsed.rows[0].number == above + 2


def test_s4_a_file_as_large_as_the_limit_is_taken() -> None:
    content = workbook([[1, "01", "甲楼"]])
    assert check_upload(content, "a.xlsx", (".xlsx",), len(content)) == ".xlsx"
    with pytest.raises(UploadRefused, match="文件超过"):
        check_upload(content, "a.xlsx", (".xlsx",), len(content) - 1)


def test_s4_a_sheet_that_begins_further_down_and_right_keeps_its_numbers() -> None:
    def write(page: Any) -> None:
        page.delete_rows(1)
        for column, label in enumerate(HEADINGS, start=3):
            page.cell(5, column, label)
        page.cell(6, 4, "xx")
        page.cell(6, 5, "甲楼")

    assert [one[:3] for one in found(parse(in_openpyxl(write)))] == [(6, "考场号", "xx")]


def test_s4_duplicate_unknown_and_missing_headings_name_column_and_row() -> None:
    headings = [*HEADINGS[:-1], "楼层", "考场号"]
    problems = found(parse(workbook([[1, "01", "甲"]], headings=headings)))
    assert problems == [
        (1, "楼层", "", "模板中没有这一列（G 列），请删除该列或改正列名。"),
        (1, "考场号", "", "列名重复（H 列），请只保留一列。"),
        (1, "证件号码", "", "缺少这一列，请使用下载的模板。"),
    ]


@pytest.mark.parametrize("label", ["错误信息", "错误列"])
def test_the_column_of_errors_of_a_report_is_ignored(label: str) -> None:
    parsed = parse(workbook([[1, "01", "甲", None, None, None, None, "旧"]], [*HEADINGS, label]))
    assert (found(parsed), len(parsed.rows)) == ([], 1)


def test_r20_3_the_sheets_that_are_there_are_named() -> None:
    content = workbook([], sheet="别的", others={"说明": [["x"]]})
    with pytest.raises(UploadRefused) as refusal:
        parse(content)
    assert "“考场”" in refusal.value.message()
    assert "说明、别的" in refusal.value.message()


def test_s4_empty_rows_are_skipped_and_do_not_count() -> None:
    rows: list[list[Any]] = [[1, "01", "甲"], [], [None, "  "], [2, "xx", "乙"], [], []]
    parsed = parse(workbook(rows), max_rows=2)
    assert parsed.data_rows == 2
    assert [one[:2] for one in found(parsed)] == [(5, "考场号")]
    with pytest.raises(UploadRefused) as refusal:
        parse(workbook([*rows, [3, "03", "丙"]]), max_rows=2)
    assert "超过 2 行" in refusal.value.message()


def test_texts_that_come_again_are_cleaned_once_and_equal_texts_are_held_once() -> None:
    parsed = parse(workbook([[n, f"{n:02d}", "教学楼", "2-备用"] for n in range(1, 60)]))
    assert {row["kind"] for row in parsed.rows} == {"2"}
    assert parsed.rows[0]["address"] is parsed.rows[-1]["address"]
    assert parsed.rows[0].cell("kind") is parsed.rows[-1].cell("kind")
    assert parsed.rows[0].cell("kind") == "2-备用"
    assert parsed.rows[0].values["large"] is False
    assert parsed.rows[0].cell("large") is None


def test_equal_cells_of_different_kinds_are_not_taken_for_one_another() -> None:
    """1, 1.0 and True are equal and have one hash; of what is remembered none answers another."""

    def write(_book: Any, page: Any) -> None:
        for number, large in enumerate([1, True, "1", "是", True, 1, "二"], start=1):
            page.write_row(number, 0, [None, f"{number:02d}", "楼", None, None, large])

    parsed = parse(made(write))
    assert [row["large"] for row in parsed.rows] == [True] * 6
    assert [row.cell("large") for row in parsed.rows] == [1, True, "1", "是", True, 1]
    assert [type(row.cell("large")) for row in parsed.rows] == [float, bool, str, str, bool, float]
    assert [one[:3] for one in found(parsed)] == [(8, "大考场", "二")]


def test_errors_of_many_pages_stand_in_the_order_of_rows_and_columns() -> None:
    """Cells are cleaned by page and column; what is told goes by row."""
    rows = [[n, f"{n % 99:02d}x" if n in (3, 300, 600) else f"{n}", ""] for n in range(1, 700)]
    errors = [one for one in found(parse(workbook(rows), max_rows=700)) if one[0] in (4, 301, 601)]
    assert [one[:2] for one in errors] == [
        (row, column) for row in (4, 301, 601) for column in ("考场号", "考场地址")
    ]
