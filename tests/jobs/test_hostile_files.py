"""Files that nobody sends by mistake: refused with the reason, nothing written, no memory eaten
(quality.md: fuzzed workbooks, bombs, entities, macros, lying archives)."""

from __future__ import annotations

import io
import resource
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.jobs.imports.container import OLE, UploadRefused, check_upload
from app.jobs.imports.marks import look_through
from app.jobs.imports.report import write_report
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


def repacked(change: Callable[[str, bytes], bytes | None], **extra: bytes) -> bytes:
    """A good workbook whose parts were changed; None drops a part."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(BOOK)) as source,
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


@pytest.mark.parametrize("far", [b"XFD1048576", b"A1048576", b"ZZ5", b"EA2"])
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
            look_through(content[:cut], "考场", 1000)


CELLS = st.one_of(
    st.none(),
    st.text(max_size=40),
    st.integers(-(10**18), 10**18),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.sampled_from(["=1+1", "1.1E+17", "\u202e", "𠮷", "'", "0" * 40_000, "01", "甲楼"]),
)
CALM = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(
    rows=st.lists(st.lists(CELLS, max_size=9), max_size=6),
    headings=st.lists(st.sampled_from([*ROOMS.columns]).map(lambda c: c.label) | CELLS, max_size=9),
)
@CALM
def test_any_cells_give_rows_or_errors_and_a_report(rows: Any, headings: Any) -> None:
    from app.jobs.imports.sheets import Sheet

    sheet = Sheet("考场", [list(headings), *[list(row) for row in rows]])
    parsed = parse_rows(ROOMS, sheet, {}, 1000, lambda *_: None)
    good = {row.number for row in parsed.rows}
    bad = {problem.row for problem in parsed.problems}
    assert not good & bad
    assert parsed.rows or parsed.problems
    assert write_report(parsed, parsed.problems).startswith(b"PK")


@given(data=st.data())
@CALM
def test_fuzzed_workbooks_are_read_or_refused(data: st.DataObject) -> None:
    """Bytes turned, cut, doubled: never another exception."""
    content = bytearray(BOOK)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["turn", "cut", "double", "zero"])):
            case "turn":
                content[at] ^= data.draw(st.integers(1, 255))
            case "cut":
                del content[at : at + data.draw(st.integers(1, 64))]
            case "double":
                content[at:at] = content[at : at + 64]
            case "zero":
                content[at : at + 16] = bytes(len(content[at : at + 16]))
        if not content:
            break
    try:
        parsed = read(bytes(content))
    except UploadRefused:
        return
    assert parsed.rows or parsed.problems


@given(data=st.data())
@CALM
def test_fuzzed_parts_of_a_workbook_are_read_or_refused(data: st.DataObject) -> None:
    """The archive is sound, its XML is not."""

    def damage(_name: str, part: bytes) -> bytes:
        if data.draw(st.booleans()):
            return part
        changed = bytearray(part)
        for _ in range(data.draw(st.integers(1, 6))):
            at = data.draw(st.integers(0, max(len(changed) - 1, 0)))
            piece = data.draw(
                st.sampled_from(
                    [b"<", b">", b'"', b"99999999999", b"</row>", b"&#0;", b"\xff", b""]
                )
            )
            changed[at : at + data.draw(st.integers(0, 9))] = piece
        return bytes(changed)

    try:
        parsed = read(repacked(damage))
    except UploadRefused:
        return
    assert parsed.rows or parsed.problems


@given(content=st.binary(max_size=400), name=st.sampled_from(["a.xls", "a.xlsx", "a.zip", "a.csv"]))
@CALM
def test_any_bytes_are_read_or_refused(content: bytes, name: str) -> None:
    heads = {"a.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a.csv": "考场号,考场地址\n".encode()}
    try:
        parsed = read(heads.get(name, b"PK\x03\x04") + content, name)
    except UploadRefused:
        return
    assert parsed.problems or parsed.rows
