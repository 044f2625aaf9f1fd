"""What an upload may be, decided before any parser sees it: kind by content, not by name; no
macros, no encryption, no archives that grow without bound or lie about themselves."""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import Any

from app.metadata.errors import N_, KaowuError, Message

#: An xlsx of the largest allowed upload holds less than this when it is unpacked.
MAXIMUM_UNPACKED = 400 * 1024 * 1024
MAXIMUM_ENTRIES = 2_000
#: unpacked size : packed size of one entry above `_SMALL`; a sheet of equal cells reaches 60
MAXIMUM_RATIO = 200
_SMALL = 8 * 1024 * 1024
_CHUNK = 1 << 18
_MEGABYTE = 1024 * 1024
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ZIP = b"PK\x03\x04"
_RAR = b"Rar!\x1a\x07"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
#: end of an archive's directory: …, number of entries, bytes of the directory, …
_DIRECTORY_END = struct.Struct("<4s4H2IH")
_MACRO_BOOKS = (".xlsm", ".xltm", ".xlsb", ".xlam")

_MACROS = N_("不支持带宏的工作簿，请另存为 .xlsx 后重新上传。")
_ENCRYPTED = N_("文件已加密，请取消密码后重新上传。")
_MISMATCH = N_("文件内容与扩展名不符或已损坏，请用 Excel 或 WPS 另存为 .xlsx 后重新上传。")
_BROKEN_BOOK = N_("工作簿已损坏或结构异常，不能读取。请用 Excel 或 WPS 另存为 .xlsx 后重新上传。")
_BROKEN_ZIP = N_("压缩包已损坏、过大或结构异常，不能读取。请重新压缩后上传。")
_MANY = N_("文件内部条目超过 {limit} 个，不能读取。请使用下载的模板重新填写。")
_LARGE = N_("文件解压后过大（{size} MB，上限 {limit} MB），不能读取。请使用下载的模板重新填写。")
_GROWS = N_(
    "文件解压后过大（是压缩时的 {ratio} 倍，上限 {limit} 倍），不能读取。"
    "请使用下载的模板重新填写，不要填写过长的重复文字。"
)
_SLIPS = N_("压缩包中有不安全的路径或链接，不能读取。请重新压缩后上传。")


class UploadRefused(KaowuError):
    """The file is not what the import takes. `reason` says why and what to do."""

    code = "import.upload"
    template = N_("{reason}")


class Unsafe(Exception):
    """An archive or a workbook that lies about itself; becomes a refusal with its reason."""


def refuse(reason: str, **parameters: Any) -> UploadRefused:
    """The refusal with this (Chinese) reason."""
    return UploadRefused(reason=Message(reason, **parameters))


def suffix_of(name: str) -> str:
    """The ending of a file name in lower case, with its dot; '' where there is none."""
    stem, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if dot and stem and len(ending) <= 8 else ""


def check_upload(content: bytes, name: str, formats: tuple[str, ...], max_bytes: int) -> str:
    """Return the upload's ending (".xlsx") or raise UploadRefused.

    Looks at name, size and first bytes only; quick enough for a request.
    """
    suffix = suffix_of(name)
    if suffix == ".rar" or content.startswith(_RAR):
        raise refuse(N_("不支持 .rar 压缩文件，请改用 .zip 压缩后重新上传。"))
    if suffix in _MACRO_BOOKS:
        raise refuse(_MACROS)
    if suffix not in formats:
        raise refuse(N_("文件格式不正确，只支持 {formats}。"), formats=list(formats))
    if not content:
        raise refuse(N_("文件是空的，请重新选择文件。"))
    if len(content) > max_bytes:
        limit = max_bytes // (1024 * 1024)
        raise refuse(N_("文件超过 {limit} MB，请分成几个文件上传。"), limit=limit)
    _check_signature(content, suffix)
    return suffix


def _check_signature(content: bytes, suffix: str) -> None:
    is_zip, is_ole = content.startswith(_ZIP), content.startswith(OLE)
    if suffix == ".csv":
        if is_zip or is_ole or b"\x00" in content[:4096]:
            raise refuse(N_("文件内容不是 .csv 文本，请另存为 .csv 后重新上传。"))
        return
    if is_ole and "EncryptedPackage".encode("utf-16-le") in content:
        raise refuse(N_("工作簿已加密。请取消密码，另存为 .xlsx 后重新上传。"))
    if suffix == ".xlsx" and is_ole:
        raise refuse(N_("文件其实是 .xls 工作簿。请用 Excel 或 WPS 另存为 .xlsx 后重新上传。"))
    if suffix == ".xls" and is_zip:
        raise refuse(N_("文件其实是 .xlsx 工作簿。请把扩展名改为 .xlsx 后重新上传。"))
    if (suffix in (".xlsx", ".zip") and not is_zip) or (suffix == ".xls" and not is_ole):
        raise refuse(_what_it_is(content))


def _what_it_is(content: bytes) -> str:
    """Why something that is no workbook is refused: many programs give pages and plain text the
    name of a workbook."""
    head = content[:2048].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith((b"<html", b"<!doctype", b"<table", b"<meta", b"<div", b"<?xml")):
        return N_("文件其实是网页（HTML），请用 Excel 或 WPS 另存为 .xlsx 后重新上传。")
    if head and b"\x00" not in head and (b"," in head or b"\t" in head) and b"\n" in head:
        return N_("文件其实是文本（CSV），请用 Excel 或 WPS 另存为 .xlsx 后重新上传。")
    return _MISMATCH


