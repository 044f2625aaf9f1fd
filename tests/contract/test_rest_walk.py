"""The example of docs/api.md, as a program of an IT department walks it: log in, import a workbook
with an error, fetch the report, mend it, check it, submit it, read what became of it."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import openpyxl
import pytest
from sqlalchemy import delete, select
from werkzeug.test import Client, TestResponse
from werkzeug.wrappers import Response

from app.database.unit_of_work import unit_of_work
from app.jobs import engine
from app.jobs.machine import machine_of
from app.metadata.actor import system
from app.metadata.vocabulary import Level
from app.models.roster import StudentRecord
from tests.contract.world import ADDRESS, AGENT, PASSWORD, World

API = "/admin/58/api/v1"
IMPORT = f"{API}/import/student_record_import/"
NUMBERS = ("990101200101010038", "990101200001160063")
ROW = {
    "姓名": "张三",
    "证件类型": "居民身份证",
    "证件号码": NUMBERS[0],
    "性别": "男",
    "出生日期": "2001-01-01",
    "民族": "汉族",
    "文化程度": "大学本科",
}


@dataclass
class Program:
    """Nothing but HTTP: a jar of cookies and the token."""

    world: World
    client: Client
    token: str = ""

    def call(self, method: str, address: str, **options: Any) -> TestResponse:
        headers = {"User-Agent": AGENT} | ({"X-CSRFToken": self.token} if self.token else {})
        return self.client.open(
            address,
            method=method,
            headers=headers,
            environ_overrides=ADDRESS,
            buffered=True,
            **options,
        )

    def learn_token(self, page: TestResponse) -> None:
        found = re.search(r'name="csrf-token" content="([^"]+)"', page.get_data(as_text=True))
        assert found
        self.token = found[1]

    def log_in(self, account: str) -> None:
        self.learn_token(self.call("GET", "/admin/login/?province=99"))
        form = {"account": account, "password": PASSWORD, "csrf_token": self.token}
        assert self.call("POST", "/admin/login/?province=99", data=form).status_code == 302
        self.learn_token(self.call("GET", "/admin/58/"))

    def upload(self, book: Any, **parts: Any) -> dict[str, Any]:
        """Send a workbook; the job, when a worker has done it."""
        stream = io.BytesIO()
        book.save(stream)
        stream.seek(0)
        answer = self.call("POST", IMPORT, data=parts | {"file": (stream, "students.xlsx")})
        return self.followed(answer)

    def followed(self, answer: TestResponse) -> dict[str, Any]:
        assert answer.status_code == 202, answer.get_data(as_text=True)
        address = answer.get_json()["address"]
        assert answer.headers["Location"] == address
        assert self.call("GET", address).get_json()["state"] == "queued"
        engine.execute(machine_of(self.world.runtime), int(answer.get_json()["job"]))
        found: dict[str, Any] = self.call("GET", address).get_json()
        return found


@pytest.fixture
def program(world: World) -> Iterator[Program]:
    """Logged in as the administrator of a site, whose student records go again."""
    made = Program(world, Client(world.server, Response))
    made.log_in(world.people[Level.SITE, 0].email or "")
    yield made
    with unit_of_work(world.runtime.factory, system("seed")) as session:
        session.execute(
            delete(StudentRecord)
            .where(StudentRecord.site_code == "990701")
            .execution_options(synchronize_session=False)
        )


def fill(book: Any, rows: list[dict[str, str]]) -> None:
    """Write rows below the headings of a template."""
    page = book.worksheets[0]
    head = next(line for line in page.iter_rows() if line[1].value == "姓名*")
    columns = {str(cell.value).strip("*"): cell.column for cell in head if cell.value}
    for number, row in enumerate(rows, start=head[0].row + 1):
        for label, value in row.items():
            page.cell(number, columns[label], value)


def opened(answer: TestResponse) -> Any:
    assert answer.status_code == 200
    return openpyxl.load_workbook(io.BytesIO(answer.get_data()))


def records(world: World) -> int:
    with world.looking() as session:
        chosen = StudentRecord.site_code == "990701"
        return len(session.scalars(select(StudentRecord.id).where(chosen)).all())


def test_records_are_imported_mended_and_submitted_by_a_program(
    world: World, program: Program
) -> None:
    (kind,) = program.call("GET", f"{API}/import/").get_json()["rows"]
    assert (kind["name"], kind["refusal"]) == ("student_record_import", None)
    assert [option["name"] for option in kind["options"]] == ["site", "overwrite"]
    book = opened(program.call("GET", kind["template"]))
    wrong = ROW | {"姓名": "李四", "证件号码": NUMBERS[1], "出生日期": "2000-01-16"}
    fill(book, [ROW, wrong])  # a woman's number, and 男

    job = program.upload(book)
    assert (job["state"], job["error_count"], job["submittable"]) == ("rejected", 1, False)
    (error,) = program.call("GET", f"{job['address']}/errors").get_json()["rows"]
    assert (error["row"], error["column"], error["value"]) == (5, "性别", "男")
    assert records(world) == 0

    report = opened(program.call("GET", job["file"]))
    assert report.sheetnames[0] == kind["sheet"]
    report.worksheets[0].cell(error["row"], 5, "女")
    check = program.upload(report, dry_run="true")
    assert (check["state"], check["dry_run"], check["submittable"]) == ("done", True, True)
    assert records(world) == 0

    done = program.followed(program.call("POST", f"{check['address']}/submit"))
    assert (done["state"], done["dry_run"]) == ("done", False)
    assert records(world) == 2
    again = program.call("POST", f"{check['address']}/submit")
    assert again.get_json()["code"] == "import.not_submittable"

    listed = program.call("GET", f"{API}/job/?_size=20").get_json()["rows"]
    assert [row["state"] for row in listed[:3]] == ["done", "done", "rejected"]


def test_the_very_same_file_is_taken_again_only_when_that_is_said(
    world: World, program: Program
) -> None:
    book = opened(program.call("GET", f"{IMPORT}template"))
    fill(book, [ROW])
    stream = io.BytesIO()
    book.save(stream)

    def send(**parts: Any) -> TestResponse:
        file = (io.BytesIO(stream.getvalue()), "a.xlsx")
        return program.call("POST", IMPORT, data=parts | {"file": file})

    assert program.followed(send())["state"] == "done"
    refused = send()
    assert (refused.status_code, refused.get_json()["code"]) == (409, "import.again")
    assert program.followed(send(again="true", overwrite="true"))["state"] == "done"
    assert records(world) == 1
