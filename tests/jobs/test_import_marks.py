"""Cells without a value are found however a program writes them, or the file is refused: they
would else be read as empty cells, and with 覆盖 overwrite what is stored. No database but below."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from app.jobs.imports.container import UploadRefused
from app.jobs.imports.marks import BadCell, Flaw, Marks
from app.jobs.imports.package import look_through
from app.jobs.imports.sheet_scan import SheetScan
from tests.jobs.conftest import Ground
from tests.jobs.import_tools import messages, submit
from tests.jobs.legacy_workbook import Page, legacy_workbook
from tests.jobs.support import HEADINGS, workbook
from tests.jobs.test_hostile_files import repacked
from tests.jobs.test_import_cells import changed, found, made, parse

#: 类型 of the first row, which may be empty
PLAIN = b'<c r="D2"'
FLAWS = {
    "error": ("#N/A", "错误值"),
    "uncomputed": ('=A1&"x"', "没有计算结果"),
}
#: the same cell as other programs may write it: blanks, quotes, prefixes
PLACED = {
    "plain": PLAIN,
    "newline": b'<c\nr="D2"',
    "tab": b'<c\tr="D2"',
    "spaces": b'<c  s = "0"  r = "D2"',
    "apostrophes": b"<c r='D2'",
    "small letters": b'<c r="d2"',
    "a name in another attribute": b"""<c a=' r="A1" ' r="D2\"""",
}
#: and as nobody could place it
UNPLACED = {
    "no name": b"<c",
    "a bracket in an attribute": b'<c x=">" r="D2"',
    "a long head": b'<c x="%s" r="D2"' % (b"y" * 2100),
    "a comment": b'<!-- <c r="Z9"> --><c r="D2"',
}


def sheet_with(flaw: str) -> bytes:
    """A row whose 类型 has the flaw."""

    def write(_book: Any, page: Any) -> None:
        page.write_row(1, 0, [1, "01", "甲楼"])
        page.write_formula(1, 3, '=A1&"x"', None, "#N/A" if flaw == "error" else 77)

    content = made(write)
    return content if flaw == "error" else changed(content, b"<v>77</v>", b"")


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("written", PLACED)
def test_s4_a_cell_without_a_value_is_found_however_it_is_written(flaw: str, written: str) -> None:
    shown, message = FLAWS[flaw]
    ((row, column, value, text),) = found(parse(changed(sheet_with(flaw), PLAIN, PLACED[written])))
    assert (row, column, value) == (2, "类型", shown)
    assert message in text


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("written", UNPLACED)
def test_s4_a_cell_that_cannot_be_placed_is_no_empty_cell(flaw: str, written: str) -> None:
    with pytest.raises(UploadRefused, match="不能确定在哪个单元格"):
        parse(changed(sheet_with(flaw), PLAIN, UNPLACED[written]))


@pytest.mark.parametrize("end", [b"</sheetData >", b"</sheetData\n>", b"</sheetData\t>"])
def test_s4_the_last_cell_is_found_however_the_cells_end(end: bytes) -> None:
    ((row, column, value, _text),) = found(
        parse(changed(sheet_with("error"), b"</sheetData>", end))
    )
    assert (row, column, value) == (2, "类型", "#N/A")


def prefixed(part: bytes, prefix: bytes) -> bytes:
    """The same xml, every tag of which has that prefix."""
    part = re.sub(rb"<(/?)(?=[A-Za-z])", rb"<\1%s:" % prefix, part)
    return part.replace(b' xmlns="', b' xmlns:%s="' % prefix, 1)


def under(prefix: bytes) -> bytes:
    """A workbook with an error, whose sheet is written so."""
    return repacked(
        lambda name, part: prefixed(part, prefix) if "worksheets/" in name else part,
        sheet_with("error"),
    )


