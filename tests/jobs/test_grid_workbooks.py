"""Grids as workbooks: out, changed by people, and back."""

from __future__ import annotations

import io
import resource
import struct
import subprocess
import zipfile
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import openpyxl
import pytest

from app.database.policy import actor_of, become
from app.database.session import KaowuSession
from app.jobs import grids as grids_of_jobs
from app.jobs.grids import BASE, MAX_BYTES, read_grid, write_grid
from app.jobs.imports.container import UploadRefused
from app.metadata.declarations import Grid
from app.metadata.vocabulary import Level
from app.rules import grids
from app.rules.capacity_grid import CAPACITY
from app.rules.fee_grid import FEES
from app.rules.preference import PREFERENCE
from tests import factories
from tests.factories import Tree
from tests.jobs.legacy_workbook import Page, legacy_workbook, record

NAME = "费用.xlsx"


@pytest.fixture
def tree(session: KaowuSession) -> Tree:
    made = factories.make_tree(session, day_quota=9)
    factories.add_site(session, made, "990703", subjects=("42",), subject_fee=None)
    become(session, made.actor(Level.PROVINCE))
    return made


def written(session: KaowuSession, grid: Grid) -> bytes:
    stream = io.BytesIO()
    write_grid(stream, grid, grids.page(session, grid))
    return stream.getvalue()


def changed(content: bytes, change: Callable[[Any], None]) -> bytes:
    """The workbook after somebody has worked in its first sheet."""
    book = openpyxl.load_workbook(io.BytesIO(content))
    change(book)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def put(**cells: Any) -> Callable[[Any], None]:
    def change(book: Any) -> None:
        for place, value in cells.items():
            book.worksheets[0][place] = value

    return change


def examined(session: KaowuSession, grid: Grid, content: bytes) -> grids.Examined:
    columns = grid.columns(session, actor_of(session))
    found = read_grid(content, NAME, grid, columns)
    assert not found.errors
    return grids.examine(session, grid, found.sent, found.seen)


@pytest.mark.parametrize("grid", [FEES, CAPACITY, PREFERENCE], ids=lambda grid: grid.name)
def test_a_workbook_that_comes_back_as_it_went_changes_nothing(
    session: KaowuSession, tree: Tree, grid: Grid
) -> None:
    found = examined(session, grid, written(session, grid))
    assert found.is_good
    assert not found.changes


def test_codes_names_and_yuan_are_those_of_the_page(session: KaowuSession, tree: Tree) -> None:
    page = openpyxl.load_workbook(io.BytesIO(written(session, FEES))).worksheets[0]
    rows = list(page.iter_rows(values_only=True))
    assert rows[0][:4] == (
        "考点代码",
        "考点名称",
        "人次费（元）",
        "科目费（元） (14)计算机基础及WPS Office应用",
    )
    assert rows[1][:4] == ("990701", "地市七考点1", 10, 72)
    assert rows[3][:4] == ("990703", "地市七考点3", 10, "—")
    assert rows[3][-1] is None  # offered, and 未设置


def test_changed_cells_are_typed_and_the_others_are_not(session: KaowuSession, tree: Tree) -> None:
    content = changed(written(session, FEES), put(D2="88.5", D3=90, G4="0"))
    found = examined(session, FEES, content)
    assert found.is_good
    assert {change.site.code: change.after for change in found.changes} == {
        "990701": {"14": 8850},
        "990702": {"14": 9000},
        "990703": {"42": 0},
    }


def test_what_others_changed_since_the_export_stays_or_is_a_conflict(
    session: KaowuSession, tree: Tree
) -> None:
    content = changed(written(session, FEES), put(D2=88))
    grids.save(session, FEES, {"990701": {"14": "80", "24": "81"}}, {})
    found = examined(session, FEES, content)
    assert list(found.conflicts) == [("990701", "14")]
    assert [change.after for change in found.changes] == [{"14": 8800}]


def test_without_the_sheet_of_the_export_what_is_stored_counts_as_seen(
    session: KaowuSession, tree: Tree
) -> None:
    def drop(book: Any) -> None:
        book.worksheets[0]["D2"] = 88
        del book[BASE]

    found = examined(session, FEES, changed(written(session, FEES), drop))
    assert found.is_good
    assert found.cells == 1


def test_columns_may_stand_in_any_order_or_be_left_out(session: KaowuSession, tree: Tree) -> None:
    def turn(book: Any) -> None:
        page = book.worksheets[0]
        heading, value = page["F1"].value, 99
        page.delete_cols(2, page.max_column)
        page.insert_cols(1)
        page["A1"], page["A2"] = heading, value

    found = examined(session, FEES, changed(written(session, FEES), turn))
    first = next(change for change in found.changes if change.site.code == "990701")
    assert first.after == {"26": 9900}


