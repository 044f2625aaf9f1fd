"""Small uploads that unpack to much: the worker holds little of it at once, and can be stopped."""

from __future__ import annotations

import io
import json
import subprocess
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from typing import Any

import pytest
import xlsxwriter

from app.jobs.imports import held, marks, problems, reader, spool
from app.jobs.imports.columns import LONG as KEPT
from app.jobs.imports.columns import Column
from app.jobs.imports.container import UploadRefused
from app.jobs.imports.rows import parse_rows
from app.jobs.imports.sheets import Sheet
from app.metadata.errors import Message
from app.metadata.fields import Field
from app.metadata.vocabulary import Personal
from tests.jobs.conftest import Ground
from tests.jobs.import_tools import messages, submit
from tests.jobs.support import HEADINGS, ROOMS

MEGABYTE = 1024 * 1024
LONG = "长" * 32_000


@contextmanager
def reading_of(
    content: bytes,
    *command: str,
    seconds: float = 60,
    checkpoint: Callable[[], None] = lambda: None,
) -> Iterator[reader._Reading]:
    """What a child of this command has written."""
    with tempfile.TemporaryFile() as written, subprocess.Popen(command) as child:
        written.write(content)
        written.flush()
        bounds = replace(reader.IMPORTS, seconds=seconds)
        try:
            yield reader._Reading(child, written, checkpoint, bounds)
        finally:
            child.kill()


def test_a_long_line_is_put_together_once_with_a_look_at_the_job_for_every_block() -> None:
    looks: list[None] = []
    content = [b"{}", b"x" * 4 * MEGABYTE, b"", b"y"]
    with reading_of(
        b"\n".join([*content, b""]), "true", checkpoint=lambda: looks.append(None)
    ) as reading:
        lines = list(reading.lines(0))
        assert [line for line, _at in lines] == content
        assert len(looks) >= 16
        assert [line for line, _at in reading.lines(lines[1][1])] == content[2:]
    with reading_of(b"{}\nhalf a line", "true") as reading, pytest.raises(UploadRefused):
        list(reading.lines(0))


def test_a_child_that_writes_without_end_is_stopped_at_its_time_and_when_the_job_is() -> None:
    """There is always another line to read: nobody ever waits."""

    class Cancelled(Exception):
        pass

    def cancel() -> None:
        raise Cancelled

    always = b"[]\n" * 9, "sleep", "60"
    with reading_of(*always, seconds=0) as reading, pytest.raises(UploadRefused):
        next(reading.lines(0))
    with reading_of(*always, checkpoint=cancel) as reading, pytest.raises(Cancelled):
        next(reading.lines(0))


def test_lines_of_the_child_are_short_whatever_the_cells_hold() -> None:
    rows: list[list[Any]] = [
        [LONG] * 9,
        ["a", None],
        *([[LONG, number]] for number in range(70)),
        ["b"] * 200,
    ]
    lines = list(spool.pages_of(rows))
    pages = [spool.page_in(line) for line in lines]
    assert [row for page in pages for row in page] == json.loads(json.dumps(rows))
    assert all(
        len(line) <= spool.LINE or len(page) == 1 for line, page in zip(lines, pages, strict=True)
    )
    short = [spool.page_in(line) for line in spool.pages_of([["a"]] * 120)]
    assert [len(page) for page in short] == [50, 50, 20]
    with pytest.raises(spool.RowTooLong):
        list(spool.pages_of([[LONG] * 50]))


def test_a_bomb_of_long_cells_does_not_fill_the_memory_of_the_worker() -> None:
    """Small in the upload, 25 MB as cells, of which few are held at once."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream) as book:
        page = book.add_worksheet("考场")
        page.write_row(0, 0, HEADINGS)
        for row in range(1, 41):
            page.write_row(row, 0, ["x" * 32_000] * 20)
    assert len(stream.getvalue()) < 40_000
    with reader.read_apart(
        stream.getvalue(), ".xlsx", "考场", 100, MEGABYTE, checkpoint=lambda: None
    ) as sheet:
        tracemalloc.start()
        try:
            parsed = parse_rows(ROOMS, sheet, {}, 100, lambda *_: None)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (parsed.data_rows, parsed.rows) == (40, [])
        assert peak < 14 * MEGABYTE
        assert len(next(iter(list(sheet.rows)[1:]))[0]) == 32_000  # the report still has it all


def bomb() -> bytes:
    """A few kilobytes: twenty thousand cells with one long text, each a copy for the parser."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream) as book:
        page = book.add_worksheet("考场")
        page.write_row(0, 0, HEADINGS)
        for row in range(1, 201):
            page.write_row(row, 0, ["x" * 32_000] * 100)
    return stream.getvalue()


