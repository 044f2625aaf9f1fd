"""The template workbook of an import: data sheet with drop-downs, sample sheet, code sheets."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.worksheet import Worksheet

from app.metadata.declarations import Import
from app.metadata.errors import N_
from app.metadata.fields import Field, Kind

_HINT_ROW, _HELP_ROW, _HEADING_ROW, _FIRST_ROW = 1, 2, 3, 4
_YES_OR_NO = '"是,否"'
_RED = Font(color="C00000")
_HEAD = Font(bold=True)
_FILL = PatternFill("solid", fgColor="EAF1FB")
_HINT = N_(
    "带 * 的列必填；不要修改或删除表头；所有单元格为文本格式；代码列可填代码、名称或“代码-名称”。"
)
SAMPLE_SHEET = N_("样例数据表")
CODES = N_("代码表-")
Choices = Mapping[str, Mapping[str, str]]


def template_workbook(declaration: Import, choices: Choices) -> bytes:
    """An xlsx workbook. Only its first sheet is read when it is uploaded (R20.3).

    `choices` are the living lists by column; they go before those that the column declares.
    """
    book = Workbook()
    data: Worksheet = book.active  # type: ignore[assignment] # a new workbook has a worksheet
    data.title = declaration.sheet
    lists = {column.name: _choices(column, choices) for column in declaration.columns}
    sources = {
        column.name: _code_sheet(book, column, lists[column.name])
        for column in declaration.columns
        if lists[column.name]
    } | {column.name: _YES_OR_NO for column in declaration.columns if column.kind is Kind.BOOLEAN}
    last = declaration.max_rows + _HEADING_ROW
    data.cell(_HINT_ROW, 1, _HINT).font = _RED
    _headings(data, declaration)
    for index, column in enumerate(declaration.columns, start=1):
        letter = get_column_letter(index)
        data.column_dimensions[letter].number_format = "@"
        if column.name in sources:
            rule = DataValidation("list", formula1=sources[column.name], allow_blank=True)
            rule.showErrorMessage = False  # names and codes are accepted as well as the pair
            rule.add(f"{letter}{_FIRST_ROW}:{letter}{last}")
            data.add_data_validation(rule)
    data.freeze_panes = f"A{_FIRST_ROW}"
    _sample(book, declaration)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def _choices(column: Field, choices: Choices) -> Mapping[str, str]:
    if column.kind not in (Kind.CHOICE, Kind.CHOICES, Kind.REFERENCE):
        return {}
    return choices.get(column.name) or column.choices or {}


def _headings(page: Worksheet, declaration: Import) -> None:
    """Two rows: hints in red, then the headings; required ones are red and end with a star."""
    for index, column in enumerate(declaration.columns, start=1):
        cell = page.cell(
            _HEADING_ROW, index, f"{column.label}*" if column.required else column.label
        )
        cell.font = _RED if column.required else _HEAD
        cell.fill = _FILL
        cell.alignment = Alignment(horizontal="center")
        width = column.width or max(12, 2 * len(column.label) + 4)
        page.column_dimensions[get_column_letter(index)].width = width
        if column.help:
            hint = page.cell(_HELP_ROW, index, column.help)
            hint.font = _RED
            hint.alignment = Alignment(wrap_text=True, vertical="top")


def _code_sheet(book: Any, column: Field, choices: Mapping[str, str]) -> str:
    """A sheet of code, name and the pair; returns the range of the pairs."""
    title = f"{CODES}{column.label}"[:31]
    page = book.create_sheet(title)
    for index, label in enumerate((N_("代码"), N_("名称"), N_("代码-名称")), start=1):
        page.cell(1, index, label).font = _HEAD
        page.column_dimensions[get_column_letter(index)].width = 24
        page.column_dimensions[get_column_letter(index)].number_format = "@"
    for row, (code, name) in enumerate(choices.items(), start=2):
        for index, text in enumerate((code, name, f"{code}-{name}"), start=1):
            page.cell(row, index, text).number_format = "@"
    return f"'{title}'!$C$2:$C${len(choices) + 1}"


def _sample(book: Any, declaration: Import) -> None:
    page = book.create_sheet(SAMPLE_SHEET, 1)
    page.cell(_HINT_ROW, 1, N_("样例仅供参考，不会被导入。")).font = _RED
    _headings(page, declaration)
    for row, values in enumerate(declaration.sample, start=_FIRST_ROW):
        for index, column in enumerate(declaration.columns, start=1):
            value = values.get(column.name, "")
            cell = page.cell(row, index, "" if value is None else str(value))
            cell.number_format = "@"
