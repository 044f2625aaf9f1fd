"""The writer of worksheets, read back by two independent programs."""

from __future__ import annotations

import io
import zipfile
from typing import Any
from xml.etree import ElementTree

import openpyxl
import pytest
import python_calamine
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape

from app.adapters import sheets
from app.adapters.sheets import MAX_ROWS, Heading, Sheet, as_text, write_workbook
from app.adapters.worksheet_xml import column_names

TEXTS = st.text(st.characters(codec="utf-8"), max_size=60)


def written(*sheets: Sheet) -> bytes:
    stream = io.BytesIO()
    write_workbook(stream, sheets)
    return stream.getvalue()


def by_openpyxl(data: bytes) -> list[list[Any]]:
    """The cells of the first sheet. openpyxl leaves characters by number to its callers."""
    book = openpyxl.load_workbook(io.BytesIO(data))
    rows = book.worksheets[0].iter_rows(values_only=True)
    found = [[unescape(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    book.close()
    return found


def by_calamine(data: bytes) -> list[list[Any]]:
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    return book.get_sheet_by_index(0).to_python(skip_empty_area=False)


@settings(deadline=None)  # a busy machine may be slow
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=8))
def test_any_text_is_read_back_as_it_was(rows: list[tuple[str, str]]) -> None:
    data = written(Sheet("表", [Heading("甲"), Heading("乙")], [["起", "止"], *rows, ["起", "止"]]))
    expected = [[as_text(value) for value in row] for row in rows]
    assert [[cell or "" for cell in row] for row in by_openpyxl(data)[2:-1]] == expected
    assert by_calamine(data)[2:-1] == expected


@pytest.mark.parametrize(
    "text",
    ["_x0041_", "_x005F_", "_x00", " 前后 ", "a\n\tb", "<a>&amp;</a>", "]]>", "𠮷"],
)
def test_a_text_means_itself(text: str) -> None:
    data = written(Sheet("表", [Heading(text)], [[text]]))
    assert by_openpyxl(data) == [[text], [text]]
    assert by_calamine(data) == [[text], [text]]


def test_a_cell_holds_what_spreadsheets_count() -> None:
    assert len(as_text("a" * 40_000)) == 32_767
    assert len(as_text("𠮷" * 40_000)) == 16_383
    assert written(Sheet("\x01表", [Heading("列")], []))


def test_breaks_of_lines_are_line_feeds() -> None:
    data = written(Sheet("表", [Heading("列")], [["a\rb\r\nc\nd"]]))
    assert by_openpyxl(data)[1] == by_calamine(data)[1] == ["a\nb\nc\nd"]


def test_numbers_are_numbers_where_the_column_says_so() -> None:
    heads = [Heading("数", numeric=True), Heading("文")]
    data = written(Sheet("表", heads, [[7, 7], [1.25, 1.25], [float("nan"), None], [10**17, 0]]))
    assert by_openpyxl(data)[1:] == [[7, "7"], [1.25, "1.25"], ["nan", None], [10**17, "0"]]


def test_each_part_is_well_formed_and_declared() -> None:
    data = written(
        Sheet("甲&<>", [Heading("a", width=12), Heading("b")], []), Sheet('"乙"', [], [])
    )
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        parts = {name: ElementTree.fromstring(archive.read(name)) for name in names}  # noqa: S314 - our own
    declared = {item.get("PartName", "")[1:] for item in parts["[Content_Types].xml"]}
    assert {name for name in names if name.startswith("xl/") and "_rels" not in name} <= declared
    book = openpyxl.load_workbook(io.BytesIO(data))
    assert book.sheetnames == ["甲&<>", '"乙"']
    page = book.worksheets[0]
    assert page.freeze_panes == "A2"
    assert page.column_dimensions["A"].width == 12
    assert page["A1"].font.bold
    book.close()


def test_archives_have_plain_headers() -> None:
    """Not every spreadsheet program reads the headers of 64 bits that larger archives need."""
    data = written(Sheet("表", [Heading("列")], [["a"]]))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        for item in archive.infolist():
            assert item.create_version <= 20
            assert data[item.header_offset + 4] <= 20  # version needed, of the local header
            assert item.extra == b""


def test_a_sheet_that_grows_too_large_is_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "MAX_CHARACTERS", 10_000)
    rows = [[f"{number}"] for number in range(1_000)]
    book = openpyxl.load_workbook(io.BytesIO(written(Sheet("表", [Heading("列")], rows))))
    found = [list(row) for page in book for row in page.iter_rows(min_row=2, values_only=True)]
    assert found == rows
    assert book.sheetnames[:2] == ["表", "表(2)"]
    book.close()


def test_two_worksheets_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two worksheets"):
        written(Sheet("Ab", [], []), Sheet("aB", [], []))


def test_columns_are_named_as_spreadsheets_name_them() -> None:
    names = column_names(703)
    assert [names[n] for n in (0, 25, 26, 51, 701, 702)] == ["A", "Z", "AA", "AZ", "ZZ", "AAA"]


def test_rows_are_taken_as_they_are_written() -> None:
    """No more rows are held than the widths are guessed from."""
    taken: list[int] = []
    told: list[tuple[int, int]] = []

    def rows() -> Any:
        for number in range(3_000):
            taken.append(number)
            yield [number]

    stream = io.BytesIO()
    sheet = Sheet("表", [Heading("数", numeric=True)], rows())
    count = write_workbook(stream, [sheet], progress=lambda done: told.append((done, len(taken))))
    assert count == 3_000 < MAX_ROWS
    assert [done for done, _ in told] == [1_000, 2_000, 3_000]
    assert all(ahead <= done for done, ahead in told)
