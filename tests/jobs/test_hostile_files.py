"""Files that nobody sends by mistake: refused with the reason, nothing written, no memory eaten
(quality.md: fuzzed workbooks, bombs, entities, macros, lying archives)."""

from __future__ import annotations

import datetime as dt
import io
import re
import resource
import stat
import struct
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import xlsxwriter

from app.jobs.imports import container, reader
from app.jobs.imports.container import OLE, UploadRefused, check_upload
from app.jobs.imports.marks import BadCell, Flaw
from app.jobs.imports.package import look_through
from app.jobs.imports.rows import parse_rows
from app.jobs.imports.sheets import read_sheet
from tests.jobs.support import ROOMS, workbook

FORMATS = (".xlsx", ".xls", ".csv", ".zip")
MEGABYTE = 1024 * 1024
ROWS = [[1, "01", "甲楼101"], [2, "02", "乙楼"]]
#: made once: it bears the time at which it was made
BOOK = workbook(ROWS)


def read(content: bytes, name: str = "a.xlsx") -> Any:
    """From upload to rows, as the request and the job do it."""
    suffix = check_upload(content, name, FORMATS, 20 * MEGABYTE)
    sheet = read_sheet(content, suffix, "考场", 1000, 20 * MEGABYTE)
    return parse_rows(ROOMS, sheet, {}, 1000, lambda *_: None)


def reason(content: bytes, name: str = "a.xlsx") -> str:
    """Why it is refused."""
    with pytest.raises(UploadRefused) as refusal:
        read(content, name)
    return refusal.value.message()


