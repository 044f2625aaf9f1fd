"""Grids as workbooks: written with what was stored beside what may be changed, and read back.

The first sheet is for people; the second keeps the values of the moment of the export, so that
only cells that were changed in the file count as typed, and a cell that somebody else changed
meanwhile is noticed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import IO, Any

from app.adapters.sheets import Heading, Sheet, write_workbook
from app.jobs.imports.container import UploadRefused, check_upload, refuse, require_unpacked
from app.jobs.imports.reader import Bounds, read_several_apart
from app.jobs.imports.sheets import TOO_MANY_ROWS, given, is_empty
from app.metadata.declarations import Grid, GridColumn
from app.metadata.errors import N_, Message, say
from app.metadata.fields import Kind
from app.metadata.presenting import Translate
from app.metadata.text import Bad, cell_text, normalise
from app.rules.grids import NO_CELL, Row, Table, shown, title_of

#: refused before anything is parsed: bytes of the file, and of what an xlsx unpacks to
MAX_BYTES = 5 * 1024 * 1024
MAX_UNPACKED = 64 * 1024 * 1024
MAX_ROWS = 5_000
#: What the reader of a workbook may use; somebody waits for it, and it is no job. A province of 500
#: sites and 60 subjects takes 24 MB of memory, 5,000 rows of 100 columns take 83.
BOUNDS = Bounds(memory=128 * 1024 * 1024, output=16 * 1024 * 1024, processor_seconds=20, seconds=40)
#: So many are read at once by a process, and so many seconds somebody waits for his turn: true
#: workbooks take less than one.
AT_ONCE, TURN = 1, 3.0
_TURNS = threading.BoundedSemaphore(AT_ONCE)
_BUSY = N_("服务器正在读取其他人上传的工作簿，请稍后再试。")
CODE, NAME = N_("考点代码"), N_("考点名称")
#: the sheet with the values of the moment of the export
BASE = N_("导出时的值")


@dataclass(slots=True)
class Upload:
    """What a workbook would set, as if it were typed.

    `sent` and `seen` are as in `rules.grids.examine`; `lines` tells in which row of the file a
    site stands. `errors` are rows that cannot be used at all: (row, value, message).
    """

    sent: dict[str, dict[str, str]] = field(default_factory=dict)
    seen: dict[str, dict[str, str]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    errors: list[tuple[int, str, Any]] = field(default_factory=list)


# ---------------------------------------------------------------- writing


def write_grid(stream: IO[bytes], grid: Grid, table: Table, *, translate: Translate = str) -> int:
    """Write both sheets; returns the number of sites. What is not set stays empty, a cell that a
    site does not have is “—”."""
    headings = [
        Heading(translate(CODE)),
        Heading(translate(NAME)),
        *(
            Heading(str(say(title_of(column), translate)), numeric=_is_number(column))
            for column in table.columns
        ),
    ]
    rows = [_line(row, table.columns, translate) for row in table.rows]
    name = _sheet_name(grid, translate)
    write_workbook(stream, [Sheet(name, headings, rows), Sheet(translate(BASE), headings, rows)])
    return len(rows)


def _sheet_name(grid: Grid, translate: Translate) -> str:
    return translate(grid.label)[:31]


def _is_number(column: GridColumn) -> bool:
    return column.cell.kind in (Kind.MONEY, Kind.INTEGER)


def _line(row: Row, columns: Sequence[GridColumn], translate: Translate) -> list[Any]:
    return [
        row.site.code,
        row.site.name,
        *(_value(row, column, translate) for column in columns),
    ]


def _value(row: Row, column: GridColumn, translate: Translate) -> Any:
    cell = row.cells.get(column.name)
    if cell is None:
        return NO_CELL
    if cell.value is None:
        return None
    if column.cell.kind is Kind.MONEY:
        return Decimal(cell.value) / 100
    return cell.value if _is_number(column) else translate(shown(column, cell.value))


# ---------------------------------------------------------------- reading


def read_grid(
    content: bytes,
    name: str,
    grid: Grid,
    columns: Sequence[GridColumn],
    *,
    translate: Translate = str,
) -> Upload:
    """Read a workbook that `write_grid` has written and people have changed.

    Columns may stand in any order or be left out. It is parsed by a process of its own, once,
    within `BOUNDS`. Raises UploadRefused for a file that is too large, no workbook, or without
    the column of codes, and where others keep the readers busy.
    """
    suffix = check_upload(content, name, (".xlsx", ".xls"), MAX_BYTES)
    require_unpacked(content, suffix, MAX_UNPACKED)
    names = {_plain(say(title_of(column), translate)): column.name for column in columns}
    known = {_plain(translate(CODE)): CODE, _plain(translate(NAME)): NAME} | names
    found, seen = Upload(), Upload()
    with (
        _turn(),
        read_several_apart(
            content,
            suffix,
            [_sheet_name(grid, translate), translate(BASE)],
            MAX_ROWS,
            MAX_BYTES,
            checkpoint=lambda: None,
            bounds=BOUNDS,
        ) as (sheet, base),
    ):
        _take(found, given(sheet).rows, known)
        # where somebody has removed it, what is stored counts as seen
        if not isinstance(base, UploadRefused):
            _take(seen, base.rows, known)
    found.seen = seen.sent
    return found


@contextmanager
def _turn() -> Iterator[None]:
    """One of the readers at once. Raises UploadRefused when none is free in time."""
    if not _TURNS.acquire(timeout=TURN):
        raise refuse(_BUSY)
    try:
        yield
    finally:
        _TURNS.release()


def _plain(text: Any) -> str:
    try:
        return normalise(cell_text(text)).rstrip("*").strip()
    except Bad:
        return ""


def _take(found: Upload, rows: Iterable[list[Any]], known: dict[str, str]) -> None:
    """Rows of a sheet into `sent`; the first row holds the headings."""
    lines = iter(rows)
    headings = [known.get(_plain(text), _plain(text)) for text in next(lines, [])]
    if CODE not in headings:
        raise refuse(N_("没有找到“考点代码”列，请使用本页导出的文件修改后导入。"))
    unknown = [text for text in headings if text and text not in known.values()]
    if unknown:
        text = N_("不认识的列：{columns}。请使用本页最新导出的文件修改后导入。")
        raise UploadRefused(reason=Message(text, columns=unknown[:10]))
    doubled = {text for text in headings if text and headings.count(text) > 1}
    if doubled:
        raise UploadRefused(reason=Message(N_("列重复：{columns}。"), columns=sorted(doubled)))
    for number, row in enumerate(lines, start=2):
        if not is_empty(row):
            if len(found.lines) + len(found.errors) >= MAX_ROWS:
                raise refuse(TOO_MANY_ROWS, limit=MAX_ROWS)
            _take_row(found, dict(zip(headings, row, strict=False)), number)


def _take_row(found: Upload, cells: dict[str, Any], number: int) -> None:
    code = _plain(cells.get(CODE))
    if not code:
        found.errors.append((number, "", N_("考点代码：必填")))
    elif code in found.lines:
        text = Message(N_("考点代码与第 {row} 行重复"), row=found.lines[code])
        found.errors.append((number, code, text))
    else:
        found.lines[code] = number
        found.sent[code] = {
            name: _raw(value) for name, value in cells.items() if name not in (CODE, NAME, "")
        }


def _raw(value: Any) -> str:
    """The text of a cell; what has none stays readable and is refused by its column."""
    try:
        return cell_text(value)
    except Bad:
        return str(value)
