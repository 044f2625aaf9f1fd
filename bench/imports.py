"""Imports of student records: reading, checking and writing, against the least it takes.

    python -m bench.imports [--quick]

A workbook of 25 columns (the template of student records and seven more texts) goes through the
job as it is run by a worker: read apart, cleaned, checked against what is stored, written with
its log, committed. The floor reads the same workbook with the same parser and sends its cells to
PostgreSQL by COPY, unchecked. The peer reads with openpyxl and inserts through the mapper. Each
measurement is a process of its own, so that its memory is its own; they take turns in one run,
and the figure is the median of the rounds' ratios. `fsync` is on.
"""

from __future__ import annotations

import argparse
import datetime as dt
import io
import json
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import openpyxl
import psycopg
import python_calamine
import sqlalchemy
import xlsxwriter
from sqlalchemy import String, create_engine, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from app.adapters.files import FileStore
from app.adapters.queue import JobQueue
from app.database.keys import keyring
from app.database.session import make_engine
from app.database.unit_of_work import reading, unit_of_work
from app.jobs import engine
from app.jobs.imports import engine as imports
from app.jobs.imports.student import STUDENT_IMPORT
from app.jobs.machine import Machine
from app.metadata import registry
from app.metadata.actor import Actor, system
from app.metadata.declarations import Import
from app.metadata.fields import Field
from app.metadata.vocabulary import Level, Personal
from app.models.job import JobRun
from bench.large_tables import postgresql
from tests.conftest import create_schema
from tests.factories import bind_administrator, id_number, populate
from tests.rules.roster.roster_world import set_policy

#: Bars: product / floor; megabytes; seconds for ten thousand wrong rows.
BAR, BAR_MEMORY, BAR_ERRORS = 5.0, 300, 10.0
WIDTH = 25
_MEGABYTE = 1024 * 1024
_LIMIT = 50_000
_OPTIONS = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}

BENCH_IMPORT: Import = replace(
    STUDENT_IMPORT,
    name="bench_students",
    columns=(
        *STUDENT_IMPORT.columns,
        *(
            Field(name=f"more{n}", label=f"其他{n}", personal=Personal.NONE, max_length=40)
            for n in range(WIDTH - len(STUDENT_IMPORT.columns))
        ),
    ),
)


def cells_of(number: int, *, wrong: bool = False) -> list[str]:
    """One row in the order of the columns; a wrong one has four errors."""
    chance = random.Random(number)
    birth = dt.date(1998, 1, 1) + dt.timedelta(days=number % 3000)
    man = bool(number % 2)
    person = [
        str(number + 1),
        f"张{chr(0x4E00 + number % 5000)}{chr(0x4E00 + number % 77)}",
        "居民身份证",
        "99010120" if wrong else id_number(number, birth=birth, sex="1" if man else "2"),
        ("未知" if wrong else "男") if man or wrong else "女",
        "2001-02-30" if wrong else birth.isoformat(),
        "汉族" if number % 9 else "04-藏族",
        "大学本科",
        "学生",
        f"学院{number % 20}",
        f"专业{number % 60}",
        f"{number % 400}班",
        f"2026{number:08d}",
        "100000",
        f"某省某市某区某路{number}号",
        "1" if wrong else f"139{number:08d}",
        f"u{number}@example.com",
        chance.choice(["", "备注一", "备注二"]),
    ]
    return [*person, *(f"文字{n}-{number % 1000}" for n in range(WIDTH - len(person)))]


def write_book(path: Path, rows: int, *, wrong: bool = False) -> None:
    """The workbook of so many rows."""
    with xlsxwriter.Workbook(str(path), _OPTIONS) as book:
        page = book.add_worksheet(BENCH_IMPORT.sheet)
        page.write_row(0, 0, [column.label for column in BENCH_IMPORT.columns])
        for number in range(rows):
            page.write_row(number + 1, 0, cells_of(number, wrong=wrong))


# ---------------------------------------------------------------- contenders, each a process


