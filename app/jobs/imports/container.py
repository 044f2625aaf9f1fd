"""What an upload may be, decided before any parser sees it: kind by content, not by name; no
macros, no encryption, no archives that grow without bound."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator

from app.metadata.errors import N_, KaowuError

#: An xlsx of the largest allowed upload holds less than this when it is unpacked.
MAXIMUM_UNPACKED = 400 * 1024 * 1024
MAXIMUM_ENTRIES = 2_000
#: Columns up to “CZ”, which no template comes near; a cell far out would fill the memory.
_FAR_COLUMN = rb"(?:[D-Z][A-Z]|[A-Z]{3,})[0-9]+"
_CHUNK = 1 << 18
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = b"PK\x03\x04"
_RAR = b"Rar!\x1a\x07"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")


class UploadRefused(KaowuError):
    """The file is not what the import takes. `reason` says why and what to do."""

    code = "import.upload"
    template = N_("{reason}")


class _Unsafe(Exception):
    """An archive that lies about itself."""


def refuse(reason: str) -> UploadRefused:
    """The refusal with this (Chinese) reason."""
    return UploadRefused(reason=reason)


def suffix_of(name: str) -> str:
    """The ending of a file name in lower case, with its dot; '' where there is none."""
    stem, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if dot and stem and len(ending) <= 8 else ""


def check_upload(content: bytes, name: str, formats: tuple[str, ...], max_bytes: int) -> str:
    """Return the upload's ending (".xlsx") or raise UploadRefused.

    Looks at name, size and first bytes only; quick enough for a request.
    """
    suffix = suffix_of(name)
    shown = "、".join(formats)
    if suffix == ".rar" or content.startswith(_RAR):
        raise refuse(N_("不支持 .rar 压缩文件，请改用 .zip 压缩后重新上传。"))
    if suffix in (".xlsm", ".xltm", ".xlsb", ".xlam"):
        raise refuse(N_("不支持带宏的工作簿，请另存为 .xlsx 后重新上传。"))
    if suffix not in formats:
        raise refuse(N_("文件格式不正确，只支持 {formats}。").format(formats=shown))
    if not content:
        raise refuse(N_("文件是空的，请重新选择文件。"))
    if len(content) > max_bytes:
        limit = max_bytes // (1024 * 1024)
        raise refuse(N_("文件超过 {limit} MB，请分成几个文件上传。").format(limit=limit))
    _check_signature(content, suffix)
    return suffix


def _check_signature(content: bytes, suffix: str) -> None:
    is_zip, is_ole = content.startswith(_ZIP), content.startswith(_OLE)
    if suffix == ".xlsx" and is_ole:
        raise refuse(N_("工作簿已加密，或其实是 .xls 文件。请取消密码，另存为 .xlsx 后重新上传。"))
    if (suffix in (".xlsx", ".zip") and not is_zip) or (suffix == ".xls" and not is_ole):
        raise refuse(N_("文件内容与扩展名不符或已损坏，请用 Excel 或 WPS 另存后重新上传。"))
    if suffix == ".csv" and (is_zip or is_ole or b"\x00" in content[:4096]):
        raise refuse(N_("文件内容不是 .csv 文本，请另存为 .csv 后重新上传。"))


def check_workbook(content: bytes, suffix: str, max_rows: int) -> None:
    """Look through a whole workbook before it is parsed. Raises UploadRefused."""
    if suffix == ".xls":
        if "_VBA_PROJECT".encode("utf-16-le") in content:
            raise refuse(N_("不支持带宏的工作簿，请另存为 .xlsx 后重新上传。"))
        return
    try:
        _check_xlsx(content, max_rows)
    except (_Unsafe, zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError) as error:
        if isinstance(error, KaowuError):
            raise
        raise refuse(
            N_("工作簿已损坏或结构异常，不能读取。请用 Excel 或 WPS 另存为 .xlsx 后重新上传。")
        ) from None


def _check_xlsx(content: bytes, max_rows: int) -> None:
    far_row = rb"[A-Z]*[0-9]{%d,}" % (len(str(max_rows + 100)) + 1)
    far = re.compile(rb"""\br\s*=\s*["']\s*(?:%s|%s)\s*["']""" % (_FAR_COLUMN, far_row))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = archive.infolist()
        _check_entries(entries)
        names = {entry.filename.lower() for entry in entries}
        if any(name.endswith("vbaproject.bin") or "/macrosheets/" in name for name in names):
            raise refuse(N_("不支持带宏的工作簿，请另存为 .xlsx 后重新上传。"))
        room = MAXIMUM_UNPACKED
        for entry in entries:
            is_sheet = "worksheets/" in entry.filename.lower()
            room -= _check_entry(content, entry, far if is_sheet else None, room)
    if "[content_types].xml" not in names:
        raise _Unsafe


def _check_entries(entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if len(entries) > MAXIMUM_ENTRIES or len(set(names)) != len(names):
        raise _Unsafe
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise refuse(N_("文件已加密，请取消密码后重新上传。"))


def _check_entry(
    content: bytes, entry: zipfile.ZipInfo, far: re.Pattern[bytes] | None, room: int
) -> int:
    """Unpack one entry piece by piece; its size. Looks for entities and for cells far out."""
    is_xml = entry.filename.lower().endswith((".xml", ".rels"))
    size, tail = 0, b""
    for piece in unpack(content, entry, room):
        if is_xml:
            text = tail + piece
            if b"<!DOCTYPE" in text or b"<!ENTITY" in text or (not size and text[:2] in _UTF16):
                raise _Unsafe
            if far is not None and far.search(text):
                raise refuse(
                    N_("工作表范围过大，请删除数据以外的空行和空列（整行、整列删除）后重新上传。")
                )
            tail = text[-64:]
        size += len(piece)
    return size


_UTF16 = (b"\xff\xfe", b"\xfe\xff", b"<\x00", b"\x00<")


def unpack(content: bytes, entry: zipfile.ZipInfo, room: int) -> Iterator[bytes]:
    """The content of an archive's entry in pieces, never more than `room` bytes.

    The directory's word is not taken: whoever reads the archive next must find the same bytes.
    """
    start = entry.header_offset
    header = content[start : start + _LOCAL_HEADER.size]
    if len(header) < _LOCAL_HEADER.size:
        raise _Unsafe
    fields = _LOCAL_HEADER.unpack(header)
    begin = start + _LOCAL_HEADER.size + fields[9] + fields[10]
    packed = content[begin : begin + entry.compress_size]
    if fields[0] != _ZIP or len(packed) != entry.compress_size or fields[3] != entry.compress_type:
        raise _Unsafe
    if entry.compress_type == zipfile.ZIP_STORED:
        if len(packed) != entry.file_size or len(packed) > room:
            raise _Unsafe
        yield packed
    elif entry.compress_type == zipfile.ZIP_DEFLATED:
        yield from _inflate(packed, entry.file_size, room)
    else:
        raise _Unsafe


def _inflate(packed: bytes, size: int, room: int) -> Iterator[bytes]:
    inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not inflater.eof:
        piece = inflater.decompress(packed, _CHUNK)
        packed = inflater.unconsumed_tail
        total += len(piece)
        if total > min(size, room) or (not piece and not packed and not inflater.eof):
            raise _Unsafe
        yield piece
    if total != size:
        raise _Unsafe


def workbook_in_zip(content: bytes, max_bytes: int) -> tuple[bytes, str, str]:
    """The one workbook in a zip archive: (content, ending, name). Raises UploadRefused."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = [
                entry
                for entry in archive.infolist()
                if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
            ]
            _check_entries(entries)
            books = [entry for entry in entries if suffix_of(entry.filename) in (".xlsx", ".xls")]
            if len(books) != 1 or len(entries) != 1:
                raise refuse(N_("压缩包中应只有一个 .xlsx 或 .xls 工作簿，没有其他文件。"))
            found = b"".join(unpack(content, books[0], max_bytes))
    except (_Unsafe, zipfile.BadZipFile, zlib.error, ValueError, EOFError, RuntimeError):
        raise refuse(N_("压缩包已损坏、过大或结构异常，不能读取。请重新压缩后上传。")) from None
    name = books[0].filename.rpartition("/")[2]
    return found, check_upload(found, name, (".xlsx", ".xls"), max_bytes), name
