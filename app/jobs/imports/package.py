"""An xlsx looked through before it is parsed: no macros, no entities, no archive that lies, and
the marks of its sheets. Nothing is unpacked as a whole but the list of sheets."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
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
from app.jobs.imports.marks import TWINS, Marks
from app.jobs.imports.sheet_scan import FarScan, SheetScan
from app.metadata.errors import N_, KaowuError

_BOOK, _LINKS = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
#: bytes of either
_MOST = 8 * 1024 * 1024
_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")
_ENTITY = N_(
    "工作簿含有不安全的内容（DOCTYPE），不能读取。请用 Excel 或 WPS 另存为 .xlsx 后重新上传。"
)
_DECLARATION = re.compile(rb"<!(?:DOCTYPE|ENTITY)")
#: longer than any of them: one may be cut in two
_OVERLAP = 16


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
    entries = {_plain(entry.filename): entry for entry in archive.infolist()}
    if len(entries) < len(archive.infolist()):
        raise Unsafe  # which of two is read?
    if any(name.endswith("vbaproject.bin") or "/macrosheets/" in name for name in entries):
        raise refuse_macros()
    if "[content_types].xml" not in entries:
        raise Unsafe
    room = MAXIMUM_UNPACKED
    small: dict[str, bytes] = {}
    for name in (_BOOK, _LINKS):
        if name in entries:
            small[name] = b"".join(_safe_pieces(content, entries[name], _MOST))
    marks = [Marks() for _ in sheets]
    parts = _parts_of(sheets, small)
    wanted = {part: own for part, own in zip(parts, marks, strict=True) if part is not None}
    if len(wanted) < len(parts) - parts.count(None) or not wanted.keys() <= entries.keys():
        raise Unsafe
    for name, entry in entries.items():
        found = wanted.get(name)
        is_sheet = found is not None or ("worksheets/" in name and name.endswith(".xml"))
        scan = SheetScan(found, max_rows) if found is not None else FarScan(max_rows)
        for piece in _safe_pieces(content, entry, room, is_xml=is_sheet or _is_xml(name)):
            room -= len(piece)
            if is_sheet:
                scan.feed(piece)
        scan.close()
    return marks


def _plain(path: str) -> str:
    """As the parser compares paths."""
    return path.replace("\\", "/").lower()


def _is_xml(name: str) -> bool:
    return name.endswith((".xml", ".rels", ".vml"))


def _safe_pieces(
    content: bytes, entry: zipfile.ZipInfo, room: int, *, is_xml: bool = True
) -> Iterator[bytes]:
    """An entry unpacked; xml with entities or in another encoding is refused."""
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


def _parts_of(sheets: Sequence[str], small: dict[str, bytes]) -> list[str | None]:
    """The part that holds each sheet, as the parser finds it; None for a sheet that
    is not there. Raises Unsafe where the parser might find another, UploadRefused for twins."""
    try:
        # entities were refused above, hence nothing can grow
        book = ElementTree.fromstring(small[_BOOK])  # noqa: S314
        links = ElementTree.fromstring(small[_LINKS])  # noqa: S314
    except (KeyError, ElementTree.ParseError, LookupError):
        raise Unsafe from None
    targets = {link.get("Id"): link.get("Target", "") for link in links}
    if len(targets) < len(links) or b"&" in small[_LINKS]:
        raise Unsafe  # the parser takes targets by their letters
    named: dict[str, list[ElementTree.Element]] = {}
    for item in book.iter():
        if item.tag.rpartition("}")[2] == "sheet":
            named.setdefault((item.get("name") or "").strip(), []).append(item)
    for sheet in sheets:
        if len(named.get(sheet, ())) > 1:
            raise refuse(TWINS, sheet=sheet)
    return [_part(named[sheet][0], targets) if sheet in named else None for sheet in sheets]


def _part(item: ElementTree.Element, targets: dict[str | None, str]) -> str:
    keys = [value for name, value in item.attrib.items() if name.endswith("}id")]
    if len(keys) != 1 or keys[0] not in targets:
        raise Unsafe
    path = _plain(targets[keys[0]])
    return path[1:] if path.startswith("/") else f"xl/{path}"
