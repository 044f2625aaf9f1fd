"""Imports from .xls workbooks: read like others, looked through before they are parsed."""

from __future__ import annotations

import resource
import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.jobs.imports.container import UploadRefused, check_upload
from app.jobs.imports.rows import Parsed, parse_rows
from app.jobs.imports.sheets import read_sheet
from tests.jobs.legacy_workbook import (
    Failed,
    Formula,
    Page,
    compound,
    legacy_workbook,
    record,
    stream_of,
)
from tests.jobs.support import HEADINGS, ROOMS

ROWS = [HEADINGS, [1, "01", "甲楼", "普通"], [2, 2, "乙楼", None, "2026/9/19", "是"]]
BOOK = legacy_workbook([Page("说明", [["x"]]), Page("考场", ROWS)])


def parse(content: bytes, max_rows: int = 100) -> Parsed:
    """From the upload to rows and errors."""
    suffix = check_upload(content, "a.xls", (".xls",), 20 * 1024 * 1024)
    sheet = read_sheet(content, suffix, "考场", max_rows, 20 * 1024 * 1024)
    return parse_rows(ROOMS, sheet, {}, max_rows, lambda *_: None)


def refused(content: bytes) -> str:
    """Why it is."""
    with pytest.raises(UploadRefused) as refusal:
        parse(content)
    return refusal.value.message()


def test_an_old_workbook_is_read() -> None:
    parsed = parse(BOOK)
    assert parsed.problems == []
    assert [row["number"] for row in parsed.rows] == ["01", "02"]
    assert parsed.rows[0]["kind"] == "1"
    assert parsed.rows[1]["large"] is True


def test_many_rows_take_several_tables_of_sectors() -> None:
    rows = [HEADINGS, *([n, f"{n % 100:02d}", "楼" * 40] for n in range(3000))]
    parsed = parse(legacy_workbook([Page("考场", rows)]), 3000)
    assert parsed.data_rows == 3000


@pytest.mark.parametrize("computed", [False, True])
def test_s4_error_cells_are_errors(computed: bool) -> None:
    rows = [HEADINGS, [1, "01", "甲楼", Failed(42, computed)], [2, Failed(7, computed), "乙"]]
    parsed = parse(legacy_workbook([Page("考场", rows)]))
    assert [(one.row, one.column, one.value) for one in parsed.problems] == [
        (2, "类型", "#N/A"),
        (3, "考场号", "#DIV/0!"),
    ]


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (Formula(None), "另存为 .xlsx"),
        (Formula(None, options=2), "另存为 .xlsx"),
        (Formula(0, options=2), "没有计算结果"),
        (Formula(0), None),
        (Formula(7, options=2), None),
    ],
)
def test_s4_formulas_that_nobody_has_computed_are_errors(
    formula: Formula, message: str | None
) -> None:
    """Libraries write blank, or zero to be computed on opening; neither is a value."""
    pages = [Page("考场", [HEADINGS, [1, "01", "甲楼", None, None, None, formula]])]
    problems = parse(legacy_workbook(pages)).problems
    assert [one.column for one in problems] == ([HEADINGS[6]] if message else [])
    assert all(str(message) in one.message for one in problems)


def test_s4_a_blank_that_a_spreadsheet_program_has_computed_is_an_empty_cell() -> None:
    pages = [Page("考场", [HEADINGS, [1, "01", "甲楼", None, None, None, Formula(None)]])]
    computed = record(0x01C1, struct.pack("<HHI", 0x01C1, 0, 191_029))
    parsed = parse(legacy_workbook(pages, computed))
    assert (parsed.problems, len(parsed.rows)) == ([], 1)
    unknown = record(0x01C1, struct.pack("<HHI", 0x01C1, 0, 0))
    assert parse(legacy_workbook(pages, unknown)).problems


def test_s4_hidden_rows_are_read_and_told() -> None:
    parsed = parse(legacy_workbook([Page("考场", ROWS, hidden=[2])]))
    assert len(parsed.rows) == 2
    assert [str(note) for note in parsed.notes] == ["有 1 行是隐藏行，已与其他行一样读取。"]


def test_a_long_number_is_refused() -> None:
    rows = [HEADINGS, [1, "01", "甲", None, None, None, 990101200101010038]]
    (problem,) = parse(legacy_workbook([Page("考场", rows)])).problems
    assert "请设为文本格式" in problem.message


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (legacy_workbook([Page("考场", ROWS)], record(0x002F, b"\0" * 54)), "加密"),
        (legacy_workbook([Page("考场", ROWS), Page("Macro1", [], kind=1)]), "宏"),
        (BOOK + "_VBA_PROJECT".encode("utf-16-le"), "宏"),
        (legacy_workbook([Page("别的", ROWS)]), "没有找到"),
        (BOOK[:600], "损坏"),
        (BOOK[:1030], "损坏"),
        (compound(stream_of([Page("考场", ROWS)]), "Nothing"), "损坏"),
    ],
)
def test_what_is_no_sound_workbook_is_refused_with_the_reason(content: bytes, part: str) -> None:
    assert part in refused(content)


@pytest.mark.parametrize("place", [(65535, 1), (1, 255), (65535, 255)])
def test_a_cell_far_out_is_refused_before_it_fills_the_memory(place: tuple[int, int]) -> None:
    far = (0x0203, struct.pack("<HHHd", *place, 0, 1.0))
    content = legacy_workbook([Page("考场", ROWS, extra=[far])])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "范围过大" in refused(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


def test_sectors_in_a_circle_are_refused() -> None:
    content = bytearray(BOOK)
    struct.pack_into("<I", content, 512 + 4 * 5, 2)  # a sector of the stream leads back
    assert "损坏" in refused(bytes(content))


@pytest.mark.parametrize("moved", [0, 20])
def test_sheets_on_one_stretch_of_the_stream_are_refused(moved: int) -> None:
    """Three hundred of them in 0.8 MB took 20 seconds: each was walked to the same end."""
    stream = bytearray(stream_of([Page("考场", ROWS), Page("说明", [["x"]])]))
    first = stream.index(record(0x0085)[:2])
    second = stream.index(record(0x0085)[:2], first + 10)
    (begin,) = struct.unpack_from("<I", stream, first + 4)
    struct.pack_into("<I", stream, second + 4, begin + moved)
    assert stream[begin + 20 : begin + 22] == record(0x0204)[:2]
    assert "损坏" in refused(compound(bytes(stream)))


def test_columns_that_are_hidden_again_and_again_are_refused() -> None:
    hidden = (0x007D, struct.pack("<5HH", 0, 511, 0, 0, 1, 0))
    assert parse(legacy_workbook([Page("考场", ROWS, extra=[hidden])])).problems == []
    assert "损坏" in refused(legacy_workbook([Page("考场", ROWS, extra=[hidden, hidden])]))


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_damaged_old_workbooks_are_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(BOOK)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(8, len(content) - 1))
        value: Any = data.draw(st.integers(0, 255))
        content[at] = value
    try:
        parsed = parse(bytes(content))
    except UploadRefused:
        return
    assert parsed.rows or parsed.problems