def repacked(
    change: Callable[[str, bytes], bytes | None], book: bytes = BOOK, **extra: bytes
) -> bytes:
    """A good workbook whose parts were changed; None drops a part."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book)) as source,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            content = change(name, source.read(name))
            if content is not None:
                target.writestr(name, content)
        for name, content in extra.items():
            target.writestr(name.replace("__", "/"), content)
    return stream.getvalue()


def in_sheet(change: Callable[[bytes], bytes]) -> bytes:
    """A good workbook whose data sheet was changed."""
    return repacked(lambda name, part: change(part) if "worksheets/" in name else part)


def test_a_good_workbook_is_read() -> None:
    parsed = read(BOOK)
    assert [row["number"] for row in parsed.rows] == ["01", "02"]
    assert read(repacked(lambda _name, part: part)).rows[0]["address"] == "甲楼101"


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("a.rar", b"Rar!\x1a\x07\x00", ".rar"),
        ("a.xlsx", b"Rar!\x1a\x07\x00", ".rar"),
        ("a.xlsm", BOOK, "宏"),
        ("a.xlsb", BOOK, "宏"),
        ("a.xlsx", b"", "空"),
        ("a.xlsx", b"PK not a zip", "不符"),
        ("a.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "其实是 .xls"),
        ("a.xlsx", OLE + "EncryptedPackage".encode("utf-16-le"), "加密"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "损坏"),
        ("a.xls", BOOK, "其实是 .xlsx"),
        ("a.xls", b"<html><table></table></html>", "网页"),
        ("a.xls", "考场号,地址\n01,甲楼\n".encode(), "文本"),
        ("a.xls", b"\x00\x01", "不符"),
        ("a.csv", BOOK, "csv"),
        ("a.csv", b"\xff\xff\xff", "编码"),
        ("a.txt", b"x", "格式不正确"),
        ("a.zip", b"PK\x03\x04" + b"\0" * 50, "压缩包"),
        ("a.xlsx", b"PK\x03\x04" + b"\0" * 50, "损坏"),
    ],
)
def test_the_wrong_kind_of_file_is_refused_with_the_reason(
    name: str, content: bytes, part: str
) -> None:
    assert part in reason(content, name)


def test_macros_are_refused_whatever_the_name_says() -> None:
    assert "宏" in reason(
        repacked(lambda _name, part: part, xl__vbaProject_bin=b"x").replace(
            b"vbaProject_bin", b"vbaProject.bin"
        )
    )
    assert "宏" in reason(repacked(lambda _name, part: part, **{"xl__macrosheets__s1": b"x"}))
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 512 + "_VBA_PROJECT".encode("utf-16-le")
    assert "宏" in reason(old, "a.xls")


def test_entities_are_refused() -> None:
    entity = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa">]>'
    content = in_sheet(lambda part: entity + part.split(b"?>", 1)[1])
    assert "DOCTYPE" in reason(content)


@pytest.mark.parametrize("before", [1, 8])
def test_entities_are_refused_where_they_are_cut_by_a_piece(before: int) -> None:
    """A part is looked at in pieces; so much of “<!DOCTYPE” stands at the end of the first."""
    blanks = b" " * (container._CHUNK - before)
    content = in_sheet(lambda part: blanks + b"<!DOCTYPE x>" + part)
    assert "DOCTYPE" in reason(content)


@pytest.mark.parametrize("far", [b"XFD1048576", b"A1048576", b"ZZ5", b"ea2"])
@pytest.mark.parametrize("quote", [b'"', b"'"])
def test_a_cell_far_out_is_refused_before_it_fills_the_memory(far: bytes, quote: bytes) -> None:
    cell = b'<c r="A2"'
    content = in_sheet(lambda part: part.replace(cell, b"<c r=" + quote + far + quote, 1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "范围过大" in reason(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_a_bomb_is_refused_while_it_unpacks() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", b"<x/>")
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as part:
            for _ in range(500):
                part.write(b" " * MEGABYTE)
    content = stream.getvalue()
    assert len(content) < 2 * MEGABYTE
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "解压后过大" in reason(content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 * 1024


def test_a_directory_that_lies_about_sizes_is_refused() -> None:
    content = bytearray(in_sheet(lambda part: part + b" " * 5 * MEGABYTE))
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        entry = next(item for item in archive.infolist() if "worksheets/" in item.filename)
    true, small = struct.pack("<I", entry.file_size), struct.pack("<I", 100)
    assert true in content
    lying = bytes(content).replace(true, small)
    assert "结构异常" in reason(lying)


def test_many_entries_and_equal_names_are_refused() -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for number in range(3000):
            archive.writestr(f"x{number}.xml", b"")
    assert "2000 个" in reason(stream.getvalue())
    with pytest.warns(UserWarning, match="Duplicate"):
        double = repacked(lambda _name, part: part, **{"xl__workbook.xml": b"<x/>"})
    assert "结构异常" in reason(double)


def test_an_encrypted_archive_is_refused() -> None:
    content = bytearray(BOOK)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(mark)
        while at >= 0:
            content[at + offset] |= 1
            at = content.find(mark, at + 4)
    assert "加密" in reason(bytes(content))


def test_cells_of_a_formula_give_the_value_that_was_computed() -> None:
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream) as book:
        page = book.add_worksheet("考场")
        page.write_row(0, 0, ["序号", "考场号", "考场地址", "类型", "日期", "大考场", "证件号码"])
        page.write_formula(1, 1, "=3+4", None, 7)
        page.write_formula(1, 2, '=HYPERLINK("http://x","y")', None, "甲楼")
    parsed = read(stream.getvalue())
    assert (parsed.rows[0]["number"], parsed.rows[0]["address"]) == ("07", "甲楼")


def test_a_damaged_file_never_breaks_the_check() -> None:
    content = BOOK
    for cut in range(0, len(content), 211):
        with pytest.raises(UploadRefused):
            look_through(content[:cut], ["考场"], 1000)


def archive_of(entries: list[tuple[Any, bytes]]) -> bytes:
    """A zip of these entries (names or ZipInfo)."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in entries:
            archive.writestr(entry, content)
    return stream.getvalue()


