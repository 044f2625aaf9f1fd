"""How the child of `reader` hands rows back: lines of JSON, which nothing is run to read.

Per sheet a line with an object – what is known of it, or its refusal – then lines with pages of
rows, each row an array of cells. Whoever reads holds a line at once, hence lines are short.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from app.jobs.imports.marks import BadCell, Flaw

#: how the line that begins a sheet begins
HEAD = b"{"
#: rows of one line; fewer where it would be longer than so many bytes
PAGE, LINE = 50, 1 << 18
#: bytes of one row; no template comes near that
ROW = 1 << 21


class RowTooLong(Exception):
    """A row that nobody has typed."""


def _plain(cell: Any) -> dict[str, str]:
    """What JSON does not know, as one key and text."""
    if isinstance(cell, BadCell):
        return {cell.flaw.value: cell.shown}
    if isinstance(cell, dt.datetime):
        return {"moment": cell.isoformat()}
    if isinstance(cell, dt.date):
        return {"day": cell.isoformat()}
    if isinstance(cell, dt.time):
        return {"time": cell.isoformat()}
    raise TypeError(type(cell).__name__)


_MADE: Mapping[str, Callable[[str], Any]] = {
    "moment": dt.datetime.fromisoformat,
    "day": dt.date.fromisoformat,
    "time": dt.time.fromisoformat,
}


def _cell(pair: dict[str, str]) -> Any:
    ((kind, text),) = pair.items()
    make = _MADE.get(kind)
    return make(text) if make else BadCell(Flaw(kind), text)


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=_plain, separators=(",", ":"))
_DECODER = json.JSONDecoder(object_hook=_cell)


def line_of(value: Any) -> bytes:
    """A head, or a page of rows, as a line."""
    return _ENCODER.encode(value).encode("utf-8", "replace") + b"\n"


def pages_of(rows: Iterable[list[Any]]) -> Iterator[bytes]:
    """All rows as lines. Raises RowTooLong."""
    source = iter(rows)
    while page := list(islice(source, PAGE)):
        yield from _lines_of(page)


def _lines_of(rows: Sequence[list[Any]]) -> Iterator[bytes]:
    """The rows as one line, or as two halves where that is too long."""
    line = line_of(rows)
    if len(line) <= LINE:
        yield line
    elif len(rows) > 1:
        del line
        half = len(rows) // 2
        yield from _lines_of(rows[:half])
        yield from _lines_of(rows[half:])
    elif len(line) <= ROW:
        yield line
    else:
        raise RowTooLong(len(line))


def head_in(line: bytes) -> dict[str, Any]:
    """The head that a line holds."""
    head: dict[str, Any] = json.loads(line)
    return head


def page_in(line: bytes) -> list[list[Any]]:
    """The rows that a line holds."""
    rows: list[list[Any]] = _DECODER.decode(line.decode())
    return rows