@pytest.mark.parametrize("prefix", [b"x", b"x-y", b"x.y", "数".encode()])
def test_s4_a_cell_without_a_value_is_found_under_every_prefix(prefix: bytes) -> None:
    ((row, column, value, _text),) = found(parse(under(prefix)))
    assert (row, column, value) == (2, "类型", "#N/A")
    with pytest.raises(UploadRefused, match="不能确定在哪个单元格"):
        parse(under(prefix * 101))


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"<sheetData>", b'<sheetData a="%s">' % (b"y" * 2100), "不能确定在哪个单元格"),
        (b"sheetData", b"%s:sheetData" % (b"x" * 101), "不能确定在哪个单元格"),
        (b"<sheetData>", b'<sheetData a="/>">', "损坏"),
        (b'<row r="1"', b'<row a="</sheetData>" r="1"', "损坏"),
        (b"</row></sheetData>", b'</row><f t="e"/></sheetData>', "不能确定在哪个单元格"),
        (PLAIN, b'<f/><c r="D2"', "不能确定在哪个单元格"),
    ],
)
def test_s4_cells_whose_begin_or_end_is_unusual_are_no_empty_cells(
    old: bytes, new: bytes, reason: str
) -> None:
    with pytest.raises(UploadRefused, match=reason):
        parse(changed(sheet_with("error"), old, new))


@pytest.mark.parametrize("prefix", [b"", b"x-y:"])
def test_s4_a_cell_is_found_wherever_the_sheet_is_cut_into_pieces(prefix: bytes) -> None:
    xml = (
        b'<x><sheetData><row r="1"><c r="A1"><f>":c "</f><v>1</v></c><c r="B1" t="e">'
        b'<v>#N/A</v></c></row></sheetData><ext><f t="e"/></ext></x>'
    )
    xml = prefixed(xml, prefix[:-1]) if prefix else xml
    for at in range(len(xml) + 1):
        marks = Marks()
        scan = SheetScan(marks, 100)
        for piece in (xml[:at], xml[at:]):
            scan.feed(piece)
        scan.close()
        assert marks.bad == {0: {1: BadCell(Flaw.ERROR, "#N/A")}}, at
    unended, marks = xml[: xml.index(b"</%ssheetData" % prefix)], Marks()
    scan = SheetScan(marks, 100)
    scan.feed(unended)
    scan.close()
    assert marks.bad == {0: {1: BadCell(Flaw.ERROR, "#N/A")}}


def test_s4_the_part_of_the_sheet_is_looked_through_whatever_its_name_is() -> None:
    def renamed(change: Callable[[bytes], bytes]) -> bytes:
        old, new = b"worksheets/sheet1.xml", b"worksheets/sheet1.dat"
        content = repacked(
            lambda name, part: change(part) if "worksheets/" in name else part.replace(old, new),
            sheet_with("error"),
        )
        return content.replace(old, new)

    ((_row, column, value, _text),) = found(parse(renamed(lambda part: part)))
    assert (column, value) == ("类型", "#N/A")
    with pytest.raises(UploadRefused, match="DOCTYPE"):
        parse(renamed(lambda part: part.replace(b"?>", b"?><!DOCTYPE x>", 1)))
    with pytest.raises(UploadRefused, match="范围过大"):
        parse(renamed(lambda part: part.replace(PLAIN, b'<c r="XFD2"')))


def test_s4_two_wanted_sheets_in_one_part_are_refused() -> None:
    """The part would be looked through for one of them, and be read for both."""
    content = workbook([[1, "01", "甲楼"]], others={"导出时的值": [["号"]]})
    one, other = (b"worksheets/sheet%d.xml" % number for number in (1, 2))
    both = repacked(
        lambda name, part: part.replace(other, one) if name.endswith(".rels") else part, content
    )
    assert len(look_through(content, ["考场", "导出时的值"], 1000)) == 2
    with pytest.raises(UploadRefused, match="损坏"):
        look_through(both, ["考场", "导出时的值"], 1000)
    assert len(look_through(both, ["考场"], 1000)) == 1


def test_s4_two_sheets_of_one_name_are_refused() -> None:
    """One would be looked through and the other read."""

    def write(book: Any, page: Any) -> None:
        page.write_row(1, 0, [1, "01", "甲楼"])
        book.add_worksheet("考场 ")

    with pytest.raises(UploadRefused, match="有几个名为“考场”的工作表"):
        parse(made(write))
    old = legacy_workbook([Page("考场", [HEADINGS]), Page(" 考场", [HEADINGS])])
    with pytest.raises(UploadRefused, match="有几个名为“考场”的工作表"):
        parse(old, ".xls")


