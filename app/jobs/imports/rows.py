"""From rows of cells to cleaned rows: headings in any order, every error of every row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice, zip_longest
from operator import itemgetter
from typing import Any

from app.adapters.catalogues import in_every_language
from app.jobs.imports import held
from app.jobs.imports.columns import Column
from app.jobs.imports.container import refuse
from app.jobs.imports.held import ImportRow
from app.jobs.imports.marks import BadCell
from app.jobs.imports.problems import Problem, Problems
from app.jobs.imports.sheets import HEADING_ROWS, TOO_MANY_ROWS, Sheet, is_empty
from app.metadata.declarations import Import
from app.metadata.errors import N_, SEMICOLON, KaowuError, Message
from app.metadata.fields import Field
from app.metadata.text import Bad, cell_text, normalise
from app.metadata.vocabulary import Personal

#: errors that are kept with the job and shown on screen (R38.5); the report has all
SHOWN_ERRORS = 1_000
#: the last column of a report; ignored when the corrected report is uploaded
ERROR_COLUMN = N_("错误信息")
_IGNORED = (ERROR_COLUMN, N_("错误列"))
_VALUE_LENGTH = 60
#: rows that are cleaned together, between two looks at whether the job is to stop; fewer where
#: their texts have more characters than this
_PAGE, _PAGE_LENGTH = 250, 1 << 20


@dataclass(slots=True)
class Parsed:
    """What was read: rows without errors, the errors, where the headings stood, and what the
    uploader should know (hidden rows were read too)."""

    sheet: Sheet
    heading_row: int
    errors: Problems
    rows: list[ImportRow] = field(default_factory=list)
    data_rows: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[Problem]:
        """The errors in the order of the file."""
        return self.errors.sorted()

    @property
    def wrong(self) -> set[int]:
        """Numbers of the rows with errors, also of those whose errors were too many to be kept."""
        return self.errors.wrong


def label_of(text: Any) -> str:
    """A heading as it is compared: without the star, half-width, no blanks."""
    try:
        plain = cell_text(text)
    except Bad:
        return ""
    return normalise(plain).replace(" ", "").strip("*").casefold()


def holds_errors(text: Any) -> bool:
    """Is it the heading of a report's column of errors, in any language? Errors of the headings
    themselves stand behind it in the same cell."""
    label = label_of(text).partition(label_of(SEMICOLON))[0]
    return any(label == label_of(word) for name in _IGNORED for word in in_every_language(name))


def shown_cell(value: Any) -> str:
    """A cell as text, whatever it is: what the reader of the sheet saw. A number that is too long
    keeps its exponent, so that it is refused again where it comes back as text."""
    if isinstance(value, BadCell):
        return value.shown
    try:
        return cell_text(value)
    except Bad:
        return f"{value:.14E}" if isinstance(value, (int, float)) else str(value)


def masked(column: Field, value: Any) -> str:
    """A cell as error lists show it: sensitive values under their mask, long ones cut."""
    text = shown_cell(value)
    if column.mask is not None and column.personal is not Personal.NONE:
        text = column.mask(normalise(text))
    return text if len(text) <= _VALUE_LENGTH else f"{text[:_VALUE_LENGTH]}…"


def as_sentence(message: Any) -> str:
    """What a rule says about a row – text, message, or the error itself – to be kept."""
    if isinstance(message, (KaowuError, Bad)):
        return message.as_message()
    return message if isinstance(message, str) else str(message)


def letters(index: int) -> str:
    """“A” for 0, “AA” for 26: as spreadsheet programs call a column."""
    text = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        text = chr(65 + rest) + text
    return text


def parse_rows(
    declaration: Import,
    sheet: Sheet,
    choices: Mapping[str, Mapping[str, str]],
    max_rows: int,
    progress: Callable[[int, int | None], None],
) -> Parsed:
    """Clean every row and collect all errors; `choices` are the living lists by column.

    Raises UploadRefused when there are more than `max_rows` rows with data.
    """
    source = iter(sheet.rows)
    first = list(islice(source, HEADING_ROWS))
    heading, columns, problems = _headings(declaration, sheet.name, first)
    errors = Problems(sheet.name)
    parsed = Parsed(sheet, heading + 1, errors)
    if problems:
        errors.found += problems
        return parsed
    reader = _Reader(declaration, sheet, columns, choices, errors)
    body = chain(first[heading + 1 :], source)
    for numbers, rows in _pages(body, heading + 2):
        if len(reader.rows) + len(rows) > max_rows:
            raise refuse(TOO_MANY_ROWS, limit=max_rows)
        reader.read(numbers, rows)
        progress(len(reader.rows), None)
    reader.find_duplicates()
    parsed.data_rows = len(reader.rows)
    wrong = errors.wrong
    parsed.rows = [row for row in reader.rows if row.number not in wrong] if wrong else reader.rows
    parsed.notes = reader.notes()
    if not parsed.data_rows:
        errors.say(N_("工作表中没有数据，请填写后重新上传。"))
    return parsed


# ---------------------------------------------------------------- headings


def _headings(
    declaration: Import, sheet: str, rows: Sequence[Sequence[Any]]
) -> tuple[int, dict[int, Field], list[Problem]]:
    """(index of the heading row, {cell index: column}, problems)."""
    wanted = {label_of(column.label): column for column in declaration.columns}
    counts = [sum(label_of(cell) in wanted for cell in row if cell is not None) for row in rows]
    if not any(counts):
        text = N_("没有找到表头。请使用下载的模板，不要删除或修改表头。")
        return 0, {}, [Problem(sheet, 1, "", "", text)]
    heading = counts.index(max(counts))
    columns: dict[int, Field] = {}
    problems = []

    def complain(column: str, text: str, index: int | None = None) -> None:
        place = "" if index is None else letters(index)
        sentence: str = Message(text, letter=place) if place else text
        problems.append(Problem(sheet, heading + 1, column, "", sentence))

    for index, cell in enumerate(rows[heading]):
        label = label_of(cell)
        if not label or (label not in wanted and holds_errors(cell)):
            continue
        shown = shown_cell(cell).strip()[:_VALUE_LENGTH]
        if label not in wanted:
            text = N_("模板中没有这一列（{letter} 列），请删除该列或改正列名。")
            complain(shown, text, index)
        elif wanted[label] in columns.values():
            complain(shown, N_("列名重复（{letter} 列），请只保留一列。"), index)
        else:
            columns[index] = wanted[label]
    for column in declaration.columns:
        # A missing column is not an empty one: that would overwrite what is stored with nothing.
        if column.form and column not in columns.values():
            complain(column.label, N_("缺少这一列，请使用下载的模板。"))
    return heading, columns, problems


# ---------------------------------------------------------------- rows


def _pages(
    body: Iterable[Sequence[Any]], start: int
) -> Iterator[tuple[list[int], list[Sequence[Any]]]]:
    """The rows with data and their numbers in the file, page by page; `start` is the number of
    the first."""
    numbers: list[int] = []
    rows: list[Sequence[Any]] = []
    length = 0
    for number, cells in enumerate(body, start):
        if is_empty(cells):
            continue
        numbers.append(number)
        rows.append(cells)
        for cell in cells:
            if type(cell) is str:
                length += len(cell)
        if len(rows) == _PAGE or length > _PAGE_LENGTH:
            yield numbers, rows
            numbers, rows, length = [], [], 0
    if rows:
        yield numbers, rows


class _Reader:
    """Cleans the rows below the headings."""

    def __init__(
        self,
        declaration: Import,
        sheet: Sheet,
        columns: Mapping[int, Field],
        choices: Mapping[str, Mapping[str, str]],
        errors: Problems,
    ) -> None:
        self._declaration = declaration
        self._sheet = sheet
        self._headed = columns
        places = {column.name: place for place, column in columns.items()}
        read = [column for column in declaration.columns if column.form]
        self._columns = [Column(column, choices.get(column.name)) for column in read]
        self._places = [places[column.name] for column in read]
        self._names = {column.name: index for index, column in enumerate(read)}
        self._hidden = 0
        self._errors = errors
        self._shelf = held.Shelf()
        self.rows: list[ImportRow] = []

    def read(self, numbers: Sequence[int], rows: Sequence[Sequence[Any]]) -> None:
        """Clean a page; errors are collected, not raised."""
        by_place = list(zip_longest(*rows))
        absent = (None,) * len(rows)
        values: list[Sequence[Any]] = []
        uploaded: dict[int, Sequence[Any]] = {}
        wrong: list[tuple[int, Field, Any, str]] = []
        for index, (column, at) in enumerate(zip(self._columns, self._places, strict=True)):
            cells = by_place[at] if at < len(by_place) else absent
            cleaned = column.clean(cells)
            values.append(cleaned.values)
            if cleaned.uploaded is not None:
                uploaded[index] = cleaned.uploaded
            for place, message in cleaned.wrong:
                wrong.append((numbers[place], column.field, cells[place], message))
        for number, field_, cell, message in sorted(wrong, key=itemgetter(0)):
            self._report(number, field_, cell, message)
        by_row = list(zip(*values, strict=True))
        hold = sum(column.held for column in self._columns) <= held.MOST_HELD
        self.rows += self._shelf.rows(numbers, self._names, by_row, uploaded, hold=hold)
        if self._sheet.hidden_rows:
            self._hidden += sum(number - 1 in self._sheet.hidden_rows for number in numbers)

    def notes(self) -> list[str]:
        """Hidden rows and columns are data as others are; whoever hid them should know."""
        found: list[str] = []
        if self._hidden:
            text = N_("有 {count} 行是隐藏行，已与其他行一样读取。")
            found.append(Message(text, count=self._hidden))
        hidden = [
            column.label
            for place, column in self._headed.items()
            if place in self._sheet.hidden_columns and column.form
        ]
        if hidden:
            text = N_("隐藏的列也已读取：{columns}。")
            found.append(Message(text, columns=hidden))
        return found

    def find_duplicates(self) -> None:
        """Values that may stand in the file once: every row that has one of them is wrong."""
        for column in self._declaration.columns:
            if column.name not in self._declaration.unique:
                continue
            given = [value for row in self.rows if (value := row[column.name]) is not None]
            if len(set(given)) == len(given):
                continue
            found: dict[Any, list[int]] = {}
            for row in self.rows:
                value = row[column.name]
                if value is not None:
                    found.setdefault(value, []).append(row.number)
            for row in self.rows:  # in their order: rows that were put away come back by page
                numbers = found.get(row[column.name], ())
                if len(numbers) > 1:
                    self._report_duplicate(column, row, numbers)

    def _report_duplicate(self, column: Field, row: ImportRow, numbers: Iterable[int]) -> None:
        others = [str(number) for number in islice(numbers, 6) if number != row.number][:5]
        text = Message(N_("与第 {rows} 行重复"), rows=others)
        self._report(row.number, column, row.cell(column.name), text)

    def _report(self, number: int, column: Field, cell: Any, message: str) -> None:
        self._errors.add(number, column.label, masked(column, cell), message)
