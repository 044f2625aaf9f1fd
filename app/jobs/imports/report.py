"""The report of an import: the rows as they were uploaded with their errors behind them, and the
full list of errors. The first page shows at most 1,000 of them (R38.5); here are all.

Mended, the report is uploaded again as it is: the data sheet has its name and its headings, all
cells are text (ID numbers survive), and the column of errors is ignored.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from typing import IO, Any

import xlsxwriter

from app.adapters.sheets import as_text
from app.jobs.imports.marks import BadCell, Flaw
from app.jobs.imports.problems import Problem
from app.jobs.imports.rows import ERROR_COLUMN, Parsed, holds_errors, shown_cell
from app.jobs.imports.sheets import MAXIMUM_COLUMNS
from app.metadata.errors import LABELLED, N_, SEMICOLON, Translate, say

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_LIST = N_("错误清单")
_NAME = N_("{label}报告")
_LIST_HEADINGS = (N_("工作表"), N_("错误行号"), N_("列名"), N_("单元格内容"), N_("错误信息"))
#: what a sheet of the format holds
_MAXIMUM_ROWS = 1_048_575
_OPTIONS = {
    "constant_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
_RED, _PINK = "#C00000", "#FDE2E1"


def write_report(
    target: IO[bytes],
    parsed: Parsed | None,
    problems: Sequence[Problem],
    *,
    only_wrong: bool = False,
    checkpoint: Callable[[], None] = lambda: None,
    translate: Translate = str,
) -> None:
    """Write an xlsx workbook. `parsed` is None where the file could not be read at all; `problems`
    stand in the order of the file.

    What is said goes through `translate`; headings stay those of the file, which is read again.
    `only_wrong` leaves out the rows that were imported (partial imports). All cells are text:
    nothing is computed when the report is opened, whatever was uploaded (N17).
    """
    with xlsxwriter.Workbook(target, _OPTIONS) as book:
        if parsed is not None:
            _Rows(book, parsed, problems, only_wrong, translate).write(checkpoint)
        _write_list(book, problems, translate, checkpoint)


class _Rows:
    """The data sheet of a report."""

    def __init__(
        self,
        book: Any,
        parsed: Parsed,
        problems: Sequence[Problem],
        only_wrong: bool,
        translate: Translate,
    ) -> None:
        self._parsed = parsed
        self._only_wrong = only_wrong
        self._translate = translate
        self._problems = problems
        self._page = book.add_worksheet(_title(parsed.sheet.name, "数据", translate(_LIST)))
        self._head = book.add_format({"bold": True, "bg_color": "#EAF1FB", "num_format": "@"})
        self._plain = book.add_format({"num_format": "@"})
        self._bad = book.add_format({"num_format": "@", "bg_color": _PINK, "font_color": _RED})
        self._error = book.add_format({"font_color": _RED, "text_wrap": True, "valign": "top"})

    def write(self, checkpoint: Callable[[], None]) -> None:
        """All rows up to the last; the errors stand behind the widest."""
        parsed, page = self._parsed, self._page
        width, labels = self._measure()
        page.set_column(0, max(width - 1, 0), 16, self._plain)
        page.set_column(width, width, 60, self._error)
        heading = parsed.heading_row
        if any(problem.row not in (None, heading) for problem in self._problems):
            page.freeze_panes(heading, 0)
        line = 0
        later = iter(self._problems)
        problem = next(later, None)
        for number, cells in enumerate(parsed.sheet.rows, start=1):
            if line > _MAXIMUM_ROWS:
                return
            own = []
            while problem is not None and problem.row == number:
                own.append(problem)
                problem = next(later, None)
            right = not own and number not in parsed.wrong
            if self._only_wrong and number > heading and right:
                continue
            self._write_row(line, number, cells[:width], labels, {one.column for one in own})
            texts = [self._told(one) for one in own]
            if number == heading:
                texts = [self._translate(ERROR_COLUMN), *texts]
            if texts:
                joined = self._translate(SEMICOLON).join(texts)
                page.write_string(line, width, _cut(joined), self._error)
            line += 1
            if not line % 500:
                checkpoint()

    def _told(self, problem: Problem) -> str:
        message = str(say(problem.message, self._translate))
        if not problem.column:
            return message
        return self._translate(LABELLED).format(label=problem.column, message=message)

    def _measure(self) -> tuple[int, list[str]]:
        """Width of the rows, and the heading of each cell; an earlier column of errors goes."""
        width, labels = 0, []
        for number, cells in enumerate(self._parsed.sheet.rows, start=1):
            if number == self._parsed.heading_row:
                labels = [shown_cell(cell).strip().strip("*") for cell in cells[:MAXIMUM_COLUMNS]]
            used = len(cells)
            while used > width and cells[used - 1] is None:
                used -= 1
            width = max(width, min(used, MAXIMUM_COLUMNS))
        if width and len(labels) == width and holds_errors(labels[-1]):
            width -= 1
        return width, labels[:width]

    def _write_row(
        self, line: int, number: int, cells: list[Any], labels: list[str], wrong: set[str]
    ) -> None:
        is_heading = number == self._parsed.heading_row
        for column, cell in enumerate(cells):
            label = labels[column] if column < len(labels) else ""
            bad = label in wrong
            style = self._bad if bad else self._head if is_heading else self._plain
            if cell is not None:
                self._page.write_string(line, column, _cut(_as_uploaded(cell)), style)
            elif bad:
                self._page.write_blank(line, column, None, style)


def _write_list(
    book: Any,
    problems: Iterable[Problem],
    translate: Translate,
    checkpoint: Callable[[], None],
) -> None:
    page = book.add_worksheet(translate(_LIST))
    page.set_column(0, 3, 18)
    page.set_column(4, 4, 60)
    page.freeze_panes(1, 0)
    head = book.add_format({"bold": True})
    for column, label in enumerate(_LIST_HEADINGS):
        page.write_string(0, column, translate(label), head)
    for index, problem in enumerate(problems, start=1):
        if index > _MAXIMUM_ROWS:
            return
        if not index % 500:
            checkpoint()
        page.write_string(index, 0, _cut(problem.sheet))
        if problem.row is not None:
            page.write_number(index, 1, problem.row)
        page.write_string(index, 2, _cut(problem.column))
        page.write_string(index, 3, _cut(problem.value))
        page.write_string(index, 4, _cut(say(problem.message, translate)))


def _as_uploaded(cell: Any) -> str:
    """The cell as text. A formula without a value is none until it is replaced: uploaded as it
    stands, it is an error again."""
    if isinstance(cell, BadCell) and cell.flaw in (Flaw.UNCOMPUTED, Flaw.BLANK):
        return f"#N/A {cell.shown}"
    return shown_cell(cell)


def _cut(text: str) -> str:
    """A text that a cell can hold; XML refuses some characters."""
    return as_text(str(text))[:32_000]


def _title(name: str, default: str, of_list: str) -> str:
    """A legal name of a sheet, different from that of the list."""
    plain = "".join(sign for sign in name if sign not in "[]:*?/\\")[:31].strip("'") or default
    return default if plain.casefold() == of_list.casefold() else plain


def report_name(label: str, moment: dt.datetime, translate: Translate = str) -> str:
    """“集体报名信息导入报告20260828-1620.xlsx”."""
    name = translate(_NAME).format(label=translate(label))
    return f"{name}{moment:%Y%m%d-%H%M}.xlsx"
