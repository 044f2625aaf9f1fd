"""One sheet of an xlsx looked through in pieces, before it is parsed: cells far out, and what
`marks` are. Nothing is built in memory but these places."""

from __future__ import annotations

import re
from html import unescape

from app.jobs.imports.container import broken_workbook, refuse
from app.jobs.imports.marks import FAR, BadCell, Flaw, Marks, column_index
from app.metadata.errors import N_

#: a cell that is longer than this is none; a reference cut in two is shorter than that
_LONGEST, _REFERENCE = 1 << 20, 1 << 10
#: columns up to “CZ”, which no template comes near; a cell far out would fill the memory
_FAR_COLUMN = rb"(?:[D-Zd-z][A-Za-z]|[A-Za-z]{3,})[0-9]+"
#: “x:”, “x-y:” or “数:”; a longer one is not known, and its file refused as unusual
_FURTHEST = 100
_PREFIX = rb"(?:[^\s<>/:]{1,%d}:)?" % _FURTHEST
_TELLING = re.compile(rb"""\bt\s*=\s*["']e["']|<%sf[\s/>]""" % _PREFIX)
#: What may be among `_TELLING`, `"e"` apart. Sheets have millions of cells and these are rare: an
#: expression that begins with a letter is looked for many times as fast as alternatives.
_FORMULAS = re.compile(rb"<f[\s/>]"), re.compile(rb":f[\s/>]")
_ERROR_TYPE = re.compile(rb'"e"')
_CELL_NAME = re.compile(rb"\s*([A-Za-z]{1,3})([0-9]{1,7})\s*")
#: begins behind a blank and never goes back, else a long name would be gone through for each letter
_ATTRIBUTE = re.compile(rb"""(?<=\s)([^\s=<>"']++)\s*+=\s*+("[^"]*+"|'[^']*+')""")
#: Expressions for tags go no further than the next “<”, and two of them never look for the same
#: thing: a file that opens tags and closes none would be gone through once for each.
_HEAD = re.compile(rb"<%sc\s[^<>]{0,2000}>" % _PREFIX)
#: where a cell may begin
_CELL_TAGS = [
    mark + b"c" + blank for mark in (b"<", b":") for blank in (b" ", b"\n", b"\t", b"\r", b">")
]
#: where the last cell or row of a piece is looked for first; and what begins there
_USUAL_TAGS = b"<c ", b":c ", b"<row", b":row"
_BEGIN = re.compile(rb"<%s(?:c|row)\b" % _PREFIX)
#: the element of all cells: begun, ended, or both at once
_SHEET_DATA = re.compile(rb"<(/?)%ssheetData(?:\s[^<>]{0,2000}?)?(/?)>" % _PREFIX)
_SHEET_END = re.compile(rb"</%ssheetData\s*>" % _PREFIX)
_UNUSUAL = N_(
    "工作表中有错误值或没有计算结果的公式，但文件的写法不常见，不能确定在哪个单元格。"
    "请用 Excel 或 WPS 打开，改正后另存为 .xlsx 再上传。"
)
#: the end of a cell, or the next one
_CELL_END = re.compile(rb"</%sc\s*>|<%sc[\s>]" % (_PREFIX, _PREFIX))
_VALUE = re.compile(rb"<%sv(?:\s[^<>]*)?>([^<]*)<" % _PREFIX)
_FORMULA = re.compile(rb"<%sf(?:\s[^<>]*)?>([^<]*)<" % _PREFIX)
_STRINGS = b"str", b"inlineStr", b"s"
_ROW = re.compile(rb"<%srow\b([^<>]{0,2000})>" % _PREFIX)
_COLUMN = re.compile(rb"<%scol\b([^<>]{0,2000})>" % _PREFIX)
_HIDDEN = re.compile(rb"""\bhidden\s*=\s*["'](?:1|true)["']""")
_ROW_NUMBER = re.compile(rb"""\br\s*=\s*["']([0-9]{1,7})["']""")
_MINIMUM = re.compile(rb"""\bmin\s*=\s*["']([0-9]{1,5})["']""")
_MAXIMUM = re.compile(rb"""\bmax\s*=\s*["']([0-9]{1,5})["']""")


class FarScan:
    """Reads the xml of a sheet in pieces, for cells far out; the end of a piece waits for the
    next."""

    def __init__(self, max_rows: int) -> None:
        self._tail = b""
        digits = len(str(max_rows + 100)) + 1
        far = rb"(?:%s|[A-Za-z]*[0-9]{%d,})" % (_FAR_COLUMN, digits)
        self._far = re.compile(rb"""\br\s*=\s*["']\s*%s\s*["']""" % far)
        #: such a cell, or blanks and quotes that only few programs write: then it is looked again
        self._maybe_far = re.compile(rb"""r(?:="(?:\s|%s)|=[^"]|\s)""" % far)

    def feed(self, piece: bytes) -> None:
        """Look at the next piece. Raises UploadRefused."""
        text = self._tail + piece
        self._find_far(text)
        self._tail = text[-_REFERENCE:]

    def close(self) -> None:
        """There is no further piece. Raises UploadRefused."""

    def _find_far(self, text: bytes) -> None:
        if self._maybe_far.search(text) and self._far.search(text):
            raise refuse(FAR)