def plain_address(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def floor(url: str, path: Path) -> dict[str, Any]:
    """Parse, and COPY the cells."""
    names = ", ".join(f"c{n} text" for n in range(WIDTH))
    with psycopg.connect(plain_address(url)) as connection:
        connection.execute(f"CREATE TABLE IF NOT EXISTS bench_floor ({names})")
        connection.commit()
        begun = time.perf_counter()
        content = io.BytesIO(path.read_bytes())
        sheet = python_calamine.CalamineWorkbook.from_filelike(content).get_sheet_by_index(0)
        count = 0
        with connection.cursor().copy("COPY bench_floor FROM STDIN") as copy:
            for row in sheet.to_python():
                copy.write_row(row)
                count += 1
        connection.commit()
    return {"seconds": time.perf_counter() - begun, "rows": count - 1}


class _Base(DeclarativeBase):
    """Of the peer's table."""


#: a mapped class with a key and a text per cell
_Peer: Any = type(
    "Peer",
    (_Base,),
    {
        "__tablename__": "bench_peer",
        "__annotations__": {
            "id": Mapped[int],
            **{f"c{n}": Mapped[str | None] for n in range(WIDTH)},
        },
        "id": mapped_column(primary_key=True),
        **{f"c{n}": mapped_column(String) for n in range(WIDTH)},
    },
)


def peer(url: str, path: Path) -> dict[str, Any]:
    """openpyxl and the mapper: what most applications do, without any check."""
    database = create_engine(url)
    _Base.metadata.create_all(database)
    begun = time.perf_counter()
    page: Any = openpyxl.load_workbook(path, read_only=True).worksheets[0]
    with Session(database) as session:
        rows = page.iter_rows(min_row=2, values_only=True)
        made = [_Peer(**{f"c{n}": cell for n, cell in enumerate(row)}) for row in rows]
        session.add_all(made)
        session.commit()
        count = len(made)
    seconds = time.perf_counter() - begun
    database.dispose()
    return {"seconds": seconds, "rows": count}


def product(url: str, path: Path) -> dict[str, Any]:
    """The job, as a worker does it: from the stored upload to the committed end."""
    from app.database.session import make_session_factory  # noqa: PLC0415 - the product's alone

    factory = make_session_factory(make_engine(url))
    with tempfile.TemporaryDirectory() as folder:
        machine = Machine(
            factory=factory,
            queue=_NoQueue("unix:///nowhere"),
            files=FileStore(f"file://{folder}"),
            import_max_rows=_LIMIT,
        )
        actor = _site(factory)
        run = imports.submit(machine, actor, BENCH_IMPORT, path.read_bytes(), path.name)
        begun = time.perf_counter()
        state = engine.execute(machine, run.id)
        seconds = time.perf_counter() - begun
        with reading(factory, system("bench")) as session:
            ended = session.get_one(JobRun, run.id)
            found = {"seconds": seconds, "rows": ended.progress, "state": ended.state}
            found["errors"] = (ended.result or {}).get("error_count", 0)
            found["first"] = [item["message"] for item in ended.errors[:3]]
    assert state == "done", state
    return found


class _NoQueue(JobQueue):
    """Nobody else is to run the job."""

    def push(self, job_id: int) -> bool:
        return False


def _site(factory: Any) -> Actor:
    """The administrator that `prepare` has bound."""
    from sqlalchemy import select  # noqa: PLC0415 - here alone

    from app.models.account import AdminBinding  # noqa: PLC0415
    from app.models.exam import Exam  # noqa: PLC0415
    from app.rules import actors  # noqa: PLC0415

    with reading(factory, system("bench")) as session:
        passport = session.scalars(select(AdminBinding.passport_id)).first()
        exam = session.scalars(select(Exam).where(Exam.state == "current")).one()
        assert passport is not None
        return actors.load_administrator(session, passport, exam)


CONTENDERS: dict[str, Callable[[str, Path], dict[str, Any]]] = {
    "floor": floor,
    "product": product,
    "peer": peer,
}


def child(name: str, url: str, path: Path) -> None:
    """Measure one contender; its figures on standard output, with the memory of the process and
    of the largest process that it has started."""
    registry.register(BENCH_IMPORT)
    found = CONTENDERS[name](url, path)
    for who, kind in (("own", resource.RUSAGE_SELF), ("child", resource.RUSAGE_CHILDREN)):
        found[who] = resource.getrusage(kind).ru_maxrss // 1024
    print(json.dumps(found))


def measure(name: str, url: str, path: Path) -> dict[str, Any]:
    """One contender in a process of its own, on empty tables."""
    with psycopg.connect(plain_address(url), autocommit=True) as connection:
        for table in ("student_record", "audit_entry", "bench_floor", "bench_peer"):
            known = connection.execute("SELECT to_regclass(%s)", [table]).fetchone()
            if known and known[0]:
                connection.execute(f"TRUNCATE {table} CASCADE")
        connection.execute("CHECKPOINT")
    command = [sys.executable, "-m", "bench.imports", "--child", name, url, str(path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True, env=_environment())
    found: dict[str, Any] = json.loads(said.stdout.splitlines()[-1])
    return found


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONHASHSEED": "0"}


# ---------------------------------------------------------------- rounds


@contextmanager
def database() -> Iterator[str | None]:
    """PostgreSQL with production's settings, a site and its administrator; None: not found."""
    with postgresql() as url:
        if url is not None:
            create_schema(url)
            factory, tree = populate(url)
            with unit_of_work(factory, system("seed")) as session:
                bind_administrator(session, tree, Level.SITE)
                for site in tree.sites:
                    set_policy(session, tree, site)
            factory.kw["bind"].dispose()
        yield url


def compare(url: str, path: Path, rows: int, rounds: int, *, with_peer: bool) -> bool:
    """Floor, product and peer in turns; whether ratio and memory are within the bars."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for number in range(rounds):
        for name in ("floor", "product", *(["peer"] if with_peer and not number else [])):
            found[name].append(measure(name, url, path))
    assert all(one["rows"] == rows for runs in found.values() for one in runs), found
    assert all(one["state"] == "done" for one in found["product"]), found["product"]
    pairs = zip(found["floor"], found["product"], strict=True)
    ratios = [ours["seconds"] / least["seconds"] for least, ours in pairs]
    memory = max(max(one["own"], one["child"]) for one in found["product"])
    for name, runs in found.items():
        if runs:
            seconds = statistics.median(one["seconds"] for one in runs)
            largest = max(one["own"] for one in runs)
            print(f"  {name:<10}{seconds:7.2f} s   {rows / seconds:8.0f} rows/s   {largest:5d} MB")
    ratio = statistics.median(ratios)
    apart = max(one["child"] for one in found["product"])
    print(
        f"  {rows} rows x {WIDTH}: {ratio:.2f} x the floor (bar {BAR}; rounds {min(ratios):.2f}-"
        f"{max(ratios):.2f}), memory {memory} MB (bar {BAR_MEMORY}; its reader {apart} MB)"
    )
    return bool(ratio <= BAR and memory < BAR_MEMORY)


def wrong_rows(url: str, path: Path, rows: int) -> bool:
    """Every error of every row told, with the report, within the bar."""
    found = measure("product", url, path)
    assert found["state"] == "rejected", found
    seconds, memory = found["seconds"], max(found["own"], found["child"])
    print(
        f"  {rows} wrong rows: {found['errors']} errors and the report in {seconds:.1f} s "
        f"(bar {BAR_ERRORS} s), {memory} MB"
    )
    return bool(seconds < BAR_ERRORS and found["errors"] == 4 * rows and memory < BAR_MEMORY)


def main() -> int:
    """Return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="2,000 rows, one round")
    parser.add_argument("--child", nargs=3, metavar=("NAME", "URL", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        keyring()
        name, url, path = options.child
        child(name, url, Path(path))
        return 0
    sizes, rounds, wrong = ([2_000], 1, 1_000) if options.quick else ([10_000, 50_000], 3, 10_000)
    print(
        f"Python {platform.python_version()}, SQLAlchemy {sqlalchemy.__version__}, "
        f"calamine {version('python-calamine')}, psycopg {psycopg.__version__}, "
        f"{os.cpu_count()} cores"
    )
    reached = []
    with database() as url, tempfile.TemporaryDirectory() as folder:
        if url is None:
            print("PostgreSQL: not found, nothing measured (set PG_BIN)")
            return 0
        for rows in sizes:
            path = Path(folder) / f"{rows}.xlsx"
            write_book(path, rows)
            print(f"{rows} rows, {path.stat().st_size / _MEGABYTE:.1f} MB")
            reached.append(compare(url, path, rows, rounds, with_peer=True))
        path = Path(folder) / "wrong.xlsx"
        write_book(path, wrong, wrong=True)
        reached.append(wrong_rows(url, path, wrong))
    return 0 if all(reached) else 1


if __name__ == "__main__":
    raise SystemExit(main())