def test_s4_a_list_of_sheets_that_is_read_in_two_ways_is_refused() -> None:
    """The parser takes the name of a part by its letters."""
    other = "xl__worksheets__sheet&#49;.xml"
    with zipfile.ZipFile(io.BytesIO(sheet_with("error"))) as book:
        extra = {other: book.read("xl/worksheets/sheet1.xml")}
    content = repacked(lambda _name, part: part.replace(b"sheet1.xml", b"sheet&#49;.xml"), **extra)
    with pytest.raises(UploadRefused, match="损坏"):
        parse(content)


def test_s4_a_computed_formula_needs_no_place() -> None:
    def write(_book: Any, page: Any) -> None:
        page.write_row(1, 0, [1, "01"])
        page.write_formula(1, 2, '="甲楼"', None, "甲楼")

    content = changed(changed(made(write), b' r="C2"', b""), b' r="B2"', b"")
    assert found(parse(changed(content, b' r="A2"', b""))) == []


def test_s4_formulas_of_rules_behind_the_cells_are_none_of_the_last_cell() -> None:
    """Excel writes lists of another sheet so; the last cell is coloured and empty."""

    def write(book: Any, page: Any) -> None:
        page.write_row(1, 0, [1, "01", "甲楼"])
        page.write_blank(1, 6, None, book.add_format({"bg_color": "#ffff00"}))

    rule = (
        b'</sheetData><extLst><ext xmlns:xm="urn:x"><xm:f>Sheet2!$A$1</xm:f>'
        b'<c t="e"/></ext></extLst>'
    )
    assert found(parse(changed(made(write), b"</sheetData>", rule))) == []


# ---------------------------------------------------------------- what is gone through cell by cell


def spread(behind: bytes) -> bytes:
    """Rows to CX1900, and something behind them."""
    far = b'<row r="1900"><c r="CX1900"><v>1</v></c></row></sheetData>' + behind
    return changed(workbook([[1, "01", "甲楼"]]), b"</sheetData>", far)


def test_s4_merged_ranges_upon_each_other_are_refused() -> None:
    """Three thousand of them in 16 KB took a hundred seconds; one is within reason."""
    merged = b'<mergeCell ref="A2:CX%d"/>'
    one = b"<mergeCells>" + merged % 1900 + b"</mergeCells>"
    assert len(parse(spread(one), max_rows=2_000).problems) > 100
    several = b"<mergeCells>" + b"".join(merged % (1900 - n) for n in range(3)) + b"</mergeCells>"
    with pytest.raises(UploadRefused, match="超过 200000 处"):
        parse(spread(several), max_rows=2_000)


def test_s4_columns_that_are_hidden_again_and_again_are_refused() -> None:
    columns = b'<col min="1" max="16384" hidden="1"/>'
    content = workbook([[1, "01", "甲楼"]])
    assert parse(changed(content, b"<sheetData>", columns + b"<sheetData>")).notes
    with pytest.raises(UploadRefused, match="损坏"):
        parse(changed(content, b"<sheetData>", columns * 2 + b"<sheetData>"))


# ---------------------------------------------------------------- the sign that no text may have

NUL = "_x0000_"


def test_s4_nul_in_a_wrong_cell_or_heading_is_reported(ground: Ground) -> None:
    """PostgreSQL keeps no text that has it: the job would fail and name nothing."""
    run = submit(ground, workbook([[1, f"a{NUL}b", "甲楼"]]))
    assert (run.state, messages(run)) == ("rejected", [(2, "考场号", "考场号为 01–99")])
    assert run.errors[0]["value"] == "ab"
    run = submit(ground, workbook([[1, "01", "甲楼", "x"]], headings=[*HEADINGS[:3], f"多{NUL}余"]))
    assert (run.state, run.errors[0]["column"]) == ("rejected", "多余")


def test_s4_nul_far_down_in_a_csv_is_reported(ground: Ground) -> None:
    rows = [f"{number},{number:02d},{'甲楼' * 20},,,," for number in range(1, 90)]
    lines = [",".join(HEADINGS), *rows, "90,a\0b,乙楼,,,,"]
    run = submit(ground, "\r\n".join(lines).encode(), "考场.csv")
    assert (run.state, messages(run)) == ("rejected", [(91, "考场号", "考场号为 01–99")])