# ---------------------------------------------------------------- archives


def open_archive(content: bytes, maximum: int = MAXIMUM_ENTRIES) -> zipfile.ZipFile:
    """A zip archive whose directory is sound and small. Raises UploadRefused or Unsafe.

    The number of names is read from the archive's end, before the directory is parsed: a hundred
    thousand of them would fill the memory.
    """
    at = content.rfind(b"PK\x05\x06", max(0, len(content) - 65_557))
    if at < 0 or len(content) - at < _DIRECTORY_END.size:
        raise Unsafe
    _mark, _disk, _first, _here, count, size, _offset, _comment = _DIRECTORY_END.unpack_from(
        content, at
    )
    if count > maximum or size > maximum * 512:
        raise refuse(_MANY, limit=maximum)
    archive = zipfile.ZipFile(io.BytesIO(content))
    entries = archive.infolist()
    if len(entries) > maximum:
        raise refuse(_MANY, limit=maximum)
    _check_names(entries)
    if any(entry.flag_bits & 0x1 for entry in entries):
        raise refuse(_ENCRYPTED)
    _require_small(entries, MAXIMUM_UNPACKED)
    return archive


def _require_small(entries: list[zipfile.ZipInfo], maximum: int) -> None:
    size = sum(entry.file_size for entry in entries)
    if size > maximum:
        raise refuse(_LARGE, size=-(-size // _MEGABYTE), limit=maximum // _MEGABYTE)


def require_unpacked(content: bytes, suffix: str, maximum: int) -> None:
    """Refuse an xlsx that says of itself that it unpacks to more than `maximum` bytes, before
    anything is unpacked. Whether it tells the truth is seen while it is read (`unpack`).

    Raises UploadRefused.
    """
    if suffix != ".xlsx":
        return
    try:
        with open_archive(content) as archive:
            _require_small(archive.infolist(), maximum)
    except DAMAGES as error:
        if isinstance(error, KaowuError):
            raise
        raise broken_workbook() from None


def _check_names(entries: list[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if len(set(names)) != len(names):
        raise Unsafe
    for entry in entries:
        name = entry.filename.replace("\\", "/")
        outside = name.startswith("/") or ".." in name.split("/") or ":" in name.split("/")[0]
        if outside or stat.S_ISLNK(entry.external_attr >> 16):
            raise refuse(_SLIPS)


def unpack(content: bytes, entry: zipfile.ZipInfo, room: int) -> Iterator[bytes]:
    """The content of an archive's entry in pieces, never more than `room` bytes.

    The directory's word is not taken: whoever reads the archive next must find the same bytes.
    """
    if entry.file_size > max(_SMALL, MAXIMUM_RATIO * entry.compress_size):
        ratio = entry.file_size // max(entry.compress_size, 1)
        raise refuse(_GROWS, ratio=ratio, limit=MAXIMUM_RATIO)
    start = entry.header_offset
    header = content[start : start + _LOCAL_HEADER.size]
    if len(header) < _LOCAL_HEADER.size:
        raise Unsafe
    fields = _LOCAL_HEADER.unpack(header)
    begin = start + _LOCAL_HEADER.size + fields[9] + fields[10]
    packed = content[begin : begin + entry.compress_size]
    if fields[0] != _ZIP or len(packed) != entry.compress_size or fields[3] != entry.compress_type:
        raise Unsafe
    if entry.compress_type == zipfile.ZIP_STORED:
        if len(packed) != entry.file_size or len(packed) > room:
            raise Unsafe
        yield packed
    elif entry.compress_type == zipfile.ZIP_DEFLATED:
        yield from _inflate(packed, entry.file_size, room)
    else:
        raise Unsafe


def _inflate(packed: bytes, size: int, room: int) -> Iterator[bytes]:
    inflater, total = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not inflater.eof:
        piece = inflater.decompress(packed, _CHUNK)
        packed = inflater.unconsumed_tail
        total += len(piece)
        if total > min(size, room) or (not piece and not packed and not inflater.eof):
            raise Unsafe
        yield piece
    if total != size:
        raise Unsafe


#: what reading a hostile archive may end in
DAMAGES = (Unsafe, zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError, RuntimeError)


def broken_workbook() -> UploadRefused:
    """The refusal of a workbook that cannot be read."""
    return refuse(_BROKEN_BOOK)


def refuse_macros() -> UploadRefused:
    """The refusal of a workbook with macros."""
    return refuse(_MACROS)


def refuse_encrypted() -> UploadRefused:
    """The refusal of a workbook under a password."""
    return refuse(_ENCRYPTED)


def workbook_in_zip(content: bytes, max_bytes: int) -> tuple[bytes, str, str]:
    """The one workbook in a zip archive: (content, ending, name). Raises UploadRefused."""
    try:
        with open_archive(content) as archive:
            entries = [
                entry
                for entry in archive.infolist()
                if not entry.is_dir() and not entry.filename.startswith("__MACOSX/")
            ]
            books = [entry for entry in entries if suffix_of(entry.filename) in (".xlsx", ".xls")]
            if len(books) != 1 or len(entries) != 1:
                raise refuse(N_("压缩包中应只有一个 .xlsx 或 .xls 工作簿，没有其他文件。"))
            found = b"".join(unpack(content, books[0], max_bytes))
    except DAMAGES as error:
        if isinstance(error, KaowuError):
            raise
        raise refuse(_BROKEN_ZIP) from None
    name = books[0].filename.rpartition("/")[2]
    return found, check_upload(found, name, (".xlsx", ".xls"), max_bytes), name