def link(name: str) -> zipfile.ZipInfo:
    """An entry that is a symbolic link."""
    entry = zipfile.ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(
    "name", ["../a.xlsx", "x/../../a.xlsx", "/etc/a.xlsx", "C:\\a.xlsx", "..\\a.xlsx"]
)
def test_n16_names_that_lead_out_of_the_archive_are_refused(name: str) -> None:
    assert "不安全的路径" in reason(archive_of([(name, BOOK)]), "a.zip")


def test_n16_links_are_refused() -> None:
    assert "不安全的路径" in reason(archive_of([(link("a.xlsx"), b"/etc/passwd")]), "a.zip")
    content = repacked(lambda _name, part: part)
    stream = io.BytesIO(content)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr(link("xl/media/image1.png"), b"/etc/passwd")
    assert "不安全的路径" in reason(stream.getvalue())


def test_n16_a_hundred_thousand_names_are_refused_before_they_are_read() -> None:
    name = b"%05d.x"
    local = struct.Struct("<4s5H3I2H")
    central = struct.Struct("<4s6H3I5H2I")
    parts, directory, at = [], [], 0
    for number in range(60_000):
        part = local.pack(b"PK\x03\x04", 20, 0, 0, 0, 0, 0, 0, 0, 7, 0) + name % number
        head = central.pack(b"PK\x01\x02", 20, 20, *[0] * 7, 7, *[0] * 5, at)
        directory.append(head + name % number)
        parts.append(part)
        at += len(part)
    size = sum(map(len, directory))
    end = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 60_000, 60_000, size, at, 0)
    content = b"".join([*parts, *directory, end])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for file_name in ("a.zip", "a.xlsx"):
        assert "2000 个" in reason(content, file_name)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 * 1024


def test_n16_an_archive_that_says_it_is_huge_is_refused_at_once() -> None:
    names = [(f"xl/worksheets/sheet{n}.xml", b" " * 70 * MEGABYTE) for n in range(7)]
    content = archive_of([("[Content_Types].xml", b"<x/>"), *names])
    assert "解压后过大" in reason(content)


def test_n16_names_in_gbk_are_read() -> None:
    content = archive_of([("name.xlsx", BOOK)]).replace(b"name", "考场".encode("gbk"))
    assert read(content, "a.zip").data_rows == 2


def test_a_workbook_in_another_encoding_is_refused() -> None:
    content = in_sheet(lambda part: part.decode().encode("utf-16"))
    assert "DOCTYPE" in reason(content)


def test_a_workbook_under_a_password_says_so() -> None:
    content = OLE + b"\0" * 512 + "EncryptedPackage".encode("utf-16-le") + b"\0" * 512
    for name in ("a.xlsx", "a.xls"):
        assert "取消密码" in reason(content, name)


# ---------------------------------------------------------------- the reader's bounds


def test_the_reader_refuses_as_the_request_does() -> None:
    for content, part in ((BOOK[:2000], "损坏"), (workbook(ROWS, sheet="别的"), "没有找到")):
        with (
            pytest.raises(UploadRefused) as refusal,
            reader.read_apart(content, ".xlsx", "考场", 100, MEGABYTE, checkpoint=lambda: None),
        ):
            pass
        assert part in refusal.value.message()


def test_a_reader_that_dies_or_takes_too_long_is_a_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(bounds: reader.Bounds = reader.IMPORTS) -> str:
        with (
            pytest.raises(UploadRefused) as refusal,
            reader.read_apart(
                BOOK, ".xlsx", "考场", 100, MEGABYTE, checkpoint=lambda: None, bounds=bounds
            ),
        ):
            pass
        return refusal.value.message()

    assert "时间超过上限 0 秒" in refused(replace(reader.IMPORTS, seconds=0))
    assert "读出的数据超过上限 0 MB" in refused(replace(reader.IMPORTS, output=60))
    with monkeypatch.context() as changed:
        changed.setattr(sys, "executable", "/bin/false")
        assert "不能读取" in refused()