class SheetScan(FarScan):
    """The same for a sheet that is wanted: cells without a value, hidden rows and columns. What
    waits is the last, unfinished element."""

    def __init__(self, marks: Marks, max_rows: int) -> None:
        super().__init__(max_rows)
        self._marks = marks
        #: is the element of all cells open; was it ever; is it closed
        self._inside = self._begun = self._ended = False
        #: may cells be without a value; are comments among them
        self._told = self._remarked = False

    def feed(self, piece: bytes) -> None:
        """Look at the next piece. Raises UploadRefused, also for cells that would be read as
        empty."""
        text = self._tail + piece
        self._find_far(text)
        cut = _last_begin(text)
        self._look(text[:cut])
        self._tail = text[cut:]
        if b"sheetData" in self._tail and _SHEET_END.search(self._tail):
            self.close()
        elif len(self._tail) > _LONGEST:
            whole, self._tail = self._tail[:-_REFERENCE], self._tail[-_REFERENCE:]
            self._look(whole)

    def close(self) -> None:
        """Look at what waits: nothing comes behind it. Raises UploadRefused."""
        rest, self._tail = self._tail, b""
        self._look(rest)

    def _look(self, text: bytes) -> None:
        telling = (
            any(formula.search(text) for formula in _FORMULAS)
            or _ERROR_TYPE.search(text)
            or (b"'" in text and b"'e'" in text)
        )
        cells = self._cells_of(text)
        if telling and not self._begun and _TELLING.search(text):
            raise refuse(_UNUSUAL)  # where cells begin was not seen
        self._told = self._told or bool(telling and cells)
        self._remarked = self._remarked or _has_remark(cells)
        if self._told and self._remarked:
            raise refuse(_UNUSUAL)  # a comment may look like a cell
        if telling and cells:
            self._find_bad(cells)
        if b"hidden" in text:
            self._find_hidden(text)

    def _cells_of(self, text: bytes) -> bytes:
        """The part of the text that holds cells: rules and lists behind them have formulas, too.
        Raises UploadRefused for a second beginning or end, as in a comment."""
        if b"sheetData" not in text:  # a plain search passes over millions of tags
            return text if self._inside else b""
        begin, end = 0 if self._inside else len(text), len(text)
        for found in _SHEET_DATA.finditer(text):
            if self._ended if found[1] else self._begun:
                raise broken_workbook()
            if found[1]:
                end = found.start()
            else:
                begin = found.end()
                end = begin if found[2] else end
            self._begun = self._begun or not found[1]
            self._ended = bool(found[1] or found[2])
            self._inside = not self._ended
        return text[begin:end]

    def _find_bad(self, text: bytes) -> None:
        """Note the cells of `text`, of which none is cut in two. Raises UploadRefused for one that
        cannot be placed: it would be read as an empty cell."""
        looked = end = 0
        for found in _TELLING.finditer(text):
            at = found.start()
            if at < end:
                continue  # in the cell of the one before
            start = max(text.rfind(tag, looked, at) for tag in _CELL_TAGS)
            looked = at
            start = text.rfind(b"<", max(start - _FURTHEST, 0), start + 1) if start >= 0 else -1
            head = _HEAD.match(text, start) if start >= end else None
            if head is None or not _is_whole(head[0]):
                # in no cell, or an attribute that has a bracket ends the head too early
                raise refuse(_UNUSUAL)
            closed = None if head[0].endswith(b"/>") else _CELL_END.search(text, head.end())
            end = head.end() if head[0].endswith(b"/>") else len(text)
            if closed is not None:
                end = closed.start()
            if at >= end:
                raise refuse(_UNUSUAL)
            attributes = {name: value[1:-1] for name, value in _ATTRIBUTE.findall(head[0])}
            bad = _bad_cell(attributes.get(b"t"), text[head.end() - 1 : end])
            if bad is not None:
                name = _CELL_NAME.fullmatch(attributes.get(b"r", b""))
                if name is None:
                    raise refuse(_UNUSUAL)
                column = column_index(name[1].decode().upper())
                self._marks.note(int(name[2]) - 1, column, bad)

    def _find_hidden(self, text: bytes) -> None:
        for row in _ROW.finditer(text):
            number = _ROW_NUMBER.search(row[1]) if _HIDDEN.search(row[1]) else None
            if number:
                self._marks.hidden_rows.add(int(number[1]) - 1)
        for column in _COLUMN.finditer(text):
            if not _HIDDEN.search(column[1]):
                continue
            first, last = _MINIMUM.search(column[1]), _MAXIMUM.search(column[1])
            if first and last:
                self._marks.hide(int(first[1]) - 1, int(last[1]) - 1)


def _last_begin(text: bytes) -> int:
    """Where the last cell or row of the text begins, or the last tag where none does."""
    places = sorted(map(text.rfind, _USUAL_TAGS), reverse=True)
    if len(text) - places[0] > _LONGEST // 2:
        places = sorted(map(text.rfind, _CELL_TAGS), reverse=True)
    for place in places:
        start = text.rfind(b"<", max(place - _FURTHEST, 0), place + 1)
        if start >= 0 and _BEGIN.match(text, start):
            return start
    return max(0, text.rfind(b"<"))


def _has_remark(cells: bytes) -> bool:
    """Is there a comment, or something else that is no element? Single signs are found many times
    as fast as what begins with “<”."""
    return any(sign in cells and b"<" + sign in cells for sign in (b"!", b"?"))


def _is_whole(tag: bytes) -> bool:
    """Has the tag no quote that is begun and not ended?"""
    rest = _ATTRIBUTE.sub(b"", tag)
    return b'"' not in rest and b"'" not in rest


def _bad_cell(kind: bytes | None, body: bytes) -> BadCell | None:
    """What is wrong with a cell of that kind (attribute “t”), if anything is."""
    value = _VALUE.search(body)
    shown = value[1].decode("utf-8", "replace").strip() if value else ""
    if kind == b"e":
        return BadCell(Flaw.ERROR, unescape(shown)[:20] or "#")
    formula = _FORMULA.search(body)
    if shown or kind in _STRINGS:
        return None
    text = formula[1].decode("utf-8", "replace") if formula else ""
    return BadCell(Flaw.UNCOMPUTED, f"={unescape(text)[:60]}")
