"""The same look at an .xls: its records are walked before the parser sees them.

An .xls is a small file system (compound document) with a stream of records. Cells far out,
macros, passwords, error cells and hidden rows are told by records of a few bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from itertools import pairwise

from app.jobs.imports.container import (
    DAMAGES,
    OLE,
    Unsafe,
    broken_workbook,
    refuse,
    refuse_encrypted,
    refuse_macros,
)
from app.jobs.imports.marks import FAR, BadCell, Flaw, Marks
from app.metadata.errors import KaowuError

_FREE, _END = 0xFFFFFFFF, 0xFFFFFFFE
_STREAMS = ("Workbook", "Book")
#: records of the workbook
_BOF, _EOF, _BOUNDSHEET, _FILEPASS = 0x0809, 0x000A, 0x0085, 0x002F
_ROW, _COLINFO, _BOOLERR, _FORMULA = 0x0208, 0x007D, 0x0205, 0x0006
#: which program has computed the workbook last; 0 or no such record: none that says so
_RECALC_ID = 0x01C1
#: what the value of a formula is, where it is no number
_IS_ERROR, _IS_BLANK = 2, 3
#: a formula that is to be computed when the workbook is opened
_ON_OPENING = 0x0002
#: one cell each: BLANK, NUMBER, LABEL, BOOLERR, RK, LABELSST, RSTRING, FORMULA
_CELLS = {0x0201, 0x0203, 0x0204, _BOOLERR, 0x027E, 0x00FD, 0x00D6, _FORMULA}
#: several cells of a row: MULRK, MULBLANK
_MANY_CELLS = {0x00BD, 0x00BE}
_MACRO_SHEETS = {1, 6}
_COLUMNS = 104
_ERRORS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
}


def look_through_legacy(content: bytes, sheets: Sequence[str], max_rows: int) -> list[Marks]:
    """Look through an .xls before it is parsed; the marks of these sheets. Raises UploadRefused."""
    if "_VBA_PROJECT".encode("utf-16-le") in content:
        raise refuse_macros()
    try:
        return _look(_stream(content), sheets, max_rows)
    except (*DAMAGES, IndexError) as error:
        if isinstance(error, KaowuError):
            raise
        raise broken_workbook() from None


# ---------------------------------------------------------------- the compound document


def _stream(content: bytes) -> bytes:
    """The stream of the workbook."""
    if not content.startswith(OLE):
        raise Unsafe
    sector = 1 << struct.unpack_from("<H", content, 30)[0]
    if sector not in (512, 4096):
        raise Unsafe
    table = _allocation(content, sector)
    directory = _chain(content, sector, table, struct.unpack_from("<I", content, 48)[0])
    small_table = _numbers(_chain(content, sector, table, struct.unpack_from("<I", content, 60)[0]))
    root_start = struct.unpack_from("<I", directory, 116)[0]
    for at in range(0, len(directory) - 127, 128):
        length = struct.unpack_from("<H", directory, at + 64)[0]
        name = directory[at : at + max(0, min(length, 64) - 2)].decode("utf-16-le", "replace")
        if name not in _STREAMS or directory[at + 66] != 2:
            continue
        start, size = struct.unpack_from("<II", directory, at + 116)
        if size >= struct.unpack_from("<I", content, 56)[0]:
            return _chain(content, sector, table, start)[:size]
        small = _chain(content, sector, table, root_start)
        return _chain(b"\0" * 64 + small, 64, small_table, start)[:size]
    raise Unsafe


def _numbers(data: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4])


def _allocation(content: bytes, sector: int) -> tuple[int, ...]:
    """Which sector follows which."""
    places = list(struct.unpack_from("<109I", content, 76))
    further = struct.unpack_from("<I", content, 68)[0]
    seen = 0
    while further < _END:
        numbers = _numbers(_sector(content, sector, further))
        places += numbers[:-1]
        further, seen = numbers[-1], seen + 1
        if seen > len(content) // sector:
            raise Unsafe
    return tuple(
        number
        for place in places
        if place < _END
        for number in _numbers(_sector(content, sector, place))
    )


def _sector(content: bytes, sector: int, number: int) -> bytes:
    """One sector; the header takes the place of one before them."""
    found = content[(number + 1) * sector : (number + 2) * sector]
    if not found:
        raise Unsafe
    return found


def _chain(content: bytes, sector: int, table: tuple[int, ...], start: int) -> bytes:
    parts = []
    while start < _END:
        parts.append(_sector(content, sector, start))
        if start >= len(table) or len(parts) > len(table):
            raise Unsafe  # out of the table, or in a circle
        start = table[start]
    return b"".join(parts)


# ---------------------------------------------------------------- records


def _records(stream: bytes, at: int = 0) -> Iterator[tuple[int, int, int]]:
    """(kind, place of the data, length) of each record."""
    while at + 4 <= len(stream):
        kind, length = struct.unpack_from("<HH", stream, at)
        yield kind, at + 4, length
        at += 4 + length


def _look(stream: bytes, sheets: Sequence[str], max_rows: int) -> list[Marks]:
    if struct.unpack_from("<H", stream, 4)[0] != 0x0600:
        raise Unsafe  # older than Excel 97
    begins: dict[int, str] = {}
    computed = False
    for kind, at, length in _records(stream):
        if kind == _FILEPASS:
            raise refuse_encrypted()
        if kind == _BOUNDSHEET:
            begin, _visible, type_ = struct.unpack_from("<IBB", stream, at)
            if type_ in _MACRO_SHEETS:
                raise refuse_macros()
            if begin in begins:
                raise Unsafe
            begins[begin] = _sheet_name(stream[at + 6 : at + length])
        if kind == _RECALC_ID and length >= 8:
            computed = any(stream[at + 4 : at + 8])
        if kind == _EOF:
            break
    marks = {
        begins[begin].strip(): _look_at_sheet(stream, (begin, end), max_rows, computed)
        for begin, end in pairwise([*sorted(begins), len(stream)])
    }
    return [marks.get(sheet, Marks()) for sheet in sheets]


def _sheet_name(data: bytes) -> str:
    count, wide = data[0], data[1] & 1
    encoding = "utf-16-le" if wide else "latin-1"
    return data[2 : 2 + count * (2 if wide else 1)].decode(encoding, "replace")


def _look_at_sheet(stream: bytes, place: tuple[int, int], max_rows: int, computed: bool) -> Marks:
    """The marks of the sheet that begins there. The next one begins where `place` ends: if this
    one went on there, the parser would go through the same records for each of them."""
    marks, depth = Marks(), 0
    for kind, at, length in _records(stream, place[0]):
        if at > place[1]:
            raise Unsafe
        if kind == _BOF:
            depth += 1
        elif kind == _EOF:
            depth -= 1
            if depth <= 0:
                break
        elif kind == _ROW:
            number, options = *struct.unpack_from("<H", stream, at), stream[at + 12]
            if options & 0x20:
                marks.hidden_rows.add(number)
        elif kind == _COLINFO:
            first, last, _width, _style, options = struct.unpack_from("<5H", stream, at)
            if options & 1:
                marks.hide(first, last)
        elif kind in _CELLS or kind in _MANY_CELLS:
            row, columns, bad = _cell(stream, kind, at, length, computed)
            if columns > _COLUMNS or row > max(max_rows * 4, 10_000):
                raise refuse(FAR)
            if bad is not None:
                marks.note(row, columns - 1, bad)
    return marks


def _cell(
    stream: bytes, kind: int, at: int, length: int, computed: bool
) -> tuple[int, int, BadCell | None]:
    """(row, number of columns that it reaches, what is wrong with it)."""
    row, last = struct.unpack_from("<HH", stream, at)
    if kind in _MANY_CELLS:
        last = struct.unpack_from("<H", stream, at + length - 2)[0]
    bad = None
    if kind == _BOOLERR and stream[at + 7]:
        bad = _error(stream[at + 6])
    elif kind == _FORMULA:
        bad = _flaw_of_formula(stream, at, computed)
    return row, last + 1, bad


def _error(code: int) -> BadCell:
    return BadCell(Flaw.ERROR, _ERRORS.get(code, "#"))


def _flaw_of_formula(stream: bytes, at: int, computed: bool) -> BadCell | None:
    """An error; or a formula that was not computed. Libraries write these as zero, to be computed
    on opening, or as blank. Blank is a computed value, too: that it is one is only believed of a
    workbook that a spreadsheet program says to have computed."""
    if stream[at + 12 : at + 14] == b"\xff\xff":
        if stream[at + 6] == _IS_ERROR:
            return _error(stream[at + 8])
        if stream[at + 6] == _IS_BLANK and not computed:
            return BadCell(Flaw.BLANK, "=")
    elif not any(stream[at + 6 : at + 14]) and stream[at + 14] & _ON_OPENING:
        return BadCell(Flaw.UNCOMPUTED, "=")
    return None
