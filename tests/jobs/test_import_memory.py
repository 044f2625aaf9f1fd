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
from typing import Any

import pytest
import xlsxwriter

from app.jobs.imports import reader, spool
from app.jobs.imports.columns import LONG as KEPT
from app.jobs.imports.columns import Column
from app.jobs.imports.container import UploadRefused
from app.jobs.imports.rows import parse_rows
from app.metadata.fields import Field
from app.metadata.vocabulary import Personal
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
