"""What the parser of workbooks does not tell: cells with an error, formulas that nobody has
computed, hidden rows and columns – found while an xlsx is looked through before it is parsed.

Nothing is built in memory but these places; a sheet is read in pieces.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from html import unescape
from xml.etree import ElementTree

from app.jobs.imports.container import (
    DAMAGES,
    MAXIMUM_UNPACKED,
    Unsafe,
    broken_workbook,
    open_archive,
    refuse,
    refuse_macros,
    unpack,
)
from app.metadata.errors import N_, KaowuError

#: a cell that is longer than this is none
_LONGEST = 1 << 20
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")
#: columns up to “CZ”, which no template comes near; a cell far out would fill the memory
_FAR_COLUMN = rb"(?:[D-Z][A-Z]|[A-Z]{3,})[0-9]+"
FAR = N_("工作表范围过大，请删除数据以外的空行和空列（整行、整列删除）后重新上传。")
_ENTITY = N_(
    "工作簿含有不安全的内容（DOCTYPE），不能读取。请用 Excel 或 WPS 另存为 .xlsx 后重新上传。"
)
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
#: longer than any of them: one may be cut in two
_OVERLAP = 16
_TELLING = re.compile(rb"""\bt\s*=\s*["']e["']|<(?:\w+:)?f[\s/>]""")
#: What may be among `_TELLING`, `"e"` apart. Sheets have millions of cells and these are rare: an
#: expression that begins with a letter is looked for many times as fast as alternatives.
_FORMULAS = re.compile(rb"<f[\s/>]"), re.compile(rb":f[\s/>]")
_ERROR_TYPE = re.compile(rb'"e"')
_CELL_NAME = re.compile(rb"""\sr\s*=\s*["']\s*([A-Z]{1,3})([0-9]{1,7})\s*["']""")
#: Expressions for tags go no further than the next “<”, and two of them never look for the same
#: thing: a file that opens tags and closes none would be gone through once for each.
_HEAD = re.compile(rb"<(?:\w+:)?c\s[^<>]{0,2000}>")
#: where a cell may begin
_CELL_TAGS = [
    mark + b"c" + blank for mark in (b"<", b":") for blank in (b" ", b"\n", b"\t", b"\r", b">")
]
#: the element of all cells: begun, ended, or both at once
_SHEET_DATA = re.compile(rb"<(/?)(?:\w+:)?sheetData(?:\s[^<>]{0,2000})?(/?)>")
_UNUSUAL = N_(
    "工作表中有错误值或没有计算结果的公式，但文件的写法不常见，不能确定在哪个单元格。"
    "请用 Excel 或 WPS 打开，改正后另存为 .xlsx 再上传。"
)
#: the end of a cell, or the next one
_CELL_END = re.compile(rb"</(?:\w+:)?c>|<(?:\w+:)?c[\s>]")
_VALUE = re.compile(rb"<(?:\w+:)?v(?:\s[^<>]*)?>([^<]*)<")
_FORMULA = re.compile(rb"<(?:\w+:)?f(?:\s[^<>]*)?>([^<]*)<")
_IS_ERROR = re.compile(rb"""\st\s*=\s*["']e["']""")
_IS_STRING = re.compile(rb"""\st\s*=\s*["'](?:str|inlineStr|s)["']""")
_ROW = re.compile(rb"<(?:\w+:)?row\b([^<>]{0,2000})>")
_COLUMN = re.compile(rb"<(?:\w+:)?col\b([^<>]{0,2000})>")
_HIDDEN = re.compile(rb"""\bhidden\s*=\s*["'](?:1|true)["']""")
_ROW_NUMBER = re.compile(rb"""\br\s*=\s*["']([0-9]{1,7})["']""")
_MINIMUM = re.compile(rb"""\bmin\s*=\s*["']([0-9]{1,5})["']""")
_MAXIMUM = re.compile(rb"""\bmax\s*=\s*["']([0-9]{1,5})["']""")


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


def look_through(content: bytes, sheets: Sequence[str], max_rows: int) -> list[Marks]:
    """Look through a whole xlsx before it is parsed; the marks of these sheets.

    Raises UploadRefused: macros, encryption, entities, cells far out, archives that lie.
    """
    try:
        with open_archive(content) as archive:
            return _look(archive, content, sheets, max_rows)
    except DAMAGES as error:
        if isinstance(error, KaowuError):
            raise
        raise broken_workbook() from None


def _look(
    archive: zipfile.ZipFile, content: bytes, sheets: Sequence[str], max_rows: int
) -> list[Marks]:
    entries = {entry.filename.lower(): entry for entry in archive.infolist()}
    if any(name.endswith("vbaproject.bin") or "/macrosheets/" in name for name in entries):
        raise refuse_macros()
    if "[content_types].xml" not in entries:
        raise Unsafe
    room = MAXIMUM_UNPACKED
    small: dict[str, bytes] = {}
    for name in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels"):
        if name in entries:
            small[name] = b"".join(_safe_pieces(content, entries[name], _LONGEST * 8))
    marks = [Marks() for _ in sheets]
    wanted = {_part_of(sheet, small): found for sheet, found in zip(sheets, marks, strict=True)}
    for name, entry in entries.items():
        scan = None
        if "worksheets/" in name and name.endswith(".xml"):
            scan = _SheetScan(wanted.get(name, Marks()), max_rows)
        for piece in _safe_pieces(content, entry, room):
            room -= len(piece)
            if scan is not None:
                scan.feed(piece)
    return marks


def _safe_pieces(content: bytes, entry: zipfile.ZipInfo, room: int) -> Iterator[bytes]:
    """An entry unpacked; xml with entities or in another encoding is refused."""
    is_xml = entry.filename.lower().endswith((".xml", ".rels", ".vml"))
    tail = b""
    for number, piece in enumerate(unpack(content, entry, room)):
        if is_xml:
            between = tail + piece[:_OVERLAP]
            if _DECLARATION.search(piece) or _DECLARATION.search(between):
                raise refuse(_ENTITY)
            if not number and piece[:2] in _UTF16:
                raise refuse(_ENTITY)
            tail = piece[-_OVERLAP:]
        yield piece


def _part_of(sheet: str, small: dict[str, bytes]) -> str | None:
    """The part that holds the sheet of that name, in lower case."""
    try:
        # entities were refused above, hence nothing can grow
        book = ElementTree.fromstring(small["xl/workbook.xml"])  # noqa: S314
        links = ElementTree.fromstring(small["xl/_rels/workbook.xml.rels"])  # noqa: S314
    except (KeyError, ElementTree.ParseError, LookupError):
        return None
    target = {link.get("Id"): link.get("Target", "") for link in links}
    for item in book.iter():
        if item.tag.rpartition("}")[2] == "sheet" and (item.get("name") or "").strip() == sheet:
            key = next((v for k, v in item.attrib.items() if k.endswith("}id")), None)
            path = target.get(key, "").lower()
            return path.lstrip("/") if path.startswith("/") else f"xl/{path}"
    return None


class _SheetScan:
    """Reads the xml of one sheet in pieces; the last, unfinished element waits for the next."""

    def __init__(self, marks: Marks, max_rows: int) -> None:
        self._marks = marks
        self._tail = b""
        self._inside = False
        digits = len(str(max_rows + 100)) + 1
        far = rb"(?:%s|[A-Z]*[0-9]{%d,})" % (_FAR_COLUMN, digits)
        self._far = re.compile(rb"""\br\s*=\s*["']\s*%s\s*["']""" % far)
        #: such a cell, or blanks and quotes that only few programs write: then it is looked again
        self._maybe_far = re.compile(rb"""r(?:="(?:\s|%s)|=[^"]|\s)""" % far)

    def feed(self, piece: bytes) -> None:
        """Look at the next piece. Raises UploadRefused for a cell far out."""
        text = self._tail + piece
        self._find_far(text)
        telling = (
            any(formula.search(text) for formula in _FORMULAS)
            or _ERROR_TYPE.search(text)
            or (b"'" in text and b"'e'" in text)
        )
        cut = max(text.rfind(b"<c "), text.rfind(b":c "), text.rfind(b"<row"), text.rfind(b":row"))
        if cut < 0:
            cut = max(0, text.rfind(b"<"))
        if len(text) - cut > _LONGEST:
            cut = max(0, len(text) - 64)
        whole, self._tail = text[:cut], text[cut:]
        if b"</sheetData>" in self._tail or b":sheetData>" in self._tail:
            whole, self._tail = text, b""
        cells = self._cells_of(whole)
        if telling and cells:
            if b"<!" in cells:
                raise refuse(_UNUSUAL)  # a comment may look like a cell
            self._find_bad(cells)
        if b"hidden" in whole:
            self._find_hidden(whole)

    def _cells_of(self, text: bytes) -> bytes:
        """The part of the text that holds cells: rules and lists behind them have formulas, too."""
        if b"sheetData" not in text:  # a plain search passes over millions of tags
            return text if self._inside else b""
        begin, end = 0 if self._inside else len(text), len(text)
        for found in _SHEET_DATA.finditer(text):
            self._inside = not found[1] and not found[2]
            if found[1]:
                end = found.start()
            else:
                begin = found.end()
        return text[begin:end]

    def _find_far(self, text: bytes) -> None:
        if self._maybe_far.search(text) and self._far.search(text):
            raise refuse(FAR)

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
            start = text.rfind(b"<", max(start - 64, 0), start + 1) if start >= 0 else -1
            if start < 0 or start < end:
                continue  # in no cell
            head = _HEAD.match(text, start)
            if head is None or any(head[0].count(quote) % 2 for quote in (b'"', b"'")):
                raise refuse(_UNUSUAL)  # an attribute that has a bracket ends the head too early
            closed = None if head[0].endswith(b"/>") else _CELL_END.search(text, head.end())
            end = head.end() if head[0].endswith(b"/>") else len(text)
            if closed is not None:
                end = closed.start()
            bad = _bad_cell(head[0], text[head.end() - 1 : end]) if at < end else None
            if bad is not None:
                name = _CELL_NAME.search(head[0])
                if name is None:
                    raise refuse(_UNUSUAL)
                self._marks.note(int(name[2]) - 1, column_index(name[1].decode()), bad)

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
                span = range(int(first[1]) - 1, min(int(last[1]), 512))
                self._marks.hidden_columns.update(span)


def _bad_cell(head: bytes, body: bytes) -> BadCell | None:
    value = _VALUE.search(body)
    shown = value[1].decode("utf-8", "replace").strip() if value else ""
    if _IS_ERROR.search(head):
        return BadCell(Flaw.ERROR, unescape(shown)[:20] or "#")
    formula = _FORMULA.search(body)
    if shown or _IS_STRING.search(head):
        return None
    text = formula[1].decode("utf-8", "replace") if formula else ""
    return BadCell(Flaw.UNCOMPUTED, f"={unescape(text)[:60]}")


def column_index(letters: str) -> int:
    """0 for “A”, 26 for “AA”."""
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - 64
    return number - 1
