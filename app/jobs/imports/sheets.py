"""From an upload to rows of cells: one sheet of a workbook, or a csv file.

Sheets are read by calamine, which gives the last computed value of formula cells. Everything that
could make it use memory without bound is refused before (`container`).
"""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from python_calamine import CalamineWorkbook

from app.jobs.imports.container import (
    UploadRefused,
    check_workbook,
    refuse,
    suffix_of,
    workbook_in_zip,
)
from app.metadata.errors import N_
from app.metadata.text import strip_armour

#: rows among which the row of headings is looked for (hints may stand above it)
HEADING_ROWS = 10
MAXIMUM_COLUMNS = 200
_CELL_LENGTH = 32_767


@dataclass(frozen=True, slots=True)
class Sheet:
    """The data sheet: its name and its rows; row 1 of the file is `rows[0]`."""

    name: str
    rows: list[list[Any]]


def read_sheet(content: bytes, suffix: str, sheet: str, max_rows: int, max_bytes: int) -> Sheet:
    """The declared sheet of an upload. Raises UploadRefused; nothing else.

    Other sheets are ignored. A csv file is one sheet, in UTF-8 or GB18030.
    """
    if suffix == ".zip":
        content, suffix, _name = workbook_in_zip(content, max_bytes)
    rows = (
        _csv_rows(content) if suffix == ".csv" else _workbook_rows(content, suffix, sheet, max_rows)
    )
    while rows and is_empty(rows[-1]):
        rows.pop()
    if len(rows) > max_rows + HEADING_ROWS:
        raise refuse(N_("数据超过 {limit} 行，请分成几个文件上传。").format(limit=max_rows))
    return Sheet(sheet, rows)


def is_empty(row: Iterable[Any]) -> bool:
    """A row without any value; it is skipped."""
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in row)


def _workbook_rows(content: bytes, suffix: str, sheet: str, max_rows: int) -> list[list[Any]]:
    check_workbook(content, suffix, max_rows)
    try:
        return _parse(content, sheet)
    except UploadRefused:
        raise
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a panic of the parser is no Exception
        if isinstance(error, Exception) or type(error).__name__ == "PanicException":
            raise refuse(
                N_("工作簿已损坏，不能读取。请用 Excel 或 WPS 另存为 .xlsx 后重新上传。")
            ) from None
        raise


def _parse(content: bytes, sheet: str) -> list[list[Any]]:
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    by_name = {name.strip(): name for name in book.sheet_names}
    if sheet not in by_name:
        found = "、".join(name[:31] for name in book.sheet_names[:10])
        raise refuse(
            N_("没有找到名为“{sheet}”的工作表（文件中有：{found}）。请使用下载的模板填写。").format(
                sheet=sheet, found=found
            )
        )
    data = book.get_sheet_by_name(by_name[sheet])
    if data.total_width > MAXIMUM_COLUMNS:
        raise refuse(N_("工作表的列数过多，请使用下载的模板填写。"))
    rows: list[list[Any]] = data.to_python(skip_empty_area=False)
    for row in rows:  # in place: a second copy of a large sheet would be felt
        for index, value in enumerate(row):
            if value == "":
                row[index] = None
            elif isinstance(value, dt.timedelta):
                row[index] = str(value)
    return rows


def _csv_rows(content: bytes) -> list[list[Any]]:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        break
    else:
        raise refuse(N_("文件编码无法识别，请另存为 UTF-8 编码的 .csv 文件后重新上传。"))
    csv.field_size_limit(_CELL_LENGTH)
    try:
        lines = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        raise refuse(N_("文件不是正确的 .csv 格式（逗号分隔），请另存后重新上传。")) from None
    if any(len(line) > MAXIMUM_COLUMNS for line in lines):
        raise refuse(N_("工作表的列数过多，请使用下载的模板填写。"))
    return [[strip_armour(cell) or None for cell in line] for line in lines]


__all__ = ["HEADING_ROWS", "Sheet", "is_empty", "read_sheet", "suffix_of"]
