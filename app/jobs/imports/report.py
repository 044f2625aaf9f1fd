"""The report of an import: the rows as they were uploaded with their errors beside them, and the
full list of errors. The first page shows at most 1,000 of them (R38.5); here are all."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Iterable
from typing import Any

import xlsxwriter

from app.jobs.imports.rows import Parsed, Problem
from app.metadata.errors import N_
from app.metadata.text import Bad, cell_text

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_ERRORS = N_("错误信息")
_LIST = N_("错误清单")
_LIST_HEADINGS = (N_("工作表"), N_("错误行号"), N_("列名"), N_("单元格内容"), N_("错误信息"))
#: what a sheet of the format holds
_MAXIMUM_ROWS = 1_048_575


def write_report(parsed: Parsed | None, problems: list[Problem]) -> bytes:
    """An xlsx workbook. `parsed` is None where the file could not be read at all.

    All cells are text: nothing is computed when the report is opened, whatever was uploaded.
    """
    target = io.BytesIO()
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    with xlsxwriter.Workbook(target, options) as book:
        if parsed is not None:
            _write_rows(book, parsed, problems)
        _write_list(book, problems)
    return target.getvalue()


def _write_rows(book: Any, parsed: Parsed, problems: list[Problem]) -> None:
    by_row: dict[int, list[str]] = {}
    for problem in problems:
        if problem.row is not None:
            text = f"{problem.column}：{problem.message}" if problem.column else problem.message
            by_row.setdefault(problem.row, []).append(text)
    page = book.add_worksheet(_title(parsed.sheet.name, "数据"))
    head, bad = book.add_format({"bold": True}), book.add_format({"font_color": "#c00000"})
    text_format = book.add_format({"num_format": "@"})
    width = max((len(row) for row in parsed.sheet.rows), default=0)
    page.set_column(0, max(width - 1, 0), 16, text_format)
    page.set_column(width, width, 60)
    heading = parsed.heading_row - 1
    for index, cells in enumerate(parsed.sheet.rows[:_MAXIMUM_ROWS]):
        style = head if index == heading else text_format
        for column, cell in enumerate(cells):
            if cell is not None:
                page.write_string(index, column, _text(cell), style)
        found = by_row.get(index + 1, [])
        if index == heading:
            found = [_ERRORS, *found]
        if found:
            page.write_string(index, width, _cut("；".join(found)), bad)


def _write_list(book: Any, problems: Iterable[Problem]) -> None:
    page = book.add_worksheet(_LIST)
    page.set_column(0, 3, 18)
    page.set_column(4, 4, 60)
    page.freeze_panes(1, 0)
    head = book.add_format({"bold": True})
    for column, label in enumerate(_LIST_HEADINGS):
        page.write_string(0, column, label, head)
    for index, problem in enumerate(problems, start=1):
        if index > _MAXIMUM_ROWS:
            return
        page.write_string(index, 0, problem.sheet)
        if problem.row is not None:
            page.write_number(index, 1, problem.row)
        page.write_string(index, 2, problem.column)
        page.write_string(index, 3, problem.value)
        page.write_string(index, 4, _cut(problem.message))


def _text(cell: Any) -> str:
    """The cell as text; a number too long to be one stays as Excel showed it."""
    try:
        return _cut(cell_text(cell))
    except Bad:
        return _cut(str(cell))


def _cut(text: str) -> str:
    return text[:32_000]


def _title(name: str, default: str) -> str:
    """A legal name of a sheet, different from that of the list."""
    plain = "".join(sign for sign in name if sign not in "[]:*?/\\")[:31].strip("'") or default
    return default if plain.casefold() == _LIST.casefold() else plain


def report_name(label: str, moment: dt.datetime) -> str:
    """“集体报名信息导入报告20260828-1620.xlsx”."""
    return f"{label}报告{moment:%Y%m%d-%H%M}.xlsx"
