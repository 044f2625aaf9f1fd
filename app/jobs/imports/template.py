"""The template workbook of an import: data sheet with drop-downs, sample sheet, code sheets."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import Any

import xlsxwriter

from app.adapters.sheets import as_text
from app.metadata.declarations import Import
from app.metadata.errors import N_
from app.metadata.fields import Field, Kind

#: rows of the data sheet, counted from 0: hints, headings, and below them data
_HINT_ROW, _HELP_ROW, _HEADING_ROW, _FIRST_ROW = 0, 1, 2, 3
_YES_OR_NO = ["是", "否"]
_HINT = N_(
    "带 * 的列必填；不要修改或删除表头；所有单元格为文本格式；代码列可填代码、名称或“代码-名称”。"
)
SAMPLE_SHEET = N_("样例数据表")
CODES = N_("代码表-")
_SHEET_NAME = re.compile(r"[\[\]:*?/\\']")
_OPTIONS = {
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
#: what may be done on the protected sheet: the headings stay, everything else is the user's
_ALLOWED = {
    "format_cells": True,
    "format_columns": True,
    "format_rows": True,
    "insert_rows": True,
    "delete_rows": True,
    "sort": True,
    "autofilter": True,
}
#: what a note beside a cell holds
_TITLE_LENGTH, _NOTE_LENGTH = 32, 255
Choices = Mapping[str, Mapping[str, str]]


def template_workbook(declaration: Import, choices: Choices, max_rows: int | None = None) -> bytes:
    """An xlsx workbook. Only its first sheet is read when it is uploaded (R20.3).

    `choices` are the living lists by column; they go before those that the column declares.
    Drop-downs reach down to `max_rows` rows of data.
    """
    target = io.BytesIO()
    with xlsxwriter.Workbook(target, _OPTIONS) as book:
        _Template(book, declaration, choices, max_rows or declaration.max_rows).write()
    return target.getvalue()


class _Template:
    """Writes one template."""

    def __init__(self, book: Any, declaration: Import, choices: Choices, max_rows: int) -> None:
        self._book = book
        self._declaration = declaration
        self._choices = choices
        self._last = _FIRST_ROW + max_rows - 1
        head = {"bold": True, "bg_color": "#EAF1FB", "align": "center", "num_format": "@"}
        red = {"font_color": "#C00000"}
        self._head = book.add_format(head)
        self._required = book.add_format(head | red)
        self._hint = book.add_format(red)
        self._help = book.add_format(red | {"text_wrap": True, "valign": "top"})
        self._text = book.add_format({"num_format": "@", "locked": False})
        #: one sheet for columns of equal lists: {(pairs): range of the drop-down}
        self._lists: dict[tuple[tuple[str, str], ...], str] = {}

    def write(self) -> None:
        """All sheets; the data sheet comes first."""
        data = self._book.add_worksheet(self._declaration.sheet)
        sample = self._book.add_worksheet(SAMPLE_SHEET)
        self._headings(data, _HINT)
        data.protect("", _ALLOWED)
        for index, column in enumerate(self._declaration.columns):
            self._validate(data, index, column)
        self._headings(sample, N_("样例仅供参考，不会被导入。"))
        for row, values in enumerate(self._declaration.sample, start=_FIRST_ROW):
            for index, column in enumerate(self._declaration.columns):
                value = values.get(column.name)
                if value not in (None, ""):
                    sample.write_string(row, index, as_text(value), self._text)

    def _headings(self, page: Any, hint: str) -> None:
        """The hints in red, then the headings; required ones are red and end with a star."""
        page.write_string(_HINT_ROW, 0, hint, self._hint)
        for index, column in enumerate(self._declaration.columns):
            width = column.width or max(12, 2 * len(column.label) + 4)
            page.set_column(index, index, width, self._text)
            star, style = ("*", self._required) if column.required else ("", self._head)
            page.write_string(_HEADING_ROW, index, f"{column.label}{star}", style)
            if column.help:
                page.write_string(_HELP_ROW, index, column.help, self._help)
        if any(column.help for column in self._declaration.columns):
            page.set_row(_HELP_ROW, 48)
        page.freeze_panes(_FIRST_ROW, 0)

    def _validate(self, page: Any, index: int, column: Field) -> None:
        """The drop-down and the note of a column's cells. What is typed is not refused here:
        names and codes are as good as the pair."""
        rule: dict[str, Any] = {"validate": "any"}
        known = self._known(column)
        if column.kind is Kind.BOOLEAN:
            rule = {"validate": "list", "source": _YES_OR_NO}
        elif known:
            rule = {"validate": "list", "source": self._list(column, known)}
        if column.help:
            rule["input_title"] = column.label[:_TITLE_LENGTH]
            rule["input_message"] = column.help[:_NOTE_LENGTH]
        if rule["validate"] != "any" or column.help:
            rule |= {"ignore_blank": True, "show_error": False}
            page.data_validation(_FIRST_ROW, index, self._last, index, rule)

    def _known(self, column: Field) -> Mapping[str, str]:
        if column.kind not in (Kind.CHOICE, Kind.CHOICES, Kind.REFERENCE):
            return {}
        return self._choices.get(column.name) or column.choices or {}

    def _list(self, column: Field, known: Mapping[str, str]) -> str:
        """The range of the pairs on a sheet of code, name and pair."""
        key = tuple(known.items())
        if key in self._lists:
            return self._lists[key]
        title = _SHEET_NAME.sub("_", f"{CODES}{column.label}")[:31]
        page = self._book.add_worksheet(title)
        page.set_column(0, 2, 24, self._text)
        for index, label in enumerate((N_("代码"), N_("名称"), N_("代码-名称"))):
            page.write_string(0, index, label, self._head)
        for row, (code, name) in enumerate(key, start=1):
            for index, text in enumerate((code, name, f"{code}-{name}")):
                page.write_string(row, index, as_text(text), self._text)
        page.freeze_panes(1, 0)
        self._lists[key] = f"='{title}'!$C$2:$C${len(key) + 1}"
        return self._lists[key]
