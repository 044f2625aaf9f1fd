"""Workbooks out: the one function that writes worksheets.

Rows are streamed in constant memory. What people typed is always written as text: never as a
formula, a link or a number that a spreadsheet program would shorten (formula injection, lost
leading zeros and ends of ID numbers).
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any

import xlsxwriter

#: rows of one worksheet beside its heading; more go to a further sheet
MAX_ROWS = 1_048_575
#: a cell holds so many characters
MAX_TEXT = 32_767
#: widths are guessed from so many rows
_SAMPLE = 500
_WIDEST, _NARROWEST = 60, 8
#: characters that XML 1.0 refuses; a workbook with one of them does not open
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SHEET_NAME = re.compile(r"[\[\]:*?/\\]")


@dataclass(frozen=True, slots=True)
class Heading:
    """One column. `numeric` values are written as numbers; `width` is in characters."""

    label: str
    numeric: bool = False
    width: int | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """One worksheet: its name (cut to 31 characters), headings, and rows as they come."""

    name: str
    headings: Sequence[Heading]
    rows: Iterable[Sequence[Any]]


def write_workbook(
    stream: IO[bytes], sheets: Iterable[Sheet], *, progress: Callable[[int], None] | None = None
) -> int:
    """Write the sheets to `stream` (seekable, binary); returns the number of rows.

    `progress(rows so far)` is called every 1,000 rows; an exception of it stops the writing.
    """
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "in_memory": False,
    }
    book = xlsxwriter.Workbook(stream, options)
    writer = _Writer(book, progress)
    try:
        for sheet in sheets:
            writer.write(sheet)
    finally:
        book.close()
    return writer.rows


class _Writer:
    """Writes sheets of one workbook; `rows` counts what was written."""

    def __init__(self, book: Any, progress: Callable[[int], None] | None) -> None:
        self.rows = 0
        self._book = book
        self._progress = progress
        self._bold = book.add_format({"bold": True, "bg_color": "#F5F7FA", "bottom": 1})
        self._text = book.add_format({"num_format": "@"})

    def write(self, sheet: Sheet) -> None:
        """One sheet, continued on a further one when it is full."""
        part, line, page = 1, 0, self._start(sheet, 1)
        widths = [_width(heading.label) + 2 for heading in sheet.headings]
        for row in sheet.rows:
            if line == MAX_ROWS:
                _finish(page, sheet, widths)
                part, line = part + 1, 0
                page = self._start(sheet, part)
            line += 1
            for column, value in enumerate(row):
                self._write_cell(page, (line, column), value, sheet.headings[column].numeric)
                if line <= _SAMPLE and value is not None:
                    widths[column] = max(widths[column], _width(as_text(value)) + 1)
            self.rows += 1
            if self._progress is not None and self.rows % 1_000 == 0:
                self._progress(self.rows)
        _finish(page, sheet, widths)

    def _start(self, sheet: Sheet, part: int) -> Any:
        suffix = f"({part})" if part > 1 else ""
        name = _SHEET_NAME.sub("_", sheet.name)[: 31 - len(suffix)].strip("'") or "Sheet"
        page = self._book.add_worksheet(name + suffix)
        page.freeze_panes(1, 0)
        for column, heading in enumerate(sheet.headings):
            page.write_string(0, column, as_text(heading.label), self._bold)
        return page

    def _write_cell(self, page: Any, place: tuple[int, int], value: Any, numeric: bool) -> None:
        if value is None or value == "":
            return
        if numeric and isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
            page.write_number(*place, value)
        else:
            page.write_string(*place, as_text(value), self._text)


def _finish(page: Any, sheet: Sheet, widths: Sequence[int]) -> None:
    for column, heading in enumerate(sheet.headings):
        guessed = min(max(widths[column], _NARROWEST), _WIDEST)
        page.set_column(column, column, heading.width or guessed)


def as_text(value: Any) -> str:
    """A value as the text of a cell: days and moments in ISO form, lists joined, no character
    that a workbook cannot hold."""
    if isinstance(value, str):
        plain = value
    elif isinstance(value, dt.datetime):
        plain = value.strftime("%Y-%m-%d %H:%M:%S")
    elif isinstance(value, dt.time):
        plain = value.strftime("%H:%M")
    elif isinstance(value, (list, tuple, set, frozenset)):
        plain = "、".join(as_text(item) for item in value)
    else:
        plain = str(value)
    return _FORBIDDEN.sub("", plain)[:MAX_TEXT]


def _width(text: str) -> int:
    """Width in half-width characters: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text[:80])
