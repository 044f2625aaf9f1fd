"""What the parser of workbooks does not tell: cells with an error, formulas that nobody has
computed, hidden rows and columns. They are found while a workbook is looked through before it is
parsed (`package`, `legacy`)."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum

from app.jobs.imports.container import broken_workbook, refuse
from app.metadata.errors import N_

FAR = N_("工作表范围过大，请删除数据以外的空行和空列（整行、整列删除）后重新上传。")
TWINS = N_("工作簿中有几个名为“{sheet}”的工作表，请只保留一个后重新上传。")
#: columns of any sheet of the old format twice over, which no template comes near
_COLUMNS = 512
#: so many cells without a value are told one by one; a sheet with more is none that was filled in
MOST_BAD = 200_000
_MANY_BAD = N_(
    "工作表中的错误值、没有计算结果的公式和合并单元格超过 {limit} 处，请改正后重新上传。"
)

#: an error as text, as it is after “paste values”; a report writes them so, with the formula
ERROR_VALUE = re.compile(r"#(?:N/A|REF!|VALUE!|DIV/0!|NAME\?|NUM!|NULL!)(?: =.*)?", re.DOTALL)


class Flaw(StrEnum):
    """Why a cell has no value that could be read."""

    ERROR = "error"
    UNCOMPUTED = "uncomputed"
    BLANK = "blank"
    MERGED = "merged"


FLAWS = {
    Flaw.ERROR: N_("单元格是错误值，请改正公式或直接填写内容"),
    Flaw.UNCOMPUTED: N_("公式没有计算结果，请用 Excel 或 WPS 打开并保存一次，或直接填写内容"),
    Flaw.BLANK: N_(
        "公式的结果为空，.xls 文件不能说明它是否计算过，请直接填写内容，或另存为 .xlsx 后重新上传"
    ),
    Flaw.MERGED: N_("单元格已合并，请取消合并后逐格填写"),
}


@dataclass(frozen=True, slots=True)
class BadCell:
    """A cell without a value: what is wrong with it, and what the reader of the sheet sees."""

    flaw: Flaw
    shown: str


@dataclass(slots=True)
class Marks:
    """Of one sheet. Rows and columns count from 0; `bad` has the cells of a row by column."""

    bad: dict[int, dict[int, BadCell]] = field(default_factory=dict)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: set[int] = field(default_factory=set)
    #: how many cells are in `bad`; equal ones are held once
    _count: int = 0
    #: cells of merged ranges and hidden columns that were gone through; no two of them overlap
    _merged: int = 0
    _hidden: int = 0
    _errors: dict[BadCell, BadCell] = field(default_factory=dict)

    def note(self, row: int, column: int, cell: BadCell) -> None:
        """Take note of a bad cell; the first word about it stands. Raises UploadRefused when there
        are too many: each is remembered until the sheet is parsed."""
        cells = self.bad.setdefault(row, {})
        if column in cells:
            return
        if self._count >= MOST_BAD:
            raise refuse(_MANY_BAD, limit=MOST_BAD)
        self._count += 1
        if cell.flaw is not Flaw.UNCOMPUTED:  # formulas are all different
            cell = self._errors.setdefault(cell, cell)
        cells[column] = cell

    def merge(self, rows: range, columns: range) -> None:
        """Take note of a merged range: only its first cell has a value, people see it in all.
        Raises UploadRefused for too many cells, also where ranges lie upon each other: thousands
        of these fit in a small file, and each would be gone through."""
        self._merged += max(len(rows) * len(columns) - 1, 0)
        if self._merged > MOST_BAD:
            raise refuse(_MANY_BAD, limit=MOST_BAD)
        cell = BadCell(Flaw.MERGED, "")
        for row in rows:
            for column in columns:
                if (row, column) != (rows.start, columns.start):
                    self.note(row, column, cell)

    def hide(self, first: int, last: int) -> None:
        """Take note of hidden columns. Raises UploadRefused for ranges upon each other, as of
        merged ones."""
        span = range(first, min(last + 1, _COLUMNS))
        self._hidden += len(span)
        if self._hidden > _COLUMNS:
            raise broken_workbook()
        self.hidden_columns.update(span)


def column_index(letters: str) -> int:
    """0 for “A”, 26 for “AA”."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1
