"""Workbooks that nobody made by hand: cells, structures and bytes by hypothesis.

In the whole suite a small number of examples runs; `FUZZ_EXAMPLES=10000` runs so many of each.
Whatever comes in: rows, errors, or one typed refusal; nothing is written, memory is bounded.
"""

from __future__ import annotations

import datetime as dt
import io
import os
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.jobs.imports.container import UploadRefused
from app.jobs.imports.marks import FLAWS, Flaw
from app.jobs.imports.report import write_report
from app.jobs.imports.rows import Parsed, parse_rows
from app.jobs.imports.sheets import Sheet, read_sheet
from tests.jobs.support import HEADINGS, ROOMS
from tests.jobs.test_hostile_files import BOOK, read, repacked

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "60"))
#: bytes that reading one of these workbooks, of six rows, may take at its peak
MEMORY = 32 * 1024 * 1024

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
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@given(
    rows=st.lists(st.lists(CELLS, max_size=9), max_size=6),
    headings=st.lists(st.sampled_from([*ROOMS.columns]).map(lambda c: c.label) | CELLS, max_size=9),
)
@CALM
def test_any_cells_give_rows_or_errors_and_a_report(rows: Any, headings: Any) -> None:
    sheet = Sheet("考场", [list(headings), *[list(row) for row in rows]])
    parsed = parse_rows(ROOMS, sheet, {}, 1000, lambda *_: None)
    good = {row.number for row in parsed.rows}
    bad = {problem.row for problem in parsed.problems}
    assert not good & bad
    assert parsed.rows or parsed.problems
    assert report_of(parsed).startswith(b"PK")


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


# ---------------------------------------------------------------- whole workbooks

IDS = st.one_of(
    st.from_regex(r"99[0-9]{15}[0-9X]", fullmatch=True),
    st.from_regex(r"99[0-9]{13}", fullmatch=True),
    st.integers(99 * 10**13, 10**18),
    st.floats(1e14, 1e18),
    st.sampled_from(["1.10101E+17", "９９０１０１２００１０１０１００３８"]),
)
DAYS = st.one_of(
    st.dates(dt.date(1900, 3, 1), dt.date(2100, 1, 1)),
    st.datetimes(dt.datetime(1904, 1, 2), dt.datetime(2100, 1, 1)),  # noqa: DTZ001 - Excel's
    st.times(),
    st.sampled_from(["2026-02-30", "20260919", "2026/9/9", "２０２６年", "1900-02-29", "0"]),
    st.integers(-10, 10**7),
)
TEXTS = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=30
) | st.sampled_from(["𠮷野家", "\u202e甲\u200b", "=1+1", "@SUM(A1)", "_x0041_", "\x00\x07", "é́"])


def a_row() -> Any:
    """The cells of one row, right and wrong, in the order of the template."""
    numbers = st.sampled_from(["01", "２", 3, 4.0, "xx", None, "99.0", True])
    kinds = st.sampled_from(["1", "普通", "2-备用", 2.0, "豪华", None])
    words = st.sampled_from(["是", "否", True, False, 1, "也许", None])
    return st.tuples(st.none() | TEXTS, numbers, st.none() | TEXTS, kinds, DAYS, words, IDS | TEXTS)


@st.composite
def workbooks(draw: Any) -> bytes:
    """A workbook of a program that does what it wants: order and repetition of headings, hidden
    rows, merged cells, formulas with and without value, both systems of days."""
    options = {"strings_to_formulas": False, "date_1904": draw(st.booleans())}
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, options) as book:
        page = book.add_worksheet(draw(st.sampled_from(["考场", "考场", "考场 ", "别的"])))
        top = draw(st.integers(0, 11))
        headings = draw(st.permutations(HEADINGS)) if draw(st.booleans()) else list(HEADINGS)
        if not draw(st.integers(0, 9)):
            headings = [*headings, draw(st.sampled_from([*HEADINGS, "错误信息", "楼层"]))]
        page.write_row(top, 0, headings)
        rows = draw(st.lists(a_row(), max_size=6))
        styles = [book.add_format({"num_format": text}) for text in ("yyyy-mm-dd", "h:mm", "0.00")]
        for number, row in enumerate(rows, start=top + 1):
            for column, value in enumerate(row):
                _write(page, (number, column), value, draw(st.sampled_from(styles)))
        _decorate(draw, page, top, len(rows))
    return stream.getvalue()


def _write(page: Any, place: tuple[int, int], value: Any, style: Any) -> None:
    if isinstance(value, (dt.date, dt.time)):
        page.write_datetime(*place, value, style)
    elif isinstance(value, str):
        page.write_string(*place, value)
    else:
        page.write(*place, value)


def _decorate(draw: Any, page: Any, top: int, rows: int) -> None:
    for row in draw(st.lists(st.integers(0, 12), max_size=3)):
        page.set_row(row, None, None, {"hidden": True})
    if rows and not draw(st.integers(0, 3)):
        page.merge_range(top + 1, 2, top + rows + 1, 3, "合并")
    for column in draw(st.lists(st.integers(0, 8), max_size=2)):
        value = draw(st.sampled_from(["#N/A", "#REF!", "", 7, "甲楼"]))
        page.write_formula(top + 1, column, "=1+1", None, value)


@contextmanager
def bounded() -> Iterator[None]:
    """What is done inside, refused or not, takes little memory; what else the process holds does
    not count."""
    tracemalloc.start()
    try:
        yield
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < MEMORY


@given(content=workbooks())
@CALM
def test_any_workbook_gives_rows_errors_or_a_refusal(content: bytes) -> None:
    try:
        with bounded():
            parsed = read(content)
    except UploadRefused:
        return
    good = {row.number for row in parsed.rows}
    assert not good & {problem.row for problem in parsed.problems}
    assert parsed.rows or parsed.problems
    for row in parsed.rows:
        assert row["number"].isdigit()
        assert isinstance(row["day"], dt.date | None)
        assert not isinstance(row["day"], dt.datetime)
        assert row["large"] in (True, False)
    merged = FLAWS[Flaw.MERGED]
    if any(problem.message != merged for problem in parsed.problems):
        assert _round_trip(parsed).problems, "a report is as wrong as its upload"


def test_what_takes_more_memory_than_it_may_is_noticed() -> None:
    with pytest.raises(AssertionError), bounded():
        assert bytearray(MEMORY)


def report_of(parsed: Parsed) -> bytes:
    """The report of an upload."""
    stream = io.BytesIO()
    write_report(stream, parsed, parsed.problems)
    return stream.getvalue()


def _round_trip(parsed: Parsed) -> Parsed:
    """The report of an upload, uploaded again without any correction."""
    content = report_of(parsed)
    sheet = read_sheet(content, ".xlsx", "考场", 1000, 20 * 1024 * 1024)
    return parse_rows(ROOMS, sheet, {}, 1000, lambda *_: None)


def test_ten_thousand_wrong_rows_are_all_told() -> None:
    rows: list[list[Any]] = [
        list(HEADINGS),
        *([n, "xx", None, "豪华", "x", "也许", "1.1E+17"] for n in range(10_000)),
    ]
    parsed = parse_rows(ROOMS, Sheet("考场", rows), {}, 20_000, lambda *_: None)
    assert len(parsed.problems) == 60_000
    assert {problem.row for problem in parsed.problems} == set(range(2, 10_002))
