"""Workbooks out: the one function that writes worksheets.

Rows are streamed in constant memory. What people typed is always written as text: never as a
formula, a link or a number that a spreadsheet program would shorten (formula injection, lost
leading zeros and ends of ID numbers).
"""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import chain, islice
from typing import IO, Any

from app.adapters.worksheet_xml import (
    HEADING_STYLE,
    WORKSHEET_END,
    column_names,
    harmless,
    number_cell,
    text_cell,
    workbook_parts,
    worksheet_start,
)

#: rows of one worksheet beside its heading; more go to a further sheet
MAX_ROWS = 1_048_575
#: characters of one worksheet. Beyond 2 GiB an archive needs headers of 64 bits, which not every
#: spreadsheet program reads; three bytes a character stay below that
MAX_CHARACTERS = 600_000_000
#: widths are guessed from so many rows
_SAMPLE = 500
_WIDEST, _NARROWEST = 60, 8
#: rows are handed to the compressor so many at a time
_TOGETHER = 200
#: the quickest level makes a list a quarter larger than the thorough one, in a third of its time
_LEVEL = 1
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
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL) as archive:
        writer = _Writer(archive, progress)
        for sheet in sheets:
            writer.write(sheet)
        for path, xml in workbook_parts(writer.names).items():
            archive.writestr(path, xml)
    return writer.rows


@dataclass(slots=True)
class _Writer:
    """Writes sheets of one workbook; `rows` counts what was written."""

    archive: zipfile.ZipFile
    progress: Callable[[int], None] | None
    rows: int = 0
    names: list[str] = field(default_factory=list)

    def write(self, sheet: Sheet) -> None:
        """One sheet, continued on a further one when it is full."""
        rows = iter(sheet.rows)
        sample = list(islice(rows, _SAMPLE))
        start = worksheet_start(_widths(sheet, sample))
        rest = chain(sample, rows)
        self._write_part(sheet, 1, start, rest)
        for part, first in enumerate(rest, 2):  # the sheet is full, and there is more
            self._write_part(sheet, part, start, chain([first], rest))

    def _write_part(
        self, sheet: Sheet, part: int, start: str, rows: Iterator[Sequence[Any]]
    ) -> None:
        """As many rows as a worksheet holds; the others stay in `rows`."""
        path = f"xl/worksheets/sheet{len(self.names) + 1}.xml"
        self.names.append(self._new_name(sheet, part))
        written = 0
        with self.archive.open(path, "w") as raw:
            raw.write(start.encode())
            lines = self._lines(sheet, islice(rows, MAX_ROWS))
            while written < MAX_CHARACTERS and (text := "".join(islice(lines, _TOGETHER))):
                raw.write(text.encode())
                written += len(text)
            raw.write(WORKSHEET_END.encode())

    def _new_name(self, sheet: Sheet, part: int) -> str:
        suffix = f"({part})" if part > 1 else ""
        plain = _SHEET_NAME.sub("_", harmless(sheet.name))
        name = (plain[: 31 - len(suffix)].strip("'") or "Sheet") + suffix
        if name.casefold() in map(str.casefold, self.names):
            raise ValueError(f"two worksheets are called {name}")  # no program would open it
        return name

    def _lines(self, sheet: Sheet, rows: Iterable[Sequence[Any]]) -> Iterator[str]:
        """The heading, then one element per row."""
        columns = column_names(len(sheet.headings))
        numeric = [heading.numeric for heading in sheet.headings]
        head = (
            text_cell(f"{column}1", as_text(heading.label), HEADING_STYLE)
            for column, heading in zip(columns, sheet.headings, strict=True)
        )
        yield f'<row r="1">{"".join(head)}</row>'
        for line, row in enumerate(rows, 2):
            cells = [
                _cell(f"{columns[n]}{line}", value, numeric[n])
                for n, value in enumerate(row)
                if value is not None and value != ""
            ]
            yield f'<row r="{line}">{"".join(cells)}</row>'
            self.rows += 1
            if self.progress is not None and self.rows % 1_000 == 0:
                self.progress(self.rows)


def _cell(place: str, value: Any, numeric: bool) -> str:
    if numeric and _is_number(value):
        return number_cell(place, value)
    return text_cell(place, as_text(value))


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)):
        return False
    return math.isfinite(value)


def _widths(sheet: Sheet, sample: Sequence[Sequence[Any]]) -> list[int]:
    """Of the columns, in characters: declared, or guessed from the label and the first rows."""
    found = [_width(heading.label) + 2 for heading in sheet.headings]
    for row in sample:
        for column, value in enumerate(row):
            if value is not None:
                found[column] = max(found[column], _width(as_text(value)) + 1)
    return [
        heading.width or min(max(guessed, _NARROWEST), _WIDEST)
        for heading, guessed in zip(sheet.headings, found, strict=True)
    ]


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
    return harmless(plain)


def _width(text: str) -> int:
    """Width in half-width characters: a Chinese character takes two."""
    return sum(2 if unicodedata.east_asian_width(sign) in "WF" else 1 for sign in text[:80])
