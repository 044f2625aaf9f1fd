"""Uploads of tests, their errors and their reports."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any

import openpyxl

from app.jobs import engine
from app.jobs.imports import engine as imports
from app.models.job import JobRun, StoredFile
from tests.jobs.conftest import Ground
from tests.jobs.support import ROOMS

#: two rows of the test import
GOOD = [[1, "01", "甲楼101", "普通", dt.date(2026, 9, 19), "是", None], [2, "2", "乙楼202"]]


def submit(ground: Ground, content: bytes, name: str = "考场.xlsx", **options: Any) -> JobRun:
    """Upload as the site's administrator, run the job, return its row."""
    declaration = options.pop("declaration", ROOMS)
    machine = options.pop("machine", ground.machine)
    run = imports.submit(machine, ground.site, declaration, content, name, **options)
    engine.execute(machine, run.id)
    return ground.run(run.id)


def messages(run: JobRun) -> list[tuple[Any, str, str]]:
    """(row, column, message) of the errors."""
    return [(item["row"], item["column"], item["message"]) for item in run.errors]


def report(ground: Ground, run: JobRun) -> Any:
    """The report's workbook."""
    stored = next(row for row in ground.all(StoredFile) if row.id == run.report_file_id)
    return openpyxl.load_workbook(io.BytesIO(ground.machine.files.get(stored.key)))
