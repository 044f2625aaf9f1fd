"""From an upload to rows of cells: one sheet of a workbook, or a csv file.

Sheets are read by calamine, which gives the last computed value of formula cells. Everything that
could make it use memory without bound is refused before (`container`, `package`, `legacy`).
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from python_calamine import CalamineSheet, CalamineWorkbook

from app.jobs.imports.container import (
    UploadRefused,
    broken_workbook,
    refuse,
    suffix_of,
    workbook_in_zip,
)
from app.jobs.imports.legacy import look_through_legacy
from app.jobs.imports.marks import TWINS, BadCell, Flaw, Marks
from app.jobs.imports.package import look_through
from app.metadata.errors import N_

#: rows among which the row of headings is looked for (hints may stand above it)
HEADING_ROWS = 10
MAXIMUM_COLUMNS = 200
_CELL_LENGTH = 32_767
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
TOO_MANY_ROWS = N_("数据超过 {limit} 行，请分成几个文件上传。")
_TOO_WIDE = N_("工作表的列数过多，请使用下载的模板填写。")


@dataclass(frozen=True, slots=True)
class Sheet:
    """The data sheet: its name and its rows; row 1 of the file is the first of `rows`, which may
    be gone through several times. Hidden rows and columns count from 0; they are read as others
    are. A cell is text, number, day, moment, time of day, truth, None, or a `BadCell`."""

    name: str
    rows: Iterable[list[Any]]
    hidden_rows: frozenset[int] = frozenset()
    hidden_columns: frozenset[int] = frozenset()


def read_sheet(content: bytes, suffix: str, sheet: str, max_rows: int, max_bytes: int) -> Sheet:
    """The declared sheet of an upload, whole in memory. Raises UploadRefused; nothing else."""
    found = read_rows(content, suffix, sheet, max_rows, max_bytes)
    return Sheet(sheet, list(found.rows), found.hidden_rows, found.hidden_columns)


def read_rows(content: bytes, suffix: str, sheet: str, max_rows: int, max_bytes: int) -> Sheet:
    """The declared sheet of an upload; its rows can be gone through once. Raises UploadRefused
    here, nothing later.

    Other sheets are ignored. A csv file is one sheet, in UTF-8 or GB18030. Jobs and requests read
    in a process of its own (`reader`), for the sake of memory and of whatever a file may do.
    """
    (found,) = read_several(content, suffix, [sheet], max_rows, max_bytes)
    return given(found)


def read_several(
    content: bytes,
    suffix: str,
    sheets: Sequence[str],
    max_rows: int,
    max_bytes: int,
    *,
    path: str | None = None,
) -> list[Sheet | UploadRefused]:
    """Several sheets of a file that is opened once, each as by `read_rows`; in the place of one
    that is not there its refusal. `path` is where the file lies, if it lies anywhere: the parser
    reads it there. Raises UploadRefused for what is wrong with the whole file."""
    if suffix == ".zip":
        content, suffix, _name = workbook_in_zip(content, max_bytes)
        path = None
    if suffix != ".csv":
        return open_workbook(content, suffix, sheets, max_rows, path=path)
    rows = _csv_rows(content)
    while rows and is_empty(rows[-1]):
        rows.pop()
    if len(rows) > max_rows + HEADING_ROWS:
        raise refuse(TOO_MANY_ROWS, limit=max_rows)
    return [Sheet(sheet, rows) for sheet in sheets]


def given(found: Sheet | UploadRefused) -> Sheet:
    """The sheet. Raises its refusal."""
    if isinstance(found, UploadRefused):
        raise found
    return found


def is_empty(row: Iterable[Any]) -> bool:
    """A row without any value; it is skipped."""
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in row)


def open_workbook(
    content: bytes,
    suffix: str,
    sheets: Sequence[str],
    max_rows: int,
    *,
    path: str | None = None,
) -> list[Sheet | UploadRefused]:
    """The sheets of a workbook, or their refusals; rows are made one by one, once. Raises
    UploadRefused."""
    if suffix == ".xls":
        marks = look_through_legacy(content, sheets, max_rows)
    else:
        marks = look_through(content, sheets, max_rows)
    with _guarded():
        # what is no file on disk is copied whole by the parser
        book = CalamineWorkbook.from_object(path or io.BytesIO(content))
    found: list[Sheet | UploadRefused] = []
    for sheet, own in zip(sheets, marks, strict=True):
        try:
            with _guarded():
                data = _parse(book, sheet, max_rows)
                _mark_merged(data, own)
        except UploadRefused as refusal:
            found.append(refusal)
            continue
        rows = _without_end(_rows(data, own, escapes=suffix == ".xlsx"))
        hidden = frozenset(own.hidden_rows), frozenset(own.hidden_columns)
        found.append(Sheet(sheet, rows, *hidden))
    book.close()  # its copy of the file and its table of texts are of no more use
    return found


@contextmanager
def _guarded() -> Iterator[None]:
    """Whatever the parser meets is a refusal."""
    try:
        yield
    except UploadRefused:
        raise
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of the parser is no Exception
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise broken_workbook() from None
        raise


def _parse(book: CalamineWorkbook, sheet: str, max_rows: int) -> CalamineSheet:
    names = [name for name in book.sheet_names if name.strip() == sheet]
    if len(names) > 1:
        raise refuse(TWINS, sheet=sheet)
    if not names:
        found = [name[:31] for name in book.sheet_names[:10]]
        text = N_("没有找到名为“{sheet}”的工作表（文件中有：{found}）。请使用下载的模板填写。")
        raise refuse(text, sheet=sheet, found=found)
    data = book.get_sheet_by_name(names[0])
    last_row, last_column = data.end or (0, 0)
    if last_column >= MAXIMUM_COLUMNS:
        raise refuse(_TOO_WIDE)
    if last_row >= 4 * (max_rows + HEADING_ROWS):
        raise refuse(TOO_MANY_ROWS, limit=max_rows)  # empty rows between are borne, not so many
    return data


def _mark_merged(data: CalamineSheet, marks: Marks) -> None:
    """Merged ranges, as far as there are rows and columns."""
    last_row, last_column = data.end or (0, 0)
    for (top, left), (bottom, right) in data.merged_cell_ranges or ():
        rows = range(top, min(bottom, last_row) + 1)
        marks.merge(rows, range(left, min(right, last_column) + 1))


def _rows(data: CalamineSheet, marks: Marks, *, escapes: bool) -> Iterator[list[Any]]:
    """All rows from the first of the file on; what is empty is None. `escapes`: characters that
    XML cannot hold are written as “_x000D_”."""
    if data.start is None:
        return
    # the parser gives the empty rows above the first cell, but not the empty columns before it
    left = [None] * data.start[1]
    for number, cells in enumerate(data.iter_rows()):
        row = _plain_row([*left, *cells] if left else cells, escapes)
        bad = marks.bad.get(number)
        if bad:
            _put_bad(row, bad)
        yield row


def _without_end(rows: Iterator[list[Any]]) -> Iterator[list[Any]]:
    """The rows without the empty ones behind the last."""
    held: list[list[Any]] = []
    for row in rows:
        held.append(row)
        if not is_empty(row):
            yield from held
            held.clear()


def _plain_row(row: list[Any], escapes: bool) -> list[Any]:
    for index, value in enumerate(row):
        if value == "":
            row[index] = None
        elif isinstance(value, str):
            if "_x" in value or "\0" in value:
                row[index] = _unescaped(value) if escapes else value.replace("\0", "")
        elif isinstance(value, dt.timedelta):
            row[index] = str(value)
    return row


def _unescaped(text: str) -> str:
    """“_x000D_” is a sign that xml cannot hold. NUL is none for anybody, and PostgreSQL keeps no
    text that has it, so that a report of it would not be kept."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text).replace("\0", "")


def _put_bad(row: list[Any], bad: Mapping[int, BadCell]) -> None:
    for column, cell in bad.items():
        # an old workbook says 0 of a formula that nobody has computed
        if column < len(row) and (row[column] is None or cell.flaw is Flaw.UNCOMPUTED):
            row[column] = cell


def _csv_rows(content: bytes) -> list[list[Any]]:
    from app.metadata.text import strip_armour  # noqa: PLC0415 - a fifth of the child's start

    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        break
    else:
        raise refuse(N_("文件编码无法识别，请另存为 UTF-8 编码的 .csv 文件后重新上传。"))
    text = text.replace("\0", "")  # as in a cell of a workbook
    csv.field_size_limit(_CELL_LENGTH)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        raise refuse(N_("文件不是正确的 .csv 格式（逗号分隔），请另存后重新上传。")) from None
    if any(len(line) > MAXIMUM_COLUMNS for line in lines):
        raise refuse(_TOO_WIDE)
    return [[strip_armour(cell) or None for cell in line] for line in lines]


__all__ = [
    "HEADING_ROWS",
    "Sheet",
    "given",
    "is_empty",
    "open_workbook",
    "read_rows",
    "read_several",
    "read_sheet",
    "suffix_of",
]