@pytest.mark.parametrize("watched", [True, False])
def test_the_reader_has_a_bound_of_memory_that_the_refusal_names(
    watched: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job looks at it; where the system does not tell, the child gets no more."""
    if not watched:
        monkeypatch.setattr(reader._Reading, "_memory", lambda _self: 0)
    bounds = replace(reader.IMPORTS, memory=48 * MEGABYTE)
    with (
        pytest.raises(UploadRefused) as refusal,
        reader.read_apart(
            bomb(), ".xlsx", "考场", 300, MEGABYTE, checkpoint=lambda: None, bounds=bounds
        ),
    ):
        pass
    assert "文件（0." in refusal.value.message()
    assert "超过上限 48 MB" in refusal.value.message()


def test_the_bound_of_a_job_is_that_of_the_installation(ground: Ground) -> None:
    machine = replace(ground.machine, import_max_memory=40 * MEGABYTE)
    run = submit(ground, bomb(), machine=machine)
    assert run.state == "rejected"
    ((_row, _column, message),) = messages(run)
    assert "内存超过上限 40 MB" in message
    assert run.report_file_id is not None


def test_more_bad_cells_than_are_remembered_refuse_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found, bad = marks.Marks(), marks.BadCell(marks.Flaw.ERROR, "#N/A")
    monkeypatch.setattr(marks, "MOST_BAD", 2)
    for _ in range(2):
        found.note(0, 1, bad)
        found.note(0, 2, marks.BadCell(marks.Flaw.ERROR, "#N/A"))
    assert found.bad[0][1] is found.bad[0][2]
    found.note(0, 1, marks.BadCell(marks.Flaw.MERGED, ""))
    assert found.bad[0][1] is bad  # the first word stands
    with pytest.raises(UploadRefused) as refusal:
        found.note(1, 1, bad)
    assert "超过 2 处" in refusal.value.message()


def rooms_of(count: int, place: Callable[[int], str]) -> list[list[Any]]:
    """Rows with a place of their own each."""
    return [[n, f"{n % 90 + 10}", place(n), " 普通 "] for n in range(1, count + 1)]


def test_rows_that_were_put_away_are_as_those_that_are_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = rooms_of(600, lambda n: f" 甲楼{n % 590}😀" if n % 7 else "楼" * 600)
    sheet = Sheet("考场", [list(HEADINGS), *rows])
    declaration = replace(ROOMS, unique=("address",))
    plain = parse_rows(declaration, sheet, {}, 1000, lambda *_: None)
    monkeypatch.setattr(held, "MOST_HELD", 0)
    spilled = parse_rows(declaration, sheet, {}, 1000, lambda *_: None)
    assert len({one.message for one in plain.problems}) > 3
    assert {type(row) for row in spilled.rows} == {held.SpilledRow}
    names = [column.name for column in ROOMS.columns]
    assert spilled.rows[0].get("nothing", 5) == 5

    def seen(parsed: Any) -> list[Any]:
        return [(row.number, row.values, *map(row.cell, names)) for row in parsed.rows]

    assert seen(spilled) == seen(plain)
    assert spilled.problems == plain.problems
    assert spilled.rows[20]["address"] == plain.rows[20]["address"]


def test_what_rows_hold_of_the_memory_does_not_grow_with_their_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two thousand rows of which each has 2 KB in memory: one emoji makes four bytes of each
    character. Nor does it when all of them are gone through."""
    monkeypatch.setattr(held, "MOST_HELD", MEGABYTE // 2)
    wide = Field(name="address", label="考场地址", personal=Personal.NONE, max_length=600)
    columns = tuple(wide if one.name == wide.name else one for one in ROOMS.columns)
    declaration = replace(ROOMS, columns=columns, unique=())
    rows = ([1, "10", f"😀{n}".ljust(480, "x")] for n in range(2_000))
    sheet = Sheet("考场", chain([list(HEADINGS)], rows))
    tracemalloc.start()
    try:
        parsed = parse_rows(declaration, sheet, {}, 5_000, lambda *_: None)
        assert all(row["address"].startswith(f"😀{n}x") for n, row in enumerate(parsed.rows))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(parsed.rows), parsed.problems) == (2_000, [])
    assert peak < 3 * MEGABYTE


def test_errors_that_take_too_much_memory_are_counted_and_told_in_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = problems.Problems("考场")
    monkeypatch.setattr(problems, "MOST_HELD", 2_000)
    for row in range(100, 0, -1):
        found.add(row, "类型", f"{row}" * 20, Message("最多 {length} 个字", length=row % 2))
    told = found.sorted()
    assert 3 < len(told) < 30
    assert len(found.wrong) == 100
    assert told[-1].message == f"错误超过 {len(told) - 1} 处，其余没有列出。"
    assert [one.row for one in told[:-1]] == sorted(one.row or 0 for one in told[:-1])
    assert len({id(one.message) for one in told[:-1]}) == 2


def test_the_output_of_jobs_has_a_bound_on_disk() -> None:
    assert reader.IMPORTS.output is not None
    assert reader.IMPORTS.output <= 128 * MEGABYTE


def test_long_cells_are_judged_each_time_and_kept_only_to_be_shown() -> None:
    column = Column(Field(name="a", label="A", personal=Personal.NONE, max_length=30), None)
    blank = " " * 32_000 + "乙"
    for _ in range(2):
        cleaned = column.clean([LONG, "甲", blank])
        assert cleaned.values == [None, "甲", "乙"]
        assert [place for place, _message in cleaned.wrong] == [0]
        assert cleaned.uploaded is not None
        assert max(map(len, cleaned.uploaded)) == KEPT
    assert column.clean(["甲", " 甲"]).values == ["甲", "甲"]
