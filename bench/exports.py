"""A list of 100,000 rows as a workbook, by a job, against xlsxwriter alone.

    python -m bench.exports [--quick]

The centre exports all registrations: the job reads them from PostgreSQL in the order of their
ids, puts labels for codes and masks on personal data, writes the workbook and stores it. The
floor writes the same cells, ready in memory, by xlsxwriter with the same options. Each
measurement is a process of its own; they take turns, and the figure is the median of the rounds'
ratios. Memory is what the job adds to a worker that has loaded the product.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import python_calamine
import xlsxwriter

from app.database.keys import keyring
from app.database.session import make_engine, make_session_factory
from app.database.unit_of_work import reading, unit_of_work
from app.jobs import bulk, engine  # noqa: F401 - bulk registers its handlers
from app.metadata.actor import system
from app.metadata.query import ListQuery
from app.metadata.vocabulary import Level
from app.models.job import JobRun, StoredFile
from app.models.registration import Registration
from app.runtime import load_declarations
from bench.large_tables import fill, postgresql
from bench.workers import administrator, alone, machine, resident, tell
from tests.conftest import create_schema
from tests.factories import bind_administrator, make_registration, make_tree

#: times of the floor; megabytes
BAR, BAR_MEMORY = 1.5, 100


def product(url: str, path: Path) -> dict[str, Any]:
    """The job, as a worker does it; the workbook is kept at `path` for the floor."""
    load_declarations()
    database = make_engine(url)
    factory = make_session_factory(database)
    with tempfile.TemporaryDirectory() as folder:
        worker = machine(factory, folder)
        with unit_of_work(factory, administrator(factory)) as session:
            run = engine.enqueue(
                session,
                worker,
                kind="export",
                declaration=Registration.__admin__,
                parameters={"query": ListQuery("registration").to_json()},
            )
        rest = resident()
        begun, worked = time.perf_counter(), time.process_time()
        state = engine.execute(worker, run.id)
        seconds, own = time.perf_counter() - begun, time.process_time() - worked
        found: dict[str, Any] = {"seconds": seconds, "own_seconds": own, "rest": rest}
        with reading(factory, system("bench")) as session:
            ended = session.get_one(JobRun, run.id)
            found["rows"] = ended.progress
            kept = session.get_one(StoredFile, ended.report_file_id)
            path.write_bytes(worker.files.get(kept.key))
    database.dispose()
    assert state == "done", state
    return found


def floor(_url: str, path: Path) -> dict[str, Any]:
    """The cells of that workbook, written once more."""
    book = python_calamine.CalamineWorkbook.from_path(str(path))
    rows = book.get_sheet_by_index(0).to_python()
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    with tempfile.TemporaryFile() as stream:
        begun, worked = time.perf_counter(), time.process_time()
        with xlsxwriter.Workbook(stream, options) as copy:
            sheet = copy.add_worksheet("报名信息")
            for number, row in enumerate(rows):
                sheet.write_row(number, 0, row)
        seconds, own = time.perf_counter() - begun, time.process_time() - worked
    return {"seconds": seconds, "own_seconds": own, "rows": len(rows) - 1, "columns": len(rows[0])}


CONTENDERS = {"product": product, "floor": floor}


def prepare(url: str, count: int) -> None:
    """The rows, and the centre's administrator."""
    create_schema(url)
    database = make_engine(url)
    with unit_of_work(make_session_factory(database), system("bench")) as session:
        tree = make_tree(session)
        make_registration(session, tree)
        bind_administrator(session, tree, Level.CENTER)
    database.dispose()
    fill(url, count - 1)


def compare(url: str, path: Path, rounds: int, count: int) -> bool:
    """Both in turns; whether ratio and memory are within the bars."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTENDERS}
    for _ in range(rounds):
        for name in CONTENDERS:
            found[name].append(alone("bench.exports", name, url, str(path)))
    assert all(one["rows"] == count for runs in found.values() for one in runs), found
    for name, runs in found.items():
        seconds, own = (
            statistics.median(one[unit] for one in runs) for unit in ("seconds", "own_seconds")
        )
        print(f"  {name:<10}{seconds:7.2f} s (own processor {own:.2f} s)")
    pairs = zip(found["product"], found["floor"], strict=True)
    ratio = statistics.median(ours["seconds"] / least["seconds"] for ours, least in pairs)
    most = max(one["own"] for one in found["product"])
    memory = max(one["own"] - one["rest"] for one in found["product"])
    print(
        f"  {count} rows x {found['floor'][0]['columns']}: {ratio:.2f} x the floor (bar {BAR}), "
        f"{memory} MB beside the worker (bar {BAR_MEMORY}), {most} MB with it"
    )
    return bool(ratio <= BAR and memory < BAR_MEMORY)


def main() -> int:
    """Return 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="10,000 rows, one round")
    parser.add_argument("--child", nargs=3, metavar=("NAME", "URL", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        keyring()
        name, url, path = options.child
        tell(CONTENDERS[name](url, Path(path)))
        return 0
    count, rounds = (10_000, 1) if options.quick else (100_000, 3)
    with postgresql() as url, tempfile.TemporaryDirectory() as folder:
        if url is None:
            print("PostgreSQL: not found, left out (set PG_BIN)")
            return 0
        prepare(url, count)
        print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        return 0 if compare(url, Path(folder) / "rows.xlsx", rounds, count) else 1


if __name__ == "__main__":
    sys.exit(main())
