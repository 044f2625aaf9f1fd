"""From rows of cells to cleaned rows: headings in any order, every error of every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.jobs.imports.sheets import HEADING_ROWS, Sheet, is_empty
from app.metadata.cleaning import clean
from app.metadata.declarations import Import
from app.metadata.errors import N_
from app.metadata.fields import Field
from app.metadata.text import Bad, cell_text, normalise
from app.metadata.vocabulary import Personal

#: errors that are kept with the job and shown on screen (R38.5); the report has all
SHOWN_ERRORS = 1_000
_VALUE_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One error. `row` counts as the file does, from 1; `value` is masked already."""

    sheet: str
    row: int | None
    column: str
    value: str
    message: str

    def to_json(self) -> dict[str, Any]:
        """As it is stored on the job's row."""
        return {
            "sheet": self.sheet,
            "row": self.row,
            "column": self.column,
            "value": self.value,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class ImportRow:
    """One cleaned row: `row["code"]`. `number` is that of the file; `cells` are as uploaded, and
    `places` says where each column stands among them (shared by all rows)."""

    number: int
    values: Mapping[str, Any]
    cells: Sequence[Any] = ()
    places: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or `default` for a column that the import does not have."""
        return self.values.get(name, default)

    def cell(self, name: str) -> Any:
        """The cell as it was uploaded; None where there is none."""
        index = self.places.get(name, len(self.cells))
        return self.cells[index] if index < len(self.cells) else None


@dataclass(slots=True)
class Parsed:
    """What was read: rows without errors, the errors, and where the headings stood."""

    sheet: Sheet
    heading_row: int
    rows: list[ImportRow] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    data_rows: int = 0


def label_of(text: Any) -> str:
    """A heading as it is compared: without the star, half-width, no blanks."""
    try:
        plain = cell_text(text)
    except Bad:
        return ""
    return normalise(plain).replace(" ", "").strip("*").casefold()


def masked(column: Field, value: Any) -> str:
    """A cell as error lists show it: sensitive values under their mask, long ones cut."""
    try:
        text = cell_text(value)
    except Bad:
        text = str(value)
    if column.mask is not None and column.personal is not Personal.NONE:
        text = column.mask(normalise(text))
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}…"


def parse_rows(
    declaration: Import,
    sheet: Sheet,
    choices: Mapping[str, Mapping[str, str]],
    max_rows: int,
    progress: Callable[[int, int], None],
) -> Parsed:
    """Clean every row and collect all errors; `choices` are the living lists by column."""
    heading, columns, problems = _headings(declaration, sheet)
    parsed = Parsed(sheet, heading + 1, problems=problems)
    if problems:
        return parsed
    reader = _Reader(declaration, sheet.name, columns, choices)
    body = sheet.rows[heading + 1 :]
    for index, cells in enumerate(body):
        if not is_empty(cells):
            reader.read(heading + index + 2, cells)
        if not index % 100:
            progress(index, len(body))
    reader.find_duplicates()
    parsed.data_rows = len(reader.rows)
    parsed.problems = sorted(reader.problems, key=lambda problem: problem.row or 0)
    wrong = {problem.row for problem in parsed.problems}
    parsed.rows = [row for row in reader.rows if row.number not in wrong]
    if not parsed.data_rows:
        parsed.problems.append(_about_sheet(sheet, N_("工作表中没有数据，请填写后重新上传。")))
    if parsed.data_rows > max_rows:
        text = N_("数据超过 {limit} 行，请分成几个文件上传。").format(limit=max_rows)
        parsed.problems.append(_about_sheet(sheet, text))
    return parsed


def _about_sheet(sheet: Sheet, message: str, row: int | None = None, column: str = "") -> Problem:
    return Problem(sheet.name, row, column, "", message)


def _headings(declaration: Import, sheet: Sheet) -> tuple[int, dict[int, Field], list[Problem]]:
    """(index of the heading row, {cell index: column}, problems)."""
    wanted = {label_of(column.label): column for column in declaration.columns}
    counts = [
        sum(label_of(cell) in wanted for cell in row if cell is not None)
        for row in sheet.rows[:HEADING_ROWS]
    ]
    if not any(counts):
        text = N_("没有找到表头。请使用下载的模板，不要删除或修改表头。")
        return 0, {}, [_about_sheet(sheet, text, 1)]
    heading = counts.index(max(counts))
    columns: dict[int, Field] = {}
    problems = []
    for index, cell in enumerate(sheet.rows[heading]):
        label = label_of(cell)
        if not label:
            continue
        if label in wanted and wanted[label] not in columns.values():
            columns[index] = wanted[label]
            continue
        known = label in wanted
        text = (
            N_("列名重复，请只保留一列。")
            if known
            else N_("模板中没有这一列，请删除该列或改正列名。")
        )
        shown = str(cell).strip()[:_VALUE_LENGTH]
        problems.append(_about_sheet(sheet, text, heading + 1, shown))
    for column in declaration.columns:
        # A missing column is not an empty one: that would overwrite what is stored with nothing.
        if column.form and column not in columns.values():
            text = N_("缺少这一列，请使用下载的模板。")
            problems.append(_about_sheet(sheet, text, heading + 1, column.label))
    return heading, columns, problems


class _Reader:
    """Cleans the rows below the headings."""

    def __init__(
        self,
        declaration: Import,
        sheet: str,
        columns: Mapping[int, Field],
        choices: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._declaration = declaration
        self._sheet = sheet
        self._places = {column.name: index for index, column in columns.items()}
        self._choices = choices
        self.rows: list[ImportRow] = []
        self.problems: list[Problem] = []

    def read(self, number: int, cells: Sequence[Any]) -> None:
        """Clean one row; errors are collected, not raised."""
        values: dict[str, Any] = {}
        row = ImportRow(number, values, cells, self._places)
        for column in self._declaration.columns:
            if not column.form:
                continue  # a number of the row and the like: not imported
            cell = row.cell(column.name)
            try:
                value = clean(column, _plain(cell), self._choices.get(column.name))
            except Bad as error:
                value = None
                self._report(number, column, cell, str(error))
            if value is None:
                value = column.default
            # most texts are clean already: keep one copy of them
            values[column.name] = cell if value == cell and type(value) is type(cell) else value
        self.rows.append(row)

    def find_duplicates(self) -> None:
        """Values that may stand in the file once: every row that has one of them is wrong."""
        for column in self._declaration.columns:
            if column.name not in self._declaration.unique:
                continue
            found: dict[Any, list[ImportRow]] = {}
            for row in self.rows:
                if row.values[column.name] is not None:
                    found.setdefault(row.values[column.name], []).append(row)
            for rows in found.values():
                for row in rows if len(rows) > 1 else ():
                    others = [str(other.number) for other in rows if other is not row][:5]
                    text = N_("与第 {rows} 行重复").format(rows="、".join(others))
                    self._report(row.number, column, row.cell(column.name), text)

    def _report(self, number: int, column: Field, cell: Any, message: str) -> None:
        shown = masked(column, cell)
        self.problems.append(Problem(self._sheet, number, column.label, shown, message))


def _plain(cell: Any) -> Any:
    """Numbers as the text that people see: 14.0 is “14”, and one of more than 15 digits is
    refused, because Excel has lost its end. Days, moments and times of day stay."""
    return cell_text(cell) if isinstance(cell, (int, float)) else cell