def test_a_reader_that_dies_later_is_a_refusal_too() -> None:
    """It meets its bound while rows are taken up, or before; how many were taken is chance."""
    book = workbook([[n, f"{n:02d}", "楼"] for n in range(5_000)])
    taken: list[Any] = []
    with (
        pytest.raises(UploadRefused) as refusal,
        reader.read_apart(
            book,
            ".xlsx",
            "考场",
            9_999,
            MEGABYTE,
            checkpoint=lambda: None,
            bounds=replace(reader.IMPORTS, output=20_000),
        ) as sheet,
    ):
        taken.extend(sheet.rows)
    assert "读出的数据超过上限" in refusal.value.message()
    assert len(taken) < 5_000


@pytest.mark.parametrize(
    "tags", [b"<row hidden ", b"<col hidden ", b'<c r="A1"><f>', b'<c t="e" ', b"<f "]
)
def test_tags_that_never_end_do_not_cost_the_time_of_the_reader(tags: bytes) -> None:
    """A file of 7 KB; it was looked through once for each of them. It is refused for what it is,
    not by the bound of processor time."""
    many = tags * (MEGABYTE // len(tags))
    content = in_sheet(lambda part: part.replace(b"</sheetData>", many + b"</sheetData>"))
    assert len(content) < 20_000
    bounds = replace(reader.IMPORTS, processor_seconds=10)
    with (
        pytest.raises(UploadRefused) as refusal,
        reader.read_apart(
            content, ".xlsx", "考场", 100, MEGABYTE, checkpoint=lambda: None, bounds=bounds
        ),
    ):
        pass
    assert re.search("工作簿已损坏|文件的写法不常见", refusal.value.message())


def test_hidden_rows_and_columns_and_bad_cells_are_found_in_every_spelling() -> None:
    def spelled(part: bytes) -> bytes:
        head, _, end = part.partition(b"<sheetData>")
        assert b"</sheetData>" in end
        columns = (
            b"<x:cols><x:col min='2' max = \"3\" hidden='true'/><col min='9' max='9'/></x:cols>"
        )
        rows = b"""<x:row hidden = '1' r="3"><x:c r="A3" t='e'><x:v>#N/A</x:v></x:c></x:row>
            <row r="4" hidden="0"><c r="A4"><f a="b">1+2</f></c><c r="B4"><f>3</f><v>3</v></c></row>
            <row hidden="true" r="5"><c r="A5" t="e"/><c r="B5"><v>7</v></c></row>"""
        return head + columns + b"<sheetData>" + rows + b"</sheetData></worksheet>"

    (marks,) = look_through(in_sheet(spelled), ["考场"], 1000)
    assert (marks.hidden_rows, marks.hidden_columns) == ({2, 4}, {1, 2})
    assert marks.bad == {
        2: {0: BadCell(Flaw.ERROR, "#N/A")},
        3: {0: BadCell(Flaw.UNCOMPUTED, "=1+2")},
        4: {0: BadCell(Flaw.ERROR, "#")},
    }


def test_cells_come_back_from_the_reader_as_they_were() -> None:
    day, time = dt.date(2026, 9, 19), dt.time(8, 5)
    moment = dt.datetime.combine(day, time)
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"default_date_format": "yyyy-mm-dd"}) as book:
        page = book.add_worksheet("考场")
        page.write_row(0, 0, ["𠮷", 1.5, 14, True, "a\nb", ""])
        page.write_datetime(0, 6, day)
        page.write_datetime(0, 7, moment, book.add_format({"num_format": "yyyy-mm-dd hh:mm"}))
        page.write_datetime(0, 8, time, book.add_format({"num_format": "hh:mm"}))
        page.write_formula(0, 9, "=NA()", None, "#N/A")
    with reader.read_apart(
        stream.getvalue(), ".xlsx", "考场", 100, MEGABYTE, checkpoint=lambda: None
    ) as sheet:
        expected = ["𠮷", 1.5, 14.0, True, "a\nb", None, day, moment, time]
        first, again = list(sheet.rows), list(sheet.rows)
        assert first == again == [[*expected, BadCell(Flaw.ERROR, "#N/A")]]