def read(session: KaowuSession, content: bytes, name: str = NAME) -> Any:
    return read_grid(content, name, FEES, FEES.columns(session, actor_of(session)))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"A1": "编号"}, "考点代码"),
        ({"C1": "报名费"}, "不认识的列：报名费"),
        ({"D1": "人次费（元）"}, "列重复"),
    ],
)
def test_a_sheet_with_other_headings_is_refused(
    session: KaowuSession, tree: Tree, cells: dict[str, Any], message: str
) -> None:
    with pytest.raises(UploadRefused, match=message):
        read(session, changed(written(session, FEES), put(**cells)))


def test_rows_without_or_with_a_repeated_code_are_told_by_their_number(
    session: KaowuSession, tree: Tree
) -> None:
    found = read(session, changed(written(session, FEES), put(A3="990701", A4=None)))
    assert [(row, str(message)) for row, _, message in found.errors] == [
        (3, "考点代码与第 2 行重复"),
        (4, "考点代码：必填"),
    ]


def test_what_is_too_large_or_no_workbook_is_refused_first(
    session: KaowuSession, tree: Tree
) -> None:
    with pytest.raises(UploadRefused, match="超过 5 MB"):
        read(session, b"PK\x03\x04" + b"0" * MAX_BYTES)
    with pytest.raises(UploadRefused):
        read(session, b"no workbook")
    with pytest.raises(UploadRefused):
        read(session, b"", "x.csv")


PRIMES = (100_003, 99_991, 99_989, 99_971, 99_961)


def large(book: bytes, rows: int, columns: int) -> bytes:
    """The workbook with both sheets filled with cells that compress well, but not suspiciously."""
    cells = b"<c><v>1</v></c>" * (columns - 5)
    lines = b"".join(
        b"<row>%s%s</row>" % (b"".join(b"<c><v>%d</v></c>" % (n * 7919 % p) for p in PRIMES), cells)
        for n in range(1, rows)
    )
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(book)) as source,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for name in source.namelist():
            part = source.read(name)
            if "worksheets/sheet" in name:
                head, tail = part.split(b"</row>", 1)[0], part.split(b"</sheetData>", 1)[1]
                part = head + b"</row>" + lines + b"</sheetData>" + tail
            target.writestr(name, part)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [(9_000, 100, "超过 5000 行"), (20_000, 200, "解压后过大"), (30_000, 10, "超过 5000 行")],
)
def test_n16_a_small_file_of_many_cells_fills_no_memory_here(
    session: KaowuSession, tree: Tree, rows: int, columns: int, message: str
) -> None:
    content = large(written(session, FEES), rows, columns)
    assert len(content) < MAX_BYTES
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UploadRefused, match=message):
        read(session, content)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


def test_n16_a_workbook_is_parsed_by_one_process_of_its_own(
    session: KaowuSession, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    popen = subprocess.Popen

    def start(arguments: list[str], **options: Any) -> Any:
        started.append(arguments)
        return popen(arguments, **options)

    monkeypatch.setattr(subprocess, "Popen", start)
    content = written(session, FEES)
    assert examined(session, FEES, content).is_good
    assert [arguments[-2:] for arguments in started] == [["考点费用设置", BASE]]
    monkeypatch.setattr(grids_of_jobs, "BOUNDS", replace(grids_of_jobs.BOUNDS, output=100))
    with pytest.raises(UploadRefused, match="读出的数据超过上限"):
        read(session, content)


def test_n16_an_old_workbook_of_long_cells_has_the_bound_of_memory(
    session: KaowuSession, tree: Tree
) -> None:
    """350 KB with 24,000 cells of one text: its reader took half of a gigabyte."""
    text = "长" * 4_000
    texts = record(0x00FC, struct.pack("<IIHB", 24_000, 1, 4_000, 1) + text.encode("utf-16-le"))
    cells = [(0x00FD, struct.pack("<HHHI", n // 60, n % 60, 0, 0)) for n in range(60, 24_060)]
    content = legacy_workbook([Page("考点费用设置", [["考点代码"]], extra=cells)], texts)
    assert len(content) < 400_000
    with pytest.raises(UploadRefused, match="内存超过上限 128 MB"):
        read(session, content, "费用.xls")


def test_n16_workbooks_are_read_one_after_the_other(
    session: KaowuSession, tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has the memory of a reader, and any number may come at the same time."""
    content = written(session, FEES)
    monkeypatch.setattr(grids_of_jobs, "TURN", 0.0)
    with grids_of_jobs._turn(), pytest.raises(UploadRefused, match="稍后再试"):
        read(session, content)
    with pytest.raises(UploadRefused, match="不认识的列"):
        read(session, changed(content, put(C1="报名费")))
    assert examined(session, FEES, content).is_good


def test_wrong_values_stay_as_they_were_typed(session: KaowuSession, tree: Tree) -> None:
    found = read(session, changed(written(session, FEES), put(D2="七十二", D3="#REF!")))
    result = grids.examine(session, FEES, found.sent, found.seen)
    assert set(result.errors) == {("990701", "14"), ("990702", "14")}
    assert found.sent["990701"]["14"] == "七十二"
    assert found.lines == {"990701": 2, "990702": 3, "990703": 4}
