"""Cells without a value are found however a program writes them, or the file is refused: they
would else be read as empty cells, and with 覆盖 overwrite what is stored. No database but below."""

from __future__ import annotations

from typing import Any

import pytest

from app.jobs.imports.container import UploadRefused
from tests.jobs.conftest import Ground
from tests.jobs.import_tools import messages, submit
from tests.jobs.support import HEADINGS, workbook
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
